//! Writing the journal: one `write(2)` an append, in the order of the chain.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::watch;

use super::entry::Entry;
use super::feed::{Feed, Item, Placed};
use super::files::{Day, Position};
use super::line::{self, LineHash, MAX_CONTENT};
use super::opening::{self, Opening};
use super::segment::{Files, Segment};
use super::sync::{self, Progress};
use super::witness::{Head, Mark};
use super::{AuditError, Config, SyncMode};
use crate::model::Timestamp;
use crate::telemetry::{Clock, Metrics};

/// The journal and its syncer thread. Dropping it writes and syncs what is waiting.
pub(super) struct Journal {
    pub(super) shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    thread: Option<JoinHandle<()>>,
}

/// What the appending threads and the syncer share.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    /// The same, open: a sync of the names in it must not need a descriptor when there is none.
    pub(super) folder: File,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    /// Wakes the syncer.
    pub(super) wake: Condvar,
    /// Wakes who waits for a sync on a thread of their own.
    pub(super) done: Condvar,
    feed: Arc<Feed>,
    always: bool,
    /// Tests let syncs fail.
    #[cfg(test)]
    pub(super) fail_syncs: std::sync::atomic::AtomicBool,
}

/// A line that waits to be written.
pub(super) struct Pending {
    content: Vec<u8>,
    item: Item,
}

pub(super) struct Inner {
    /// The last one is written to; those before wait for their sync.
    pub(super) segments: Vec<Segment>,
    /// The last line.
    pub(super) last: Mark,
    /// Counts writes.
    pub(super) written: u64,
    /// The last write that is on disk.
    pub(super) synced: u64,
    /// The last write that somebody waits for.
    pub(super) wanted: u64,
    /// The last write whose sync failed.
    pub(super) failed_at: u64,
    /// When a sync succeeded last, since the start.
    pub(super) synced_at: Option<Timestamp>,
    /// Why nothing is taken now.
    pub(super) failed: Option<String>,
    /// Since when something waits to be written or synced.
    pub(super) since: Option<Instant>,
    /// A file was made and its name is not on disk yet.
    pub(super) new_file: bool,
    pub(super) stopping: bool,
    lazy: Vec<Pending>,
    /// A write failed and left something behind this byte that could not be cut off yet.
    pub(super) cut_to: Option<u64>,
    buffer: Vec<u8>,
}

/// Beyond this many, lazy entries are written at once.
const MAX_LAZY: usize = 4096;

impl Pending {
    pub(super) fn new(mut entry: Entry, item: Item) -> Result<Self, AuditError> {
        let encoded = |entry: &Entry| entry.encode().map_err(AuditError::Encode);
        let mut content = encoded(&entry)?;
        if let Entry::Judged(record) = &mut entry
            && content.len() > MAX_CONTENT.min(super::fit::allowance(record))
        {
            record.fit(&super::fit::TIGHT);
            content = encoded(&entry)?;
        }
        if content.len() > MAX_CONTENT {
            return Err(AuditError::TooLong(content.len()));
        }
        Ok(Self { content, item })
    }
}

impl Journal {
    /// Opens the journal in `dir` and starts its syncer. What was found is returned as sentences, and
    /// written into the journal.
    pub(super) fn open(
        dir: &Path,
        config: &Config,
        clock: &Clock,
        metrics: &Arc<Metrics>,
        feed: &Arc<Feed>,
    ) -> Result<(Self, Vec<String>), AuditError> {
        let Opening { current, last, entries, notes } = opening::look(dir, clock.now())?;
        let failed = |action| move |source| AuditError::Directory { dir: dir.to_owned(), action, source };
        let mut segments = Vec::new();
        if let Some((day, end)) = current {
            let files = Files::open(&day.path(dir), false).map_err(failed("opening the last file"))?;
            // What an earlier process wrote may not be on disk; the first sync takes the whole file.
            segments.push(Segment { day, files: Arc::new(files), synced: end, end });
        }
        let folder = File::open(dir).map_err(failed("opening it"))?;
        let head = Head::open(dir, super::HEAD).map_err(failed("opening the head"))?;
        let (sender, progress) = watch::channel(Progress::default());
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            folder,
            clock: clock.clone(),
            metrics: Arc::clone(metrics),
            inner: Mutex::new(Inner {
                segments,
                last,
                written: 0,
                synced: 0,
                wanted: 0,
                failed_at: 0,
                synced_at: None,
                failed: None,
                since: None,
                new_file: false,
                stopping: false,
                lazy: Vec::new(),
                cut_to: None,
                buffer: Vec::new(),
            }),
            wake: Condvar::new(),
            done: Condvar::new(),
            feed: Arc::clone(feed),
            always: config.sync == SyncMode::Always,
            #[cfg(test)]
            fail_syncs: false.into(),
        });
        let thread = sync::start(Arc::clone(&shared), head, sender)
            .map_err(failed("starting the thread that syncs it"))?;
        let journal = Self { shared, progress, thread: Some(thread) };
        for entry in entries {
            journal.append(Pending::new(entry, Item::Other)?, false)?;
        }
        Ok((journal, notes))
    }

    /// Appends one entry behind the lazy ones. Returns what to wait for if a sync is wanted.
    pub(super) fn append(&self, pending: Pending, sync_now: bool) -> Result<Option<Ticket>, AuditError> {
        let shared = &self.shared;
        let mut inner = shared.lock();
        if let Some(why) = &inner.failed {
            return Err(AuditError::Sync(why.clone()));
        }
        shared.write(&mut inner, Some(pending))?;
        let seq = inner.written;
        let wait = sync_now || shared.always;
        if wait {
            inner.wanted = seq;
        }
        if inner.since.is_none() {
            inner.since = Some(Instant::now());
            shared.wake.notify_one();
        } else if wait {
            shared.wake.notify_one();
        }
        Ok(wait.then(|| Ticket { seq, progress: self.progress.clone() }))
    }

    /// Puts an entry aside that may wait up to a second, or get lost in a crash.
    pub(super) fn append_lazily(&self, pending: Pending) {
        let shared = &self.shared;
        let mut inner = shared.lock();
        if inner.lazy.len() >= MAX_LAZY {
            // Only a journal that cannot be written gets here; nothing is accepted meanwhile.
            shared.metrics.audit_errors.with_label_values(&["append"]).inc();
            return;
        }
        inner.lazy.push(pending);
        if inner.since.is_none() {
            inner.since = Some(Instant::now());
            shared.wake.notify_one();
        }
    }

    /// Writes what waits and syncs all; blocks until that is done.
    pub(super) fn sync(&self) -> Result<(), AuditError> {
        let shared = &self.shared;
        let mut inner = shared.lock();
        if let Some(why) = &inner.failed {
            return Err(AuditError::Sync(why.clone()));
        }
        shared.write(&mut inner, None)?;
        let seq = inner.written;
        inner.wanted = inner.wanted.max(seq);
        shared.wake.notify_one();
        while inner.synced < seq {
            if inner.failed_at >= seq {
                return Err(AuditError::Sync(inner.failed.clone().unwrap_or_default()));
            }
            inner = shared.done.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Writes what waits and returns the end of the journal.
    pub(super) fn end(&self) -> Result<Option<Position>, AuditError> {
        let mut inner = self.shared.lock();
        self.shared.write(&mut inner, None)?;
        Ok(inner.segments.last().map(|s| Position { day: s.day, offset: s.end }))
    }

    /// Writes what waits and returns the end of the journal and its last line.
    pub(super) fn end_and_last(&self) -> Result<(Option<Position>, Mark), AuditError> {
        let mut inner = self.shared.lock();
        self.shared.write(&mut inner, None)?;
        let end = inner.segments.last().map(|s| Position { day: s.day, offset: s.end });
        Ok((end, inner.last))
    }

    /// The end of the journal, whatever waits.
    pub(super) fn written_end(&self) -> Option<Position> {
        self.shared.lock().segments.last().map(|s| Position { day: s.day, offset: s.end })
    }

    /// The hash of the last line.
    pub(super) fn last_hash(&self) -> LineHash {
        self.shared.lock().last.hash
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // The thread catches its own panics.
            drop(thread.join());
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // `write` changes the state only after the write is done, so what a panic leaves is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the lazy entries and `last` in one `write(2)`. Runs on the caller's thread: it is a copy
    /// into the page cache of a few kB, shorter than handing it to another thread.
    ///
    /// On an error nothing is written and nothing is forgotten.
    pub(super) fn write(&self, inner: &mut Inner, last: Option<Pending>) -> Result<(), AuditError> {
        if inner.lazy.is_empty() && last.is_none() {
            return Ok(());
        }
        let result = self.try_write(inner, last);
        if result.is_err() {
            self.metrics.audit_errors.with_label_values(&["append"]).inc();
        }
        result
    }

    fn try_write(&self, inner: &mut Inner, last: Option<Pending>) -> Result<(), AuditError> {
        if let (Some(end), Some(segment)) = (inner.cut_to, inner.segments.last()) {
            let failed = |source| AuditError::Append { path: segment.day.path(&self.dir), source };
            segment.files.cut(end).map_err(failed)?;
            inner.cut_to = None;
        }
        self.choose_file(inner)?;
        let Inner { segments, buffer, lazy, .. } = inner;
        let Some(segment) = segments.last_mut() else { return Err(AuditError::Stopped) };
        let failed = |source| AuditError::Append { path: segment.day.path(&self.dir), source };

        buffer.clear();
        let mut mark = inner.last;
        let mut places = Vec::with_capacity(lazy.len() + 1);
        for pending in lazy.iter().chain(&last) {
            let start = segment.end + buffer.len() as u64;
            let hash = line::encode(mark.hash, &pending.content, buffer);
            let end = segment.end + buffer.len() as u64;
            mark = Mark { day: segment.day, start, end, hash };
            places.push((start, end));
        }
        if let Err(source) = segment.files.append(buffer) {
            // A part may be there: a full disk takes what still fits. It must not stay.
            inner.cut_to = segment.files.cut(segment.end).is_err().then_some(segment.end);
            return Err(failed(source));
        }

        segment.end = mark.end;
        let day = segment.day;
        inner.last = mark;
        inner.written += 1;
        self.metrics.audit_records.inc_by(places.len() as u64);
        let items = lazy.drain(..).chain(last).map(|pending| pending.item);
        self.feed.push(items.zip(places).map(|(item, (offset, end))| Placed {
            at: Position { day, offset },
            end,
            item,
        }));
        if buffer.capacity() > 256 * 1024 {
            *buffer = Vec::new();
        }
        Ok(())
    }

    /// Begins a new file when the day is over. A clock that goes back does not bring back a day, and one that leaps
    /// ahead begins none: all records until then would be in that file.
    fn choose_file(&self, inner: &mut Inner) -> Result<(), AuditError> {
        let today = Day::of(self.clock.settled());
        if inner.segments.last().is_some_and(|s| s.day >= today) {
            return Ok(());
        }
        let path = today.path(&self.dir);
        let files = Files::open(&path, true).map_err(|source| AuditError::Append { path, source })?;
        tracing::info!(day = %today, head = %inner.last.hash, "the audit journal begins a new file");
        inner.segments.push(Segment { day: today, files: Arc::new(files), synced: 0, end: 0 });
        inner.new_file = true;
        Ok(())
    }
}

/// A write whose sync is waited for.
pub(super) struct Ticket {
    seq: u64,
    progress: watch::Receiver<Progress>,
}

impl Ticket {
    /// Waits until the write is on disk.
    pub(super) async fn wait(mut self) -> Result<(), AuditError> {
        let seq = self.seq;
        let reached = |p: &Progress| p.synced >= seq || p.failed_at >= seq;
        let progress = self.progress.wait_for(reached).await.map_err(|_| AuditError::Stopped)?;
        if progress.synced >= seq { Ok(()) } else { Err(AuditError::Sync(progress.why.clone())) }
    }
}
