//! A server on loopback that is sick in one way: as one that is asked by HTTP, or one that is spoken to by SMTP or LMTP.
//!
//! rspamd and clamd have their own, [`super::faulty`], which knows their protocols; DNS has [`super::dns`].
//!
//! **Contract.** [`Sick::start`] is well where its sickness does not show: an HTTP request is answered with
//! what was asked for, mail is greeted and taken. What it sends is bounded in bytes and time, and it ends
//! when the handle drops.
//!
//! **Failures.** None are expected; who visits it is counted, so that a test can tell that it was met at all.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn};

/// How it is sick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sickness {
    /// It is not.
    Well,
    /// Refuses connections.
    Refuses,
    /// Says nothing more.
    Hangs,
    /// The right answer, made long, a byte at a time.
    Trickles,
    /// Random bytes, then closes.
    Garbage,
    /// Half of the answer; then its side is closed, and it goes on reading.
    HalfCloses,
    /// An answer that begins well and has no end.
    Endless,
}

impl Sickness {
    /// All of them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Refuses, Self::Hangs, Self::Trickles, Self::Garbage, Self::HalfCloses, Self::Endless];
}

/// What it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// HTTP/1.1; what a good answer is, to the byte.
    Http(Vec<u8>),
    /// SMTP or LMTP for one recipient, and the word before whose answer it falls sick: "" for the greeting, "MAIL",
    /// "DATA", "." for the end of the message.
    Mail(&'static str),
}

/// Bytes that an endless answer has after all, and the time between two that trickle.
const ENDLESS: usize = 100_000_000;
const TRICKLE: Duration = Duration::from_millis(200);
/// How long a connection is held that hangs, at the most.
const HELD: Duration = Duration::from_secs(60);

/// A running one.
#[derive(Debug)]
pub(crate) struct Sick {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Bound and not listening: nobody else takes the address.
    _refuses: Option<OwnedFd>,
}

#[derive(Debug)]
struct Shared {
    sickness: Mutex<Sickness>,
    speaks: Speaks,
    ended: AtomicBool,
    visits: AtomicUsize,
    sent: AtomicU64,
    taken: Mutex<Vec<Vec<u8>>>,
}

impl Sick {
    /// One that is sick like this.
    ///
    /// # Errors
    /// If it cannot listen.
    pub(crate) fn start(sickness: Sickness, speaks: Speaks) -> anyhow::Result<Self> {
        Self::start_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), sickness, speaks)
    }

    /// The same at this address.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub(crate) fn start_at(at: SocketAddrV4, sickness: Sickness, speaks: Speaks) -> anyhow::Result<Self> {
        let fd = socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        socket::setsockopt(&fd, socket::sockopt::ReuseAddr, &true)?;
        socket::bind(fd.as_raw_fd(), &SockaddrIn::from(at))?;
        let port = socket::getsockname::<SockaddrIn>(fd.as_raw_fd())?.port();
        let shared = Arc::new(Shared {
            sickness: Mutex::new(sickness),
            speaks,
            ended: AtomicBool::new(false),
            visits: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            taken: Mutex::default(),
        });
        let address = SocketAddr::from((*at.ip(), port));
        if sickness == Sickness::Refuses {
            return Ok(Self { address, shared, _refuses: Some(fd) });
        }
        socket::listen(&fd, Backlog::new(64)?)?;
        let (listener, serving) = (TcpListener::from(fd), Arc::clone(&shared));
        listener.set_nonblocking(true)?;
        std::thread::spawn(move || {
            while !serving.ended.load(Ordering::Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || drop(serving.serve(&stream)));
            }
        });
        Ok(Self { address, shared, _refuses: None })
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is like this; not for one that refuses.
    pub(crate) fn turn(&self, sickness: Sickness) {
        *lock(&self.shared.sickness) = sickness;
    }

    /// Connections that it took.
    pub(crate) fn visits(&self) -> usize {
        self.shared.visits.load(Ordering::SeqCst)
    }

    /// Bytes that were taken off it.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }

    /// Messages that it read to their end, whatever it answered.
    pub(crate) fn read(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.taken).clone()
    }
}

impl Drop for Sick {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        self.visits.fetch_add(1, Ordering::SeqCst);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(HELD))?;
        let mut input = BufReader::new(stream);
        match &self.speaks {
            Speaks::Http(answer) => {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    if input.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                }
                let sickness = *lock(&self.sickness);
                self.say(stream, sickness, answer)
            }
            Speaks::Mail(at) => self.mail(stream, &mut input, at),
        }
    }

    fn mail(&self, stream: &TcpStream, input: &mut impl BufRead, at: &str) -> io::Result<()> {
        let answer = |word: &str, right: &str| {
            let sickness = *lock(&self.sickness);
            if word != at || sickness == Sickness::Well {
                return self.say(stream, Sickness::Well, format!("{right}\r\n").as_bytes());
            }
            let (code, text) = right.split_at(3);
            let long = format!("{code}{text}{}\r\n", " and so on".repeat(30));
            self.say(stream, sickness, long.as_bytes())?;
            Err(io::ErrorKind::ConnectionAborted.into())
        };
        answer("", "220 sick.example.org ESMTP")?;
        loop {
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_slice() {
                b"EHLO" | b"LHLO" => {
                    answer("EHLO", "250-sick.example.org\r\n250-8BITMIME\r\n250 SIZE 100000000")?
                }
                b"DATA" => {
                    answer("DATA", "354 go on")?;
                    let mut message = Vec::new();
                    while !message.ends_with(b"\r\n.\r\n") {
                        if input.read_until(b'\n', &mut message)? == 0 {
                            return Ok(());
                        }
                    }
                    lock(&self.taken).push(message);
                    answer(".", "250 2.0.0 Ok: queued as SICK")?;
                }
                b"QUIT" => return answer("QUIT", "221 2.0.0 Bye"),
                b"MAIL" => answer("MAIL", "250 2.1.0 Ok")?,
                _ => answer("RCPT", "250 2.1.5 Ok")?,
            }
        }
    }

    /// Says `right` in a sick way; what ends the connection is an error or the return.
    fn say(&self, mut stream: &TcpStream, sickness: Sickness, right: &[u8]) -> io::Result<()> {
        let mut send = |bytes: &[u8]| {
            stream.write_all(bytes)?;
            self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            io::Result::Ok(())
        };
        match sickness {
            Sickness::Well | Sickness::Refuses => send(right),
            Sickness::Hangs => self.hold(stream),
            Sickness::Trickles => {
                for byte in right {
                    send(&[*byte])?;
                    std::thread::sleep(TRICKLE);
                    if self.ended.load(Ordering::Relaxed) {
                        break;
                    }
                }
                Ok(())
            }
            Sickness::Garbage => {
                let mut state = 0x9e37_79b9_7f4a_7c15_u64;
                let bytes: Vec<u8> = (0..64 * 1024)
                    .map(|_| {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        state.to_be_bytes()[0]
                    })
                    .collect();
                send(&bytes)
            }
            Sickness::HalfCloses => {
                send(right.get(..right.len() / 2).unwrap_or_default())?;
                stream.shutdown(Shutdown::Write)?;
                self.hold(stream)
            }
            Sickness::Endless => {
                let (begin, piece) = match &self.speaks {
                    Speaks::Http(_) => {
                        ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_owned(), "x.example\n")
                    }
                    Speaks::Mail(_) => (String::new(), "250-and so on\r\n"),
                };
                send(begin.as_bytes())?;
                let piece = piece.repeat(4096);
                for _ in 0..ENDLESS / piece.len() {
                    send(piece.as_bytes())?;
                }
                Ok(())
            }
        }
    }

    /// Reads what comes and says nothing, until the other side goes away or the handle drops.
    fn hold(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut rest = [0; 4096];
        for _ in 0..HELD.as_millis() / 50 {
            match stream.read(&mut rest) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => {}
            }
            if self.ended.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
