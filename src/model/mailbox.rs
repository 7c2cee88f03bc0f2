//! Addresses in the one form in which they are compared.
//!
//! **Local parts** are compared without regard to upper and lower case. RFC 5321 §2.4 leaves that to the
//! receiving host, and practically all treat them alike. `"a"@x` and `a@x` are the same (RFC 5321 §4.1.2).
//! **Domains** are A-labels in lower case (RFC 5890 §2.3.2.1).

/// Longest address, in bytes.
pub const MAX: usize = 320;
/// RFC 1035 §2.3.4, without the final dot.
const MAX_DOMAIN: usize = 253;

/// A domain in its normal form: A-labels, lower case, no final dot. `None` if it is none.
#[must_use]
pub fn domain(name: &str) -> Option<String> {
    // Mapping may shorten, hardly so much.
    if name.len() > 4 * MAX_DOMAIN {
        return None;
    }
    let mut name =
        if name.is_ascii() { name.to_ascii_lowercase() } else { idna::domain_to_ascii(name).ok()? };
    if name.ends_with('.') {
        name.pop();
    }
    let good = |label: &str| {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(letter)
    };
    let top_is_a_name = name.rsplit('.').next().is_some_and(|top| !top.bytes().all(|b| b.is_ascii_digit()));
    (name.len() <= MAX_DOMAIN && top_is_a_name && name.split('.').all(good)).then_some(name)
}

/// A local part in its normal form: lower case, quoted only where it must be. `None` if it is none.
#[must_use]
pub fn local_part(text: &str) -> Option<String> {
    let content = match text.strip_prefix('"') {
        Some(rest) => {
            let mut content = String::with_capacity(rest.len());
            let mut chars = rest.strip_suffix('"')?.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => content.push(chars.next()?),
                    '"' => return None,
                    c => content.push(c),
                }
            }
            content
        }
        None if text.is_empty() || text.contains(is_special) => return None,
        None => text.to_owned(),
    };
    let content = content.to_lowercase();
    // In a file of entries `#` begins a comment, and `*` alone is what people write for "all".
    let plain =
        !content.is_empty() && !content.contains(is_special) && !content.starts_with('#') && content != "*";
    if plain {
        return Some(content);
    }
    let mut quoted = String::from('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Some(quoted)
}

/// Stands in a local part between quotes only (RFC 5322 §3.2.3).
fn is_special(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | ',' | '\\' | '"' | '@')
}

/// Local part and domain of an address as a stranger wrote it, each in its normal form where it has one.
/// `None` for nothing at all.
#[must_use]
pub fn taken_apart(address: &str) -> Option<(Option<String>, Option<String>)> {
    let mut address = address.trim();
    // A source route, which must be ignored (RFC 5321 §4.1.2, appendix C).
    if address.starts_with('@')
        && let Some((_, rest)) = address.split_once(':')
    {
        address = rest;
    }
    if address.is_empty() {
        return None;
    }
    let (local, name) = match address.rsplit_once('@') {
        Some((local, name)) => (local, domain(name)),
        None => (address, None),
    };
    let local = if local.len() <= MAX { local_part(local) } else { None };
    Some((local, name))
}
