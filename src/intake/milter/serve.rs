//! Accepting connections, and letting them end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::config::{Cidr, Config};
use super::connection::Connection;
use super::error::SessionError;
use super::frame::Patience;
use super::listener::{Listener, Peer};
use super::session;
use super::sparing::Sparing;
use super::stream::Stream;
use crate::model::ByteSize;
use crate::pipeline::{Budget, Judge};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// What a connection keeps from its beginning to its end, whatever is reloaded meanwhile.
pub struct Snapshot {
    /// Who judges its messages.
    pub judge: Arc<dyn Judge>,
    /// The most that one message may hold.
    pub max_message: ByteSize,
    /// When a judge that is not done is taken for hung, counted from the end of the message: its own
    /// deadline and some seconds of grace. Below the MTA's `milter_content_timeout`.
    pub hung_after: Duration,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("max_message", &self.max_message).finish_non_exhaustive()
    }
}

/// What all connections share with the rest of the daemon.
#[derive(Debug)]
pub struct Service {
    /// The configuration of today; a reload stores a new one.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    /// Room for messages.
    pub budget: Arc<Budget>,
    /// Where errors are counted.
    pub metrics: Arc<Metrics>,
}

/// Whether connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Yes.
    Serving,
    /// No more; messages under way are brought to their end.
    Draining,
    /// The deadline is over: what is under way is tempfailed, and everything ends.
    Over,
}

/// Where a session comes from; its log lines say so.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The socket of ours.
    pub(super) endpoint: Arc<str>,
    /// The MTA's address.
    pub(super) peer: Peer,
}

/// What sessions of one daemon have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: Service,
    pub(super) patience: Patience,
    pub(super) progress: Duration,
    pub(super) quiet: Quiet,
    allow: Vec<Cidr>,
    open: AtomicUsize,
}

/// Log lines that could flood.
#[derive(Debug)]
pub(super) struct Quiet {
    pub(super) session: Sparing,
    pub(super) terms: Sparing,
    pub(super) overload: Sparing,
    accept: Sparing,
    peer: Sparing,
}

impl Shared {
    pub(super) fn new(config: &Config, service: Service) -> Self {
        Self {
            service,
            patience: Patience {
                idle: config.idle_timeout.duration(),
                packet: config.packet_timeout.duration(),
            },
            progress: config.progress.duration(),
            quiet: Quiet {
                session: Sparing::new(),
                terms: Sparing::new(),
                overload: Sparing::new(),
                accept: Sparing::new(),
                peer: Sparing::new(),
            },
            allow: config.allow.clone(),
            open: 0.into(),
        }
    }

    /// Counts what went wrong in a session, and logs it unless too many lines came just now.
    pub(super) fn note(&self, error: &SessionError, origin: &Origin, connection: &Connection) {
        let kind = error.label();
        self.service.metrics.milter_errors.with_label_values(&[kind]).inc();
        if let Some(held_back) = self.quiet.session.pass() {
            let Origin { endpoint, peer } = origin;
            tracing::warn!(
                kind, %error, %endpoint, %peer, client = connection.shown(), held_back,
                "trouble with a milter session"
            );
        }
    }

    fn admits(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Unix => true,
            Peer::Tcp(ip) => ip.is_loopback() || self.allow.iter().any(|net| net.contains(*ip)),
        }
    }
}

/// Takes connections on all `listeners`, from now until [`Running::drain`].
#[must_use]
pub fn serve(listeners: Vec<Listener>, config: &Config, service: Service) -> Running {
    let shared = Arc::new(Shared::new(config, service));
    let (phase, watched) = watch::channel(Phase::Serving);
    let most = config.max_connections.max(1);
    let places = Arc::new(Semaphore::new(most as usize));
    let accepting = listeners.into_iter().map(|listener| {
        let accept = accept(listener, Arc::clone(&shared), Arc::clone(&places), watched.clone());
        supervised("milter-accept", &shared.service.metrics, accept)
    });
    Running { accepting: accepting.collect(), shared, phase, places, most }
}

/// The milter side of a running daemon. Dropping it cuts everything at once; use [`Self::drain`].
#[derive(Debug)]
pub struct Running {
    accepting: Vec<JoinHandle<Option<()>>>,
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    places: Arc<Semaphore>,
    most: u32,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that still had a message under way at the deadline and were cut.
    pub cut: usize,
}

impl Running {
    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Takes no more connections, closes those without a message, and waits until the others have
    /// their answer. Those that have none by `deadline`, less the second that it takes
    /// to say so, are tempfailed and cut.
    pub async fn drain(self, deadline: Duration) -> Drained {
        self.phase.send_replace(Phase::Draining);
        for accepting in self.accepting {
            if accepting.await.is_err() {
                tracing::error!("a task that takes milter connections was cancelled");
            }
        }
        let all = self.places.acquire_many(self.most);
        tokio::pin!(all);
        let last_word = LAST_WORD.min(deadline / 4);
        if timeout(deadline - last_word, &mut all).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.shared.open.load(Ordering::Relaxed);
        tracing::warn!(cut, "milter sessions are cut: their messages were not at an end by the deadline");
        self.phase.send_replace(Phase::Over);
        if timeout(LAST_WORD + Duration::from_secs(1), all).await.is_err() {
            tracing::error!("milter sessions do not end");
        }
        Drained { cut }
    }
}

async fn accept(
    listener: Listener,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let (place, accepted) = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            next = next(&listener, &shared, &places) => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE_MIN;
                if shared.admits(&peer) {
                    let origin = Origin { endpoint: listener.endpoint(), peer };
                    open(stream, origin, place, &shared, &phase);
                } else {
                    shared.service.metrics.milter_errors.with_label_values(&["peer"]).inc();
                    if let Some(held_back) = shared.quiet.peer.pass() {
                        tracing::warn!(%peer, held_back, "a milter connection was closed: milter.allow does not name its address");
                    }
                }
            }
            Err(error) => {
                drop(place);
                shared.service.metrics.accept_errors.inc();
                if let Some(held_back) = shared.quiet.accept.pass() {
                    tracing::error!(%error, endpoint = %listener, held_back, "a milter connection could not be accepted; trying again");
                }
                if !is_of_one_connection(&error) {
                    tokio::select! {
                        _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
                        () = sleep(pause) => {}
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }
}

/// A place, then a connection: the surplus waits in the listen queue.
async fn next(
    listener: &Listener,
    shared: &Shared,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(Stream, Peer)>) {
    let place = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => Some(place),
        Err(_) => {
            shared.service.metrics.overload.with_label_values(&["connections"]).inc();
            if let Some(held_back) = shared.quiet.overload.pass() {
                tracing::warn!(
                    held_back,
                    "all milter connections are in use; others wait (milter.max_connections)"
                );
            }
            Arc::clone(places).acquire_owned().await.ok()
        }
    };
    (place, listener.accept().await)
}

fn open(
    stream: Stream,
    origin: Origin,
    place: Option<OwnedSemaphorePermit>,
    shared: &Arc<Shared>,
    phase: &watch::Receiver<Phase>,
) {
    let open = Open::new(shared);
    let session = session::serve(stream, origin, Arc::clone(shared), phase.clone());
    let mut phase = phase.clone();
    supervised("milter-session", &shared.service.metrics, async move {
        tokio::select! {
            () = session => {}
            () = too_late(&mut phase) => {}
        }
        drop((open, place));
    });
}

/// The end of the time that a session has for its last word.
async fn too_late(phase: &mut watch::Receiver<Phase>) {
    over(phase).await;
    sleep(LAST_WORD).await;
}

/// The moment from which on nothing is waited for any more.
pub(super) async fn over(phase: &mut watch::Receiver<Phase>) {
    // An error says that nobody is left who could tell: then it is over too.
    drop(phase.wait_for(|phase| *phase == Phase::Over).await);
}

/// How long a session that is cut has to tell the MTA so, and the MTA to hear it.
pub(super) const LAST_WORD: Duration = Duration::from_secs(1);

/// Whether the error is of the connection that was to be accepted, and not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

/// Counts one open connection while it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        shared.service.metrics.milter_connections.inc();
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.service.metrics.milter_connections.dec();
    }
}

/// Pause after a failed accept: doubled each time, so that a lack of file descriptors does not become
/// a lack of CPU.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
