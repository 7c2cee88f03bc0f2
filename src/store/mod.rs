//! sled behind typed trees: indexes, lists and counters. Never the only copy of a mail.
//!
//! **Contract.** A [`Store`] is one directory, owned by one process. A [`Tree`] holds values of one
//! type under byte keys; keys that begin with a fixed-width big-endian time sort by it. Every value on
//! disk is a format byte, a CRC-32 over key and payload, and the payload as JSON. Trees are few (sled
//! pays for each), values are small (below 64 KiB). **Every call blocks**: from async code it goes
//! through the blocking pool or a thread of its own.
//!
//! What was written survives the end of the process as soon as sled has handed it to the kernel, at
//! the latest half a second later. Only [`Store::flush`] makes it survive a power failure: sled's own
//! `flush` is no fsync on Linux, so ours syncs the file as well.
//!
//! **Failures.** A damaged value is [`StoreError::Damaged`], which names tree and key; nothing is
//! skipped. [`Store::open`] reads all but the audit's index, holds it to what was flushed last (`witness`), and
//! climbs a ladder when sled cannot read its files or something is missing: snapshots aside, then the
//! whole directory aside and an empty store, which the caller fills ([`Recovery::aside`]); until it says so
//! ([`Store::recovered`]) each later `open` tells it again. Each rung taken is a [`Recovery`], which the caller logs
//! loudly. Nothing is ever deleted by it. A store in use by another process, or written by a later
//! version, is refused and left as it is. After a write that the disk refused (it was full) sled takes nothing more:
//! [`Store::trouble`] says so, what is read is as it was, and [`Store::reopen`] makes it work again without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::model::ByteSize;

mod dump;
mod handle;
mod recover;
mod room;
mod tree;
mod unfinished;
mod value;
mod witness;

#[cfg(test)]
mod tests;

pub use dump::{DumpError, Dumped};
use handle::Handle;
pub use recover::Recovery;
pub use tree::{Batch, Iter, Tree};

/// `[store]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much memory the database may use for pages it has read. It takes a few times this under
    /// load; more than 64MiB is seldom worth it.
    pub cache: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self { cache: ByteSize(32 << 20) }
    }
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "the database {} is in use by another process; is another mailward running on this state_dir?",
        .0.display()
    )]
    InUse(PathBuf),
    /// Written by a later version.
    #[error(
        "the database {} has schema {found} and this version knows up to {known}; install the newer mailward again, or move the directory aside to start empty",
        dir.display()
    )]
    Newer {
        /// Where.
        dir: PathBuf,
        /// The schema on disk.
        found: u32,
        /// The newest this version can read.
        known: u32,
    },
    /// The directory or one of its files could not be worked with.
    #[error("the database {}: {action} failed: {source}", dir.display())]
    Io {
        /// Where.
        dir: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// sled reports an error.
    #[error("the database could not {action} tree {tree}: {source}")]
    Database {
        /// Which tree.
        tree: &'static str,
        /// What was tried.
        action: &'static str,
        /// sled's words.
        source: sled::Error,
    },
    /// A value on disk is not what was written.
    #[error("the database has a damaged value in tree {tree} under key {key}: {what}")]
    Damaged {
        /// Which tree.
        tree: &'static str,
        /// The key, as text if it is text, else in hex.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// A value could not be turned into bytes.
    #[error("a value for tree {tree} could not be written as JSON: {source}")]
    Encode {
        /// Which tree.
        tree: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Whether the machine would not let it be read or written. Nothing is known to be damaged.
    #[must_use]
    pub const fn is_io(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Database { source: sled::Error::Io(_), .. })
    }

    /// A bounded word for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::InUse(_) => "in-use",
            Self::Newer { .. } => "newer",
            Self::Io { .. } => "io",
            Self::Database { .. } => "database",
            Self::Damaged { .. } => "damaged",
            Self::Encode { .. } => "encode",
        }
    }
}

/// The database of one daemon. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    handle: Arc<Handle>,
    /// The number of the last flush; held over each.
    flushes: Arc<Mutex<u64>>,
}

/// The newest schema that this version reads and the one it writes.
pub const SCHEMA: u32 = 1;
/// Trees that are made again from elsewhere.
const REBUILT: [&str; 2] = ["audit", "audit-meta"];
/// Of the tree `meta`: the number of the last flush.
const FLUSHES: &[u8] = b"flushes";

impl Store {
    /// Opens the store in `dir`, or makes it. Blocks; reads a good part of the files.
    ///
    /// # Errors
    /// If another process has it, if it was written by a later version, or if the directory cannot be
    /// worked with. Damage is not an error: it is recovered from and reported.
    pub fn open(dir: &Path, config: &Config) -> Result<(Self, Vec<Recovery>), StoreError> {
        let (db, recoveries) = recover::open(dir, config)?;
        let flushes = Arc::new(Mutex::new(witness::read(dir)));
        let store = Self { handle: Arc::new(Handle::new(db, dir, config)?), flushes };
        store.check_schema()?;
        recover::checked(dir);
        Ok((store, recoveries))
    }

    /// What was lost is filled in again, is flushed, and somebody was told: no later [`Store::open`] tells it again.
    ///
    /// # Errors
    /// If that cannot be noted on disk.
    pub fn recovered(&self) -> Result<(), StoreError> {
        unfinished::end(self.handle.dir()).map_err(|source| StoreError::Io {
            dir: self.handle.dir().to_owned(),
            action: "noting beside it that it is recovered",
            source,
        })
    }

    /// Whether a database in `dir` was begun anew and is not filled yet.
    #[must_use]
    pub fn is_unfinished(dir: &Path) -> bool {
        unfinished::path(dir).exists()
    }

    /// Opens a copy of what was moved aside, as far as it can be opened: no ladder, and nothing is said of what it
    /// lost.
    ///
    /// # Errors
    /// A sentence, if sled cannot read it at all.
    pub fn open_damaged(dir: &Path, config: &Config) -> Result<Self, String> {
        let db = recover::attempt(dir, config).map_err(|e| e.to_string())??;
        let handle = Handle::new(db, dir, config).map_err(|e| e.to_string())?;
        Ok(Self { handle: Arc::new(handle), flushes: Arc::default() })
    }

    /// The number of the last flush that this database has: what is older has a lower one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn flushed(&self) -> Result<u64, StoreError> {
        Ok(self.tree::<u64>("meta")?.get(FLUSHES)?.unwrap_or(0))
    }

    /// Counts flushes on from `number`, where this store takes the place of another one.
    pub fn count_on_from(&self, number: u64) {
        let mut flushes = self.flushes.lock().unwrap_or_else(PoisonError::into_inner);
        *flushes = number.max(*flushes);
    }

    /// Notes that the database should be read as a whole at the next start: something in it cannot be read.
    pub fn suspect(&self) {
        recover::suspect(self.handle.dir());
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        let meta: Tree<u32> = self.tree("meta")?;
        match meta.get(b"schema")? {
            Some(found) if found > SCHEMA => {
                Err(StoreError::Newer { dir: self.handle.dir().to_owned(), found, known: SCHEMA })
            }
            Some(_) => Ok(()),
            None => {
                meta.insert(b"schema", &SCHEMA)?;
                self.flush()
            }
        }
    }

    /// The tree called `name`, made if it is new. `meta` is the store's own.
    ///
    /// # Errors
    /// If sled cannot open it.
    pub fn tree<V>(&self, name: &'static str) -> Result<Tree<V>, StoreError> {
        self.handle.with(name, "open", |_| Ok(()))?;
        Ok(Tree::new(Arc::clone(&self.handle), name))
    }

    /// Makes all that was written before survive a power failure.
    ///
    /// # Errors
    /// If writing or syncing failed; what was written since the last success may then be lost.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut flushes = self.flushes.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *flushes + 1;
        self.tree("meta")?.insert(FLUSHES, &number)?;
        self.handle.sync()?;
        *flushes = number;
        if let Err(error) = witness::write(self.handle.dir(), number) {
            tracing::warn!(%error, "how far the database reaches could not be noted beside it");
        }
        Ok(())
    }

    /// Why nothing more can be written, until [`Self::reopen`] has opened it again.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.handle.trouble()
    }

    /// Counts how often it was opened. With a new number some of what was written and not flushed may be gone.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.handle.generation()
    }

    /// Opens it again where it is in [trouble](Self::trouble) and can be written now; all trees go on with it. True if
    /// it did. Blocks, and holds up everybody else who wants something of the database.
    ///
    /// # Errors
    /// If there is no room yet, somebody reads it for long, or its files are damaged: a start then recovers them.
    pub fn reopen(&self) -> Result<bool, StoreError> {
        self.handle.reopen()
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// If the files cannot be looked at.
    pub fn size_on_disk(&self) -> Result<ByteSize, StoreError> {
        self.handle.db("(all)", "measure", sled::Db::size_on_disk).map(ByteSize)
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.handle.dir()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.handle.dir()).finish_non_exhaustive()
    }
}
