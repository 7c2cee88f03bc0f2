//! What was accepted and turned out to be bad afterwards.

use serde::{Deserialize, Serialize};

use crate::model::{Category, MailId, Timestamp};

/// A link or file of an accepted message that a feed came to know later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caught {
    /// The message.
    pub id: MailId,
    /// When it was seen.
    pub time: Timestamp,
    /// When the message was accepted.
    pub accepted: Timestamp,
    /// The link, or the SHA-256 of the file. Foreign text.
    pub what: String,
    /// The feed's name in the configuration.
    pub feed: String,
    /// How it agrees with the entry: `exact`, `host`, `hash`, …
    #[serde(rename = "match")]
    pub kind: String,
    /// What the feed is of.
    pub category: Category,
    /// What the publisher says of it; may be empty. Foreign text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
}
