//! A DNS server on 127.0.0.1 that knows what a test tells it and asks nobody else.
//!
//! A zone is text, a record a line, as `mailward scan --dns-zone` reads it: `NAME TYPE VALUE` with `A`, `AAAA`,
//! `MX`, `PTR`, `TXT` and `CNAME`; a text is the rest of the line. `NAME FAIL` answers SERVFAIL, `NAME TIMEOUT`
//! never. What is not there does not exist. UDP answers over 1232 bytes are truncated, and TCP gives them whole.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

const HEADER: usize = 12;
/// What a UDP answer may have (DNS flag day 2020).
const MAX_UDP: usize = 1232;
const TTL: u32 = 300;

/// Types as they are on the wire (RFC 1035 §3.2.2, RFC 3596 §2.1).
const TYPES: [(&str, u16); 6] = [("A", 1), ("CNAME", 5), ("PTR", 12), ("MX", 15), ("TXT", 16), ("AAAA", 28)];

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

    /// Answers as `handler` says.
    ///
    /// # Errors
    /// If there is no free port.
    pub(crate) fn answering(
        handler: impl Fn(&Question) -> Answer + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let (udp, tcp) = sockets()?;
        let address = udp.local_addr()?;
        let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Question>>>::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let (end, notes, answers) = (Arc::clone(&ended), Arc::clone(&asked), Arc::clone(&handler));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = udp.recv_from(&mut buffer) else { continue };
                let message = buffer.get(..length).unwrap_or_default();
                if let Some(reply) = reply(message, false, &*answers, &notes) {
                    drop(udp.send_to(&reply, from));
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

    /// All that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free TCP port on 127.0.0.1")?;
        let Ok(udp) = UdpSocket::bind(tcp.local_addr()?) else { continue };
        udp.set_read_timeout(Some(Duration::from_millis(200)))?;
        tcp.set_nonblocking(true)?;
        return Ok((udp, tcp));
    }
    anyhow::bail!("no port of 127.0.0.1 is free for both UDP and TCP")
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
        let Some(reply) = reply(&message, true, handler, notes) else { continue };
        let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes()[..], &reply].concat())?;
    }
}

/// The answer to a message; `None` for silence.
fn reply(message: &[u8], over_tcp: bool, handler: &Handler, notes: &Mutex<Vec<Question>>) -> Option<Vec<u8>> {
    let (question, end) = read(message, over_tcp)?;
    notes.lock().unwrap_or_else(PoisonError::into_inner).push(question.clone());
    let asked = message.get(HEADER..end)?;
    let mut id = [*message.first()?, *message.get(1)?];
    let mut answer = handler(&question);
    if let Answer::OtherId(inner) = answer {
        id[0] = !id[0];
        answer = *inner;
    }
    let whole = |code: u8, truncated: bool, records: &[(String, u16, Vec<u8>)]| {
        let mut out = id.to_vec();
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        out.extend([0x85 | (u8::from(truncated) << 1), 0x80 | code, 0, 1]);
        out.extend(count.to_be_bytes());
        let says_nothing = records.is_empty() && !truncated && matches!(code, 0 | 3);
        out.extend([0, u8::from(says_nothing), 0, 0]);
        out.extend(asked);
        for (name, kind, rdata) in records {
            out.extend(wire(name));
            out.extend(kind.to_be_bytes());
            out.extend([0, 1]);
            out.extend(TTL.to_be_bytes());
            out.extend(u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(rdata);
        }
        if says_nothing {
            out.extend(soa());
        }
        out
    };
    Some(match answer {
        Answer::Records(records) => {
            let reply = whole(0, false, &records);
            if over_tcp || reply.len() <= MAX_UDP { reply } else { whole(0, true, &[]) }
        }
        Answer::NoName => whole(3, false, &[]),
        Answer::Fail => whole(2, false, &[]),
        Answer::Truncated => whole(0, true, &[]),
        Answer::Raw(bytes) => [&id[..], &bytes].concat(),
        Answer::Silence | Answer::OtherId(_) => return None,
    })
}

/// The first question of a message and where it ends (RFC 1035 §4.1.2).
fn read(message: &[u8], over_tcp: bool) -> Option<(Question, usize)> {
    let mut at = HEADER;
    let mut labels: Vec<String> = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        let label = message.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    message.get(at + 3)?;
    Some((Question { name: labels.join("."), kind, over_tcp }, at + 4))
}

/// The SOA of the root, without which nobody remembers that there is nothing (RFC 2308 §5).
fn soa() -> Vec<u8> {
    let numbers = [1, 1800, 900, 604_800, TTL].map(u32::to_be_bytes).concat();
    let rdata = [wire("ns.invalid"), wire("hostmaster.invalid"), numbers].concat();
    let length = u16::try_from(rdata.len()).unwrap_or(0).to_be_bytes();
    [&wire("")[..], &[0, 6, 0, 1], &TTL.to_be_bytes(), &length, &rdata].concat()
}

/// A name on the wire, uncompressed.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap_or(63));
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

/// A text as RDATA: strings of at most 255 bytes.
pub(crate) fn text(value: &[u8]) -> Vec<u8> {
    let chunks = value.chunks(255);
    chunks.flat_map(|chunk| [&[u8::try_from(chunk.len()).unwrap_or(255)][..], chunk].concat()).collect()
}

#[derive(Debug, Default)]
struct Zone {
    records: HashMap<(String, u16), Vec<Vec<u8>>>,
    aliases: HashMap<String, String>,
    names: Vec<String>,
    failing: HashMap<String, Answer>,
}

impl Zone {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            zone.line(line).with_context(|| format!("{line:?} is no record"))?;
        }
        Ok(zone)
    }

    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        let (name, rest) = line.split_once(' ').context("NAME TYPE VALUE")?;
        let (kind, value) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        self.names.push(name.clone());
        let number = TYPES.iter().find(|(word, _)| *word == kind).map(|(_, number)| *number);
        let rdata = match kind {
            "A" => value.parse::<Ipv4Addr>()?.octets().to_vec(),
            "AAAA" => value.parse::<std::net::Ipv6Addr>()?.octets().to_vec(),
            "PTR" => wire(value),
            "TXT" => text(value.trim_matches('"').as_bytes()),
            "MX" => {
                let (preference, host) = value.split_once(' ').context("PREFERENCE HOST")?;
                [&preference.parse::<u16>()?.to_be_bytes()[..], &wire(host.trim())].concat()
            }
            "CNAME" => {
                self.aliases.insert(name, value.to_ascii_lowercase());
                return Ok(());
            }
            "FAIL" | "TIMEOUT" => {
                self.failing.insert(name, if kind == "FAIL" { Answer::Fail } else { Answer::Silence });
                return Ok(());
            }
            other => anyhow::bail!("{other:?} is no type of record"),
        };
        let number = number.context("no type")?;
        self.records.entry((name, number)).or_default().push(rdata);
        Ok(())
    }

    fn answer(&self, question: &Question) -> Answer {
        let mut records = Vec::new();
        let mut at = question.name.clone();
        for _ in 0..16 {
            if let Some(found) = self.records.get(&(at.clone(), question.kind)) {
                records.extend(found.iter().map(|rdata| (at.clone(), question.kind, rdata.clone())));
                return Answer::Records(records);
            }
            if let Some(failure) = self.failing.get(&at) {
                return failure.clone();
            }
            let Some(next) = self.aliases.get(&at) else {
                let below = format!(".{at}");
                let exists = self.names.iter().any(|name| *name == at || name.ends_with(&below));
                return if exists || !records.is_empty() { Answer::Records(records) } else { Answer::NoName };
            };
            records.push((at.clone(), 5, wire(next)));
            at.clone_from(next);
        }
        // A loop: what a server that follows aliases has until it gives up.
        Answer::Records(records)
    }
}
