//! What was accepted and turned out to be bad afterwards.

use serde::{Deserialize, Serialize};

use crate::model::{Category, Finding, MailId, Timestamp};

/// A link or file of an accepted message that a feed came to know later, or what a scanner found in it that had
/// failed to look when it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Caught {
    /// Who caught it.
    #[serde(default, skip_serializing_if = "CaughtBy::is_feed")]
    pub by: CaughtBy,
    /// The message.
    pub id: MailId,
    /// When it was seen.
    pub time: Timestamp,
    /// When the message was accepted.
    pub accepted: Timestamp,
    /// The link, or the SHA-256 of the file; of a second look, the finding that weighs most. Foreign text.
    pub what: String,
    /// The feed's name in the configuration; of a second look, the scanner that found it.
    pub feed: String,
    /// How it agrees with the entry: `exact`, `host`, `hash`, …; of a second look, what would be done with the
    /// message today: `reject`, …
    #[serde(rename = "match")]
    pub kind: String,
    /// What the feed is of, or what kind of mail it is.
    pub category: Category,
    /// What the publisher says of it, or why it would be treated so; may be empty. Foreign text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// What the second look found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Who caught it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaughtBy {
    /// A feed that learnt more.
    #[default]
    Feed,
    /// A scanner that is back.
    SecondLook,
}

impl CaughtBy {
    fn is_feed(&self) -> bool {
        *self == Self::Feed
    }

    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feed => "retro",
            Self::SecondLook => "second look",
        }
    }
}

impl Caught {
    /// What was caught, for people; holds foreign text.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { what, feed, kind, category, .. } = self;
        match self.by {
            CaughtBy::Feed => format!("{what} is listed by {feed} now ({kind}): {category}"),
            CaughtBy::SecondLook => format!("{feed} found {what}: {category}, {kind} today"),
        }
    }
}
