//! One entry as people write it, and in the one form in which it is kept and compared.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use crate::model::text;

/// Longest entry, in bytes.
const MAX: usize = 320;
/// RFC 1035 §2.3.4, without the final dot.
const MAX_DOMAIN: usize = 253;

/// What is on a list, in its normal form.
///
/// | written | matches |
/// |---|---|
/// | `a@example.org` | this address |
/// | `@example.org` | every address at this domain, none at its sub-domains |
/// | `example.org` | every address at this domain and at its sub-domains |
/// | `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32` | clients |
///
/// **Local parts** are compared without regard to upper and lower case. RFC 5321 §2.4 leaves that to the
/// receiving host, and practically all treat them alike; a block list that a capital letter gets around
/// would be none. `"a"@x` and `a@x` are the same (RFC 5321 §4.1.2). `a+tag@x` is another address than `a@x`.
///
/// **Domains** are kept as A-labels (RFC 5890 §2.3.2.1): `bücher.example` becomes `xn--bcher-kva.example`.
///
/// **IPv4 in IPv6** (`::ffff:192.0.2.7`) is IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// `local@domain`.
    Address(Arc<str>),
    /// `domain`, or `@domain` where sub-domains are left out.
    Domain(Arc<str>),
    /// A network; one address is a network of one.
    Network(IpNet),
}

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An address.
    Address,
    /// A domain, with or without sub-domains.
    Domain,
    /// A client's address or network.
    Network,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Address, Self::Domain, Self::Network];

    /// The word in commands and keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Domain => "domain",
            Self::Network => "network",
        }
    }
}

/// Why a text is no entry, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EntryError(String);

/// What an entry can be, for people.
const FORMS: &str = "an entry is an address (a@example.org), a domain with its sub-domains (example.org), a \
                     domain alone (@example.org), or a client (192.0.2.7, 192.0.2.0/24, 2001:db8::/32)";

impl Entry {
    /// Reads an entry in any form that people write.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead where that can be told.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
        if text.is_empty() {
            return Err(EntryError(format!("there is nothing; {FORMS}")));
        }
        if text.len() > MAX {
            return Err(wrong(text, &format!("has {} bytes, and no entry has more than {MAX}", text.len())));
        }
        if text::line(text, MAX) != text {
            return Err(wrong(text, "holds characters that cannot be seen; type it anew"));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Network(ip.to_canonical().into()));
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return network(text, net);
        }
        if is_like_a_network(text) {
            return Err(wrong(
                text,
                "is no IP address and no network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
            ));
        }
        match text.rsplit_once('@') {
            None => named(text).map(|name| Self::Domain(name.into())),
            Some(("", name)) => named(name).map(|name| Self::Domain(format!("@{name}").into())),
            Some(("*", name)) => Err(match domain(name) {
                Some(name) => wrong(text, &format!("has a `*`; write @{name} for all addresses there")),
                None => wrong(text, &format!("has a `*`; {FORMS}")),
            }),
            Some((local, name)) => {
                let local = local_part(local).ok_or_else(|| {
                    wrong(text, "has no local part as mail addresses have it; write a@example.org")
                })?;
                let address = format!("{local}@{}", named(name)?);
                if address.len() > MAX {
                    return Err(wrong(text, "is longer than any address that mail is sent from"));
                }
                Ok(Self::Address(address.into()))
            }
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Address(_) => Kind::Address,
            Self::Domain(_) => Kind::Domain,
            Self::Network(_) => Kind::Network,
        }
    }

    /// By kind, then text: the order in which people and files see entries.
    pub(super) fn in_order(&self, other: &Self) -> Ordering {
        self.kind().cmp(&other.kind()).then_with(|| match (self, other) {
            (Self::Network(a), Self::Network(b)) => a.cmp(b),
            (Self::Address(a) | Self::Domain(a), Self::Address(b) | Self::Domain(b)) => a.cmp(b),
            _ => Ordering::Equal,
        })
    }

    /// The same with the domain in its own script, where that reads otherwise. Foreign text.
    #[must_use]
    pub fn in_unicode(&self) -> Option<String> {
        let text = match self {
            Self::Address(text) | Self::Domain(text) if text.contains("xn--") => text,
            _ => return None,
        };
        let (before, name) = text.rsplit_once('@').map_or(("", &**text), |(l, d)| (&text[..=l.len()], d));
        let (name, valid) = idna::domain_to_unicode(name);
        valid.ok().map(|()| format!("{before}{name}"))
    }
}

fn wrong(text: &str, what: &str) -> EntryError {
    EntryError(format!("{:?} {what}", text::line(text, 100)))
}

/// Whether it was meant as an address of a client: such a slip must not become a domain that never matches.
fn is_like_a_network(text: &str) -> bool {
    let numbers = |c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '*';
    let quoted = text.starts_with('"');
    let only_numbers = text.chars().all(numbers);
    only_numbers || !quoted && !text.contains('@') && text.contains(['/', ':', '['])
}

fn network(text: &str, net: IpNet) -> Result<Entry, EntryError> {
    let net = canonical(net);
    if net.prefix_len() == 0 {
        return Err(wrong(text, "is every client there is"));
    }
    if net.trunc() != net {
        // 10.0.0.1/8 may mean one machine or sixteen million.
        let (one, all) = (Entry::Network(net.addr().into()), Entry::Network(net.trunc()));
        return Err(wrong(text, &format!("names a machine and a network; write {one} or {all}")));
    }
    Ok(Entry::Network(net))
}

/// IPv4 in IPv6 made IPv4.
fn canonical(net: IpNet) -> IpNet {
    if let IpNet::V6(v6) = net
        && let Some(addr) = v6.addr().to_ipv4_mapped()
        && let Some(len) = v6.prefix_len().checked_sub(96)
        && let Ok(v4) = Ipv4Net::new(addr, len)
    {
        return v4.into();
    }
    net
}

/// The domain of an entry.
fn named(name: &str) -> Result<String, EntryError> {
    let rest = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    if let Some(rest) = rest.and_then(domain) {
        return Err(wrong(name, &format!("begins with what is not needed; {rest} takes its sub-domains in")));
    }
    let Some(read) = domain(name) else {
        return Err(wrong(name, &format!("is no domain; {FORMS}")));
    };
    // A-labels that mean nothing would never match.
    if read.contains("xn--") && idna::domain_to_ascii(&read).ok().as_deref() != Some(&*read) {
        return Err(wrong(name, "has a label that begins with xn-- and is no name in another script"));
    }
    Ok(read)
}

/// A domain in its normal form: A-labels, lower case, no final dot. `None` if it is none.
pub(super) fn domain(name: &str) -> Option<String> {
    // Mapping may shorten, hardly so much.
    if name.len() > 4 * MAX_DOMAIN {
        return None;
    }
    let mut name =
        if name.is_ascii() { name.to_ascii_lowercase() } else { idna::domain_to_ascii(name).ok()? };
    if name.ends_with('.') {
        name.pop();
    }
    let good = |label: &str| {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(letter)
    };
    let top_is_a_name = name.rsplit('.').next().is_some_and(|top| !top.bytes().all(|b| b.is_ascii_digit()));
    (name.len() <= MAX_DOMAIN && top_is_a_name && name.split('.').all(good)).then_some(name)
}

/// A local part in its normal form: lower case, quoted only where it must be. `None` if it is none.
pub(super) fn local_part(text: &str) -> Option<String> {
    let content = match text.strip_prefix('"') {
        Some(rest) => {
            let mut content = String::with_capacity(rest.len());
            let mut chars = rest.strip_suffix('"')?.chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => content.push(chars.next()?),
                    '"' => return None,
                    c => content.push(c),
                }
            }
            content
        }
        None if text.is_empty() || text.contains(is_special) => return None,
        None => text.to_owned(),
    };
    let content = content.to_lowercase();
    // In a file of entries `#` begins a comment, and `*` alone is what people write for "all".
    let plain =
        !content.is_empty() && !content.contains(is_special) && !content.starts_with('#') && content != "*";
    if plain {
        return Some(content);
    }
    let mut quoted = String::from('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Some(quoted)
}

/// Stands in a local part between quotes only (RFC 5322 §3.2.3).
fn is_special(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '(' | ')' | '<' | '>' | '[' | ']' | ':' | ';' | ',' | '\\' | '"' | '@')
}

/// Local part and domain of an address as a stranger wrote it, each in its normal form where it has one.
/// `None` for nothing at all.
pub(super) fn taken_apart(address: &str) -> Option<(Option<String>, Option<String>)> {
    let mut address = address.trim();
    // A source route, which must be ignored (RFC 5321 §4.1.2, appendix C).
    if address.starts_with('@')
        && let Some((_, rest)) = address.split_once(':')
    {
        address = rest;
    }
    if address.is_empty() {
        return None;
    }
    let (local, name) = match address.rsplit_once('@') {
        Some((local, name)) => (local, domain(name)),
        None => (address, None),
    };
    let local = if local.len() <= MAX { local_part(local) } else { None };
    Some((local, name))
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) | Self::Domain(text) => f.pad(text),
            Self::Network(net) if net.prefix_len() == net.max_prefix_len() => f.pad(&net.addr().to_string()),
            Self::Network(net) => f.pad(&net.to_string()),
        }
    }
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        Self::parse(text)
    }
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// An address of a client as a number, with its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    V4(u32),
    V6(u128),
}

impl Bits {
    pub(super) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(Ipv4Addr::to_bits(ip)),
            IpAddr::V6(ip) => Self::V6(Ipv6Addr::to_bits(ip)),
        }
    }
}
