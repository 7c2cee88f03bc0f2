//! `[milter]` in the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::intake::endpoint::{Cidr, Endpoint};
use crate::intake::listener::Access;
pub use crate::model::SocketMode;
use crate::model::Span;

impl<'a> From<&'a Config> for Access<'a> {
    fn from(config: &'a Config) -> Self {
        Self { section: "milter", mode: config.socket_mode, group: &config.socket_group }
    }
}

/// `[milter]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the MTA connects: `unix:/path/to/socket` or `inet:address:port`. A Postfix in its
    /// chroot sees paths below /var/spool/postfix only. Needs a restart.
    pub listen: Vec<Endpoint>,
    /// Addresses and networks (CIDR) that may connect to an `inet:` listener besides this machine.
    /// Milter has no password: whoever can connect can hand in mail. Needs a restart.
    pub allow: Vec<Cidr>,
    /// Permissions of a `unix:` socket, in octal.
    pub socket_mode: SocketMode,
    /// The group that a `unix:` socket is given, so that the MTA may connect; empty leaves it as it is.
    pub socket_group: String,
    /// Connections at once; more wait in the listen queue. Postfix holds one for each SMTP client,
    /// so this should not be below its process limit. Needs a restart.
    pub max_connections: u32,
    /// How often the MTA is told that a message is still being looked at. Well below the MTA's
    /// `milter_content_timeout`. Needs a restart.
    pub progress: Span,
    /// How long an MTA may be silent between two packets. Needs a restart.
    pub idle_timeout: Span,
    /// How long the rest of a packet may take, and how long the MTA may take to read a reply. Needs
    /// a restart.
    pub packet_timeout: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![Endpoint::Unix(PathBuf::from("/var/spool/postfix/mailward/milter.sock"))],
            allow: Vec::new(),
            socket_mode: SocketMode(0o660),
            socket_group: "postfix".to_owned(),
            max_connections: 2000,
            progress: Span::seconds(10),
            // As libmilter: an MTA may keep a connection for as long as its client keeps it busy.
            idle_timeout: Span::seconds(7200),
            packet_timeout: Span::seconds(300),
        }
    }
}

impl Config {
    /// What is wrong with values that are well-formed each by itself: key and sentence.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.listen.is_empty() {
            faults.push(("listen", "names no socket, so no MTA could connect".to_owned()));
        }
        for (at, endpoint) in self.listen.iter().enumerate() {
            if self.listen.get(..at).is_some_and(|before| before.contains(endpoint)) {
                faults.push(("listen", format!("names {endpoint} twice")));
            }
        }
        if self.max_connections == 0 {
            faults.push(("max_connections", "must be at least 1".to_owned()));
        }
        let spans = [
            ("progress", self.progress),
            ("idle_timeout", self.idle_timeout),
            ("packet_timeout", self.packet_timeout),
        ];
        for (key, span) in spans {
            if span < Span::seconds(1) {
                faults.push((key, format!("is {span}; at least 1s is needed")));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_comes_back_from_its_own_text() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
        assert!(text.contains("socket_mode = \"0660\""), "{text}");
        assert_eq!(Config::default().faults(), vec![]);
    }

    #[test]
    fn contradictions_are_named_by_key() {
        let config: Config = toml::from_str(
            "listen = [\"inet:127.0.0.1:1\", \"inet:127.0.0.1:1\"]\nmax_connections = 0\nprogress = \"0s\"",
        )
        .unwrap();
        let keys: Vec<_> = config.faults().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["listen", "max_connections", "progress"]);
        assert!(toml::from_str::<Config>("socket_mode = \"rw\"").is_err());
        assert!(toml::from_str::<Config>("socket_mod = \"0660\"").is_err());
    }
}
