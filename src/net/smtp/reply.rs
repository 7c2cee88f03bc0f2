//! Replies (RFC 5321 §4.2): read strictly, because a reply misread is a message lost or doubled.

use std::fmt;

use crate::model::text;

/// Longest line of a reply. RFC 5321 §4.5.3.1.5 allows 512 octets.
const MAX_LINE: usize = 8 * 1024;
/// Most lines of a reply.
const MAX_LINES: usize = 64;
/// Longest text of a reply that is kept, in characters.
const MAX_TEXT: usize = 1000;

/// What a server said: one code, the texts of all lines as one, safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    text: String,
}

impl Reply {
    /// The code, 200–599.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// Everything after the code, an enhanced status code (RFC 2034) included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `250 text`, of a line without its CRLF.
    #[cfg(test)]
    pub(crate) fn read_for_tests(line: &str) -> Self {
        let (code, text) = line.split_once(' ').unwrap();
        Self { code: code.parse().unwrap(), text: text.to_owned() }
    }

    /// Class 4.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }
}

impl fmt::Display for Reply {
    /// `250 2.0.0 Ok: queued as 4XYZ`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// A whole reply as it came: the code and the text of each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) lines: Vec<Vec<u8>>,
}

impl Answer {
    /// The first digit of the code: 2 yes, 3 go on, 4 not now, 5 no.
    pub(super) const fn class(&self) -> u16 {
        self.code / 100
    }

    /// For people.
    pub(super) fn to_reply(&self) -> Reply {
        let joined = String::from_utf8_lossy(&self.lines.join(&b' ')).into_owned();
        Reply { code: self.code, text: text::line(&joined, MAX_TEXT) }
    }
}

/// Puts a reply together from bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Reader {
    code: Option<u16>,
    lines: Vec<Vec<u8>>,
}

impl Reader {
    /// Takes lines off the front of `input`; the reply once its last line is there.
    ///
    /// # Errors
    /// What is wrong, for people, where this cannot become a reply.
    pub(super) fn take(&mut self, input: &mut Vec<u8>) -> Result<Option<Answer>, String> {
        let mut taken = 0;
        let read = loop {
            let rest = input.get(taken..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                if rest.len() > MAX_LINE {
                    return Err(format!("a line of more than {MAX_LINE} bytes"));
                }
                break None;
            };
            taken += end + 1;
            if let Some(answer) = self.line(rest.get(..end).unwrap_or_default())? {
                break Some(answer);
            }
        };
        input.drain(..taken);
        Ok(read)
    }

    /// One line without its LF.
    fn line(&mut self, line: &[u8]) -> Result<Option<Answer>, String> {
        let shown = || format!("{:?}", text::line(&String::from_utf8_lossy(line), 80));
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(format!("a line that does not end in CRLF: {}", shown()));
        };
        if line.len() > MAX_LINE {
            return Err(format!("a line of more than {MAX_LINE} bytes"));
        }
        if memchr::memchr2(0, b'\r', line).is_some() {
            return Err(format!("a line with NUL or CR in it: {}", shown()));
        }
        let (code, more, text) = match line {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
                let code = [a, b, c].iter().fold(0, |code, d| code * 10 + u16::from(**d - b'0'));
                match rest {
                    [] => (code, false, rest),
                    [b' ', text @ ..] => (code, false, text),
                    [b'-', text @ ..] => (code, true, text),
                    _ => return Err(shown()),
                }
            }
            _ => return Err(shown()),
        };
        if self.code.is_some_and(|first| first != code) {
            return Err(format!("lines with different codes, the last {}", shown()));
        }
        self.code = Some(code);
        self.lines.push(text.to_vec());
        if more {
            if self.lines.len() >= MAX_LINES {
                return Err(format!("more than {MAX_LINES} lines"));
            }
            return Ok(None);
        }
        self.code = None;
        Ok(Some(Answer { code, lines: std::mem::take(&mut self.lines) }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<String>, String> {
        let mut input = bytes.to_vec();
        Reader::default().take(&mut input).map(|a| a.map(|a| a.to_reply().to_string()))
    }

    #[test]
    fn replies_of_one_and_of_several_lines_are_read() {
        assert_eq!(read(b"250 2.0.0 Ok\r\n"), Ok(Some("250 2.0.0 Ok".to_owned())));
        assert_eq!(read(b"250\r\n"), Ok(Some("250 ".to_owned())));
        assert_eq!(read(b"550-a\r\n550-\r\n550 b\r\n"), Ok(Some("550 a  b".to_owned())));
        assert_eq!(read("451 später\r\n".as_bytes()), Ok(Some("451 später".to_owned())));
        assert_eq!(read(b"250 a\x1b[2J\xff\r\n"), Ok(Some("250 a?[2J\u{fffd}".to_owned())));
        for unfinished in [&b""[..], b"2", b"250 Ok", b"250 Ok\r", b"250-Ok\r\n", b"250-Ok\r\n250 x"] {
            assert_eq!(read(unfinished), Ok(None), "{}", unfinished.escape_ascii());
        }
        let mut input = b"250 a\r\n354 b\r\n".to_vec();
        Reader::default().take(&mut input).unwrap();
        assert_eq!(input, b"354 b\r\n");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let long = [b"250 ".as_slice(), &vec![b'x'; MAX_LINE], b"\r\n"].concat();
        let endless = vec![b'x'; MAX_LINE + 1];
        let wrong: [&[u8]; 16] = [
            b"\r\n",
            b"ok\r\n",
            b"25\r\n",
            b"2500 x\r\n",
            b"250x\r\n",
            b"150 x\r\n",
            b"650 x\r\n",
            b"250 Ok\n",
            b"250 a\0b\r\n",
            b"250 a\rb\r\n",
            b"250-a\r\n550 b\r\n",
            b"250-a\r\n\r\n",
            b" 250 x\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            &long,
            &endless,
        ];
        for bytes in wrong {
            assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        assert_eq!(read(&b"250-x\r\n".repeat(64)), Err("more than 64 lines".to_owned()));
        assert!(read(&[b"250-x\r\n".repeat(63), b"250 y\r\n".to_vec()].concat()).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn a_reply_is_the_same_however_its_bytes_come(
            bytes in "(25[0-1][ -]?[a\r]{0,3}\r?\n){0,4}",
            cuts in prop::collection::vec(0usize..40, 0..4),
        ) {
            let whole = Reader::default().take(&mut bytes.clone().into_bytes());
            let (mut reader, mut input, mut result) = (Reader::default(), Vec::new(), Ok(None));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut from = 0;
            for to in cuts {
                input.extend_from_slice(&bytes.as_bytes()[from..to]);
                from = to;
                if matches!(result, Ok(None)) {
                    result = reader.take(&mut input);
                }
            }
            prop_assert_eq!(result, whole);
        }
    }
}
