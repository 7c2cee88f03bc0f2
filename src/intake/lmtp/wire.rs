//! Bytes on a connection: bounded, and none held while nothing happens.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::SessionError;
use super::reply::Replies;
use crate::intake::accept::Phase;
use crate::intake::stream::Stream;

/// What a buffer begins with, and below which free room is not worth a read. No less than a line may have.
const FIRST: usize = super::command::MAX_LINE;
/// What a buffer grows to when there is always more to read.
const MOST: usize = 64 * 1024;
/// Replies beyond this are written before more commands are taken.
const MOST_REPLIES: usize = 16 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// Bytes read. Those before `head` are done with.
    buf: Vec<u8>,
    head: usize,
    /// The last read filled all the room there was: more waits in the kernel.
    more: bool,
    /// Replies not yet written.
    pub(super) out: Replies,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buf: Vec::new(), head: 0, more: false, out: Replies::default() }
    }

    /// What was read and is not done with, and where replies go.
    pub(super) fn parts(&mut self) -> (&[u8], &mut Replies) {
        (self.buf.get(self.head..).unwrap_or_default(), &mut self.out)
    }

    /// Nothing is left of what was read.
    pub(super) fn is_empty(&self) -> bool {
        self.head >= self.buf.len()
    }

    /// Lets go of the first `n` bytes.
    pub(super) fn done(&mut self, n: usize) {
        self.head = (self.head + n).min(self.buf.len());
        if self.head == self.buf.len() {
            self.buf.clear();
            self.head = 0;
        }
    }

    /// So many replies wait that a client who does not read them should wait too.
    pub(super) fn is_full(&self) -> bool {
        self.out.0.len() > MOST_REPLIES
    }

    /// Waits until there is something to read, holding no memory meanwhile. `false` if the daemon stops first.
    ///
    /// # Errors
    /// If nothing comes within `limit`, or the stream fails.
    pub(super) async fn rest(
        &mut self,
        phase: &mut watch::Receiver<Phase>,
        limit: Duration,
    ) -> Result<bool, SessionError> {
        if self.is_empty() {
            (self.buf, self.head, self.more) = (Vec::new(), 0, false);
            self.out = Replies::default();
        }
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => Ok(false),
            readable = timeout(limit, self.stream.readable()) => {
                readable.map_err(|_| SessionError::Silent(limit))??;
                Ok(true)
            }
        }
    }

    /// Reads once. `false` at the end of what the client sends.
    ///
    /// # Errors
    /// If nothing comes by `deadline`, which is `silent` of silence, or the stream fails.
    ///
    /// # Cancel safety
    /// Whoever stops waiting loses nothing of what came.
    pub(super) async fn read(
        &mut self,
        deadline: Instant,
        silent: SessionError,
    ) -> Result<bool, SessionError> {
        self.make_room();
        let room = self.buf.capacity() - self.buf.len();
        let read = timeout_at(deadline, self.stream.read_buf(&mut self.buf)).await;
        let n = read.map_err(|_| silent)??;
        self.more = n == room;
        Ok(n > 0)
    }

    /// Writes the replies, in one piece.
    ///
    /// # Errors
    /// If the stream fails, or the client does not take them within `limit`.
    pub(super) async fn flush(&mut self, limit: Duration) -> Result<(), SessionError> {
        if self.out.0.is_empty() {
            return Ok(());
        }
        let written = timeout(limit, self.stream.write_all(&self.out.0)).await;
        self.out.0.clear();
        match written {
            Ok(written) => written.map_err(SessionError::Io),
            Err(_) => Err(SessionError::NotRead(limit)),
        }
    }

    /// Whether the client has hung up. What it has sent meanwhile is kept.
    pub(super) fn is_gone(&mut self) -> bool {
        if !self.is_empty() {
            return false;
        }
        let mut first = [0; 512];
        match self.stream.try_read(&mut first) {
            Ok(0) => true,
            Ok(n) => {
                self.buf.extend_from_slice(first.get(..n).unwrap_or_default());
                false
            }
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Says no more, and reads what still comes for a while without looking at it: a client in the middle of sending
    /// reads our last word only when it is done.
    pub(super) async fn linger(&mut self, limit: Duration) {
        let drain = async {
            self.stream.shutdown().await?;
            tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await
        };
        match timeout(limit, drain).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the client broke the connection off"),
            Err(_) => tracing::debug!("the client goes on sending; the connection is closed"),
        }
    }

    fn make_room(&mut self) {
        if self.head > 0 && self.buf.capacity() - self.buf.len() < FIRST {
            self.buf.drain(..self.head);
            self.head = 0;
        }
        let capacity = self.buf.capacity();
        if self.more || capacity == self.buf.len() {
            let target = (capacity * 4).clamp(FIRST, MOST.max(self.buf.len() + FIRST));
            self.buf.reserve_exact(target.saturating_sub(self.buf.len()));
        }
    }
}
