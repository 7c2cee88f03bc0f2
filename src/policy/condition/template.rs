//! Text with expressions in it: `score {score} of {thresholds.reject}`.

use super::eval::Run;
use super::node::Node;
use super::types::Uses;
use super::{Failure, Fault, Fuel, View, check};

/// The most characters of one value.
const LONGEST_VALUE: usize = 600;

/// A text whose places were checked.
#[derive(Debug)]
pub(in super::super) struct Template {
    pieces: Vec<Piece>,
    uses: Uses,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Value(Node),
}

impl Template {
    /// Reads and checks `text`: `{score}` stands for a value, `{{` and `}}` for a brace.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(in super::super) fn compile(text: &str) -> Result<Self, Vec<Fault>> {
        let (mut pieces, mut faults, mut uses) = (Vec::new(), Vec::new(), Uses::NOTHING);
        let mut plain = String::new();
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|left| left.chars().next()) {
            let left = text.get(at..).unwrap_or_default();
            if left.starts_with("{{") || left.starts_with("}}") {
                plain.push(c);
                at += 2;
                continue;
            }
            if c != '{' {
                if c == '}' {
                    let message = "this } closes nothing; write }} for the character".to_owned();
                    faults.push(Fault { at: at..at + 1, message });
                }
                plain.push(c);
                at += c.len_utf8();
                continue;
            }
            let Some(length) = inside(left) else {
                let message = "this { is never closed; write {{ for the character".to_owned();
                faults.push(Fault { at: at..at + 1, message });
                break;
            };
            let expression = left.get(1..=length).unwrap_or_default();
            match check::compile(expression, None) {
                Ok((node, used)) => {
                    uses = uses | used;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Value(node));
                }
                Err(found) => faults.extend(found.into_iter().map(|fault| Fault {
                    at: fault.at.start + at + 1..fault.at.end + at + 1,
                    message: fault.message,
                })),
            }
            at += length + 2;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        if faults.is_empty() { Ok(Self { pieces, uses }) } else { Err(faults) }
    }

    /// The text with its values, which are made safe and cut at 600 characters each.
    ///
    /// # Errors
    /// If a value cannot be had; see [`Failure`].
    pub(in super::super) fn fill(&self, view: &View<'_>, fuel: &mut Fuel) -> Result<String, Failure> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(node) => {
                    out.push_str(&Run::new(Some(view), fuel).eval(node)?.shown(LONGEST_VALUE));
                }
            }
        }
        Ok(out)
    }

    /// What its values look at.
    pub(in super::super) const fn uses(&self) -> Uses {
        self.uses
    }
}

/// How many bytes stand between the brace that `text` begins with and the one that closes it.
fn inside(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().skip(1) {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at - 1),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}
