//! The list of milters as Postfix writes it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::intake::milter::Endpoint;

/// One entry of `smtpd_milters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Milter {
    /// `unix:mailward/milter.sock`.
    pub(super) endpoint: String,
    /// What stands beside it in braces.
    pub(super) options: Vec<(String, String)>,
}

impl Milter {
    /// Reads a list: entries by comma or white space, some in braces.
    pub(super) fn list(text: &str) -> Vec<Self> {
        let (mut found, mut rest) = (Vec::new(), text.trim());
        while !rest.is_empty() {
            let (entry, after) = match rest.strip_prefix('{') {
                Some(inner) => inner.split_once('}').unwrap_or((inner, "")),
                None => match rest.find(|c: char| c == ',' || c.is_whitespace()) {
                    Some(end) => rest.split_at(end),
                    None => (rest, ""),
                },
            };
            let mut words = entry.split(',').map(str::trim).filter(|word| !word.is_empty());
            if let Some(endpoint) = words.next() {
                let option = |word: &str| {
                    let (name, value) = word.split_once('=')?;
                    Some((name.trim().to_owned(), value.trim().to_owned()))
                };
                found.push(Self {
                    endpoint: endpoint.to_owned(),
                    options: words.filter_map(option).collect(),
                });
            }
            rest = after.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        }
        found
    }

    /// The list as Postfix reads it.
    pub(super) fn written(list: &[Self]) -> String {
        let one = |milter: &Self| {
            if milter.options.is_empty() {
                return milter.endpoint.clone();
            }
            let options: Vec<String> = milter.options.iter().map(|(name, v)| format!("{name}={v}")).collect();
            format!("{{ {}, {} }}", milter.endpoint, options.join(", "))
        };
        list.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// What it says of `name`, if it does.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    /// The same with another value of `name`.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.options.retain(|(option, _)| option != name);
        changed.options.push((name.to_owned(), value.to_owned()));
        changed
    }

    /// Whether it is this socket of ours, as a server sees it that runs in the chroot at `queue` or not.
    pub(super) fn is(&self, ours: &Endpoint, queue: &Path, chroot: bool) -> bool {
        match ours {
            Endpoint::Unix(path) => self.path(queue, chroot).is_some_and(|named| named == *path),
            Endpoint::Inet(address) => self.tcp().is_some_and(|(host, port)| {
                let is_me = match host.parse::<IpAddr>() {
                    Ok(ip) => ip == address.ip() || address.ip().is_unspecified(),
                    Err(_) => {
                        host == "localhost" && (address.ip().is_loopback() || address.ip().is_unspecified())
                    }
                };
                is_me && port == address.port()
            }),
        }
    }

    /// The socket that it names, if it is a file.
    pub(super) fn path(&self, queue: &Path, chroot: bool) -> Option<PathBuf> {
        let (kind, path) = self.endpoint.split_once(':')?;
        if !matches!(kind, "unix" | "local") {
            return None;
        }
        Some(match Path::new(path).strip_prefix("/") {
            Ok(below) if chroot => queue.join(below),
            Ok(_) => PathBuf::from(path),
            Err(_) => queue.join(path),
        })
    }

    /// Host and port, if it is TCP; Sendmail's `inet:port@host` as well.
    fn tcp(&self) -> Option<(String, u16)> {
        let rest = self.endpoint.strip_prefix("inet:").or_else(|| self.endpoint.strip_prefix("inet6:"))?;
        let (host, port) = match rest.split_once('@') {
            Some((port, host)) => (host, port),
            None => rest.rsplit_once(':')?,
        };
        Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
    }

    /// Whether both name the same place, as far as names tell.
    pub(super) fn names(&self, socket: &str, queue: &Path) -> bool {
        let other = Self { endpoint: socket.replace("local:", "unix:"), options: Vec::new() };
        let paths = [false, true].map(|chroot| self.path(queue, chroot));
        match (self.tcp(), other.tcp()) {
            (Some((_, port)), Some((_, theirs))) => port == theirs,
            _ => other.path(queue, false).is_some_and(|path| paths.contains(&Some(path))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_written() {
        let text = "{ unix:mailward/milter.sock, connect_timeout=10s,default_action = accept }, inet:localhost:8891 unix:/x";
        let list = Milter::list(text);
        assert_eq!(
            Milter::written(&list),
            "{ unix:mailward/milter.sock, connect_timeout=10s, default_action=accept }, inet:localhost:8891, unix:/x"
        );
        assert_eq!(list[0].option("default_action"), Some("accept"));
        assert_eq!(list[0].with("default_action", "tempfail").option("default_action"), Some("tempfail"));
        assert_eq!((Milter::list(""), Milter::list(" , { } ")), (vec![], vec![]));
    }

    #[test]
    fn ours_is_known_in_and_out_of_the_chroot() {
        let of = |text: &str| Milter::list(text).remove(0);
        let queue = Path::new("/var/spool/postfix");
        let ours = Endpoint::Unix("/var/spool/postfix/mailward/milter.sock".into());
        for (text, in_chroot, outside) in [
            ("unix:mailward/milter.sock", true, true),
            ("unix:/mailward/milter.sock", true, false),
            ("unix:/var/spool/postfix/mailward/milter.sock", false, true),
            ("unix:other/milter.sock", false, false),
            ("inet:localhost:8891", false, false),
        ] {
            let is = [true, false].map(|chroot| of(text).is(&ours, queue, chroot));
            assert_eq!(is, [in_chroot, outside], "{text}");
        }
        let tcp = Endpoint::Inet(([127, 0, 0, 1], 8891).into());
        for (text, is) in [
            ("inet:localhost:8891", true),
            ("inet:127.0.0.1:8891", true),
            ("inet:8891@localhost", true),
            ("inet:127.0.0.1:8892", false),
            ("inet:192.0.2.1:8891", false),
        ] {
            assert_eq!(of(text).is(&tcp, queue, true), is, "{text}");
        }
        assert!(of("unix:opendkim/s").names("local:/var/spool/postfix/opendkim/s", queue));
        assert!(of("inet:127.0.0.1:8891").names("inet:8891@localhost", queue));
        assert!(!of("inet:127.0.0.1:8891").names("local:/run/s", queue));
    }
}
