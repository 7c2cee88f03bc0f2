//! Signs as they are seen; findings at the end.

use std::collections::BTreeMap;

use super::table::{ALL, Sign};
use crate::mail::links::Place;
use crate::model::{Finding, Scanner, Score, text};

/// Most characters of what was seen that a finding tells.
const LONGEST: usize = 200;

/// Each sign once for a message, whatever the number and order of what gave it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By symbol: what was seen, and the first place of it.
    seen: BTreeMap<&'static str, BTreeMap<String, At>>,
}

/// Where a sign was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// In the From field.
    From,
    /// In a link or page.
    Place(Place),
}

impl From<Place> for At {
    fn from(place: Place) -> Self {
        Self::Place(place)
    }
}

impl Tally {
    /// Sees a sign. `what` may hold text from the mail.
    pub(super) fn add(&mut self, sign: &Sign, place: impl Into<At>, what: &str) {
        let place = place.into();
        let first =
            self.seen.entry(sign.symbol).or_default().entry(text::line(what, LONGEST)).or_insert(place);
        *first = place.min(*first);
    }

    /// One finding for each sign seen, in the order of the table.
    pub(super) fn findings(self) -> Vec<Finding> {
        let finding = |sign: &Sign| {
            let seen = self.seen.get(sign.symbol)?;
            let (what, place) = seen.iter().min_by_key(|(what, place)| (**place, what.as_str()))?;
            let mut text = sign.says.to_owned();
            if !what.is_empty() {
                text = format!("{text}: {what}");
            }
            if seen.len() > 1 {
                text = format!("{text} (and {} more)", seen.len() - 1);
            }
            Some(Finding {
                scanner: Scanner::Urls,
                symbol: sign.symbol.to_owned(),
                severity: sign.severity,
                category: sign.category,
                score: Score::new(sign.score),
                text,
                location: Some(match place {
                    At::From => "header From".to_owned(),
                    At::Place(Place::Subject) => "header Subject".to_owned(),
                    At::Place(Place::Part(index)) => format!("part {}", index.saturating_add(1)),
                    At::Place(Place::Header(name)) => format!("header {name}"),
                }),
            })
        };
        ALL.iter().filter_map(finding).collect()
    }
}
