//! `[scanner.…]`: which scanners are asked, for how long, and what it is worth when one fails.

use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, Scanner, Span};
use crate::net::address::{HttpServer, Server, Url};
use crate::net::secret::Secret;
pub use crate::policy::Worth;

/// What every scanner takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long it may take for one message.
    pub timeout: Span,
    /// What it is worth when it could not look.
    pub on_failure: Worth,
}

/// `[scanner]`: a table for each scanner. One that is absent is off; authentication, MIME,
/// links and YARA are on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scanners {
    /// SPF, DKIM, DMARC, ARC, iprev.
    pub auth: AuthScanner,
    /// clamd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamd: Option<Clamd>,
    /// The MIME walk.
    pub mime: Mime,
    /// rspamd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rspamd: Option<Rspamd>,
    /// Links and threat feeds.
    pub urls: crate::scan::url::Config,
    /// YARA rules.
    pub yara: crate::scan::yara::Config,
}

impl Scanners {
    /// The terms of a scanner; `None` if it is off.
    #[must_use]
    pub fn terms(&self, scanner: Scanner) -> Option<Terms> {
        match scanner {
            Scanner::Auth => self.auth.terms(),
            Scanner::Clamd => self.clamd.as_ref().and_then(Clamd::terms),
            Scanner::Mime => self.mime.terms(),
            Scanner::Rspamd => self.rspamd.as_ref().and_then(Rspamd::terms),
            Scanner::Urls => self
                .urls
                .enabled
                .then_some(Terms { timeout: self.urls.timeout, on_failure: self.urls.on_failure }),
            Scanner::Yara => self
                .yara
                .enabled
                .then_some(Terms { timeout: self.yara.timeout, on_failure: self.yara.on_failure }),
        }
    }
}

/// A scanner's section: the three keys that all have, and its own.
macro_rules! scanner {
    (
        $(#[doc = $doc:literal])*
        $name:ident { timeout: $timeout:expr, on_failure: $on_failure:ident $(,)? }
        $($(#[$attribute:meta])* $key:ident : $type:ty = $default:expr,)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Off without taking the section away.
            pub enabled: bool,
            $($(#[$attribute])* pub $key: $type,)*
            /// How long it may take for one message.
            pub timeout: Span,
            /// What it is worth when it could not look.
            pub on_failure: Worth,
        }
        impl Default for $name {
            fn default() -> Self {
                Self { enabled: true, $($key: $default,)* timeout: $timeout, on_failure: Worth::$on_failure }
            }
        }
        impl $name {
            /// What every scanner takes; `None` if it is off.
            #[must_use]
            pub fn terms(&self) -> Option<Terms> {
                self.enabled.then_some(Terms { timeout: self.timeout, on_failure: self.on_failure })
            }
        }
    };
}

scanner! {
    /// `[scanner.mime]`: the walk through the parts of a message. Where it is off, what it finds, and
    /// that it could not read everything, counts for nothing.
    Mime { timeout: Span::seconds(20), on_failure: Quarantine }
}

scanner! {
    /// `[scanner.rspamd]`.
    Rspamd { timeout: Span::seconds(8), on_failure: Tempfail }
    /// The normal worker, not the controller.
    url: HttpServer = HttpServer::Url(Url::of_default("http://127.0.0.1:11333")),
    /// A larger message is not sent there.
    max_size: ByteSize = ByteSize(20 << 20),
    /// Sent as `Password`, where the worker asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<Secret> = None,
    /// How many messages ask at once; the others wait.
    connections: u32 = 50,
    /// A larger reply is not read.
    max_reply: ByteSize = ByteSize(1 << 20),
    /// The controller, which is taught what is spam.
    controller: HttpServer = HttpServer::Url(Url::of_default("http://127.0.0.1:11334")),
    /// Sent as `Password` to the controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    controller_password: Option<Secret> = None,
}

impl Rspamd {
    /// What cannot be meant, as sentences that begin with the key.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        [("url", &self.url), ("controller", &self.controller)]
            .into_iter()
            .filter_map(|(key, address)| {
                let fault = crate::scan::rspamd::Endpoint::new(address).err()?;
                Some(format!("scanner.rspamd.{key}: {fault}"))
            })
            .collect()
    }
}

scanner! {
    /// `[scanner.clamd]`.
    Clamd { timeout: Span::seconds(20), on_failure: Tempfail }
    /// Its socket or port.
    address: Server = Server::Unix("/run/clamav/clamd.ctl".into()),
    /// A larger message is not sent there; not above clamd's own `StreamMaxLength`.
    max_size: ByteSize = ByteSize(25 << 20),
    /// How many messages ask it at once; the others wait. `MaxThreads` of clamd.conf.
    connections: u32 = 10,
    /// Hand each message over as a file in memory (`FILDES`) instead of streaming it; unix sockets only.
    pass_file: bool = false,
}

impl Clamd {
    /// What cannot be meant: a key and a sentence.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if self.enabled && self.pass_file && matches!(self.address, Server::Tcp { .. }) {
            let told = "scanner.clamd.pass_file = true needs a unix socket: a file cannot be handed over TCP; \
                        take the key out, or give clamd's socket as `address`";
            faults.push(("pass_file", told.to_owned()));
        }
        faults
    }

    /// What the scanner needs to know.
    #[must_use]
    pub fn settings(&self) -> crate::scan::clamd::Settings {
        crate::scan::clamd::Settings {
            server: self.address.clone(),
            connections: self.connections as usize,
            pass_file: self.pass_file,
            max_size: self.max_size,
        }
    }
}

scanner! {
    /// `[scanner.auth]`: SPF, DKIM, DMARC, ARC, iprev.
    AuthScanner { timeout: Span::seconds(10), on_failure: Ignore }
    /// The most DKIM signatures of a message that are looked at, from the top.
    signatures: u32 = 10,
    /// The most DNS questions that one message may ask.
    questions: u32 = 100,
}
