//! The headers of parts and of nested messages.

use super::TEXT;
use super::pass::Pass;
use crate::mail::head::{Gathered, Head};
use crate::mail::header::is_envelope_line;
use crate::mail::lines::{self, FieldReader, Line, at};
use crate::model::part::NotInspected;

/// How many lines are looked past that stand where a field should.
const LOOK_AHEAD: usize = 16;

impl Pass<'_, '_> {
    /// The header of a nested message. Empty lines and an mbox line before it are passed over.
    pub(super) fn read_message_head(&mut self, pos: usize) -> Option<(Head, usize)> {
        let mut from = pos;
        for _ in 0..LOOK_AHEAD {
            let (line, next) = lines::line(self.data, from);
            let text = at(self.data, &line);
            if lines::field_name(text).is_some() {
                return self.read_head(from, TEXT);
            }
            if next == from || !(text.is_empty() || is_envelope_line(text)) {
                break;
            }
            from = next;
        }
        self.read_head(pos, TEXT)
    }

    /// The header that begins at `pos`: what it says, and where the body begins. None if there are too
    /// many fields.
    pub(super) fn read_head(&mut self, pos: usize, default: &str) -> Option<(Head, usize)> {
        let data = self.data;
        let mut gathered = Gathered::default();
        let mut reader = FieldReader::new(data, pos);
        let mut has_junk = false;
        loop {
            if self.is_delimiter(reader.pos) {
                break;
            }
            match reader.read() {
                Line::End => break,
                Line::Field { name, value } => {
                    let Some(left) = self.budget.fields.checked_sub(1) else {
                        self.stop(NotInspected::TooManyFields);
                        return None;
                    };
                    self.budget.fields = left;
                    gathered.field(at(data, &name), at(data, &value));
                }
                Line::Junk(_) if !has_junk && self.header_goes_on(reader.pos) => {
                    has_junk = true;
                    reader.skip_line();
                }
                Line::Junk(_) => break,
            }
        }
        let mut head = gathered.head(default);
        if has_junk {
            head.ambiguous();
        }
        Some((head, reader.pos))
    }

    /// Whether fields about the content follow a line that is no field: some readers take them, others
    /// take the line for the beginning of the body.
    fn header_goes_on(&self, junk: usize) -> bool {
        let mut pos = junk;
        for _ in 0..LOOK_AHEAD {
            let (line, next) = lines::line(self.data, pos);
            let text = at(self.data, &line);
            if text.is_empty() || self.is_delimiter(pos) {
                return false;
            }
            let is_content = text.get(..8).is_some_and(|t| t.eq_ignore_ascii_case(b"content-"));
            if is_content && lines::field_name(text).is_some() {
                return true;
            }
            pos = next;
        }
        false
    }

    fn is_delimiter(&self, pos: usize) -> bool {
        self.data.get(pos..).is_some_and(|d| d.starts_with(b"--")) && {
            let (line, next) = lines::line(self.data, pos);
            self.match_line(&line, next).is_some()
        }
    }
}
