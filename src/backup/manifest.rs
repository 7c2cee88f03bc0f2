//! What a backup says of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::audit::LineHash;
use crate::model::Timestamp;

/// The newest form that this version reads, and the one it writes.
pub(super) const FORMAT: u32 = 1;
/// The folder that all members are in.
pub(super) const FOLDER: &str = "mailward-backup/";
/// The first member.
pub(super) const MANIFEST: &str = "manifest.json";
/// The last one.
pub(super) const SUMS: &str = "SHA256SUMS";
/// A manifest is not longer.
pub(super) const MAX_MANIFEST: u64 = 1 << 20;

/// What can be restored alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The lists, with what was changed in them.
    Lists,
    /// The tokens of the admin's port.
    Tokens,
    /// What was caught afterwards, and failures that are counted.
    Counters,
    /// The audit journal.
    Audit,
    /// Links of accepted mail.
    Retro,
    /// The keys.
    Keys,
    /// Held mail.
    Quarantine,
}

impl Part {
    /// All of them, in the order in which they are put in place.
    pub const ALL: [Self; 7] =
        [Self::Lists, Self::Tokens, Self::Counters, Self::Audit, Self::Retro, Self::Keys, Self::Quarantine];

    /// The word in commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lists => "lists",
            Self::Tokens => "tokens",
            Self::Counters => "counters",
            Self::Audit => "audit",
            Self::Retro => "retro",
            Self::Keys => "keys",
            Self::Quarantine => "quarantine",
        }
    }

    /// The trees of the database that belong to it.
    #[must_use]
    pub const fn trees(self) -> &'static [&'static str] {
        match self {
            Self::Lists => &["lists", "list_generations", "list_changes", "list_change_steps"],
            Self::Tokens => &["tokens"],
            Self::Counters => &["repeats", "retro_found"],
            Self::Audit | Self::Retro | Self::Keys | Self::Quarantine => &[],
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|part| part.name() == text);
        found.ok_or_else(|| format!("{text:?} is no part of a backup; write one of {all}"))
    }
}

/// The first member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form, from 1.
    pub format: u32,
    /// By which mailward.
    pub version: String,
    /// The schema of the database.
    pub schema: u32,
    /// The number of the database's last flush.
    pub flushed: u64,
    /// Of when it is.
    pub time: Timestamp,
    /// Of which host.
    pub host: String,
    /// What it holds.
    pub parts: Vec<Part>,
    /// How much.
    pub facts: Facts,
}

/// How much a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Records of each tree.
    pub records: BTreeMap<String, u64>,
    /// Records that cannot be read and are not in it.
    #[serde(default)]
    pub damaged: u64,
    /// Bytes of the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_bytes: Option<u64>,
    /// The hash of the journal's last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_head: Option<LineHash>,
    /// Held messages. Those that went while it was made are not in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
}

impl Manifest {
    /// Whether a later version made it than this one.
    pub(super) fn is_newer(&self) -> bool {
        let numbers = |version: &str| -> Vec<u64> {
            version.split(['.', '-', '+']).take(3).map(|n| n.parse().unwrap_or(0)).collect()
        };
        self.format > FORMAT
            || self.schema > crate::store::SCHEMA
            || numbers(&self.version) > numbers(env!("CARGO_PKG_VERSION"))
    }

    /// Whether it holds this.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}
