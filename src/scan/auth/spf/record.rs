//! The grammar of an SPF record (RFC 7208 §12). A record is read to its end before any of it counts:
//! one error anywhere makes all of it void (§4.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::DomainSpec;

/// A record that can be evaluated.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<DomainSpec>,
}

/// One term that may match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Directive {
    pub(super) qualifier: Qualifier,
    pub(super) mechanism: Mechanism,
    /// As it stands in the record.
    pub(super) text: String,
}

/// What a match means (§4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// How a term matches (§5).
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mechanism {
    All,
    Include(DomainSpec),
    A(Option<DomainSpec>, Prefixes),
    Mx(Option<DomainSpec>, Prefixes),
    Ptr(Option<DomainSpec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(DomainSpec),
}

/// The prefix lengths of `a` and `mx` (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

/// Whether a text is an SPF record at all (§4.5): the version, then a space or the end.
pub(super) fn is_spf(text: &[u8]) -> bool {
    let version = text.get(..6).is_some_and(|v| v.eq_ignore_ascii_case(b"v=spf1"));
    version && matches!(text.get(6), None | Some(b' '))
}

impl Record {
    /// Reads a record that [`is_spf`]. The error is the term that cannot be read.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "characters that are no ASCII".to_owned())?;
        let mut record = Self::default();
        let mut has_exp = false;
        for term in text.get(6..).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
            let wrong = || term.chars().take(100).collect::<String>();
            match modifier(term) {
                Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                    let spec = DomainSpec::parse(value).ok_or_else(wrong)?;
                    if record.redirect.replace(spec).is_some() {
                        return Err(wrong());
                    }
                }
                Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                    DomainSpec::parse(value).ok_or_else(wrong)?;
                    if std::mem::replace(&mut has_exp, true) {
                        return Err(wrong());
                    }
                }
                Some((_, value)) => {
                    DomainSpec::parse_text(value).ok_or_else(wrong)?;
                }
                None => record.directives.push(directive(term).ok_or_else(wrong)?),
            }
        }
        Ok(record)
    }
}

/// `NAME=VALUE`, where what stands before the `=` is a name.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let first = name.bytes().next()?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (first.is_ascii_alphabetic() && name.bytes().all(is_name)).then_some((name, value))
}

fn directive(term: &str) -> Option<Directive> {
    let (qualifier, rest) = match term.as_bytes().first()? {
        b'+' => (Qualifier::Pass, term.get(1..)?),
        b'-' => (Qualifier::Fail, term.get(1..)?),
        b'~' => (Qualifier::SoftFail, term.get(1..)?),
        b'?' => (Qualifier::Neutral, term.get(1..)?),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(DomainSpec::parse(rest.strip_prefix(':')?)?),
        "exists" => Mechanism::Exists(DomainSpec::parse(rest.strip_prefix(':')?)?),
        "a" => {
            let (domain, prefixes) = domain_and_prefixes(rest)?;
            Mechanism::A(domain, prefixes)
        }
        "mx" => {
            let (domain, prefixes) = domain_and_prefixes(rest)?;
            Mechanism::Mx(domain, prefixes)
        }
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(DomainSpec::parse(rest.strip_prefix(':')?)?)),
        "ip4" => {
            let (address, length) = network(rest.strip_prefix(':')?, 32)?;
            Mechanism::Ip4(address.parse().ok()?, length)
        }
        "ip6" => {
            let (address, length) = network(rest.strip_prefix(':')?, 128)?;
            Mechanism::Ip6(address.parse().ok()?, length)
        }
        _ => return None,
    };
    Some(Directive { qualifier, mechanism, text: term.to_owned() })
}

/// `ADDRESS[/LENGTH]`.
fn network(text: &str, longest: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        None => Some((text, longest)),
        Some((address, length)) => Some((address, prefix(length, longest)?)),
    }
}

/// `[:DOMAIN][/V4][//V6]`.
fn domain_and_prefixes(text: &str) -> Option<(Option<DomainSpec>, Prefixes)> {
    let mut prefixes = Prefixes { v4: 32, v6: 128 };
    let mut rest = text;
    if let Some((before, length)) = trailing_length(rest, "//") {
        prefixes.v6 = prefix(length, 128)?;
        rest = before;
    }
    if let Some((before, length)) = trailing_length(rest, "/") {
        prefixes.v4 = prefix(length, 32)?;
        rest = before;
    }
    let domain = match rest.strip_prefix(':') {
        Some(domain) => Some(DomainSpec::parse(domain)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some((domain, prefixes))
}

/// What stands before and after the last `separator`, if what follows are digits alone.
fn trailing_length<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    let at = text.rfind(separator)?;
    let length = text.get(at + separator.len()..)?;
    // "/" inside of "//" is not ours.
    let lone = separator != "/" || !text.get(..at)?.ends_with('/');
    (lone && length.bytes().all(|b| b.is_ascii_digit())).then_some((text.get(..at)?, length))
}

/// A prefix length: `0`, or digits that do not begin with one.
fn prefix(digits: &str, longest: u8) -> Option<u8> {
    let well_formed = digits == "0" || !digits.is_empty() && !digits.starts_with('0');
    let length = digits.parse().ok()?;
    (well_formed && digits.bytes().all(|b| b.is_ascii_digit()) && length <= longest).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_version_is_no_record() {
        for good in ["v=spf1", "V=SPF1 -all", "v=spf1 "] {
            assert!(is_spf(good.as_bytes()), "{good}");
        }
        for bad in ["", "v=spf10", "v=spf1\t-all", "v=spf2 -all", " v=spf1 -all", "v=spf1-all"] {
            assert!(!is_spf(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn one_error_makes_the_whole_record_void() {
        let read = |terms: &str| Record::parse(format!("v=spf1 {terms}").as_bytes());
        for good in [
            "a",
            "a/0//0 mx:b.example/24",
            "-ALL",
            "ptr:c.example",
            "ip4:192.0.2.0/0",
            "ip6:::1/0",
            "x=y",
            "x-y_z.1=%%",
            "redirect=_spf.%{d}",
            "exp=e.example",
            "exists:%{i}._spf.%{d2}",
            "include:x.example.",
            "",
        ] {
            assert!(read(good).is_ok(), "{good}: {:?}", read(good));
        }
        for bad in [
            "b",
            "all:x",
            "all/8",
            "a:",
            "a/",
            "a/33",
            "a//129",
            "a/08",
            "a/24/64",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip4",
            "ip6:1.2.3.4",
            "include",
            "include:",
            "include:x/24",
            "exists",
            "ptr/0",
            "redirect=",
            "exp=a.example exp=b.example",
            "redirect=a.example redirect=a.example",
            "=x",
            "1x=y",
            "a:%{c}.example",
            "a:%{d0}.example",
            "a:%(d)",
            "a:example.1",
            "-",
            "--all",
            "exp=%{r}.example",
            "x=%{",
            "a\tmx",
            "all all:",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(Record::parse(b"v=spf1 a:\xc3\xa9.example -all").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            drop(Record::parse(format!("v=spf1 {text}").as_bytes()));
            drop(Record::parse(&[b"v=spf1 ".as_slice(), &bytes].concat()));
        }
    }
}
