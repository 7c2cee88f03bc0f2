//! What symbols weigh, as far as it is known before there is mail: the rows of `mailward policy weights`.

use serde::Serialize;

use crate::model::{Category, Finding, Scanner, Score, Severity};

/// What a symbol always weighs: a row of a table in the code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fixed {
    /// The finding's symbol.
    pub symbol: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What kind of bad.
    pub category: Category,
    /// Points.
    pub score: f64,
}

impl Fixed {
    /// A finding of it, without a place.
    #[must_use]
    pub fn finding(&self, scanner: Scanner, text: String) -> Finding {
        Finding {
            scanner,
            symbol: self.symbol.to_owned(),
            severity: self.severity,
            category: self.category,
            score: Score::new(self.score),
            text,
            location: None,
        }
    }
}

/// Makes a constant of each row, and `ALL` of all of them.
macro_rules! fixed {
    ($($symbol:ident $severity:ident $category:ident $score:literal)*) => {
        $(pub(super) const $symbol: $crate::scan::weight::Fixed = $crate::scan::weight::Fixed {
            symbol: stringify!($symbol),
            severity: $crate::model::Severity::$severity,
            category: $crate::model::Category::$category,
            score: $score,
        };)*
        /// All of them.
        pub(super) const ALL: &[$crate::scan::weight::Fixed] = &[$($symbol),*];
    };
}
pub(super) use fixed;

/// One symbol of one scanner, or one way in which it is given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weight {
    /// Who gives it.
    pub scanner: Scanner,
    /// The symbol; `*` stands for whatever there is.
    pub symbol: String,
    /// When it is given with this weight, where it has several: `same`, `phishing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// What kind of bad.
    pub category: Category,
    /// Points.
    pub score: Score,
    /// Where the score is changed: a key of the configuration, or a file. `None`: it stands in the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_in: Option<String>,
}

impl Weight {
    /// Of a row in the code.
    #[must_use]
    pub fn fixed(scanner: Scanner, row: &Fixed) -> Self {
        Self {
            scanner,
            symbol: row.symbol.to_owned(),
            case: None,
            severity: row.severity,
            category: row.category,
            score: Score::new(row.score),
            set_in: None,
        }
    }
}
