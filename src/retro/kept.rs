//! What is on disk: the links and files of accepted messages in [`Segments`], and what was caught in the
//! database.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Accepted;
use super::segment::SegmentError;
use super::segments::{Most, Segments};
use crate::audit::Caught;
use crate::model::{MailId, Timestamp};
use crate::store::{Store, StoreError, Tree};

/// For how long it is known what was caught.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);
/// The most that is known of what was caught; the oldest go first.
const MAX_FOUND: usize = 10_000;

/// What was caught, and how strongly the feed knew it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) strength: u8,
    pub(super) caught: Caught,
}

/// Both. Every call blocks.
#[derive(Debug)]
pub(super) struct Kept {
    accepted: Segments,
    /// Under the id and a hash of the link or file.
    found: Tree<Found>,
}

impl Kept {
    /// Mail goes on without the folder, so what is wrong with it is only told.
    pub(super) fn open(store: &Store, dir: &Path) -> Result<Self, StoreError> {
        let (accepted, found) = (Segments::at(dir), store.tree("retro_found")?);
        if let Err(error) = accepted.find() {
            tracing::error!(%error, "accepted mail of earlier is not looked up again");
        }
        Ok(Self { accepted, found })
    }

    /// How many messages are kept, as far as they were counted.
    pub(super) fn count(&self) -> u64 {
        self.accepted.count()
    }

    /// Counts what is there from before the start, unless the daemon stops.
    pub(super) fn count_found(&self, is_stopping: impl Fn() -> bool) {
        self.accepted.count_found(is_stopping);
    }

    /// Writes messages down, all of them or none.
    pub(super) fn write(&self, messages: &[Accepted], now: Timestamp) -> Result<(), SegmentError> {
        self.accepted.write(messages, now)
    }

    /// Removes what is older than `keep`, and the oldest beyond `most`, to the nearest segment. How many messages
    /// went before their time.
    pub(super) fn trim(&self, now: Timestamp, keep: Duration, most: Most) -> u64 {
        self.accepted.trim(now, keep, most)
    }

    /// All messages that were judged since then, the oldest segment first.
    pub(super) fn messages(&self, since: Timestamp) -> impl Iterator<Item = Result<Accepted, SegmentError>> {
        self.accepted.messages(since)
    }

    /// Nothing more is written: what was survives a power failure from now on.
    pub(super) fn close(&self) {
        self.accepted.close();
    }

    /// How strongly it was known when this was told already.
    pub(super) fn told(&self, id: MailId, what: &str) -> Result<Option<u8>, StoreError> {
        Ok(self.found.get(&found_key(id, what))?.map(|found| found.strength))
    }

    /// Remembers that this was told.
    pub(super) fn tell(&self, found: &Found) -> Result<(), StoreError> {
        self.found.insert(&found_key(found.caught.id, &found.caught.what), found)
    }

    /// Forgets what was caught long ago.
    pub(super) fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut there: Vec<(Timestamp, Vec<u8>)> = Vec::new();
        for entry in self.found.iter() {
            match entry {
                Ok((key, found)) => there.push((found.caught.time, key)),
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        there.sort();
        let surplus = there.len().saturating_sub(MAX_FOUND);
        for (position, (time, key)) in there.iter().enumerate() {
            if position < surplus || now.since(*time) > REMEMBERED {
                self.found.remove(key)?;
            }
        }
        Ok(())
    }

    /// What was caught since then, the newest first.
    pub(super) fn caught(&self, since: Timestamp) -> Result<Vec<Caught>, StoreError> {
        let mut caught = Vec::new();
        for entry in self.found.iter() {
            match entry {
                Ok((_, found)) if found.caught.time >= since => caught.push(found.caught),
                Ok(_) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        caught.sort_by(|a, b| (b.time, b.id, &b.what).cmp(&(a.time, a.id, &a.what)));
        Ok(caught)
    }
}

fn found_key(id: MailId, what: &str) -> Vec<u8> {
    let hash = Sha256::digest(what.as_bytes());
    let hash = data_encoding::HEXLOWER.encode(hash.get(..16).unwrap_or_default());
    format!("{id}/{hash}").into_bytes()
}
