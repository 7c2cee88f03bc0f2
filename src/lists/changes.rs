//! What was changed, by whom and when, with what stood there before and after: so that it can be undone.
//!
//! A change is written down before it is made. If the daemon is killed between the two, the record of what
//! never came about is taken away at the next start, see [`Log::settle`]; the other way round, a change that
//! nobody can undo, cannot be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::listed::Listed;
use crate::model::{List, Timestamp};
use crate::store::{Store, StoreError, Tree};

/// The most changes that are kept.
const MAX_CHANGES: usize = 10_000;
/// The most entries of all changes together; the newest change is kept whatever it has.
const MAX_STEPS: usize = 1_000_000;
/// How long a change is kept, in milliseconds: 90 days.
const MAX_AGE: u64 = 90 * 86_400_000;
/// Entries of one record: as long as they can be, they stay below 64 KiB.
const PIECE: usize = 12;

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// An entry was put on the list.
    Added,
    /// Comment or end of an entry became another.
    Changed,
    /// An entry was taken off.
    Removed,
    /// A file was imported.
    Imported,
    /// The time of entries was over.
    Expired,
    /// Another change was undone.
    Undone,
}

impl What {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Imported => "imported",
            Self::Expired => "expired",
            Self::Undone => "undone",
        }
    }
}

/// One change of one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its number; later ones have higher ones.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Arc<str>,
    /// Of what kind.
    pub what: What,
    /// Of which list.
    pub list: List,
    /// How many entries it was about.
    pub entries: usize,
    /// The change that it undid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<u64>,
    /// The change that undid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<u64>,
}

/// What became of one entry. Nothing before and nothing after: its record could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub entry: Entry,
    /// As it stood before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Listed>,
    /// As it stood after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Listed>,
}

/// Whether two are the same besides what was counted.
pub(super) fn same(one: Option<&Listed>, other: Option<&Listed>) -> bool {
    let told = |listed: &Listed| Listed { hits: 0, last_hit: None, ..listed.clone() };
    one.map(told) == other.map(told)
}

/// The changes on disk. Changed by one caller at a time.
#[derive(Debug)]
pub(super) struct Log {
    store: Store,
    heads: Tree<Change>,
    steps: Tree<Vec<Step>>,
    /// Number, time and entries of each, the oldest first.
    kept: Mutex<VecDeque<(u64, Timestamp, usize)>>,
}

impl Log {
    /// Reads which changes there are. The notes name those that cannot be read.
    pub(super) fn open(store: &Store) -> Result<(Self, Vec<String>), StoreError> {
        let heads: Tree<Change> = store.tree("list_changes")?;
        let (mut kept, mut notes) = (VecDeque::new(), Vec::new());
        for head in heads.iter() {
            match head {
                Ok((_, Change { id, at, entries, .. })) => kept.push_back((id, at, entries)),
                Err(error @ StoreError::Damaged { .. }) => {
                    notes.push(format!("a change of the lists can no more be undone: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        let (store, steps) = (store.clone(), store.tree("list_change_steps")?);
        let log = Self { store, heads, steps, kept: Mutex::new(kept) };
        log.forget_unmade();
        Ok((log, notes))
    }

    /// Takes away what stands under the number of the next change: of one that failed, and could not be forgotten then.
    pub(super) fn forget_unmade(&self) {
        self.forget(self.newest().unwrap_or(0) + 1);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(u64, Timestamp, usize)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the newest.
    pub(super) fn newest(&self) -> Option<u64> {
        self.kept().back().map(|(id, ..)| *id)
    }

    /// Writes a change down, on disk when it returns. Whoever cannot make it then calls [`Self::forget`].
    pub(super) fn begin(
        &self,
        (list, what): (List, What),
        by: &Arc<str>,
        at: Timestamp,
        undo_of: Option<u64>,
        steps: impl Iterator<Item = Step>,
    ) -> Result<Change, StoreError> {
        let id = self.newest().unwrap_or(0) + 1;
        let written = self.write(id, steps).and_then(|entries| {
            let by = Arc::clone(by);
            let change = Change { id, at, by, what, list, entries, undo_of, undone_by: None };
            self.heads.insert(&key(id), &change)?;
            self.store.flush()?;
            Ok(change)
        });
        match &written {
            Ok(change) => self.kept().push_back((id, at, change.entries)),
            Err(_) => self.forget(id),
        }
        written
    }

    fn write(&self, id: u64, steps: impl Iterator<Item = Step>) -> Result<usize, StoreError> {
        let (mut count, mut pieces) = (0, 0u64);
        let mut steps = steps.peekable();
        while steps.peek().is_some() {
            let piece: Vec<Step> = steps.by_ref().take(PIECE).collect();
            count += piece.len();
            self.steps.insert(&piece_key(id, pieces), &piece)?;
            pieces += 1;
        }
        Ok(count)
    }

    /// Takes a change away that was not made, or is too old.
    pub(super) fn forget(&self, id: u64) {
        self.kept().retain(|(kept, ..)| *kept != id);
        let removed = self.heads.remove(&key(id)).and_then(|_| {
            let mut batch = self.steps.batch();
            let (first, end) = (piece_key(id, 0), piece_key(id + 1, 0));
            for piece in self.steps.range(first.as_slice()..end.as_slice()) {
                if let Ok((key, _)) = piece {
                    batch.remove(&key);
                }
                if batch.len() == 500 {
                    self.steps.apply(std::mem::replace(&mut batch, self.steps.batch()))?;
                }
            }
            self.steps.apply(batch)
        });
        if let Err(error) = removed {
            tracing::warn!(change = id, %error, "the record of a change of the lists could not be removed");
        }
    }

    /// Takes away what is too old or too much.
    pub(super) fn prune(&self, now: Timestamp) {
        let mut gone = Vec::new();
        {
            let kept = self.kept();
            let mut total: usize = kept.iter().map(|(.., entries)| entries).sum();
            let mut left = kept.len();
            for (id, at, entries) in kept.iter() {
                let old = now.millis().saturating_sub(at.millis()) > MAX_AGE;
                // The newest stays: later ones have higher numbers than any that people were told.
                if left <= 1 || !old && left <= MAX_CHANGES && total <= MAX_STEPS {
                    break;
                }
                gone.push(*id);
                left -= 1;
                total -= entries;
            }
        }
        gone.into_iter().for_each(|id| self.forget(id));
    }

    /// The newest change was written down and, if the daemon was killed then, perhaps not made: `stands`
    /// says how an entry stands.
    pub(super) fn settle(
        &self,
        stands: impl Fn(List, &Entry) -> Option<Listed>,
    ) -> Result<Option<String>, StoreError> {
        let Some(change) = self.newest().map(|id| self.get(id)).transpose()?.flatten() else {
            return Ok(None);
        };
        let mut differs = false;
        for piece in self.pieces(change.id) {
            let piece = match piece {
                Ok(piece) => piece,
                Err(StoreError::Damaged { .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            for step in piece {
                if !same(stands(change.list, &step.entry).as_ref(), step.before.as_ref()) {
                    return Ok(None);
                }
                differs |= !same(step.before.as_ref(), step.after.as_ref());
            }
        }
        if !differs && change.entries > 0 {
            return Ok(None);
        }
        self.forget(change.id);
        let Change { id, list, what, by, .. } = change;
        Ok(Some(format!(
            "change {id} of the {list} list ({} by {by}) was not made before the daemon ended",
            what.name()
        )))
    }

    /// One change.
    pub(super) fn get(&self, id: u64) -> Result<Option<Change>, StoreError> {
        self.heads.get(&key(id))
    }

    /// Notes which change undid it, or that none does any more.
    pub(super) fn mark(&self, id: u64, undone_by: Option<u64>) -> Result<(), StoreError> {
        self.heads.update(&key(id), |change| Some(Change { undone_by, ..change? })).map(drop)
    }

    /// Changes, the newest first, from below `before`.
    pub(super) fn list(&self, before: Option<u64>) -> impl Iterator<Item = Result<Change, StoreError>> {
        let end = key(before.unwrap_or(u64::MAX));
        self.heads.range(..end.as_slice()).rev().map(|head| head.map(|(_, change)| change))
    }

    /// The steps of a change, a few at a time.
    pub(super) fn pieces(&self, id: u64) -> impl Iterator<Item = Result<Vec<Step>, StoreError>> {
        let (first, end) = (piece_key(id, 0), piece_key(id + 1, 0));
        self.steps.range(first.as_slice()..end.as_slice()).map(|piece| piece.map(|(_, steps)| steps))
    }

    /// How many records of steps there are.
    #[cfg(test)]
    pub(super) fn records(&self) -> usize {
        self.steps.iter().count()
    }
}

fn key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

fn piece_key(id: u64, piece: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&id.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}
