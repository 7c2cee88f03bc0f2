//! What the admin's door and signals can ask of the running daemon.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;

use super::{assemble, notify};
use crate::admin::{Control, Readiness};
use crate::config::{Config, Loaded};
use crate::intake::milter::Snapshot;
use crate::model::{Disposition, Timestamp};
use crate::pipeline::{Budget, Engine, Process, Shared};
use crate::scan::yara::Yara;
use crate::scan::{Health, Scan};

/// What the effects may take after a message's deadline before its judge is taken for hung.
const GRACE: Duration = Duration::from_secs(10);

/// The running daemon.
pub(super) struct Daemon {
    /// The file that the configuration is read from; `None`: the default place.
    path: Option<PathBuf>,
    shared: Arc<Shared>,
    budget: Arc<Budget>,
    yara: Option<Arc<Yara>>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    /// What holds now. The lock also keeps two reloads from happening at once.
    now: Mutex<Now>,
    taking: AtomicBool,
    started: Timestamp,
}

struct Now {
    config: Config,
    process: Arc<Process>,
    /// Why the last attempt to read the configuration was refused.
    refused: Option<String>,
}

impl Daemon {
    pub(super) fn new(
        path: Option<PathBuf>,
        config: Config,
        shared: Arc<Shared>,
        yara: Option<Arc<Yara>>,
        engine: Engine,
    ) -> Self {
        let process = Arc::new(Process::new(engine, Arc::clone(&shared)));
        let snapshots = Arc::new(ArcSwap::from_pointee(snapshot(&config, &process)));
        let started = shared.clock.now();
        let budget = Budget::new(config.limits.messages, config.limits.held.0);
        let now = Mutex::new(Now { config, process, refused: None });
        Self { path, shared, budget, yara, snapshots, now, taking: AtomicBool::new(false), started }
    }

    /// What new connections take.
    pub(super) fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshots)
    }

    /// Room for messages.
    pub(super) fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }

    /// Says whether mail is taken.
    pub(super) fn set_taking(&self, taking: bool) {
        self.taking.store(taking, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_reload(&self, now: &mut Now) -> Result<String, String> {
        let Loaded { config, warnings, .. } =
            Config::load(self.path.as_deref()).map_err(|e| e.to_string())?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let restart = needs_restart(&now.config, &config);
        // Each part is made before any is put to use: all or nothing.
        let engine = assemble::engine(&config, self.yara.as_ref(), &self.shared.metrics)
            .map_err(|error| error.to_string())?;
        let rules = match &self.yara {
            Some(yara) => {
                let loaded = yara.reload().map_err(|error| error.to_string())?;
                format!("{} YARA rules from {} files", loaded.rules, loaded.files)
            }
            None => "no YARA rules".to_owned(),
        };
        self.shared.quarantine.reconfigure(config.quarantine.clone()).map_err(|error| error.to_string())?;
        now.process = Arc::new(Process::new(engine, Arc::clone(&self.shared)));
        self.snapshots.store(Arc::new(snapshot(&config, &now.process)));
        now.config = config;
        let mut told = format!("configuration and rules were read again: {rules}");
        if !restart.is_empty() {
            told.push_str(&format!("; a restart is needed for {}", restart.join(", ")));
        }
        Ok(told)
    }
}

impl Control for Daemon {
    fn readiness(&self) -> Readiness {
        let mut degraded = Vec::new();
        if let Some(Health::Degraded(what)) = self.yara.as_ref().map(|yara| yara.health()) {
            degraded.push(format!("yara: {what}"));
        }
        if let Some(refused) = &self.lock().refused {
            let first = refused.lines().next().unwrap_or_default();
            degraded
                .push(format!("configuration: the last reload was refused, the old one is in use: {first}"));
        }
        Readiness { ready: self.taking.load(Ordering::Relaxed), degraded }
    }

    fn status(&self) -> serde_json::Value {
        let now = self.shared.clock.now();
        let totals = self.shared.quarantine.totals();
        let readiness = self.readiness();
        let messages: serde_json::Map<String, serde_json::Value> = Disposition::ALL
            .into_iter()
            .map(|d| (d.name().to_owned(), self.shared.metrics.messages_by(d).into()))
            .collect();
        let scanners: Vec<serde_json::Value> = self
            .lock()
            .process
            .engine()
            .scanners()
            .iter()
            .map(|asked| {
                let health = match asked.scan.health() {
                    Health::Up => "up".to_owned(),
                    Health::Degraded(what) => format!("degraded: {what}"),
                };
                json!({"name": asked.scan.scanner(), "health": health})
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": self.started,
            "uptime_seconds": now.since(self.started).as_secs(),
            "ready": readiness.ready,
            "degraded": readiness.degraded,
            "messages": messages,
            "in_work": self.budget.messages(),
            "bytes_held": self.budget.bytes(),
            "scanners": scanners,
            "quarantine": {"entries": totals.entries, "bytes": totals.bytes},
        })
    }

    fn reload(&self) -> Result<String, String> {
        notify::reloading();
        let mut now = self.lock();
        let result = self.try_reload(&mut now);
        let label = if result.is_ok() { "ok" } else { "refused" };
        self.shared.metrics.config_reloads.with_label_values(&[label]).inc();
        match &result {
            Ok(told) => tracing::info!("{told}"),
            Err(report) => tracing::error!("the reload was refused, the old configuration stays:\n{report}"),
        }
        now.refused = result.as_ref().err().cloned();
        drop(now);
        notify::ready();
        result
    }
}

fn snapshot(config: &Config, process: &Arc<Process>) -> Snapshot {
    Snapshot {
        judge: Arc::clone(process) as Arc<dyn crate::pipeline::Judge>,
        max_message: config.limits.message,
        hung_after: config.limits.deadline.duration() + GRACE,
    }
}

/// Sections that differ and that a running daemon cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut changed = Vec::new();
    let mut compare = |name, same: bool| {
        if !same {
            changed.push(name);
        }
    };
    compare("state_dir", old.state_dir == new.state_dir);
    compare("[milter]", old.milter == new.milter);
    compare("[admin]", old.admin == new.admin);
    compare("[audit]", old.audit == new.audit);
    compare("[store]", old.store == new.store);
    compare("[log]", old.log == new.log);
    compare(
        "limits.messages and limits.held",
        (old.limits.messages, old.limits.held) == (new.limits.messages, new.limits.held),
    );
    compare("[scanner.yara]", old.scanner.yara == new.scanner.yara);
    changed
}
