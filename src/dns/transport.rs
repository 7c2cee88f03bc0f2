//! One question to one server: over UDP, and over TCP where the answer does not fit or somebody guesses.
//!
//! What comes over UDP is an answer only if it comes from the server's address to our port of this one
//! question, carries its number and repeats it (RFC 5452 §4); all else is passed over.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// What we say that we take over UDP: it fits everywhere without fragments (DNS flag day 2020).
const MAX_UDP: u16 = 1232;
/// Room for servers that send more than that.
const UDP_BUFFER: usize = 4096;
/// After so many packets that are no answer somebody guesses, and TCP is asked instead.
const MAX_STRAYS: usize = 20;
/// Number, flags, counts (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// Why a server gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It cannot be reached; why.
    Unreachable(String),
    /// What it sent is no answer.
    Nonsense(&'static str),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Unreachable(error.kind().to_string())
    }
}

/// What a packet is.
pub(super) enum Heard {
    Answer(Box<Message>),
    /// Not the answer to this question.
    Stray,
    /// It carries the question's number and cannot be read.
    Garbled,
}

/// Asks `server` once. Takes as long as the server does: whoever asks sets the limit.
///
/// A server that does not know EDNS is asked again without it (RFC 6891 §7).
pub(super) async fn ask(server: SocketAddr, query: &Query) -> Result<Message, Trouble> {
    let mut answer = exchange(server, query, true).await?;
    if matches!(
        answer.metadata.response_code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
    ) {
        answer = exchange(server, query, false).await?;
    }
    Ok(answer)
}

async fn exchange(server: SocketAddr, query: &Query, edns: bool) -> Result<Message, Trouble> {
    match over_udp(server, query, edns).await? {
        Some(answer) => Ok(answer),
        None => over_tcp(server, query, edns).await,
    }
}

/// `None`: TCP has to be asked.
async fn over_udp(server: SocketAddr, query: &Query, edns: bool) -> Result<Option<Message>, Trouble> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // A socket of its own for each question: another random port each time. Connected, so that the system
    // passes on what comes from the server only, and tells that nobody listens there.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let (number, question) = question(query, edns)?;
    socket.send(&question).await?;
    let mut buffer = vec![0; UDP_BUFFER];
    for _ in 0..MAX_STRAYS {
        let length = socket.recv(&mut buffer).await?;
        match heard(buffer.get(..length).unwrap_or_default(), number, query) {
            Heard::Answer(answer) if answer.metadata.truncation => return Ok(None),
            Heard::Answer(answer) => return Ok(Some(*answer)),
            // Cut on the way, most likely.
            Heard::Garbled => return Ok(None),
            Heard::Stray => {}
        }
    }
    Ok(None)
}

async fn over_tcp(server: SocketAddr, query: &Query, edns: bool) -> Result<Message, Trouble> {
    let mut stream = TcpStream::connect(server).await?;
    let (number, question) = question(query, edns)?;
    let length = u16::try_from(question.len()).map_err(|_| Trouble::Nonsense("the question is too long"))?;
    stream.write_all(&[&length.to_be_bytes()[..], &question].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.map_err(closed)?;
    let length = u16::from_be_bytes(length);
    // Grows with what comes, not with what is announced.
    let mut answer = Vec::new();
    stream.take(length.into()).read_to_end(&mut answer).await?;
    if answer.len() < usize::from(length) {
        return Err(Trouble::Nonsense("the connection was closed in the middle of an answer"));
    }
    match heard(&answer, number, query) {
        Heard::Answer(answer) if answer.metadata.truncation => {
            Err(Trouble::Nonsense("the answer is cut short over TCP as well"))
        }
        Heard::Answer(answer) => Ok(*answer),
        Heard::Stray => Err(Trouble::Nonsense("another question was answered")),
        Heard::Garbled => Err(Trouble::Nonsense("the answer cannot be read")),
    }
}

fn closed(error: std::io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::UnexpectedEof => Trouble::Nonsense("the connection was closed without an answer"),
        _ => error.into(),
    }
}

/// A number that nobody can guess, and the question under it.
fn question(query: &Query, edns: bool) -> Result<(u16, Vec<u8>), Trouble> {
    let random = || Trouble::Unreachable("the machine gives no random numbers".to_owned());
    let [a, b, ..] = getrandom::u32().map_err(|_| random())?.to_be_bytes();
    let number = u16::from_be_bytes([a, b]);
    let mut message = Message::new(number, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(query.clone());
    if edns {
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_UDP);
        message.set_edns(edns);
    }
    let bytes = message.to_vec().map_err(|_| Trouble::Nonsense("the question cannot be written"))?;
    Ok((number, bytes))
}

pub(super) fn heard(packet: &[u8], number: u16, query: &Query) -> Heard {
    let is_answer = packet.len() >= HEADER && packet.get(2).is_some_and(|flags| flags & 0x80 != 0);
    if !is_answer || packet.get(..2) != Some(&number.to_be_bytes()[..]) {
        return Heard::Stray;
    }
    let Ok(message) = Message::from_vec(packet) else { return Heard::Garbled };
    if message.metadata.op_code != OpCode::Query {
        return Heard::Stray;
    }
    let says_something =
        matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    match &*message.queries {
        [repeated] if repeated == query => Heard::Answer(Box::new(message)),
        // Some that fail do not repeat what they could not read.
        [] if !says_something => Heard::Answer(Box::new(message)),
        _ => Heard::Stray,
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::{Name, RecordType};
    use proptest::prelude::*;

    use super::*;

    fn query() -> Query {
        Query::query(Name::from_ascii("example.org.").unwrap(), RecordType::TXT)
    }

    #[test]
    fn a_question_is_written_as_it_is_asked() {
        let (number, bytes) = question(&query(), true).unwrap();
        let read = Message::from_vec(&bytes).unwrap();
        assert_eq!(read.metadata.id, number);
        assert!(read.metadata.recursion_desired);
        assert_eq!(read.queries, [query()]);
        assert_eq!(read.edns.unwrap().max_payload(), MAX_UDP);
        assert!(Message::from_vec(&question(&query(), false).unwrap().1).unwrap().edns.is_none());
    }

    #[test]
    fn numbers_do_not_repeat_themselves() {
        let mut numbers: Vec<u16> = (0..50).map(|_| question(&query(), true).unwrap().0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() > 40, "{numbers:?}");
    }

    proptest! {
        /// Whatever a server sends: it is one of three things, and only what repeats the question counts.
        #[test]
        fn any_bytes_can_be_heard(
            rest in proptest::collection::vec(any::<u8>(), 0..600),
            flags in any::<u8>(),
            repeats in any::<bool>(),
        ) {
            let (_, question) = question(&query(), false).unwrap();
            let mut packet = vec![1, 2, flags];
            if repeats {
                packet = question;
                packet[..2].copy_from_slice(&[1, 2]);
                packet[2] = flags;
                // Counts of answers and more that the rest does not keep.
                packet[6..12].copy_from_slice(&[0, 3, 0, 1, 0, 1]);
            }
            packet.extend(rest);
            if let Heard::Answer(message) = heard(&packet, 0x0102, &query()) {
                prop_assert!(flags & 0x80 != 0);
                prop_assert!(message.queries.is_empty() || message.queries == [query()]);
            }
        }
    }
}
