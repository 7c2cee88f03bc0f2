//! The socket of mailward as Postfix names it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use crate::intake::milter::Endpoint;

/// How long a listener on this machine may take to say yes.
const PATIENCE: Duration = Duration::from_secs(5);

/// One listener of mailward, seen from Postfix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// As it is written into main.cf: a path is relative to the queue's folder, which is right with and without chroot.
    pub(super) name: String,
    /// Every way to write it.
    names: Vec<String>,
    /// Every way to write any listener of mailward, also the one that it has unless told otherwise.
    any: Vec<String>,
    endpoint: Endpoint,
}

impl Address {
    /// The first listener that a Postfix with this queue folder can reach.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn of(listen: &[Endpoint], queue: &Path) -> anyhow::Result<Self> {
        let mut seen: Vec<Self> = listen.iter().filter_map(|endpoint| Self::seen(endpoint, queue)).collect();
        let mut any: Vec<String> = seen.iter().flat_map(|address| address.names.clone()).collect();
        any.push("unix:mailward/milter.sock".to_owned());
        if seen.is_empty() {
            let queue = queue.display();
            bail!(
                "[milter] listen names no socket that Postfix can reach from its chroot: add \
                 \"unix:{queue}/mailward/milter.sock\" there, or an inet: address"
            );
        }
        Ok(Self { any, ..seen.swap_remove(0) })
    }

    fn seen(endpoint: &Endpoint, queue: &Path) -> Option<Self> {
        let (name, other) = match endpoint {
            Endpoint::Unix(path) => {
                let inner = path.strip_prefix(queue).ok()?.to_str()?;
                (format!("unix:{inner}"), format!("unix:{}", path.to_str()?))
            }
            Endpoint::Inet(at) => {
                let at = reachable(*at);
                (format!("inet:{at}"), format!("inet:localhost:{}", at.port()))
            }
        };
        Some(Self { names: vec![name.clone(), other], any: Vec::new(), name, endpoint: endpoint.clone() })
    }

    /// Whether an entry of a list of milters is this one.
    pub(super) fn is(&self, entry: &str) -> bool {
        self.names.iter().any(|name| name == endpoint(entry))
    }

    /// Whether it is this one or another of mailward's, as from before its configuration was changed.
    pub(super) fn is_any(&self, entry: &str) -> bool {
        self.any.iter().any(|name| name == endpoint(entry))
    }

    /// Whether somebody listens there now.
    ///
    /// # Errors
    /// If not, with what to do.
    pub(super) fn answers(&self) -> anyhow::Result<()> {
        let tried = match &self.endpoint {
            Endpoint::Unix(path) => UnixStream::connect(path).map(drop),
            Endpoint::Inet(at) => TcpStream::connect_timeout(&reachable(*at), PATIENCE).map(drop),
        };
        if let Err(error) = tried {
            bail!(
                "nobody listens on {} ({error}); start mailward first: systemctl start mailward. Postfix was not touched: \
                 it would have put off all mail",
                self.endpoint
            );
        }
        Ok(())
    }
}

/// What an entry begins with.
fn endpoint(entry: &str) -> &str {
    let first = entry.trim_start_matches(['{', ' ', '\t']);
    first.split(|c: char| c == ',' || c == '}' || c.is_whitespace()).next().unwrap_or_default()
}

/// Who listens on every address is reached on loopback.
fn reachable(at: SocketAddr) -> SocketAddr {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, at.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(listen: &[&str]) -> anyhow::Result<Address> {
        let listen: Vec<Endpoint> = listen.iter().map(|text| text.parse().unwrap()).collect();
        Address::of(&listen, Path::new("/var/spool/postfix"))
    }

    #[test]
    fn a_socket_is_named_from_within_the_chroot() {
        let address = seen(&["unix:/run/x.sock", "unix:/var/spool/postfix/mailward/milter.sock"]).unwrap();
        assert_eq!(address.name, "unix:mailward/milter.sock");
        assert!(address.is("unix:mailward/milter.sock"));
        assert!(address.is("{ unix:/var/spool/postfix/mailward/milter.sock, default_action=accept }"));
        assert!(!address.is("unix:mailward/milter.sock2"));
    }

    #[test]
    fn an_unspecified_address_is_reached_on_loopback() {
        assert_eq!(seen(&["inet:0.0.0.0:8891"]).unwrap().name, "inet:127.0.0.1:8891");
        assert_eq!(seen(&["inet:[::]:8891"]).unwrap().name, "inet:[::1]:8891");
    }

    #[test]
    fn what_mailward_listened_on_before_is_known_and_is_not_the_same() {
        let address = seen(&["inet:127.0.0.1:8891"]).unwrap();
        assert!(
            address.is_any("{ unix:mailward/milter.sock }") && !address.is("{ unix:mailward/milter.sock }")
        );
        assert!(address.is("inet:localhost:8891"));
    }

    #[test]
    fn a_socket_outside_the_chroot_is_no_use() {
        let error = seen(&["unix:/run/mailward/milter.sock"]).unwrap_err().to_string();
        assert!(error.contains("unix:/var/spool/postfix/mailward/milter.sock"), "{error}");
    }
}
