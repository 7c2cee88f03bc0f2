//! A link of a message as records, `scan` and `explain` show it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Category;

/// A link, where it stood, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenUrl {
    /// The address in normal form.
    pub url: String,
    /// What it stood in: `text`, `html:href`, `qr`, …
    pub source: String,
    /// The text that a person sees for it; may be empty. Foreign text.
    #[serde(default)]
    pub shown: String,
    /// The part, counted from 1; `None` is the message's own header.
    #[serde(default)]
    pub part: Option<usize>,
    /// What it is taken for.
    #[serde(default)]
    pub judgement: Judgement,
    /// Which feeds know it, the strongest match first, and which DNS block lists have its host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Listed>,
}

/// That a feed knows a link, or that a DNS block list has its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The feed's or list's name in the configuration.
    pub feed: String,
    /// How link and entry agree: `exact`, `host-path`, `host`, `domain`, `ip`, `network`; `dnsbl` for a block list.
    #[serde(rename = "match")]
    pub kind: String,
    /// The day since when the publisher knows it, as `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
    /// How many days ago that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_days: Option<u16>,
    /// How sure the publisher is, in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
    /// What a block list has it for: `phishing, cracked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// What a link is taken for, the harmless first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Nobody was asked, or nobody answered.
    #[default]
    NotLookedUp,
    /// The configuration exempts its host.
    Exempt,
    /// No feed and no block list knows it.
    Unknown,
    /// A feed or block list of suspicious things knows it.
    Suspicious,
    /// A feed or block list of spam knows it.
    Spam,
    /// A feed or block list of fraud knows it.
    Phish,
    /// A feed or block list of malware knows it.
    Malware,
}

impl Judgement {
    /// The word for people and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotLookedUp => "not-looked-up",
            Self::Exempt => "exempt",
            Self::Unknown => "unknown",
            Self::Suspicious => "suspicious",
            Self::Spam => "spam",
            Self::Phish => "phish",
            Self::Malware => "malware",
        }
    }
}

impl From<Category> for Judgement {
    fn from(category: Category) -> Self {
        match category {
            Category::Clean => Self::Unknown,
            Category::Suspicious => Self::Suspicious,
            Category::Spam => Self::Spam,
            Category::Phish => Self::Phish,
            Category::Malware => Self::Malware,
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
