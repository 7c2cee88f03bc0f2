//! Addresses as the configuration writes them: where we listen, and whom we ask.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Gives a type its text form in the configuration.
macro_rules! as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Where we listen: `unix:/path` or `inet:ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A socket in the file system; an absolute path.
    Unix(PathBuf),
    /// A TCP port on one of our addresses.
    Inet(SocketAddr),
}

/// Longest path of a unix socket: `sun_path` of unix(7) less its NUL.
const MAX_SOCKET_PATH: usize = 107;

fn socket_path(path: &str) -> Result<PathBuf, String> {
    if !path.starts_with('/') {
        return Err(format!("the path in \"unix:{path}\" must begin with /"));
    }
    if path.len() > MAX_SOCKET_PATH || path.contains('\0') {
        return Err(format!(
            "the path of a socket has at most {MAX_SOCKET_PATH} bytes; this one has {}",
            path.len()
        ));
    }
    Ok(path.into())
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        let address = text.strip_prefix("inet:").unwrap_or(text);
        let read: SocketAddr = address.parse().map_err(|_| {
            let hint = if text.starts_with('/') {
                format!("; did you mean \"unix:{text}\"?")
            } else if text.contains('@') {
                // Sendmail's order.
                let (port, host) = address.split_once('@').unwrap_or_default();
                format!("; did you mean \"inet:{host}:{port}\"?")
            } else {
                String::new()
            };
            format!(
                "{text:?} is no address to listen on; write \"unix:/path\" or \"inet:127.0.0.1:8891\", \
                 with a numeric address{hint}"
            )
        })?;
        if read.port() == 0 {
            return Err(format!("{text:?} has no port"));
        }
        Ok(Self::Inet(read))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inet(address) => write!(f, "inet:{address}"),
        }
    }
}

as_text!(Listen);

/// A server that we connect to: `unix:/path`, or `inet:HOST:PORT` (also written `tcp:HOST:PORT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// A socket in the file system; an absolute path.
    Unix(PathBuf),
    /// A host name or address, and a port.
    Tcp {
        /// A name or an address; an IPv6 address without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        let wrong = || {
            format!(
                "{text:?} is no address of a server; write \"unix:/path\", \"inet:HOST:PORT\" or \"tcp:HOST:PORT\""
            )
        };
        let tcp = text.strip_prefix("tcp:").or_else(|| text.strip_prefix("inet:")).ok_or_else(wrong)?;
        let (host, port) = tcp.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = match bare {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if is_host(host) => host,
            _ => return Err(wrong()),
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && !host.starts_with(['-', '.'])
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

as_text!(Server);

/// A DNS server: an address, with `:53` unless another port is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsServer(pub SocketAddr);

impl FromStr for DnsServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address =
            text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|ip| (ip, 53).into()));
        address
            .ok()
            .filter(|address| address.port() != 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no DNS server; write its address, as in \"127.0.0.1:53\""))
    }
}

impl fmt::Display for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(DnsServer);

/// A URL that can be fetched, without a password in it, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For defaults; a test holds that they are URLs.
    pub(crate) fn of_default(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What was written is not said again: it may hold a password.
        let url: reqwest::Url = text
            .parse()
            .map_err(|e| format!("this is no URL ({e}); write it whole, as in \"https://host/path\""))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "a URL here must not hold a password: such files get copied into backups and tickets".into(),
            );
        }
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(Self(text.to_owned())),
            "file" if url.path().len() > 1 && url.host_str().is_none() => Ok(Self(text.to_owned())),
            other => Err(format!("{other}: is not fetched from here; http:, https: and file:/// are")),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Url);

/// An HTTP service: a `http:` or `https:` URL, or `unix:/path` for HTTP over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpServer {
    /// A URL.
    Url(Url),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for HttpServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket_path(path).map(Self::Unix);
        }
        let url: Url = text.parse()?;
        if url.as_str().starts_with("file:") {
            return Err("a service cannot be a file: URL".to_owned());
        }
        Ok(Self::Url(url))
    }
}

impl fmt::Display for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

as_text!(HttpServer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["unix:/run/a.sock", "inet:127.0.0.1:8891", "inet:[::1]:8891"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for text in ["unix:/run/clamd", "tcp:clamd.example.org:3310", "tcp:[2001:db8::1]:3310"] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
        }
        for text in ["http://127.0.0.1:11333", "unix:/run/rspamd.sock", "https://a.example/x?y=1"] {
            assert_eq!(text.parse::<HttpServer>().unwrap().to_string(), text);
        }
        assert_eq!("9.9.9.9".parse::<DnsServer>().unwrap().to_string(), "9.9.9.9:53");
        assert_eq!("inet:a:24".parse(), Ok(Server::Tcp { host: "a".to_owned(), port: 24 }));
        assert_eq!("file:///var/x.csv".parse::<Url>().unwrap().to_string(), "file:///var/x.csv");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "unix:",
            "unix:a",
            "inet:",
            "inet:127.0.0.1",
            "inet:127.0.0.1:0",
            "inet:localhost:1",
            "/run/a",
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        for text in
            ["", "clamd", "tcp:", "tcp:a", "tcp:a:0", "tcp:a:70000", "tcp:a b:1", "tcp:[::1:1", "tcp::::1:3"]
        {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
        for text in ["", "x", "ftp://a/b", "https://u:p@a/b", "https://u@a/b", "file:", "file:///", "http://"]
        {
            assert!(text.parse::<Url>().is_err(), "{text}");
        }
        assert!(format!("unix:/{}", "x".repeat(107)).parse::<Listen>().is_err());
        assert!("dns.example".parse::<DnsServer>().is_err());
        assert!("127.0.0.1:0".parse::<DnsServer>().is_err());
        assert!("file:///x".parse::<HttpServer>().is_err());
    }

    #[test]
    fn sendmails_order_and_a_bare_path_get_a_hint() {
        let error = "inet:8891@127.0.0.1".parse::<Listen>().unwrap_err();
        assert!(error.ends_with("did you mean \"inet:127.0.0.1:8891\"?"), "{error}");
        let error = "/run/a".parse::<Listen>().unwrap_err();
        assert!(error.ends_with("did you mean \"unix:/run/a\"?"), "{error}");
    }
}
