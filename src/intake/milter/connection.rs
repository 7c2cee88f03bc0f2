//! What is known of one SMTP connection, beside the message that may be under way.

use std::net::{IpAddr, Ipv4Addr};

use super::macros::Macros;
use crate::intake::client::shown;
use crate::model::session::Tls;
use crate::model::{Abilities, Client, ClientAddr, Handover, Session};

/// One SMTP connection. Lives from CONNECT to QUIT or QUIT_NC, over many messages.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) port: u16,
    pub(super) helo: Option<String>,
    pub(super) macros: Macros,
    /// The MTA sends the macros that were asked for, so one that is missing says something.
    pub(super) macros_asked: bool,
    /// What the MTA lets us do.
    pub(super) abilities: Abilities,
}

impl Connection {
    /// The session as a message sees it: taken at MAIL, when TLS and AUTH are settled.
    pub(super) fn session(&self) -> Session {
        let macros = &self.macros;
        let tls = macros
            .tls_version
            .clone()
            .map(|version| Tls { version, cipher: macros.cipher.clone().unwrap_or_default() });
        Session {
            client: self.client.clone(),
            helo: self.helo.clone(),
            tls,
            user: macros.auth_authen.clone(),
            auth_method: macros.auth_type.clone(),
            mta: macros.mta.clone(),
            daemon: macros.daemon.clone(),
            local_submission: self.is_local_submission(),
            handover: Handover::Milter,
            peer_is_trusted: false,
            abilities: self.abilities,
        }
    }

    /// The client as log lines name it.
    pub(super) fn shown(&self) -> String {
        shown(&self.client)
    }

    /// Mail that did not come by SMTP: sendmail(1), a bounce, the queue (`non_smtpd_milters`).
    ///
    /// Design note: milter has no word for it. Postfix' cleanup then plays an SMTP client
    /// `localhost` at 127.0.0.1 with port 0, which no TCP client can have, or, for mail put back
    /// into the queue, the client of old; and it cannot tell `{client_connections}`, which smtpd
    /// always tells when asked. Seen with Postfix 3.7 for sendmail(1) and bounces.
    fn is_local_submission(&self) -> bool {
        let loopback = self.client.addr == ClientAddr::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        if loopback && self.port == 0 && self.client.name == "localhost" {
            return true;
        }
        let postfix = self.macros.version.as_deref().is_some_and(|v| v.starts_with("Postfix"));
        postfix && self.macros_asked && !self.macros.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(name: &str, addr: &str, port: u16, macros: &[u8]) -> Connection {
        let mut connection = Connection {
            client: Client { name: name.into(), addr: ClientAddr::Ip(addr.parse().unwrap()) },
            port,
            macros_asked: true,
            ..Connection::default()
        };
        connection.macros.define(macros).unwrap();
        connection
    }

    #[test]
    fn what_postfix_cleanup_sends_is_a_local_submission_and_what_smtpd_sends_is_not() {
        let local = |c: Connection| c.session().local_submission;
        assert!(local(connection("localhost", "127.0.0.1", 0, b"Cj\0mx\0v\0Postfix 3.7.11\0")));
        assert!(local(connection("mail.example", "192.0.2.7", 4567, b"Cj\0mx\0v\0Postfix 3.7.11\0")));
        assert!(local(connection("localhost", "127.0.0.1", 0, b"Cj\0mx\0v\0Own name\0")));
        let counted = b"Cj\0mx\0v\0Postfix 3.7.11\0{client_connections}\x000\0";
        assert!(!local(connection("localhost", "127.0.0.1", 53218, counted)));
        assert!(!local(connection("mail.example", "192.0.2.7", 4567, counted)));
    }

    #[test]
    fn sendmail_which_does_not_count_connections_hands_over_no_local_submissions() {
        let sendmail = connection("localhost", "127.0.0.1", 40000, b"Cj\0mx\0v\x008.17.1\0");
        assert!(!sendmail.session().local_submission);
        let mut old = connection("mail.example", "192.0.2.7", 4567, b"Cj\0mx\0v\0Postfix 2.5\0");
        old.macros_asked = false;
        assert!(!old.session().local_submission);
    }
}
