//! What may be connected to.
//!
//! Whoever writes a mail chooses its links. This keeps him from choosing what our machine connects to: a service on
//! loopback, a router, the metadata of a cloud. A name may be asked if every address that it has is public; who
//! mixes public and private ones wants something. Addresses in place of names are refused, in whatever notation
//! they came – [`url::Url`] has read `0x7f.1` and `[::ffff:7f00:1]` by then –, as no shortener is called so.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use crate::net::is_public;

/// Looks at each URL before it is asked, and at each address before it is connected to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    /// The one address beside the public ones, for tests: connected to at this port.
    allowance: Option<SocketAddr>,
}

/// What must not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Neither http nor https.
    #[error("{0}: is not asked for")]
    Scheme(String),
    /// An address in place of a name, or no host.
    #[error("no name of a host is in it")]
    NoName,
    /// Another port than 80 and 443.
    #[error("port {0} is not connected to, only 80 and 443 are")]
    Port(u16),
    /// It has a user name or a password.
    #[error("it holds a user name or password")]
    User,
    /// An address of the name.
    #[error("{host} has the address {ip}, which is not public, and is not connected to")]
    Address {
        /// The name.
        host: String,
        /// Its address.
        ip: IpAddr,
    },
}

impl Guard {
    /// Public addresses and nothing else.
    pub(super) const fn strict() -> Self {
        Self { allowance: None }
    }

    /// `allowance` as well, which is connected to at its own port.
    #[cfg(test)]
    pub(super) const fn allowing(allowance: SocketAddr) -> Self {
        Self { allowance: Some(allowance) }
    }

    /// The name of the host that `url` asks, if it may be asked.
    pub(super) fn host(&self, url: &Url) -> Result<String, Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::User);
        }
        match url.port_or_known_default() {
            Some(80 | 443) => {}
            port => return Err(Refused::Port(port.unwrap_or_default())),
        }
        match url.host() {
            // A resolver that falls back to inet_aton(3) would take a number for an address.
            Some(url::Host::Domain(name)) if name.bytes().any(|b| b.is_ascii_alphabetic()) => {
                Ok(name.to_owned())
            }
            _ => Err(Refused::NoName),
        }
    }

    /// Where `host` is connected to: all of `addresses`, or nowhere. Port 0 is the one of the URL.
    pub(super) fn addresses(&self, host: &str, addresses: &[IpAddr]) -> Result<Vec<SocketAddr>, Refused> {
        addresses.iter().map(|ip| self.address(host, *ip)).collect()
    }

    fn address(&self, host: &str, ip: IpAddr) -> Result<SocketAddr, Refused> {
        match self.allowance {
            Some(allowance) if allowance.ip() == ip => Ok(allowance),
            _ if is_public(ip) => Ok(SocketAddr::new(ip, 0)),
            _ => Err(Refused::Address { host: host.to_owned(), ip }),
        }
    }
}
