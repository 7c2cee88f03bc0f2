//! Entries for what a message holds: hosts of its links, its files, its header fields.

use super::entry::{EntryError, Pattern, wrong};
use crate::link::Host;

/// Before the host of links.
pub(super) const URL: &str = "url:";
/// Before the digits of a file.
pub(super) const SHA256: &str = "sha256:";
/// Before name and value of a field.
pub(super) const HEADER: &str = "header:";
/// Longest value of a field that is compared, in bytes; the rest of it is not looked at.
const MAX_VALUE: usize = 16 * 1024;

/// What follows `prefix`, upper and lower case alike.
pub(super) fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Reads such an entry; `None` where it is one of another kind.
pub(super) fn parse(text: &str) -> Result<Option<Pattern>, EntryError> {
    if let Some(rest) = after(text, URL) {
        return host(text, rest.trim()).map(Some);
    }
    if let Some(rest) = after(text, SHA256) {
        return digits(text, rest.trim()).map(Some);
    }
    if let Some(rest) = after(text, HEADER) {
        return field(text, rest).map(Some);
    }
    match text.split_once("://") {
        Some((_, rest)) => Err(wrong(text, &format!("is an address on the web; {}", instead(rest)))),
        None => Ok(None),
    }
}

/// What to write for an address on the web.
fn instead(rest: &str) -> String {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    match Host::parse(host).or_else(|_| Host::parse(host.split(':').next().unwrap_or_default())) {
        Ok(host) => format!("write {URL}{host} for all links to that host, and to those below it"),
        Err(_) => format!("write {URL}example.org for all links to a host"),
    }
}

fn host(text: &str, host: &str) -> Result<Pattern, EntryError> {
    if let Some((_, rest)) = host.split_once("://") {
        return Err(wrong(text, &format!("names more than a host; {}", instead(rest))));
    }
    if let Some(rest) = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'))
        && let Ok(rest) = Host::parse(rest)
    {
        return Err(wrong(
            text,
            &format!("begins with what is not needed; {URL}{rest} takes hosts below it in"),
        ));
    }
    if host.contains(['/', '?', '#', '@']) {
        return Err(wrong(text, &format!("names more than a host; {}", instead(host))));
    }
    match Host::parse(host) {
        Ok(host) => Ok(Pattern::Url(host.to_string().into())),
        Err(_) => Err(wrong(text, "names no host of a link; write url:example.org")),
    }
}

fn digits(text: &str, digits: &str) -> Result<Pattern, EntryError> {
    if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(Pattern::Attachment(digits.to_ascii_lowercase().into()));
    }
    Err(wrong(text, "is no SHA-256 of a file, which has 64 hexadecimal digits (sha256sum FILE)"))
}

fn field(text: &str, field: &str) -> Result<Pattern, EntryError> {
    let form = "write header:List-Id:*.lists.example.org";
    let Some((name, wanted)) = field.split_once(':') else {
        return Err(wrong(text, &format!("names a field and no value; {form}")));
    };
    let name = name.trim();
    // RFC 5322 §3.6.8.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong(text, &format!("names no header field; {form}")));
    }
    let mut wanted = value(wanted);
    while wanted.contains("**") {
        wanted = wanted.replace("**", "*");
    }
    if wanted.is_empty() {
        return Err(wrong(text, "has no value; `*` alone stands for any"));
    }
    if wanted.contains(" #") {
        return Err(wrong(text, "has ` #`, with which a comment begins in files; write `*` in its place"));
    }
    Ok(Pattern::Header(format!("{}:{wanted}", name.to_ascii_lowercase()).into()))
}

/// The value of a field in the form in which it is compared: lower case, what is not seen left out, white
/// space made one blank.
pub(super) fn value(text: &str) -> String {
    let mut end = text.len().min(MAX_VALUE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !c.is_control() && !crate::model::text::is_invisible(c) {
            out.extend(c.to_lowercase());
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Whether `pattern` describes `value` as a whole; `*` stands for any text. Takes time with the length of
/// the value, whatever the pattern is.
pub(super) fn matches(pattern: &str, value: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == value };
    let Some(mut left) = value.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        // The first place is as good as any later one, as `*` takes whatever is between.
        let Some(at) = memchr::memmem::find(left.as_bytes(), piece.as_bytes()) else { return false };
        left = left.get(at + piece.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// How narrow a pattern of a field is: a whole value, then by how much of it is said.
pub(super) fn narrowness(pattern: &str) -> (bool, usize) {
    (!pattern.contains('*'), pattern.chars().filter(|c| *c != '*').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_the_rest_for_itself() {
        for (pattern, value, is) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*.lists.example.org", "x.lists.example.org", true),
            ("*.lists.example.org", "lists.example.org", false),
            ("*b*b*", "abcb", true),
            ("*b*b*", "abc", false),
            ("a*bc*c", "abc", false),
            ("a*bc*c", "abcc", true),
            ("a*ü*z", "aüz", true),
        ] {
            assert_eq!(matches(pattern, value), is, "{pattern} {value}");
        }
    }

    #[test]
    fn values_are_compared_as_people_see_them() {
        assert_eq!(value("  Große\t \u{200b}\r\nNACHRICHT\0 "), "große nachricht");
        assert_eq!(value(&"ä".repeat(100_000)).len(), MAX_VALUE);
    }
}
