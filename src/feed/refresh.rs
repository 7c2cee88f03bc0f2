//! From a body to keys and a copy on disk; or the reason why the entries from before stay.

use std::io::{Read, Seek};

use super::copy::{CopyError, Folder, LastGood, MAX_SIZE, Source, Validators, Writer};
use super::format::{Limits, Reading, Refusal, read};
use super::index::{Collector, FeedKeys};
use super::keys::Keyer;
use super::standing::Outcome;
use crate::model::Timestamp;

/// What is asked of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bytes of the body as it comes.
    pub max_size: u64,
    /// Entries of which the publisher is less sure, in per cent, are left out.
    pub min_confidence: u8,
    /// A body with so much fewer entries than before, in per cent, is refused; 100: never.
    pub max_shrink: u8,
}

/// When and as what a body came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// When.
    pub at: Timestamp,
    /// What to ask with next time.
    pub validators: Validators,
}

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// The body is to blame.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk is.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

impl NotTaken {
    /// How the refresh ended: the publisher is not to blame for the disk.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Copy(_) | Self::Refused(Refusal::Read(_) | Refusal::Write(_)) => Outcome::Failed,
            Self::Refused(_) => Outcome::Refused,
        }
    }
}

/// What a good body gave.
#[derive(Debug)]
pub struct Fresh {
    /// Its copy, which is in its place on disk.
    pub copy: LastGood,
    /// Its keys, for [`super::Index::with`].
    pub keys: FeedKeys,
}

/// Reads a body, writes the copy and collects the keys. `standing`: how many entries are there now; `None` on
/// the first time, or to take fewer as well. Blocks; memory is bounded by 16 bytes a key.
///
/// # Errors
/// If the body is refused or the copy cannot be written; copy and entries from before are as they were.
pub fn take_in(
    body: impl Read + Seek,
    source: &Source,
    terms: &Terms,
    fetched: Fetched,
    standing: Option<u64>,
    (folder, keyer): (&Folder, &Keyer),
) -> Result<Fresh, NotTaken> {
    let mut limits = Limits::of_size(terms.max_size);
    limits.text = limits.text.min(MAX_SIZE);
    let reading = Reading { format: source.format, limits, min_confidence: terms.min_confidence };
    let mut writer = Writer::new(folder, source, fetched.at, fetched.validators, terms.min_confidence)?;
    let mut collector = Collector::new(keyer);
    let tally = read(body, &reading, &mut |entry| {
        let row = writer.entry(entry)?;
        collector.add(entry, row);
        Ok(())
    })?;
    let keys = collector.done();
    shrunk(standing, keys.entries(), terms.max_shrink)?;
    Ok(Fresh { copy: writer.done(&tally)?, keys })
}

/// Whether so few entries are left that something must be wrong.
fn shrunk(before: Option<u64>, after: u64, max_shrink: u8) -> Result<(), Refusal> {
    let Some(before) = before.filter(|_| max_shrink < 100) else { return Ok(()) };
    let left = u128::from(after) * 100;
    let least = u128::from(before) * u128::from(100 - max_shrink);
    if before > 0 && left <= least {
        return Err(Refusal::Shrunk { before, after, max_shrink });
    }
    Ok(())
}
