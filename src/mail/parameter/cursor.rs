//! From parameter to parameter.

use super::Parameter;
use super::sections::Mark;

/// How a value is taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// With escapes and comments.
    Rfc,
    /// At semicolons outside of quotes, by programs that know neither.
    Simple,
}

/// White space; a line feed is a fold.
pub(super) const fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n')
}

/// What is still to be read of a value.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
    pub(super) rules: Rules,
    /// A comment was begun and never ended: what follows holds none.
    pub(super) is_unclosed: bool,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Goes past a comment whose parenthesis was just read; nested ones and escapes are known. One that never ends
    /// is none.
    fn skip_comment(&mut self) {
        if self.is_unclosed {
            return;
        }
        let begin = self.rest;
        let mut depth = 1_u32;
        while let Some(c) = self.next() {
            match c {
                b'\\' => drop(self.next()),
                b'(' => depth += 1,
                b')' if depth == 1 => return,
                b')' => depth -= 1,
                _ => {}
            }
        }
        self.is_unclosed = true;
        self.rest = begin;
    }

    /// The bytes up to and past the next semicolon, comments left out. A parenthesis in the middle of a
    /// word is no comment: people send `name=report(1).pdf`. Simple rules take what stands before one.
    pub(super) fn until_semicolon(&mut self) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        let mut has_comment = false;
        while let Some(c) = self.next() {
            match c {
                b';' => break,
                b'(' if out.last().is_none_or(|c| is_space(*c) || *c == b'/') => match self.rules {
                    Rules::Rfc => self.skip_comment(),
                    Rules::Simple => has_comment = true,
                },
                _ if has_comment => {}
                c => out.push(c),
            }
        }
        out
    }

    /// The inside of a quoted string whose quote was just read, then past the next semicolon.
    fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(c) = self.next() {
            match (c, self.rest.first()) {
                (b'"', _) => {
                    self.until_semicolon();
                    break;
                }
                (b'\\', Some(b'"' | b'\\')) if self.rules == Rules::Rfc => out.extend(self.next()),
                (c, _) => out.push(c),
            }
        }
        out
    }

    /// The next parameter; `None` where nothing is said.
    pub(super) fn parameter(&mut self) -> Option<Parameter> {
        self.skip_space();
        let mut name = Vec::new();
        loop {
            match self.next()? {
                b'=' => break,
                b';' => return None,
                b'(' if self.rules == Rules::Rfc => self.skip_comment(),
                b'\n' => {}
                c => name.push(c.to_ascii_lowercase()),
            }
        }
        self.skip_space();
        let bytes = if let [b'"', rest @ ..] = self.rest {
            self.rest = rest;
            self.quoted()
        } else {
            self.until_semicolon().trim_ascii().to_vec()
        };
        let name = String::from_utf8_lossy(name.trim_ascii()).into_owned();
        // White space may stand around each mark.
        let mut marks = name.split('*').map(str::trim);
        let base = marks.next()?.to_owned();
        let extended = match (marks.next(), marks.next()) {
            (None, _) => None,
            (Some(""), _) => Some((Mark::Alone, true)),
            (Some(section), encoded) => Some((Mark::of(section), encoded.is_some())),
        };
        Some(Parameter { name: base, bytes, extended, is_other: false })
    }
}
