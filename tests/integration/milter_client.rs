//! The MTA's side of the milter protocol, as Postfix speaks it, and what an MTA makes of the edits.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use indymilter::message::Message as Packet;
use indymilter::message::reply::Reply;

/// SMFIP_* bits as Postfix 3.7 offers them.
const OFFERED_PROTOCOL: u32 = 0x1f_ffff;
/// SMFIF_*: all actions and SETSYMLIST.
const OFFERED_ACTIONS: u32 = 0x1ff;
const NR_HELO: u32 = 0x2000;
const NR_CONN: u32 = 0x1000;
const NR_MAIL: u32 = 0x4000;
const NR_RCPT: u32 = 0x8000;
const NR_DATA: u32 = 0x1_0000;
const NR_HDR: u32 = 0x80;
const NR_EOH: u32 = 0x4_0000;
const NR_BODY: u32 = 0x8_0000;
const LEADING_SPACE: u32 = 0x10_0000;

/// What a connection runs on.
trait Stream: Read + Write + Send {}

impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// How long an answer may take: longer than any deadline of the filter in these tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// One connection to the filter.
pub struct MilterClient {
    stream: BufReader<Box<dyn Stream>>,
    /// The SMFIP_* bits that were agreed on.
    pub protocol: u32,
}

/// Who connects, in the words of the protocol.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    pub ip: String,
    pub helo: String,
    /// The name that the MTA gives itself.
    pub mta: String,
    pub user: Option<String>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            name: "mx.sender.example".into(),
            ip: "192.0.2.7".into(),
            helo: "mx.sender.example".into(),
            mta: "mx.example.org".into(),
            user: None,
        }
    }
}

/// What the filter said at end of message.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Edits, in order.
    pub edits: Vec<Reply>,
    /// `accept`, `continue`, `discard`, `reject`, `tempfail`, or the text of a reply code.
    pub word: String,
    /// How many SMFIR_PROGRESS came before.
    pub progress: usize,
}

impl MilterClient {
    pub fn connect(socket: &Path, peer: &Peer) -> Self {
        let mut client = Self::negotiate(socket);
        client.session(peer);
        client
    }

    /// The same over TCP.
    pub fn connect_tcp(address: SocketAddr, peer: &Peer) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self::negotiate_on(Box::new(stream));
        client.session(peer);
        client
    }

    pub fn negotiate(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::negotiate_on(Box::new(stream))
    }

    fn negotiate_on(stream: Box<dyn Stream>) -> Self {
        // Small: some tests hold a thousand of these.
        let mut client = Self { stream: BufReader::with_capacity(1024, stream), protocol: 0 };
        let mut offer = 6u32.to_be_bytes().to_vec();
        offer.extend(OFFERED_ACTIONS.to_be_bytes());
        offer.extend(OFFERED_PROTOCOL.to_be_bytes());
        client.send(b'O', &offer);
        let (kind, payload) = client.receive();
        assert_eq!(kind, b'O');
        client.protocol = u32::from_be_bytes(payload[8..12].try_into().unwrap());
        client
    }

    /// CONNECT, HELO and their macros.
    pub fn session(&mut self, peer: &Peer) {
        self.macros(
            b'C',
            &[
                ("j", &peer.mta),
                ("{daemon_name}", "smtpd"),
                ("v", "Postfix 3.7"),
                ("{client_connections}", "1"),
            ],
        );
        let mut connect = format!("{}\0", peer.name).into_bytes();
        connect.push(if peer.ip.contains(':') { b'6' } else { b'4' });
        connect.extend(4711u16.to_be_bytes());
        connect.extend(format!("{}\0", peer.ip).bytes());
        self.stage(b'C', &connect, NR_CONN);
        self.stage(b'H', format!("{}\0", peer.helo).as_bytes(), NR_HELO);
        if let Some(user) = &peer.user {
            self.macros(b'M', &[("{auth_type}", "PLAIN"), ("{auth_authen}", user)]);
        }
    }

    /// MAIL and RCPT; the reply to each as a word.
    pub fn envelope(&mut self, from: &str, to: &[String]) -> Vec<String> {
        let mut words = vec![self.stage(b'M', format!("{from}\0").as_bytes(), NR_MAIL)];
        for rcpt in to {
            self.macros(b'R', &[("i", "4ABCDE")]);
            words.push(self.stage(b'R', format!("{rcpt}\0").as_bytes(), NR_RCPT));
        }
        words
    }

    /// DATA, header, body, EOM.
    pub fn message(&mut self, raw: &[u8]) -> Answer {
        self.content(raw);
        self.end()
    }

    /// DATA, header, body: everything before EOM.
    pub fn content(&mut self, raw: &[u8]) {
        self.stage(b'T', b"", NR_DATA);
        let (header, body) = split(raw);
        for (name, value) in fields(header) {
            let value = if self.protocol & LEADING_SPACE == 0 {
                value.strip_prefix(b" ").unwrap_or(&value).to_vec()
            } else {
                value
            };
            let mut payload = name;
            payload.push(0);
            payload.extend(value);
            payload.push(0);
            self.stage(b'L', &payload, NR_HDR);
        }
        self.stage(b'N', b"", NR_EOH);
        for chunk in body.chunks(65_535) {
            self.stage(b'B', chunk, NR_BODY);
        }
        self.macros(b'E', &[("i", "4ABCDE")]);
    }

    /// EOM and everything up to the final reply.
    pub fn end(&mut self) -> Answer {
        self.send(b'E', b"");
        let mut answer = Answer::default();
        loop {
            let (kind, payload) = self.receive();
            match Reply::parse_reply(Packet::new(kind, payload)).unwrap() {
                Reply::Progress => answer.progress += 1,
                Reply::Accept => answer.word = "accept".into(),
                Reply::Continue => answer.word = "continue".into(),
                Reply::Discard => answer.word = "discard".into(),
                Reply::Reject => answer.word = "reject".into(),
                Reply::Tempfail => answer.word = "tempfail".into(),
                Reply::ReplyCode { reply } => answer.word = reply.into_string().unwrap(),
                edit => answer.edits.push(edit),
            }
            if !answer.word.is_empty() {
                return answer;
            }
        }
    }

    pub fn quit(mut self) {
        self.send(b'Q', b"");
    }

    pub fn macros(&mut self, stage: u8, values: &[(&str, &str)]) {
        let mut payload = vec![stage];
        for (name, value) in values {
            payload.extend(format!("{name}\0{value}\0").bytes());
        }
        self.send(b'D', &payload);
    }

    /// Sends a packet and, unless the filter has waived it, waits for its reply.
    pub fn stage(&mut self, kind: u8, payload: &[u8], waived_by: u32) -> String {
        self.send(kind, payload);
        if self.protocol & waived_by != 0 {
            return "continue".into();
        }
        let (kind, payload) = self.receive();
        match kind {
            b'c' => "continue".into(),
            b'y' => String::from_utf8_lossy(&payload).trim_end_matches('\0').to_owned(),
            other => char::from(other).to_string(),
        }
    }

    pub fn send(&mut self, kind: u8, payload: &[u8]) {
        let mut packet = (u32::try_from(payload.len()).unwrap() + 1).to_be_bytes().to_vec();
        packet.push(kind);
        packet.extend(payload);
        self.stream.get_mut().write_all(&packet).unwrap();
    }

    /// Writes the same bytes many times; the filter may close in between.
    pub fn send_raw(&mut self, bytes: &[u8], times: usize) {
        for _ in 0..times {
            self.stream.get_mut().write_all(bytes).unwrap();
        }
    }

    pub fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0u8; 5];
        self.stream.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes(head[..4].try_into().unwrap()) as usize - 1];
        self.stream.read_exact(&mut payload).unwrap();
        (head[4], payload)
    }
}

/// Header bytes and body bytes.
pub fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = raw.strip_prefix(b"\r\n") {
        return (b"", body);
    }
    match raw.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(at) => (&raw[..at + 2], &raw[at + 4..]),
        None => (raw, b""),
    }
}

/// Fields as an MTA hands them over: value with its leading space, folds as LF.
pub fn fields(header: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text: Vec<u8> = header.iter().copied().filter(|b| *b != b'\r').collect();
    let mut all: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        match all.last_mut() {
            Some(last) if line[0] == b' ' || line[0] == b'\t' => {
                last.push(b'\n');
                last.extend(line);
            }
            _ => all.push(line.to_vec()),
        }
    }
    all.into_iter()
        .map(|line| {
            let colon = line.iter().position(|b| *b == b':').unwrap();
            (line[..colon].to_vec(), line[colon + 1..].to_vec())
        })
        .collect()
}

/// The header that an MTA delivers after these edits, each value on one line without the space around it.
pub fn delivered(raw: &[u8], edits: &[Reply]) -> Vec<(String, String)> {
    let unfolded = |value: String| value.replace("\n\t", " ").trim().to_owned();
    edited(raw, edits).into_iter().map(|(name, value)| (name, unfolded(value))).collect()
}

/// The same as it is written: values with their leading space and folds, line breaks as LF. The MTA's own
/// Received stands on top, then the rest. Follows Postfix: CHGHEADER counts per name without the own
/// Received, INSHEADER counts it.
pub fn edited(raw: &[u8], edits: &[Reply]) -> Vec<(String, String)> {
    let own = ("Received".to_owned(), " from sender by mx.example.org".to_owned(), true);
    let mut header = vec![own];
    for (name, value) in fields(split(raw).0) {
        header.push((String::from_utf8_lossy(&name).into(), String::from_utf8_lossy(&value).into(), false));
    }
    for edit in edits {
        match edit {
            Reply::ChangeHeader { name, index, value } => {
                let name = name.to_str().unwrap();
                let at = header
                    .iter()
                    .enumerate()
                    .filter(|(_, (n, _, own))| !own && n.eq_ignore_ascii_case(name))
                    .nth(usize::try_from(*index).unwrap().max(1) - 1)
                    .map(|(at, _)| at);
                let Some(at) = at else { continue };
                if value.as_bytes().is_empty() {
                    header.remove(at);
                } else {
                    header[at].1 = value.to_str().unwrap().to_owned();
                }
            }
            Reply::InsertHeader { index, name, value } => {
                let at = usize::try_from(*index).unwrap().min(header.len());
                header.insert(at, (name.to_str().unwrap().into(), value.to_str().unwrap().into(), false));
            }
            Reply::AddHeader { name, value } => {
                header.push((name.to_str().unwrap().into(), value.to_str().unwrap().into(), false));
            }
            _ => {}
        }
    }
    header.into_iter().map(|(name, value, _)| (name, value)).collect()
}

/// The body after these edits.
pub fn body(raw: &[u8], edits: &[Reply]) -> String {
    let mut replaced: Option<Vec<u8>> = None;
    for edit in edits {
        if let Reply::ReplaceBody { chunk } = edit {
            replaced.get_or_insert_default().extend(chunk);
        }
    }
    String::from_utf8_lossy(replaced.as_deref().unwrap_or(split(raw).1)).into_owned()
}

/// The recipients after these edits: those who are left, then those who were added.
pub fn recipients_left(to: &[String], edits: &[Reply]) -> Vec<String> {
    let gone: Vec<&str> = edits
        .iter()
        .filter_map(|e| match e {
            Reply::DeleteRcpt { rcpt } => rcpt.to_str().ok(),
            _ => None,
        })
        .collect();
    let added = edits.iter().filter_map(|e| match e {
        Reply::AddRcpt { rcpt } | Reply::AddRcptExt { rcpt, .. } => rcpt.to_str().ok(),
        _ => None,
    });
    let added = added.map(|rcpt| format!("<{}>", rcpt.trim_matches(['<', '>'])));
    to.iter().filter(|rcpt| !gone.contains(&rcpt.as_str())).cloned().chain(added).collect()
}
