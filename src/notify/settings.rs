//! A section as it is used: with its secrets, and without what is only for files.

use std::time::Duration;

use super::config::By;
use super::event::Kind;
use crate::model::SecretText;
use crate::net::address::Server;

/// How one section works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to, and how.
    pub channel: Channel,
    /// Of what is told.
    pub on: Vec<Kind>,
    /// People are hidden.
    pub redact: bool,
    /// So many are told one by one within [`Self::within`].
    pub most: u32,
    /// See [`Self::most`].
    pub within: Duration,
    /// What cannot be delivered for so long is given up.
    pub give_up: Duration,
    /// The name of this host.
    pub host: String,
}

/// Where to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Where to.
    pub to: To,
    /// It may have an address that is not public.
    pub allow_private: bool,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// A JSON object by POST.
    Webhook {
        /// Where.
        url: String,
        /// Sent as `Authorization: Bearer`.
        token: Option<SecretText>,
        /// Signs it.
        secret: Option<SecretText>,
    },
    /// ntfy.
    Ntfy {
        /// The server.
        url: String,
        /// The topic.
        topic: String,
        /// Sent as `Authorization: Bearer`.
        token: Option<SecretText>,
    },
    /// Mail.
    Mail {
        /// The SMTP server.
        server: Server,
        /// From whom.
        from: String,
        /// For whom.
        to: Vec<String>,
    },
}

impl To {
    /// How.
    #[must_use]
    pub const fn by(&self) -> By {
        match self {
            Self::Webhook { .. } => By::Webhook,
            Self::Ntfy { .. } => By::Ntfy,
            Self::Mail { .. } => By::Mail,
        }
    }

    /// Where to, for people: of a URL the origin alone, as its path is often a secret.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook { url, .. } | Self::Ntfy { url, .. } => url::Url::parse(url)
                .map_or_else(|_| "no URL".to_owned(), |url| url.origin().ascii_serialization()),
            Self::Mail { server, .. } => server.to_string(),
        }
    }
}
