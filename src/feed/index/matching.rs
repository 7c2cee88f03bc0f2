//! What matches what, and how strongly.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::feed::copy::{CopyError, LastGood};
use crate::feed::entry::{Asked, Day, Entry, Key};
use crate::link::{Host, is_whole_only};

/// How a thing and an entry agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchKind {
    /// The same address; http and https are one.
    Exact,
    /// The same host and path, another query.
    HostPath,
    /// The host is listed.
    Host,
    /// A name above the host is listed with all below it.
    Domain,
    /// The address is listed.
    Ip,
    /// A network with the address is listed.
    Network,
    /// The same file.
    File,
}

/// How much of what was listed is what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// It is near what was listed: below its name, in its network.
    Near,
    /// It is what was listed but for the query.
    Close,
    /// It is what was listed.
    Same,
}

impl MatchKind {
    /// Its name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::HostPath => "host-path",
            Self::Host => "host",
            Self::Domain => "domain",
            Self::Ip => "ip",
            Self::Network => "network",
            Self::File => "hash",
        }
    }

    /// How much that is worth.
    #[must_use]
    pub const fn strength(self) -> Strength {
        match self {
            Self::Exact | Self::Host | Self::Ip | Self::File => Strength::Same,
            Self::HostPath => Strength::Close,
            Self::Domain | Self::Network => Strength::Near,
        }
    }
}

/// One feed knows it.
#[derive(Clone)]
pub struct Match {
    /// The feed's name in the configuration.
    pub feed: Arc<str>,
    /// How it agrees.
    pub kind: MatchKind,
    /// Since when the publisher knows it.
    pub added: Option<Day>,
    /// How sure the publisher is, in per cent.
    pub confidence: Option<u8>,
    pub(super) row: u64,
    pub(super) copy: Arc<LastGood>,
}

impl Match {
    /// How much of what was listed is what was asked.
    #[must_use]
    pub const fn strength(&self) -> Strength {
        self.kind.strength()
    }

    /// The entry, from the copy on disk, also when a refresh has replaced that by now. Blocks.
    ///
    /// # Errors
    /// If the copy cannot be read there.
    pub fn entry(&self) -> Result<Entry, CopyError> {
        self.copy.entry(self.row)
    }

    /// The entry if it really is about what was asked, `None` if two different things have the same key, which
    /// among ten million happens once in two thousand milliard look-ups. Blocks.
    ///
    /// # Errors
    /// As [`Self::entry`].
    pub fn confirmed(&self, asked: Asked<'_>) -> Result<Option<Entry>, CopyError> {
        let entry = self.entry()?;
        Ok((agreement(&entry.key, asked) == Some(self.kind)).then_some(entry))
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Match")
            .field("feed", &self.feed)
            .field("kind", &self.kind)
            .field("added", &self.added)
            .field("confidence", &self.confidence)
            .finish_non_exhaustive()
    }
}

/// How an entry and what is asked agree, by their texts: what the index finds by keys, said once more in plain
/// words. Where they agree in several ways, the strongest.
#[must_use]
pub fn agreement(key: &Key, asked: Asked<'_>) -> Option<MatchKind> {
    let below = |name: &str, host: &str| {
        host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')).then_some(MatchKind::Domain)
    };
    match (key, asked) {
        (Key::Link(listed), Asked::Link(link)) => {
            let may_be_near = link.ip().is_some() || !is_whole_only(link.host_text());
            let near = may_be_near && (listed.query().is_none() || !listed.is_front_page());
            if listed.exact() == link.exact() {
                Some(MatchKind::Exact)
            } else if near && listed.host_and_path() == link.host_and_path() {
                Some(MatchKind::HostPath)
            } else {
                None
            }
        }
        (key, Asked::Link(link)) => {
            let whole = link.ip().is_none() && is_whole_only(link.host_text());
            if whole { None } else { agreement(key, Asked::Host(&link.host())) }
        }
        (key, Asked::Host(Host::Ip(ip))) => agreement(key, Asked::Ip(*ip)),
        (Key::Host(name) | Key::Domain(name), Asked::Host(Host::Name(host))) if name == host => {
            Some(MatchKind::Host)
        }
        (Key::Domain(name) | Key::Below(name), Asked::Host(Host::Name(host))) => below(name, host),
        (Key::Net(net), Asked::Ip(ip)) => {
            net.contains(&ip.to_canonical()).then(|| of_length(net.prefix_len(), ip))
        }
        (Key::File(listed), Asked::File(file)) => (listed == file).then_some(MatchKind::File),
        _ => None,
    }
}

pub(super) fn of_length(len: u8, ip: IpAddr) -> MatchKind {
    let whole = if ip.to_canonical().is_ipv4() { 32 } else { 128 };
    if len == whole { MatchKind::Ip } else { MatchKind::Network }
}
