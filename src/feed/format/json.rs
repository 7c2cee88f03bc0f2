//! The rows of a JSON document, one after the other: the document is never held as a whole, and a row that is
//! wrong costs only itself.
//!
//! A row is an object in an array, wherever the array is: `[{…}, …]`, `{"123": [{…}], …}` and
//! `{"urls": [{…}, …]}` are all in use, with the same rows.

use super::body::Text;
use super::refusal::{Refusal, beginning};
use super::{Format, Limits};
use crate::model::text;

/// How deep arrays and objects may stand in each other.
const MAX_DEPTH: usize = 32;
/// So much of what is no row is kept, to tell what the publisher said.
const MAX_SAID: usize = 512;

/// Calls `each` with number and bytes of every row, or `None` for one that is too long. Returns what stands
/// outside of the rows, cut.
pub(super) fn rows(
    input: &mut Text<'_>,
    format: Format,
    limits: &Limits,
    mut each: impl FnMut(u64, Option<&[u8]>) -> Result<(), Refusal>,
) -> Result<String, Refusal> {
    let mut reader = Reader { format, max_row: limits.line, ..Reader::default() };
    loop {
        let piece = input.fill()?;
        if piece.is_empty() {
            return reader.end();
        }
        for &b in piece {
            if reader.byte(b)? {
                let row = if reader.long { None } else { Some(&*reader.row) };
                each(reader.count, row)?;
                reader.row.clear();
                reader.long = false;
            }
        }
        let count = piece.len();
        input.consume(count);
    }
}

/// Where in the document we are.
struct Reader {
    format: Format,
    max_row: usize,
    /// The open arrays and objects.
    open: Vec<u8>,
    /// How many are open around the row that is being read.
    around: Option<usize>,
    row: Vec<u8>,
    long: bool,
    count: u64,
    in_string: bool,
    escaped: bool,
    begun: bool,
    said: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            format: Format::UrlhausJson,
            max_row: 0,
            open: Vec::new(),
            around: None,
            row: Vec::new(),
            long: false,
            count: 0,
            in_string: false,
            escaped: false,
            begun: false,
            said: Vec::new(),
        }
    }
}

impl Reader {
    /// Takes one byte; true when it ends a row.
    fn byte(&mut self, b: u8) -> Result<bool, Refusal> {
        if self.in_string {
            self.keep(b);
            if self.escaped {
                self.escaped = false;
            } else {
                self.escaped = b == b'\\';
                self.in_string = b != b'"';
            }
            return Ok(false);
        }
        match b {
            b'{' | b'[' => {
                if self.open.is_empty() && self.begun {
                    return Err(self.wrong("something follows its end"));
                }
                if self.open.len() >= MAX_DEPTH {
                    return Err(self.wrong("its parts stand too deep in each other"));
                }
                if b == b'{' && self.around.is_none() && self.open.last() == Some(&b'[') {
                    self.around = Some(self.open.len());
                    self.count += 1;
                }
                self.begun = true;
                self.open.push(b);
                self.keep(b);
            }
            b'}' | b']' => {
                self.keep(b);
                let opened = self.open.pop();
                if opened != Some(if b == b'}' { b'{' } else { b'[' }) {
                    return Err(self.wrong("its brackets do not fit"));
                }
                if self.around == Some(self.open.len()) {
                    self.around = None;
                    return Ok(true);
                }
            }
            b'"' if !self.open.is_empty() => {
                self.in_string = true;
                self.keep(b);
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ if self.open.is_empty() => {
                self.keep(b);
                let why = if self.begun { "something follows its end" } else { "it is no JSON" };
                return Err(self.wrong(why));
            }
            b',' | b':' | b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E' => self.keep(b),
            _ => {
                self.keep(b);
                return Err(self.wrong("it is no JSON"));
            }
        }
        Ok(false)
    }

    fn keep(&mut self, b: u8) {
        if self.around.is_none() {
            if self.said.len() < MAX_SAID {
                self.said.push(b);
            }
        } else if self.row.len() < self.max_row {
            self.row.push(b);
        } else {
            self.long = true;
        }
    }

    fn wrong(&self, why: &str) -> Refusal {
        Refusal::other(self.format, why, &self.said)
    }

    fn end(self) -> Result<String, Refusal> {
        if self.in_string || !self.open.is_empty() {
            let what = format!("the JSON ends in the middle, after {} rows", self.count);
            return Err(Refusal::CutOff { what });
        }
        if !self.begun {
            return Err(Refusal::other(self.format, "it is no JSON", &self.said));
        }
        Ok(text::line(&String::from_utf8_lossy(&self.said), 200))
    }
}

/// What a document without rows means.
pub(super) fn without_rows(said: &str, format: Format) -> Refusal {
    // `[]` and `{}` say nothing.
    if said.len() > 4 && said.contains('"') {
        return Refusal::ErrorAnswer { said: said.to_owned() };
    }
    Refusal::other(format, "it has no row", beginning(said.as_bytes()).as_bytes())
}
