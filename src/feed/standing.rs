//! How a feed is doing, for people and their programs.

use serde::Serialize;

use super::entry::FileHash;
use super::format::Format;
use super::question::Question;
use super::tally::Tally;
use crate::model::{Span, Timestamp};

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Another set is in use.
    New,
    /// The publisher says that nothing has changed.
    Same,
    /// The body is no good; the set from before stays.
    Refused,
    /// There is no body, or the disk does not take it; the set from before stays.
    Failed,
}

impl Outcome {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Whether the set in use is what the publisher has.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::New | Self::Same)
    }
}

/// What came of a refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// How it ended.
    pub outcome: Outcome,
    /// A sentence on it.
    pub message: String,
}

/// The last refresh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Last {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub told: Told,
}

/// What became of the rows of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// All of them.
    pub all: u64,
    /// No longer online, as the publisher says.
    pub offline: u64,
    /// Reported, but not verified yet.
    pub unverified: u64,
    /// Below `min_confidence`.
    pub unsure: u64,
    /// Of a kind that is not looked up.
    pub other: u64,
    /// They could not be read.
    pub bad: u64,
    /// They would have matched nearly everything.
    pub too_wide: u64,
    /// Taken, but by MD5 or SHA-1: `mailward feed lookup` finds them, mail is not matched.
    pub weak_hashes: u64,
}

impl Rows {
    pub(super) const fn of(tally: &Tally) -> Self {
        let Tally { rows: all, offline, unverified, unsure, other, bad, too_wide, weak_hashes, .. } = *tally;
        Self { all, offline, unverified, unsure, other, bad, too_wide, weak_hashes }
    }
}

/// How one feed is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its name in the configuration.
    pub name: String,
    /// How it is written.
    pub format: Format,
    /// Entries in use.
    pub entries: u64,
    /// When these were fetched.
    pub fetched: Option<Timestamp>,
    /// When the publisher last said that these are what there is.
    pub checked: Option<Timestamp>,
    /// Seconds since then.
    pub age_seconds: Option<u64>,
    /// What is in use is older than three times the time between two refreshes, or nothing is in use although
    /// it was tried.
    pub stale: bool,
    /// The copy on disk is still being read.
    pub loading: bool,
    /// When it is fetched next.
    pub next: Option<Timestamp>,
    /// Refreshes in a row that failed.
    pub failures: u32,
    /// The last refresh since the start.
    pub last: Option<Last>,
    /// What became of the rows of the list in use.
    pub rows: Option<Rows>,
}

impl Standing {
    /// What of it does not work as it should, in a sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if self.loading {
            return Some(format!("the feed {} is still being read from the disk", self.name));
        }
        if !self.stale {
            return None;
        }
        let what = match self.age_seconds {
            Some(age) => format!("the feed {} is {} old", self.name, rounded(age)),
            None => format!("the feed {} has no entries", self.name),
        };
        let why = self.last.as_ref().filter(|last| !last.told.outcome.is_good());
        Some(why.map_or_else(|| what.clone(), |last| format!("{what}: {}", last.told.message)))
    }
}

/// So many feeds with the same trouble are named one by one.
const NAMED: usize = 3;

/// Why it may mean little that no feed knows what was `asked`, in sentences; of many feeds with the same trouble,
/// one for all.
#[must_use]
pub fn troubles(feeds: &[Standing], asked: &Question) -> Vec<String> {
    let (loading, others): (Vec<_>, Vec<_>) = feeds.iter().partition(|feed| feed.loading);
    let (old, empty): (Vec<_>, Vec<_>) =
        others.into_iter().filter(|feed| feed.stale).partition(|feed| feed.age_seconds.is_some());
    let kinds = [(empty, "have no entries"), (old, "are too old"), (loading, "are still being read")];
    let mut troubles: Vec<_> = kinds.into_iter().flat_map(|(feeds, what)| told(&feeds, what)).collect();
    let is_weak = matches!(asked, Question::File(FileHash::Md5(_) | FileHash::Sha1(_)));
    if is_weak && feeds.iter().any(|feed| feed.format == Format::MalwarebazaarCsv) {
        troubles.push("MalwareBazaar's entries are found by SHA-256 only".to_owned());
    }
    troubles
}

fn told(feeds: &[&Standing], what: &str) -> Vec<String> {
    match feeds.len() {
        0..=NAMED => feeds.iter().filter_map(|feed| feed.trouble()).collect(),
        many => vec![format!("{many} feeds {what}; see `mailward feed list`")],
    }
}

/// An age for people: one unit, rounded down, and at least a second.
#[must_use]
pub const fn rounded(seconds: u64) -> Span {
    let unit = match seconds {
        0..120 => 1,
        120..7_200 => 60,
        7_200..172_800 => 3_600,
        _ => 86_400,
    };
    let whole = seconds / unit * unit;
    Span::seconds(if whole == 0 { 1 } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(n: usize) -> Standing {
        Standing {
            name: format!("f{n}"),
            format: Format::Urls,
            entries: 0,
            fetched: None,
            checked: None,
            age_seconds: None,
            stale: true,
            loading: false,
            next: None,
            failures: 1,
            last: None,
            rows: None,
        }
    }

    fn asked(typed: &str) -> Question {
        typed.parse().unwrap()
    }

    #[test]
    fn that_a_file_is_unknown_by_md5_or_sha1_means_little_where_entries_have_sha256() {
        let bazaar = Standing { format: Format::MalwarebazaarCsv, stale: false, ..empty(0) };
        let feeds = [bazaar, Standing { stale: false, ..empty(1) }];
        for digits in [32, 40] {
            let told = troubles(&feeds, &asked(&"a".repeat(digits)));
            assert_eq!(told, ["MalwareBazaar's entries are found by SHA-256 only"], "{digits}");
        }
        assert_eq!(troubles(&feeds, &asked(&"a".repeat(64))), Vec::<String>::new());
        assert_eq!(troubles(&feeds[1..], &asked(&"a".repeat(32))), Vec::<String>::new());
    }

    #[test]
    fn of_many_feeds_with_the_same_trouble_one_sentence_is_said() {
        let mut feeds: Vec<_> = (0..3).map(empty).collect();
        assert_eq!(
            troubles(&feeds, &asked("evil.test")),
            [0, 1, 2].map(|n| format!("the feed f{n} has no entries"))
        );
        feeds.extend((3..15).map(empty));
        feeds.push(Standing { age_seconds: Some(90_000), entries: 5, ..empty(15) });
        feeds.extend((16..20).map(|n| Standing { loading: true, ..empty(n) }));
        feeds.push(Standing { stale: false, age_seconds: Some(1), entries: 5, ..empty(20) });
        assert_eq!(
            troubles(&feeds, &asked("evil.test")),
            [
                "15 feeds have no entries; see `mailward feed list`",
                "the feed f15 is 25h old",
                "4 feeds are still being read; see `mailward feed list`",
            ]
        );
    }

    #[test]
    fn an_age_is_told_in_one_unit() {
        let told = |seconds| rounded(seconds).to_string();
        let ages = [0, 119, 121, 7_199, 7_201, 86_399, 100_000, 172_799, 172_801, 900_000];
        assert_eq!(ages.map(told), ["1s", "119s", "2m", "119m", "2h", "23h", "27h", "47h", "2d", "10d"]);
    }
}
