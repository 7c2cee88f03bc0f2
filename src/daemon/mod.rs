//! The daemon: start order, reload, signals, drain, and what it does every hour.
//!
//! **Contract.** [`serve`] runs until SIGTERM or SIGINT. It takes mail only when everything that a
//! promise rests on is open: keys, database, audit journal, quarantine. SIGHUP (or `mailward reload`)
//! reads configuration and rules again, all or nothing; connections that exist keep what they began
//! with. On SIGTERM no new connection is taken and messages in work are finished, within `limits.drain`; where systemd
//! keeps the milter's sockets open, sessions that exist may still begin messages for some seconds, because the others
//! wait in the queue of the socket and none is refused.
//!
//! **Failures.** What keeps it from starting is a [`DaemonError`]. What fails later degrades: `/readyz`
//! says what, a log line and a metric too.

mod activation;
mod adopt;
mod assemble;
mod control;
mod exports;
mod files;
mod gauges;
mod glance;
mod keys;
mod neighbours;
mod notify;
mod private_tmp;
mod recent;
mod recovery;
mod run;
mod sockets;
mod starting;
mod state;
mod trouble;
mod upkeep;

pub use assemble::{offline_engine, offline_feeds, offline_terms};
pub use keys::KeyError;
pub use run::serve;

use std::path::PathBuf;

/// What keeps the daemon from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// Logging.
    #[error("{0}")]
    Log(String),
    /// The state directory.
    #[error(
        "the state directory {path} cannot be made or used: {source}; is mailward started as its own user, with StateDirectory=mailward?"
    )]
    State {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that would not last.
    #[error(
        "`{key}` is {}, and the unit gives mailward a /tmp of its own that is emptied when it ends (PrivateTmp=yes): \
         mail that is held there would be lost; choose a path outside /tmp and /var/tmp",
        .folder.display()
    )]
    Passing {
        /// Which key.
        key: &'static str,
        /// Which folder.
        folder: PathBuf,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The audit journal.
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
    /// The lists.
    #[error(transparent)]
    Lists(#[from] crate::lists::ListsError),
    /// The folder of the feeds' copies.
    #[error(transparent)]
    Feeds(#[from] crate::feed::CopyError),
    /// The quarantine.
    #[error(transparent)]
    Quarantine(#[from] crate::quarantine::QuarantineError),
    /// YARA.
    #[error(transparent)]
    Yara(#[from] crate::scan::yara::YaraError),
    /// rspamd's addresses.
    #[error(transparent)]
    Rspamd(#[from] crate::scan::rspamd::RspamdError),
    /// Nobody can be asked about links.
    #[error(transparent)]
    Asks(#[from] crate::scan::url::asks::SetupError),
    /// A password that stands elsewhere.
    #[error(transparent)]
    Secret(#[from] crate::config::SecretError),
    /// The policy.
    #[error("{0}")]
    Policy(String),
    /// The sockets on which mail comes in.
    #[error(transparent)]
    Intake(#[from] crate::intake::BindError),
    /// The admin's sockets.
    #[error(transparent)]
    Admin(#[from] crate::admin::ListenError),
    /// What a damaged database lost could not be put back.
    #[error("the database was damaged and could not be filled again: {0}")]
    Refill(#[from] crate::backup::BackupError),
    /// A socket from systemd.
    #[error("the socket {address} that systemd hands over cannot be used: {source}; look at its socket unit")]
    Inherited {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Signals.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
}
