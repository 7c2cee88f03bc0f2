//! Servers that misbehave on purpose: as rspamd (HTTP) or as clamd, over TCP or a unix socket.
//!
//! **Contract.** [`Faulty::start`] has an address that refuses. [`Faulty::turn`] says how every request
//! from then on is treated, also on connections that are open already. Everything it does is bounded; it ends
//! when the handle drops, and being threads of this program, with the program.
//!
//! **Failures.** Of its own: none are expected, all are returned. What is made to fail on purpose is counted
//! in [`Faulty::requests`] and [`Faulty::sent`], so that a test can tell that it was met at all.

mod reply;
mod wire;

pub(crate) use reply::http;

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrLike as _, UnixAddr,
};

use super::guard::Dir;
use super::neighbour::Plays;

/// Where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// A port on 127.0.0.1.
    Tcp,
    /// A socket in a directory of its own.
    Unix,
}

/// How it misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None: a good answer that has found nothing.
    Well,
    /// Takes the connection, reads a little, never answers.
    Hangs,
    /// A good answer, a byte every [`reply::TRICKLE`].
    Trickles,
    /// 64 KiB of random bytes.
    Garbage,
    /// An answer in the right form that makes no sense.
    Nonsense,
    /// Closes when it has read the first bytes of the request.
    ClosesInRequest,
    /// Reads the request, answers half of what is good, closes.
    ClosesInReply,
    /// A reply of 100 MB that begins well and has no end. Its length is not announced.
    Floods,
    /// The same, announced in the head where the protocol has one.
    FloodsAnnounced,
    /// A line of the head that has no end; in clamd's protocol, which has no head, the same as [`Self::Floods`].
    FloodsHead,
    /// Reads the request, says this to the byte, closes.
    Says(Vec<u8>),
}

/// A server that misbehaves.
#[derive(Debug)]
pub(crate) struct Faulty {
    /// As mailward's configuration names it.
    address: String,
    /// Bound, and not listening yet: refuses for certain, because nobody else can take the address.
    bound: Option<OwnedFd>,
    listening: Option<i32>,
    shared: Arc<Shared>,
    _dir: Option<Dir>,
}

#[derive(Debug)]
struct Shared {
    plays: Plays,
    fault: Mutex<Fault>,
    /// Those that are open, so that they can be ended.
    open: Mutex<HashMap<usize, Stream>>,
    connections: AtomicUsize,
    requests: AtomicUsize,
    sent: AtomicU64,
}

impl Faulty {
    /// An address that refuses every connection, until [`Faulty::turn`].
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn start(plays: Plays, over: Over) -> anyhow::Result<Self> {
        let (bound, address, dir) = match over {
            Over::Tcp => {
                let fd = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
                let any = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
                socket::bind(fd.as_raw_fd(), &any)?;
                let port = socket::getsockname::<SockaddrIn>(fd.as_raw_fd())?.port();
                let address = match plays {
                    Plays::Rspamd => format!("http://127.0.0.1:{port}"),
                    Plays::Clamd => format!("tcp:127.0.0.1:{port}"),
                };
                (fd, address, None)
            }
            Over::Unix => {
                let dir = Dir::new("faulty")?;
                let path = dir.path().join("sock");
                let fd = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
                let name = UnixAddr::new(&path)?;
                debug_assert!(name.len() > 0);
                socket::bind(fd.as_raw_fd(), &name)?;
                (fd, format!("unix:{}", path.display()), Some(dir))
            }
        };
        let shared = Arc::new(Shared {
            plays,
            fault: Mutex::new(Fault::Well),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
        });
        Ok(Self { address, bound: Some(bound), listening: None, shared, _dir: dir })
    }

    /// As mailward's configuration names it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The path of its socket, where it has one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.address.strip_prefix("unix:").map(PathBuf::from)
    }

    /// From now on every request is treated so. There is no way back to refusing.
    ///
    /// # Errors
    /// If it cannot listen.
    pub(crate) fn turn(&mut self, fault: Fault) -> anyhow::Result<()> {
        *lock(&self.shared.fault) = fault;
        let Some(bound) = self.bound.take() else { return Ok(()) };
        socket::listen(&bound, Backlog::new(64)?).context("cannot listen")?;
        self.listening = Some(bound.as_raw_fd());
        let shared = Arc::clone(&self.shared);
        if self.path().is_some() {
            let listener = UnixListener::from(bound);
            std::thread::spawn(move || {
                listener.incoming().map_while(Result::ok).for_each(|s| shared.take(Stream::Unix(s)));
            });
        } else {
            let listener = TcpListener::from(bound);
            std::thread::spawn(move || {
                listener.incoming().map_while(Result::ok).for_each(|s| shared.take(Stream::Tcp(s)));
            });
        }
        Ok(())
    }

    /// Requests of which at least a byte was read.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Bytes that were taken off us since the last call.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Some(fd) = self.listening {
            // Ends `accept`; the thread then closes it.
            socket::shutdown(fd, socket::Shutdown::Both).unwrap_or_default();
        }
        for stream in lock(&self.shared.open).values() {
            drop(stream.end());
        }
    }
}

impl Shared {
    /// A thread for each connection.
    fn take(self: &Arc<Self>, stream: Stream) {
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        let Ok(clone) = stream.clone() else { return };
        lock(&self.open).insert(number, clone);
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            // However it ends, there is nobody to tell: the peer is what is tested.
            drop(shared.serve(stream));
            lock(&shared.open).remove(&number);
        });
    }

    /// Requests on one connection, one after another.
    fn serve(&self, stream: Stream) -> io::Result<()> {
        let mut output = Counted { stream: stream.clone()?, sent: &self.sent };
        let mut input = BufReader::with_capacity(16 * 1024, stream);
        while !input.fill_buf()?.is_empty() {
            self.requests.fetch_add(1, Ordering::SeqCst);
            let fault = lock(&self.fault).clone();
            match fault {
                Fault::Hangs => loop {
                    // Until the handle drops or the peer goes away; what it writes is not read.
                    std::thread::sleep(Duration::from_millis(50));
                    input.get_ref().still_there()?;
                },
                Fault::ClosesInRequest => return Ok(()),
                _ => {}
            }
            wire::read_request(self.plays, &mut input)?;
            let goes_on = fault == Fault::Well;
            reply::send(self.plays, fault, &mut output)?;
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Counts what the peer took.
struct Counted<'a> {
    stream: Stream,
    sent: &'a AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.stream.write(bytes)?;
        self.sent.fetch_add(taken as u64, Ordering::SeqCst);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A connection of either sort.
#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn end(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        }
    }

    /// An error when either side has closed; nothing is read.
    fn still_there(&self) -> io::Result<()> {
        use nix::sys::socket::{MsgFlags, recv};
        let fd = match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        };
        match recv(fd, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(nix::Error::EAGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
