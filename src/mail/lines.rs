//! Lines and header fields in raw bytes. Linear, no allocation.

use std::ops::Range;

/// The bytes of `range`, empty where it does not fit.
pub(super) fn at<'a>(data: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    data.get(range.clone()).unwrap_or_default()
}

/// The line that begins at `pos`: its content without the line break (CRLF or LF), and where the next
/// line begins.
pub(super) fn line(data: &[u8], pos: usize) -> (Range<usize>, usize) {
    let rest = data.get(pos..).unwrap_or_default();
    match memchr::memchr(b'\n', rest) {
        Some(n) => {
            let end = pos + n;
            let has_cr = n > 0 && data.get(end - 1) == Some(&b'\r');
            (pos..end - usize::from(has_cr), end + 1)
        }
        None => (pos..data.len().max(pos), data.len().max(pos)),
    }
}

/// Whether there is nothing but white space.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

/// The length of the field name that `line` begins with, and where its colon is. The name is printable
/// ASCII; white space before the colon is obsolete syntax (RFC 5322 §4.5.3) and no part of it. Postfix
/// draws the same line between header and body.
pub(super) fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr::memchr(b':', line)?;
    let name = line.get(..colon)?;
    let len = name.iter().rposition(|c| !matches!(c, b' ' | b'\t'))? + 1;
    name.get(..len)?.iter().all(u8::is_ascii_graphic).then_some((len, colon))
}

/// What the next line of a header is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A field, its continuation lines included (RFC 5322 §2.2.3).
    Field {
        /// The name, without white space before the colon.
        name: Range<usize>,
        /// Everything between the colon and the final line break.
        value: Range<usize>,
    },
    /// A line that is no field. The reader stands still; see [`FieldReader::skip_line`].
    Junk(Range<usize>),
    /// The empty line, or the end of the data. The reader stands at the body.
    End,
}

/// Reads header fields one after the other.
#[derive(Debug)]
pub(super) struct FieldReader<'a> {
    data: &'a [u8],
    /// Where the next line begins.
    pub(super) pos: usize,
}

impl<'a> FieldReader<'a> {
    pub(super) fn new(data: &'a [u8], pos: usize) -> Self {
        Self { data, pos }
    }

    pub(super) fn read(&mut self) -> Line {
        if self.pos >= self.data.len() {
            self.pos = self.data.len();
            return Line::End;
        }
        let (first, mut next) = line(self.data, self.pos);
        if first.is_empty() {
            self.pos = next;
            return Line::End;
        }
        let Some((len, colon)) = field_name(at(self.data, &first)) else { return Line::Junk(first) };
        let mut end = first.end;
        while matches!(self.data.get(next), Some(b' ' | b'\t')) {
            let (continuation, after) = line(self.data, next);
            end = continuation.end;
            next = after;
        }
        self.pos = next;
        Line::Field { name: first.start..first.start + len, value: first.start + colon + 1..end }
    }

    /// Goes past the line at hand.
    pub(super) fn skip_line(&mut self) {
        self.pos = line(self.data, self.pos).1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_their_folds() {
        let data = b"A: one\r\n\ttwo\r\n \r\nB :three\nno field\r\n\r\nbody";
        let mut reader = FieldReader::new(data, 0);
        let mut seen = Vec::new();
        loop {
            match reader.read() {
                Line::Field { name, value } => seen.push((at(data, &name), at(data, &value))),
                Line::Junk(line) => {
                    assert_eq!(at(data, &line), b"no field");
                    reader.skip_line();
                }
                Line::End => break,
            }
        }
        assert_eq!(seen, [(&b"A"[..], &b" one\r\n\ttwo\r\n "[..]), (&b"B"[..], &b"three"[..])]);
        assert_eq!(&data[reader.pos..], b"body");
    }

    #[test]
    fn a_name_is_printable_and_not_empty() {
        assert_eq!(field_name(b"Subject\t : x"), Some((7, 9)));
        assert_eq!(field_name(b": x"), None);
        assert_eq!(field_name(b"two words: x"), None);
        assert_eq!(field_name(b"\xc3\xa9: x"), None);
        assert_eq!(field_name(b"no colon"), None);
    }
}
