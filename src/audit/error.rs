//! What can go wrong, in sentences.

use std::path::PathBuf;

use crate::store::StoreError;

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
    /// Its files are being read or changed by somebody else.
    #[error("a backup is being made, or something is being erased; try again when that is done")]
    Busy,
    /// A line has no room for what must stand there once it is erased.
    #[error(
        "{file} has a line at byte {offset} that cannot be erased, as it is too short; nothing was changed"
    )]
    NoRoom {
        /// The file's name.
        file: String,
        /// Where the line begins.
        offset: u64,
    },
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
            Self::Busy => "busy",
            Self::NoRoom { .. } => "no-room",
            Self::Index(_) => "index",
            Self::Damaged { .. } => "damaged",
            Self::Export(_) => "export",
        }
    }
}
