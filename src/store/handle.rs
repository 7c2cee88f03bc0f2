//! sled's handle, shared by all trees, so that it can be closed and opened again while they are in use.
//!
//! sled takes nothing more after one write that the system refused, also when there is room again: every later call
//! gets the same error until the database is opened anew. So the first such error is remembered ([`Handle::trouble`]),
//! and [`Handle::reopen`] opens the files again, as after a `kill -9`, as soon as they can be written.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use super::{Config, StoreError, recover, room};

/// How often, and how long each time, it is waited for those who are using the old handle.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Handle {
    dir: PathBuf,
    config: Config,
    /// `None` while it is opened again, and when that failed.
    open: RwLock<Option<Open>>,
    /// Counts how often it was opened.
    generation: AtomicU64,
    /// Why sled takes nothing more.
    trouble: Mutex<Option<String>>,
}

struct Open {
    db: sled::Db,
    /// sled's data file, opened once more, because sled offers no way to sync it.
    file: File,
}

impl Open {
    fn new(db: sled::Db, dir: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io {
            dir: dir.to_owned(),
            action: "opening the data file for syncing",
            source,
        };
        Ok(Self { db, file: File::open(dir.join("db")).map_err(io)? })
    }
}

impl Handle {
    pub(super) fn new(db: sled::Db, dir: &Path, config: &Config) -> Result<Self, StoreError> {
        Ok(Self {
            dir: dir.to_owned(),
            config: config.clone(),
            open: RwLock::new(Some(Open::new(db, dir)?)),
            generation: AtomicU64::new(1),
            trouble: Mutex::new(None),
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Works on a tree, made if it is new.
    pub(super) fn with<T>(
        &self,
        name: &'static str,
        action: &'static str,
        work: impl FnOnce(&sled::Tree) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        self.db(name, action, |db| work(&db.open_tree(name)?))
    }

    /// Works on the database; `name` is what the error says.
    pub(super) fn db<T>(
        &self,
        name: &'static str,
        action: &'static str,
        work: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &*open else { return Err(self.closed(action)) };
        work(&open.db).map_err(|source| self.failed(name, action, source))
    }

    /// The error, after it is remembered where it is one that stays.
    pub(super) fn failed(&self, tree: &'static str, action: &'static str, source: sled::Error) -> StoreError {
        if let sled::Error::Io(why) = &source {
            self.refused(why);
        }
        StoreError::Database { tree, action, source }
    }

    fn refused(&self, why: &std::io::Error) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            tracing::error!(error = %why, dir = %self.dir.display(), "the database cannot be written");
            *trouble = Some(format!(
                "it cannot be written ({why}); lists cannot be changed, and the audit is listed up to then; it is \
                 tried again every few seconds"
            ));
        }
    }

    fn closed(&self, action: &'static str) -> StoreError {
        let why = self.trouble().unwrap_or_else(|| "it is being opened again".to_owned());
        StoreError::Io { dir: self.dir.clone(), action, source: std::io::Error::other(why) }
    }

    /// Forces to disk what was handed to the kernel.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db("(all)", "flush", |db| db.flush().map(drop))?;
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &*open else { return Err(self.closed("syncing")) };
        open.file.sync_data().map_err(|source| {
            self.refused(&source);
            StoreError::Io { dir: self.dir.clone(), action: "syncing the data file", source }
        })
    }

    /// Opens it again if it is in trouble and there is room for what it may have to write. True if it did.
    pub(super) fn reopen(&self) -> Result<bool, StoreError> {
        if self.trouble().is_none() {
            return Ok(false);
        }
        room::probe(&self.dir)?;
        let mut open = self.alone()?;
        // Waits for sled's own threads; in this state it writes nothing.
        drop(open.take());
        match recover::again(&self.dir, &self.config) {
            Ok(db) => *open = Some(Open::new(db, &self.dir)?),
            Err(error) => {
                self.set_trouble(Some(format!(
                    "{error}; if this stays, restart mailward: a start recovers it"
                )));
                return Err(error);
            }
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.set_trouble(None);
        tracing::warn!(dir = %self.dir.display(), "the database was opened again and can be written");
        Ok(true)
    }

    /// Waits until nobody is in the database.
    fn alone(&self) -> Result<RwLockWriteGuard<'_, Option<Open>>, StoreError> {
        for _ in 0..TRIES {
            // Who waits in sled for a write that failed is only woken by the next writer.
            drop(self.with("meta", "write to", |tree| tree.remove(b"nothing")));
            match self.open.try_write() {
                Ok(open) => return Ok(open),
                Err(std::sync::TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(std::sync::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
        Err(StoreError::InUse(self.dir.clone()))
    }

    #[cfg(test)]
    pub(super) fn raw(&self, name: &str) -> sled::Tree {
        self.open.read().unwrap().as_ref().unwrap().db.open_tree(name).unwrap()
    }
}
