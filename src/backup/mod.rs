//! Backups: one tar file with all that a new host needs, made while mail flows, and put in place again.
//!
//! `mailward-backup/manifest.json` comes first: what is inside, of when, by which version. Then the members, and last
//! `SHA256SUMS`, as sha256sum(1) reads it: a file without it, or with a member that it does not know, was cut or
//! changed. Any tar opens it.
//!
//! | member | what |
//! |---|---|
//! | `db/TREE.jsonl` | lists, their changes, tokens (hashes), what was caught, failures that are counted |
//! | `config/…` | the configuration and its file of rules, for the admin; `restore` leaves them alone |
//! | `audit/…` | the journal with its witnesses; the index is made again from it |
//! | `retro/…` | links of accepted mail, to be looked up again |
//! | `keys/…` | on request: what release tokens, pseudonyms and the keys of held mail are made with |
//! | `quarantine/…` | on request: held mail and what is known of it |
//!
//! **Contract.** [`Source::write`] gives lists and journal as they were at one moment; it holds changes of the lists
//! back while it copies them to disk, and mail never. Memory is bounded. [`check`] reads a file to its end. [`restore`]
//! works without a daemon, and with the rights of the owner of state_dir: it checks the file first, unpacks beside, and then puts each part in place by renaming; what
//! was there is kept under another name. [`daily`] keeps small exports without journal and mail, from which [`refill`]
//! takes what a damaged database lost.
//!
//! **Failures.** [`BackupError`]: nothing half-made is left under the name that was asked for.
//!
//! Where to find what: the form `manifest`, writing `archive`, reading `reader`, what goes in `make`, held mail `held`,
//! whose rights are used `owner`.

mod archive;
mod config;
pub mod daily;
mod held;
mod make;
mod manifest;
mod owner;
mod place;
mod reader;
pub mod refill;
pub mod restore;
#[cfg(test)]
mod tests;
mod unpack;

use std::io;
use std::path::PathBuf;

pub use config::Config;
pub use make::{Choice, Source};
pub use manifest::{Facts, Manifest, Part};
pub use place::Unnamed;
pub use reader::{Checked, check};

/// How mailward is stopped for longer: its milter's socket would start it again with the next mail.
pub const STOP: &str = "systemctl stop mailward-milter.socket mailward.service";

/// Why a backup could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file or folder.
    #[error("{}: {action} failed: {source}{}", path.display(), advice(path, source))]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// What is written to.
    #[error("the backup could not be written: {0}")]
    Write(#[source] io::Error),
    /// The file is no backup, or not a whole one.
    #[error("{} {what}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// It was made by a later version.
    #[error(
        "{} was made by mailward {version}, and this is {}; install that version or a later one",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// By which version.
        version: String,
    },
    /// It does not hold what is asked for.
    #[error("{} holds no {part}", path.display())]
    Lacks {
        /// Which file.
        path: PathBuf,
        /// What it does not hold.
        part: Part,
    },
    /// A daemon works on this state.
    #[error("mailward runs on {}; stop it first ({STOP}); nothing was changed", .0.display())]
    Running(PathBuf),
    /// Where a folder should be is something else.
    #[error(
        "{} is no folder; look who put it there, and move it away; nothing was changed",
        .0.display()
    )]
    NoFolder(PathBuf),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// Its records.
    #[error("the records of the database: {0}")]
    Dump(#[from] crate::store::DumpError),
    /// The journal.
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
}

/// What is often the cause.
fn advice(path: &std::path::Path, source: &io::Error) -> String {
    if source.kind() != io::ErrorKind::ReadOnlyFilesystem {
        return String::new();
    }
    let folder = if path.extension().is_some() { path.parent().unwrap_or(path) } else { path };
    format!(
        "; it is mounted read-only, or the unit does not allow it: systemctl edit mailward, [Service] ReadWritePaths={}",
        folder.display()
    )
}

/// An error of a file, with its name.
fn at<'p>(path: &'p std::path::Path, action: &'static str) -> impl Fn(io::Error) -> BackupError + use<'p> {
    move |source| BackupError::Io { path: path.to_owned(), action, source }
}
