//! Many entries at once: all or none.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::changes::{Change, Step, What};
use super::entry::Entry;
use super::exchange::{Lines, Row};
use super::listed::{Item, Listed, author};
use super::{Lists, ListsError};
use crate::model::{List, Timestamp};

/// What happens to entries that the file does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They stay.
    #[default]
    Merge,
    /// They go: the list is then exactly the file.
    Replace,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Entries that were not there before.
    pub added: usize,
    /// Entries whose comment, end or other fields are new.
    pub changed: usize,
    /// Entries that stay as they are.
    pub same: usize,
    /// Entries that are gone.
    pub removed: usize,
}

impl Imported {
    /// Whether the list is another one afterwards.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        self.added + self.changed + self.removed > 0
    }
}

impl Lists {
    /// Puts the entries of a file on a list, all of them or none, on disk when it returns; with `dry_run`
    /// only says what would come of it. Beside what it did is the number of the change, if it was one. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it, or the list would be too long.
    pub fn import(
        &self,
        list: List,
        lines: &Lines,
        mode: Mode,
        by: &str,
        dry_run: bool,
    ) -> Result<(Imported, Option<u64>), ListsError> {
        let _claim = self.claim();
        let now = self.clock.now();
        let by = author(by);
        let mut done = Imported::default();
        let mut fresh: Vec<Listed> = Vec::new();
        for row in &lines.rows {
            let before = self.index().get(list, &row.entry).map(|item| item.now());
            let after = merged(row, before.as_ref(), &by, now);
            match before {
                Some(before) if before == after => done.same += 1,
                Some(_) => {
                    done.changed += 1;
                    fresh.push(after);
                }
                None => {
                    done.added += 1;
                    fresh.push(after);
                }
            }
        }
        let gone = match mode {
            Mode::Merge => Vec::new(),
            Mode::Replace => {
                let kept: HashSet<&Entry> = lines.rows.iter().map(|row| &row.entry).collect();
                let index = self.index();
                let rest = index.all(list).filter(|item| !kept.contains(&item.kept().entry));
                rest.map(|item| item.kept().entry.clone()).collect()
            }
        };
        done.removed = gone.len();
        let count = self.index().count(list);
        self.has_room(list, count + done.added - done.removed, &fresh)?;
        let mut change = None;
        if !dry_run && done.is_change() {
            change = Some(self.keep_all((list, What::Imported), &by, None, fresh, &gone)?.id);
        }
        Ok((done, change))
    }

    /// Makes one change of many entries.
    pub(super) fn keep_all(
        &self,
        (list, what): (List, What),
        by: &Arc<str>,
        undo_of: Option<u64>,
        fresh: Vec<Listed>,
        gone: &[Entry],
    ) -> Result<Change, ListsError> {
        let now = self.clock.now();
        let stands = |entry: &Entry| self.index().get(list, entry).map(|item| item.now());
        let taken =
            gone.iter().map(|entry| Step { entry: entry.clone(), before: stands(entry), after: None });
        let put = fresh.iter().map(|listed| Step {
            entry: listed.entry.clone(),
            before: stands(&listed.entry),
            after: Some(listed.clone()),
        });
        let change = self.log.begin((list, what), by, now, undo_of, taken.chain(put))?;
        self.make(list, fresh, gone).inspect_err(|_| self.log.forget(change.id))?;
        self.log.prune(now);
        Ok(change)
    }

    fn make(&self, list: List, fresh: Vec<Listed>, gone: &[Entry]) -> Result<(), ListsError> {
        // Made beside the one in use, so that mail waits only for the exchange.
        let mut index = self.index().clone();
        let few = fresh.len() + gone.len() <= FEW;
        let mut before = Vec::new();
        for entry in gone.iter().chain(fresh.iter().map(|listed| &listed.entry)).filter(|_| few) {
            before.extend(index.get(list, entry).map(|item| item.now()));
        }
        if few {
            self.kept.change(list, &fresh, gone, &before)?;
        }
        for entry in gone {
            index.take(list, entry);
        }
        for listed in fresh {
            index.put(list, Arc::new(Item::new(listed)));
        }
        if !few {
            let mut all: Vec<&Arc<Item>> = index.all(list).collect();
            // The database takes them faster in its own order.
            all.sort_by(|a, b| a.kept().entry.in_order(&b.kept().entry));
            self.kept.replace(list, all.into_iter().map(|item| item.now()))?;
        }
        let old = self.change_index(|current| std::mem::replace(current, index));
        // Freeing it takes a while, and nobody waits for it here.
        drop(old);
        if !few {
            self.kept.clear_old(list);
        }
        Ok(())
    }
}

/// Up to so many changes are made in place.
const FEW: usize = 1000;

/// An entry of a file over what stands on the list.
fn merged(row: &Row, before: Option<&Listed>, by: &Arc<str>, now: Timestamp) -> Listed {
    let standing = before.filter(|before| !before.is_over(now));
    let mut after = Listed {
        entry: row.entry.clone(),
        comment: row.comment.clone().unwrap_or_else(|| standing.and_then(|old| old.comment.clone())),
        by: Arc::clone(by),
        created: row.created.or_else(|| standing.map(|old| old.created)).unwrap_or(now),
        expires: row.expires.unwrap_or_else(|| standing.and_then(|old| old.expires)),
        hits: row.hits.max(before.map_or(0, |old| old.hits)),
        last_hit: row.last_hit.max(before.and_then(|old| old.last_hit)),
    };
    if let Some(author) = &row.by {
        after.by = Arc::clone(author);
    } else if let Some(old) = standing {
        // Who changes nothing is not its author.
        let theirs = Listed { by: Arc::clone(&old.by), ..after.clone() };
        if theirs == *old {
            after = theirs;
        }
    }
    after
}
