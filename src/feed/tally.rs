//! What a body held, in numbers: nothing is left out without being counted.

use crate::model::text;

/// Rows of which number and reason are kept.
const MAX_EXAMPLES: usize = 5;
/// Characters of foreign text in a reason.
pub(super) const MAX_SHOWN: usize = 80;

/// A row that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The line, counted from 1; in JSON the number of the row.
    pub row: u64,
    /// Why, for people; safe to show.
    pub why: String,
}

/// How many rows of a body became what. `rows` is the sum of the others up to
/// `too_wide`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Data rows; comments and blank lines are none.
    pub rows: u64,
    /// Rows that were taken, duplicates among them.
    pub taken: u64,
    /// No longer online, as the publisher says.
    pub offline: u64,
    /// Reported, but not verified yet.
    pub unverified: u64,
    /// The publisher is less sure of them than is asked for.
    pub unsure: u64,
    /// Of a kind that is not looked up.
    pub other: u64,
    /// They could not be read.
    pub bad: u64,
    /// They would have matched nearly everything.
    pub too_wide: u64,
    /// Among the taken: hashes by MD5 or SHA-1. Files in mail are known by their SHA-256, so these are found
    /// by hand alone.
    pub weak_hashes: u64,
    /// The first of those that could not be read or are too wide.
    pub examples: Vec<Example>,
}

/// Why a good row is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    Offline,
    Unverified,
    Unsure,
    Other,
}

impl Tally {
    pub(super) const fn aside(&mut self, why: Aside) {
        *match why {
            Aside::Offline => &mut self.offline,
            Aside::Unverified => &mut self.unverified,
            Aside::Unsure => &mut self.unsure,
            Aside::Other => &mut self.other,
        } += 1;
    }

    pub(super) fn bad(&mut self, row: u64, why: impl AsRef<str>) {
        self.bad += 1;
        self.example(row, why.as_ref());
    }

    pub(super) fn too_wide(&mut self, row: u64, why: impl AsRef<str>) {
        self.too_wide += 1;
        self.example(row, why.as_ref());
    }

    fn example(&mut self, row: u64, why: &str) {
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(Example { row, why: why.to_owned() });
        }
    }

    /// One sentence on what was not taken because something is wrong with it; `None` if all was well.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        if self.bad + self.too_wide == 0 {
            return None;
        }
        let mut said = format!("of {} rows {} could not be read", self.rows, self.bad);
        if self.too_wide > 0 {
            said.push_str(&format!(" and {} would match too much", self.too_wide));
        }
        for (n, example) in self.examples.iter().enumerate() {
            let between = if n == 0 { ": " } else { "; " };
            said.push_str(&format!("{between}row {}: {}", example.row, example.why));
        }
        Some(said)
    }
}

/// Foreign text as it may be shown, in quotes.
pub(super) fn shown(foreign: &str) -> String {
    format!("{:?}", text::line(foreign, MAX_SHOWN))
}
