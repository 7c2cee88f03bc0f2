//! The Host of a request over TCP: a web page that has its own name resolve to 127.0.0.1 (DNS rebinding)
//! reaches our port through the browser of whoever reads it, and is told by the name it asks for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::http::{Request, Version, header, uri::Authority};
use serde::{Deserialize, Serialize};

/// A name under which the TCP port may be asked: `name`, or `name:port` where what stands before it
/// listens on another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// In lower case; an IPv6 address in brackets.
    name: String,
    port: Option<u16>,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is no host; write a name or an address, with or without a port");
        let authority: Authority = text.parse().map_err(|_| refused())?;
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let rest = authority.as_str().get(authority.host().len()..).unwrap_or_default();
        // What the parser of URLs lets pass and no Host may have: user@, an empty port.
        if name.is_empty()
            || authority.as_str().contains('@')
            || (!rest.is_empty() && authority.port_u16().is_none())
        {
            return Err(refused());
        }
        Ok(Self { name, port: authority.port_u16() })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Host {
    fn ip(&self) -> Option<IpAddr> {
        self.name.trim_matches(['[', ']']).parse().ok()
    }
}

/// The names of one TCP listener.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    at: SocketAddr,
    listed: Vec<Host>,
}

impl Hosts {
    /// Of a listener at `at`, with the names that the configuration adds.
    pub(super) const fn new(at: SocketAddr, listed: Vec<Host>) -> Self {
        Self { at, listed }
    }

    /// The Host of a request if it is none of ours; an empty one if it has none or several.
    pub(super) fn stranger<B>(&self, request: &Request<B>) -> Option<String> {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // `GET http://name/ HTTP/1.1`: that name counts, and the field must not say otherwise.
        if let Some(authority) = request.uri().authority()
            && !self.is_ours(authority.as_str())
        {
            return Some(authority.to_string());
        }
        let mut named = request.headers().get_all(header::HOST).into_iter();
        match (named.next(), named.next()) {
            (Some(host), None) => {
                let ours = host.to_str().is_ok_and(|host| self.is_ours(host));
                (!ours).then(|| shown(host.as_bytes()))
            }
            // Health checks of HTTP/1.0 name none; a browser always does.
            (None, _) if request.version() == Version::HTTP_10 => None,
            _ => Some(String::new()),
        }
    }

    fn is_ours(&self, text: &str) -> bool {
        let Ok(host) = text.parse::<Host>() else { return false };
        let port_fits = host.port.is_none_or(|port| port == self.at.port());
        let ip = |ip: IpAddr| ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST || ip == self.at.ip();
        let local = host.name == "localhost" || host.ip().is_some_and(ip);
        let listed = self.listed.iter().any(|listed| match listed.port {
            Some(_) => *listed == host,
            None => listed.name == host.name && port_fits,
        });
        (local && port_fits) || listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let listed = ["mx1.example.org", "status.example.org:443", "localhost:9999"];
        Hosts::new(
            "127.0.0.1:8890".parse().unwrap(),
            listed.iter().map(|host| host.parse().unwrap()).collect(),
        )
    }

    fn stranger(build: axum::http::request::Builder) -> Option<String> {
        hosts().stranger(&build.body(()).unwrap())
    }

    #[test]
    fn only_names_of_this_machine_and_listed_ones_are_ours() {
        let ask = |host: &str| stranger(Request::get("/").header("Host", host));
        for ours in [
            "localhost",
            "LocalHost:8890",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:8890",
            "[::1]",
            "[::1]:8890",
            "mx1.example.org",
            "MX1.example.org:8890",
            "status.example.org:443",
            "localhost:9999",
        ] {
            assert_eq!(ask(ours), None, "{ours}");
        }
        for other in [
            "evil.example",
            "localhost:80",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "[::]",
            "127.0.0.2",
            "2130706433",
            "status.example.org",
            "status.example.org:8890",
            "mx1.example.org:80",
            "localhost:",
            "localhost:x",
            "user@localhost",
            "",
            "localhost:88901",
            "[::1",
            "a b",
        ] {
            assert_eq!(ask(other).as_deref(), Some(other), "{other}");
        }
    }

    #[test]
    fn a_request_has_one_host() {
        assert_eq!(stranger(Request::get("/")), Some(String::new()));
        assert_eq!(stranger(Request::get("/").version(Version::HTTP_10)), None);
        let twice = Request::get("/").header("Host", "localhost").header("Host", "localhost");
        assert_eq!(stranger(twice), Some(String::new()));
        let whole = |uri: &str| stranger(Request::get(uri).header("Host", "localhost"));
        assert_eq!(whole("http://localhost:8890/"), None);
        assert_eq!(whole("http://evil.example/"), Some("evil.example".to_owned()));
        let field = Request::get("http://localhost/").header("Host", "evil.example");
        assert_eq!(stranger(field), Some("evil.example".to_owned()));
    }

    #[test]
    fn a_host_in_the_configuration_is_a_name_with_or_without_a_port() {
        for bad in ["", "http://x", "a/b", "x:", "x:99999", "u@x", "a b"] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
        assert_eq!("MX.example.org.:1".parse::<Host>().unwrap().to_string(), "mx.example.org:1");
    }
}
