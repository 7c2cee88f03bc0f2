//! What conditions may say, for people: the tables that the check reads.

use serde::Serialize;

use super::names::{FUNCTIONS, NAMES};

/// A name or function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Word {
    /// As it is written: `envelope.sender`, `found("PHISH_*")`.
    pub written: String,
    /// What a name is: `a text`; for a function the word `function`.
    pub kind: String,
    /// What it is, in a sentence.
    pub says: &'static str,
}

/// Everything that conditions may say, in the order of the tables. What stands behind an element of a list is
/// written with the name that it has in there: `finding.symbol`, as in `findings.exists(finding, …)`.
#[must_use]
pub fn vocabulary() -> Vec<Word> {
    let names = NAMES.iter().map(|name| Word {
        written: match name.record {
            "" => name.name.to_owned(),
            record => format!("{record}.{}", name.name),
        },
        kind: name.ty.to_string(),
        says: name.doc,
    });
    let functions = FUNCTIONS.iter().map(|function| Word {
        written: function.shape.to_owned(),
        kind: "function".to_owned(),
        says: function.doc,
    });
    names.chain(functions).collect()
}
