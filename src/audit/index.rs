//! The index: one summary row a message, by id and so by time, with the place of its line.
//!
//! One thread writes it, from what the journal feeds it and, where that has holes, from the journal
//! itself. It is never on the way to an answer, and all of it can be made again from the journal.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::AuditError;
use super::entry::Entry;
use super::feed::{Feed, Item, Placed, Request};
use super::files::{self, Day, Lines, Position};
use super::line;
use super::row::Row;
use crate::model::MailId;
use crate::store::{Store, StoreError, Tree};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::panic_text;

/// Before everything.
const BEGIN: Position = Position { day: Day::FIRST, offset: 0 };
/// Under which key the place stands up to which the journal is indexed.
const POSITION: &[u8] = b"position";
/// So many changed rows are written at once.
const CHUNK: usize = 1000;
/// After an error the index is left alone for so long.
const PAUSE: Duration = Duration::from_secs(30);
/// Events kept of one message.
const MAX_EVENTS: usize = 64;

/// The readers' side. Dropping it ends the thread after what was fed is indexed.
pub(super) struct Index {
    pub(super) rows: Tree<Row>,
    feed: Arc<Feed>,
    trouble: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Index {
    /// Starts the thread. It first reads what the index lacks of the journal, which ends at `end`.
    pub(super) fn start(
        store: &Store,
        dir: &Path,
        end: Option<Position>,
        feed: &Arc<Feed>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, AuditError> {
        let rows: Tree<Row> = store.tree("audit").map_err(AuditError::Index)?;
        let meta = store.tree("audit-meta").map_err(AuditError::Index)?;
        let trouble = Arc::new(Mutex::new(None));
        let mut indexer = Indexer {
            store: store.clone(),
            dir: dir.to_owned(),
            rows: rows.clone(),
            meta,
            feed: Arc::clone(feed),
            metrics: Arc::clone(metrics),
            trouble: Arc::clone(&trouble),
            at: BEGIN,
            flushed: BEGIN,
            end: end.unwrap_or(BEGIN),
            pending: BTreeMap::new(),
            paused: None,
            rebuilt: false,
            generation: store.generation(),
        };
        let thread = std::thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn(move || indexer.run(end))
            .map_err(|source| AuditError::Directory {
                dir: dir.to_owned(),
                action: "starting the thread that indexes it",
                source,
            })?;
        Ok(Self { rows, feed: Arc::clone(feed), trouble, thread: Some(thread) })
    }

    /// Waits until all that was written so far is indexed. If that takes too long, or cannot be, says
    /// what is missing.
    pub(super) fn catch_up(&self, patience: Duration) -> Result<(), String> {
        let (sender, receiver) = mpsc::channel();
        self.feed.ask(Request::Barrier(sender));
        if receiver.recv_timeout(patience).is_err() {
            return Err("the index is still being built from the journal; records are missing".to_owned());
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone().map_or(Ok(()), Err)
    }

    /// Removes the rows of all days up to and with `last`; how many that were.
    pub(super) fn expire(&self, last: Day) -> u64 {
        let (sender, receiver) = mpsc::channel();
        self.feed.ask(Request::Expire(last, sender));
        receiver.recv().unwrap_or(0)
    }

    /// Removes the rows of these messages.
    pub(super) fn forget(&self, ids: Vec<MailId>) {
        let (sender, receiver) = mpsc::channel();
        self.feed.ask(Request::Forget(ids, sender));
        // The thread answers when it is done; where it is gone, nothing is left to do.
        receiver.recv().unwrap_or(());
    }

    /// Asks for all of it to be made again.
    pub(super) fn rebuild(&self) {
        self.feed.ask(Request::Rebuild);
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.feed.stop();
        if let Some(thread) = self.thread.take() {
            // The thread catches its own panics.
            drop(thread.join());
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the journal could not be read: {0}")]
    Journal(#[from] io::Error),
}

struct Indexer {
    store: Store,
    dir: PathBuf,
    rows: Tree<Row>,
    meta: Tree<Position>,
    feed: Arc<Feed>,
    metrics: Arc<Metrics>,
    trouble: Arc<Mutex<Option<String>>>,
    /// Everything before this is in `pending` or in the tree.
    at: Position,
    /// Everything before this is in the tree.
    flushed: Position,
    /// The journal goes at least so far.
    end: Position,
    pending: BTreeMap<MailId, Row>,
    /// Nothing is tried before this.
    paused: Option<Instant>,
    /// It was made again once already; twice is no use.
    rebuilt: bool,
    /// Which opening of the store `flushed` is about.
    generation: u64,
}

impl Indexer {
    fn run(&mut self, end: Option<Position>) {
        self.guarded(|me| me.begin(end));
        loop {
            let batch = self.feed.take();
            if let Some(last) = batch.items.last() {
                self.end = Position { day: last.at.day, offset: last.end };
            }
            self.guarded(|me| me.index(batch.items));
            for request in batch.requests {
                self.answer(request);
            }
            if batch.stopping {
                return;
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Barrier(sender) => {
                if self.store.generation() != self.generation {
                    self.guarded(|me| me.index(Vec::new()));
                }
                // Who asked may have given up waiting.
                sender.send(()).unwrap_or(());
            }
            Request::Expire(last, sender) => {
                let mut removed = 0;
                self.guarded(|me| me.expire(last, &mut removed));
                sender.send(removed).unwrap_or(());
            }
            Request::Forget(ids, sender) => {
                self.guarded(|me| me.forget_messages(&ids));
                sender.send(()).unwrap_or(());
            }
            Request::Rebuild => {
                if !self.rebuilt {
                    self.guarded(Self::rebuild);
                }
            }
        }
    }

    /// Runs one step; an error or panic leaves the index as it was and is tried again later.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<(), IndexError>) {
        // What was in the way may be gone with the old opening.
        let same = self.store.generation() == self.generation;
        if same && self.paused.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
            self.look_again()?;
            step(self)
        }));
        let trouble = match result {
            Ok(Ok(())) => None,
            // A disk that is full damages nothing.
            Ok(Err(error)) => {
                Some((error.to_string(), matches!(&error, IndexError::Store(error) if !error.is_io())))
            }
            Err(cause) => {
                self.metrics.panics.with_label_values(&["audit-index"]).inc();
                Some((format!("the thread that indexes panicked: {}", panic_text(&*cause)), false))
            }
        };
        if let Some((why, damaged)) = trouble {
            self.metrics.audit_errors.with_label_values(&["index"]).inc();
            tracing::error!(why, "the audit index could not be written; the journal is not affected");
            self.pending.clear();
            self.at = self.flushed;
            if damaged && !self.rebuilt {
                return self.guarded(Self::rebuild);
            }
            if damaged {
                self.store.suspect();
            }
            self.paused = Some(Instant::now() + PAUSE);
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        } else {
            self.paused = None;
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Finds out what the index has of a journal that ends at `end`, and reads the rest.
    fn begin(&mut self, end: Option<Position>) -> Result<(), IndexError> {
        self.at = self.meta.get(POSITION)?.unwrap_or(BEGIN);
        self.flushed = self.at;
        let Some(end) = end else {
            return if self.at == BEGIN { Ok(()) } else { self.rebuild() };
        };
        if self.at > end {
            // The journal lost its end in a power failure and the index did not.
            tracing::warn!(
                index = ?self.at, journal = ?end,
                "the audit index knows records that the journal has lost; they are removed from it"
            );
            self.forget_from(end.day)?;
        }
        self.replay(end)
    }

    /// The store was opened again: rows that were told to be in it may not be.
    fn look_again(&mut self) -> Result<(), IndexError> {
        let generation = self.store.generation();
        if generation == self.generation {
            return Ok(());
        }
        self.pending.clear();
        self.at = self.meta.get(POSITION)?.unwrap_or(BEGIN);
        self.flushed = self.at;
        self.generation = generation;
        self.replay(self.end)
    }

    fn rebuild(&mut self) -> Result<(), IndexError> {
        tracing::warn!("the audit index is made again from the journal");
        self.rebuilt = true;
        self.pending.clear();
        self.meta.clear()?;
        self.rows.clear()?;
        (self.at, self.flushed) = (BEGIN, BEGIN);
        self.replay(self.end)
    }

    /// Takes what the journal fed, filling holes from the journal.
    fn index(&mut self, items: Vec<Placed>) -> Result<(), IndexError> {
        for placed in items {
            if placed.at < self.at {
                continue;
            }
            if placed.at > self.at {
                self.replay(placed.at)?;
            }
            if self.at == placed.at {
                self.apply(placed)?;
            }
        }
        if self.at < self.end {
            // The queue ran over, or an error threw something away.
            self.replay(self.end)?;
        }
        self.flush()?;
        self.metrics.audit_index_lag.set(i64::try_from(self.feed.waiting()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Reads the journal from where the index stands up to `to`. Stops early if the daemon stops.
    fn replay(&mut self, to: Position) -> Result<(), IndexError> {
        for day in files::days(&self.dir)? {
            if day < self.at.day || day > to.day {
                continue;
            }
            let from = if day == self.at.day { self.at.offset } else { 0 };
            let until = (day == to.day).then_some(to.offset);
            let path = day.path(&self.dir);
            let size = until.map_or_else(|| std::fs::metadata(&path).map(|m| m.len()), Ok)?;
            let mut lines = Lines::open(&path, from, until)?;
            let mut n = 0u64;
            while let Some(raw) = lines.next()? {
                let at = Position { day, offset: raw.start };
                let item = self.read(raw.bytes, at);
                let end = raw.end;
                self.apply(Placed { at, end, item })?;
                n += 1;
                if n.is_multiple_of(CHUNK as u64) {
                    self.flush()?;
                    // How many records are left is not known; how long they were so far is.
                    let left = (size.saturating_sub(end)) / (end.saturating_sub(from) / n).max(1);
                    self.metrics.audit_index_lag.set(i64::try_from(left).unwrap_or(i64::MAX));
                    if self.feed.is_stopping() {
                        return Ok(());
                    }
                }
            }
        }
        self.at = self.at.max(to);
        self.flush()
    }

    fn read(&self, bytes: &[u8], at: Position) -> Item {
        let item = line::parse(bytes)
            .map_err(|damage| damage.to_string())
            .and_then(|line| Entry::decode(line.content).map_err(|e| e.to_string()))
            .map(|entry| Item::of(&entry));
        item.unwrap_or_else(|why| {
            self.metrics.audit_errors.with_label_values(&["index"]).inc();
            tracing::error!(
                file = at.day.file_name(),
                offset = at.offset,
                why,
                "a line of the audit journal cannot be indexed; see `mailward audit verify`"
            );
            Item::Other
        })
    }

    fn apply(&mut self, placed: Placed) -> Result<(), IndexError> {
        let Placed { at, end, item } = placed;
        match item {
            Item::Judged(mut row) => {
                row.at = at;
                self.pending.insert(row.id, *row);
            }
            Item::Answered { id, reached, instead } => self.change(id, |row| {
                row.answered = Some(reached);
                row.instead = instead;
            })?,
            Item::Event { id } => self.change(id, |row| {
                if row.events.len() < MAX_EVENTS && !row.events.contains(&at) {
                    row.events.push(at);
                }
            })?,
            Item::Other => {}
        }
        self.at = Position { day: at.day, offset: end };
        if self.pending.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Changes a row. One whose message is not known – its day has expired – is passed over.
    fn change(&mut self, id: MailId, change: impl FnOnce(&mut Row)) -> Result<(), IndexError> {
        if let Some(row) = self.pending.get_mut(&id) {
            change(row);
        } else if let Some(mut row) = self.rows.get(id.as_str().as_bytes())? {
            change(&mut row);
            self.pending.insert(id, row);
        }
        Ok(())
    }

    /// First the rows, then how far they go: a crash between the two only means doing some again.
    fn flush(&mut self) -> Result<(), IndexError> {
        if !self.pending.is_empty() {
            let mut batch = self.rows.batch();
            for (id, row) in &self.pending {
                batch.insert(id.as_str().as_bytes(), row)?;
            }
            self.rows.apply(batch)?;
            self.pending.clear();
        }
        if self.flushed != self.at {
            self.meta.insert(POSITION, &self.at)?;
            self.flushed = self.at;
        }
        Ok(())
    }

    /// Forgets what was indexed from the file of `day` and later ones, to read them again.
    fn forget_from(&mut self, day: Day) -> Result<(), IndexError> {
        // A message is journalled soon after its id was made, so a day back is enough.
        let from = MailId::from_parts(day.previous().begin().millis(), 0);
        self.forget((Bound::Included(from.as_str().as_bytes()), Bound::Unbounded), |row| row.at.day >= day)?;
        self.at = Position { day, offset: 0 };
        self.flush()
    }

    fn forget_messages(&mut self, ids: &[MailId]) -> Result<(), IndexError> {
        self.flush()?;
        for step in ids.chunks(CHUNK) {
            let mut batch = self.rows.batch();
            step.iter().for_each(|id| batch.remove(id.as_str().as_bytes()));
            self.rows.apply(batch)?;
        }
        Ok(())
    }

    fn expire(&mut self, last: Day, removed: &mut u64) -> Result<(), IndexError> {
        self.flush()?;
        let to = MailId::from_parts(last.end().millis(), 0);
        let range = (Bound::Unbounded, Bound::Excluded(to.as_str().as_bytes()));
        *removed = self.forget(range, |row| row.at.day <= last)?;
        Ok(())
    }

    fn forget(
        &self,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        which: impl Fn(&Row) -> bool,
    ) -> Result<u64, IndexError> {
        let mut batch = self.rows.batch();
        let mut removed = 0;
        for item in self.rows.range(range) {
            let (key, row) = item?;
            if which(&row) {
                batch.remove(&key);
                removed += 1;
            }
            if batch.len() == CHUNK {
                self.rows.apply(std::mem::replace(&mut batch, self.rows.batch()))?;
            }
        }
        self.rows.apply(batch)?;
        Ok(removed)
    }
}

impl Item {
    /// What the index must know of an entry.
    pub(super) fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Judged(record) => Self::Judged(Box::new(Row::of(record))),
            Entry::Answered { id, reached, instead, .. } => {
                Self::Answered { id: *id, reached: *reached, instead: instead.clone() }
            }
            Entry::Quarantine { id, .. } => Self::Event { id: *id },
            Entry::Caught(caught) => Self::Event { id: caught.id },
            Entry::Handed(handed) => Self::Event { id: handed.id },
            Entry::Reported(report) => report.id.map_or(Self::Other, |id| Self::Event { id }),
            Entry::Admin { .. }
            | Entry::Started { .. }
            | Entry::Stopped { .. }
            | Entry::Torn { .. }
            | Entry::Gap { .. }
            | Entry::Erased { .. }
            | Entry::Erasure { .. }
            | Entry::Expired { .. } => Self::Other,
        }
    }
}
