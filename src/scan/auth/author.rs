//! Whom the From field names, read without any doubt or not at all.
//!
//! DMARC protects what people see, and mail programs disagree about odd From fields: one shows the first
//! address, one the last, one what stands in a comment. So the field is read by the grammar of RFC 5322
//! §3.6.2 and no more: where two programs could see two authors, the answer is why, and never a domain
//! that the other program would not show.

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
/// Deeper comments are not read.
const MAX_DEPTH: usize = 20;

/// The author's domain of a message, or why there is not exactly one.
pub(super) fn author(message: &Message) -> Author {
    let mut fields = message.fields().filter(|(name, _)| is_from(name)).map(|(_, value)| value);
    let Some(value) = fields.next() else { return Author::Missing };
    match fields.count() {
        0 => read(value),
        more => Author::SeveralFields(more + 1),
    }
}

/// The addresses of the authors of a message, each as `local@domain` with the domain as an A-label in lower
/// case. Empty where [`author`] has a doubt, or where programs may show one of the local parts otherwise
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

fn read(value: &[u8]) -> Author {
    let unreadable = |why: &str| Author::Unreadable(why.to_owned());
    let mut distinct: Vec<String> = Vec::new();
    match addr_specs(value) {
        Err(why) => return unreadable(why),
        Ok(addresses) => {
            for AddrSpec { domain, .. } in addresses {
                if !distinct.contains(&domain) {
                    distinct.push(domain);
                }
            }
        }
    }
    match distinct.len() {
        0 => unreadable("it holds no address"),
        1 => Author::Domain(distinct.swap_remove(0)),
        _ => Author::SeveralDomains(distinct.iter().map(|d| text::line(d, 255)).collect()),
    }
}

/// One address (RFC 5322 §3.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct AddrSpec {
    /// As it is written, with its quotes.
    local: String,
    /// As an A-label in lower case.
    domain: String,
}

impl AddrSpec {
    /// As text. `None` where the local part holds what a program may decode, unfold or not show.
    fn text(self) -> Option<String> {
        let Self { local, domain } = self;
        let plain = |c: char| c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
        (local.chars().all(plain) && !local.contains("=?")).then(|| format!("{local}@{domain}"))
    }
}

/// All addresses of a From field.
fn addr_specs(value: &[u8]) -> Result<Vec<AddrSpec>, &'static str> {
    if value.len() > MAX_FIELD {
        return Err("it is too long");
    }
    // RFC 6532 allows UTF-8; what is neither is shown as each program likes.
    let value = std::str::from_utf8(value).map_err(|_| "it holds bytes that are no UTF-8")?;
    if value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        return Err("it holds control characters");
    }
    let mut addresses = mailboxes(&tokens(value)?)?;
    for address in &mut addresses {
        address.domain = a_label(&address.domain).ok_or("its domain is no domain name")?;
    }
    Ok(addresses)
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

/// A piece of a structured field (RFC 5322 §3.2); comments and white space are taken away, but it is
/// known whether there was any before.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Atom { text: String, spaced: bool },
    Quoted { text: String, spaced: bool },
    Special { c: char, spaced: bool },
}

fn tokens(value: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = value.chars().peekable();
    let mut spaced = false;
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => spaced = true,
            '(' => {
                comment(&mut rest)?;
                spaced = true;
            }
            '"' => {
                let text = quoted(&mut rest)?;
                tokens.push(Token::Quoted { text, spaced });
                spaced = false;
            }
            '<' | '>' | '@' | ',' | ';' | ':' | '.' => {
                tokens.push(Token::Special { c, spaced });
                spaced = false;
            }
            '[' | ']' => return Err("it holds an address literal"),
            ')' | '\\' => return Err("it holds a bracket or backslash out of place"),
            first => {
                let mut text = String::from(first);
                while let Some(c) = rest.next_if(|c| is_atext(*c)) {
                    text.push(c);
                }
                tokens.push(Token::Atom { text, spaced });
                spaced = false;
            }
        }
    }
    Ok(tokens)
}

fn is_atext(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | '@' | '\\' | ',' | '.' | '"')
}

fn comment(rest: &mut impl Iterator<Item = char>) -> Result<(), &'static str> {
    let mut depth = 1_usize;
    while let Some(c) = rest.next() {
        match c {
            '\\' => drop(rest.next()),
            '(' if depth == MAX_DEPTH => return Err("its comments are nested too deep"),
            '(' => depth += 1,
            ')' if depth == 1 => return Ok(()),
            ')' => depth -= 1,
            _ => {}
        }
    }
    Err("a comment in it does not end")
}

/// The rest of a quoted string, as it is written, with its quotes.
fn quoted(rest: &mut impl Iterator<Item = char>) -> Result<String, &'static str> {
    let mut text = String::from('"');
    while let Some(c) = rest.next() {
        text.push(c);
        match c {
            '\\' => text.extend(rest.next()),
            '"' => return Ok(text),
            _ => {}
        }
    }
    Err("a quoted string in it does not end")
}

/// The addresses of a mailbox-list, groups allowed (RFC 6854); domains as they are written.
fn mailboxes(tokens: &[Token]) -> Result<Vec<AddrSpec>, &'static str> {
    let mut addresses = Vec::new();
    let mut in_group = false;
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        match first {
            Token::Special { c: ',', .. } => rest = tail(rest, 1),
            Token::Special { c: ';', .. } if in_group => {
                in_group = false;
                rest = tail(rest, 1);
                if !matches!(rest.first(), None | Some(Token::Special { c: ',', .. })) {
                    return Err("something follows a group in it");
                }
            }
            _ => {
                let end = rest.iter().position(ends_mailbox).unwrap_or(rest.len());
                let (mailbox, after) = rest.split_at(end);
                if let Some(Token::Special { c: ':', .. }) = after.first() {
                    if in_group || !is_phrase(mailbox) {
                        return Err("it holds a colon out of place");
                    }
                    in_group = true;
                    rest = tail(after, 1);
                    continue;
                }
                addresses.push(self::mailbox(mailbox)?);
                if addresses.len() > MAX_ADDRESSES {
                    return Err("it holds too many addresses");
                }
                rest = after;
            }
        }
    }
    if in_group { Err("a group in it does not end") } else { Ok(addresses) }
}

fn tail(tokens: &[Token], n: usize) -> &[Token] {
    tokens.get(n..).unwrap_or_default()
}

const fn ends_mailbox(token: &Token) -> bool {
    matches!(token, Token::Special { c: ',' | ';' | ':', .. })
}

const fn is(token: Option<&Token>, wanted: char) -> bool {
    matches!(token, Some(Token::Special { c, .. }) if *c as u32 == wanted as u32)
}

/// Words, and dots as in `J. R. Doe`, which is obsolete and everywhere.
fn is_phrase(tokens: &[Token]) -> bool {
    tokens.iter().all(|token| !matches!(token, Token::Special { c, .. } if *c != '.'))
}

/// The address in `[phrase] "<" addr-spec ">"` or of a bare addr-spec.
fn mailbox(tokens: &[Token]) -> Result<AddrSpec, &'static str> {
    let Some(open) = tokens.iter().position(|token| is(Some(token), '<')) else {
        return addr_spec(tokens);
    };
    let (phrase, angle) = tokens.split_at(open);
    if !is_phrase(phrase) {
        return Err("an address stands in it where a name should");
    }
    let inside = tail(angle, 1);
    let close = inside
        .iter()
        .position(|token| is(Some(token), '>'))
        .ok_or("an angle bracket in it does not close")?;
    let (address, after) = inside.split_at(close);
    if after.len() > 1 {
        return Err("something follows the address in it");
    }
    if is(address.first(), '@') {
        return Err("it holds a source route");
    }
    addr_spec(address)
}

/// An addr-spec.
fn addr_spec(tokens: &[Token]) -> Result<AddrSpec, &'static str> {
    let ats = tokens.iter().filter(|token| is(Some(token), '@')).count();
    if ats != 1 {
        return Err(if ats == 0 { "what it holds is no address" } else { "an address in it has two @" });
    }
    let at = tokens.iter().position(|token| is(Some(token), '@')).unwrap_or_default();
    let (local, domain) = tokens.split_at(at);
    let local = local_part(local).ok_or("an address in it has no proper local part")?;
    let domain = dotted(tail(domain, 1)).ok_or("an address in it has no proper domain")?;
    Ok(AddrSpec { local, domain })
}

/// Atoms with single dots between them, or one quoted string; no atom that a decoder would decode.
fn local_part(tokens: &[Token]) -> Option<String> {
    match tokens {
        [Token::Quoted { text, .. }] => Some(text.clone()),
        _ => dotted(tokens),
    }
}

/// Atoms with single dots between them, and no white space or comment inside, as that is where programs
/// disagree.
fn dotted(tokens: &[Token]) -> Option<String> {
    let mut out = String::new();
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::Atom { text, spaced } if i % 2 == 0 && (i == 0 || !spaced) => out.push_str(text),
            Token::Special { c: '.', spaced: false } if i % 2 == 1 => out.push('.'),
            _ => return None,
        }
    }
    (tokens.len() % 2 == 1 && !out.contains("=?")).then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(fields: &str) -> Author {
        author(&header::parse(format!("{fields}\n\nbody\n").into_bytes()))
    }

    fn domain(domain: &str) -> Author {
        Author::Domain(domain.to_owned())
    }

    #[test]
    fn one_address_has_one_domain_whatever_stands_around_it() {
        for field in [
            "From: a@example.org",
            "from : A <a@EXAMPLE.org>",
            "From: \"x@bank.example\" <a@example.org>",
            "From: J. R. Doe (x@bank.example) <a@example.org>",
            "From: (x@bank.example) a@example.org (\\) (y))",
            "From: =?utf-8?q?x=40bank=2Eexample?= <a@example.org>",
            "From: \"a b\"@example.org",
            "From: a@example.org, b@Example.org",
            "From: Team: a@example.org, B <b@example.org>;",
            "From:\n <a@example.org>\n",
        ] {
            assert_eq!(of(field), domain("example.org"), "{field}");
        }
        assert_eq!(of("From: a@bücher.example"), domain("xn--bcher-kva.example"));
    }

    #[test]
    fn what_two_programs_could_read_in_two_ways_has_no_domain() {
        let why = |field: &str| match of(field) {
            Author::Unreadable(why) => why,
            other => panic!("{field}: {other:?}"),
        };
        for (field, expected) in [
            ("From: x@bank.example <a@evil.example>", "an address stands in it where a name should"),
            ("From: <x@bank.example> a@evil.example", "something follows the address in it"),
            ("From: <x@bank.example> <a@evil.example>", "something follows the address in it"),
            ("From: <@relay.example:x@bank.example>", "it holds a colon out of place"),
            ("From: <@relay.example,@b.example>", "an angle bracket in it does not close"),
            ("From: x@bank.example@evil.example", "an address in it has two @"),
            ("From: a@bank.example(", "a comment in it does not end"),
            ("From: \"a@bank.example", "a quoted string in it does not end"),
            ("From: a@[192.0.2.1]", "it holds an address literal"),
            ("From: a@bank .example", "an address in it has no proper domain"),
            ("From: a@bank(x).example", "an address in it has no proper domain"),
            ("From: a@bank.example\u{0}.evil.example", "it holds control characters"),
            ("From: =?utf-8?q?a=40bank.example?=@evil.example", "an address in it has no proper local part"),
            ("From: a@=?utf-8?q?bank.example?=", "an address in it has no proper domain"),
            ("From: a@localhost", "its domain is no domain name"),
            ("From: a@b..example", "an address in it has no proper domain"),
            ("From: undisclosed", "what it holds is no address"),
            ("From:", "it holds no address"),
            ("From: Group:;", "it holds no address"),
            ("From: Group: a@b.example", "a group in it does not end"),
        ] {
            assert_eq!(why(field), expected, "{field}");
        }
    }

    #[test]
    fn several_fields_and_several_domains_are_facts_of_their_own() {
        assert_eq!(of("Subject: x"), Author::Missing);
        assert_eq!(of("From: a@b.example\nFROM : c@d.example"), Author::SeveralFields(2));
        let domains = vec!["b.example".to_owned(), "d.example".to_owned()];
        assert_eq!(of("From: a@b.example, c@d.example"), Author::SeveralDomains(domains));
    }

    #[test]
    fn the_authors_addresses_are_read_without_doubt_or_not_at_all() {
        let of = |field: &str| addresses(&header::parse(format!("{field}\n\n").into_bytes())).join(" ");
        for (field, expected) in [
            ("From: a@example.org", "a@example.org"),
            ("From: Anna <a.b+c@EXAMPLE.org>", "a.b+c@example.org"),
            ("From: \"x@bank.example\" <a@example.org>", "a@example.org"),
            ("From: \"a b\"@example.org", "\"a b\"@example.org"),
            ("From: \"a\\\"b\"@example.org", "\"a\\\"b\"@example.org"),
            ("From: jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
            ("From: T: a@example.org, B <b@example.net>;", "a@example.org b@example.net"),
            ("From: \"a\n b\"@example.org", ""),
            ("From: \"=?utf-8?q?a?=\"@example.org", ""),
            ("From: a\u{200b}@example.org", ""),
            ("From: a\u{202e}b@example.org, c@example.org", ""),
            ("From: x@bank.example <a@example.org>", ""),
            ("From: a@example.org\nFrom: a@example.org", ""),
            ("Subject: x", ""),
        ] {
            assert_eq!(of(field), expected, "{field}");
        }
    }

    #[test]
    fn an_address_of_somebody_else_in_the_name_is_seen() {
        let of =
            |field: &str| named(&header::parse(format!("From: {field}\n\n").into_bytes()), "evil.example");
        for (field, expected) in [
            ("a@evil.example", None),
            ("\"service@bank.example\" <a@evil.example>", Some("bank.example")),
            ("=?utf-8?Q?service=40Bank=2Eexample=00?= <a@evil.example>", Some("bank.example")),
            ("\"<x@bank.example>\" <a@evil.example>", Some("bank.example")),
            ("\"x@bank.example via List\" <a@evil.example>", Some("bank.example")),
            ("\"x@evil.example\" <a@evil.example>", None),
            ("\"x@mail.evil.example\" <a@evil.example>", None),
            ("\"x@example\" <a@evil.example>", None),
            ("\"me @ work\" <a@evil.example>", None),
        ] {
            assert_eq!(of(field).as_deref(), expected, "{field}");
        }
    }

    /// Without comments and quoted strings.
    fn bare(field: &str) -> String {
        let (mut out, mut depth, mut quoted) = (String::new(), 0_usize, false);
        let mut chars = field.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => drop(chars.next()),
                '"' if depth == 0 => quoted = !quoted,
                _ if quoted => {}
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                c if depth == 0 => out.push(c),
                _ => {}
            }
        }
        out
    }

    proptest! {
        /// A reader who knows no more of the grammar than comments, quotes and groups sees the same domain
        /// behind every `@`.
        #[test]
        fn a_reader_of_little_grammar_sees_no_other_domain(
            pieces in prop::collection::vec(
                prop::sample::select(&[
                    "a@evil.example", "x@bank.example", "@bank.example", "<", ">", "(", ")", "\"", "\\", ",", ":", ";",
                    " ", "x", "@", "bank.example", ".", "=?utf-8?q?x=40bank.example?=", "\r\n ", "[", "]", "\0",
                ][..]),
                1..9,
            )
        ) {
            let field = pieces.concat();
            if let Author::Domain(domain) = read(field.as_bytes()) {
                for after in bare(&field).split('@').skip(1) {
                    prop_assert!(after.trim_start().starts_with(&*domain), "{field:?}: {domain}");
                }
            }
        }

        /// Whatever is in the field, a domain that is given stands in it as a whole.
        #[test]
        fn no_domain_is_made_up(value in r#"[ a-z@.<>(),:;"\\=?\[\]]{0,40}"#) {
            if let Author::Domain(domain) = read(value.as_bytes()) {
                prop_assert!(value.contains(&format!("@{domain}")) || value.contains(&format!("@ {domain}")), "{value:?}: {domain}");
            }
        }
    }
}
