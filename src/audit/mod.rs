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
//! disk, and `anchor`, the last line of the last day that retention removed. `*.torn` holds what a
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

use crate::model::{ByteSize, MailId, Span, Timestamp};
use crate::store::{Store, StoreError};
use crate::telemetry::{Clock, Metrics};

mod caught;
mod entry;
mod events;
mod expire;
mod export;
mod feed;
mod files;
mod fit;
mod index;
mod journal;
mod line;
mod lookup;
mod opening;
mod pseudonym;
mod query;
mod reader;
mod record;
mod row;
mod standing;
mod sync;
mod verify;
mod witness;

#[cfg(test)]
mod tests;

pub use caught::{Caught, CaughtBy};
pub use entry::{AdminEvent, Entry, QuarantineEvent};
pub use events::{EventQuery, Events};
pub use expire::Expiry;
pub use export::Format;
pub use files::{Day, Position};
pub use line::LineHash;
pub use lookup::Explained;
pub use pseudonym::{KeyError, Pseudonyms};
pub use query::{Listing, Query};
pub use reader::{Damaged, Raw, Read, ReadError, Reader};
pub use record::{AddedHeader, MessageFacts, PlanSummary, Record, SharedVerdict, Stage};
pub use row::Row;
pub use standing::Standing;
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
    /// The oldest days are removed while the journal is larger than this. A record takes about 2kB; its
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

const HEAD: &str = "head";
const ANCHOR: &str = "anchor";
/// How long a reader waits for the index.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can go wrong with the audit journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The directory could not be worked with.
    #[error("the audit journal {}: {action} failed: {source}", dir.display())]
    Directory {
        /// Where.
        dir: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A record could not be written; nothing of it is there.
    #[error("the audit journal {} could not be written: {source}; no mail is accepted until it can", path.display())]
    Append {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was written could not be forced to disk.
    #[error("the audit journal could not be forced to disk: {0}; no mail is accepted until it can")]
    Sync(String),
    /// An entry could not be turned into JSON.
    #[error("an audit record could not be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// An entry is longer than a line may be.
    #[error("an audit record would take {0} bytes, more than a line of the journal may have")]
    TooLong(usize),
    /// The daemon is stopping.
    #[error("the audit journal is closed")]
    Stopped,
    /// The index could not be read.
    #[error("the audit index: {0}")]
    Index(#[source] StoreError),
    /// A line of the journal is not what was written.
    #[error("{file} has a damaged line at byte {offset}: {what}; run `mailward audit verify`")]
    Damaged {
        /// The file's name.
        file: String,
        /// Where the line begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// What was asked for could not be written out.
    #[error("the export could not be written: {0}")]
    Export(#[source] std::io::Error),
}

impl AuditError {
    /// A bounded word for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "directory",
            Self::Append { .. } => "append",
            Self::Sync(_) => "sync",
            Self::Encode(_) => "encode",
            Self::TooLong(_) => "too-long",
            Self::Stopped => "stopped",
            Self::Index(_) => "index",
            Self::Damaged { .. } => "damaged",
            Self::Export(_) => "export",
        }
    }
}

/// The audit journal with its index. Dropping it writes, syncs and indexes what is waiting.
pub struct Audit {
    dir: PathBuf,
    config: Config,
    clock: Clock,
    pseudonyms: Option<Arc<Pseudonyms>>,
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
        let (journal, notes) = Journal::open(&dir, config, &clock, metrics, &feed)?;
        let index = Index::start(store, &dir, journal.written_end(), &feed, metrics)?;
        let started = Entry::Started { version: env!("CARGO_PKG_VERSION").to_owned(), time: clock.now() };
        journal.append(Pending::new(started, Item::Other)?, false)?;
        let audit = Self { dir, config: config.clone(), clock, pseudonyms, journal, index };
        Ok((Arc::new(audit), notes))
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
        if let (Entry::Caught(caught), Some(pseudonyms)) = (&mut entry, &self.pseudonyms) {
            caught.what = pseudonyms.text(&caught.what);
            caught.says = pseudonyms.text(&caught.says);
            for finding in &mut caught.findings {
                finding.text = pseudonyms.text(&finding.text);
            }
        }
        let item = Item::of(&entry);
        Pending::new(entry, item)
    }

    /// Records whether the answer for a message reached the MTA. Never waits, never fails.
    pub fn note_answered(&self, id: MailId, reached: bool) {
        let entry = Entry::Answered { id, reached, time: self.clock.now() };
        match self.prepare(entry) {
            Ok(pending) => self.journal.append_lazily(pending),
            Err(error) => tracing::error!(%error, "an answer could not be noted"),
        }
    }

    /// Follows the chain through all that was written so far. Blocks; reads all files.
    ///
    /// # Errors
    /// If a file cannot be read. What is wrong in the files is in the report.
    pub fn verify(&self) -> Result<VerifyReport, AuditError> {
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
