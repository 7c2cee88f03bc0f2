//! What was decided about a message, for one recipient, and why.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Category, Score};

/// What happens to the mail. `Accept < Tag < Quarantine < Reject, Discard` in strictness;
/// `Tempfail` stands beside that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// Deliver.
    #[default]
    Accept,
    /// Deliver with headers that say so.
    Tag,
    /// Keep it in quarantine; the sender is told 250.
    Quarantine,
    /// Refuse with 5xx.
    Reject,
    /// Drop silently; only where an admin asked for it.
    Discard,
    /// Refuse for now with 4xx.
    Tempfail,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Accept, Self::Tag, Self::Quarantine, Self::Reject, Self::Discard, Self::Tempfail];

    /// The word in headers, records and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Tag => "tag",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
            Self::Discard => "discard",
            Self::Tempfail => "tempfail",
        }
    }

    /// Rank when voices disagree: a decisive `Reject` or `Discard` beats `Tempfail`, which beats
    /// everything weaker.
    #[must_use]
    pub const fn strictness(self) -> u8 {
        match self {
            Self::Accept => 0,
            Self::Tag => 1,
            Self::Quarantine => 2,
            Self::Tempfail => 3,
            Self::Reject => 4,
            Self::Discard => 5,
        }
    }

    /// The stricter of two.
    #[must_use]
    pub const fn stricter(self, other: Self) -> Self {
        if other.strictness() > self.strictness() { other } else { self }
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The judgement for one recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What happens.
    pub disposition: Disposition,
    /// What kind of mail it is.
    pub category: Category,
    /// The sum of the findings' scores.
    pub score: Score,
    /// The rule that decided.
    pub rule: String,
    /// Why, in a few words for people: goes into headers and replies.
    pub reason: String,
    /// How it came to this, line by line.
    pub explanation: Explanation,
    /// What the rule wants done besides; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub treatment: Option<Arc<Treatment>>,
}

/// What a rule wants done besides its disposition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Treatment {
    /// Why mail is refused or put off, as the sender is told it, in place of the reason; the id follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Fields that delivered mail gets besides ours: name and value, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Put in front of the Subject, if all who get the mail agree on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_prefix: Option<String>,
    /// Addresses that get what is delivered as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copy_to: Vec<String>,
    /// Address that gets the mail in place of the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// Mail to be held is held by the MTA, in its hold queue, not in our quarantine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// Text put in front of what delivered mail says, where nothing signed would break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
    /// Who is told, by name: `[notify.NAME]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
}

/// The steps of a judgement in the order in which they were taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Explanation(
    /// Shared, because recipients who share a verdict share its reasons.
    pub Arc<Vec<Step>>,
);

/// One line of an explanation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The rule that was tried.
    pub rule: String,
    /// What it saw, in a sentence.
    pub saw: String,
    /// What it asks for; `None` where it does not apply.
    pub wants: Option<Disposition>,
    /// It is the one that decided.
    #[serde(default)]
    pub decided: bool,
    /// The rule is on trial: what it asks for has no effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Its condition could not be evaluated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}
