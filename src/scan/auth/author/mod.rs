//! Whom the From field names, read without any doubt or not at all.
//!
//! DMARC protects what people see, and mail programs disagree about odd From fields: one shows the first
//! address, one the last, one what stands in a comment. So the field is read by the grammar of RFC 5322
//! §3.6.2 first (`strict`). Much honest mail breaks it – `Bank, Inc. <a@bank.example>` –, and who forges can
//! break it on purpose. Of such a field every domain is collected that any program could show (`shown`). Is
//! it always the same one, that is the author; else there is none who could pass, and DMARC is asked about
//! each of them.

mod shown;
mod strict;
#[cfg(test)]
mod tests;
mod words;

use self::shown::Shown;
use self::strict::{AddrSpec, addr_specs};

use crate::mail::header;
use crate::model::{Author, Message, text};

/// A longer From field is not read.
const MAX_FIELD: usize = 16 * 1024;
/// More addresses are not read.
const MAX_ADDRESSES: usize = 100;
/// So many From fields are shown where there is more than one.
const MAX_SHOWN: usize = 3;
/// As much is shown of one.
const MAX_TEXT: usize = 100;
/// DMARC is asked about no more domains where there is not one.
const MAX_DOMAINS: usize = 5;

/// What the From field says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The author's domain, or why there is not exactly one.
    pub(super) author: Author,
    /// Where there is not one: the domains that some program could show, [`MAX_DOMAINS`] at most.
    pub(super) shown: Vec<String>,
    /// There may be more of them.
    pub(super) in_part: bool,
    /// Where there is one although the field breaks the grammar: how.
    pub(super) odd: Option<&'static str>,
}

/// Whom the From field of a message names.
pub(super) fn read(message: &Message) -> Reading {
    let fields: Vec<&[u8]> =
        message.fields().filter(|(name, _)| is_from(name)).map(|(_, value)| value).collect();
    match &*fields {
        [] => Reading { author: Author::Missing, shown: Vec::new(), in_part: false, odd: None },
        [value] => read_one(value),
        several => {
            // Each program shows one of them. None of them passes, not even where all name the same domain:
            // a signature may be about another one.
            let mut found = Shown::default();
            for value in several {
                match strict::domains(value) {
                    Ok(domains) => domains.into_iter().for_each(|domain| found.add(domain)),
                    Err(_) => found.read(value),
                }
            }
            let Shown { domains: shown, in_part } = found;
            Reading { author: Author::SeveralFields(several.len()), shown, in_part, odd: None }
        }
    }
}

fn read_one(value: &[u8]) -> Reading {
    let one = |domain: &str, odd| Reading {
        author: Author::Domain(domain.to_owned()),
        shown: Vec::new(),
        in_part: false,
        odd,
    };
    let mut found = Shown::default();
    let author = match strict::domains(value).as_deref() {
        Ok([domain]) => return one(domain, None),
        Ok(several) => {
            several.iter().cloned().for_each(|domain| found.add(domain));
            Author::SeveralDomains(several.iter().map(|domain| text::line(domain, 255)).collect())
        }
        Err(why) => {
            found.read(value);
            // What control characters do to a field no two programs agree on.
            if let ([domain], false, false) = (&*found.domains, found.in_part, has_controls(value)) {
                return one(domain, Some(why));
            }
            Author::Unreadable((*why).to_owned())
        }
    };
    let Shown { domains: shown, in_part } = found;
    Reading { author, shown, in_part, odd: None }
}

fn has_controls(value: &[u8]) -> bool {
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    String::from_utf8_lossy(value).chars().any(is_control)
}

/// The author's domain, in normal form; `None` where DMARC would find nobody who could pass.
#[must_use]
pub fn domain(message: &Message) -> Option<String> {
    match read(message).author {
        Author::Domain(domain) => Some(domain),
        _ => None,
    }
}

/// The addresses of the authors of a message, each as `local@domain` with the domain as an A-label in lower
/// case. Empty where the grammar leaves a doubt, or where programs may show one of the local parts otherwise
/// than it is written.
#[must_use]
pub fn addresses(message: &Message) -> Vec<String> {
    let mut values = message.fields().filter(|(name, _)| is_from(name)).map(|(_, value)| value);
    let (Some(value), None) = (values.next(), values.next()) else { return Vec::new() };
    let addresses = addr_specs(value).ok().and_then(|list| list.into_iter().map(AddrSpec::text).collect());
    addresses.unwrap_or_default()
}

/// The values of the first From fields, as text for people.
pub(super) fn shown(message: &Message) -> Vec<String> {
    let values = message.fields().filter(|(name, _)| is_from(name)).map(|(_, value)| value);
    values.take(MAX_SHOWN).map(|value| text::line(&header::decode_words(value), MAX_TEXT)).collect()
}

/// The domain of an address that stands in the display name where another domain is the author: people
/// take the one for the other, and programs on telephones show the name alone. A domain above or below the
/// author's is taken for the same.
pub(super) fn named(message: &Message, author: &str) -> Option<String> {
    let value = message.fields().find(|(name, _)| is_from(name)).map(|(_, value)| value)?;
    let value = value.get(..MAX_FIELD).unwrap_or(value);
    let addresses = header::addresses(value);
    let names = addresses.iter().take(MAX_ADDRESSES).flat_map(|address| domains_in(&address.name));
    let is_below = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
    names.into_iter().find(|name| name != author && !is_below(name, author) && !is_below(author, name))
}

/// The domains that follow an `@`.
fn domains_in(name: &str) -> Vec<String> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let candidates = name.split('@').skip(1).take(MAX_ADDRESSES);
    let domain = |rest: &str| {
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        rest.get(..end).and_then(a_label)
    };
    candidates.filter_map(domain).collect()
}

fn is_from(name: &[u8]) -> bool {
    name.trim_ascii_end().eq_ignore_ascii_case(b"From")
}

/// A domain as it is asked: A-labels, lower case, no final dot, two labels at least.
pub(super) fn a_label(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let domain =
        if domain.is_ascii() { domain.to_ascii_lowercase() } else { idna::domain_to_ascii(domain).ok()? };
    let label = |l: &str| l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let well_formed = domain.contains('.') && domain.split('.').all(label);
    (well_formed && crate::dns::question(&domain).is_ok()).then_some(domain)
}
