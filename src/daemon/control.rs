//! What the admin's door and signals can ask of the running daemon.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::files::Allotted;
use super::gauges;
use super::glance::{self, Reload, Seen};
use super::neighbours::Neighbours;
use super::recent::Recent;
use super::sockets::Sockets;
use super::{assemble, exports, notify, recovery, trouble};
use crate::admin::{Control, Places, Readiness};
use crate::config::{Config, Loaded};
use crate::feed::Feeds;
use crate::intake::{Snapshot, lmtp};
use crate::model::{MailId, Scanner, Timestamp};
use crate::notify::{Alarms, Sight};
use crate::pipeline::budget::Share;
use crate::pipeline::release::{ReleaseError, Rescanned};
use crate::pipeline::{Budget, Engine, Process, Shared, Terms, Trial, Trouble, changed};
use crate::policy::DRY_RUN_IS_ON;
use crate::scan::url::Known;
use crate::scan::yara::Yara;
use crate::scan::{BoxFuture, Health};
use crate::store::Store;
use crate::telemetry::log::{Filter, Levels, Passing};

/// What the effects may take after a message's deadline before its judge is taken for hung.
const GRACE: Duration = Duration::from_secs(10);

/// The running daemon.
pub(super) struct Daemon {
    /// The file that the configuration is read from; `None`: the default place.
    path: Option<PathBuf>,
    shared: Arc<Shared>,
    store: Store,
    levels: Arc<Levels>,
    budget: Arc<Budget>,
    yara: Option<Arc<Yara>>,
    feeds: Arc<Feeds>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    /// The same for LMTP; `None`: it is off.
    lmtp: Option<Arc<ArcSwap<lmtp::Snapshot>>>,
    /// How the next server of LMTP does.
    relay: Arc<lmtp::Standing>,
    /// What holds now; locked for a moment only, because health asks for it.
    now: Mutex<Now>,
    /// Keeps two reloads from happening at once.
    reloading: Mutex<()>,
    taking: AtomicBool,
    /// Where it listens, once it does.
    sockets: OnceLock<Arc<Sockets>>,
    recent: Recent,
    /// What of its state was told.
    alarms: Mutex<Alarms>,
    /// How the last daily export failed.
    export_trouble: Trouble,
    /// How many connections there may be.
    files: Allotted,
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
        (shared, store, levels): (Arc<Shared>, Store, Arc<Levels>),
        yara: Option<Arc<Yara>>,
        neighbours: Neighbours,
        engine: Engine,
        feeds: Arc<Feeds>,
    ) -> Self {
        let process = Arc::new(Process::new(engine, Arc::clone(&shared)));
        let snapshot = Arc::new(snapshot(&config, &process));
        let lmtp = assemble::lmtp(&config, &snapshot).map(|lmtp| Arc::new(ArcSwap::from_pointee(lmtp)));
        let snapshots = Arc::new(ArcSwap::new(snapshot));
        let started = shared.clock.now();
        let files = Allotted::of(&config);
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
            store,
            levels,
            budget,
            yara,
            feeds,
            snapshots,
            lmtp,
            relay: Arc::default(),
            now,
            reloading: Mutex::new(()),
            taking: AtomicBool::new(false),
            sockets: OnceLock::new(),
            recent: Recent::default(),
            alarms: Mutex::default(),
            export_trouble: Trouble::default(),
            files,
            started,
        }
    }

    /// When it began.
    pub(super) const fn started(&self) -> Timestamp {
        self.started
    }

    /// What new connections take.
    pub(super) fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshots)
    }

    /// What new LMTP connections take, unless it is off.
    pub(super) fn lmtp(&self) -> Option<Arc<ArcSwap<lmtp::Snapshot>>> {
        self.lmtp.clone()
    }

    /// How the next server of LMTP does.
    pub(super) fn relay(&self) -> Arc<lmtp::Standing> {
        Arc::clone(&self.relay)
    }

    /// The process of the configuration in use.
    pub(super) fn process(&self) -> Arc<Process> {
        Arc::clone(&self.lock().process)
    }

    /// How daily exports are made, and where things of a backup are.
    pub(super) fn backup(&self) -> (crate::backup::Config, Places) {
        let now = self.lock();
        let rules = now.config.policy.rules.clone();
        let file = now.file.clone();
        let beside = |path: PathBuf| match (&file, path.is_relative()) {
            (Some(file), true) => file.with_file_name(path),
            _ => path,
        };
        let files = file.clone().into_iter().chain(rules.map(beside));
        let places = Places {
            state_dir: now.at_start.state_dir.clone(),
            config_files: files.filter(|path| path.is_file()).collect(),
            host: assemble::host(&now.config),
            exports: now.config.backup.path.clone(),
        };
        (now.config.backup.clone(), places)
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

    /// Says where it listens.
    pub(super) fn set_sockets(&self, sockets: Sockets) -> Arc<Sockets> {
        Arc::clone(self.sockets.get_or_init(|| Arc::new(sockets)))
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
        let beside = self.beside(&config).into_iter().chain([trouble::relay(&self.relay, &config)]);
        let sights = sights.into_iter().chain(beside).collect();
        let told = (&*self.shared, &*self.feeds, &config);
        for (event, only) in trouble::changes(&mut alarms, sights, told, self.shared.clock.now()) {
            self.shared.notify.tell(event, only.as_deref());
        }
    }

    /// What is told beside the parts of the daemon.
    fn beside(&self, config: &Config) -> [Sight; 3] {
        let database = recovery::sight(&config.state_dir, &self.store);
        [database, exports::sight(&self.export_trouble), self.files.sight()]
    }

    /// How many connections there may be.
    pub(super) const fn files(&self) -> Allotted {
        self.files
    }

    /// How the last daily export failed.
    pub(super) const fn export_trouble(&self) -> &Trouble {
        &self.export_trouble
    }

    /// What must not run full, by name.
    pub(super) fn disks(&self) -> [(&'static str, PathBuf); 2] {
        let now = self.lock();
        [("state", now.at_start.state_dir.clone()), ("quarantine", now.at_start.quarantine.path.clone())]
    }

    /// What was asked of the log and has had its time now; called every [`super::run::LOOK_EVERY`].
    pub(super) fn end_of_log_level(&self) -> Option<Passing> {
        self.levels.expire(self.shared.clock.now())
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
        let level: Filter = config.log.level.parse().map_err(|error| format!("log.level: {error}"))?;
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
        self.levels.configure(level).map_err(|error| error.to_string())?;
        self.shared.releases.reconfigure(assemble::releases(&config, &neighbours));
        self.shared.reports.configure(config.report.clone());
        self.shared.retro.configure(assemble::retro(&config));
        self.shared.second_look.configure(config.second_look.clone());
        self.feeds.configure(&feeds);
        self.shared.notify.configure(sections);
        let process = Arc::new(Process::new(engine, Arc::clone(&self.shared)));
        let snapshot = Arc::new(snapshot(&config, &process));
        if let (Some(current), Some(lmtp)) = (&self.lmtp, assemble::lmtp(&config, &snapshot)) {
            current.store(Arc::new(lmtp));
        }
        self.snapshots.store(snapshot);
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
        let beside = self.beside(&now.at_start).into_iter().chain([trouble::relay(&self.relay, &now.config)]);
        let mut degraded = trouble::sentences(sights.into_iter().chain(beside).collect());
        if now.config.policy.dry_run {
            degraded.push(DRY_RUN_IS_ON.to_owned());
        }
        Readiness { ready: self.taking.load(Ordering::Relaxed), degraded }
    }

    fn places(&self) -> Places {
        self.backup().1
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
            sockets: self.sockets.get().map(Arc::as_ref),
            file: now.file.as_deref(),
            started: self.started,
            reload: now.reload.as_ref(),
            restart: needs_restart(&now.at_start, &now.config),
            readiness,
            log: self.levels.standing(),
            relay: &self.relay,
        };
        glance::status(&seen)
    }

    fn refresh(&self) {
        let metrics = &self.shared.metrics;
        let gauge = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let readiness = self.readiness();
        metrics.ready.set(i64::from(readiness.ready));
        metrics.degraded_parts.set(gauge(readiness.degraded.len() as u64));
        metrics.log_level_changed.set(i64::from(self.levels.standing().until.is_some()));
        {
            let now = self.lock();
            metrics.config_reload_refused.set(i64::from(now.refused.is_some()));
            gauges::limits(metrics, &now.at_start, &now.config);
        }
        gauges::clock(metrics, self.shared.clock.now());
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
        notify::ready(result.as_ref().err().map(|report| trouble::refused(report)).as_deref());
        drop(one_at_a_time);
        result
    }

    fn levels(&self) -> Arc<Levels> {
        Arc::clone(&self.levels)
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
    let lmtp = |config: &Config| config.lmtp.as_ref().filter(|lmtp| lmtp.enabled).map(lmtp::Config::fixed);
    [
        ("state_dir", start.state_dir == new.state_dir),
        ("[milter]", start.milter == new.milter),
        ("[lmtp]", lmtp(start) == lmtp(new)),
        ("[admin]", start.admin == new.admin),
        ("[audit]", start.audit == new.audit),
        ("[store]", start.store == new.store),
        ("log.format", start.log.format == new.log.format),
        ("log.pseudonymise", start.log.pseudonymise == new.log.pseudonymise),
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
