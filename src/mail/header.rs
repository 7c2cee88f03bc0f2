//! Header fields: a message read from a file, and the values that people see.

use bytes::{Bytes, BytesMut};

use super::lines::{self, FieldReader, Line};
use crate::model::{Field, Message};

pub use super::words::{Address, addresses, decode_words};

/// Reads a message from the bytes of a file.
///
/// Never fails: an mbox `From ` line is left out, line ends become CRLF (a bare LF ends a line, a bare CR
/// does not), and a header that ends in a line that is no field gets the empty line that is missing, as
/// an MTA would do. What lies beyond 4 GiB is cut off.
#[must_use]
pub fn parse(raw: impl Into<Bytes>) -> Message {
    let raw = with_crlf(without_envelope_line(raw.into()));
    let mut fields = Vec::new();
    let mut reader = FieldReader::new(&raw, 0);
    loop {
        match reader.read() {
            Line::Field { name, value } => fields.push(Field { name: short(&name), value: short(&value) }),
            Line::End => {
                let body = reader.pos;
                return Message::new(raw, fields, body);
            }
            Line::Junk(line) => {
                let body = line.start;
                return Message::new(with_empty_line(&raw, body), fields, body + 2);
            }
        }
    }
}

/// Without the line that separates messages in an mbox file.
fn without_envelope_line(raw: Bytes) -> Bytes {
    let (first, next) = lines::line(&raw, 0);
    if is_envelope_line(lines::at(&raw, &first)) { raw.slice(next.min(raw.len())..) } else { raw }
}

/// `From someone Mon Jan  1 …`, which is no header field; also in the quoted form that mailbox tools leave.
pub(super) fn is_envelope_line(line: &[u8]) -> bool {
    let line = line.strip_prefix(b">").unwrap_or(line);
    line.starts_with(b"From ") && lines::field_name(line).is_none()
}

/// Every bare LF made CRLF; the same bytes where there is none.
fn with_crlf(mut raw: Bytes) -> Bytes {
    let bare = memchr::memchr_iter(b'\n', &raw).filter(|i| !follows_cr(&raw, *i)).count();
    if bare > 0 {
        let mut out = BytesMut::with_capacity(raw.len().saturating_add(bare));
        let mut from = 0;
        for i in memchr::memchr_iter(b'\n', &raw) {
            out.extend_from_slice(lines::at(&raw, &(from..i)));
            if !follows_cr(&raw, i) {
                out.extend_from_slice(b"\r");
            }
            from = i;
        }
        out.extend_from_slice(lines::at(&raw, &(from..raw.len())));
        raw = out.freeze();
    }
    raw.truncate(u32::MAX as usize - 2);
    raw
}

fn follows_cr(raw: &[u8], lf: usize) -> bool {
    lf > 0 && raw.get(lf - 1) == Some(&b'\r')
}

fn with_empty_line(raw: &[u8], at: usize) -> Bytes {
    let (header, body) = raw.split_at(at.min(raw.len()));
    let mut out = BytesMut::with_capacity(raw.len() + 2);
    out.extend_from_slice(header);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.freeze()
}

fn short(range: &std::ops::Range<usize>) -> std::ops::Range<u32> {
    let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    short(range.start)..short(range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: &Message) -> Vec<(&str, &str)> {
        let text = |b| std::str::from_utf8(b).unwrap();
        message.fields().map(|(n, v)| (text(n), text(v))).collect()
    }

    #[test]
    fn a_file_with_lf_becomes_crlf() {
        let message = parse(&b"Subject: a\n b\nX:\n\nbody\nend"[..]);
        assert_eq!(message.raw().as_ref(), b"Subject: a\r\n b\r\nX:\r\n\r\nbody\r\nend");
        assert_eq!(fields(&message), [("Subject", " a\r\n b"), ("X", "")]);
        assert_eq!(message.body(), b"body\r\nend");
    }

    #[test]
    fn a_file_with_crlf_is_not_copied() {
        let raw = Bytes::from_static(b"Subject: a\r\n\r\nbody\r\n");
        let message = parse(raw.clone());
        assert_eq!(message.raw().as_ptr(), raw.as_ptr());
        assert_eq!(message.body(), b"body\r\n");
    }

    #[test]
    fn mixed_line_ends_become_crlf_and_a_bare_cr_stays() {
        let message = parse(&b"A: 1\r\nB: x\ry\nC: 3\r\r\n\r\n.\n"[..]);
        assert_eq!(fields(&message), [("A", " 1"), ("B", " x\ry"), ("C", " 3\r")]);
        assert_eq!(message.body(), b".\r\n");
    }

    #[test]
    fn an_mbox_line_is_left_out_but_a_from_field_is_not() {
        let message = parse(&b"From a@b Mon Jan 1 00:00:00 2026\nTo: x\n\n"[..]);
        assert_eq!(fields(&message), [("To", " x")]);
        let message = parse(&b"From : a@b\n\n"[..]);
        assert_eq!(fields(&message), [("From", " a@b")]);
    }

    #[test]
    fn a_header_without_empty_line_gets_one() {
        let message = parse(&b"A: 1\r\nthis is text\r\n"[..]);
        assert_eq!(message.raw().as_ref(), b"A: 1\r\n\r\nthis is text\r\n");
        assert_eq!(message.header(), b"A: 1\r\n\r\n");
        assert_eq!(message.body(), b"this is text\r\n");
    }

    #[test]
    fn nothing_at_all_is_a_message_too() {
        assert_eq!(parse(Bytes::new()), Message::default());
        let only_fields = parse(&b"A: 1"[..]);
        assert_eq!((fields(&only_fields), only_fields.body()), (vec![("A", " 1")], &b""[..]));
        assert_eq!(parse(&b"\r\ntext"[..]).body(), b"text");
    }
}
