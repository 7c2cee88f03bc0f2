//! The host of a link, and what of its name somebody owns.

use std::fmt;
use std::net::IpAddr;

use super::NotALink;

/// RFC 1035 §2.3.4, in the form with dots and without the final one.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A host in normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name: lower case, A-labels, no final dot.
    Name(String),
    /// An address; IPv4-mapped ones are IPv4.
    Ip(IpAddr),
}

impl Host {
    /// Reads a host that stands alone: a name in any script, or an address in any notation that a browser
    /// takes, IPv6 also without its brackets. Of a name's characters only letters, digits, `-` and `_` are
    /// taken: others are no name of a host on the net, whatever a browser does with them.
    ///
    /// # Errors
    /// If it can be no host.
    pub fn parse(text: &str) -> Result<Self, NotALink> {
        let text = text.trim();
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let read = url::Host::parse(text)?;
        let host = Self::of(match &read {
            url::Host::Domain(name) => url::Host::Domain(name.as_str()),
            url::Host::Ipv4(ip) => url::Host::Ipv4(*ip),
            url::Host::Ipv6(ip) => url::Host::Ipv6(*ip),
        })?;
        match &host {
            Self::Name(name) if !name.bytes().all(|b| is_name_byte(b) || b == b'.') => Err(NotALink::Host),
            _ => Ok(host),
        }
    }

    /// From what the URL parser found.
    pub(super) fn of(host: url::Host<&str>) -> Result<Self, NotALink> {
        match host {
            url::Host::Ipv4(ip) => Ok(Self::Ip(ip.into())),
            url::Host::Ipv6(ip) => Ok(Self::Ip(IpAddr::V6(ip).to_canonical())),
            url::Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                let fits = name.len() <= MAX_NAME
                    && name.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len()));
                if fits { Ok(Self::Name(name.to_ascii_lowercase())) } else { Err(NotALink::Host) }
            }
        }
    }

    /// As it stands in a URL.
    pub(super) fn write_in_url(&self, out: &mut String) {
        match self {
            Self::Name(name) => out.push_str(name),
            Self::Ip(IpAddr::V4(ip)) => out.push_str(&ip.to_string()),
            Self::Ip(IpAddr::V6(ip)) => {
                out.push('[');
                out.push_str(&ip.to_string());
                out.push(']');
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// Whether a host's name on the net has such a byte, dots aside.
pub(super) const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

/// The domain that somebody registered: `example.co.uk` of `www.example.co.uk`, and `a.github.io` of
/// `x.a.github.io`, because names below `github.io` have different owners. `None` for a public suffix and for
/// a name without dot. `name` in normal form.
#[must_use]
pub fn registrable(name: &str) -> Option<&str> {
    psl::domain_str(name)
}

/// Whether `host` is `name` or a name below it. Both in normal form.
#[must_use]
pub fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Who gives out names below a public suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registry {
    /// A registry, for all the world: `com`, `co.uk`.
    Icann,
    /// A company, to its users: `github.io`.
    Private,
}

/// The public suffix of `name` and who gives out names below it; `None` where no list knows its ending. In
/// normal form.
#[must_use]
pub fn public_suffix(name: &str) -> Option<(&str, Registry)> {
    let suffix = psl::suffix(name.as_bytes())?;
    let registry = match suffix.typ()? {
        psl::Type::Icann => Registry::Icann,
        psl::Type::Private => Registry::Private,
    };
    Some((name.get(name.len().checked_sub(suffix.as_bytes().len())?..)?, registry))
}

/// Whether `name` is one under which strangers register: `com`, `co.uk`, `github.io`, and every name without
/// dot. In normal form.
#[must_use]
pub fn is_public_suffix(name: &str) -> bool {
    registrable(name).is_none()
}
