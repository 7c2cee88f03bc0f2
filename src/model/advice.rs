//! What another filter would do with a message: one voice among others, never an order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What rspamd asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Its own word for what should happen.
    pub action: AdvisedAction,
    /// Its sum of scores.
    pub score: f64,
    /// The score from which on it calls a message spam.
    pub required: f64,
    /// What it would say to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The fields it wants added, in its order. Never an Authentication-Results nor one of ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<FieldWish>,
    /// The fields it wants removed. Never one of those that mailward answers for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<RemovalWish>,
}

/// rspamd's actions (its documentation, "Actions").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdvisedAction {
    /// Nothing against it.
    #[default]
    NoAction,
    /// Suspicious enough to be put off once, where greylisting is done.
    Greylist,
    /// Mark it by a header.
    AddHeader,
    /// Mark it in its Subject.
    RewriteSubject,
    /// Put it off: rate limit, greylisting, a check that could not be made.
    SoftReject,
    /// Hold it.
    Quarantine,
    /// Drop it.
    Discard,
    /// Refuse it.
    Reject,
}

impl AdvisedAction {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NoAction,
        Self::Greylist,
        Self::AddHeader,
        Self::RewriteSubject,
        Self::SoftReject,
        Self::Quarantine,
        Self::Discard,
        Self::Reject,
    ];

    /// As rspamd writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAction => "no action",
            Self::Greylist => "greylist",
            Self::AddHeader => "add header",
            Self::RewriteSubject => "rewrite subject",
            Self::SoftReject => "soft reject",
            Self::Quarantine => "quarantine",
            Self::Discard => "discard",
            Self::Reject => "reject",
        }
    }
}

impl fmt::Display for AdvisedAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A field to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldWish {
    /// Its name: printable ASCII without colon.
    pub name: String,
    /// Its value, unfolded, without line breaks.
    pub value: String,
}

/// A field to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalWish {
    /// Its name.
    pub name: String,
    /// 0: all of that name; n: the n-th from the top; -n: the n-th from the bottom.
    pub index: i32,
}
