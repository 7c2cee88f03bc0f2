//! Rows that would match everything or nearly: a slip of the publisher, or somebody's joke. They are refused
//! and named.

use std::net::IpAddr;

use ipnet::IpNet;

use super::entry::{FileHash, Key};
use super::tally::shown;
use crate::link::{is_prominent, is_public_suffix, sharing};

/// The widest networks that are taken; the widest that are announced are about as large.
const MIN_PREFIX: (u8, u8) = (8, 16);

/// Networks in which mail's own hosts are, or nobody.
const OWN: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/8",
    "64:ff9b::/96",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// The hashes of a file without content.
const EMPTY: [(&str, &str); 3] = [
    ("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("md5", "d41d8cd98f00b204e9800998ecf8427e"),
];

/// What `host` is, if single addresses on it alone can be bad.
fn common(host: &str) -> Option<&'static str> {
    if sharing(host).is_some() {
        return Some("a host that many share");
    }
    is_prominent(host).then_some("one of the names that nearly all mail links to")
}

/// Knows what is too wide.
#[derive(Debug)]
pub(super) struct Width {
    own: Vec<IpNet>,
    empty: Vec<FileHash>,
}

impl Width {
    pub(super) fn new() -> Self {
        Self {
            own: OWN.iter().filter_map(|net| net.parse().ok()).collect(),
            empty: EMPTY.iter().filter_map(|(kind, hex)| FileHash::parse(kind, hex)).collect(),
        }
    }

    /// Why `key` is too wide, if it is.
    pub(super) fn objection(&self, key: &Key) -> Option<String> {
        match key {
            Key::Link(link) => {
                if let Some(ip) = link.ip() {
                    return self.network(&IpNet::from(ip));
                }
                let (host, front) = (link.host_text(), link.path() == "/" && link.query().is_none());
                if let Some(what) = common(host).filter(|_| front) {
                    return Some(format!("{} is the front page of {what}", shown(host)));
                }
                (!host.contains('.')).then(|| format!("{} is a name of your own network", shown(host)))
            }
            Key::Host(name) | Key::Domain(name) | Key::Below(name) => self.name(name),
            Key::Net(net) => self.network(net),
            Key::File(hash) => {
                self.empty.contains(hash).then(|| "it is the hash of a file without content".to_owned())
            }
        }
    }

    fn name(&self, name: &str) -> Option<String> {
        if is_public_suffix(name) {
            let what = if name.contains('.') { "a public suffix" } else { "a name without dot" };
            return Some(format!("{} is {what}, under which strangers have their names", shown(name)));
        }
        common(name)
            .map(|what| format!("{} is {what}; only whole addresses on it can be listed", shown(name)))
    }

    fn network(&self, net: &IpNet) -> Option<String> {
        let least = if net.addr().is_ipv4() { MIN_PREFIX.0 } else { MIN_PREFIX.1 };
        if net.prefix_len() < least {
            return Some(format!("{net} is too large a part of the net"));
        }
        let own = self.own.iter().find(|own| own.contains(net) || net.contains(*own))?;
        let what = match own.addr() {
            IpAddr::V4(ip) if ip.is_multicast() => "for multicast",
            _ => "for private and special use",
        };
        Some(format!("{net} lies in {own}, which is {what}"))
    }
}
