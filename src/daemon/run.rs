//! Start, run until told to stop, stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::control::Daemon;
use super::neighbours::Neighbours;
use super::{DaemonError, assemble, keys, notify, state, upkeep};
use crate::admin::{self, Bound, Control, Door, Refusals, Tokens, Trials};
use crate::audit::{Audit, Pseudonyms};
use crate::config::{Config, Loaded};
use crate::feed::Feeds;
use crate::intake::milter::{self, Listener, Service};
use crate::lists::Lists;
use crate::model::Scanner;
use crate::notify::{Notifier, Pace};
use crate::pipeline::release::{Parts, TokenKey};
use crate::pipeline::{self, Budget, Releases, Repeats, SecondLook, Shared, Trouble, second_look};
use crate::quarantine::Quarantine;
use crate::retro::Retro;
use crate::scan::url::Known;
use crate::store::Store;
use crate::telemetry::spawn::supervised;
use crate::telemetry::{Clock, Metrics, log};

/// How often it is looked whether something is in trouble.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What notifications get at the stop.
const LAST_NOTIFICATIONS: Duration = Duration::from_secs(3);

/// Runs the daemon on this configuration until SIGTERM or SIGINT. `path` is where a reload reads it.
///
/// # Errors
/// If something that a promise rests on cannot be opened.
pub async fn serve(path: Option<&Path>, loaded: Loaded) -> Result<(), DaemonError> {
    let Loaded { config, warnings, file } = loaded;
    log::init(&config.log).map_err(DaemonError::Log)?;
    match &file {
        Some(file) => {
            tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %file.display(), "mailward starts")
        }
        None => tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            "mailward starts on its defaults: there is no configuration file"
        ),
    }
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new());
    let (shared, store) = open_state(&config, &metrics)?;
    if let Err(error) = shared.releases.begin().await {
        tracing::error!(%error, "releases that a stop cut short could not be looked after");
    }
    let yara = assemble::start_yara(&config, &metrics)?;
    let watcher = yara.as_ref().map(|yara| yara.watch());
    let neighbours = Neighbours::default().renewed(&config, &shared.clock, &metrics)?;
    shared.releases.reconfigure(assemble::releases(&config, &neighbours));
    let feeds = Feeds::open(&config.feeds_dir(), shared.clock.clone(), Arc::clone(&metrics))?;
    let known = Known::Feeds(Arc::clone(&feeds));
    let engine = assemble::engine(&config, yara.as_ref(), &neighbours, known, &shared.clock, &metrics)?;
    shared.retro.configure(assemble::retro(&config));
    shared.retro.attend(Arc::clone(&feeds), Arc::clone(&shared.audit));
    feeds.configure(&assemble::feeds(&config)?);
    shared.notify.configure(assemble::notify(&config)?);
    supervised(
        "notify-retro",
        &metrics,
        upkeep::tell_catches(shared.retro.catches(), Arc::clone(&shared.notify)),
    );
    neighbours.watch_dns(&config);
    let daemon = Arc::new(Daemon::new(
        (path.map(Path::to_owned), file),
        config.clone(),
        Arc::clone(&shared),
        yara,
        neighbours,
        engine,
        Arc::clone(&feeds),
    ));

    if config.auth.authserv_id.is_none() && config.scanner.terms(Scanner::Auth).is_some() {
        tracing::info!(
            "Authentication-Results are written under the MTA's own host name, and others under that name are removed: \
             OpenDKIM and rspamd take it by default too. If one of them works beside mailward, or there are several MX \
             hosts, set authserv_id in [auth]"
        );
    }
    let control: Arc<dyn Control> = Arc::clone(&daemon) as Arc<dyn Control>;
    let doors = open_doors(&config, &shared, &store, daemon.budget(), (control, feeds))?;
    let mut listeners = Vec::new();
    for endpoint in &config.milter.listen {
        let listener = Listener::bind(endpoint, &config.milter).await?;
        tracing::info!(%endpoint, "takes mail");
        listeners.push(listener);
    }
    let service =
        Service { snapshots: daemon.snapshots(), budget: daemon.budget(), metrics: Arc::clone(&metrics) };
    let running = milter::serve(listeners, &config.milter, service);
    daemon.set_taking(true);
    notify::ready();

    let current = Arc::clone(&daemon);
    let looking = shared.second_look.attend(Box::new(move || current.process()), daemon.budget());

    attend(&daemon, &shared, &mut signals).await;

    notify::stopping();
    daemon.set_taking(false);
    tracing::info!("stopping: messages in work are finished first");
    looking.abort();
    // Before the milter: what is being released comes through it.
    let (begin, drain) = (std::time::Instant::now(), daemon.drain());
    shared.releases.finish(drain / 2).await;
    let drained = running.drain(drain.saturating_sub(begin.elapsed())).await;
    if drained.cut > 0 {
        tracing::error!(
            cut = drained.cut,
            "messages were cut at the end of limits.drain; their senders will try again"
        );
    }
    shared.notify.finish(LAST_NOTIFICATIONS).await;
    if let Some(watcher) = watcher {
        watcher.abort();
    }
    doors.iter().for_each(JoinHandle::abort);
    for listen in &config.admin.listen {
        if let Some(path) = listen.unix_path() {
            drop(std::fs::remove_file(path));
        }
    }
    close_state(&shared, store).await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens everything that a promise rests on, in the order in which one needs the other.
fn open_state(config: &Config, metrics: &Arc<Metrics>) -> Result<(Arc<Shared>, Store), DaemonError> {
    let clock = Clock::system();
    metrics.start_time_seconds.set(clock.now().seconds() as f64);
    state::make(&config.state_dir)?;
    let (store, recoveries) = Store::open(&config.db_dir(), &config.store)?;
    for recovery in recoveries {
        tracing::error!("the database had to be recovered: {recovery}");
    }
    let keys = config.state_dir.join("keys");
    let quarantine_key = keys::load_or_make(&keys, "quarantine")?;
    let people = Pseudonyms::new(&keys::load_or_make(&keys, "pseudonym")?);
    let notify = Notifier::new(clock.clone(), Arc::clone(metrics), people.clone(), Pace::USUAL);
    let pseudonyms = config.log.pseudonymise.then(|| Arc::new(people));
    let (audit, notes) =
        Audit::open(&config.audit, &config.state_dir, &store, clock.clone(), metrics, pseudonyms.clone())?;
    for note in notes {
        tracing::warn!(note, "audit");
    }
    let (quarantine, notes) =
        Quarantine::open(config.quarantine.clone(), quarantine_key, clock.clone(), Arc::clone(metrics))?;
    for note in notes {
        tracing::warn!(note, "quarantine");
    }
    let (lists, notes) = Lists::open(&store, clock.clone(), Arc::clone(metrics))?;
    for note in notes {
        tracing::error!(note, "lists");
    }
    let retro = Retro::open(&store, &config.retro_dir(), clock.clone(), Arc::clone(metrics))?;
    let repeats = Repeats::open(&store, quarantine_key)?;
    let refusals = pipeline::Refusals::start(Arc::clone(&audit), metrics);
    let parts = Parts {
        quarantine: Arc::clone(&quarantine),
        audit: Arc::clone(&audit),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        pseudonyms: pseudonyms.clone(),
    };
    let token_key = TokenKey::new(&keys::load_or_make(&keys, "release")?);
    let releases = Releases::new(parts, token_key, assemble::releases(config, &Neighbours::default()));
    let looking = second_look::Parts {
        quarantine: Arc::clone(&quarantine),
        audit: Arc::clone(&audit),
        retro: Arc::clone(&retro),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
    };
    let shared = Shared {
        second_look: SecondLook::new(looking, config.second_look.clone()),
        audit,
        quarantine,
        lists,
        refusals,
        retro,
        notify,
        releases,
        repeats,
        clock,
        metrics: Arc::clone(metrics),
        pseudonyms,
        unrecorded: std::sync::Mutex::default(),
        quarantine_trouble: Trouble::default(),
        audit_trouble: Trouble::default(),
    };
    Ok((Arc::new(shared), store))
}

/// Closes what [`open_state`] opened, so that nothing has to be repaired at the next start.
async fn close_state(shared: &Arc<Shared>, store: Store) {
    shared.refusals.close().await;
    shared.retro.settle().await;
    let (audit, lists) = (Arc::clone(&shared.audit), Arc::clone(&shared.lists));
    let closed = tokio::task::spawn_blocking(move || {
        if let Err(error) = lists.write_hits() {
            tracing::warn!(%error, "what the lists counted in the last minute is lost");
        }
        if let Err(error) = audit.flush() {
            tracing::error!(%error, "the audit journal could not be synced at the end");
        }
        store.flush()
    });
    match closed.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database was not flushed; its index is rebuilt at the next start")
        }
        Err(error) => tracing::error!(%error, "closing the database panicked"),
    }
}

fn open_doors(
    config: &Config,
    shared: &Arc<Shared>,
    store: &Store,
    budget: Arc<Budget>,
    (control, feeds): (Arc<dyn Control>, Arc<Feeds>),
) -> Result<Vec<JoinHandle<Option<()>>>, DaemonError> {
    let (tokens, notes) = Tokens::open(store, shared.clock.clone())?;
    for note in notes {
        tracing::error!(note, "admin");
    }
    let door = Door {
        control,
        tokens,
        refusals: Refusals::new(Arc::clone(&shared.audit), Arc::clone(&shared.metrics)),
        trials: Trials::new(budget),
        audit: Arc::clone(&shared.audit),
        quarantine: Arc::clone(&shared.quarantine),
        lists: Arc::clone(&shared.lists),
        retro: Arc::clone(&shared.retro),
        notify: Arc::clone(&shared.notify),
        feeds,
        releases: Arc::clone(&shared.releases),
        metrics: Arc::clone(&shared.metrics),
    };
    let mut open = Vec::new();
    for listen in &config.admin.listen {
        let bound = Bound::open(listen, &config.admin)?;
        open.push(admin::serve(bound, door.clone(), &config.admin)?);
    }
    Ok(open)
}

/// Until we are told to stop: reloads, upkeep, the watchdog.
async fn attend(daemon: &Arc<Daemon>, shared: &Arc<Shared>, signals: &mut Signals) {
    let mut upkeep = tokio::time::interval(upkeep::EVERY);
    let mut minutes = tokio::time::interval(super::recent::EVERY);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut counters = tokio::time::interval(upkeep::WRITE_HITS_EVERY);
    let mut watchdog =
        tokio::time::interval(notify::watchdog_interval().unwrap_or(Duration::from_secs(3600)));
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => {
                let (daemon, audit) = (Arc::clone(daemon), Arc::clone(&shared.audit));
                // Reading files and compiling rules blocks; the result is logged where it happens.
                let reload = async move {
                    if let Ok(result) = tokio::task::spawn_blocking(move || daemon.reload()).await {
                        admin::note_reload(&audit, "SIGHUP", &result).await;
                    }
                };
                supervised("reload", &shared.metrics, reload);
            }
            _ = upkeep.tick() => {
                let shared = Arc::clone(shared);
                let metrics = Arc::clone(&shared.metrics);
                supervised("upkeep", &metrics, async move { upkeep::round(&shared).await });
            }
            _ = minutes.tick() => daemon.remember(),
            _ = looks.tick() => daemon.look(),
            _ = counters.tick() => {
                supervised("list-hits", &shared.metrics, upkeep::write_hits(Arc::clone(&shared.lists)));
            }
            _ = watchdog.tick() => notify::watchdog(),
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, DaemonError> {
        let on = |kind| signal(kind).map_err(DaemonError::Signals);
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }
}
