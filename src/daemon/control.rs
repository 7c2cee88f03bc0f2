//! What the admin's door and signals can ask of the running daemon.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::glance::{self, Reload, Seen};
use super::neighbours::Neighbours;
use super::recent::Recent;
use super::{assemble, notify, trouble};
use crate::admin::{Control, Readiness};
use crate::config::{Config, Loaded};
use crate::feed::Feeds;
use crate::intake::milter::Snapshot;
use crate::model::{MailId, Scanner, Timestamp};
use crate::notify::Alarms;
use crate::pipeline::budget::Share;
use crate::pipeline::release::{ReleaseError, Rescanned};
use crate::pipeline::{Budget, Engine, Process, Shared, Terms, Trial, changed};
use crate::policy::DRY_RUN_IS_ON;
use crate::scan::url::Known;
use crate::scan::yara::Yara;
use crate::scan::{BoxFuture, Health};

/// What the effects may take after a message's deadline before its judge is taken for hung.
const GRACE: Duration = Duration::from_secs(10);

/// The running daemon.
pub(super) struct Daemon {
    /// The file that the configuration is read from; `None`: the default place.
    path: Option<PathBuf>,
    shared: Arc<Shared>,
    budget: Arc<Budget>,
    yara: Option<Arc<Yara>>,
    feeds: Arc<Feeds>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    /// What holds now; locked for a moment only, because health asks for it.
    now: Mutex<Now>,
    /// Keeps two reloads from happening at once.
    reloading: Mutex<()>,
    taking: AtomicBool,
    recent: Recent,
    /// What of its state was told.
    alarms: Mutex<Alarms>,
    started: Timestamp,
}

struct Now {
    /// What the parts that need a restart run with.
    at_start: Config,
    config: Config,
    process: Arc<Process>,
    /// The file that it was read from; `None`: there was none.
    file: Option<PathBuf>,
    /// Scanners that a reload keeps.
    neighbours: Neighbours,
    /// Why the last attempt to read the configuration was refused.
    refused: Option<String>,
    /// The last attempt.
    reload: Option<Reload>,
}

impl Daemon {
    /// `path` is where a reload reads the configuration, `file` where this one was read.
    pub(super) fn new(
        (path, file): (Option<PathBuf>, Option<PathBuf>),
        config: Config,
        shared: Arc<Shared>,
        yara: Option<Arc<Yara>>,
        neighbours: Neighbours,
        engine: Engine,
        feeds: Arc<Feeds>,
    ) -> Self {
        let process = Arc::new(Process::new(engine, Arc::clone(&shared)));
        let snapshots = Arc::new(ArcSwap::from_pointee(snapshot(&config, &process)));
        let started = shared.clock.now();
        let budget = Budget::new(config.limits.messages, config.limits.held.0);
        let now = Mutex::new(Now {
            at_start: config.clone(),
            config,
            process,
            file,
            neighbours,
            refused: None,
            reload: None,
        });
        Self {
            path,
            shared,
            budget,
            yara,
            feeds,
            snapshots,
            now,
            reloading: Mutex::new(()),
            taking: AtomicBool::new(false),
            recent: Recent::default(),
            alarms: Mutex::default(),
            started,
        }
    }

    /// What new connections take.
    pub(super) fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshots)
    }

    /// The process of the configuration in use.
    pub(super) fn process(&self) -> Arc<Process> {
        Arc::clone(&self.lock().process)
    }

    /// Room for messages.
    pub(super) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }

    /// How long messages in work may take to end at the stop.
    pub(super) fn drain(&self) -> Duration {
        self.lock().config.limits.drain.duration()
    }

    /// Says whether mail is taken.
    pub(super) fn set_taking(&self, taking: bool) {
        self.taking.store(taking, Ordering::Relaxed);
    }

    /// Remembers what was counted until now; called every [`super::recent::EVERY`].
    pub(super) fn remember(&self) {
        self.recent.remember(&self.shared.metrics);
    }

    /// Tells what has begun or ceased to be in trouble; called every [`super::run::LOOK_EVERY`].
    pub(super) fn look(&self) {
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let (config, sights) = {
            let now = self.lock();
            let refused = now.refused.as_deref();
            (now.config.clone(), trouble::look(&self.shared, now.process.engine(), &self.feeds, refused))
        };
        let told = (&*self.shared, &*self.feeds, &config);
        for (event, only) in trouble::changes(&mut alarms, sights, told, self.shared.clock.now()) {
            self.shared.notify.tell(event, only.as_deref());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_reload(&self) -> Result<String, String> {
        let Loaded { config, warnings, file } =
            Config::load(self.path.as_deref()).map_err(|e| e.to_string())?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let (at_start, old, neighbours) = {
            let now = self.lock();
            (now.at_start.clone(), now.config.clone(), now.neighbours.clone())
        };
        let restart = needs_restart(&at_start, &config);
        // Each part is made before any is put to use: all or nothing.
        let neighbours = neighbours
            .renewed(&config, &self.shared.clock, &self.shared.metrics)
            .map_err(|error| error.to_string())?;
        let engine = {
            let Shared { clock, metrics, .. } = &*self.shared;
            let known = Known::Feeds(Arc::clone(&self.feeds));
            assemble::engine(&config, self.yara.as_ref(), &neighbours, known, clock, metrics)
                .map_err(|error| error.to_string())?
        };
        let feeds = assemble::feeds(&config).map_err(|error| error.to_string())?;
        let sections = assemble::notify(&config).map_err(|error| error.to_string())?;
        // Path and group stay as they are until a restart.
        let kept = &at_start.quarantine;
        let quarantine = |new: &Config| crate::quarantine::Config {
            path: kept.path.clone(),
            group: kept.group.clone(),
            ..new.quarantine.clone()
        };
        self.shared.quarantine.reconfigure(quarantine(&config)).map_err(|error| error.to_string())?;
        let rules = match &self.yara {
            Some(yara) => {
                let loaded = yara.reload().map_err(|error| {
                    // The one part that can still fail: what was changed for it is taken back.
                    self.shared.quarantine.reconfigure(quarantine(&old)).ok();
                    error.to_string()
                })?;
                format!("{} YARA rules from {} files", loaded.rules, loaded.files)
            }
            None => "no YARA rules".to_owned(),
        };
        self.shared.releases.reconfigure(assemble::releases(&config, &neighbours));
        self.shared.retro.configure(assemble::retro(&config));
        self.shared.second_look.configure(config.second_look.clone());
        self.feeds.configure(&feeds);
        self.shared.notify.configure(sections);
        let process = Arc::new(Process::new(engine, Arc::clone(&self.shared)));
        self.snapshots.store(Arc::new(snapshot(&config, &process)));
        let mut now = self.lock();
        now.process = process;
        neighbours.watch_dns(&config);
        now.neighbours = neighbours;
        now.config = config;
        now.file = file;
        drop(now);
        let mut told = format!("configuration and rules were read again: {rules}");
        if !restart.is_empty() {
            told.push_str(&format!("; a restart is needed for {}", restart.join(", ")));
        }
        Ok(told)
    }
}

impl Control for Daemon {
    fn readiness(&self) -> Readiness {
        let now = self.lock();
        let sights = trouble::look(&self.shared, now.process.engine(), &self.feeds, now.refused.as_deref());
        let mut degraded = trouble::sentences(sights);
        if now.config.policy.dry_run {
            degraded.push(DRY_RUN_IS_ON.to_owned());
        }
        Readiness { ready: self.taking.load(Ordering::Relaxed), degraded }
    }

    fn status(&self) -> serde_json::Value {
        let readiness = self.readiness();
        let now = self.lock();
        let seen = Seen {
            shared: &self.shared,
            budget: &self.budget,
            recent: &self.recent,
            engine: now.process.engine(),
            config: &now.config,
            file: now.file.as_deref(),
            started: self.started,
            reload: now.reload.as_ref(),
            restart: needs_restart(&now.at_start, &now.config),
            readiness,
        };
        glance::status(&seen)
    }

    fn refresh(&self) {
        let metrics = &self.shared.metrics;
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        metrics.messages_in_work.set(gauge(self.budget.messages()));
        metrics.message_bytes_held.set(gauge(self.budget.bytes()));
        self.feeds.count();
        self.shared.second_look.count();
        // What a reload took away is neither up nor down.
        metrics.scanner_up.reset();
        for asked in self.lock().process.engine().scanners() {
            let up = asked.scan.health() == Health::Up;
            metrics.scanner_up.with_label_values(&[asked.scan.scanner().name()]).set(i64::from(up));
        }
    }

    fn reload(&self) -> Result<String, String> {
        notify::reloading();
        let one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.try_reload();
        let label = if result.is_ok() { "ok" } else { "refused" };
        self.shared.metrics.config_reloads.with_label_values(&[label]).inc();
        match &result {
            Ok(told) => tracing::info!("{told}"),
            Err(report) => tracing::error!("the reload was refused, the old configuration stays:\n{report}"),
        }
        let mut now = self.lock();
        now.refused = result.as_ref().err().cloned();
        now.reload = Some(Reload { time: self.shared.clock.now(), ok: result.is_ok() });
        drop(now);
        drop(one_at_a_time);
        notify::ready();
        result
    }

    fn message_limit(&self) -> u64 {
        self.lock().config.limits.message.0
    }

    fn reads_links(&self) -> bool {
        let now = self.lock();
        now.process.engine().scanners().iter().any(|asked| asked.scan.scanner() == Scanner::Urls)
    }

    fn scan(
        &self,
        trial: Trial,
        raw: Vec<u8>,
        share: Share,
    ) -> BoxFuture<'static, Result<serde_json::Value, String>> {
        let (process, clock) = (Arc::clone(&self.lock().process), self.shared.clock.clone());
        let lists = Arc::clone(&self.shared.lists);
        Box::pin(async move {
            let id = clock.mail_id().map_err(|e| format!("the machine gives no random numbers: {e}"))?;
            let message = crate::mail::header::parse(raw);
            let engine = process.engine();
            let whole = message.clone();
            let record = trial.judge(engine, id, clock.now(), message, Some(&lists), Some(share)).await;
            let mut object = trial.object(&record);
            changed::of(&record, &Terms::of(engine), Some(&whole)).add_to(&mut object);
            Ok(object)
        })
    }

    fn rescan(&self, id: MailId, by: String) -> BoxFuture<'static, Result<Rescanned, ReleaseError>> {
        let (releases, process) = (Arc::clone(&self.shared.releases), Arc::clone(&self.lock().process));
        Box::pin(async move { releases.rescan(process, id, by).await })
    }
}

fn snapshot(config: &Config, process: &Arc<Process>) -> Snapshot {
    Snapshot {
        judge: Arc::clone(process) as Arc<dyn crate::pipeline::Judge>,
        max_message: config.limits.message,
        hung_after: config.limits.deadline.duration() + GRACE,
    }
}

/// Keys and sections that differ and that a running daemon cannot change.
fn needs_restart(start: &Config, new: &Config) -> Vec<&'static str> {
    let yara = |config: &Config| {
        // What its failure is worth is the policy's, and taken at a reload.
        let on_failure = crate::scan::yara::Config::default().on_failure;
        crate::scan::yara::Config { on_failure, ..config.scanner.yara.clone() }
    };
    [
        ("state_dir", start.state_dir == new.state_dir),
        ("[milter]", start.milter == new.milter),
        ("[admin]", start.admin == new.admin),
        ("[audit]", start.audit == new.audit),
        ("[store]", start.store == new.store),
        ("[log]", start.log == new.log),
        ("[scanner.yara]", yara(start) == yara(new)),
        ("quarantine.path", start.quarantine.path == new.quarantine.path),
        ("quarantine.group", start.quarantine.group == new.quarantine.group),
        ("limits.messages", start.limits.messages == new.limits.messages),
        ("limits.held", start.limits.held == new.limits.held),
    ]
    .into_iter()
    .filter(|(_, same)| !same)
    .map(|(name, _)| name)
    .collect()
}
