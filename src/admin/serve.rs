//! Connections of one listener, within bounds.
//!
//! A place is taken before its connection is served. Where all are taken, the connection that has been
//! waiting longest without a request in work makes room: one that sends nothing, or sends slowly, cannot
//! keep others out, and none of it can take the file descriptors that mail needs. Only the request of somebody who was
//! let in counts as one: who asks for health, or without a good token, and does not read the answers keeps no place.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::gate::Peer;
use crate::telemetry::Metrics;
use crate::telemetry::seldom::Seldom;
use crate::telemetry::spawn::supervised;

/// Connections of one listener at once.
const PLACES: usize = 64;
/// From the first moment of a connection, or the end of an answer, to the end of a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The most that a request's head may take.
const HEAD_BYTES: usize = 64 * 1024;
/// How long our own client waits for an answer. `audit verify` reads months of records.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// From then on a connection ends with the request that is in work.
const LAST: Duration = Duration::from_secs(60);
/// A connection ends then whatever it does: who reads an answer slowly must not keep its place for ever.
const LIFE: Duration = Duration::from_secs(660);
/// How long a new connection waits for the place of one that was ended.
const WAIT: Duration = Duration::from_secs(1);
/// After a failed accept: the process may be out of file descriptors.
const RECOVER: Duration = Duration::from_millis(100);
/// How often failed accepts are told.
const TOLD_EVERY: Duration = Duration::from_mins(1);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 2\r\n\
    Content-Length: 63\r\nConnection: close\r\n\r\n{\"error\": \"too many connections at once; try again in a while\"}";

/// An open door, in the runtime's hands.
pub(super) enum Listening {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Either end of a socket.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listening {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        Ok(match self {
            Self::Unix(listener) => (Box::new(listener.accept().await?.0), Peer::Unix),
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written whole; waiting to fill a packet only delays them.
                stream.set_nodelay(true).ok();
                (Box::new(stream), Peer::Tcp(address))
            }
        })
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Unix(_) => "unix",
            Self::Tcp(_) => "tcp",
        }
    }
}

/// Takes connections until the task is aborted, and ends them with it.
pub(super) async fn attend(listening: Listening, router: Router, metrics: Arc<Metrics>) {
    let mut crowd = Crowd::new(PLACES);
    let name = listening.name();
    let failed = Seldom::once_in(TOLD_EVERY);
    loop {
        // Given away where there is no other descriptor: somebody may want to see why.
        let reserve = std::fs::File::open("/dev/null").ok();
        let mut accepted = listening.accept().await;
        if accepted.is_err() && reserve.is_some() {
            drop(reserve);
            accepted = listening.accept().await;
        }
        let (mut stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                metrics.accept_errors.inc();
                if let Some(untold) = failed.may_tell() {
                    tracing::warn!(%error, untold, "a connection to the admin's door could not be taken; trying again");
                }
                tokio::time::sleep(RECOVER).await;
                continue;
            }
        };
        let Some(place) = crowd.place().await else {
            // As far as the socket takes it at once.
            drop(tokio::time::timeout(Duration::from_millis(10), stream.write_all(FULL)).await);
            continue;
        };
        let requests = Arc::new(AtomicUsize::new(0));
        let (service, counted) = (Requests::new(&router, peer, &requests), Arc::clone(&metrics));
        let connection = async move {
            let _counted = Counted::new(&counted, name);
            serve(stream, service).await;
            drop(place);
        };
        let abort = supervised("admin-connection", &metrics, connection).abort_handle();
        crowd.present.push_back(Present { abort, requests });
    }
}

async fn serve(stream: Box<dyn Stream>, service: Requests) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ended = tokio::time::timeout(LAST, connection.as_mut()).await;
    if ended.is_err() {
        connection.as_mut().graceful_shutdown();
        ended = tokio::time::timeout(LIFE.saturating_sub(LAST), connection).await;
    }
    // What a client does wrong is no trouble of ours.
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "a connection to the admin's door ended badly");
    }
}

/// Who is connected.
struct Crowd {
    places: Arc<Semaphore>,
    /// In the order in which they came.
    present: VecDeque<Present>,
}

struct Present {
    abort: AbortHandle,
    /// Requests in work, and answers being sent.
    requests: Arc<AtomicUsize>,
}

impl Crowd {
    fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), present: VecDeque::new() }
    }

    /// A place; if need be that of a connection without a request. `None` if all have one.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.present.retain(|present| !present.abort.is_finished());
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let idle = self.present.iter().position(|p| p.requests.load(Ordering::Relaxed) == 0)?;
        self.present.remove(idle)?.abort.abort();
        tokio::time::timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.present.iter().for_each(|present| present.abort.abort());
    }
}

/// Counts a connection while it lasts.
struct Counted(prometheus::IntGauge);

impl Counted {
    fn new(metrics: &Metrics, name: &str) -> Self {
        let gauge = metrics.admin_connections.with_label_values(&[name]);
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The requests of one connection on their way to the routes.
struct Requests {
    routes: TowerToHyperService<Router>,
    peer: Peer,
    requests: Arc<AtomicUsize>,
}

impl Requests {
    fn new(router: &Router, peer: Peer, requests: &Arc<AtomicUsize>) -> Self {
        Self { routes: TowerToHyperService::new(router.clone()), peer, requests: Arc::clone(requests) }
    }
}

impl Service<hyper::Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        let in_work = Arc::new(InWork::new(&self.requests));
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(Arc::clone(&in_work));
        let answer = self.routes.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Sending { body, _in_work: in_work }))) })
    }
}

/// A request in work, until its answer is handed over.
pub(super) struct InWork {
    requests: Arc<AtomicUsize>,
    counts: AtomicBool,
}

impl InWork {
    fn new(requests: &Arc<AtomicUsize>) -> Self {
        Self { requests: Arc::clone(requests), counts: AtomicBool::new(false) }
    }

    /// Whoever sent it was let in: from here on its connection keeps its place.
    pub(super) fn counts(&self) {
        if !self.counts.swap(true, Ordering::Relaxed) {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        if *self.counts.get_mut() {
            self.requests.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The body of an answer.
struct Sending {
    body: Body,
    _in_work: Arc<InWork>,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(crowd: &mut Crowd, place: OwnedSemaphorePermit, requests: usize) -> AbortHandle {
        let metrics = Metrics::new();
        let abort = supervised("test", &metrics, async move {
            std::future::pending::<()>().await;
            drop(place);
        })
        .abort_handle();
        crowd.present.push_back(Present { abort: abort.clone(), requests: Arc::new(requests.into()) });
        abort
    }

    #[tokio::test]
    async fn the_longest_idle_connection_makes_room_and_one_in_work_does_not() {
        let mut crowd = Crowd::new(2);
        let place = crowd.place().await.unwrap();
        let busy = joins(&mut crowd, place, 1);
        let place = crowd.place().await.unwrap();
        let idle = joins(&mut crowd, place, 0);
        let place = crowd.place().await.unwrap();
        assert!(idle.is_finished() && !busy.is_finished());
        joins(&mut crowd, place, 1);
        assert!(crowd.place().await.is_none(), "all have a request in work");
        drop(crowd);
        tokio::task::yield_now().await;
        assert!(busy.is_finished(), "the door's end is the end of its connections");
    }

    #[test]
    fn a_request_counts_once_and_only_of_somebody_who_was_let_in() {
        let requests = Arc::new(AtomicUsize::new(0));
        let now = || requests.load(Ordering::Relaxed);
        let (stranger, known) = (InWork::new(&requests), InWork::new(&requests));
        assert_eq!(now(), 0);
        known.counts();
        known.counts();
        assert_eq!(now(), 1);
        drop(stranger);
        assert_eq!(now(), 1);
        drop(known);
        assert_eq!(now(), 0);
    }

    #[test]
    fn what_a_full_house_says_is_whole() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"].is_string());
    }
}
