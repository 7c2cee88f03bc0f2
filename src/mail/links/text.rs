//! Addresses in running text, as mail programs find them.
//!
//! Found are `http://`, `https://`, `ftp://`; names that begin with `www.`; and names in a top-level domain
//! that exists, with or without a path. A link ends at white space, quotes, angle brackets, CJK punctuation
//! and at a bracket that was not opened in it; full stops and the like at its end belong to the sentence.
//! `hxxp://` is text. Where programs differ, both links are given.

use std::borrow::Cow;

use memchr::memmem;

use super::collect::Collector;
use super::found::Source;

const SCHEMES: [&str; 3] = ["https", "http", "ftp"];

/// Domains that are endings of files as well: names in them without a path are files.
const FILES: [&str; 7] = ["md", "mov", "ps", "py", "sh", "so", "zip"];

/// Finds the addresses in `text`.
pub(super) fn find(text: &str, source: Source, into: &mut Collector<'_>) {
    scan(text, source, true, into);
    if let Some(plain) = half_width(text) {
        scan(&plain, source, true, into);
    }
}

/// Finds the addresses that have their scheme.
pub(super) fn find_explicit(text: &str, source: Source, into: &mut Collector<'_>) {
    scan(text, source, false, into);
}

/// One pass over the dots and colons; each byte belongs to at most one address that is tried.
fn scan(text: &str, source: Source, is_loose: bool, into: &mut Collector<'_>) {
    let bytes = text.as_bytes();
    let (mut done, mut taken) = (0, 0);
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let next = if is_loose { memchr::memchr2(b':', b'.', rest) } else { memchr::memchr(b':', rest) };
        let Some(found) = next.map(|found| at + found) else { return };
        at = found + 1;
        let address = if bytes.get(found) == Some(&b':') {
            // What was looked at and is no address may end in a scheme: `here.http://`.
            explicit(text, taken, found)
        } else {
            without_scheme(text, done, found)
        };
        if let Some((begin, end)) = address {
            done = end.max(at);
            at = done;
            if begin < end {
                taken = end;
                take(text, begin, end, source, into);
            }
        }
        if into.is_over() {
            return;
        }
    }
}

/// An address whose scheme ends at `colon`.
fn explicit(text: &str, floor: usize, colon: usize) -> Option<(usize, usize)> {
    let begin = scheme_before(text.as_bytes(), floor, colon)?;
    let end = end_of(text, colon + 3, begin);
    (end > colon + 3).then_some((begin, end))
}

/// Where the scheme begins that ends at `colon`, not before `floor`, if two slashes follow.
fn scheme_before(bytes: &[u8], floor: usize, colon: usize) -> Option<usize> {
    let after = bytes.get(colon + 1..colon + 3)?;
    if !matches!(after, b"//" | b"\\\\" | b"\\/" | b"/\\") {
        return None;
    }
    let before = bytes.get(floor..colon)?;
    let ends = |scheme: &&&str| {
        let end = before.len().checked_sub(scheme.len()).and_then(|at| before.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    SCHEMES.iter().find(ends).map(|scheme| colon - scheme.len())
}

/// An address without scheme that has its first dot at `dot`. An empty one: looked at, and none.
fn without_scheme(text: &str, done: usize, dot: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    // Most dots end a sentence.
    if !bytes.get(dot + 1).is_some_and(|b| is_host_byte(*b)) || dot == done {
        return None;
    }
    let floor = done.max(dot.saturating_sub(64));
    let left = bytes.get(floor..dot)?.iter().rev().take_while(|b| is_host_byte(**b) && **b != b'.').count();
    let mut begin = dot - left;
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    // Quotes and other signs that are no letters.
    while let Some(c) = text.get(begin..dot).and_then(|label| label.chars().next()).filter(|c| !is_letter(*c))
    {
        begin += c.len_utf8();
    }
    let run = text.get(begin..)?.bytes().take(512).take_while(|b| is_host_byte(*b)).count();
    let mut end = begin + run;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut host = text.get(begin..end)?;
    if let Some(stop) = host.find(|c: char| !c.is_ascii() && is_stop(c)) {
        host = host.get(..stop)?;
        end = begin + stop;
    }
    let host = host.trim_end_matches(['.', '-', '_']);
    let nothing = Some((end, end));
    let before = begin.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let next = bytes.get(end).copied();
    if begin == dot || host.is_empty() || matches!(before, Some(b'@' | b'/' | b'\\' | b'=')) {
        return nothing;
    }
    let is_www = host.get(..4).is_some_and(|www| www.eq_ignore_ascii_case("www.")) && host.len() > 4;
    if is_www {
        return Some((begin, end_of(text, begin, begin)));
    }
    if next == Some(b'@') || !is_linked(host, next) {
        return nothing;
    }
    let end = match next {
        Some(b'/' | b'?' | b'#' | b':') => end_of(text, begin, begin),
        _ => begin + host.len(),
    };
    Some((begin, end))
}

/// Whether mail programs take `host` for a link without being told.
fn is_linked(host: &str, next: Option<u8>) -> bool {
    let has_path = next == Some(b'/');
    let Some((_, tld)) = host.rsplit_once('.') else { return false };
    if tld.bytes().all(|b| b.is_ascii_digit()) {
        return has_path && host.parse::<std::net::Ipv4Addr>().is_ok();
    }
    // `Friday.It was` is the end of a sentence.
    let is_one_case =
        !(tld.bytes().any(|b| b.is_ascii_uppercase()) && tld.bytes().any(|b| b.is_ascii_lowercase()));
    let lower = tld.to_ascii_lowercase();
    (is_one_case || has_path) && is_domain(&lower) && (has_path || !FILES.contains(&lower.as_str()))
}

/// Whether names are registered in `tld`, a name without dots in lower case.
pub(super) fn is_domain(tld: &str) -> bool {
    if !tld.is_ascii() {
        return idna::domain_to_ascii(tld).is_ok_and(|tld| is_domain(&tld));
    }
    psl::suffix(tld.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

const fn is_host_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') || b >= 0x80
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a link ends before `c` in every program.
fn is_stop(c: char) -> bool {
    match c {
        '\0'..=' ' | '<' | '>' | '"' | '`' | '|' | '\u{7f}'..='\u{a0}' | '«' | '»' => true,
        c if c.is_ascii() => false,
        '\u{2018}'..='\u{201f}'
        | '\u{2026}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202f}'
        | '\u{2039}'
        | '\u{203a}' => true,
        '\u{2000}'..='\u{200a}' | '\u{3000}'..='\u{3001}' | '\u{3003}'..='\u{301f}' => true,
        '\u{ff01}' | '\u{ff02}' | '\u{ff07}'..='\u{ff09}' | '\u{ff0c}' | '\u{ff1a}'..='\u{ff1f}' => true,
        c => c.is_whitespace(),
    }
}

/// Where the address that begins at `begin` ends. `from` is behind its scheme.
fn end_of(text: &str, from: usize, begin: usize) -> usize {
    let quote = begin.checked_sub(1).and_then(|at| text.as_bytes().get(at)).copied() == Some(b'\'');
    let mut open = [0u32; 3];
    let mut end = from;
    let mut in_host = true;
    for (at, c) in text.get(from..).unwrap_or_default().char_indices() {
        let is_end = match c {
            '(' | '[' | '{' => {
                open.iter_mut().zip(['(', '[', '{']).for_each(|(n, bracket)| *n += u32::from(bracket == c));
                false
            }
            ')' | ']' | '}' => {
                let of = open.iter_mut().zip([')', ']', '}']).find(|(_, bracket)| *bracket == c);
                match of {
                    Some((n, _)) if *n > 0 => {
                        *n -= 1;
                        false
                    }
                    _ => true,
                }
            }
            '\'' => quote,
            // A dot in a host, the end of a sentence behind it.
            '\u{3002}' | '\u{ff61}' => !in_host,
            // Another address behind a comma or a semicolon, or behind nothing.
            '/' | '\\' if in_host => {
                let bytes = text.as_bytes();
                let colon = (from + at).checked_sub(1).filter(|at| bytes.get(*at) == Some(&b':'));
                if let Some(next) = colon.and_then(|colon| scheme_before(bytes, from, colon)) {
                    end = next;
                    break;
                }
                false
            }
            c => is_stop(c),
        };
        in_host &= !matches!(c, '/' | '\\' | '?' | '#');
        if is_end {
            break;
        }
        end = from + at + c.len_utf8();
    }
    let whole = text.get(from..end).unwrap_or_default();
    let kept =
        whole.trim_end_matches(|c: char| ".,;:!?'*_~([{\u{3002}\u{ff61}".contains(c) || is_invisible(c));
    from + kept.len()
}

/// Characters without width, which hide in a link.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Takes the address, and the other ones that programs would see in its place.
fn take(text: &str, begin: usize, end: usize, source: Source, into: &mut Collector<'_>) {
    let address = text.get(begin..end).unwrap_or_default();
    if !address.is_ascii() {
        let clean: Cow<'_, str> = if address.contains(is_invisible) {
            address.replace(is_invisible, "").into()
        } else {
            address.into()
        };
        into.add(&clean, source, "");
        // Programs that end a link at the first character that is not ASCII.
        let ascii = address.find(|c: char| !c.is_ascii()).unwrap_or(address.len());
        let cut = address.get(..ascii).unwrap_or_default().trim_end_matches(['.', ',', ';', ':', '!', '?']);
        let host = cut.split_once("://").map_or(cut, |(_, host)| host);
        let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
        if host.rsplit_once('.').is_some_and(|(_, tld)| is_domain(&tld.to_ascii_lowercase())) {
            into.add(cut, source, "");
        }
        return;
    }
    into.add(address, source, "");
    if begin.checked_sub(1).and_then(|at| text.as_bytes().get(at)) == Some(&b'<') {
        joined(text, begin, end, source, into);
    }
}

/// An address in angle brackets may have been broken into lines (RFC 3986, appendix C).
fn joined(text: &str, begin: usize, end: usize, source: Source, into: &mut Collector<'_>) {
    const MAX: usize = 2_048;
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    let rest = rest.get(..rest.len().min(MAX)).unwrap_or_default();
    let gap = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
    if !rest.iter().take(gap).any(|b| *b == b'\n') {
        return;
    }
    let Some(close) = memchr::memchr2(b'>', b'<', rest).filter(|at| rest.get(*at) == Some(&b'>')) else {
        return;
    };
    // White space only where a line breaks.
    let is_broken = |line: &[u8]| line.trim_ascii().contains(&b' ');
    if rest.get(..close).unwrap_or_default().split(|b| *b == b'\n').any(is_broken) {
        return;
    }
    let whole: String = text
        .get(begin..end + close)
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    into.add(&whole, source, "");
}

/// `text` with full-width letters, digits and signs as ASCII, if it has any of those in question: a person
/// types or copies what is shown, and some programs link it.
fn half_width(text: &str) -> Option<String> {
    let is_wide =
        |c: char| matches!(c, '\u{ff0d}'..='\u{ff1a}' | '\u{ff20}'..='\u{ff3a}' | '\u{ff3f}'..='\u{ff5a}');
    if text.is_ascii()
        || memmem::find(text.as_bytes(), b"\xef\xbc").is_none()
        || !text.contains(['\u{ff0e}', '\u{ff0f}'])
    {
        return None;
    }
    let narrow = |c: char| match c {
        c if is_wide(c) => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    Some(text.chars().map(narrow).collect())
}
