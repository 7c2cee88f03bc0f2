//! One entry as people write it, and in the one form in which it is kept and compared.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::content;
use super::kind::Kind;
use super::scope::Scope;
use crate::model::mailbox::{self, MAX, local_part};
use crate::model::text;

/// Before whom an entry is for, where it is not for all.
const FOR: &str = "for:";

/// What is on a list, in its normal form: what it matches, and for whom.
///
/// Written, it is its pattern; `for:@example.org evil.example` is for the recipients at example.org alone,
/// `for:alice@example.org evil.example` for this one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// What it matches.
    pub pattern: Pattern,
    /// For whom; `None`: for all.
    pub scope: Option<Scope>,
}

/// What an entry matches.
///
/// | written | matches |
/// |---|---|
/// | `a@example.org` | this address |
/// | `@example.org` | every address at this domain, none at its sub-domains |
/// | `example.org` | every address at this domain and at its sub-domains |
/// | `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32` | clients |
/// | `url:evil.example` | links to this host, or to one below it |
/// | `sha256:` and 64 digits | a file with this content |
/// | `header:List-Id:*.lists.example.org` | a field with this value; `*` stands for any text |
///
/// **Addresses** are compared in the form of [`mailbox`]: `bücher.example` becomes `xn--bcher-kva.example`, and a block
/// list that a capital letter gets around would be none. `a+tag@x` is another address than `a@x`.
///
/// **IPv4 in IPv6** (`::ffff:192.0.2.7`) is IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pattern {
    /// `local@domain`.
    Address(Arc<str>),
    /// `domain`, or `@domain` where sub-domains are left out.
    Domain(Arc<str>),
    /// A network; one address is a network of one.
    Network(IpNet),
    /// The host of a link, in the form of [`crate::link::Host`].
    Url(Arc<str>),
    /// The SHA-256 of a file, in hexadecimal digits.
    Attachment(Arc<str>),
    /// `name:value`, in the form of `content::value`.
    Header(Arc<str>),
}

/// Why a text is no entry, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EntryError(pub(super) String);

/// What an entry can be, for people.
const FORMS: &str = "an entry is an address (a@example.org), a domain with its sub-domains (example.org), a \
                     domain alone (@example.org), or a client (192.0.2.7, 192.0.2.0/24, 2001:db8::/32); a link's \
                     host is written url:example.org, a file sha256:…, a field header:Name:value";

impl Entry {
    /// Reads an entry in any form that people write.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead where that can be told.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        let text = text.trim();
        let Some(rest) = content::after(text, FOR) else {
            return Ok(Self { pattern: parse(text)?, scope: None });
        };
        let Some(end) = scope_ends(rest) else {
            return Err(wrong(text, "names for whom and not what; write for:@example.org evil.example"));
        };
        let (scope, pattern) = rest.split_at(end);
        Ok(Self { scope: Some(Scope::parse(scope)?), pattern: parse(pattern.trim_start())? })
    }

    /// The same for the recipients in `scope` alone.
    #[must_use]
    pub fn within(self, scope: Option<Scope>) -> Self {
        Self { scope, ..self }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.pattern {
            Pattern::Address(_) => Kind::Address,
            Pattern::Domain(_) => Kind::Domain,
            Pattern::Network(_) => Kind::Network,
            Pattern::Url(_) => Kind::Url,
            Pattern::Attachment(_) => Kind::Attachment,
            Pattern::Header(_) => Kind::Header,
        }
    }

    /// By kind, then text, then for whom: the order in which people and files see entries.
    pub(super) fn in_order(&self, other: &Self) -> Ordering {
        self.kind().cmp(&other.kind()).then_with(|| self.cmp(other))
    }

    /// The same with the domain in its own script, where that reads otherwise. Foreign text.
    #[must_use]
    pub fn in_unicode(&self) -> Option<String> {
        let text = match &self.pattern {
            Pattern::Address(text) | Pattern::Domain(text) | Pattern::Url(text) if text.contains("xn--") => {
                text
            }
            _ => return None,
        };
        let (before, name) = text.rsplit_once('@').map_or(("", &**text), |(l, d)| (&text[..=l.len()], d));
        let (name, valid) = idna::domain_to_unicode(name);
        valid.ok().map(|()| format!("{before}{name}"))
    }
}

/// Where the scope of `for:…` ends: at the first white space outside of a quoted local part.
fn scope_ends(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Reads what an entry matches.
pub(super) fn parse(text: &str) -> Result<Pattern, EntryError> {
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
    if let Some(content) = content::parse(text)? {
        return Ok(content);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Pattern::Network(ip.to_canonical().into()));
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
        None => named(text).map(|name| Pattern::Domain(name.into())),
        Some(("", name)) => named(name).map(|name| Pattern::Domain(format!("@{name}").into())),
        Some(("*", name)) => Err(match mailbox::domain(name) {
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
            Ok(Pattern::Address(address.into()))
        }
    }
}

pub(super) fn wrong(text: &str, what: &str) -> EntryError {
    EntryError(format!("{:?} {what}", text::line(text, 100)))
}

/// Whether it was meant as an address of a client: such a slip must not become a domain that never matches.
fn is_like_a_network(text: &str) -> bool {
    let numbers = |c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '*';
    let quoted = text.starts_with('"');
    let only_numbers = text.chars().all(numbers);
    only_numbers || !quoted && !text.contains('@') && text.contains(['/', ':', '['])
}

fn network(text: &str, net: IpNet) -> Result<Pattern, EntryError> {
    let net = canonical(net);
    if net.prefix_len() == 0 {
        return Err(wrong(text, "is every client there is"));
    }
    if net.trunc() != net {
        // 10.0.0.1/8 may mean one machine or sixteen million.
        let (one, all) = (Pattern::Network(net.addr().into()), Pattern::Network(net.trunc()));
        return Err(wrong(text, &format!("names a machine and a network; write {one} or {all}")));
    }
    Ok(Pattern::Network(net))
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
    if let Some(rest) = rest.and_then(mailbox::domain) {
        return Err(wrong(name, &format!("begins with what is not needed; {rest} takes its sub-domains in")));
    }
    let Some(read) = mailbox::domain(name) else {
        return Err(wrong(name, &format!("is no domain; {FORMS}")));
    };
    // A-labels that mean nothing would never match.
    if read.contains("xn--") && idna::domain_to_ascii(&read).ok().as_deref() != Some(&*read) {
        return Err(wrong(name, "has a label that begins with xn-- and is no name in another script"));
    }
    Ok(read)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) | Self::Domain(text) => f.pad(text),
            Self::Network(net) if net.prefix_len() == net.max_prefix_len() => f.pad(&net.addr().to_string()),
            Self::Network(net) => f.pad(&net.to_string()),
            Self::Url(host) => write!(f, "{}{host}", content::URL),
            Self::Attachment(digits) => write!(f, "{}{digits}", content::SHA256),
            Self::Header(field) => write!(f, "{}{field}", content::HEADER),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            None => self.pattern.fmt(f),
            Some(scope) => write!(f, "{FOR}{scope} {}", self.pattern),
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
