//! One thing that a feed calls bad, and its line in the copy on disk.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::link::{Host, Link};
use crate::model::{Timestamp, text};

/// The most characters of each text that goes with an entry.
const MAX_TEXT: usize = 200;

/// A day, as feeds give it: the number of days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u16);

impl Day {
    /// The day of a moment in UTC.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(u16::try_from(at.seconds() / 86_400).unwrap_or(u16::MAX))
    }

    /// From text that begins with `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.get(..10)?.splitn(3, '-');
        let year = parts.next()?.parse().ok()?;
        let month = time::Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
        let date = time::Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()?;
        let epoch = time::OffsetDateTime::UNIX_EPOCH.date();
        u16::try_from((date - epoch).whole_days()).ok().map(Self)
    }

    /// Days from this one to `later`; zero if it is not later.
    #[must_use]
    pub const fn until(self, later: Self) -> u16 {
        later.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Timestamp::from_millis(u64::from(self.0) * 86_400_000).day())
    }
}

/// What is bad.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// This address on the web.
    Link(Link),
    /// The host of this name, and no other.
    Host(String),
    /// The host of this name, and all below it.
    Domain(String),
    /// All hosts below this name, itself not.
    Below(String),
    /// Addresses. Never IPv4 in the form of IPv6.
    Net(IpNet),
    /// The file with this hash.
    File(FileHash),
}

/// A hash of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileHash {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// MD5.
    Md5([u8; 16]),
}

impl FileHash {
    /// From `hex`, which must be as long as a hash of this `kind`: `sha256`, `sha1`, `md5`.
    #[must_use]
    pub fn parse(kind: &str, hex: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.trim().as_bytes()).ok()?;
        match kind {
            "sha256" => bytes.try_into().ok().map(Self::Sha256),
            "sha1" => bytes.try_into().ok().map(Self::Sha1),
            "md5" => bytes.try_into().ok().map(Self::Md5),
            _ => None,
        }
    }

    /// `sha256`, `sha1`, `md5`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Sha1(_) => "sha1",
            Self::Md5(_) => "md5",
        }
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
            Self::Md5(bytes) => bytes,
        }
    }
}

/// Hexadecimal, lower case.
impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(self.bytes()))
    }
}

/// One row of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is bad.
    pub key: Key,
    /// Since when it is known, as the publisher says.
    pub added: Option<Day>,
    /// How sure the publisher is, in per cent.
    pub confidence: Option<u8>,
    /// What it does: `malware_download`, `botnet_cc`, the name of a malware family; may be empty.
    pub threat: String,
    /// The publisher's words for it, with commas; may be empty.
    pub tags: String,
    /// The publisher's number or page of it; may be empty.
    pub reference: String,
}

impl Entry {
    /// An entry of which nothing else is known.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self {
            key,
            added: None,
            confidence: None,
            threat: String::new(),
            tags: String::new(),
            reference: String::new(),
        }
    }

    /// Appends its line of the copy: kind, key, day, confidence, threat, tags and reference between tabs.
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing into memory does not fail.
        drop(match &self.key {
            Key::Link(link) => write!(line, "url\t{link}"),
            Key::Host(name) => write!(line, "host\t{name}"),
            Key::Domain(name) => write!(line, "domain\t{name}"),
            Key::Below(name) => write!(line, "below\t{name}"),
            Key::Net(net) => write!(line, "net\t{net}"),
            Key::File(hash) => write!(line, "{}\t{hash}", hash.kind()),
        });
        drop(match self.added {
            Some(day) => write!(line, "\t{day}"),
            None => write!(line, "\t-"),
        });
        drop(match self.confidence {
            Some(confidence) => write!(line, "\t{confidence}"),
            None => write!(line, "\t-"),
        });
        for foreign in [&self.threat, &self.tags, &self.reference] {
            line.push(b'\t');
            // Nothing that breaks the line or the terminal of who reads it.
            line.extend_from_slice(text::line(foreign, MAX_TEXT).as_bytes());
        }
        line.push(b'\n');
    }

    /// Reads what [`Self::write`] wrote, without the line break.
    pub(super) fn read(line: &str) -> Option<Self> {
        let fields = Fields::of(line)?;
        let mut rest = fields.rest.split('\t');
        let mut next = || rest.next().map(str::to_owned);
        Some(Self {
            key: fields.key()?,
            added: fields.added,
            confidence: fields.confidence,
            threat: next()?,
            tags: next()?,
            reference: next()?,
        })
    }
}

/// The fields of a line of the copy that the index needs, without the rest being looked at.
pub(super) struct Fields<'a> {
    pub(super) kind: &'a str,
    pub(super) text: &'a str,
    pub(super) added: Option<Day>,
    pub(super) confidence: Option<u8>,
    rest: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(5, '\t');
        let mut next = || fields.next();
        let (kind, text, added, confidence, rest) = (next()?, next()?, next()?, next()?, next()?);
        Some(Self {
            kind,
            text,
            added: if added == "-" { None } else { Some(Day::parse(added)?) },
            confidence: if confidence == "-" { None } else { Some(confidence.parse().ok()?) },
            rest,
        })
    }

    pub(super) fn key(&self) -> Option<Key> {
        let name = || self.text.to_owned();
        Some(match self.kind {
            "url" => Key::Link(Link::parse(self.text).ok()?),
            "host" => Key::Host(name()),
            "domain" => Key::Domain(name()),
            "below" => Key::Below(name()),
            "net" => Key::Net(IpNet::from_str(self.text).ok()?),
            kind => Key::File(FileHash::parse(kind, self.text)?),
        })
    }
}

/// A network in the one form: host bits cleared, IPv4 not in the form of IPv6. A single address is a network
/// of its whole length.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let net = match text.split_once('/') {
        None => IpNet::from(text.parse::<IpAddr>().ok()?),
        Some(_) => IpNet::from_str(text).ok()?,
    };
    let net = match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - 96).ok()?,
            None => net,
        },
        net => net,
    };
    Some(net.trunc())
}

/// What is asked of the index.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// A link and its host.
    Link(&'a Link),
    /// A host alone.
    Host(&'a Host),
    /// An address alone.
    Ip(IpAddr),
    /// A file.
    File(&'a FileHash),
}
