//! Adding, removing, expiry, and writing the counters down.

use std::sync::Arc;

use super::changes::{Step, What};
use super::entry::{Entry, Pattern};
use super::listed::{Item, Listed, author};
use super::slot::For;
use super::{Lists, ListsError, MAX_ENTRIES, MAX_GLOBS};
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
    /// The number of this change.
    pub change: u64,
}

/// What came of removing an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was there.
    Was {
        /// As it stood.
        listed: Box<Listed>,
        /// The number of this change.
        change: u64,
    },
    /// Its record could not be read, and is gone.
    WasDamaged {
        /// The number of this change.
        change: u64,
    },
    /// It was not there.
    WasNot,
}

/// What was taken away of a list because its time was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Of which list.
    pub list: List,
    /// What.
    pub entries: Vec<Listed>,
    /// The number of this change.
    pub change: u64,
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
        if before.is_none() {
            let count = self.index().count(list);
            self.has_room(list, count + 1, std::slice::from_ref(&listed))?;
        }
        let what = if before.is_some() { What::Changed } else { What::Added };
        let step = Step { entry: new.entry.clone(), before: before.clone(), after: Some(listed.clone()) };
        let change = self.log.begin((list, what), &listed.by, now, None, std::iter::once(step))?.id;
        let damage = if before.is_none() { self.kept.damage(list, &new.entry) } else { None };
        self.kept
            .change(list, std::slice::from_ref(&listed), &[], before.as_slice())
            .inspect_err(|_| self.log.forget(change))?;
        self.mended(damage.as_deref());
        self.change_index(|index| index.put(list, Arc::new(Item::new(listed.clone()))));
        self.log.prune(now);
        drop(claim);
        let notes = self.notes(list, &new.entry);
        Ok(Changed { listed, before, notes, change })
    }

    /// Takes an entry off a list. On disk when it returns. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it.
    pub fn remove(&self, list: List, entry: &Entry, by: &str) -> Result<Removed, ListsError> {
        let _claim = self.claim();
        let before = self.index().get(list, entry).map(|item| item.now());
        let (gone, damage) = (std::slice::from_ref(entry), self.kept.damage(list, entry));
        if before.is_none() && !self.kept.contains(list, entry)? {
            return Ok(Removed::WasNot);
        }
        let step = Step { entry: entry.clone(), before: before.clone(), after: None };
        let what = (list, What::Removed);
        let change = self.log.begin(what, &author(by), self.clock.now(), None, std::iter::once(step))?.id;
        self.kept.change(list, &[], gone, before.as_slice()).inspect_err(|_| self.log.forget(change))?;
        self.log.prune(self.clock.settled());
        let Some(before) = before else {
            self.mended(damage.as_deref());
            return Ok(Removed::WasDamaged { change });
        };
        self.change_index(|index| index.take(list, entry));
        Ok(Removed::Was { listed: Box::new(before), change })
    }

    /// Takes away every entry whose time is over, and returns them. Blocks.
    ///
    /// # Errors
    /// If the disk did not take it; they match no more all the same.
    pub fn sweep(&self) -> Result<Vec<Swept>, ListsError> {
        let _claim = self.claim();
        let now = self.clock.settled();
        let mut swept = Vec::new();
        for list in List::ALL {
            let over: Vec<Listed> = {
                let index = self.index();
                index.all(list).filter(|item| item.kept().is_over(now)).map(|item| item.now()).collect()
            };
            if over.is_empty() {
                continue;
            }
            let steps = over.iter().map(|listed| Step {
                entry: listed.entry.clone(),
                before: Some(listed.clone()),
                after: None,
            });
            let change = self.log.begin((list, What::Expired), &"expiry".into(), now, None, steps)?.id;
            let entries: Vec<Entry> = over.iter().map(|listed| listed.entry.clone()).collect();
            self.kept.change(list, &[], &entries, &over).inspect_err(|_| self.log.forget(change))?;
            self.change_index(|index| entries.iter().for_each(|entry| drop(index.take(list, entry))));
            swept.push(Swept { list, entries: over, change });
        }
        self.log.prune(now);
        Ok(swept)
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

    /// Whether a list may have so many entries, and with `fresh` so many patterns.
    pub(super) fn has_room(&self, list: List, wanted: usize, fresh: &[Listed]) -> Result<(), ListsError> {
        if wanted > MAX_ENTRIES {
            return Err(ListsError::Full { list, wanted });
        }
        let is_glob =
            |listed: &&Listed| matches!(&listed.entry.pattern, Pattern::Header(f) if f.contains('*'));
        let index = self.index();
        let new = fresh.iter().filter(is_glob).filter(|listed| index.get(list, &listed.entry).is_none());
        let globs = index.globs() + new.count();
        if globs > MAX_GLOBS { Err(ListsError::Globs { wanted: globs }) } else { Ok(()) }
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
        let domain = entry.scope.as_ref().and_then(|scope| scope.wider());
        let whom = whom(entry, domain.as_ref());
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
                let wider = index.wider(entry, now, whom).filter(|(found, _)| *found == other);
                if let Some((_, item)) = wider {
                    let proven = if needs_proof(list, entry) { ", for mail that SPF or DKIM proves" } else { "" };
                    notes.push(format!(
                        "{} is on the {other} list; {entry} is now an exception from it{proven}",
                        item.kept().entry
                    ));
                }
            }
        }
        match &entry.pattern {
            Pattern::Domain(name) if !name.contains('.') => {
                notes.push(format!("{entry} is a whole top-level domain"));
            }
            Pattern::Url(host)
                if crate::link::host::is_public_suffix(host) && host.parse::<std::net::IpAddr>().is_err() =>
            {
                notes.push(format!("below {host} strangers have names: {entry} takes them all in"));
            }
            Pattern::Header(field) if field.ends_with(":*") => {
                notes.push(format!("{entry} matches every message that has this field"));
            }
            _ => {}
        }
        if list == List::Allow {
            match &entry.pattern {
                Pattern::Url(_) | Pattern::Attachment(_) => notes.push(
                    "it lets no message through by itself; it is an exception from wider entries on the block list, \
                     and rules of the policy can ask for it"
                        .to_owned(),
                ),
                Pattern::Header(_) => notes.push(
                    "anybody can write such a field: it counts for mail whose author's domain SPF or DKIM proves in \
                     alignment (DMARC)"
                        .to_owned(),
                ),
                _ => {}
            }
        }
        notes
    }
}

/// Whether anybody could write what this entry allows.
const fn needs_proof(list: List, entry: &Entry) -> bool {
    matches!(
        (list, &entry.pattern),
        (List::Allow, Pattern::Address(_) | Pattern::Domain(_) | Pattern::Header(_))
    )
}

/// Those for whom `entry` is.
pub(super) fn whom<'e>(entry: &'e Entry, domain: Option<&'e super::Scope>) -> For<'e> {
    match (&entry.scope, domain) {
        (Some(scope), Some(domain)) => For { recipient: Some(scope), domain: Some(domain) },
        (scope, _) => For { recipient: None, domain: scope.as_ref() },
    }
}
