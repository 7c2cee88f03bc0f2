//! The Maildir of what was held.
//!
//! A directory that mutt and Dovecot can open (`tmp/`, `new/`, `cur/`) with `meta/<id>.json` beside:
//! for whom a message is held, why, and who tried how often. File names are made of our id alone.
//! A message file holds the exact bytes that were judged, CRLF included.
//!
//! **Contract.** When [`Quarantine::store`] returns `Ok`, meta and message are on the disk: each was
//! synced, then renamed into place, then its directory was synced, the meta first. So a message in
//! `new/` is always whole and always has its meta. The same message from the same sender to the same
//! diverted recipients within five days is the same entry with one more attempt, however many
//! threads bring it at once. Calls block: they belong on the blocking pool. One process owns a
//! quarantine at a time. Nothing here notifies or writes the audit; what happened is returned.
//!
//! **Retention.** Age first: each class has its `keep`. Then `max_size` and `max_entries`, which
//! hold at any moment: the oldest spam goes first, then malware, phish, suspicious, clean. That is
//! the order of how little is lost: spam is the bulk, malware is hardly ever asked for again, and
//! what was held on weak evidence is the likeliest to be somebody's mail. Whatever is younger than
//! `min_age` is never removed to make room: a flood cannot push out what was taken this morning,
//! storing is refused instead.
//!
//! **Mail programs.** A message that was moved to `cur/`, flagged or renamed behind its id is still
//! found. One that was deleted is noticed by [`Quarantine::expire`]. A file that is not ours is
//! reported and left alone.
//!
//! **Release.** Each recipient has a [`State`]. Handing a copy over is the business of the pipeline; what
//! became of it is written here before the next thing happens, so that after a crash it is known whose copy
//! may have been delivered. An entry stays until its time is over, also when all copies are delivered: it
//! can be looked up, and the sender who tries again joins it. Then nothing more is delivered – those for
//! whom it was released have it, the others wait on.
//!
//! **Copies.** What was delivered although a scanner failed may be kept as a copy for a second look
//! ([`SecondLook`]). Such an entry stands beside the held mail: it has a key, limits and a time of its own, is
//! in no count of what is held, is listed only where it is asked for, and is never handed over. It is written
//! without a sync.
//!
//! **Failures.** [`QuarantineError`]: the caller answers tempfail. A `store` that failed leaves
//! nothing behind that a later one would trip over; after a crash in the middle, `expire` removes a
//! meta without message once it is an hour old. [`QuarantineError::is_full`] tells a lack of room
//! from a broken disk.
//!
//! Where to find what: settings [`config`], what is known of an entry [`meta`], when two messages are
//! the same `key`, directories and their checks `dirs`, files `maildir`, the summary in memory
//! `index`, storing `store`, reading `list`, retention and
//! deletion `expire`, what became of each
//! copy `state`, copies of delivered mail `second_look`, holding index and files to each other `sweep`.

pub mod config;
mod dirs;
mod error;
mod expire;
mod index;
mod key;
mod list;
mod maildir;
pub mod meta;
mod second_look;
mod state;
mod store;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::model::{Category, MailId};
use crate::telemetry::{Clock, Metrics};
use index::Index;
use key::Keyer;
use maildir::Maildir;

pub use config::Config;
pub use error::QuarantineError;
pub use expire::{Expired, Swept, Why};
pub use key::Key;
pub use list::{Listing, Query};
pub use maildir::{MessageFile, held_id};
pub use meta::{Attempts, Meta, NewEntry};
pub use second_look::{Copies, CopyLimits, Kept, SecondLook, Waiting};
pub use state::{Failure, Rescan, Standing, State};
pub use store::Stored;

/// The quarantine of this process.
pub struct Quarantine {
    config: ArcSwap<Config>,
    maildir: Maildir,
    keyer: Keyer,
    clock: Clock,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    /// Signalled whenever a claim ends.
    released: Condvar,
}

/// What is shared by all callers. The lock is never held over a read, write or sync of a file.
#[derive(Default)]
struct Inner {
    index: Index,
    /// Entries that somebody is storing, counting or removing: an entry is changed only by who
    /// holds its key.
    claims: HashSet<Key>,
    /// Bytes of the messages being stored now, by id: they count towards the limits already.
    pending: BTreeMap<MailId, u64>,
    /// How many foreign files the last sweep saw, so that they are reported once.
    foreign_files: usize,
}

/// How much is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bytes of their messages.
    pub bytes: u64,
    /// Entries and bytes of each class that has any.
    pub by_category: BTreeMap<Category, (u64, u64)>,
}

impl Quarantine {
    /// Opens the quarantine, makes its directories where they are missing, clears what a crash left
    /// in `tmp/` and reads all meta files once. `key` is the secret behind the idempotent keys; it
    /// must stay the same over restarts. The notes are for the log: each says what is odd.
    ///
    /// # Errors
    /// A directory that is not usable or not ours, another process that has it open, or I/O.
    pub fn open(
        config: Config,
        key: [u8; 32],
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<(Arc<Self>, Vec<String>), QuarantineError> {
        if let Some(fault) = config.faults().into_iter().next() {
            return Err(QuarantineError::Unusable { path: config.path, why: fault });
        }
        let mut notes = Vec::new();
        let maildir = Maildir::open(&config, &mut notes)?;
        maildir.clear_tmp()?;
        let mut inner = Inner::default();
        sweep::load(&maildir, &mut inner, &mut notes)?;
        let quarantine = Self {
            config: ArcSwap::from_pointee(config),
            maildir,
            keyer: Keyer::new(&key),
            clock,
            metrics,
            inner: Mutex::new(inner),
            released: Condvar::new(),
        };
        quarantine.set_gauges(&quarantine.lock());
        Ok((Arc::new(quarantine), notes))
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> std::path::PathBuf {
        self.maildir.root().to_owned()
    }

    /// Takes new limits without opening anew.
    ///
    /// # Errors
    /// If the new configuration contradicts itself, or has another path or group: those need a
    /// restart.
    pub fn reconfigure(&self, config: Config) -> Result<(), QuarantineError> {
        let old = self.config.load();
        let fault = config.faults().into_iter().next().or_else(|| {
            (config.path != old.path || config.group != old.group)
                .then(|| "a new path or group of the quarantine needs a restart".to_owned())
        });
        match fault {
            Some(why) => Err(QuarantineError::Unusable { path: config.path, why }),
            None => {
                self.config.store(Arc::new(config));
                Ok(())
            }
        }
    }

    /// How much is held now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().index.totals()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics between two changes that belong together, so a poisoned lock is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody works on the entry of `key`, then holds it.
    fn claim(&self, key: Key) -> Claim<'_> {
        let mut inner = self.lock();
        while !inner.claims.insert(key) {
            inner = self.released.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        Claim { quarantine: self, key, storing: None }
    }

    fn set_gauges(&self, inner: &Inner) {
        let entries = i64::try_from(inner.index.len()).unwrap_or(i64::MAX);
        let bytes = i64::try_from(inner.index.bytes()).unwrap_or(i64::MAX);
        self.metrics.quarantine_entries.set(entries);
        self.metrics.quarantine_bytes.set(bytes);
    }
}

impl fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quarantine").field("path", &self.config.load().path).finish_non_exhaustive()
    }
}

/// The right to change the entry of one key; ends with the value, also in a panic.
struct Claim<'a> {
    quarantine: &'a Quarantine,
    key: Key,
    /// The id whose bytes are pending.
    storing: Option<MailId>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut inner = self.quarantine.lock();
        inner.claims.remove(&self.key);
        if let Some(id) = self.storing {
            inner.pending.remove(&id);
        }
        drop(inner);
        self.quarantine.released.notify_all();
    }
}
