//! A byte stream to a server, over TCP or a unix socket.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::address::Server;

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

/// Connects to `server` by `deadline`. Of a name with several addresses each is tried in turn, each for
/// its share of the time that is left, so that one that swallows packets does not hide the others. TCP
/// is without Nagle's delay: we write whole commands and wait for their answers.
///
/// # Errors
/// What the system says; [`io::ErrorKind::TimedOut`] at the deadline.
pub async fn connect(server: &Server, deadline: Instant) -> io::Result<Stream> {
    let connecting = async {
        match server {
            Server::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
            Server::Tcp { host, port } => {
                let addresses: Vec<_> = lookup_host((host.as_str(), *port)).await?.collect();
                let stream = to_one_of(&addresses, deadline).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    };
    match tokio::time::timeout_at(deadline.into(), connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(late()),
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it did not take the connection in time")
}

/// The first of `addresses` that answers; the error of the last.
async fn to_one_of(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for (n, address) in addresses.iter().enumerate() {
        let share = u32::try_from(addresses.len() - n).unwrap_or(u32::MAX);
        let time = deadline.saturating_duration_since(Instant::now()) / share;
        match tokio::time::timeout(time, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = late(),
        }
    }
    Err(last)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hide_the_next() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = socket.listen(1).unwrap();
        let deaf = full.local_addr().unwrap();
        // Nobody accepts: with its queue full the system drops whoever comes next.
        let mut queue = Vec::new();
        loop {
            let next = TcpStream::connect(deaf);
            match tokio::time::timeout(Duration::from_millis(200), next).await {
                Ok(Ok(stream)) => queue.push(stream),
                Ok(Err(error)) => panic!("{error}"),
                Err(_) => break,
            }
        }
        let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listening.local_addr().unwrap();
        let deadline = Instant::now() + Duration::from_secs(2);
        let stream = to_one_of(&[deaf, good], deadline).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let deadline = Instant::now() + Duration::from_millis(100);
        assert_eq!(to_one_of(&[deaf], deadline).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(to_one_of(&[], deadline).await.unwrap_err().to_string(), "its name has no address");
    }
}
