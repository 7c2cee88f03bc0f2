//! The audit journal: why each message was judged as it was, kept so that nobody can change it unseen.
//!
//! # The journal on disk
//!
//! `<state_dir>/audit/YYYY-MM-DD.log`, one file a day (UTC), one line an [`Entry`]:
//!
//! ```text
//! LENGTH CRC32 SHA256-OF-THE-LINE-BEFORE JSON
//! ```
//!
//! length of the JSON in 8 hex digits, CRC-32 of what follows it in 8, the hash of the whole line
//! before (line break included) in 64, the entry as JSON in printable ASCII. The first line of a file
//! links to the last one of the file before; the very first to 64 zeros. So `sed -n 7p FILE |
//! sha256sum` prints what line 8 says. Beside the files stand `head`, the last line known to be on
//! disk, `erasing` while records are erased on request ([`Audit::erase`]), and `anchor`, the last line of the last day that retention removed. `*.torn` holds what a
//! crash left behind the last whole line. No body text is ever in any of them.
//!
//! The chain shows changes by accident, and by people who do not compute it anew from there on. Who may
//! write the files may do that; the hash of the last line is therefore logged each time a file is begun
//! and by `verify`: kept on another machine, it shows that too.
//!
//! # Contract
//!
//! * [`Audit::append`] returns when the entry is in the kernel's hands and so survives the end of this
//!   process, `kill -9` included; with [`Sync::Now`] (or `sync = "always"`) when it is on disk. Otherwise
//!   it is on disk within a second.
//! * The `write(2)` runs on the calling thread, under a lock: a few kB into the page cache, some tens of
//!   microseconds, shorter than a change of threads. Syncs run on a thread of their own, one for many.
//! * [`Audit::note_answered`] never fails and never waits. Its entry goes out with the next append or
//!   within a second; a crash before that leaves "not known".
//! * The index is fed behind the answer and can be made again from the journal.
//! * `find`, `list`, `export`, `verify`, `expire` block: from async code call them on the blocking pool.
//! * With pseudonyms set, every record is pseudonymised here; nobody else has to think of it.
//!
//! # Failures
//!
//! An append that fails left nothing behind; its message must be tempfailed. After a failed sync every
//! append fails until a sync succeeds, which is tried each second with the unsynced lines written once
//! more. `mailward_audit_errors_total{operation}` counts `append`, `sync` and `index`. A torn end is
//! moved aside at start; what is missing or changed is written into the journal as a gap, which
//! [`verify_dir`] reports ever after. Trouble with the index shows in listings, never at the answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, MailId, Span, Timestamp, text};
use crate::store::Store;
use crate::telemetry::{Clock, Metrics};

mod caught;
mod entry;
mod erase;
mod erasing;
mod error;
mod events;
mod expire;
mod export;
mod feed;
mod files;
mod fit;
mod handed;
mod index;
mod journal;
mod line;
mod lookup;
mod opening;
mod pseudonym;
mod query;
mod reader;
mod record;
mod reported;
mod row;
mod segment;
mod snapshot;
mod standing;
mod subject;
mod sync;
mod verify;
mod witness;

#[cfg(test)]
mod tests;

pub use caught::{Caught, CaughtBy};
pub use entry::{AdminEvent, Entry, ErasedDay, QuarantineEvent};
pub use erase::Erased;
pub use error::AuditError;
pub use events::{EventQuery, Events};
pub use expire::Expiry;
pub use export::{Format, csv_header, csv_row};
pub use files::{Day, Position};
pub use handed::{Handed, HandedTo};
pub use line::LineHash;
pub use lookup::Explained;
pub use pseudonym::{KeyError, Pseudonyms};
pub use query::{Listing, Query};
pub use reader::{Damaged, Raw, Read, ReadError, Reader};
pub use record::{AddedHeader, MessageFacts, PlanSummary, Record, SharedVerdict, Stage};
pub use reported::{ReportKind, Reported};
pub use row::Row;
pub use snapshot::{Snapshot, SnapshotFile};
pub use standing::Standing;
pub use subject::Subject;
pub use verify::{Problem, VerifyReport, verify_dir};

use feed::{Feed, Item};
use index::Index;
use journal::{Journal, Pending};

/// `[audit]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// When a record is forced to disk. `grouped`: before the answer for mail that was refused or
    /// diverted, within a second for the rest. `always`: before every answer.
    pub sync: SyncMode,
    /// Days older than this are removed.
    pub retention: Span,
    /// The oldest days are removed while the journal is larger than this. A record takes 2kB to 5kB; its
    /// row in the database about half as much again.
    pub max_size: ByteSize,
}

/// When a record is forced to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    /// As each append asks for.
    #[default]
    Grouped,
    /// Before every answer.
    Always,
}

impl Default for Config {
    fn default() -> Self {
        Self { sync: SyncMode::Grouped, retention: Span::days(90), max_size: ByteSize(4 << 30) }
    }
}

/// When an entry must be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before [`Audit::append`] returns: somebody will be told of it.
    Now,
    /// Within a second.
    Soon,
}

/// The most characters of an answer that is kept.
const MAX_ANSWER: usize = 500;
const HEAD: &str = "head";
const ANCHOR: &str = "anchor";
/// How long a reader waits for the index.
const PATIENCE: Duration = Duration::from_secs(2);

/// The audit journal with its index. Dropping it writes, syncs and indexes what is waiting.
pub struct Audit {
    dir: PathBuf,
    config: Config,
    clock: Clock,
    pseudonyms: Option<Arc<Pseudonyms>>,
    /// Read by who must find all files as they are; written by who removes or changes any.
    files: std::sync::RwLock<()>,
    /// Dropped first: what it still writes goes to the index.
    journal: Journal,
    index: Index,
}

impl Audit {
    /// Opens the journal in `<state_dir>/audit`, or makes it. The index is brought up to date behind
    /// the caller's back. The notes are sentences for the log, at level warn.
    ///
    /// # Errors
    /// If the directory cannot be read or written, or the store cannot be used.
    pub fn open(
        config: &Config,
        state_dir: &Path,
        store: &Store,
        clock: Clock,
        metrics: &Arc<Metrics>,
        pseudonyms: Option<Arc<Pseudonyms>>,
    ) -> Result<(Arc<Self>, Vec<String>), AuditError> {
        let dir = state_dir.join("audit");
        let feed = Arc::new(Feed::default());
        let unfinished = erasing::resume(&dir).map_err(|source| AuditError::Directory {
            dir: dir.clone(),
            action: "finishing an erasure that was cut short",
            source,
        })?;
        let (journal, mut notes) = Journal::open(&dir, config, &clock, metrics, &feed)?;
        let index = Index::start(store, &dir, journal.written_end(), &feed, metrics)?;
        let started = Entry::Started { version: env!("CARGO_PKG_VERSION").to_owned(), time: clock.now() };
        journal.append(Pending::new(started, Item::Other)?, false)?;
        let files = std::sync::RwLock::default();
        let audit = Self { dir, config: config.clone(), clock, pseudonyms, files, journal, index };
        if let Some(unfinished) = unfinished {
            audit.finish(unfinished)?;
            notes.push("an erasure that was cut short is finished now".to_owned());
        }
        Ok((Arc::new(audit), notes))
    }

    /// When the last day began that the journal in `<state_dir>/audit` has a file of; `None`: there is none.
    #[must_use]
    pub fn last_day(state_dir: &Path) -> Option<Timestamp> {
        files::days(&state_dir.join("audit")).ok()?.last().map(|day| day.previous().end())
    }

    /// Appends an entry. Too long records are cut, and say so; with pseudonyms set, people are hidden.
    ///
    /// # Errors
    /// If it could not be written, or not synced where that was asked for. The caller must then not
    /// accept the message. After a failed sync the entry may be in the journal all the same; a missing
    /// `answered` then tells that its message was not accepted.
    pub async fn append(&self, entry: Entry, sync: Sync) -> Result<(), AuditError> {
        match self.journal.append(self.prepare(entry)?, sync == Sync::Now)? {
            Some(ticket) => ticket.wait().await,
            None => Ok(()),
        }
    }

    /// Text as the journal would have it: with pseudonyms set, people are hidden.
    #[must_use]
    pub fn hidden(&self, text: &str) -> String {
        self.pseudonyms.as_ref().map_or_else(|| text.to_owned(), |pseudonyms| pseudonyms.text(text))
    }

    /// Appends an entry, on disk on return, where there is no runtime. Blocks.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn note(&self, entry: Entry) -> Result<(), AuditError> {
        self.journal.append(self.prepare(entry)?, false)?;
        self.journal.sync()
    }

    fn prepare(&self, mut entry: Entry) -> Result<Pending, AuditError> {
        if let Entry::Judged(record) = &mut entry {
            record.fit(&fit::USUAL);
            if let Some(pseudonyms) = &self.pseudonyms {
                pseudonyms.record(record);
            }
        }
        if let (Entry::Quarantine { detail, .. }, Some(pseudonyms)) = (&mut entry, &self.pseudonyms) {
            *detail = pseudonyms.text(detail);
        }
        if let (Entry::Answered { instead: Some(said), .. }, Some(pseudonyms)) =
            (&mut entry, &self.pseudonyms)
        {
            *said = pseudonyms.text(said);
        }
        if let (Entry::Handed(handed), Some(pseudonyms)) = (&mut entry, &self.pseudonyms) {
            for one in &mut handed.each {
                one.to = pseudonyms.address(&one.to);
                one.said = pseudonyms.text(&one.said);
            }
        }
        if let (Entry::Caught(caught), Some(pseudonyms)) = (&mut entry, &self.pseudonyms) {
            caught.what = pseudonyms.text(&caught.what);
            caught.says = pseudonyms.text(&caught.says);
            for finding in &mut caught.findings {
                finding.text = pseudonyms.text(&finding.text);
            }
        }
        if let (Entry::Reported(report), Some(pseudonyms)) = (&mut entry, &self.pseudonyms) {
            report.hide(pseudonyms);
        }
        let item = Item::of(&entry);
        Pending::new(entry, item)
    }

    /// Records whether the answer for a message reached the MTA. Never waits, never fails.
    pub fn note_answered(&self, id: MailId, reached: bool) {
        self.note_answer(id, reached, None);
    }

    /// The same where nobody has the message that was to be delivered, and `instead` was answered. Never waits, never
    /// fails.
    pub fn note_undelivered(&self, id: MailId, reached: bool, instead: &str) {
        self.note_answer(id, reached, Some(text::line(instead, MAX_ANSWER)));
    }

    fn note_answer(&self, id: MailId, reached: bool, instead: Option<String>) {
        let entry = Entry::Answered { id, reached, instead, time: self.clock.now() };
        match self.prepare(entry) {
            Ok(pending) => self.journal.append_lazily(pending),
            Err(error) => tracing::error!(%error, "an answer could not be noted"),
        }
    }

    /// Records what the next server said of a message. Never waits, never fails.
    pub fn note_handed(&self, handed: Handed) {
        match self.prepare(Entry::Handed(Box::new(handed))) {
            Ok(pending) => self.journal.append_lazily(pending),
            Err(error) => tracing::error!(%error, "what the next server said could not be noted"),
        }
    }

    /// Follows the chain through all that was written so far. Blocks; reads all files.
    ///
    /// # Errors
    /// If a file cannot be read. What is wrong in the files is in the report.
    pub fn verify(&self) -> Result<VerifyReport, AuditError> {
        let _files = self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let end = self.journal.end()?;
        verify::verify(&self.dir, end).map_err(|source| AuditError::Directory {
            dir: self.dir.clone(),
            action: "verifying it",
            source,
        })
    }

    /// Forces all that was written to disk. Blocks.
    ///
    /// # Errors
    /// If that failed.
    pub fn flush(&self) -> Result<(), AuditError> {
        self.journal.sync()
    }

    /// The hash of the last line: kept elsewhere, it shows later that nothing before it was changed.
    #[must_use]
    pub fn head(&self) -> LineHash {
        self.journal.last_hash()
    }

    /// The time by the audit's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let stopped = Entry::Stopped { time: self.clock.now() };
        let appended = Pending::new(stopped, Item::Other).and_then(|p| self.journal.append(p, false));
        if let Err(error) = appended {
            tracing::error!(%error, "the end could not be written into the audit journal");
        }
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("dir", &self.dir).finish_non_exhaustive()
    }
}
