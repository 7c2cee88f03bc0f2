//! Packets on a buffered stream.
//!
//! A packet is four bytes of length, one of command, and the payload. One read takes as many packets
//! as have come; replies gather and leave in one write before the next wait. Memory follows the bytes
//! that came, never the length that was announced, and an idle connection holds no buffer at all.

use std::time::Duration;

use indymilter::message::{Message, reply::Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

use super::error::SessionError;
use crate::intake::accept::Phase;
use crate::intake::stream::Stream;

/// The largest length taken, command byte included: indymilter's limit too. Body chunks have 65,535
/// bytes; only a header field could be longer than that.
pub(super) const MAX_PACKET: u32 = 1024 * 1024;

/// What a buffer begins with, and below which free room is not worth a read.
const FIRST: usize = 4 * 1024;
/// What a buffer grows to when there is always more to read; a single larger packet gets its own size.
const MOST: usize = 128 * 1024;

/// How long the MTA may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Between packets.
    pub(super) idle: Duration,
    /// Inside a packet, and while it takes a reply.
    pub(super) packet: Duration,
}

/// What a wait for the next packet ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// A whole packet; see [`Wire::packet`].
    Packet,
    /// The MTA closed the connection between two packets.
    Closed,
    /// The daemon stops, and nothing is under way here.
    Draining,
}

/// One connection to an MTA, as packets.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    patience: Patience,
    /// Bytes read. Those before `head` are done with.
    buf: Vec<u8>,
    head: usize,
    /// Size of the whole packet at `head`, 0 while there is none.
    whole: usize,
    /// The last read filled all the room there was: more waits in the kernel.
    more: bool,
    /// Replies not yet written.
    out: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: Stream, patience: Patience) -> Self {
        Self { stream, patience, buf: Vec::new(), head: 0, whole: 0, more: false, out: Vec::new() }
    }

    /// Lets go of the packet before, and waits for the next one. With `idle`, nothing is under way:
    /// the wait ends when the daemon drains, and no memory is held meanwhile.
    ///
    /// # Errors
    /// If the stream fails or stalls, or announces a packet that is not taken.
    ///
    /// # Cancel safety
    /// Whoever stops waiting loses nothing of what came.
    pub(super) async fn ready(
        &mut self,
        mut idle: Option<&mut watch::Receiver<Phase>>,
    ) -> Result<Arrival, SessionError> {
        self.head += self.whole;
        self.whole = 0;
        loop {
            let announced = self.announced()?;
            if let Some(size) = announced.filter(|size| *size <= self.held()) {
                self.whole = size;
                return Ok(Arrival::Packet);
            }
            self.flush(self.patience.packet).await?;
            let between = self.held() == 0;
            if between {
                self.buf.clear();
                self.head = 0;
                if let Some(phase) = idle.as_deref_mut() {
                    self.rest();
                    if !self.await_readable(phase).await? {
                        return Ok(Arrival::Draining);
                    }
                }
            }
            self.make_room(announced.unwrap_or_default());
            let room = self.buf.capacity() - self.buf.len();
            let limit = if between { self.patience.idle } else { self.patience.packet };
            let read = timeout(limit, self.stream.read_buf(&mut self.buf));
            let read = match idle.as_deref_mut().filter(|_| between) {
                // What looked readable need not have been: also here the drain must be heard.
                Some(phase) => tokio::select! {
                    biased;
                    read = read => read,
                    _ = phase.wait_for(|phase| *phase >= Phase::Draining) => return Ok(Arrival::Draining),
                },
                None => read.await,
            };
            let silent = if between { SessionError::Idle(limit) } else { SessionError::Stalled(limit) };
            match read.map_err(|_| silent)?? {
                0 if between => return Ok(Arrival::Closed),
                0 => return Err(SessionError::Truncated),
                n => self.more = n == room,
            }
        }
    }

    /// The connection itself, when no more is read from it.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Command byte and payload of the packet that [`Self::ready`] found.
    pub(super) fn packet(&self) -> Option<(u8, &[u8])> {
        let packet = self.buf.get(self.head..self.head + self.whole)?;
        let (command, payload) = packet.get(4..)?.split_first()?;
        Some((*command, payload))
    }

    /// Adds a reply to those that leave with the next flush.
    pub(super) fn push(&mut self, reply: Reply) {
        let Message { kind, buffer } = reply.into_message();
        // Replies are made of our own bounded text and of recipients that came in one packet.
        let length = u32::try_from(buffer.len() + 1).unwrap_or(u32::MAX);
        self.out.reserve(5 + buffer.len());
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.push(kind);
        self.out.extend_from_slice(&buffer);
    }

    /// Writes what was pushed, in one piece.
    ///
    /// # Errors
    /// If the stream fails, or the MTA does not take it within `limit`.
    ///
    /// # Cancel safety
    /// Whoever stops waiting can flush again.
    pub(super) async fn flush(&mut self, limit: Duration) -> Result<(), SessionError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let Self { stream, out, .. } = self;
        // What was taken is let go at once: should the wait be broken off, what is left is what the
        // MTA has not got, and a later flush goes on from there.
        let written = timeout(limit, async {
            while !out.is_empty() {
                match stream.write(out).await? {
                    0 => return Err(std::io::ErrorKind::WriteZero.into()),
                    n => drop(out.drain(..n)),
                }
            }
            Ok::<(), std::io::Error>(())
        });
        let written = match written.await {
            Ok(written) => written.map_err(SessionError::Io),
            Err(_) => Err(SessionError::NotRead(limit)),
        };
        if written.is_err() {
            self.out.clear();
        }
        written
    }

    /// Says no more, and reads what still comes for a while without looking at it: an MTA that is in
    /// the middle of sending a message reads our last word only when it is done.
    pub(super) async fn linger(&mut self, limit: Duration) {
        self.rest();
        let drain = async {
            self.stream.shutdown().await?;
            tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await
        };
        match timeout(limit, drain).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the MTA broke the connection off"),
            Err(_) => tracing::debug!("the MTA goes on sending; the connection is closed"),
        }
    }

    /// Bytes of packets that are not done with.
    fn held(&self) -> usize {
        self.buf.len() - self.head
    }

    /// Size of the packet at `head`, length field included, once its length is known.
    fn announced(&self) -> Result<Option<usize>, SessionError> {
        let Some(length) = self.buf.get(self.head..).and_then(|held| held.first_chunk::<4>()) else {
            return Ok(None);
        };
        match u32::from_be_bytes(*length) {
            0 => Err(SessionError::Empty),
            length if length > MAX_PACKET => Err(SessionError::TooLarge(length)),
            length => Ok(Some(4 + length as usize)),
        }
    }

    /// Gives back what an idle connection need not hold.
    fn rest(&mut self) {
        self.buf = Vec::new();
        self.more = false;
        self.out = Vec::new();
    }

    /// Waits until there is something to read; `false` if the daemon drains first.
    async fn await_readable(&self, phase: &mut watch::Receiver<Phase>) -> Result<bool, SessionError> {
        let limit = self.patience.idle;
        tokio::select! {
            biased;
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => Ok(false),
            readable = timeout(limit, self.stream.readable()) => {
                readable.map_err(|_| SessionError::Idle(limit))??;
                Ok(true)
            }
        }
    }

    /// Makes room for the next read: four times what there was, once that was filled, up to [`MOST`]
    /// or to the size of the packet that is coming.
    fn make_room(&mut self, announced: usize) {
        if self.head > 0 && self.buf.capacity() - self.buf.len() < FIRST {
            self.buf.drain(..self.head);
            self.head = 0;
        }
        let capacity = self.buf.capacity();
        if self.more || capacity == self.buf.len() {
            let target = (capacity * 4).clamp(FIRST, MOST.max(announced));
            self.buf.reserve_exact(target.saturating_sub(self.buf.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    fn wire() -> (UnixStream, Wire) {
        let (mta, ours) = UnixStream::pair().unwrap();
        let patience = Patience { idle: Duration::from_secs(60), packet: Duration::from_secs(5) };
        (mta, Wire::new(Stream::Unix(ours), patience))
    }

    fn packet(command: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(payload.len() + 1).unwrap().to_be_bytes().to_vec();
        out.push(command);
        out.extend_from_slice(payload);
        out
    }

    #[tokio::test]
    async fn many_packets_come_with_one_read() {
        let (mut mta, mut wire) = wire();
        let sent: Vec<u8> = (b'a'..=b'f').flat_map(|c| packet(c, &[c; 3])).collect();
        mta.write_all(&sent).await.unwrap();
        drop(mta);
        for c in b'a'..=b'f' {
            assert_eq!(wire.ready(None).await.unwrap(), Arrival::Packet);
            assert_eq!(wire.packet(), Some((c, [c; 3].as_slice())));
        }
        assert_eq!(wire.ready(None).await.unwrap(), Arrival::Closed);
    }

    #[tokio::test]
    async fn a_packet_may_come_byte_by_byte() {
        let (mut mta, mut wire) = wire();
        let feed = async {
            for byte in packet(b'B', b"hello") {
                mta.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            mta
        };
        let (arrival, _mta) = tokio::join!(wire.ready(None), feed);
        assert_eq!(arrival.unwrap(), Arrival::Packet);
        assert_eq!(wire.packet(), Some((b'B', b"hello".as_slice())));
    }

    #[tokio::test]
    async fn memory_follows_the_bytes_that_came_not_the_length_announced() {
        let (mut mta, mut wire) = wire();
        mta.write_all(&MAX_PACKET.to_be_bytes()).await.unwrap();
        mta.write_all(b"Bx").await.unwrap();
        let waited = timeout(Duration::from_millis(50), wire.ready(None)).await;
        assert!(waited.is_err());
        assert!(wire.buf.capacity() <= FIRST, "{}", wire.buf.capacity());
    }

    #[tokio::test]
    async fn the_largest_packet_is_taken_and_one_byte_more_is_not() {
        let (mut mta, mut wire) = wire();
        let payload = vec![b'x'; MAX_PACKET as usize - 1];
        let sent = packet(b'B', &payload);
        let feed = async {
            mta.write_all(&sent).await.unwrap();
            mta.write_all(&(MAX_PACKET + 1).to_be_bytes()).await.unwrap();
            mta.write_all(b"B").await.unwrap();
            mta
        };
        let (arrival, _mta) = tokio::join!(wire.ready(None), feed);
        assert_eq!(arrival.unwrap(), Arrival::Packet);
        assert_eq!(wire.packet().unwrap().1, payload);
        assert!(matches!(wire.ready(None).await, Err(SessionError::TooLarge(n)) if n == MAX_PACKET + 1));
    }

    #[tokio::test]
    async fn a_length_of_nothing_is_refused() {
        let (mut mta, mut wire) = wire();
        mta.write_all(&[0, 0, 0, 0, b'A']).await.unwrap();
        assert!(matches!(wire.ready(None).await, Err(SessionError::Empty)));
    }

    #[tokio::test]
    async fn an_end_inside_a_packet_is_no_end_between_packets() {
        let (mut mta, mut wire) = wire();
        mta.write_all(&packet(b'B', b"hello")[..7]).await.unwrap();
        drop(mta);
        assert!(matches!(wire.ready(None).await, Err(SessionError::Truncated)));
    }

    #[tokio::test]
    async fn an_idle_connection_holds_no_buffer() {
        let (mut mta, mut wire) = wire();
        let (_keep, mut phase) = watch::channel(Phase::Serving);
        mta.write_all(&packet(b'B', &[b'x'; 60_000])).await.unwrap();
        assert_eq!(wire.ready(Some(&mut phase)).await.unwrap(), Arrival::Packet);
        assert!(wire.buf.capacity() >= 60_000);
        let waited = timeout(Duration::from_millis(50), wire.ready(Some(&mut phase))).await;
        assert!(waited.is_err());
        assert_eq!((wire.buf.capacity(), wire.out.capacity()), (0, 0));
    }

    #[tokio::test]
    async fn silence_inside_a_packet_ends_sooner_than_silence_between_packets() {
        let (mut mta, mut wire) = wire();
        wire.patience = Patience { idle: Duration::from_millis(80), packet: Duration::from_millis(40) };
        assert!(matches!(wire.ready(None).await, Err(SessionError::Idle(d)) if d.as_millis() == 80));
        mta.write_all(&packet(b'B', b"hello")[..7]).await.unwrap();
        assert!(matches!(wire.ready(None).await, Err(SessionError::Stalled(d)) if d.as_millis() == 40));
    }
}
