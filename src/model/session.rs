//! One SMTP connection as the MTA told us of it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Abilities;

/// Who is connected, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The host that connected to the MTA.
    pub client: Client,
    /// Its HELO or EHLO argument.
    pub helo: Option<String>,
    /// TLS towards the client, if any (`{tls_version}`, `{cipher}`).
    pub tls: Option<Tls>,
    /// The authenticated user (`{auth_authen}`), if any.
    pub user: Option<String>,
    /// The SASL method (`{auth_type}`).
    pub auth_method: Option<String>,
    /// The MTA's own host name (`j`).
    pub mta: Option<String>,
    /// The MTA's daemon name (`{daemon_name}`).
    pub daemon: Option<String>,
    /// The mail did not come by SMTP: sendmail(1), a bounce, or the queue (`non_smtpd_milters`).
    pub local_submission: bool,
    /// How its mail reaches us.
    #[serde(skip_serializing_if = "Handover::is_milter")]
    pub handover: Handover,
    /// Who handed it over by LMTP or SMTP is one that `[lmtp] trusted` names, or came by a unix socket. Not on record.
    #[serde(skip)]
    pub peer_is_trusted: bool,
    /// What its MTA lets us do to a message. Not on record.
    #[serde(skip)]
    pub abilities: Abilities,
}

/// How mail reaches us, and with that what can be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handover {
    /// By milter, while the sending server waits: one answer for all recipients, and a refusal is its own to bounce.
    #[default]
    Milter,
    /// By LMTP: whoever handed it over has taken it already, and each recipient has an answer of his own.
    Lmtp {
        /// Whether a refusal may be a 5xx: only in front of the queue, because behind it a 5xx becomes a bounce to a
        /// sender who may be forged.
        refuses: bool,
    },
    /// By SMTP, as by LMTP but with one answer for all recipients.
    Smtp {
        /// As with LMTP.
        refuses: bool,
    },
}

impl Handover {
    /// Whether a refusal reaches whoever sends the mail. If not, it would become a bounce.
    #[must_use]
    pub const fn refuses(self) -> bool {
        matches!(self, Self::Milter | Self::Lmtp { refuses: true } | Self::Smtp { refuses: true })
    }

    const fn is_milter(&self) -> bool {
        matches!(self, Self::Milter)
    }
}

/// The connecting client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// Its verified host name, or the address in brackets, or what else the MTA says.
    pub name: String,
    /// Its address.
    pub addr: ClientAddr,
}

/// A client's address family and address (SMFIC_CONNECT).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAddr {
    /// IPv4 or IPv6.
    Ip(IpAddr),
    /// A unix socket on this machine.
    Unix(String),
    /// The MTA does not know.
    #[default]
    Unknown,
}

impl ClientAddr {
    /// The IP address, with IPv4-mapped IPv6 turned into IPv4.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip.to_canonical()),
            Self::Unix(_) | Self::Unknown => None,
        }
    }
}

/// The TLS session between client and MTA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// For example `TLSv1.3`.
    pub version: String,
    /// For example `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
}

/// Which way a message goes; decides whether it is judged as foreign mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From outside: judged, tagged, answered with our verdict.
    #[default]
    Inbound,
    /// From an authenticated user or from `network.own`: gets `X-Mailward-Id` and no verdict headers.
    Outbound,
}
