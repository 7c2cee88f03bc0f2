//! Where an MTA connects, and from where it may.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::net::address::Listen;

/// Where the MTA connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket at an absolute path.
    Unix(PathBuf),
    /// TCP on an address of this machine.
    Inet(SocketAddr),
}

/// The text names no socket.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// Neither `unix:` nor `inet:`.
    #[error("{0:?} names no socket; write \"unix:/path/to/socket\" or \"inet:127.0.0.1:8891\"")]
    Kind(String),
    /// The path does not begin at the root.
    #[error("the socket path {0:?} must begin with \"/\"")]
    Relative(String),
    /// The kernel takes no longer ones.
    #[error("the socket path {0:?} is longer than {MAX_PATH} bytes, which is the most a socket may have")]
    TooLong(String),
    /// No address and port.
    #[error("{0:?} is no address and port; write for example \"inet:127.0.0.1:8891\" or \"inet:[::1]:8891\"")]
    Address(String),
}

/// `sun_path` holds 108 bytes, the final NUL included (unix(7)).
const MAX_PATH: usize = 107;

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// `unix:/path` or `local:/path`; `inet:address:port`, `inet6:[address]:port`, or Sendmail's
    /// `inet:port@address`.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let refused = || EndpointError::Kind(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(refused)?;
        match kind {
            "unix" | "local" => {
                if !rest.starts_with('/') {
                    return Err(EndpointError::Relative(rest.to_owned()));
                }
                if rest.len() > MAX_PATH {
                    return Err(EndpointError::TooLong(rest.to_owned()));
                }
                Ok(Self::Unix(PathBuf::from(rest)))
            }
            "inet" | "inet6" => address(rest)
                .filter(|addr| kind == "inet" || addr.is_ipv6())
                .map(Self::Inet)
                .ok_or_else(|| EndpointError::Address(text.to_owned())),
            _ => Err(refused()),
        }
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = match text.split_once('@') {
        Some((port, host)) => (host, port),
        None => text.rsplit_once(':')?,
    };
    let host = host.strip_prefix('[').map_or(Some(host), |h| h.strip_suffix(']'))?;
    let ip = if host == "localhost" { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { host.parse().ok()? };
    // The standard library takes a sign too.
    let port = Some(port).filter(|port| port.bytes().all(|digit| digit.is_ascii_digit()))?;
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inet(addr) => write!(f, "inet:{addr}"),
        }
    }
}

impl Endpoint {
    /// The path of a unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Inet(_) => None,
        }
    }
}

impl From<&Listen> for Endpoint {
    fn from(listen: &Listen) -> Self {
        match listen {
            Listen::Unix(path) => Self::Unix(path.clone()),
            Listen::Inet(address) => Self::Inet(*address),
        }
    }
}

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(pub IpNet);

impl Cidr {
    /// Whether `ip` lies inside. IPv4-mapped IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(|net: IpNet| Self(net.trunc())).map_err(|_| {
            format!("{text:?} is no address or network; write for example \"192.0.2.7\" or \"192.0.2.0/24\"")
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! as_text {
    ($($kind:ty),+) => { $(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+ };
}
as_text!(Endpoint, Cidr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_in_postfix_and_sendmail_manner() {
        let inet = |text: &str| Ok(Endpoint::Inet(text.parse().unwrap()));
        assert_eq!("unix:/run/m.sock".parse(), Ok(Endpoint::Unix("/run/m.sock".into())));
        assert_eq!("local:/run/m.sock".parse(), Ok(Endpoint::Unix("/run/m.sock".into())));
        assert_eq!("inet:127.0.0.1:8891".parse(), inet("127.0.0.1:8891"));
        assert_eq!("inet:localhost:8891".parse(), inet("127.0.0.1:8891"));
        assert_eq!("inet:8891@127.0.0.1".parse(), inet("127.0.0.1:8891"));
        assert_eq!("inet:[::1]:8891".parse(), inet("[::1]:8891"));
        assert_eq!("inet6:[::1]:8891".parse(), inet("[::1]:8891"));
        assert_eq!("inet6:8891@::1".parse(), inet("[::1]:8891"));
    }

    #[test]
    fn what_is_no_endpoint_is_told_why() {
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err();
        assert_eq!(error("/run/m.sock"), EndpointError::Kind("/run/m.sock".into()));
        assert_eq!(error("tcp:1.2.3.4:5"), EndpointError::Kind("tcp:1.2.3.4:5".into()));
        assert_eq!(error("unix:m.sock"), EndpointError::Relative("m.sock".into()));
        let long = format!("/{}", "x".repeat(107));
        assert_eq!(error(&format!("unix:{long}")), EndpointError::TooLong(long));
        for text in [
            "inet:8891",
            "inet:mx.example.org:8891",
            "inet:127.0.0.1:99999",
            "inet6:127.0.0.1:1",
            "inet:[::1:5",
        ] {
            assert_eq!(error(text), EndpointError::Address(text.into()));
        }
    }

    #[test]
    fn networks_are_read_with_and_without_a_length() {
        let cidr: Cidr = "192.0.2.7".parse().unwrap();
        assert!(cidr.contains("::ffff:192.0.2.7".parse().unwrap()));
        assert!(!cidr.contains("192.0.2.8".parse().unwrap()));
        assert_eq!("192.0.2.77/24".parse::<Cidr>().unwrap().to_string(), "192.0.2.0/24");
        assert!("192.0.2/24".parse::<Cidr>().is_err());
    }
}
