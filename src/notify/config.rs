//! `[notify.NAME]`: who is told, how, and of what.

use serde::{Deserialize, Serialize};
use url::Host;

use super::event::Kind;
use super::settings::{Channel, Settings, To};
use crate::model::{ByteSize, Recipient, Span};
use crate::net::address::{Server, Url};
use crate::net::is_public;
use crate::net::secret::{Secret, SecretError};

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A JSON object by POST.
    Webhook,
    /// ntfy.sh, or a server of one's own.
    Ntfy,
    /// Mail by way of the local MTA.
    Mail,
}

impl By {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Ntfy => "ntfy",
            Self::Mail => "mail",
        }
    }
}

/// One section. `kind` must be given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Off without taking the section away.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How it is told.
    pub kind: By,
    /// Of what.
    #[serde(default = "usual")]
    pub on: Vec<Kind>,
    /// webhook: where it is posted. ntfy: the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// ntfy: the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// webhook: what is sent is signed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// webhook, ntfy: the destination may have an address that is not public.
    #[serde(default)]
    pub allow_private: bool,
    /// mail: for whom.
    #[serde(default)]
    pub to: Vec<String>,
    /// mail: the From field. `None`: `mailward@` and the name of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// mail: the SMTP server.
    #[serde(default = "local_mta")]
    pub server: Server,
    /// Addresses of people become pseudonyms, subjects are left out.
    #[serde(default = "yes")]
    pub redact: bool,
    /// So many are told one by one within `within`, and as many alarms; the rest in one.
    #[serde(default = "most")]
    pub most: u32,
    /// See `most`.
    #[serde(default = "hour")]
    pub within: Span,
    /// How long one attempt may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// What cannot be delivered for so long is given up, and counted in the next that can.
    #[serde(default = "hour")]
    pub give_up: Span,
    /// `quarantine-growing`: so many entries. `None`: four fifths of what `[quarantine]` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_entries: Option<u64>,
    /// `quarantine-growing`: so many bytes. `None`: four fifths of what `[quarantine]` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_size: Option<ByteSize>,
}

const fn yes() -> bool {
    true
}

/// What somebody should look at, without the daily bulk.
fn usual() -> Vec<Kind> {
    vec![Kind::Alarms, Kind::Retro, Kind::Malware]
}

fn local_mta() -> Server {
    Server::Tcp { host: "127.0.0.1".to_owned(), port: 25 }
}

const fn most() -> u32 {
    30
}

const fn hour() -> Span {
    Span::seconds(3600)
}

const fn timeout() -> Span {
    Span::seconds(15)
}

/// A fault, or what should be known: the key, the sentence, what to do, and whether it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it, to be put behind its name.
    pub what: String,
    /// What to do.
    pub help: &'static str,
    /// The section cannot be used.
    pub is_error: bool,
}

impl Section {
    /// A section with defaults for all that has one.
    #[must_use]
    pub fn new(kind: By) -> Self {
        Self {
            enabled: true,
            kind,
            on: usual(),
            url: None,
            topic: None,
            token: None,
            secret: None,
            allow_private: false,
            to: Vec::new(),
            from: None,
            server: local_mta(),
            redact: true,
            most: most(),
            within: hour(),
            timeout: timeout(),
            give_up: hour(),
            quarantine_entries: None,
            quarantine_size: None,
        }
    }

    /// Whether it is told of this.
    #[must_use]
    pub fn wants(&self, kind: Kind) -> bool {
        self.on.contains(&kind) || kind.is_alarm() && self.on.contains(&Kind::Alarms)
    }

    /// Its secrets with their keys.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        [("token", &self.token), ("secret", &self.secret)]
            .into_iter()
            .filter_map(|(key, secret)| Some((key, secret.as_ref()?)))
    }

    /// What the section is used by. `host` is the name of this one.
    ///
    /// # Errors
    /// If a secret cannot be had.
    pub fn settings(&self, host: &str) -> Result<Settings, SecretError> {
        let token = self.token.as_ref().map(Secret::fetch).transpose()?;
        let url = self.url.as_ref().map(|url| url.as_str().to_owned()).unwrap_or_default();
        let to = match self.kind {
            By::Webhook => {
                let secret = self.secret.as_ref().map(Secret::fetch).transpose()?;
                To::Webhook { url, token, secret }
            }
            By::Ntfy => To::Ntfy { url, topic: self.topic.clone().unwrap_or_default(), token },
            By::Mail => To::Mail {
                server: self.server.clone(),
                from: self.from.clone().unwrap_or_else(|| format!("mailward@{host}")),
                to: self.to.clone(),
            },
        };
        Ok(Settings {
            channel: Channel { to, allow_private: self.allow_private, timeout: self.timeout.duration() },
            on: Kind::CHOICE.into_iter().filter(|kind| self.wants(*kind)).collect(),
            redact: self.redact,
            most: self.most,
            within: self.within.duration(),
            give_up: self.give_up.duration(),
            host: host.to_owned(),
        })
    }

    /// What cannot be meant, and what should be known.
    #[must_use]
    pub fn remarks(&self) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let mut say = |key, is_error, what: &str, help| {
            remarks.push(Remark { key, what: what.to_owned(), help, is_error });
        };
        let over_http = self.kind != By::Mail;
        let url = self.url.as_ref().map(Url::as_str);
        if over_http {
            match url {
                None => say("url", true, "is missing", "say where, as in `url = \"https://host/path\"`"),
                Some(url) if url.starts_with("file:") => {
                    say("url", true, "is a file: URL", "only http: and https: can be told anything");
                }
                Some(url) => {
                    let private = private_address(url);
                    if private && !self.allow_private {
                        let help = "write `allow_private = true` in this section if that is meant";
                        say("url", true, "names an address that is not public", help);
                    }
                    if url.starts_with("http:") && !private {
                        let help = "write https: if the destination has it";
                        say("url", false, "is http:, and what is sent can be read on the way", help);
                    }
                    if url.contains(['?', '#']) && self.kind == By::Ntfy {
                        let help = "the topic has a key of its own, `topic`";
                        say("url", true, "has more than the address of a server", help);
                    }
                }
            }
        }
        match (self.kind, self.topic.as_deref()) {
            (By::Ntfy, None) => say("topic", true, "is missing", "say which one, as in `topic = \"mail\"`"),
            (By::Ntfy, Some(topic)) if !is_topic(topic) => {
                let help = "ntfy takes a-z, A-Z, 0-9, - and _, at most 64 of them";
                say("topic", true, "is no topic", help);
            }
            _ => {}
        }
        if self.kind == By::Webhook && self.secret.is_none() {
            let help = "give one, as in `secret = { file = \"/etc/mailward/webhook.key\" }`";
            say("secret", false, "is missing, so that the receiver cannot tell who sent it", help);
        }
        if self.kind == By::Mail && self.to.is_empty() {
            say("to", true, "is missing", "say for whom, as in `to = [\"postmaster@example.org\"]`");
        }
        let addresses =
            self.to.iter().map(|to| ("to", to)).chain(self.from.iter().map(|from| ("from", from)));
        for (key, _) in addresses.filter(|(_, address)| !is_address(address)) {
            say(key, true, "holds what is no mail address", "write local@domain and nothing around it");
        }
        let idle: &[(&str, bool)] = &[
            ("url", self.kind == By::Mail && self.url.is_some()),
            ("topic", self.kind != By::Ntfy && self.topic.is_some()),
            ("token", self.kind == By::Mail && self.token.is_some()),
            ("secret", self.kind != By::Webhook && self.secret.is_some()),
            ("to", over_http && !self.to.is_empty()),
            ("from", over_http && self.from.is_some()),
        ];
        for (key, _) in idle.iter().filter(|(_, set)| *set) {
            let what = format!("does nothing where kind is {:?}", self.kind.name());
            say(key, false, &what, "take it out");
        }
        if self.on.is_empty() {
            say("on", false, "is empty: only rules that name this section are told of", "name what is meant");
        }
        remarks
    }
}

/// Whether the host of `url` is an address that is not public, in whatever notation.
fn private_address(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(Host::Ipv6(ip)) => !is_public(ip.into()),
        _ => false,
    }
}

fn is_topic(topic: &str) -> bool {
    (1..=64).contains(&topic.len())
        && topic.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Plain addresses only: they are written into SMTP commands and into header fields as they are.
fn is_address(address: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>()[]\\,;:\"".contains(c);
    let parts = address.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !local.contains('@'))
        && address.len() <= 254
        && address.chars().all(is_plain)
        && Recipient::new(address.as_bytes().to_vec()).address() == address
}
