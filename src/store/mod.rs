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
//! skipped. [`Store::open`] climbs a ladder when sled cannot read its files: snapshots aside, then the
//! whole directory aside and an empty store. Each rung taken is a [`Recovery`], which the caller logs
//! loudly. Nothing is ever deleted by it. A store in use by another process, or written by a later
//! version, is refused and left as it is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::ByteSize;

mod recover;
mod tree;
mod value;

#[cfg(test)]
mod tests;

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
    db: sled::Db,
    /// sled's data file, opened once more, because sled offers no way to sync it.
    file: Arc<File>,
    dir: PathBuf,
}

/// The newest schema that this version reads and the one it writes.
const SCHEMA: u32 = 1;

impl Store {
    /// Opens the store in `dir`, or makes it. Blocks; reads a good part of the files.
    ///
    /// # Errors
    /// If another process has it, if it was written by a later version, or if the directory cannot be
    /// worked with. Damage is not an error: it is recovered from and reported.
    pub fn open(dir: &Path, config: &Config) -> Result<(Self, Vec<Recovery>), StoreError> {
        let (db, recoveries) = recover::open(dir, config)?;
        let io = |action| move |source| StoreError::Io { dir: dir.to_owned(), action, source };
        let file = File::open(dir.join("db")).map_err(io("opening the data file for syncing"))?;
        let store = Self { db, file: Arc::new(file), dir: dir.to_owned() };
        store.check_schema()?;
        Ok((store, recoveries))
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        let meta: Tree<u32> = self.tree("meta")?;
        match meta.get(b"schema")? {
            Some(found) if found > SCHEMA => {
                Err(StoreError::Newer { dir: self.dir.clone(), found, known: SCHEMA })
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
        let inner = self.db.open_tree(name).map_err(|source| StoreError::Database {
            tree: name,
            action: "open",
            source,
        })?;
        Ok(Tree::new(inner, name))
    }

    /// Makes all that was written before survive a power failure.
    ///
    /// # Errors
    /// If writing or syncing failed; what was written since the last success may then be lost.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|source| StoreError::Database { tree: "(all)", action: "flush", source })?;
        self.file.sync_data().map_err(|source| StoreError::Io {
            dir: self.dir.clone(),
            action: "syncing the data file",
            source,
        })
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// If the files cannot be looked at.
    pub fn size_on_disk(&self) -> Result<ByteSize, StoreError> {
        self.db.size_on_disk().map(ByteSize).map_err(|source| StoreError::Database {
            tree: "(all)",
            action: "measure",
            source,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}
