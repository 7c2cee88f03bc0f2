//! What was changed, and taking a change back.

use serde::Serialize;

use super::changes::{Change, Step, What, same};
use super::entry::Entry;
use super::listed::{Listed, author};
use super::{Lists, ListsError};
use crate::model::List;
use crate::store::StoreError;

/// Changes that are given at once at most.
const MOST: usize = 1000;
/// Entries that are shown of one change.
const SHOWN: usize = 10;

/// A change as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What it was.
    #[serde(flatten)]
    pub change: Change,
    /// Its first entries.
    pub steps: Vec<Step>,
}

/// What came of undoing a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The change that was undone, as it was.
    pub of: Change,
    /// The change that this is itself.
    pub change: Change,
    /// Its first entries.
    pub steps: Vec<Step>,
}

/// Why a change was not undone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// There is none.
    #[error("there is no change of the lists that could be undone")]
    Nothing,
    /// Not with this number.
    #[error("there is no change {0}; changes are kept for 90 days, `mailward list log` names them")]
    Unknown(u64),
    /// That was done.
    #[error("change {id} is undone already, by change {by}; undo that one to make it again")]
    Already {
        /// Which.
        id: u64,
        /// What undid it.
        by: u64,
    },
    /// Something else happened to its entries.
    #[error(
        "change {id} can no more be undone: {entry} on the {list} list was changed since{}; nothing was changed",
        if *more > 0 { format!(", and {more} more of its entries") } else { String::new() }
    )]
    ChangedSince {
        /// Which.
        id: u64,
        /// Of which list.
        list: List,
        /// The first of its entries that stands otherwise now.
        entry: Box<Entry>,
        /// How many others do.
        more: usize,
    },
    /// What would be put back would match nothing.
    #[error(
        "change {id} can no more be undone: the time of what it took off the {list} list is over; add it anew \
         with another end"
    )]
    Over {
        /// Which.
        id: u64,
        /// Of which list.
        list: List,
    },
    /// What stood there before is not known.
    #[error("change {id} cannot be undone: the record that stood there before could not be read")]
    Unreadable {
        /// Which.
        id: u64,
    },
    /// The disk, or the room on the list.
    #[error(transparent)]
    Lists(#[from] ListsError),
}

impl From<StoreError> for UndoError {
    fn from(error: StoreError) -> Self {
        Self::Lists(error.into())
    }
}

impl Lists {
    /// What was changed, the newest first: at most `limit` (never more than 1000) with a number below
    /// `before`. Blocks.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn changes(&self, limit: usize, before: Option<u64>) -> Result<Vec<Shown>, ListsError> {
        let mut shown = Vec::new();
        for change in self.log.list(before).take(limit.min(MOST)) {
            match change {
                Ok(change) => shown.push(Shown { steps: self.first_steps(change.id)?, change }),
                // Named at the start.
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(shown)
    }

    /// Gives every step of every change that is kept to `see`. What cannot be read is left out. Blocks.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn each_step(&self, mut see: impl FnMut(&Step)) -> Result<(), ListsError> {
        for change in self.log.list(None) {
            let Ok(change) = change else { continue };
            for piece in self.log.pieces(change.id) {
                match piece {
                    Ok(steps) => steps.iter().for_each(&mut see),
                    Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn first_steps(&self, id: u64) -> Result<Vec<Step>, StoreError> {
        let mut steps = self.log.pieces(id).next().transpose()?.unwrap_or_default();
        steps.truncate(SHOWN);
        Ok(steps)
    }

    /// Makes the list as it was before a change; without `id` before the newest that is not undone, is not
    /// itself an undoing and was made by somebody. On disk when it returns. All of it or nothing. Blocks.
    ///
    /// # Errors
    /// If an entry of it was changed since, or one of the other reasons of [`UndoError`].
    pub fn undo(&self, id: Option<u64>, by: &str) -> Result<Undone, UndoError> {
        let _claim = self.claim();
        let of = match id {
            Some(id) => self.log.get(id)?.ok_or(UndoError::Unknown(id))?,
            None => self.last_of_somebody()?,
        };
        if let Some(by) = of.undone_by {
            return Err(UndoError::Already { id: of.id, by });
        }
        let (fresh, gone) = self.as_before(&of)?;
        let count = self.index().count(of.list);
        let back = fresh.iter().filter(|listed| self.index().get(of.list, &listed.entry).is_none()).count();
        self.has_room(of.list, (count + back).saturating_sub(gone.len()), &fresh)?;
        let change = self.keep_all((of.list, What::Undone), &author(by), Some(of.id), fresh, &gone)?;
        // If this is lost, a second attempt finds that its entries stand otherwise now.
        self.log.mark(of.id, Some(change.id))?;
        if let Some(first) = of.undo_of {
            self.log.mark(first, None)?;
        }
        let steps = self.first_steps(change.id)?;
        Ok(Undone { of, change, steps })
    }

    fn last_of_somebody(&self) -> Result<Change, UndoError> {
        for change in self.log.list(None) {
            match change {
                Ok(change)
                    if change.undone_by.is_none() && !matches!(change.what, What::Undone | What::Expired) =>
                {
                    return Ok(change);
                }
                Ok(_) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(UndoError::Nothing)
    }

    /// What has to be put there and what has to go.
    fn as_before(&self, of: &Change) -> Result<(Vec<Listed>, Vec<Entry>), UndoError> {
        let (id, list) = (of.id, of.list);
        let (mut fresh, mut gone) = (Vec::new(), Vec::new());
        let mut otherwise: Option<(Entry, usize)> = None;
        for piece in self.log.pieces(id) {
            for Step { entry, before, after } in piece? {
                let now = self.index().get(list, &entry).map(|item| item.now());
                if !same(now.as_ref(), after.as_ref()) {
                    match &mut otherwise {
                        Some((_, more)) => *more += 1,
                        None => otherwise = Some((entry, 0)),
                    }
                    continue;
                }
                match (before, now) {
                    (Some(before), now) => fresh.push(Listed {
                        hits: before.hits.max(now.as_ref().map_or(0, |now| now.hits)),
                        last_hit: before.last_hit.max(now.and_then(|now| now.last_hit)),
                        ..before
                    }),
                    (None, Some(_)) => gone.push(entry),
                    (None, None) => {}
                }
            }
        }
        if let Some((entry, more)) = otherwise {
            return Err(UndoError::ChangedSince { id, list, entry: Box::new(entry), more });
        }
        if fresh.is_empty() && gone.is_empty() {
            return Err(UndoError::Unreadable { id });
        }
        let now = self.clock.now();
        if gone.is_empty() && fresh.iter().all(|listed| listed.is_over(now)) {
            return Err(UndoError::Over { id, list });
        }
        Ok((fresh, gone))
    }
}
