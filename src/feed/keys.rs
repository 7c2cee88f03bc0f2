//! The 64-bit keys under which entries stand in memory.
//!
//! Keyed with random numbers of this process, so that nobody can make an address that collides with one in a
//! feed, nor a feed that fills one place of the table. Each kind of thing has keys of its own.
//!
//! A link without query has one key, of host and path. A link with query has one for the whole, and, where its
//! path is not that of the site as a whole, the one of host and path, too: whoever sends a thousand copies of
//! one trap writes another query into each.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use ipnet::IpNet;

use super::entry::{FileHash, Key};
use crate::link;

/// What a key was made of.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// `host[:port]/path`.
    Path = 1,
    /// `host[:port]/path?query`.
    Query = 2,
    /// A name.
    Host = 3,
    /// A name, for all below it.
    Below = 4,
    /// A network.
    Net = 5,
    /// A file.
    File = 6,
}

/// What an entry is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hashed {
    pub(super) hash: u64,
    /// Of the keys of one entry this is the one it is counted by.
    pub(super) primary: bool,
    /// The entry is this and no more: a link without query, for the key of host and path.
    pub(super) whole: bool,
}

/// Makes keys. One a process; clones make the same keys.
#[derive(Clone, Debug, Default)]
pub struct Keyer(RandomState);

impl Keyer {
    /// With new random numbers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn hash(&self, of: Of, bytes: &[u8]) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u8(of as u8);
        hasher.write(bytes);
        // Zero is the empty place in the table.
        hasher.finish().max(1)
    }

    pub(super) fn net(&self, ip: IpAddr, len: u8) -> u64 {
        let mut bytes = [0; 18];
        bytes[0] = len;
        match ip {
            IpAddr::V4(ip) => {
                bytes[1] = 4;
                bytes[2..6].copy_from_slice(&ip.octets());
                self.hash(Of::Net, &bytes[..6])
            }
            IpAddr::V6(ip) => {
                bytes[1] = 6;
                bytes[2..].copy_from_slice(&ip.octets());
                self.hash(Of::Net, &bytes)
            }
        }
    }

    pub(super) fn file(&self, file: &FileHash) -> u64 {
        self.hash(Of::File, file.bytes())
    }

    /// The keys of an entry.
    pub(super) fn of_entry(&self, key: &Key, put: &mut impl FnMut(Hashed)) {
        match key {
            Key::Link(link) => self.of_link(link.exact(), put),
            Key::Host(name) => put(whole(self.hash(Of::Host, name.as_bytes()))),
            Key::Domain(name) => {
                put(whole(self.hash(Of::Host, name.as_bytes())));
                put(Hashed { primary: false, ..whole(self.hash(Of::Below, name.as_bytes())) });
            }
            Key::Below(name) => put(whole(self.hash(Of::Below, name.as_bytes()))),
            Key::Net(net) => put(whole(self.of_net(net))),
            Key::File(file) => put(whole(self.file(file))),
        }
    }

    fn of_net(&self, net: &IpNet) -> u64 {
        self.net(net.network(), net.prefix_len())
    }

    /// The keys of a link; `exact` as [`link::Link::exact`] gives it.
    pub(super) fn of_link(&self, exact: &str, put: &mut impl FnMut(Hashed)) {
        let question = memchr::memchr(b'?', exact.as_bytes());
        let path_end = question.unwrap_or(exact.len());
        let before = exact.get(..path_end).unwrap_or(exact);
        if question.is_none() {
            put(whole(self.hash(Of::Path, before.as_bytes())));
            return;
        }
        put(whole(self.hash(Of::Query, exact.as_bytes())));
        let path = before.get(before.find('/').unwrap_or(0)..).unwrap_or_default();
        if !link::is_front_page(path) {
            let hash = self.hash(Of::Path, before.as_bytes());
            put(Hashed { hash, primary: false, whole: false });
        }
    }
}

const fn whole(hash: u64) -> Hashed {
    Hashed { hash, primary: true, whole: true }
}
