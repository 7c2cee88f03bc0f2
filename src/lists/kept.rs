//! The lists on disk.
//!
//! A list is one generation of records under `block/0000000000000007/domain/example.org`. Which generation
//! holds is a record of its own. One entry, or a few, are changed in place, in one batch. Many are written as
//! a new generation, a few at a time, and hold from the moment that the one record names it: all of them or,
//! whatever happens in between, none. What no record names is removed at the next start. A batch of a
//! hundred thousand would do as well, but sled holds all other reads and writes back while it lasts, and
//! takes eight times the memory (490 MB instead of 60).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::Entry;
use super::listed::Listed;
use crate::model::List;
use crate::store::{Store, StoreError, Tree};

/// Records that are written or removed in one step.
const STEP: usize = 500;

/// What stands on disk. Changed by one caller at a time.
#[derive(Debug)]
pub(super) struct Kept {
    store: Store,
    records: Tree<Listed>,
    generations: Tree<u64>,
    /// Which generation of the allow and of the block list holds.
    current: [AtomicU64; 2],
}

/// What was found at the start.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Every entry that can be read.
    pub(super) entries: Vec<(List, Listed)>,
    /// What cannot be: the place of each, and a sentence.
    pub(super) damaged: Vec<Damage>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// Its key, as the database shows it.
    pub(super) key: String,
    /// What is wrong, for people.
    pub(super) note: String,
}

impl Kept {
    /// Reads everything, and removes what an import left behind that did not come to its end.
    pub(super) fn open(store: &Store) -> Result<(Self, Loaded), StoreError> {
        let kept = Self {
            store: store.clone(),
            records: store.tree("lists")?,
            generations: store.tree("list_generations")?,
            current: Default::default(),
        };
        for list in List::ALL {
            let named = kept.generations.get(list.name().as_bytes())?.unwrap_or(0);
            kept.current[list as usize].store(named, Ordering::Relaxed);
        }
        let mut loaded = Loaded::default();
        let mut left_over = Vec::new();
        for record in kept.records.iter() {
            let (key, listed) = match record {
                Ok(record) => record,
                Err(StoreError::Damaged { key, tree, what }) => {
                    let note = StoreError::Damaged { key: key.clone(), tree, what }.to_string();
                    loaded.damaged.push(Damage { key, note });
                    continue;
                }
                Err(error) => return Err(error),
            };
            match List::ALL.into_iter().find(|list| key == kept.key(*list, &listed.entry)) {
                Some(list) => loaded.entries.push((list, listed)),
                None => left_over.push(key),
            }
        }
        kept.remove_all(&left_over)?;
        Ok((kept, loaded))
    }

    /// The database.
    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    /// Makes the database what `all` says, on disk when it returns: after it was opened again some of what was written
    /// last may be missing, and some may stand there that was told to have failed.
    pub(super) fn assert(&self, all: impl Iterator<Item = (List, Listed)>) -> Result<(), StoreError> {
        for list in List::ALL {
            let (key, holds) = (list.name().as_bytes(), self.generation(list));
            if self.generations.get(key)?.unwrap_or(0) != holds {
                self.generations.insert(key, &holds)?;
            }
        }
        let mut missing: HashMap<Vec<u8>, Listed> =
            all.map(|(list, listed)| (self.key(list, &listed.entry), listed)).collect();
        let mut left_over = Vec::new();
        for record in self.records.iter() {
            match record {
                Ok((key, found)) => match missing.get(&key) {
                    Some(listed) if *listed == found => drop(missing.remove(&key)),
                    Some(_) => {}
                    None => left_over.push(key),
                },
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.remove_all(&left_over)?;
        let mut batch = self.records.batch();
        for (key, listed) in &missing {
            batch.insert(key, listed)?;
            if batch.len() == STEP {
                self.records.apply(std::mem::replace(&mut batch, self.records.batch()))?;
            }
        }
        self.records.apply(batch)?;
        self.store.flush()
    }

    fn prefix(list: List, generation: u64) -> Vec<u8> {
        format!("{list}/{generation:016x}/").into_bytes()
    }

    fn in_generation(list: List, generation: u64, entry: &Entry) -> Vec<u8> {
        let mut key = Self::prefix(list, generation);
        key.extend_from_slice(format!("{}/{entry}", entry.kind().name()).as_bytes());
        key
    }

    fn generation(&self, list: List) -> u64 {
        self.current[list as usize].load(Ordering::Relaxed)
    }

    /// Where an entry stands.
    pub(super) fn key(&self, list: List, entry: &Entry) -> Vec<u8> {
        Self::in_generation(list, self.generation(list), entry)
    }

    /// Whether there is a record of this entry, readable or not.
    pub(super) fn contains(&self, list: List, entry: &Entry) -> Result<bool, StoreError> {
        self.records.contains(&self.key(list, entry))
    }

    /// The key of this entry's record as the database shows it, where the record cannot be read.
    pub(super) fn damage(&self, list: List, entry: &Entry) -> Option<String> {
        match self.records.get(&self.key(list, entry)) {
            Err(StoreError::Damaged { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// Puts and takes a few entries, all of them or none, on disk when it returns. `before` is what stood
    /// there of all of them, for the case that the disk does not take it.
    pub(super) fn change(
        &self,
        list: List,
        put: &[Listed],
        take: &[Entry],
        before: &[Listed],
    ) -> Result<(), StoreError> {
        let batch = |put: &[Listed], take: &mut dyn Iterator<Item = &Entry>| {
            let mut batch = self.records.batch();
            take.for_each(|entry| batch.remove(&self.key(list, entry)));
            for listed in put {
                batch.insert(&self.key(list, &listed.entry), listed)?;
            }
            Ok::<_, StoreError>(batch)
        };
        let undo = batch(before, &mut put.iter().map(|listed| &listed.entry))?;
        self.records.apply(batch(put, &mut take.iter())?)?;
        if let Err(error) = self.store.flush() {
            if let Err(second) = self.records.apply(undo) {
                tracing::error!(error = %second, "a change of the lists failed and could not be taken back");
            }
            return Err(error);
        }
        Ok(())
    }

    /// Writes entries as they are now, without waiting for the disk.
    pub(super) fn note<'l>(&self, all: impl Iterator<Item = (List, &'l Listed)>) -> Result<(), StoreError> {
        let mut batch = self.records.batch();
        for (list, listed) in all {
            batch.insert(&self.key(list, &listed.entry), listed)?;
            if batch.len() == STEP {
                self.records.apply(std::mem::replace(&mut batch, self.records.batch()))?;
            }
        }
        self.records.apply(batch)
    }

    /// Makes a list exactly these entries, on disk when it returns. The old ones still take room:
    /// [`Self::clear_old`].
    pub(super) fn replace(
        &self,
        list: List,
        entries: impl Iterator<Item = Listed>,
    ) -> Result<(), StoreError> {
        let (old, new) = (self.generation(list), self.generation(list) + 1);
        // What an attempt left that failed since the start.
        self.clear(list, new)?;
        let written = self.write(list, new, entries).and_then(|()| self.name(list, old, new));
        if let Err(error) = written {
            if let Err(second) = self.clear(list, new) {
                tracing::warn!(error = %second, "what a failed import left is removed later");
            }
            return Err(error);
        }
        self.current[list as usize].store(new, Ordering::Relaxed);
        Ok(())
    }

    fn write(
        &self,
        list: List,
        generation: u64,
        entries: impl Iterator<Item = Listed>,
    ) -> Result<(), StoreError> {
        let mut batch = self.records.batch();
        for listed in entries {
            batch.insert(&Self::in_generation(list, generation, &listed.entry), &listed)?;
            if batch.len() == STEP {
                self.records.apply(std::mem::replace(&mut batch, self.records.batch()))?;
            }
        }
        self.records.apply(batch)?;
        self.store.flush()
    }

    /// Lets a generation hold.
    fn name(&self, list: List, old: u64, new: u64) -> Result<(), StoreError> {
        let key = list.name().as_bytes();
        self.generations.insert(key, &new)?;
        if let Err(error) = self.store.flush() {
            if let Err(second) = self.generations.insert(key, &old) {
                tracing::error!(error = %second, "a change of the lists failed and could not be taken back");
            }
            return Err(error);
        }
        Ok(())
    }

    /// Removes what [`Self::replace`] left; what it does not reach is removed at the next start.
    pub(super) fn clear_old(&self, list: List) {
        let Some(old) = self.generation(list).checked_sub(1) else { return };
        if let Err(error) = self.clear(list, old) {
            tracing::warn!(%error, "the former entries of a list are removed at the next start");
        }
    }

    fn clear(&self, list: List, generation: u64) -> Result<(), StoreError> {
        let (first, end) = (Self::prefix(list, generation), Self::prefix(list, generation + 1));
        let mut keys = Vec::new();
        for record in self.records.range(first.as_slice()..end.as_slice()) {
            match record {
                Ok((key, _)) => keys.push(key),
                // It stays until somebody removes the database; nothing names it.
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.remove_all(&keys)
    }

    #[cfg(test)]
    pub(super) fn records(&self) -> usize {
        self.records.iter().count()
    }

    fn remove_all(&self, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        for step in keys.chunks(STEP) {
            let mut batch = self.records.batch();
            step.iter().for_each(|key| batch.remove(key));
            self.records.apply(batch)?;
        }
        Ok(())
    }
}
