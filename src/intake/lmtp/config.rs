//! `[lmtp]` in the configuration.

use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::intake::endpoint::Endpoint;
use crate::intake::listener::Access;
use crate::model::{SocketMode, Span};
use crate::net::address::{Listen, Server};
use crate::net::secret::Secret;
use crate::net::{cidr, smtp};

/// `[lmtp]`: mail handed over by LMTP or, behind a queue, by SMTP; judged and handed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Off without taking the section away. Needs a restart.
    pub enabled: bool,
    /// Where we listen. Needs a restart.
    pub listen: Vec<Listen>,
    /// Where mail goes next.
    pub relay: Server,
    /// What is spoken there.
    pub relay_protocol: Protocol,
    /// How long handing one message on may take in all.
    pub relay_timeout: Span,
    /// What a refusal becomes.
    pub reject: Reject,
    /// Our name, to those who hand mail over and to the next server; `None`: this host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// Addresses and networks that may connect to an `inet:` listener besides this machine. Needs a restart.
    #[serde(deserialize_with = "cidr::list")]
    pub allow: Vec<IpNet>,
    /// Peers that may say for whom they speak (XFORWARD, XCLIENT), and whose mail may be known by its Pass. Who comes by a
    /// unix socket may. Nobody by default: whoever runs a program on this machine can connect by its loopback.
    #[serde(deserialize_with = "cidr::list")]
    pub trusted: Vec<IpNet>,
    /// What mail that the milter has judged is known by, where several hosts share it; `None`: a key of this host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_key: Option<Secret>,
    /// Permissions of a `unix:` socket, in octal. Needs a restart.
    pub socket_mode: SocketMode,
    /// The group that a `unix:` socket is given; empty leaves it as it is. Needs a restart.
    pub socket_group: String,
    /// Connections at once; more wait in the listen queue. Needs a restart.
    pub max_connections: u32,
    /// Recipients of one message.
    pub max_recipients: u32,
    /// How long a client may take for its next command. Needs a restart.
    pub command_timeout: Span,
    /// How long a client may pause inside a message, and take to read a reply. Needs a restart.
    pub data_timeout: Span,
}

/// What a refusal becomes over LMTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reject {
    /// The mail is held.
    #[default]
    #[serde(rename = "quarantine")]
    Quarantine,
    /// A 5xx reply. Only in front of the queue: behind it the reply becomes a bounce to a forged
    /// sender.
    #[serde(rename = "5xx")]
    Reply,
}

/// What the next server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// LMTP: it answers for each recipient.
    #[default]
    Lmtp,
    /// SMTP: it answers once for all of them.
    Smtp,
}

impl From<Protocol> for smtp::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Lmtp => Self::Lmtp,
            Protocol::Smtp => Self::Smtp,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: vec![Listen::Inet(([127, 0, 0, 1], 8024).into())],
            relay: Server::Unix("/run/dovecot/lmtp".into()),
            relay_protocol: Protocol::Lmtp,
            // With `limits.deadline` well below the ten minutes that a client waits (RFC 5321 §4.5.3.2.6).
            relay_timeout: Span::seconds(300),
            reject: Reject::Quarantine,
            helo: None,
            allow: Vec::new(),
            trusted: Vec::new(),
            pass_key: None,
            socket_mode: SocketMode(0o660),
            socket_group: "postfix".to_owned(),
            max_connections: 200,
            max_recipients: 1000,
            command_timeout: Span::seconds(300),
            data_timeout: Span::seconds(180),
        }
    }
}

impl<'a> From<&'a Config> for Access<'a> {
    fn from(config: &'a Config) -> Self {
        Self { section: "lmtp", mode: config.socket_mode, group: &config.socket_group }
    }
}

impl Config {
    /// Where to listen.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.listen.iter().map(Endpoint::from)
    }

    /// What a running daemon cannot change.
    #[must_use]
    pub fn fixed(&self) -> Self {
        let Self {
            relay,
            relay_protocol,
            relay_timeout,
            reject,
            helo,
            trusted,
            pass_key,
            max_recipients,
            ..
        } = Self::default();
        Self {
            relay,
            relay_protocol,
            relay_timeout,
            reject,
            helo,
            trusted,
            pass_key,
            max_recipients,
            ..self.clone()
        }
    }

    /// What is wrong with values that are well-formed each by itself: key and sentence.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.listen.is_empty() {
            faults.push(("listen", "names no socket, so nobody could hand mail over".to_owned()));
        }
        for (at, listen) in self.listen.iter().enumerate() {
            if self.listen.get(..at).is_some_and(|before| before.contains(listen)) {
                faults.push(("listen", format!("names {listen} twice")));
            }
        }
        if let Some(helo) = self.helo.as_deref().filter(|helo| !smtp::is_helo(helo)) {
            faults.push(("helo", format!("is {helo:?}; give a host name, or an address in brackets")));
        }
        for (key, number) in
            [("max_connections", self.max_connections), ("max_recipients", self.max_recipients)]
        {
            if number == 0 {
                faults.push((key, "must be at least 1".to_owned()));
            }
        }
        let spans = [
            ("command_timeout", self.command_timeout),
            ("data_timeout", self.data_timeout),
            ("relay_timeout", self.relay_timeout),
        ];
        for (key, span) in spans {
            if span < Span::seconds(1) {
                faults.push((key, format!("is {span}; at least 1s is needed")));
            }
        }
        faults
    }

    pub(super) fn patience(&self) -> Patience {
        Patience { command: self.command_timeout.duration(), data: self.data_timeout.duration() }
    }
}

/// How long a client may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until its next command is there.
    pub(super) command: Duration,
    /// Inside a message, and while it takes a reply.
    pub(super) data: Duration,
}

impl Patience {
    /// For all of a message, however steadily it trickles.
    pub(super) fn whole(&self) -> Duration {
        self.data * 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_comes_back_from_its_own_text() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
        assert!(text.contains("trusted = []"), "{text}");
        assert_eq!(Config::default().faults(), vec![]);
    }

    #[test]
    fn contradictions_are_named_by_key() {
        let config: Config = toml::from_str(
            "listen = [\"unix:/a\", \"unix:/a\"]\nhelo = \"a b\"\nmax_recipients = 0\nrelay_timeout = \"0s\"",
        )
        .unwrap();
        let keys: Vec<_> = config.faults().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["listen", "helo", "max_recipients", "relay_timeout"]);
    }

    #[test]
    fn what_a_reload_changes_is_not_fixed() {
        let start = Config::default();
        let relay = Server::Unix("/run/other".into());
        let reloaded = Config {
            relay,
            reject: Reject::Reply,
            trusted: vec!["192.0.2.1/32".parse().unwrap()],
            max_recipients: 1,
            ..start.clone()
        };
        assert_eq!(reloaded.fixed(), start.fixed());
        assert_ne!(Config { max_connections: 1, ..start.clone() }.fixed(), start.fixed());
    }
}
