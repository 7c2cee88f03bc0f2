//! What is done about a message besides its disposition, and what was asked for and could not be done.

use serde::{Deserialize, Serialize};

/// What an MTA lets us do to a message beyond header fields and fewer recipients: what it offered when the
/// milter connection began. Until one says otherwise, everything: Postfix and Sendmail offer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Add recipients (SMFIF_ADDRCPT).
    pub add_recipient: bool,
    /// Replace the body (SMFIF_CHGBODY).
    pub change_body: bool,
    /// Keep the message in its hold queue (SMFIF_QUARANTINE).
    pub hold: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { add_recipient: true, change_body: true, hold: true }
    }
}

/// What was done besides, for the record and for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Also {
    /// Addresses that get the mail and were not among its recipients: copies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// Recipients in whose place another address gets it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirected: Vec<Redirected>,
    /// The MTA holds it in its own queue; there is no copy in quarantine.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held_by_mta: bool,
    /// A text stands in front of what it says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub banner: bool,
    /// What was asked for and was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

impl Also {
    /// There is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One recipient whose mail goes elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirected {
    /// Position in the envelope's recipients.
    pub recipient: usize,
    /// Who gets it instead.
    pub to: String,
}

/// Something that a rule asked for and that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What.
    pub what: Extra,
    /// Why, in a few words.
    pub why: String,
}

/// What a rule may ask for besides a disposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extra {
    /// Header fields.
    Fields,
    /// A prefix in front of the Subject.
    Prefix,
    /// A copy to an address.
    Copy,
    /// Another address in the place of a recipient.
    Redirect,
    /// The MTA's hold queue.
    Hold,
    /// A text in front of the body.
    Banner,
}

impl Extra {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Fields, Self::Prefix, Self::Copy, Self::Redirect, Self::Hold, Self::Banner];

    /// The word in records, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fields => "fields",
            Self::Prefix => "prefix",
            Self::Copy => "copy",
            Self::Redirect => "redirect",
            Self::Hold => "hold",
            Self::Banner => "banner",
        }
    }
}
