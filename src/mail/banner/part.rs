//! One text part, written anew with the banner in it.

use data_encoding::BASE64;

use super::{HTML, Unable, html, words};
use crate::mail::head::Head;
use crate::mail::transfer::{self, Encoding};
use crate::mail::{charset, lines};

/// Larger texts are left alone, in decoded bytes.
const MAX_TEXT: usize = 2 << 20;
/// RFC 2045 §6.8 and §6.7: at most 76 characters a line.
const BASE64_LINE: usize = 76;
const QUOTED_LINE: usize = 75;

/// The content of a part with `banner` in front of its text, encoded as it was.
pub(super) fn with(raw: &[u8], head: &Head, banner: &str) -> Result<Vec<u8>, Unable> {
    let text = decoded(raw, head.encoding)?;
    let label = head.charset.as_deref();
    if text.len() > MAX_TEXT || memchr::memchr(0, &text).is_some() || !charset::holds_ascii(&text, label) {
        return Err(Unable::Encoding);
    }
    if memchr::memmem::find(&text, b"-----BEGIN PGP ").is_some() {
        return Err(Unable::Signed);
    }
    let has_bare_lf = head.encoding == Encoding::Base64
        && memchr::memchr(b'\n', &text).is_some()
        && memchr::memmem::find(&text, b"\r\n").is_none();
    let line_end = if has_bare_lf { "\n" } else { "\r\n" };
    let start = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let (place, banner) = if head.media_type == HTML {
        let place = html::place(&text, start);
        (place, words::page(banner, line_end, place > start))
    } else {
        // A part that says 7bit must not get other bytes.
        let only_ascii = head.encoding == Encoding::Identity && text.is_ascii();
        (start, words::plain(banner, line_end, label.filter(|_| !only_ascii)))
    };
    let (before, after) = text.split_at_checked(place).ok_or(Unable::Encoding)?;
    let text = [before, &banner, after].concat();
    let written = encoded(&text, head.encoding, raw.ends_with(b"\n"));
    if decoded(&written, head.encoding)? == text { Ok(written) } else { Err(Unable::Encoding) }
}

/// A mark at the beginning of UTF-8 text that some programs write.
const BOM: &[u8] = b"\xef\xbb\xbf";

fn decoded(raw: &[u8], encoding: Encoding) -> Result<Vec<u8>, Unable> {
    let decoded = match encoding {
        Encoding::Identity => return Ok(raw.to_vec()),
        Encoding::Base64 => transfer::base64(raw),
        Encoding::QuotedPrintable => transfer::quoted_printable(raw),
        Encoding::Uuencode | Encoding::Unknown => return Err(Unable::Encoding),
    };
    if decoded.is_bad || decoded.is_other { Err(Unable::Encoding) } else { Ok(decoded.bytes) }
}

fn encoded(text: &[u8], encoding: Encoding, ends_line: bool) -> Vec<u8> {
    match encoding {
        Encoding::Base64 => {
            let digits = BASE64.encode(text);
            let lines: Vec<&[u8]> = digits.as_bytes().chunks(BASE64_LINE).collect();
            let mut out = lines.join(&b"\r\n"[..]);
            if ends_line {
                out.extend_from_slice(b"\r\n");
            }
            out
        }
        Encoding::QuotedPrintable => quoted(text),
        Encoding::Identity | Encoding::Uuencode | Encoding::Unknown => text.to_vec(),
    }
}

/// Quoted-printable: CRLF is a line end, any other control character is written as its number.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    let mut pos = 0;
    while pos < text.len() {
        let (line, next) = crlf_line(text, pos);
        quoted_line(line, &mut out);
        if next > pos + line.len() {
            out.extend_from_slice(b"\r\n");
        }
        pos = next;
    }
    out
}

/// The line that begins at `pos`, and where the next one does. A bare LF ends none.
fn crlf_line(text: &[u8], pos: usize) -> (&[u8], usize) {
    let rest = text.get(pos..).unwrap_or_default();
    match memchr::memmem::find(rest, b"\r\n") {
        Some(end) => (lines::at(text, &(pos..pos + end)), pos + end + 2),
        None => (rest, text.len()),
    }
}

fn quoted_line(line: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for (i, byte) in line.iter().enumerate() {
        let is_last = i + 1 == line.len();
        let is_plain = match byte {
            b' ' | b'\t' => !is_last,
            b'=' => false,
            byte => byte.is_ascii_graphic(),
        };
        let width = if is_plain { 1 } else { 3 };
        // One column stays for the `=` of a soft line break.
        if column + width > QUOTED_LINE - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if is_plain {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
        }
        column += width;
    }
}
