//! The admin's door: HTTP on a unix socket and on loopback TCP.
//!
//! Over TCP a route needs a token with its role; the unix socket is guarded by its permissions alone.
//! What each route needs stands in `routes`, which is the only way to make one:
//!
//! | role | what it may |
//! |---|---|
//! | none | `GET /healthz` (200 while the process runs), `GET /readyz` (200 while mail is taken; says what is degraded) |
//! | reporter | `POST /api/v1/report/{class}`, and nothing else |
//! | viewer | what shows no message: status, `/metrics`, records, quarantine entries, lists |
//! | operator | besides: reports, held messages, release, rescan, learning, list changes, `POST /api/v1/scan`, audit verify |
//! | admin | besides: deletion, reload, import, audit export, erasing, backups, tokens, the level of the log |
//!
//! **Contract.** Who may open the unix socket (its mode and group) may do everything. Over TCP a request
//! must name one of our hosts ([`host`]), and without a good token gets health and nothing else, not even
//! whether a path exists. A token stands in `Authorization: Bearer`, never in a URL. A web page changes
//! nothing (no `Origin`). No route takes a path on this machine. Bodies, heads, times and connections are
//! bounded (`gate`, `serve`). Who did what stands in the audit journal, with [`Caller::name`] as author;
//! what changes something goes on to its end although its client has gone.
//!
//! **Failures.** An error is ASCII JSON, `{"error": "…"}`, with a sentence for people. A panic in a route
//! ends that request alone. Refusals are counted, and noted in the journal within bounds (`refusal`).
//!
//! Where to find what: who asks `access`, tokens `tokens` and their routes `token_api`, the table
//! `routes`, checks before and after a route `gate`, connections `serve`, sockets `listen`.

pub mod access;
mod api;
mod backup;
mod error;
mod feeds;
mod gate;
mod health;
pub mod host;
mod list_changes;
mod listen;
mod lists;
mod log;
mod notify;
mod privacy;
mod refusal;
mod release;
mod report;
mod retro;
mod routes;
mod scan;
mod serve;
#[cfg(test)]
mod tests;
mod token_api;
pub mod tokens;

use std::sync::Arc;

pub use access::{Caller, How, Role};
pub use backup::{Places, Wanted};
pub use error::ApiError;
pub use health::Readiness;
pub use listen::{Bound, Config, Listen, ListenError};
pub use log::NewLevel;
pub use privacy::{About, EraseOrder};
pub use refusal::Refusals;
pub use report::Query as ReportQuery;
pub use retro::RetroQuery;
pub use scan::Trials;
pub use token_api::NewToken;
pub use tokens::Tokens;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use serde_json::Value;

use crate::audit::{AdminEvent, Audit, Entry, Pseudonyms, Sync as When};
use crate::feed::Feeds;
use crate::lists::Lists;
use crate::model::{MailId, text};
use crate::notify::Notifier;
use crate::pipeline::release::{ReleaseError, Releases, Rescanned};
use crate::pipeline::{Reports, Trial, budget::Share};
use crate::quarantine::Quarantine;
use crate::retro::Retro;
use crate::scan::BoxFuture;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::telemetry::log::Levels;
use crate::telemetry::spawn::supervised;
use gate::{Gate, Via};
use host::Hosts;
use serve::Listening;

/// What the admin's door asks of the daemon.
pub trait Control: Send + Sync {
    /// Whether mail is taken, and what is degraded.
    fn readiness(&self) -> Readiness;

    /// Brings the gauges up to date, before they are read.
    fn refresh(&self);

    /// The daemon at a glance.
    fn status(&self) -> Value;

    /// Reads configuration and rules again; all or nothing. A sentence about what is new.
    ///
    /// # Errors
    /// The whole report if anything is wrong; the old configuration goes on.
    fn reload(&self) -> Result<String, String>;

    /// What is written to the log, and how much more of it while somebody looks.
    fn levels(&self) -> Arc<Levels>;

    /// Where a backup finds the rest.
    fn places(&self) -> Places {
        Places::default()
    }

    /// The largest message, in bytes.
    fn message_limit(&self) -> u64;

    /// Whether a scanner reads the links of mail, so that entries of the lists for them can match.
    fn reads_links(&self) -> bool {
        true
    }

    /// Judges a raw message as the daemon judges mail now, without any effect; the JSON object of
    /// `mailward scan --json`. `share` is what it holds of the memory for mail.
    ///
    /// # Errors
    /// A sentence, where the machine cannot.
    fn scan(&self, trial: Trial, raw: Vec<u8>, share: Share) -> BoxFuture<'static, Result<Value, String>>;

    /// Judges a held message again as the daemon judges mail now: [`Releases::rescan`].
    ///
    /// # Errors
    /// As there.
    fn rescan(&self, id: MailId, by: String) -> BoxFuture<'static, Result<Rescanned, ReleaseError>>;
}

/// What the routes work on.
#[derive(Clone)]
pub struct Door {
    /// The daemon.
    pub control: Arc<dyn Control>,
    /// The record of what was judged.
    pub audit: Arc<Audit>,
    /// The database, for backups.
    pub store: Store,
    /// How people are called where they must not be named.
    pub people: Arc<Pseudonyms>,
    /// What was held.
    pub quarantine: Arc<Quarantine>,
    /// Whom the admin allows and blocks.
    pub lists: Arc<Lists>,
    /// What is known to be bad.
    pub feeds: Arc<Feeds>,
    /// What was caught afterwards.
    pub retro: Arc<Retro>,
    /// Who is told.
    pub notify: Arc<Notifier>,
    /// Held mail that is delivered after all.
    pub releases: Arc<Releases>,
    /// What users say of the mail they got.
    pub reports: Arc<Reports>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Who may come in over TCP.
    pub tokens: Arc<Tokens>,
    /// Who was not let in.
    pub refusals: Arc<Refusals>,
    /// Room for messages that are judged by request.
    pub trials: Trials,
}

impl Door {
    /// All routes behind the gate of one listener.
    fn router(self, via: Via) -> Router {
        let (router, rules) = routes::all().split();
        let metrics = Arc::clone(&self.metrics);
        let gate = Gate { door: self.clone(), rules: Arc::new(rules), via };
        // The last one is the first that a request meets.
        router
            .fallback(api::unknown)
            .method_not_allowed_fallback(api::wrong_method)
            .layer(from_fn_with_state(gate, gate::pass))
            .layer(from_fn(gate::dress))
            .layer(from_fn_with_state(metrics, health::counted))
            .with_state(self)
    }
}

/// Serves one open door until the task is aborted; its connections end with it.
///
/// # Errors
/// If the socket cannot be handed to the runtime.
pub fn serve(
    bound: Bound,
    door: Door,
    config: &Config,
) -> Result<tokio::task::JoinHandle<Option<()>>, ListenError> {
    let failed = |source| ListenError::Io { address: "the admin's door".to_owned(), source };
    let metrics = Arc::clone(&door.metrics);
    let (name, listening, via) = match bound {
        Bound::Unix(listener) => {
            let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
            ("admin-unix", Listening::Unix(listener), Via::Unix)
        }
        Bound::Tcp(listener) => {
            let hosts = Hosts::new(listener.local_addr().map_err(failed)?, config.hosts.clone());
            let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
            ("admin-tcp", Listening::Tcp(listener), Via::Tcp(Arc::new(hosts)))
        }
    };
    let router = door.router(via);
    Ok(supervised(name, &metrics, serve::attend(listening, router, Arc::clone(&metrics))))
}

/// Threads that the admin's door may hold at once. Such work cannot be stopped when its client goes away,
/// and mail needs threads of the same pool.
static THREADS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(16);
/// How long a request waits for one of them.
const WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Files and the database block: such work leaves the runtime's threads alone.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let Ok(Ok(permit)) = tokio::time::timeout(WAIT, THREADS.acquire()).await else {
        return Err(ApiError::Busy("too many requests are being worked on; try again in a while".to_owned()));
    };
    // The permit goes with the work, which goes on although nobody may wait for it any more.
    let work = move || {
        let _permit = permit;
        work()
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::Internal(format!("the daemon failed inside, see its log: {error}")))
}

/// Writes into the journal what somebody did; on return it is on disk.
async fn noted(audit: &Audit, what: AdminEvent, by: &Caller, detail: String) -> Result<(), ApiError> {
    let entry = Entry::Admin { what, by: by.name.clone(), time: audit.now(), detail };
    audit.append(entry, When::Now).await.map_err(ApiError::internal)
}

/// Writes into the journal that the configuration was read again, and by whom. A journal that cannot be
/// written does not undo it: a reload may be what repairs that.
pub async fn note_reload(audit: &Audit, by: &str, result: &Result<String, String>) {
    let (what, told) = match result {
        Ok(told) => (AdminEvent::Reloaded, told),
        Err(report) => (AdminEvent::ReloadRefused, report),
    };
    let detail = text::line(told.lines().next().unwrap_or_default(), 300);
    let entry = Entry::Admin { what, by: by.to_owned(), time: audit.now(), detail };
    if let Err(error) = audit.append(entry, When::Now).await {
        tracing::error!(%error, by, "a reload could not be noted in the audit journal");
    }
}
