//! The language of conditions: CEL's grammar, our names, types checked at load.
//!
//! **Contract.** An [`Expression`] that compiled names only what there is, compares only what can be
//! compared, and gives the [`Kind`] that was wanted. It is evaluated over a [`View`] without a copy of the
//! message: texts are lent, what costs something is made when it is asked for. Work is counted in steps of
//! [`Fuel`], not in time, so that the same message always fares the same. `&&` and `||` are CEL's: a failure on
//! one side does not matter where the other side decides.
//!
//! **Failures.** What is wrong with a text is told at load, all of it, each with its place ([`Fault`]). At
//! run time an expression can only run out of fuel, ask for the message where a record is judged, or meet a
//! number or position that does not exist ([`Failure`]); whoever asked takes that for the cautious answer.
//!
//! Where to find what: every name and function in `names`, types in `types`, the grammar in `parse`,
//! the check in `check` (functions in `call`, `lists` and `entries`, operators in `operator`, with `words` and `never`), the checked tree in
//! `node`, its evaluation in `eval`, `each` and `look`, what it names of other places in `mentions`, which holds wherever another does in `implied`, what is told of it in `tell`, text with `{…}` in `template`.

mod call;
mod check;
mod each;
mod entries;
mod eval;
mod fuel;
mod implied;
mod lists;
mod look;
mod made;
mod mentions;
mod names;
mod never;
mod node;
mod operator;
mod parse;
mod sets;
mod tell;
mod tell_number;
mod template;
mod types;
mod value;
mod vocabulary;
mod words;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub(super) use fuel::Fuel;
pub(super) use made::Made;
pub(super) use template::Template;
pub(super) use types::Uses;
pub use vocabulary::{Word, vocabulary};
pub(super) use words::closest;

use super::view::View;
use crate::model::{Category, Disposition};
use eval::Run;
use node::Node;
use types::Type;
use value::Value;

/// What an expression has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// True or false.
    Bool,
    /// A disposition, or `nothing`.
    Disposition,
    /// A category.
    Category,
    /// A text.
    #[cfg_attr(not(test), expect(dead_code, reason = "no key of a rule holds such an expression yet"))]
    Text,
}

impl Kind {
    const fn ty(self) -> Type {
        match self {
            Self::Bool => Type::BOOL,
            Self::Disposition => Type::DISPOSITION,
            Self::Category => Type::CATEGORY,
            Self::Text => Type::TEXT,
        }
    }
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The bytes of the text that it is about.
    pub(super) at: Range<usize>,
    /// A sentence that says what to write instead, where that is known.
    pub(super) message: String,
}

/// Why an expression could not be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It is too much work.
    #[error("the conditions are more work for this message than one may be")]
    OutOfFuel,
    /// Only the message tells.
    #[error("{0} is not recorded, and the message is not here")]
    NotRecorded(&'static str),
    /// A division by zero.
    #[error("a division by zero")]
    ZeroDivision,
    /// A number beyond all whole numbers.
    #[error("a number too large to count with")]
    Overflow,
    /// A position that the list does not have.
    #[error("a position beyond the end of a list")]
    NoSuchElement,
    /// Something of a message is asked for where there is none; does not happen in a checked expression.
    #[error("there is no message to look at")]
    NoMessage,
}

/// An expression that was checked.
#[derive(Debug)]
pub(super) struct Expression {
    text: String,
    root: Node,
    uses: Uses,
}

impl Expression {
    /// Reads and checks `text`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn compile(text: &str, wanted: Kind) -> Result<Self, Vec<Fault>> {
        let words = match wanted {
            Kind::Disposition => "write one of accept, tag, quarantine, reject, tempfail, discard",
            Kind::Category => "write one of clean, suspicious, spam, phish, malware",
            Kind::Bool | Kind::Text => check::TEXTS_STAND_IN_QUOTES,
        };
        let (root, uses) = check::compile(text, Some(wanted.ty())).map_err(|mut faults| {
            for fault in &mut faults {
                fault.message = fault.message.replace(check::TEXTS_STAND_IN_QUOTES, words);
            }
            faults
        })?;
        Ok(Self { text: text.to_owned(), root, uses })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// If it cannot be evaluated; see [`Failure`].
    pub(super) fn holds(&self, view: &View<'_>, fuel: &mut Fuel) -> Result<bool, Failure> {
        Run::new(Some(view), fuel).truth(&self.root)
    }

    /// The disposition that it gives; `None` is `nothing`.
    ///
    /// # Errors
    /// If it cannot be evaluated; see [`Failure`].
    pub(super) fn disposition(
        &self,
        view: &View<'_>,
        fuel: &mut Fuel,
    ) -> Result<Option<Disposition>, Failure> {
        match Run::new(Some(view), fuel).eval(&self.root)? {
            Value::Disposition(disposition) => Ok(disposition),
            _ => Err(Failure::NoMessage),
        }
    }

    /// The category that it gives.
    ///
    /// # Errors
    /// If it cannot be evaluated; see [`Failure`].
    pub(super) fn category(&self, view: &View<'_>, fuel: &mut Fuel) -> Result<Category, Failure> {
        match Run::new(Some(view), fuel).eval(&self.root)? {
            Value::Category(category) => Ok(category),
            _ => Err(Failure::NoMessage),
        }
    }

    /// The text that it gives. Foreign text.
    ///
    /// # Errors
    /// If it cannot be evaluated; see [`Failure`].
    #[cfg_attr(not(test), expect(dead_code, reason = "no key of a rule holds such an expression yet"))]
    pub(super) fn text(&self, view: &View<'_>, fuel: &mut Fuel) -> Result<String, Failure> {
        match Run::new(Some(view), fuel).eval(&self.root)? {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(Failure::NoMessage),
        }
    }

    /// What it looks at.
    pub(super) const fn uses(&self) -> Uses {
        self.uses
    }

    /// What it is for every message, where that is known.
    pub(super) const fn constant(&self) -> Option<bool> {
        self.root.truth()
    }

    /// Whether it holds wherever `narrow` does, as far as that can be seen.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        implied::implies(&narrow.root, &self.root)
    }

    /// Whether both say the same, but for blanks and brackets.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        implied::alike(&self.root, &other.root)
    }

    /// The groups of recipients that it names, each with its place.
    pub(super) fn groups(&self) -> Vec<(&str, Range<usize>)> {
        let mut all = Vec::new();
        mentions::groups(&self.root, &mut all);
        all
    }

    /// The symbols that it looks for, those with `*` left out, each with its place.
    pub(super) fn symbols(&self) -> Vec<(&str, Range<usize>)> {
        let mut all = Vec::new();
        mentions::symbols(&self.root, &mut all);
        all
    }

    /// How it came out, and how far from changing, on one line for people.
    pub(super) fn tell(&self, view: &View<'_>, fuel: &mut Fuel) -> String {
        tell::tell(&self.text, &self.root, view, fuel)
    }
}
