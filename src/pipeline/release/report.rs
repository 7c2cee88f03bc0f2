//! What became of a release, for whoever asked for it.

use serde::{Deserialize, Serialize};

use crate::model::{Category, MailId, Score, Timestamp};
use crate::quarantine::Rescan;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Order {
    /// For this one alone: an address as `quarantine show` gives it. `None`: all for whom it is held.
    pub recipient: Option<String>,
    /// Also if it is malware.
    pub force: bool,
    /// Also if it was released before, or may have been.
    pub again: bool,
    /// Teach rspamd that it is no spam, if it could be released.
    pub learn_ham: bool,
}

/// What became of an entry's copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The entry.
    pub id: MailId,
    /// Each copy that was asked for.
    pub copies: Vec<OneCopy>,
    /// What teaching rspamd came to, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<String>,
}

/// One recipient's copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneCopy {
    /// For whom.
    pub recipient: String,
    /// What became of it.
    #[serde(flatten)]
    pub end: End,
    /// What should be looked after all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// What became of one copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum End {
    /// The server took it.
    Released {
        /// With these words.
        reply: String,
    },
    /// The server said no; it is still held.
    Refused {
        /// With these words.
        reply: String,
        /// It was a 5xx: trying again changes nothing.
        for_good: bool,
    },
    /// It never got there; it is still held.
    NotSent {
        /// Why.
        why: String,
    },
    /// Nobody can say whether the server has it.
    Uncertain {
        /// What happened.
        why: String,
    },
    /// It was released before, and nothing was done now.
    ReleasedBefore {
        /// When.
        at: Timestamp,
        /// Who asked for it.
        by: String,
    },
    /// It may have been released before, and nothing was done now.
    UncertainBefore {
        /// When.
        at: Timestamp,
        /// Who asked for it.
        by: String,
        /// What happened.
        why: String,
    },
    /// Somebody else is releasing it right now.
    AtWork,
}

impl End {
    /// The label in metrics and the word in tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Released { .. } => "released",
            Self::Refused { .. } => "refused",
            Self::NotSent { .. } => "not-sent",
            Self::Uncertain { .. } => "uncertain",
            Self::ReleasedBefore { .. } => "released-before",
            Self::UncertainBefore { .. } => "uncertain-before",
            Self::AtWork => "at-work",
        }
    }

    /// All that end with the server being asked.
    pub(super) const ASKED: [&'static str; 4] = ["released", "refused", "not-sent", "uncertain"];

    /// It was delivered now.
    #[must_use]
    pub const fn is_released(&self) -> bool {
        matches!(self, Self::Released { .. })
    }
}

impl std::fmt::Display for End {
    /// A sentence without a full stop.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Released { reply } => write!(f, "released: {reply}"),
            Self::Refused { reply, for_good: true } => write!(f, "still held, refused for good: {reply}"),
            Self::Refused { reply, for_good: false } => write!(f, "still held, refused for now: {reply}"),
            Self::NotSent { why } => write!(f, "still held: {why}"),
            Self::Uncertain { why } => write!(
                f,
                "uncertain: {why}; see the MTA's log, and if it was not delivered, release it with --again"
            ),
            Self::ReleasedBefore { at, by } => write!(
                f,
                "released already at {at} by {by}; nothing was done, --again would deliver it once more"
            ),
            Self::UncertainBefore { at, by, why } => write!(
                f,
                "uncertain since {at}, when {by} released it: {why}; see the MTA's log, and if it was not delivered, \
                 release it with --again"
            ),
            Self::AtWork => f.write_str("somebody else is releasing it right now"),
        }
    }
}

/// A judgement in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// What kind of mail it is.
    pub category: Category,
    /// The sum of the findings' scores.
    pub score: Score,
    /// The rule that decided.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
}

/// An entry judged again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescanned {
    /// The entry.
    pub id: MailId,
    /// How it was judged before.
    pub was: Judgement,
    /// How it is judged today.
    pub now: Rescan,
    /// What it is kept as: the worse of both.
    pub category: Category,
}
