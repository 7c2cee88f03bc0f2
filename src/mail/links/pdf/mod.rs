//! PDF files (ISO 32000-1): where their links and scripts lead.
//!
//! The file is not taken apart as a program does that shows it. Programs mend tables that are broken, each in its own
//! way; so what is looked for is read wherever it stands: the strings behind `/URI` (§12.6.4.7), `/F` and `/UF` (files
//! and forms), `/JS` (scripts), in the file as it is and in its object streams (§7.5.7), which are inflated. That can
//! find what no program shows, and does not miss what some program opens.
//!
//! Linear in the size of the file; what is inflated is bounded by [`Limits::unpacked`](super::Limits::unpacked) over a
//! whole message. Told where it is not read: encrypted files, object streams that are packed otherwise, what lies
//! beyond the bound. Not looked for: addresses that are mere text of a page, pictures, and files in the file.
//!
//! Where to find what: strings and references `value`, streams `stream`.

mod stream;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;

use memchr::memmem;

use super::collect::Collector;
use super::found::{Skipped, Smuggling, Source};
use super::{script, text};
use stream::{Streams, inflate};
use value::{Value, value};

/// The mark stands within so many bytes (implementation notes of the PDF reference 1.7, §H.3).
const BEGIN: usize = 1_024;
/// The longest name that is looked for, each letter written as `#xx`.
const NAME: usize = 3 * 7;
/// Most objects that are followed to.
const MOST_FOLLOWED: usize = 256;
/// Most strings without end that are read; the rest of the file may stand in the first.
const MOST_OPEN: usize = 32;

/// Whether programs take `bytes` for a PDF file.
pub(super) fn is_pdf(bytes: &[u8]) -> bool {
    memmem::find(bytes.get(..bytes.len().min(BEGIN)).unwrap_or_default(), b"%PDF-").is_some()
}

/// Whether a file says that it is encrypted (§7.6.1): its trailer names a dictionary for that, or what stands in place
/// of one, the dictionary of a stream of references. Neither is packed.
pub(super) fn is_encrypted(bytes: &[u8]) -> bool {
    let mut at = 0;
    while let Some((name, behind)) = next_name(bytes, at) {
        at = behind;
        if name == b"Encrypt" && is_key(bytes, at) {
            return true;
        }
    }
    false
}

/// Whether what stands behind `/Encrypt` at `at` says how a file is encrypted.
fn is_key(bytes: &[u8], at: usize) -> bool {
    matches!(value(bytes, at), Value::Reference(_)) || is_dictionary(bytes, at)
}

/// What a string is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Address,
    /// The name of a file, which may be an address.
    File,
    Script,
}

/// Looks through a file.
pub(super) fn read(bytes: &[u8], into: &mut Collector<'_>) {
    // Nobody wants it.
    if into.limits.unpacked == 0 {
        return;
    }
    let mut reader = Reader::default();
    reader.file(bytes, into);
    reader.followed(bytes, into);
    if reader.is_encrypted {
        into.skip(Skipped::FileEncrypted);
    } else if reader.is_unread {
        into.skip(Skipped::FileUnreadable);
    }
}

#[derive(Default)]
struct Reader {
    is_encrypted: bool,
    is_unread: bool,
    /// Objects that hold a string, by number.
    follow: BTreeSet<(u64, Use)>,
    open: usize,
}

impl Reader {
    fn file(&mut self, bytes: &[u8], into: &mut Collector<'_>) {
        let mut streams = Streams::new(bytes);
        let mut at = 0;
        while let Some((name, behind)) = next_name(bytes, at) {
            at = behind;
            match name.as_slice() {
                // Programs go by the numbers of a stream of objects, not by what it is called.
                b"ObjStm" | b"First" => {
                    if let Some(head) = streams.behind(at) {
                        self.objects(bytes, head, name == b"ObjStm", into);
                    }
                }
                b"Encrypt" => self.is_encrypted |= is_key(bytes, at),
                name => at = self.named(bytes, name, at, into),
            }
        }
    }

    /// The value of a name, if it is one that leads somewhere. Gives where to go on.
    fn named(&mut self, bytes: &[u8], name: &[u8], at: usize, into: &mut Collector<'_>) -> usize {
        let is_for = match name {
            b"URI" => Use::Address,
            b"F" | b"UF" => Use::File,
            b"JS" => Use::Script,
            _ => return at,
        };
        match value(bytes, at) {
            Value::Text { text, end, is_closed } => {
                take(&text, is_for, into);
                self.open += usize::from(!is_closed);
                if is_closed || self.open > MOST_OPEN { end } else { at }
            }
            Value::Reference(number) => {
                if self.follow.len() < MOST_FOLLOWED {
                    self.follow.insert((number, is_for));
                } else if !self.follow.contains(&(number, is_for)) {
                    self.is_unread = true;
                }
                at
            }
            Value::Other => at,
        }
    }

    /// A stream of objects. `is_called_so`: it says that it is one; otherwise it only looks like one.
    fn objects(&mut self, bytes: &[u8], head: stream::Head, is_called_so: bool, into: &mut Collector<'_>) {
        let data = bytes.get(head.data..).unwrap_or_default();
        let Some(unpacked) = inflate(data, into) else {
            // One that is not packed is read with the rest of the file.
            self.is_unread |= is_called_so && !begins_with_number(data);
            return;
        };
        let objects = unpacked.bytes.as_slice();
        let is_table = begins_with_number(objects) || objects.trim_ascii().is_empty();
        self.is_unread |= is_called_so && (unpacked.is_broken || !is_table);
        let mut at = 0;
        while let Some((name, behind)) = next_name(objects, at) {
            at = self.named(objects, &name, behind, into);
        }
        if let Some(first) = head.first(bytes) {
            bare(objects, first, into);
        }
    }

    /// The objects that were referred to: strings, and streams that hold a script.
    fn followed(&mut self, bytes: &[u8], into: &mut Collector<'_>) {
        if self.follow.is_empty() {
            return;
        }
        let mut streams = Streams::new(bytes);
        for found in memmem::find_iter(bytes, b"obj") {
            let Some(number) = value::number_before(bytes, found) else { continue };
            for is_for in [Use::Address, Use::File, Use::Script] {
                if !self.follow.contains(&(number, is_for)) {
                    continue;
                }
                if let Value::Text { text, .. } = value(bytes, found + 3) {
                    take(&text, is_for, into);
                } else if let Some(head) = streams.behind(found + 3).filter(|_| is_for == Use::Script) {
                    match inflate(bytes.get(head.data..).unwrap_or_default(), into) {
                        Some(unpacked) => take(&unpacked.bytes, is_for, into),
                        None => take(head.plain(bytes), is_for, into),
                    }
                }
            }
        }
    }
}

/// The next name behind `at` that begins as those do that are looked for, escapes undone (§7.3.5), and where it ends;
/// one that is too long to be looked for is cut.
fn next_name(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let begin = loop {
        at += memchr::memchr(b'/', bytes.get(at..)?)? + 1;
        if matches!(bytes.get(at), Some(b'#' | b'E' | b'F' | b'J' | b'O' | b'U')) {
            break at;
        }
    };
    let rest = bytes.get(begin..).unwrap_or_default();
    let length = rest.iter().take(NAME + 1).take_while(|b| !value::ends_word(**b)).count();
    let written = rest.get(..length).unwrap_or_default();
    let mut name = Vec::with_capacity(length);
    let mut at = 0;
    while let Some(&b) = written.get(at) {
        let digit = |at: usize| written.get(at).and_then(|d| char::from(*d).to_digit(16));
        match (b, digit(at + 1), digit(at + 2)) {
            (b'#', Some(high), Some(low)) => {
                name.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 3;
            }
            _ => {
                name.push(b);
                at += 1;
            }
        }
    }
    Some((name, begin + length))
}

/// Whether these are objects: the table of their numbers comes first.
fn begins_with_number(objects: &[u8]) -> bool {
    let objects = objects.trim_ascii_start();
    let digits = objects.iter().take(11).take_while(|b| b.is_ascii_digit()).count();
    (1..=10).contains(&digits) && objects.get(digits).is_some_and(u8::is_ascii_whitespace)
}

fn is_dictionary(bytes: &[u8], at: usize) -> bool {
    bytes.get(value::skip_blank(bytes, at)..).is_some_and(|rest| rest.starts_with(b"<<"))
}

/// Objects in a stream that are strings by themselves: whoever refers to one need not be known. `first`: where the
/// objects begin, behind the table of their places.
fn bare(objects: &[u8], first: usize, into: &mut Collector<'_>) {
    let table = objects.get(..first).unwrap_or_default();
    let numbers = table.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut done = 0;
    for place in numbers.skip(1).step_by(2) {
        let place = std::str::from_utf8(place).ok().and_then(|place| place.parse::<usize>().ok());
        let Some(at) = place.and_then(|place| place.checked_add(first)).filter(|at| *at >= done) else {
            continue;
        };
        if let Value::Text { text, end, .. } = value(objects, at) {
            text::find_explicit(&decoded(&text), Source::Pdf, into);
            done = end;
        }
    }
}

fn take(bytes: &[u8], is_for: Use, into: &mut Collector<'_>) {
    let decoded = decoded(bytes);
    match is_for {
        Use::Script => {
            let Some(content) = into.allow(&decoded) else { return };
            // What a script writes stays in the file.
            let _pages = script::read(content, Source::Pdf, into, &mut Smuggling::default());
        }
        Use::File => text::find_explicit(&decoded, Source::Pdf, into),
        Use::Address => {
            if !decoded.contains("//") || !into.add(&decoded, Source::Pdf, "") {
                text::find(&decoded, Source::Pdf, into);
            } else if decoded.contains("/URI") {
                text::find_explicit(&decoded, Source::Pdf, into);
            }
        }
    }
}

/// The text of a string (§7.9.2.2). What is not UTF-8 is no address beyond its ASCII.
fn decoded(bytes: &[u8]) -> String {
    let wide = |rest: &[u8], of: fn([u8; 2]) -> u16| -> String {
        let units = rest.as_chunks::<2>().0.iter().map(|pair| of(*pair));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}
