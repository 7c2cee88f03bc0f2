//! Style sheets: `url(…)`, also of pictures within the sheet, `@import`, strings that are addresses.

use std::borrow::Cow;

use memchr::memmem;

use super::collect::Collector;
use super::found::Source;
use super::qr;

/// Finds the addresses in a style sheet, or in the value of a `style`.
pub(super) fn find(content: &str, source: Source, into: &mut Collector<'_>) {
    // What there may be begins with one of these, or is escaped.
    if memchr::memchr3(b'(', b'@', b'\\', content.as_bytes()).is_none() {
        return;
    }
    scan(content, source, into);
    if let Some(plain) = without_comments(content) {
        scan(&plain, source, into);
    }
    if let Some(plain) = unescaped(content) {
        scan(&plain, source, into);
    }
}

fn scan(content: &str, source: Source, into: &mut Collector<'_>) {
    let bytes = content.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'(', b'@', bytes.get(at..).unwrap_or_default()).map(|f| at + f) {
        at = found + 1;
        let rest = content.get(at..).unwrap_or_default();
        let value = if bytes.get(found) == Some(&b'@') {
            match rest.get(..6) {
                Some(word) if word.eq_ignore_ascii_case("import") => rest.get(6..).unwrap_or_default(),
                _ => continue,
            }
        } else {
            rest
        };
        let value = value.trim_ascii_start();
        let is_url = found
            .checked_sub(3)
            .and_then(|begin| bytes.get(begin..found))
            .is_some_and(|word| word.eq_ignore_ascii_case(b"url"));
        let address = match value.bytes().next() {
            Some(quote @ (b'"' | b'\'')) => {
                let inner = value.get(1..).unwrap_or_default();
                let end = memchr::memchr3(quote, b'\n', b'\n', inner.as_bytes()).unwrap_or(inner.len());
                inner.get(..end).unwrap_or_default()
            }
            _ if is_url => {
                let end = value.find(|c: char| c == ')' || c.is_ascii_whitespace()).unwrap_or(value.len());
                value.get(..end).unwrap_or_default()
            }
            _ => continue,
        };
        at += (value.as_ptr() as usize - rest.as_ptr() as usize) + address.len();
        if is_url && qr::read_data(address, into) {
            continue;
        }
        let is_net = address.starts_with("//");
        if is_net
            || address
                .get(..4)
                .is_some_and(|begin| begin.eq_ignore_ascii_case("http") || begin.eq_ignore_ascii_case("ftp:"))
        {
            into.add(address, source, "");
        }
    }
}

/// Comments left out, if there is any.
pub(super) fn without_comments(content: &str) -> Option<String> {
    memmem::find(content.as_bytes(), b"/*")?;
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    Some(out)
}

/// Escapes undone (CSS Syntax §4.3.7), if there is any of them.
fn unescaped(content: &str) -> Option<Cow<'_, str>> {
    memchr::memchr(b'\\', content.as_bytes())?;
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let digits = rest.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
        if digits > 0 {
            let value = u32::from_str_radix(rest.get(..digits).unwrap_or_default(), 16).unwrap_or_default();
            out.push(char::from_u32(value).unwrap_or('\u{fffd}'));
            rest = rest.get(digits..).unwrap_or_default();
            rest = rest.strip_prefix([' ', '\t', '\n', '\r']).unwrap_or(rest);
        } else {
            rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
        }
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}
