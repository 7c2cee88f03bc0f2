//! All configured feeds: loaded at the start, fetched from time to time, swapped whole.
//!
//! Each feed has a task of its own, which waits for its time or for somebody who asks. Bodies are read one after
//! the other, whoever fetched them, so that memory is bounded by one swap; mail looks up in the index that is
//! there meanwhile.
//!
//! Where to find what: all feeds and their index here, the task of one `task`, what nobody asks about `watch`.

mod task;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[cfg(test)]
pub(super) use self::watch::{News, Said};
use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::copy::{CopyError, Folder, LastGood, Source, Validators};
use super::format::Format;
use super::index::Index;
use super::keys::Keyer;
use super::refresh::Terms;
use super::standing::{Last, Rows, Standing, Told};
use super::wait;
use crate::model::{SecretText, Span, Timestamp};
use crate::telemetry::spawn::supervised;
use crate::telemetry::{Clock, Metrics};

/// How one feed is fetched and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How it is written.
    pub format: Format,
    /// Where it is: http, https or file.
    pub url: String,
    /// How often it is fetched.
    pub refresh: Span,
    /// What a body must be.
    pub terms: Terms,
    /// The key that the publisher asks for.
    pub auth_key: Option<SecretText>,
}

/// Why a refresh that was asked for did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// There is none of that name.
    #[error("there is no feed {0:?}, or it is off; `mailward feed list` names them")]
    Unknown(String),
    /// Too many ask at once.
    #[error("the feed {0} is being refreshed already; ask again when that is done")]
    Busy(String),
    /// It went away meanwhile.
    #[error("the feed {0} was taken away or changed while it was refreshed")]
    Gone(String),
}

/// All configured feeds.
#[derive(Debug)]
pub struct Feeds {
    folder: Folder,
    index: ArcSwap<Index>,
    running: Mutex<BTreeMap<String, Running>>,
    /// Held while a body is read and its keys are swapped in.
    one_at_a_time: Mutex<()>,
    changes: tokio::sync::watch::Sender<u64>,
    /// Told when the copy of a feed has been read, or cannot be.
    loaded: Notify,
    watched: AtomicBool,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// A feed and its task.
#[derive(Debug)]
struct Running {
    feed: Arc<Feed>,
    asks: mpsc::Sender<Ask>,
    task: AbortHandle,
}

/// Somebody asks for a refresh.
struct Ask {
    force: bool,
    told: oneshot::Sender<Told>,
}

/// A configured feed.
#[derive(Debug)]
struct Feed {
    name: String,
    settings: Settings,
    source: Source,
    loading: AtomicBool,
    standing: Mutex<Known>,
}

/// What is known of a feed beside its copy.
#[derive(Clone, Debug, Default)]
struct Known {
    copy: Option<Arc<LastGood>>,
    checked: Option<Timestamp>,
    validators: Validators,
    entries: u64,
    last: Option<(Timestamp, Told)>,
    next: Option<Timestamp>,
    failures: u32,
}

impl Feed {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feeds {
    /// Opens the folder of copies; nothing is loaded or fetched before [`Self::configure`]. Blocks.
    ///
    /// # Errors
    /// If the folder cannot be made or read.
    pub fn open(folder: &Path, clock: Clock, metrics: Arc<Metrics>) -> Result<Arc<Self>, CopyError> {
        Ok(Arc::new(Self {
            folder: Folder::open(folder)?,
            index: ArcSwap::from_pointee(Index::new(Keyer::new())),
            running: Mutex::default(),
            one_at_a_time: Mutex::default(),
            changes: tokio::sync::watch::Sender::new(0),
            loaded: Notify::new(),
            watched: AtomicBool::new(false),
            clock,
            metrics,
        }))
    }

    /// The index as it is now. Hold it for one message, not longer.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        self.index.load_full()
    }

    /// Puts an index in the place of the one in use.
    #[cfg(test)]
    pub(crate) fn put(&self, index: Index) {
        self.index.store(Arc::new(index));
    }

    /// Tells, with a number that grows, that the index was swapped: the time to look whether something that was
    /// let through is known by now.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// From now on these are the feeds. Those whose settings are as before go on; new ones are loaded from disk
    /// and fetched when it is time. The copy of one that is gone stays for some days. Must be called within the runtime.
    pub fn configure(self: &Arc<Self>, feeds: &BTreeMap<String, Settings>) {
        let mut running = self.running();
        running.retain(|name, one| {
            let stays = feeds.get(name) == Some(&one.feed.settings);
            if !stays {
                one.task.abort();
            }
            stays
        });
        let gone: Vec<String> = self
            .index()
            .feeds()
            .map(|(name, ..)| name.to_string())
            .filter(|name| !feeds.contains_key(name))
            .collect();
        for (name, settings) in feeds {
            running.entry(name.clone()).or_insert_with(|| self.begun(name, settings));
        }
        drop(running);
        let feeds = Arc::clone(self);
        let work = move || {
            feeds.take_away(&gone, None);
            feeds.tidy();
        };
        supervised("feed", &self.metrics, async move { drop(tokio::task::spawn_blocking(work).await) });
        if !self.watched.swap(true, Ordering::Relaxed) {
            supervised("feed-watch", &self.metrics, Arc::clone(self).watch());
        }
    }

    /// Waits until the copies of all feeds have been read, or cannot be, but for `limit` at the most: mail that is
    /// looked at before that is looked up in nothing. Gives the names of those that are not ready by then.
    pub async fn loaded(&self, limit: Duration) -> Vec<String> {
        let all = async {
            loop {
                let told = self.loaded.notified();
                tokio::pin!(told);
                // Before the look, so that nothing that happens in between is missed.
                told.as_mut().enable();
                if self.loading().is_empty() {
                    return;
                }
                told.await;
            }
        };
        match tokio::time::timeout(limit, all).await {
            Ok(()) => Vec::new(),
            Err(_) => self.loading(),
        }
    }

    /// The feeds whose copies are still being read.
    fn loading(&self) -> Vec<String> {
        let is_loading = |one: &Running| one.feed.loading.load(Ordering::Relaxed);
        self.running().iter().filter(|(_, one)| is_loading(one)).map(|(name, _)| name.clone()).collect()
    }

    /// Refreshes a feed now; with `force` also to far fewer entries.
    ///
    /// # Errors
    /// If that could not be tried. What came of it stands in [`Told`].
    pub async fn refresh(&self, name: &str, force: bool) -> Result<Told, RefreshError> {
        let asks = self.running().get(name).map(|one| one.asks.clone());
        let asks = asks.ok_or_else(|| RefreshError::Unknown(name.to_owned()))?;
        let (told, answer) = oneshot::channel();
        asks.try_send(Ask { force, told }).map_err(|_| RefreshError::Busy(name.to_owned()))?;
        answer.await.map_err(|_| RefreshError::Gone(name.to_owned()))
    }

    /// How each feed is doing, by name.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        let now = self.clock.now();
        let feeds: Vec<Arc<Feed>> = self.running().values().map(|one| Arc::clone(&one.feed)).collect();
        feeds.iter().map(|feed| standing(feed, now)).collect()
    }

    /// Brings the gauges up to date.
    pub fn count(&self) {
        let metrics = &self.metrics;
        for gauge in [&metrics.feed_entries, &metrics.feed_age, &metrics.feed_stale] {
            gauge.reset();
        }
        let set = |gauge: &prometheus::IntGaugeVec, feed: &str, n: u64| {
            gauge.with_label_values(&[feed]).set(i64::try_from(n).unwrap_or(i64::MAX));
        };
        for feed in self.standing() {
            set(&metrics.feed_entries, &feed.name, feed.entries);
            set(&metrics.feed_stale, &feed.name, u64::from(feed.stale));
            if let Some(age) = feed.age_seconds {
                set(&metrics.feed_age, &feed.name, age);
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(self: &Arc<Self>, name: &str, settings: &Settings) -> Running {
        let feed = Arc::new(Feed {
            name: name.to_owned(),
            source: Source::new(name, settings.format, &settings.url),
            settings: settings.clone(),
            loading: AtomicBool::new(true),
            standing: Mutex::default(),
        });
        let (asks, asked) = mpsc::channel(1);
        let task = supervised("feed", &self.metrics, Arc::clone(self).attend(Arc::clone(&feed), asked));
        Running { feed, asks, task: task.abort_handle() }
    }

    /// Whether this is the feed of its name still: a reload may have replaced it while a body was read.
    fn is_current(&self, feed: &Arc<Feed>) -> bool {
        self.running().get(&feed.name).is_some_and(|one| Arc::ptr_eq(&one.feed, feed))
    }
}

fn standing(feed: &Feed, now: Timestamp) -> Standing {
    let known = feed.known().clone();
    let age = known.checked.map(|checked| now.since(checked).as_secs());
    let loading = feed.loading.load(Ordering::Relaxed);
    Standing {
        name: feed.name.clone(),
        format: feed.settings.format,
        entries: known.entries,
        fetched: known.copy.as_ref().map(|copy| copy.fetched()),
        checked: known.checked,
        age_seconds: age,
        stale: !loading
            && age.map_or(known.last.is_some(), |age| age > wait::stale_after(feed.settings.refresh)),
        loading,
        next: known.next,
        failures: known.failures,
        last: known.last.map(|(at, told)| Last { at, told }),
        rows: known.copy.as_ref().map(|copy| Rows::of(copy.tally())),
    }
}
