//! Calendars and cards: folded lines, escaped text (RFC 5545 §3.1, §3.3.11; RFC 6350 §3.2).

use super::collect::Collector;
use super::found::Source;
use super::{html, text};
use crate::mail::transfer;

/// Reads a calendar or card: addresses in any property (URL, ATTACH, CONFERENCE, LOCATION, DESCRIPTION) and
/// in its parameters, and the page that some programs put into `X-ALT-DESC`.
pub(super) fn read(content: &str, into: &mut Collector<'_>) {
    let plain = unescaped(&unfolded(content));
    text::find(&plain, Source::Calendar, into);
    // The older forms, vCard 2.1 and vCalendar 1.0.
    if memchr::memmem::find(content.as_bytes(), b"QUOTED-PRINTABLE").is_some() {
        let older = transfer::quoted_printable(content.as_bytes()).bytes;
        text::find(&String::from_utf8_lossy(&older), Source::Calendar, into);
    }
    let mut pages = 0;
    for line in plain.split('\u{0}') {
        let Some((head, value)) = line.split_once(':') else { continue };
        let head = head.trim_start();
        if pages < 8 && starts_with(head, "x-alt-desc") && value.contains('<') {
            pages += 1;
            html::read(value, into);
        }
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// Lines put together again.
fn unfolded(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    for line in content.split_inclusive('\n') {
        let line = match line.strip_prefix([' ', '\t']) {
            Some(continued) => {
                while out.ends_with(['\n', '\r']) {
                    out.pop();
                }
                continued
            }
            None => line,
        };
        out.push_str(line);
    }
    out
}

/// Escapes undone. A property ends with NUL, because an escaped line break does not end it.
fn unescaped(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr2(b'\\', b'\n', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        if rest.as_bytes().get(at) == Some(&b'\n') {
            out.push('\u{0}');
            rest = rest.get(at + 1..).unwrap_or_default();
            continue;
        }
        rest = rest.get(at + 1..).unwrap_or_default();
        match rest.chars().next() {
            Some('n' | 'N') => {
                out.push('\n');
                rest = rest.get(1..).unwrap_or_default();
            }
            Some(c @ (',' | ';' | '\\')) => {
                out.push(c);
                rest = rest.get(1..).unwrap_or_default();
            }
            _ => out.push('\\'),
        }
    }
    out.push_str(rest);
    out
}
