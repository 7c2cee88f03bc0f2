//! Questions and answers as bytes.

use super::{Answer, Question};

pub(super) const HEADER: usize = 12;
/// What a UDP answer may have (DNS flag day 2020).
const MAX_UDP: usize = 1232;
const TTL: u32 = 300;

/// Types as they are on the wire (RFC 1035 §3.2.2, RFC 3596 §2.1).
pub(super) const TYPES: [(&str, u16); 6] =
    [("A", 1), ("CNAME", 5), ("PTR", 12), ("MX", 15), ("TXT", 16), ("AAAA", 28)];

/// A record: name, type, TTL, rdata.
pub(crate) type Record = (String, u16, u32, Vec<u8>);

/// A whole reply, as odd as a test wants it. TCP and UDP alike, nothing is truncated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// RCODE.
    pub(crate) code: u8,
    /// TC.
    pub(crate) truncated: bool,
    /// The question's name is told as this one.
    pub(crate) instead: Option<String>,
    /// The sections.
    pub(crate) answers: Vec<Record>,
    pub(crate) authorities: Vec<Record>,
    pub(crate) additionals: Vec<Record>,
}

/// The packets that an answer is.
pub(super) fn packets(answer: Answer, id: [u8; 2], question: &[u8], over_tcp: bool) -> Vec<Vec<u8>> {
    let other = [!id[0], id[1]];
    let whole = |reply: Reply| vec![reply.packet(id, question)];
    match answer {
        Answer::Records(records) if records.is_empty() => {
            whole(Reply { authorities: vec![soa()], ..Reply::default() })
        }
        Answer::Records(records) => {
            let answers = records.into_iter().map(|(name, kind, rdata)| (name, kind, TTL, rdata)).collect();
            let packets = whole(Reply { answers, ..Reply::default() });
            let too_large = |packet: &Vec<u8>| packet.len() > MAX_UDP && !over_tcp;
            if packets.iter().any(too_large) {
                whole(Reply { truncated: true, ..Reply::default() })
            } else {
                packets
            }
        }
        Answer::NoName => whole(Reply { code: 3, authorities: vec![soa()], ..Reply::default() }),
        Answer::Fail => whole(Reply { code: 2, ..Reply::default() }),
        Answer::Truncated => whole(Reply { truncated: true, ..Reply::default() }),
        Answer::Reply(reply) => whole(reply),
        Answer::Raw(bytes) => vec![[&id[..], &bytes].concat()],
        Answer::OtherId(inner) => packets(*inner, other, question, over_tcp),
        Answer::Strays(n, inner) => {
            let stray = packets((*inner).clone(), other, question, over_tcp);
            let mut all: Vec<_> = std::iter::repeat_n(stray, n).flatten().collect();
            all.extend(packets(*inner, id, question, over_tcp));
            all
        }
        Answer::Trickle(inner) if over_tcp => packets(*inner, id, question, true),
        Answer::Silence | Answer::Closed | Answer::Announced(..) | Answer::Trickle(_) => Vec::new(),
    }
}

impl Reply {
    fn packet(&self, id: [u8; 2], question: &[u8]) -> Vec<u8> {
        let mut out = id.to_vec();
        out.extend([0x85 | (u8::from(self.truncated) << 1), 0x80 | self.code, 0, 1]);
        for section in [&self.answers, &self.authorities, &self.additionals] {
            out.extend(u16::try_from(section.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
        match &self.instead {
            Some(name) => {
                out.extend(wire(name));
                out.extend(question.get(question.len() - 4..).unwrap_or_default());
            }
            None => out.extend(question),
        }
        let asked = question.get(..question.len() - 4).unwrap_or_default();
        for (name, kind, ttl, rdata) in
            [&self.answers, &self.authorities, &self.additionals].into_iter().flatten()
        {
            let owner = wire(name);
            // As every server does it: a pointer to the question's name.
            if owner.eq_ignore_ascii_case(asked) {
                out.extend([0xc0, 12])
            } else {
                out.extend(owner)
            }
            out.extend(kind.to_be_bytes());
            out.extend([0, 1]);
            out.extend(ttl.to_be_bytes());
            out.extend(u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(rdata);
        }
        out
    }
}

/// The first question of a message and where it ends (RFC 1035 §4.1.2).
pub(super) fn read(message: &[u8], over_tcp: bool) -> Option<(Question, usize)> {
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
pub(crate) fn soa() -> Record {
    let numbers = [1, 1800, 900, 604_800, TTL].map(u32::to_be_bytes).concat();
    let rdata = [wire("ns.invalid"), wire("hostmaster.invalid"), numbers].concat();
    (String::new(), 6, TTL, rdata)
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
