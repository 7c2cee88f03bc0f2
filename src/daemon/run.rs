//! Start, run until told to stop, stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::activation::Activation;
use super::adopt::{self, Adopted};
use super::control::Daemon;
use super::neighbours::Neighbours;
use super::sockets::Sockets;
use super::starting::Starting;
use super::{
    DaemonError, activation, assemble, exports, gauges, keys, notify, private_tmp, recovery, state, upkeep,
};
use crate::admin::{self, Bound, Control, Door, Refusals, Tokens, Trials};
use crate::audit::{AdminEvent, Audit, Entry, Pseudonyms, Sync};
use crate::config::{Config, Loaded, Problem};
use crate::feed::Feeds;
use crate::intake::{Listener, Running, Service, lmtp, milter};
use crate::lists::Lists;
use crate::model::Scanner;
use crate::notify::{Notifier, Pace};
use crate::pipeline::release::{Parts, TokenKey};
use crate::pipeline::{self, Budget, Releases, Repeats, Reports, SecondLook, Shared, Trouble, second_look};
use crate::quarantine::Quarantine;
use crate::retro::Retro;
use crate::scan::url::Known;
use crate::store::Store;
use crate::telemetry::spawn::supervised;
use crate::telemetry::{Clock, Metrics, log};

/// How often it is looked whether something is in trouble.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What sessions get at the stop to end by themselves, where others wait in the queue meanwhile: less than the MTA
/// waits for a connection (Postfix: `connect_timeout`), the new start included.
const LAST_SESSIONS: Duration = Duration::from_secs(5);
/// What the copies of feeds get to be read before the first message, at the most: Postfix waits 30 s for an answer
/// to its connection (`milter_connect_timeout`).
const TO_LOAD_FEEDS: Duration = Duration::from_secs(10);
/// What is done at the stop after the drain, at the most.
const TO_CLOSE: Duration = Duration::from_secs(30);
/// What notifications get at the stop.
const LAST_NOTIFICATIONS: Duration = Duration::from_secs(3);

/// Runs the daemon on this configuration until SIGTERM or SIGINT. `path` is where a reload reads it.
///
/// # Errors
/// If something that a promise rests on cannot be opened.
pub async fn serve(path: Option<&Path>, loaded: Loaded) -> Result<(), DaemonError> {
    let Loaded { config, warnings, file } = loaded;
    state::keep_from_others();
    let levels = Arc::new(log::init(&config.log).map_err(DaemonError::Log)?);
    tell_start(file.as_deref(), &warnings);
    let mut activation = Activation::inherited();
    let mut signals = Signals::new()?;
    let metrics = Arc::new(Metrics::new());
    let starting = Starting::begin(&metrics);
    let (shared, store, people) = open_state(&config, &metrics)?;
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
        (Arc::clone(&shared), store.clone(), levels),
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
    let mut sockets = Sockets::default();
    let bound = sockets.admin(&config, &mut activation)?;
    let doors = open_doors(
        &config,
        &shared,
        (&store, people),
        daemon.budget(),
        (control, Arc::clone(&feeds)),
        bound,
    )?;
    let listeners = sockets.milter(&config, &mut activation).await?;
    let over_lmtp = sockets.lmtp(&config, &mut activation).await?;
    activation.finish();
    let sockets = daemon.set_sockets(sockets);
    // Who connects meanwhile waits.
    let late = feeds.loaded(TO_LOAD_FEEDS).await;
    if !late.is_empty() {
        tracing::warn!(
            feeds = late.join(", "),
            "copies of feeds are still being read; until that is done mail is looked up in the other feeds only"
        );
    }
    let service =
        Service { snapshots: daemon.snapshots(), budget: daemon.budget(), metrics: Arc::clone(&metrics) };
    let most = milter::Config { max_connections: daemon.files().milter, ..config.milter.clone() };
    let running = milter::serve(listeners, &most, service);
    let lmtp = serve_lmtp(&config, &daemon, over_lmtp, &shared.clock, &metrics);
    daemon.set_taking(true);
    starting.end();
    notify::ready(None);

    let current = Arc::clone(&daemon);
    let looking = shared.second_look.attend(Box::new(move || current.process()), daemon.budget());

    if let Some(newest) = exports::newest(&config.backup.path) {
        metrics.backup_last_success_seconds.set(newest);
    }
    attend(&daemon, &shared, &store, &mut signals).await;

    looking.abort();
    end_intake(&daemon, &shared, &sockets, running, lmtp).await;
    shared.notify.finish(LAST_NOTIFICATIONS).await;
    if let Some(watcher) = watcher {
        watcher.abort();
    }
    doors.iter().for_each(JoinHandle::abort);
    sockets.remove_files();
    close_state(&shared, store).await;
    tracing::info!("stopped");
    Ok(())
}

/// What the log begins with.
fn tell_start(file: Option<&Path>, warnings: &[Problem]) {
    match file {
        Some(file) => {
            tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %file.display(), "mailward starts")
        }
        None => tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            "mailward starts on its defaults: there is no configuration file"
        ),
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

/// Brings what is under way to its end, within `limits.drain`.
async fn end_intake(
    daemon: &Daemon,
    shared: &Shared,
    sockets: &Sockets,
    running: Running,
    lmtp: Option<Running>,
) {
    let (begin, drain) = (std::time::Instant::now(), daemon.drain());
    notify::stopping(drain + TO_CLOSE);
    daemon.set_taking(false);
    tracing::info!("stopping: messages in work are finished first");
    // Before the milter: what is being released comes through it.
    shared.releases.finish(drain / 2).await;
    let wind_down = async |kind, running: Option<&Running>| {
        if let Some(running) = running.filter(|_| sockets.outlive_us(kind)) {
            running.wind_down(LAST_SESSIONS.min(drain / 4)).await;
        }
    };
    tokio::join!(wind_down(activation::MILTER, Some(&running)), wind_down(activation::LMTP, lmtp.as_ref()));
    let rest = drain.saturating_sub(begin.elapsed());
    let over_lmtp = async {
        match lmtp {
            Some(lmtp) => lmtp.drain(rest).await.cut,
            None => 0,
        }
    };
    let reports = shared.reports.finish(rest / 2);
    let ((drained, left), cut, ()) = tokio::join!(running.drain_leaving(rest), over_lmtp, reports);
    notify::keep(&left);
    if drained.cut + cut > 0 {
        tracing::error!(
            cut = drained.cut + cut,
            "messages were cut at the end of limits.drain; their senders will try again"
        );
    }
}

/// Takes mail over LMTP, unless that is off.
fn serve_lmtp(
    config: &Config,
    daemon: &Daemon,
    listeners: Vec<Listener>,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Option<Running> {
    let (section, snapshots) = (config.lmtp.as_ref()?, daemon.lmtp()?);
    let (clock, metrics) = (clock.clone(), Arc::clone(metrics));
    let standing = daemon.relay();
    let service = lmtp::Service { snapshots, budget: daemon.budget(), metrics, clock, standing };
    let most = lmtp::Config { max_connections: daemon.files().lmtp, ..section.clone() };
    Some(lmtp::serve(listeners, &most, service))
}

/// Opens everything that a promise rests on, in the order in which one needs the other.
fn open_state(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<Shared>, Store, Arc<Pseudonyms>), DaemonError> {
    // The day of the journal, which no leap ahead begins before it is believed: so one that stands is doubted after each start.
    let clock = match Audit::last_day(&config.state_dir) {
        Some(last) => Clock::system_since(last),
        None => Clock::system(),
    };
    metrics.start_time_seconds.set(clock.now().seconds() as f64);
    private_tmp::refuse(config)?;
    state::make(&config.state_dir)?;
    let (store, recoveries) = Store::open(&config.db_dir(), &config.store)?;
    recovery::attend(&store, &recoveries, config, metrics)?;
    let keys = config.state_dir.join("keys");
    let quarantine_key = keys::load_or_make(&keys, "quarantine")?;
    let people = Pseudonyms::new(&keys::load_or_make(&keys, "pseudonym")?);
    let notify = Notifier::new(clock.clone(), Arc::clone(metrics), people.clone(), Pace::USUAL);
    let people = Arc::new(people);
    let pseudonyms = config.log.pseudonymise.then(|| Arc::clone(&people));
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
        reports: Reports::new(Arc::clone(&releases), config.report.clone()),
        releases,
        uses: Default::default(),
        repeats,
        clock,
        metrics: Arc::clone(metrics),
        pseudonyms,
        unrecorded: std::sync::Mutex::default(),
        held_unrecorded: std::sync::Mutex::default(),
        quarantine_trouble: Trouble::default(),
        audit_trouble: Trouble::default(),
    };
    Ok((Arc::new(shared), store, people))
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
    (store, people): (&Store, Arc<Pseudonyms>),
    budget: Arc<Budget>,
    (control, feeds): (Arc<dyn Control>, Arc<Feeds>),
    bound: Vec<Bound>,
) -> Result<Vec<JoinHandle<Option<()>>>, DaemonError> {
    let (tokens, notes) = Tokens::open(store, shared.clock.clone())?;
    for note in notes {
        tracing::error!(note, "admin");
    }
    let door = Door {
        control,
        store: store.clone(),
        people,
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
        reports: Arc::clone(&shared.reports),
        metrics: Arc::clone(&shared.metrics),
    };
    Ok(bound
        .into_iter()
        .map(|bound| admin::serve(bound, door.clone(), &config.admin))
        .collect::<Result<_, _>>()?)
}

/// Until we are told to stop: reloads, upkeep, the watchdog.
async fn attend(daemon: &Arc<Daemon>, shared: &Arc<Shared>, store: &Store, signals: &mut Signals) {
    let mut upkeep = tokio::time::interval(upkeep::EVERY);
    let mut minutes = tokio::time::interval(super::recent::EVERY);
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut counters = tokio::time::interval(upkeep::WRITE_HITS_EVERY);
    let mut watchdog =
        tokio::time::interval(notify::watchdog_interval().unwrap_or(Duration::from_secs(3600)));
    // From before the first connection.
    let (adopted, started) = (Arc::new(Adopted::default()), daemon.started());
    let mut mending: Option<JoinHandle<Option<()>>> = None;
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => {
                // At once: systemd takes a reload that does not begin for one that is done.
                notify::reloading();
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
                let (shared, daemon, store) = (Arc::clone(shared), Arc::clone(daemon), store.clone());
                let (metrics, adopted) = (Arc::clone(&shared.metrics), Arc::clone(&adopted));
                supervised("upkeep", &metrics, async move {
                    upkeep::round(&shared).await;
                    exports::round(&daemon, &shared, &store).await;
                    adopted.round(&shared, started).await;
                });
            }
            _ = minutes.tick() => {
                daemon.remember();
                supervised("disks", &shared.metrics, gauges::disks(Arc::clone(&shared.metrics), daemon.disks()));
            }
            _ = looks.tick() => {
                daemon.look();
                if shared.lists.need_mending() && mending.as_ref().is_none_or(JoinHandle::is_finished) {
                    let mend = recovery::mend(Arc::clone(&shared.lists));
                    mending = Some(supervised("database", &shared.metrics, mend));
                }
                if adopt::is_due(shared) {
                    supervised("adopt", &shared.metrics, adopt::put_off(Arc::clone(shared)));
                }
                if let Some(over) = daemon.end_of_log_level() {
                    supervised("log-level", &shared.metrics, note_log_level(Arc::clone(shared), over));
                }
            }
            _ = counters.tick() => {
                supervised("list-hits", &shared.metrics, upkeep::write_hits(Arc::clone(&shared.lists)));
            }
            // Said from a thread that serves mail, on the word of this loop: both must run.
            _ = watchdog.tick() => drop(supervised("watchdog", &shared.metrics, async { notify::watchdog() })),
        }
    }
}

/// Puts on record that what somebody asked of the log has had its time.
async fn note_log_level(shared: Arc<Shared>, over: log::Passing) {
    let detail =
        format!("{}, asked for by {}, has ended; the configuration holds again", over.asked, over.by);
    tracing::info!(detail, "the level of the log was changed");
    let (what, by) = (AdminEvent::LogLevel, "expiry".to_owned());
    let entry = Entry::Admin { what, by, time: shared.clock.now(), detail };
    if let Err(error) = shared.audit.append(entry, Sync::Soon).await {
        tracing::warn!(%error, "a change of the level of the log could not be noted in the audit journal");
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
