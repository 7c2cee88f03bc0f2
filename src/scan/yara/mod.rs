//! YARA rules on the raw message and on each decoded part.
//!
//! **Contract.** [`Yara::start`] reads and compiles the configured rules – or those that come with
//! mailward – and starts the worker threads; it blocks. [`Scan::scan`] hands a message to them and
//! returns by the deadline whatever a rule does: what was found until then comes with the time-out.
//! [`Yara::reload`] compiles off the mail's path and puts the new set to use whole, or keeps the old
//! one whole. [`Yara::watch`] does so when the folders change. `rules/README.md` says what rules can
//! ask for and how their `meta` becomes a finding.
//!
//! **Failures.**
//!
//! | what | at start | at reload | a message then |
//! |---|---|---|---|
//! | folder missing, unreadable or writable by the service user | refused | old set stays, health says so | as before |
//! | rule file broken | left out, health says so | old set stays, health says so | `ok(degraded)` / `found(degraded)`; as before |
//! | not one rule left | started without, health says so | old set stays, health says so | `failed(no-rules)`; as before |
//! | rule too slow for a message | | | `timeout`; the worker is replaced, up to four times the slots |
//! | rule file to blame for three time-outs | | | suspended until it is changed: `…(degraded)` |
//! | every thread stuck | | | `failed(busy)` at once |
//! | panic while scanning | | | `failed(panic)`; the worker goes on with a new scanner |
//! | message over `max_size` | | | `skipped(too-large)` |
//!
//! Where to find what: rule files `source`, who may not write them `trust`, compiling `compile`,
//! `meta` `meta`, what is in use `library`, threads `pool`, one message `job` and `look`, who
//! was slow `blame`.

mod blame;
mod bundled;
mod compile;
mod config;
mod error;
mod job;
mod library;
mod look;
#[cfg(test)]
mod malformed;
mod meta;
mod nesting;
mod pool;
mod scope;
mod source;
mod trust;
mod watch;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use bundled::bundled_names;
pub use config::Config;
pub use error::{BrokenFile, YaraError};
pub use library::Loaded;

use self::blame::{Case, Cases};
use self::job::{End, Entry, Job};
use self::library::Library;
use self::pool::Pool;
use self::source::Source;
use self::trust::Trust;
use super::weight::Weight;
use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::model::{Outcome, Scanner, Skip};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// The YARA scanner.
pub struct Yara {
    inner: Arc<Inner>,
}

/// What the scanner, its workers' keeper and the watcher share.
struct Inner {
    config: Config,
    metrics: Arc<Metrics>,
    pool: Arc<Pool>,
    library: Mutex<Library>,
    cases: Cases,
}

/// Everything that is wrong with the configured rules, each file by itself: for `check-config`. Blocks.
#[must_use]
pub fn check(config: &Config) -> Vec<YaraError> {
    if config.enabled { library::check(config, Trust::of_process()) } else { Vec::new() }
}

/// What each configured rule weighs, by name; files that are broken are left out. Blocks.
///
/// # Errors
/// If a folder cannot be read or may not be, or if nothing can be built.
pub fn weights(config: &Config) -> Result<Vec<Weight>, YaraError> {
    library::weights(config, Trust::of_process())
}

impl Yara {
    /// Loads the rules and starts the workers. Blocks while it compiles.
    ///
    /// # Errors
    /// If a configured folder is missing, unreadable or refused, if nothing can be built, or if no
    /// thread can be started. A broken rule file is no error here: it is left out and [`Scan::health`]
    /// says so.
    pub fn start(config: &Config, metrics: Arc<Metrics>) -> Result<Arc<Self>, YaraError> {
        Self::start_as(config, metrics, Trust::of_process())
    }

    fn start_as(config: &Config, metrics: Arc<Metrics>, trust: Trust) -> Result<Arc<Self>, YaraError> {
        if let Some(fault) = config.faults().into_iter().next() {
            return Err(YaraError::Setting(fault));
        }
        let mut library = Library::new(config, trust);
        let set = library.load()?;
        library.count(&set, &metrics);
        log_loaded(&library.loaded(&set));
        let pool = Pool::start(set, config.slots(), config.max_matches, Arc::clone(&metrics))
            .map_err(YaraError::Threads)?;
        let (library, cases) = (Mutex::new(library), Cases::default());
        let inner = Arc::new(Inner { config: config.clone(), metrics, pool, library, cases });
        Ok(Arc::new(Self { inner }))
    }

    /// Reads and compiles the rules anew and puts them to use. Blocks: not for a runtime's worker.
    ///
    /// # Errors
    /// If anything is wrong with any of them; then the set in use stays, whole.
    pub fn reload(&self) -> Result<Loaded, YaraError> {
        Self::load_anew(&self.inner)
    }

    fn load_anew(inner: &Inner) -> Result<Loaded, YaraError> {
        let mut library = inner.library();
        let result = library.reload();
        let label = if result.is_ok() { "ok" } else { "failed" };
        inner.metrics.yara_reloads.with_label_values(&[label]).inc();
        match result {
            Ok(set) => {
                library.count(&set, &inner.metrics);
                let loaded = library.loaded(&set);
                inner.pool.swap(set);
                log_loaded(&loaded);
                Ok(loaded)
            }
            Err(error) => {
                tracing::error!(kind = error.label(), "YARA rules not loaded, those in use stay: {error}");
                Err(error)
            }
        }
    }

    /// What is in use now.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        self.inner.library().loaded(&self.inner.pool.set())
    }

    /// Loads the rules anew whenever the configured folders change, until this scanner is dropped.
    /// Needs a runtime. With bundled rules alone it ends at once.
    pub fn watch(&self) -> JoinHandle<Option<()>> {
        self.watch_every(None)
    }

    fn watch_every(&self, every: Option<Duration>) -> JoinHandle<Option<()>> {
        let inner = Arc::downgrade(&self.inner);
        let nothing = self.inner.config.rules.is_empty();
        supervised("yara-watch", &self.inner.metrics, async move {
            if !nothing {
                watch::run(inner, every).await;
            }
        })
    }

    async fn look(&self, input: Arc<ScanInput>, deadline: Instant) -> Report {
        let began = Instant::now();
        let config = &self.inner.config;
        let set = self.inner.pool.set();
        if set.count == 0 {
            // Nothing found by no rule is not clean.
            let why = set.missing.as_deref().unwrap_or("no YARA rule is in use");
            return Report::new(Outcome::failed("no-rules", why));
        }
        drop(set);
        if input.message.raw().len() as u64 > config.max_size.0 {
            return Report::new(Outcome::Skipped(Skip::TooLarge));
        }
        let deadline = deadline.min(began + config.timeout.duration());
        let given = deadline.saturating_duration_since(began);
        let job = Arc::new(Job::new(input, began, deadline));
        let (reply, answer) = oneshot::channel();
        if let Err(busy) = self.inner.pool.push(Entry { job: Arc::clone(&job), reply }) {
            let detail = format!("{} YARA threads are stuck, {} messages wait", busy.stuck, busy.waiting);
            return Report::new(Outcome::failed("busy", detail));
        }
        let mut waiting = Waiting { inner: &self.inner, job: &job, is_over: false };
        let end = match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(end)) => end,
            Ok(Err(_)) => End::Failed("stopped", "the YARA workers have ended".to_owned()),
            Err(_) => End::TimedOut,
        };
        waiting.is_over = end != End::TimedOut;
        drop(waiting);
        let findings = job.findings();
        let outcome = match end {
            End::Done { missing: None } => Outcome::of(&findings),
            End::Done { missing: Some(missing) } => {
                Outcome::Partial { found: !findings.is_empty(), missing: missing.to_string() }
            }
            End::TimedOut => Outcome::TimedOut(given),
            End::Failed(label, detail) => Outcome::failed(label, detail),
        };
        Report { findings, ..Report::new(outcome) }
    }
}

impl Drop for Yara {
    fn drop(&mut self) {
        self.inner.pool.close();
    }
}

impl std::fmt::Debug for Yara {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Yara({:?})", self.inner.pool.set())
    }
}

impl Scan for Yara {
    fn scanner(&self) -> Scanner {
        Scanner::Yara
    }

    fn scan(&self, input: Arc<ScanInput>, deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(self.look(input, deadline))
    }

    fn version(&self) -> String {
        self.inner.pool.set().fingerprint.clone()
    }

    fn health(&self) -> Health {
        let mut reasons = Vec::new();
        let (stuck, live) = self.inner.pool.crew();
        if stuck == live {
            reasons.push(format!("all {live} YARA threads are stuck in slow rules"));
        }
        if let Some(missing) = &self.inner.pool.set().missing {
            reasons.push(missing.to_string());
        }
        // Not while a set is being compiled: health must answer at once.
        if let Ok(library) = self.inner.library.try_lock() {
            reasons.extend(library.stale().cloned());
        }
        if reasons.is_empty() { Health::Up } else { Health::Degraded(reasons.join("; ")) }
    }
}

impl Inner {
    fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message's time is over: its worker, if it has one, is stuck; whose rule is it?
    fn overdue(self: &Arc<Self>, job: &Arc<Job>) {
        let (buffer, spent) = job.at();
        let given = job.deadline.saturating_duration_since(job.began);
        self.pool.overdue(job);
        // A message that waited for others most of its time says nothing about its own rules, nor does
        // one that had hardly any.
        if spent >= (given / 2).max(LEAST_SPENT) {
            self.cases.open(Case { input: Arc::clone(&job.input), buffer, given }, self);
        }
    }

    /// A rule file was found to have taken too long.
    fn timed_out(&self, source: &Arc<Source>) {
        let mut library = self.library();
        match library.timed_out(source) {
            None => {}
            Some(Ok(set)) => {
                library.count(&set, &self.metrics);
                self.pool.swap(set);
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the rules without the suspended file could not be built");
            }
        }
    }
}

/// A rule that was given less than this is not looked into.
const LEAST_SPENT: Duration = Duration::from_millis(100);

/// Held while a caller waits. Whoever stops waiting, in whatever way, leaves nothing behind.
struct Waiting<'a> {
    inner: &'a Arc<Inner>,
    job: &'a Arc<Job>,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over || self.inner.pool.withdraw(self.job) {
            return;
        }
        if self.job.deadline <= Instant::now() {
            self.inner.overdue(self.job);
        } else if tokio::runtime::Handle::try_current().is_ok() {
            // The caller went away early. The worker goes on to its deadline and is stuck only then.
            let (inner, job) = (Arc::clone(self.inner), Arc::clone(self.job));
            supervised("yara-overdue", &self.inner.metrics, async move {
                tokio::time::sleep_until(job.deadline.into()).await;
                inner.overdue(&job);
            });
        }
    }
}

fn log_loaded(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if loaded.rules == 0 {
        tracing::warn!(
            broken = loaded.broken.len(),
            suspended = loaded.suspended.len(),
            "no YARA rule is in use: every message counts as not looked at (scanner.yara.on_failure)"
        );
    }
    tracing::info!(
        rules = loaded.rules,
        files = loaded.files,
        broken = loaded.broken.len(),
        suspended = loaded.suspended.len(),
        "YARA rules loaded"
    );
}
