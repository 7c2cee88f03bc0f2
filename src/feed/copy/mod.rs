//! The last good copy of a feed on disk: `state_dir/feeds/NAME.entries`.
//!
//! Text. The first line says what the file is, the second (JSON) what it is of; then an entry a line – kind,
//! key, day, confidence, threat, tags, reference between tabs –, and the last line `end`, the CRC-32 of all
//! before it, and what the body held (JSON). Beside it `NAME.checked`: when the publisher last said that
//! nothing has changed; and `NAME.removed`: since when no feed of this name is configured.
//!
//! A copy is written under another name, synced, and renamed: under its own name it is whole. One that is not
//! is put aside as `NAME.damaged` for somebody to look at, and the feed is fetched anew. One whose feed is
//! configured no more is kept for some days, in case that the section comes back.
//!
//! Where to find what: the folder `folder`, reading `load`, writing `write`, a copy in use `last_good`, what is
//! configured no more `leftover`, errors `error`; here what stands in the files.

mod error;
mod folder;
mod last_good;
mod leftover;
mod load;
mod write;

use serde::{Deserialize, Serialize};

use super::format::Format;
use super::tally::Tally;
use crate::model::Timestamp;

pub use error::CopyError;
pub use folder::Folder;
pub use last_good::LastGood;
pub(super) use leftover::KEPT;
pub use leftover::Leftover;
pub(super) use write::Writer;

/// The first line.
const MAGIC: &str = "mailward-feed 1";
/// A line is shorter: a field of a body has at most 8 kB, and its texts a few hundred characters.
const MAX_LINE: u64 = 64 << 10;
/// Offsets of entries have 32 bits.
pub(super) const MAX_SIZE: u64 = u32::MAX as u64;

/// Where a feed comes from. A copy that comes from elsewhere is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The feed's name in the configuration: a-z, 0-9, `-` and `_`.
    pub feed: String,
    /// How it is written.
    pub format: Format,
    /// A hash of the address: addresses may hold keys.
    pub address: String,
}

impl Source {
    /// The feed `name`, published at `url`.
    #[must_use]
    pub fn new(name: &str, format: Format, url: &str) -> Self {
        use sha2::{Digest as _, Sha256};
        let hash = Sha256::digest(url.as_bytes());
        let address = data_encoding::HEXLOWER.encode(&hash)[..16].to_owned();
        Self { feed: name.to_owned(), format, address }
    }
}

/// What the publisher said about the body, to ask next time whether it has changed (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// The second line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    source: Source,
    fetched: Timestamp,
    min_confidence: u8,
    #[serde(flatten)]
    validators: Validators,
}

/// What stands behind the checksum in the last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    rows: u64,
    taken: u64,
    offline: u64,
    unverified: u64,
    unsure: u64,
    other: u64,
    bad: u64,
    too_wide: u64,
    #[serde(default)]
    weak_hashes: u64,
    lines: u64,
}

impl End {
    fn of(tally: &Tally, lines: u64) -> Self {
        let Tally { rows, taken, offline, unverified, unsure, other, bad, too_wide, weak_hashes, .. } =
            *tally;
        Self { rows, taken, offline, unverified, unsure, other, bad, too_wide, weak_hashes, lines }
    }

    const fn tally(&self) -> Tally {
        let Self { rows, taken, offline, unverified, unsure, other, bad, too_wide, weak_hashes, .. } = *self;
        let examples = Vec::new();
        Tally { rows, taken, offline, unverified, unsure, other, bad, too_wide, weak_hashes, examples }
    }
}

/// `NAME.checked`.
#[derive(Serialize, Deserialize)]
struct Checked {
    /// The checksum of the copy that this is about.
    crc: u32,
    checked: Timestamp,
    #[serde(flatten)]
    validators: Validators,
}
