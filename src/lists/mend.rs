//! The database was opened again: what memory knows is what was promised, so the database is made to say the same.

use std::sync::atomic::Ordering;

use super::{Lists, ListsError};
use crate::model::List;

impl Lists {
    /// Whether [`Self::mend`] has something to do.
    #[must_use]
    pub fn need_mending(&self) -> bool {
        let store = self.kept.store();
        store.trouble().is_some() || store.generation() != self.generation.load(Ordering::Relaxed)
    }

    /// Opens the database again if it takes nothing more, and makes the lists in it what they are in memory. Nobody
    /// changes them meanwhile. Blocks.
    ///
    /// # Errors
    /// If the database still takes nothing.
    pub fn mend(&self) -> Result<(), ListsError> {
        let _claim = self.claim();
        let store = self.kept.store();
        store.reopen()?;
        let generation = store.generation();
        if generation == self.generation.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.log.forget_unmade();
        let all: Vec<_> = {
            let index = self.index();
            let of = |list| index.all(list).map(move |item| (list, item.now())).collect::<Vec<_>>();
            List::ALL.into_iter().flat_map(of).collect()
        };
        self.kept.assert(all.into_iter())?;
        self.generation.store(generation, Ordering::Relaxed);
        Ok(())
    }
}
