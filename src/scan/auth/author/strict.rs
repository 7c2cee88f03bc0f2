//! The From field by the grammar of RFC 5322 §3.6.2 and no more: where two programs could see two authors, the
//! answer is why.

use super::{MAX_ADDRESSES, MAX_FIELD, a_label};

/// Deeper comments are not read.
const MAX_DEPTH: usize = 20;

/// One address (RFC 5322 §3.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddrSpec {
    /// As it is written, with its quotes.
    pub(super) local: String,
    /// As an A-label in lower case.
    pub(super) domain: String,
}

impl AddrSpec {
    /// As text. `None` where the local part holds what a program may decode, unfold or not show.
    pub(super) fn text(self) -> Option<String> {
        let Self { local, domain } = self;
        let plain = |c: char| c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
        (local.chars().all(plain) && !local.contains("=?")).then(|| format!("{local}@{domain}"))
    }
}

/// The different domains of the authors, in order.
pub(super) fn domains(value: &[u8]) -> Result<Vec<String>, &'static str> {
    let mut distinct: Vec<String> = Vec::new();
    for AddrSpec { domain, .. } in addr_specs(value)? {
        if !distinct.contains(&domain) {
            distinct.push(domain);
        }
    }
    if distinct.is_empty() { Err("it holds no address") } else { Ok(distinct) }
}

/// All addresses of a From field.
pub(super) fn addr_specs(value: &[u8]) -> Result<Vec<AddrSpec>, &'static str> {
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
