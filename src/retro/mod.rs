//! Caught afterwards: mail that was accepted, and of which a feed says later that it was bad.
//!
//! **Contract.** [`Retro::keep`] takes the links and files of an accepted message and returns at once; a task
//! writes them down within a moment, for about as long as `[retro]` says. When feeds change, all that is kept is
//! looked up again, off the mail's path and on one core at most, with pauses twenty times as long. What a feed
//! knows now, and did not know so well when the message was judged, is told once: in the audit journal
//! ([`Caught`]), a metric, a line of the log, and `mailward retro list`. The first look is made soon after the
//! start, so that nothing is missed that a feed learnt while the daemon was down.
//!
//! Nothing is done about such a message: it is in mailboxes. Whoever shall fetch it from there one day is
//! called in `Retro::announce`, the one place that every catch passes, also that of a second look; who wants to
//! hear of it asks for [`Retro::catches`].
//!
//! **Failures.** No message waits for this or fails by it. What could not be kept is counted
//! (`mailward_retro_left_out_total`): `busy` when the disk does not follow, `store` when it cannot be written
//! to ([`Retro::trouble`]), `limit` for a message of which not every link is kept as it is (`choice`; its audit record says so, too)
//! and for one that goes before its time, as there are more than `max_messages` or `max_size` of them. A crash loses what was accepted in
//! the last moments, a power failure what the kernel had not put on the disk. A damaged record is counted and passed over, a file
//! that cannot be read is told, and the rest is looked up all the same. A catch that cannot be written into
//! the journal is told in the next round instead.
//!
//! Where to find what: what of a message is kept `choice`, its form `things`, what is on disk `kept`, the folder of accepted messages `segments`, one file of it
//! `segment`, a round of looking `look`, the tasks `task`, configuration `config`.

mod choice;
mod config;
mod kept;
mod look;
#[cfg(test)]
mod measure;
mod segment;
mod segments;
mod task;
#[cfg(test)]
mod tests;
mod things;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};

pub use choice::{Choice, Cut};
pub use config::Config;
pub use things::Things;

use self::kept::Kept;
use crate::audit::{Audit, Caught};
use crate::feed::{Feeds, Strength};
use crate::model::{Category, MailId, Timestamp};
use crate::store::{Store, StoreError};
use crate::telemetry::spawn::supervised;
use crate::telemetry::{Clock, Metrics};

/// The most links of one message that are kept as they are, and the most files.
pub const MAX_THINGS: usize = 250;
/// Of a longer link the query is not kept.
pub const MAX_LINK: usize = 512;
/// Messages that wait to be written down.
const QUEUE: usize = 2_048;
/// And bytes of them.
const QUEUE_BYTES: usize = 16 << 20;

/// Catches that wait for who listens.
const CATCHES: usize = 1_024;

/// How strongly something is known; more is stronger.
#[must_use]
pub const fn rank(strength: Option<Strength>) -> u8 {
    match strength {
        None => 0,
        Some(Strength::Near) => 1,
        Some(Strength::Close) => 2,
        Some(Strength::Same) => 3,
    }
}

/// An accepted message, as far as it can be looked up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: MailId,
    /// When it was judged.
    pub time: Timestamp,
    /// Its links and files.
    pub things: Things,
}

impl Accepted {
    /// Bytes of memory, nearly.
    fn size(&self) -> usize {
        size_of::<Self>() + self.things.size()
    }
}

/// What holds now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The section.
    pub config: Config,
    /// What each feed is of.
    pub categories: BTreeMap<String, Category>,
}

/// What was caught, and how much is watched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// The newest first.
    pub caught: Vec<Caught>,
    /// There are older ones within the time that was asked for.
    pub more: bool,
    /// Messages whose links are looked up again when feeds change.
    pub kept: u64,
}

/// Keeps and looks again.
pub struct Retro {
    kept: Kept,
    settings: ArcSwap<Settings>,
    queue: mpsc::Sender<Accepted>,
    /// Taken by the task that writes.
    waiting: Mutex<Option<mpsc::Receiver<Accepted>>>,
    /// Every catch, once it is in the journal.
    catches: broadcast::Sender<Caught>,
    /// Held while catches are told.
    telling: tokio::sync::Mutex<()>,
    /// Messages that were taken and are not written yet.
    pending: AtomicUsize,
    /// Their bytes.
    pending_bytes: AtomicUsize,
    /// When feeds changed last, in milliseconds.
    changed: AtomicU64,
    /// The daemon stops: rounds end where they are.
    stopping: AtomicBool,
    /// Why nothing can be kept now.
    trouble: Mutex<Option<String>>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Retro {
    /// Opens its tree, and its folder `dir`, which nobody else may use. Nothing is looked up before
    /// [`Self::attend`].
    ///
    /// # Errors
    /// If the store cannot be used. What is wrong with the folder is logged.
    pub fn open(
        store: &Store,
        dir: &Path,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Ok(Arc::new(Self {
            kept: Kept::open(store, dir)?,
            settings: ArcSwap::default(),
            queue,
            waiting: Mutex::new(Some(waiting)),
            catches: broadcast::Sender::new(CATCHES),
            telling: tokio::sync::Mutex::default(),
            pending: AtomicUsize::new(0),
            pending_bytes: AtomicUsize::new(0),
            changed: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            trouble: Mutex::default(),
            clock,
            metrics,
        }))
    }

    /// From now on this holds.
    pub fn configure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Every catch from now on, once it is in the journal. Who does not keep up misses the oldest.
    #[must_use]
    pub fn catches(&self) -> broadcast::Receiver<Caught> {
        self.catches.subscribe()
    }

    /// Why links cannot be kept now, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Whether anything is kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.load().config.enabled
    }

    /// Keeps a message that was accepted; `whole`: nothing of it was left out. Never waits.
    pub fn keep(&self, accepted: Accepted, whole: bool) {
        if !whole {
            self.metrics.retro_left_out.with_label_values(&["limit"]).inc();
        }
        if accepted.things.is_empty() {
            return;
        }
        let size = accepted.size();
        self.pending.fetch_add(1, Ordering::Relaxed);
        let before = self.pending_bytes.fetch_add(size, Ordering::Relaxed);
        if before + size > QUEUE_BYTES || self.queue.try_send(accepted).is_err() {
            self.no_longer_pending(1, size);
            self.metrics.retro_left_out.with_label_values(&["busy"]).inc();
        }
    }

    /// They are written, or never will be.
    fn no_longer_pending(&self, messages: usize, bytes: usize) {
        self.pending.fetch_sub(messages, Ordering::Relaxed);
        self.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Ends the round that runs, and waits a moment until what was taken is written and synced: at the stop,
    /// before the store is closed. What the round would have told is told after the next start.
    pub async fn settle(self: &Arc<Self>) {
        self.stopping.store(true, Ordering::Relaxed);
        for _ in 0..100 {
            if self.pending.load(Ordering::Relaxed) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let retro = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || retro.kept.close()).await {
            tracing::error!(%error, "closing the links of accepted mail panicked");
        }
    }

    /// What was caught since then, the newest first, at most `limit`. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn list(&self, since: Timestamp, limit: usize) -> Result<Listing, StoreError> {
        let mut caught = self.kept.caught(since)?;
        let more = caught.len() > limit;
        caught.truncate(limit);
        Ok(Listing { caught, more, kept: self.kept.count() })
    }

    /// Starts the tasks that count, that write down and that look again. Must be called within the runtime, once.
    pub fn attend(self: &Arc<Self>, feeds: Arc<Feeds>, audit: Arc<Audit>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(waiting) = waiting else { return };
        let writing = Arc::clone(self).write(waiting, Arc::clone(&feeds), Arc::clone(&audit));
        supervised("retro-count", &self.metrics, Arc::clone(self).count());
        supervised("retro-write", &self.metrics, writing);
        supervised("retro", &self.metrics, Arc::clone(self).watch(feeds, audit));
    }
}

impl std::fmt::Debug for Retro {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retro").field("settings", &self.settings.load()).finish_non_exhaustive()
    }
}
