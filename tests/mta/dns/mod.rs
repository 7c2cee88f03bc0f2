//! A DNS server on 127.0.0.1 that knows what a test tells it and asks nobody else.
//!
//! A zone is text, a record a line, as `mailward scan --dns-zone` reads it: `NAME TYPE VALUE` with `A`, `AAAA`,
//! `MX`, `PTR`, `TXT` and `CNAME`; a text is the rest of the line. `NAME FAIL` answers SERVFAIL, `NAME TIMEOUT`
//! never. What is not there does not exist. UDP answers over 1232 bytes are truncated, and TCP gives them whole.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

mod wire;
mod zone;

use wire::{HEADER, TYPES, packets, read};
pub(crate) use wire::{Record, Reply, soa, text, wire};
use zone::Zone;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// Lower case, without the final dot.
    pub(crate) name: String,
    /// As on the wire.
    pub(crate) kind: u16,
    /// Over TCP.
    pub(crate) over_tcp: bool,
}

impl Question {
    /// `example.org TXT`.
    pub(crate) fn text(&self) -> String {
        let kind = TYPES.iter().find(|(_, number)| *number == self.kind);
        format!("{} {}", self.name, kind.map_or("?", |(word, _)| word))
    }
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This.
    Reply(Reply),
    /// Over TCP the connection is closed; over UDP nothing.
    Closed,
    /// Over TCP a length is announced and so many zeros are sent; then nothing. Over UDP nothing.
    Announced(u16, usize),
    /// Over TCP a byte at a time, slowly. Over UDP nothing.
    Trickle(Box<Self>),
    /// So many packets with another id, then the answer.
    Strays(usize, Box<Self>),
    /// Records: name, type, rdata.
    Records(Vec<(String, u16, Vec<u8>)>),
    /// No such name.
    NoName,
    /// SERVFAIL.
    Fail,
    /// Nothing, ever.
    Silence,
    /// An empty answer that says: ask over TCP.
    Truncated,
    /// These bytes after the id and instead of everything else.
    Raw(Vec<u8>),
    /// The same answer under another id.
    OtherId(Box<Self>),
}

/// A running server, until it is dropped.
#[derive(Debug)]
pub(crate) struct Dns {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Question>>>,
}

type Handler = dyn Fn(&Question) -> Answer + Send + Sync;

impl Dns {
    /// Knows of nothing: NXDOMAIN to everything.
    ///
    /// # Errors
    /// If there is no free port.
    pub(crate) fn empty() -> anyhow::Result<Self> {
        Self::answering(|_| Answer::NoName)
    }

    /// Answers from a zone.
    ///
    /// # Errors
    /// If a line is no record, or there is no free port.
    pub(crate) fn serving(zone: &str) -> anyhow::Result<Self> {
        let zone = Zone::parse(zone)?;
        Self::answering(move |question| zone.answer(question))
    }

    /// The same on an address of its own, for programs that ask port 53 only.
    ///
    /// # Errors
    /// If a line is no record, or the address is not free.
    pub(crate) fn serving_on(address: SocketAddr, zone: &str) -> anyhow::Result<Self> {
        let zone = Zone::parse(zone)?;
        let bound = bind(address).with_context(|| format!("cannot serve DNS on {address}"))?;
        Self::over(bound, Arc::new(move |question: &Question| zone.answer(question)))
    }

    /// What answers from a zone, for a handler of a test's own.
    ///
    /// # Errors
    /// If a line is no record.
    pub(crate) fn zone(zone: &str) -> anyhow::Result<impl Fn(&Question) -> Answer + Send + Sync + 'static> {
        let zone = Zone::parse(zone)?;
        Ok(move |question: &Question| zone.answer(question))
    }

    /// Answers as `handler` says.
    ///
    /// # Errors
    /// If there is no free port.
    pub(crate) fn answering(
        handler: impl Fn(&Question) -> Answer + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::over(sockets()?, Arc::new(handler))
    }

    fn over((udp, tcp): (UdpSocket, TcpListener), handler: Arc<Handler>) -> anyhow::Result<Self> {
        let address = udp.local_addr()?;
        let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Question>>>::default());
        let (end, notes, answers) = (Arc::clone(&ended), Arc::clone(&asked), Arc::clone(&handler));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = udp.recv_from(&mut buffer) else { continue };
                let message = buffer.get(..length).unwrap_or_default();
                let Some((answer, id, question)) = asked_for(message, false, &*answers, &notes) else {
                    continue;
                };
                for packet in packets(answer, id, &question, false) {
                    drop(udp.send_to(&packet, from));
                }
            }
        });
        let (end, notes) = (Arc::clone(&ended), Arc::clone(&asked));
        std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let Ok((stream, _)) = tcp.accept() else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                let (answers, notes) = (Arc::clone(&handler), Arc::clone(&notes));
                std::thread::spawn(move || drop(over_tcp(stream, &*answers, &notes)));
            }
        });
        Ok(Self { address, ended, asked })
    }

    /// Where it listens, UDP and TCP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `[dns]` of a configuration that asks it.
    pub(crate) fn section(&self) -> String {
        format!("[dns]\nservers = [\"{}\"]\n", self.address)
    }

    /// All that was asked about mail, in order: without the probes, which ask about the root.
    pub(crate) fn asked(&self) -> Vec<Question> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|question| !question.name.is_empty()).cloned().collect()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// A port that is free for both.
fn sockets() -> anyhow::Result<(UdpSocket, TcpListener)> {
    for _ in 0..100 {
        let Ok(bound) = bind((Ipv4Addr::LOCALHOST, 0).into()) else { continue };
        return Ok(bound);
    }
    anyhow::bail!("no port of 127.0.0.1 is free for both UDP and TCP")
}

fn bind(address: SocketAddr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let tcp = TcpListener::bind(address)?;
    let udp = UdpSocket::bind(tcp.local_addr()?)?;
    udp.set_read_timeout(Some(Duration::from_millis(200)))?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}

fn over_tcp(
    mut stream: std::net::TcpStream,
    handler: &Handler,
    notes: &Mutex<Vec<Question>>,
) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message)?;
        let Some((answer, id, question)) = asked_for(&message, true, handler, notes) else { continue };
        let slow = matches!(answer, Answer::Trickle(_));
        match answer {
            Answer::Closed => return Ok(()),
            Answer::Announced(length, sent) => {
                stream.write_all(&[&length.to_be_bytes()[..], &vec![0; sent]].concat())?;
                continue;
            }
            _ => {}
        }
        for packet in packets(answer, id, &question, true) {
            let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
            let whole = [&length.to_be_bytes()[..], &packet].concat();
            for part in whole.chunks(if slow { 1 } else { usize::MAX }) {
                stream.write_all(part)?;
                if slow {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

/// What the handler says to a message, its id, and its question as it stood there.
fn asked_for(
    message: &[u8],
    over_tcp: bool,
    handler: &Handler,
    notes: &Mutex<Vec<Question>>,
) -> Option<(Answer, [u8; 2], Vec<u8>)> {
    let (question, end) = read(message, over_tcp)?;
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(question.clone());
    let id = [*message.first()?, *message.get(1)?];
    Some((handler(&question), id, message.get(HEADER..end)?.to_vec()))
}
