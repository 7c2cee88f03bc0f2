//! The section `[release]`.

use serde::{Deserialize, Serialize};

use crate::model::Span;
use crate::net::address::Server;

/// How held mail is delivered after all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The SMTP server that takes released mail, over TCP or a unix socket.
    pub relay: Server,
    /// That server hands the mail to this mailward again: a token goes with it, is recognised and taken out.
    /// `false`: it does not, so no token goes with it and our fields are put in here.
    pub filtered: bool,
    /// The name we greet it with. `None`: the name that the MTA gave itself when the mail came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// How long handing over one copy may take in all. What is cut short after the last dot may have been
    /// delivered or not, so this is generous.
    pub timeout: Span,
    /// How long a token is good. It is used up when the server has taken the mail.
    pub valid: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay: Server::Tcp { host: "127.0.0.1".to_owned(), port: 25 },
            filtered: true,
            helo: None,
            timeout: Span::seconds(300),
            valid: Span::seconds(3600),
        }
    }
}
