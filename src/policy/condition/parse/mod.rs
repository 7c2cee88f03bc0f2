//! From text to CEL's syntax tree, with the place of every node in bytes.
//!
//! The crate's parser is asked only for what [`lex`] found to be in order: texts that are closed, brackets that
//! match, and neither nesting nor chains so long that a recursive parser would run out of stack.

mod lex;
mod said;

use std::ops::Range;

use cel::common::ast::{IdedExpr, SourceInfo};

use super::Fault;
pub(super) use lex::Lexed;

/// The longest expression, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// How deep brackets may stand in brackets.
pub(super) const DEEPEST: usize = 64;

/// A syntax tree and the text that it came from.
pub(super) struct Parsed {
    pub(super) root: IdedExpr,
    pub(super) places: Places,
}

/// Where nodes stand in the text.
pub(super) struct Places {
    info: SourceInfo,
    pub(super) lexed: Lexed,
}

/// Reads `text`.
pub(super) fn parse(text: &str) -> Result<Parsed, Vec<Fault>> {
    if text.len() > LONGEST {
        let message = format!("the condition is {} bytes long; at most {LONGEST} are read", text.len());
        return Err(vec![Fault { at: 0..text.len(), message }]);
    }
    let lexed = lex::lex(text)?;
    if lexed.tokens.is_empty() {
        let message = "there is nothing here; write true for what always holds".to_owned();
        return Err(vec![Fault { at: 0..text.len(), message }]);
    }
    // Without its macros: loops are ours to check.
    let parser = cel::Env::default().parser().max_recursion_depth(256);
    match parser.parse_with_source_info(text) {
        Ok((root, info)) => Ok(Parsed { root, places: Places { info, lexed } }),
        Err(errors) => Err(said::reworded(text, &lexed, &errors)),
    }
}

impl Places {
    /// The token at which the parser hung a node, by its position among all tokens.
    pub(super) fn token(&self, id: u64) -> Option<usize> {
        let (start, _) = self.info.offset_for(id)?;
        self.lexed.at(start as usize)
    }

    /// The place of the token at `position`.
    pub(super) fn of(&self, position: Option<usize>) -> Range<usize> {
        let token = position.and_then(|position| self.lexed.tokens.get(position));
        token.map_or(0..self.lexed.length, |token| token.at.clone())
    }
}
