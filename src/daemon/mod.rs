//! The daemon: start order, reload, signals, drain, and what it does every hour.
//!
//! **Contract.** [`serve`] runs until SIGTERM or SIGINT. It takes mail only when everything that a
//! promise rests on is open: keys, database, audit journal, quarantine. SIGHUP (or `mailward reload`)
//! reads configuration and rules again, all or nothing; connections that exist keep what they began
//! with. On SIGTERM no new message is begun and those in work are finished, within `limits.drain`.
//!
//! **Failures.** What keeps it from starting is a [`DaemonError`]. What fails later degrades: `/readyz`
//! says what, a log line and a metric too.

mod assemble;
mod control;
mod glance;
mod keys;
mod neighbours;
mod notify;
mod recent;
mod run;
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
    /// The milter's sockets.
    #[error(transparent)]
    Milter(#[from] crate::intake::milter::BindError),
    /// The admin's sockets.
    #[error(transparent)]
    Admin(#[from] crate::admin::ListenError),
    /// Signals.
    #[error("signals cannot be waited for: {0}")]
    Signals(std::io::Error),
}
