//! Scripts: the addresses in their strings, also split, escaped or encoded ones, and the marks of a file that
//! is put together. Nothing is run.

use memchr::memmem;

use super::carried;
use super::collect::Collector;
use super::escape::{base64, percent};
use super::found::{Smuggling, Source};
use super::text;

/// Most encoded strings that are looked at in one script.
const MAX: usize = 64;
/// Most pages taken out of one script.
const MAX_PAGES: usize = 4;

/// Markup that a script has.
pub(super) struct Page {
    pub(super) text: String,
    /// It is the text of the script itself: only tags in it say something.
    pub(super) is_raw: bool,
}

/// Finds the addresses in a script and notes its marks. Gives the pages that it would write.
pub(super) fn read(
    content: &str,
    source: Source,
    into: &mut Collector<'_>,
    marks: &mut Smuggling,
) -> Vec<Page> {
    let mut pages = Vec::new();
    note(content, marks);
    strings(content, source, into);
    let mut readings = Vec::new();
    if memchr::memchr(b'\\', content.as_bytes()).is_some() {
        readings.push(unescaped(content));
    }
    let plain = readings.first().map_or(content, String::as_str);
    if let Some(joined) = joined(plain) {
        readings.push(joined);
    }
    let plain = readings.last().map_or(content, String::as_str);
    if is_percent(plain) {
        readings.push(percent(plain));
    }
    let plain = readings.last().map_or(content, String::as_str);
    characters(plain, source, into, &mut pages);
    encoded(plain, source, into, &mut pages);
    for reading in &readings {
        strings(reading, source, into);
    }
    let last = readings.pop();
    let plain = last.as_deref().unwrap_or(content);
    if memchr::memchr(b'<', plain.as_bytes()).is_some() {
        pages.push(Page { text: plain.to_owned(), is_raw: true });
    }
    pages
}

/// Whether there are percent escapes of letters or of what stands in an address.
fn is_percent(text: &str) -> bool {
    ["%3A", "%3a", "%2F", "%2f", "%3C", "%3c", "%68"]
        .iter()
        .any(|code| memmem::find(text.as_bytes(), code.as_bytes()).is_some())
}

fn note(content: &str, marks: &mut Smuggling) {
    let has =
        |words: &[&str]| words.iter().any(|word| memmem::find(content.as_bytes(), word.as_bytes()).is_some());
    marks.merge(&Smuggling {
        atob: has(&["atob"]),
        blob: has(&["new Blob", "new File("]),
        save_blob: has(&["msSaveOrOpenBlob", "msSaveBlob", "saveAs("]),
        object_url: has(&["createObjectURL"]),
        download: has(&[".download", "'download'", "\"download\""]),
        from_char_code: has(&["fromCharCode"]),
        eval: has(&["eval(", "new Function("]),
        write: has(&["document.write", "innerHTML", "insertAdjacentHTML"]),
        unescape: has(&["unescape(", "decodeURIComponent("]),
        location: has(&["location", "window.open("]),
        longest_base64: carried::longest(content),
    });
}

/// Addresses with their scheme, and strings that begin with `//host.tld`.
fn strings(content: &str, source: Source, into: &mut Collector<'_>) {
    text::find_explicit(content, source, into);
    for quote in ['"', '\'', '`'] {
        let open = format!("{quote}//");
        for at in memmem::find_iter(content.as_bytes(), open.as_bytes()).take(MAX) {
            let inner = content.get(at + 1..).unwrap_or_default();
            let inner = inner.get(..inner.floor_char_boundary(2_048)).unwrap_or_default();
            let end = inner.find([quote, '\n', ' ', '<']).unwrap_or(inner.len());
            let address = inner.get(..end).unwrap_or_default();
            let host =
                address.get(2..).and_then(|a| a.split(['/', '?', '#', ':']).next()).unwrap_or_default();
            if host.rsplit_once('.').is_some_and(|(_, tld)| text::is_domain(&tld.to_ascii_lowercase())) {
                into.add(address, source, "");
            }
        }
    }
}

/// Escapes of strings undone: `\x68`, `\u0068`, `\u{68}`, `\/`, `\150`.
fn unescaped(content: &str) -> String {
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let (digits, radix, skip, close) = match rest.as_bytes() {
            [b'x', ..] => (2, 16, 1, 0),
            [b'u', b'{', tail @ ..] => {
                (tail.iter().take(7).take_while(|b| b.is_ascii_hexdigit()).count(), 16, 2, 1)
            }
            [b'u', ..] => (4, 16, 1, 0),
            [b'0'..=b'7', ..] => {
                (rest.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count(), 8, 0, 0)
            }
            _ => (0, 16, 0, 0),
        };
        let code = rest.get(skip..skip + digits).filter(|code| !code.is_empty());
        match code.and_then(|code| u32::from_str_radix(code, radix).ok()).and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = rest.get(skip + digits + close..).unwrap_or_default();
            }
            None => match rest.chars().next() {
                Some(c @ ('n' | 't' | 'r')) => {
                    out.push(' ');
                    rest = rest.get(c.len_utf8()..).unwrap_or_default();
                }
                Some('\n') => rest = rest.get(1..).unwrap_or_default(),
                Some(c) => {
                    out.push(c);
                    rest = rest.get(c.len_utf8()..).unwrap_or_default();
                }
                None => {}
            },
        }
    }
    out.push_str(rest);
    out
}

/// `"ht" + "tp"` as `"http"`, if anything is put together that way.
fn joined(content: &str) -> Option<String> {
    memchr::memchr(b'+', content.as_bytes())?;
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    let mut is_joined = false;
    while let Some(at) = memchr::memchr3(b'"', b'\'', b'`', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        let next = after
            .trim_ascii_start()
            .strip_prefix('+')
            .and_then(|after| after.trim_ascii_start().strip_prefix(['"', '\'', '`']));
        if let Some(next) = next {
            is_joined = true;
            rest = next;
        } else {
            out.push_str(rest.get(at..=at).unwrap_or_default());
            rest = after;
        }
    }
    out.push_str(rest);
    is_joined.then_some(out)
}

/// `String.fromCharCode(104, 116, …)`.
fn characters(content: &str, source: Source, into: &mut Collector<'_>, pages: &mut Vec<Page>) {
    for at in memmem::find_iter(content.as_bytes(), b"fromCharCode(").take(MAX) {
        let inner = content.get(at + 13..).unwrap_or_default();
        let end = memchr::memchr(b')', inner.as_bytes()).unwrap_or(inner.len());
        let end = inner.floor_char_boundary(end.min(65_536));
        let text: String = inner
            .get(..end)
            .unwrap_or_default()
            .split(',')
            .map_while(|number| {
                let number = number.trim();
                match number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok(),
                    None => number.parse().ok(),
                }
                .and_then(char::from_u32)
            })
            .collect();
        text::find_explicit(&text, source, into);
        if text.contains('<') && pages.len() < MAX_PAGES {
            pages.push(Page { text, is_raw: false });
        }
    }
}

/// Base64 of an address or of a page.
fn encoded(content: &str, source: Source, into: &mut Collector<'_>, pages: &mut Vec<Page>) {
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_');
    let (mut tried, mut done) = (0, 0);
    for at in memchr::memchr2_iter(b'a', b'P', content.as_bytes()) {
        let rest = content.as_bytes().get(at..).unwrap_or_default();
        let is_address = rest.starts_with(b"aHR0c");
        let is_page = matches!(rest, [b'P', b'C' | b'D' | b'G' | b'H', ..]);
        if at < done
            || !is_address && !is_page
            || at > 0 && content.as_bytes().get(at - 1).copied().is_some_and(is_digit)
        {
            continue;
        }
        let run = rest.iter().take_while(|b| is_digit(**b)).count();
        done = at + run;
        if run < 16 || is_page && run < 64 {
            continue;
        }
        tried += 1;
        if tried > MAX {
            return;
        }
        let Some(text) = content.get(at..done).and_then(base64).and_then(|b| String::from_utf8(b).ok())
        else {
            continue;
        };
        if is_address {
            into.add(&text, source, "");
        } else if pages.len() < MAX_PAGES {
            pages.push(Page { text, is_raw: false });
        }
    }
}
