//! The sections that belong to no one module.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::{AuthservId, ByteSize, Span};
use crate::net::address::DnsServer;
use crate::net::cidr;

/// `[network]`: whose mail is whose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Clients whose mail is outbound, besides those that log in. Loopback is not implied.
    #[serde(deserialize_with = "cidr::list")]
    pub own: Vec<IpNet>,
    /// Backup MX and inner gateways: the client is then read from the topmost `Received` that one of
    /// them wrote.
    #[serde(deserialize_with = "cidr::list")]
    pub trusted_relays: Vec<IpNet>,
}

/// `[dns]`: whom we ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Servers, asked in this order; empty: those of the system.
    pub servers: Vec<DnsServer>,
    /// How long one server gets for one answer.
    pub timeout: Span,
    /// How often a question is asked before it has failed.
    pub attempts: u32,
    /// The most answers that are kept; 0: none is.
    pub cache: u64,
}

impl Dns {
    /// What the resolver needs to know.
    #[must_use]
    pub fn settings(&self) -> crate::dns::Settings {
        crate::dns::Settings {
            servers: self.servers.iter().map(|server| server.0).collect(),
            timeout: self.timeout.duration(),
            attempts: self.attempts,
            cache: self.cache,
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Span::seconds(2), attempts: 2, cache: 20_000 }
    }
}

/// `[auth]`: SPF, DKIM, DMARC, ARC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The name under which our Authentication-Results are trusted (RFC 8601 §2.5). `None`: the name
    /// that the MTA gives itself (`j`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authserv_id: Option<AuthservId>,
    /// Names of others whose Authentication-Results are taken instead of verifying again.
    pub trusted_ids: Vec<AuthservId>,
    /// Domains whose passing ARC chain is believed.
    pub trusted_sealers: Vec<String>,
    /// Whether a Received-SPF field is written besides (RFC 7208 §9.1).
    pub received_spf: bool,
}

/// `[limits]`: how much one message, and all of them, may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest message.
    pub message: ByteSize,
    /// Messages in work at once; beyond it MAIL is answered 4xx.
    pub messages: u64,
    /// Bytes of mail held in memory at once; beyond it MAIL is answered 4xx.
    pub held: ByteSize,
    /// From the end of a message to its answer.
    pub deadline: Span,
    /// How long mail in work may take to end when the daemon stops.
    pub drain: Span,
    /// What the reading of one message may take.
    pub mime: crate::mail::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: ByteSize(50 << 20),
            messages: 1000,
            held: ByteSize(1 << 30),
            deadline: Span::seconds(60),
            drain: Span::seconds(20),
            mime: crate::mail::Limits::default(),
        }
    }
}
