//! A small HTTP/1.1 client for one of rspamd's workers: connections kept open where rspamd keeps them, the
//! request written and the reply read at the same time, and nothing taken in beyond a limit.
//!
//! Design note: reqwest was measured beside it (`tests/measure.rs`): with a connection for each message, as rspamd
//! 3.4 wants it, it costs 55 µs of processor time beyond what the connection itself does, this one 25 µs. And it
//! hides what rspamd says with a 204, and whether a failed connection was a fresh one.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::error::AskError;
use super::response::{Answer, Reader, ResponseError};
use super::settings::Endpoint;
use crate::model::text;
use crate::net::{Stream, connect};

/// A connection that nobody used for so long is not tried: whoever is at the other end may be about to close it.
const KEPT: Duration = Duration::from_secs(15);
/// Bytes read at a time.
const PIECE: usize = 16 << 10;

/// Speaks to one server.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    idle: Mutex<Vec<Idle>>,
    /// Most connections that are kept open.
    keeps: usize,
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint, keeps: usize) -> Self {
        Self { endpoint, idle: Mutex::default(), keeps }
    }

    /// Where the server is.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends the bytes of one request and reads the reply to it, of which the body may have `limit` bytes.
    /// A kept connection that turns out to have been closed costs nothing but another one. The caller stops
    /// waiting at the deadline.
    pub(super) async fn ask(
        &self,
        request: &[Bytes],
        limit: usize,
        deadline: Instant,
    ) -> Result<Answer, AskError> {
        if let Some(mut stream) = self.take() {
            match exchange(&mut stream, request, limit).await {
                Ok(answer) => return Ok(self.done(stream, answer)),
                // It went while it was idle: that says nothing about this message.
                Err(Broken { had_begun: false, what: What::Connection(_) }) => {}
                Err(broken) => return Err(self.error(broken, limit)),
            }
        }
        let mut stream =
            connect(&self.endpoint.server, deadline).await.map_err(|error| self.no_connection(&error))?;
        match exchange(&mut stream, request, limit).await {
            Ok(answer) => Ok(self.done(stream, answer)),
            Err(broken) => Err(self.error(broken, limit)),
        }
    }

    /// A kept connection that seems to be open: the one used last.
    fn take(&self) -> Option<Stream> {
        loop {
            let Idle { mut stream, since } = self.lock().pop()?;
            if since.elapsed() > KEPT {
                // Those below it are older still.
                self.lock().clear();
                return None;
            }
            // Nothing was asked for, so nothing should be there to be read, not even the end.
            if stream.read(&mut [0; 1]).now_or_never().is_none() {
                return Some(stream);
            }
        }
    }

    fn done(&self, stream: Stream, answer: Answer) -> Answer {
        if answer.stays_open {
            let mut idle = self.lock();
            if idle.len() < self.keeps {
                idle.push(Idle { stream, since: Instant::now() });
            }
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_connection(&self, error: &io::Error) -> AskError {
        let (server, cause) = (self.endpoint.to_string(), said(error));
        match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => AskError::Refused { server, cause },
            io::ErrorKind::TimedOut => AskError::TimedOut { server },
            _ => AskError::Unreachable { server, cause },
        }
    }

    fn error(&self, broken: Broken, limit: usize) -> AskError {
        let server = self.endpoint.to_string();
        match broken.what {
            What::Connection(cause) => AskError::Reset { server, cause },
            What::Response(ResponseError::TooLarge) => AskError::TooLarge { server, limit },
            What::Response(error @ ResponseError::Cut) => {
                AskError::Reset { server, cause: error.to_string() }
            }
            What::Response(ResponseError::Malformed(why)) => {
                AskError::Protocol { server, cause: why.to_owned() }
            }
        }
    }
}

fn said(error: &io::Error) -> String {
    text::line(&error.to_string().to_lowercase(), 200)
}

/// Why there is no response.
struct Broken {
    /// Whether any byte of it was read.
    had_begun: bool,
    what: What,
}

enum What {
    Connection(String),
    Response(ResponseError),
}

/// Writes the request and reads the response at the same time: a server may answer before it has read
/// everything, and then read no more.
async fn exchange(stream: &mut Stream, request: &[Bytes], limit: usize) -> Result<Answer, Broken> {
    let mut sending = Sending { chunks: request.to_vec(), at: 0, error: None };
    let mut reader = Reader::new(limit);
    let mut piece = vec![0; PIECE];
    loop {
        let read = std::future::poll_fn(|cx| step(stream, &mut sending, &mut piece, cx)).await;
        let had_begun = reader.has_begun();
        let broken = |what| Broken { had_begun, what };
        match read {
            Ok(0) => {
                // Who closes before the request was read does not always say why.
                let cause = match sending.error {
                    Some(error) if !had_begun => said(&error),
                    _ if !had_begun => "it closed the connection without a reply".to_owned(),
                    _ => return reader.end().map_err(|error| broken(What::Response(error))),
                };
                return Err(broken(What::Connection(cause)));
            }
            Ok(count) => {
                let whole = reader
                    .feed(piece.get(..count).unwrap_or_default())
                    .map_err(|error| Broken { had_begun: true, what: What::Response(error) })?;
                if whole {
                    let mut answer = reader.into_answer();
                    // The rest of the request is still to come: the connection is good for nothing more.
                    answer.stays_open &= sending.is_done();
                    return Ok(answer);
                }
            }
            Err(error) => return Err(broken(What::Connection(said(&error)))),
        }
    }
}

/// Writes what can be written, and reads; ready when something was read.
fn step(
    stream: &mut Stream,
    sending: &mut Sending,
    piece: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    sending.poll(stream, cx);
    let mut into = ReadBuf::new(piece);
    ready!(Pin::new(stream).poll_read(cx, &mut into))?;
    Poll::Ready(Ok(into.filled().len()))
}

/// What of a request is still to be written.
struct Sending {
    chunks: Vec<Bytes>,
    /// The chunk that comes next.
    at: usize,
    /// Why no more is written. The reply may be there all the same.
    error: Option<io::Error>,
}

impl Sending {
    fn is_done(&self) -> bool {
        self.at == self.chunks.len() && self.error.is_none()
    }

    fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) {
        while self.error.is_none() && self.at < self.chunks.len() {
            let mut slices = [io::IoSlice::new(&[]); 4];
            let left = self.chunks.get(self.at..).unwrap_or_default();
            let count = left.len().min(slices.len());
            for (slice, chunk) in slices.iter_mut().zip(left) {
                *slice = io::IoSlice::new(chunk);
            }
            let slices = slices.get(..count).unwrap_or_default();
            match Pin::new(&mut *stream).poll_write_vectored(cx, slices) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => self.error = Some(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => self.advance(written),
                Poll::Ready(Err(error)) => self.error = Some(error),
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(chunk) = self.chunks.get_mut(self.at) {
            if written < chunk.len() {
                bytes::Buf::advance(chunk, written);
                return;
            }
            written -= chunk.len();
            self.at += 1;
        }
    }
}
