//! Accepting connections, and letting them end: the same for every protocol.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntGauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::endpoint::Cidr;
use super::listener::{Listener, Peer};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// Yes.
    Serving,
    /// No more; those that there are go on as before.
    Ending,
    /// No more; messages under way are brought to their end, and nothing new is begun.
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

/// Who is let in, and who is here.
#[derive(Debug)]
pub(super) struct Door {
    /// The section of the configuration, as log lines name it.
    pub(super) name: &'static str,
    /// Addresses that may connect besides this machine's own.
    pub(super) allow: Vec<Cidr>,
    /// Connections at once.
    pub(super) most: u32,
    /// The task that takes connections, and the one of each connection.
    pub(super) tasks: [&'static str; 2],
    metrics: Arc<Metrics>,
    connections: IntGauge,
    turned_away: IntCounter,
    open: AtomicUsize,
    quiet: Quiet,
    /// Where sessions leave their idle connections at a drain.
    pub(super) left: Arc<Left>,
}

/// Idle connections of a drain that somebody will keep open; `None`: they are closed.
#[derive(Debug, Default)]
pub(super) struct Left(Mutex<Option<Vec<OwnedFd>>>);

impl Left {
    /// Keeps what `connection` makes, if somebody wants it.
    pub(super) fn leave(&self, connection: impl FnOnce() -> io::Result<OwnedFd>) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = &mut *left {
            match connection() {
                Ok(connection) => left.push(connection),
                Err(error) => tracing::debug!(%error, "a connection could not be left to the next daemon"),
            }
        }
    }

    fn wanted(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    fn take(&self) -> Vec<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

/// Log lines that could flood.
#[derive(Debug)]
struct Quiet {
    accept: Sparing,
    peer: Sparing,
    full: Sparing,
}

impl Door {
    /// A door whose open connections are counted in `connections`, and those it turns away in `turned_away`.
    pub(super) fn new(
        name: &'static str,
        tasks: [&'static str; 2],
        (allow, most): (Vec<Cidr>, u32),
        metrics: Arc<Metrics>,
        (connections, turned_away): (IntGauge, IntCounter),
    ) -> Self {
        let quiet = Quiet { accept: Sparing::new(), peer: Sparing::new(), full: Sparing::new() };
        let most = most.max(1);
        Self {
            name,
            allow,
            most,
            tasks,
            metrics,
            connections,
            turned_away,
            open: 0.into(),
            quiet,
            left: Arc::default(),
        }
    }

    fn admits(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Unix => true,
            Peer::Tcp(ip) => ip.is_loopback() || self.allow.iter().any(|net| net.contains(*ip)),
        }
    }
}

/// What is spoken on a connection.
pub(super) trait Protocol: Send + Sync + 'static {
    /// Serves one connection to its end: until the MTA is done, something is wrong, or the daemon stops and no
    /// message is under way.
    fn serve(
        self: Arc<Self>,
        stream: Stream,
        origin: Origin,
        phase: watch::Receiver<Phase>,
    ) -> impl Future<Output = ()> + Send;
}

/// Takes connections on all `listeners`, from now until [`Running::drain`].
pub(super) fn serve<P: Protocol>(listeners: Vec<Listener>, door: Door, protocol: &Arc<P>) -> Running {
    let door = Arc::new(door);
    let (phase, watched) = watch::channel(Phase::Serving);
    let places = Arc::new(Semaphore::new(door.most as usize));
    let accepting = listeners.into_iter().map(|listener| {
        let own = (Arc::clone(&door), Arc::clone(protocol));
        supervised(door.tasks[0], &door.metrics, accept(listener, own, Arc::clone(&places), watched.clone()))
    });
    Running { accepting: accepting.collect(), door, phase, places }
}

/// One protocol of a running daemon. Dropping it cuts everything at once; use [`Self::drain`].
#[derive(Debug)]
pub struct Running {
    accepting: Vec<JoinHandle<Option<()>>>,
    door: Arc<Door>,
    phase: watch::Sender<Phase>,
    places: Arc<Semaphore>,
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
        self.door.open.load(Ordering::Relaxed)
    }

    /// Takes no more connections and waits until those that there are have ended by themselves, at most for `most`.
    /// Meanwhile they go on, new messages included: an MTA whose filter goes away within a session refuses all the
    /// rest of that session. For sockets in whose queue others can wait.
    pub async fn wind_down(&self, most: Duration) {
        self.phase.send_replace(Phase::Ending);
        drop(timeout(most, self.places.acquire_many(self.door.most)).await);
    }

    /// [`Self::drain`] that does not close connections without a message where their protocol has a last word that can
    /// wait in them for the next command of the MTA (milter: SMFIR_SHUTDOWN). Whoever keeps them open, unread, until the
    /// MTA closes them, spares it refusing the rest of the session.
    pub async fn drain_leaving(self, deadline: Duration) -> (Drained, Vec<OwnedFd>) {
        let left = Arc::clone(&self.door.left);
        left.wanted();
        let drained = self.drain(deadline).await;
        (drained, left.take())
    }

    /// Takes no more connections, closes those without a message, and waits until the others have
    /// their answer. Those that have none by `deadline`, less the second that it takes
    /// to say so, are tempfailed and cut.
    pub async fn drain(self, deadline: Duration) -> Drained {
        let name = self.door.name;
        self.phase.send_replace(Phase::Draining);
        for accepting in self.accepting {
            if accepting.await.is_err() {
                tracing::error!("a task that takes {name} connections was cancelled");
            }
        }
        let all = self.places.acquire_many(self.door.most);
        tokio::pin!(all);
        let last_word = LAST_WORD.min(deadline / 4);
        if timeout(deadline - last_word, &mut all).await.is_ok() {
            return Drained { cut: 0 };
        }
        let cut = self.door.open.load(Ordering::Relaxed);
        tracing::warn!(cut, "{name} sessions are cut: their messages were not at an end by the deadline");
        self.phase.send_replace(Phase::Over);
        if timeout(LAST_WORD + Duration::from_secs(1), all).await.is_err() {
            tracing::error!("{name} sessions do not end");
        }
        Drained { cut }
    }
}

async fn accept<P: Protocol>(
    listener: Listener,
    (door, protocol): (Arc<Door>, Arc<P>),
    places: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        let (place, accepted) = tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            next = next(&listener, &door, &places) => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE_MIN;
                if door.admits(&peer) {
                    let origin = Origin { endpoint: listener.endpoint(), peer };
                    let session = Arc::clone(&protocol).serve(stream, origin, phase.clone());
                    open(session, place, &door, phase.clone());
                } else {
                    door.turned_away.inc();
                    if let Some(held_back) = door.quiet.peer.pass() {
                        let name = door.name;
                        tracing::warn!(%peer, untold = held_back, "a {name} connection was closed: {name}.allow does not name its address");
                    }
                }
            }
            Err(error) => {
                drop(place);
                door.metrics.accept_errors.inc();
                if let Some(held_back) = door.quiet.accept.pass() {
                    let name = door.name;
                    tracing::error!(%error, endpoint = %listener, untold = held_back, "a {name} connection could not be accepted; trying again");
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
    door: &Door,
    places: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<(Stream, Peer)>) {
    let place = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => Some(place),
        Err(_) => {
            door.metrics.overload.with_label_values(&["connections"]).inc();
            if let Some(held_back) = door.quiet.full.pass() {
                let name = door.name;
                tracing::warn!(
                    untold = held_back,
                    "all {name} connections are in use; others wait ({name}.max_connections)"
                );
            }
            Arc::clone(places).acquire_owned().await.ok()
        }
    };
    (place, listener.accept().await)
}

fn open(
    session: impl Future<Output = ()> + Send + 'static,
    place: Option<OwnedSemaphorePermit>,
    door: &Arc<Door>,
    mut phase: watch::Receiver<Phase>,
) {
    let open = Open::new(door);
    supervised(door.tasks[1], &door.metrics, async move {
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
struct Open(Arc<Door>);

impl Open {
    fn new(door: &Arc<Door>) -> Self {
        door.open.fetch_add(1, Ordering::Relaxed);
        door.connections.inc();
        Self(Arc::clone(door))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.connections.dec();
    }
}

/// Pause after a failed accept: doubled each time, so that a lack of file descriptors does not become
/// a lack of CPU.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
