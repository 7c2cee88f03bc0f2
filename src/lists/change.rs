//! Adding, removing, expiry, and writing the counters down.

use std::sync::Arc;

use super::entry::Entry;
use super::listed::{Item, Listed, author};
use super::{Lists, ListsError, MAX_ENTRIES};
use crate::model::{List, Timestamp};

/// An entry to be put on a list. What is `None` stays as it is, where the entry is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What.
    pub entry: Entry,
    /// Why; `Some(None)` takes the comment away.
    pub comment: Option<Option<Box<str>>>,
    /// Until when; `Some(None)` for ever.
    pub expires: Option<Option<Timestamp>>,
}

/// What came of adding an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// As it stands now.
    pub listed: Listed,
    /// As it stood before, if it was there.
    pub before: Option<Listed>,
    /// What should be known beside it: a sentence each.
    pub notes: Vec<String>,
}

/// What came of removing an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was there; as it stood.
    Was(Box<Listed>),
    /// Its record could not be read, and is gone.
    WasDamaged,
    /// It was not there.
    WasNot,
}

impl Lists {
    /// Puts an entry on a list, or changes it. On disk when it returns. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it, or the list is full.
    pub fn add(&self, list: List, new: &NewEntry, by: &str) -> Result<Changed, ListsError> {
        let claim = self.claim();
        let now = self.clock.now();
        let before = self.index().get(list, &new.entry).map(|item| item.now());
        if before.is_none() {
            self.has_room(list, self.index().count(list) + 1)?;
        }
        // Where its time is over nothing of it holds any more, so nothing of it stays.
        let standing = before.as_ref().filter(|before| !before.is_over(now));
        let listed = Listed {
            entry: new.entry.clone(),
            comment: new.comment.clone().unwrap_or_else(|| standing.and_then(|old| old.comment.clone())),
            by: author(by),
            created: standing.map_or(now, |old| old.created),
            expires: new.expires.unwrap_or_else(|| standing.and_then(|old| old.expires)),
            hits: before.as_ref().map_or(0, |old| old.hits),
            last_hit: before.as_ref().and_then(|old| old.last_hit),
        };
        let damage = if before.is_none() { self.kept.damage(list, &new.entry) } else { None };
        self.kept.change(list, std::slice::from_ref(&listed), &[], before.as_slice())?;
        self.mended(damage.as_deref());
        self.change_index(|index| index.put(list, Arc::new(Item::new(listed.clone()))));
        drop(claim);
        let notes = self.notes(list, &new.entry);
        Ok(Changed { listed, before, notes })
    }

    /// Takes an entry off a list. On disk when it returns. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it.
    pub fn remove(&self, list: List, entry: &Entry) -> Result<Removed, ListsError> {
        let _claim = self.claim();
        let before = self.index().get(list, entry).map(|item| item.now());
        let (gone, damage) = (std::slice::from_ref(entry), self.kept.damage(list, entry));
        let Some(before) = before else {
            if !self.kept.contains(list, entry)? {
                return Ok(Removed::WasNot);
            }
            self.kept.change(list, &[], gone, &[])?;
            self.mended(damage.as_deref());
            return Ok(Removed::WasDamaged);
        };
        self.kept.change(list, &[], gone, std::slice::from_ref(&before))?;
        self.change_index(|index| index.take(list, entry));
        Ok(Removed::Was(Box::new(before)))
    }

    /// Takes away every entry whose time is over, and returns them. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it; they match no more all the same.
    pub fn sweep(&self) -> Result<Vec<(List, Listed)>, ListsError> {
        let _claim = self.claim();
        let now = self.clock.now();
        let index = self.index();
        let over: Vec<(List, Listed)> = List::ALL
            .into_iter()
            .flat_map(|list| index.all(list).map(move |item| (list, item)))
            .filter(|(_, item)| item.kept().is_over(now))
            .map(|(list, item)| (list, item.now()))
            .collect();
        drop(index);
        if over.is_empty() {
            return Ok(over);
        }
        for list in List::ALL {
            let entries = over.iter().filter(|(l, _)| *l == list).map(|(_, listed)| listed.entry.clone());
            self.kept.change(list, &[], &entries.collect::<Vec<_>>(), &[])?;
        }
        self.change_index(|index| {
            for (list, listed) in &over {
                index.take(*list, &listed.entry);
            }
        });
        Ok(over)
    }

    /// Writes down the counters of what was hit since the last time. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it; the counters are written the next time.
    pub fn write_hits(&self) -> Result<(), ListsError> {
        let _claim = self.claim();
        let hit = std::mem::take(&mut *self.hit());
        if hit.is_empty() {
            return Ok(());
        }
        let mut all: Vec<(List, Listed)> = Vec::new();
        for (list, entry) in &hit {
            // Else it was removed in the meantime.
            if let Some(item) = self.index().get(*list, entry) {
                item.written();
                all.push((*list, item.now()));
            }
        }
        self.kept
            .note(all.iter().map(|(list, listed)| (*list, listed)))
            .inspect_err(|_| self.hit().extend(hit))?;
        Ok(())
    }

    /// A record that could not be read is there no more.
    fn mended(&self, key: Option<&str>) {
        if let Some(key) = key {
            self.damaged().retain(|damage| damage.key != key);
        }
    }

    pub(super) fn has_room(&self, list: List, wanted: usize) -> Result<(), ListsError> {
        if wanted > MAX_ENTRIES { Err(ListsError::Full { list, wanted }) } else { Ok(()) }
    }

    /// What who adds `entry` to `list` will want to know of the other list, and of wider entries.
    fn notes(&self, list: List, entry: &Entry) -> Vec<String> {
        let now = self.clock.now();
        let other = match list {
            List::Allow => List::Block,
            List::Block => List::Allow,
        };
        let index = self.index();
        let mut notes = Vec::new();
        let same = index.get(other, entry).filter(|item| !item.kept().is_over(now));
        match (same, list) {
            (Some(_), List::Allow) => notes.push(format!(
                "{entry} is on the block list too, and of two the same the block wins: to let it through, remove \
                 it there (mailward list block remove {entry})"
            )),
            (Some(_), List::Block) => notes.push(format!(
                "{entry} is on the allow list too; of two the same the block wins, so the allow has no effect now"
            )),
            (None, _) => {
                let wider = index.wider(entry, now).filter(|(found, _)| *found == other);
                if let Some((_, item)) = wider {
                    let proven = if needs_proof(list, entry) { ", for mail that SPF or DKIM proves" } else { "" };
                    notes.push(format!(
                        "{} is on the {other} list; {entry} is now an exception from it{proven}",
                        item.kept().entry
                    ));
                }
            }
        }
        if let Entry::Domain(name) = entry
            && !name.contains('.')
        {
            notes.push(format!("{entry} is a whole top-level domain"));
        }
        notes
    }
}

/// Whether anybody could write what this entry allows.
const fn needs_proof(list: List, entry: &Entry) -> bool {
    matches!((list, entry), (List::Allow, Entry::Address(_) | Entry::Domain(_)))
}
