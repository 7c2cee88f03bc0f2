//! Which client is judged: the one that connected, or behind one of our own relays the one that the
//! relay took the mail from.

use std::net::IpAddr;

use ipnet::IpNet;

use super::received::{self, From};
use crate::model::{Message, Session, Skip};

/// More relays in a row than these are a loop.
const MAX_HOPS: usize = 10;

/// Who sent the message, as far as SPF and iprev are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Its address.
    pub(super) ip: IpAddr,
    /// The name that it gave itself; empty if that is not known.
    pub(super) helo: String,
}

/// The client. Where the connecting host is a trusted relay, the topmost Received field is its own, and
/// says whom it took the mail from; if that is a trusted relay as well, the next one is, and so on.
///
/// The loopback of a relay is that relay: a content filter that hands mail back, or a program there. What
/// stands below may be the program's invention, so it is read only where loopback is trusted, too.
///
/// # Errors
/// Why there is nobody to judge: [`Skip::NoClient`] where no address is known, [`Skip::Relay`] where a
/// relay's Received field names nobody but itself, or nobody.
pub(super) fn client(session: &Session, message: &Message, relays: &[IpNet]) -> Result<Client, Skip> {
    walk(session, message, relays).1
}

/// Whether a trusted relay hands the mail in.
pub(super) fn is_handed_in(session: &Session, relays: &[IpNet]) -> bool {
    session.client.addr.ip().is_some_and(|ip| is_relay(ip, relays))
}

/// How many Received fields from the top trusted relays wrote, as far as their words lead; each names whom the
/// relay took the mail from.
pub(super) fn hops(session: &Session, message: &Message, relays: &[IpNet]) -> usize {
    walk(session, message, relays).0
}

fn walk(session: &Session, message: &Message, relays: &[IpNet]) -> (usize, Result<Client, Skip>) {
    let Some(ip) = session.client.addr.ip() else { return (0, Err(Skip::NoClient)) };
    let mut client = Client { ip, helo: session.helo.clone().unwrap_or_default() };
    let mut fields = message.values("Received");
    for hops in 0..MAX_HOPS {
        if !is_relay(client.ip, relays) {
            return (hops, Ok(client));
        }
        match fields.next().and_then(received::from) {
            Some(From { ip, helo }) if is_relay(ip, relays) || !is_within(ip) => client = Client { ip, helo },
            _ => return (hops, Err(Skip::Relay)),
        }
    }
    (0, Err(Skip::Relay))
}

fn is_relay(ip: IpAddr, relays: &[IpNet]) -> bool {
    relays.iter().any(|net| net.contains(&ip))
}

/// No host elsewhere can have this address, so no sender's domain can name it.
fn is_within(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    ip.is_loopback() || ip.is_unspecified() || link_local
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header;
    use crate::model::{self, ClientAddr};

    fn session(ip: &str) -> Session {
        let addr = ClientAddr::Ip(ip.parse().unwrap());
        let client = model::Client { name: String::new(), addr };
        Session { client, helo: Some("helo.example".to_owned()), ..Session::default() }
    }

    fn of(ip: &str, header: &str) -> Result<(String, String), Skip> {
        let relays = ["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let message = header::parse(format!("{header}\n\n").into_bytes());
        client(&session(ip), &message, &relays).map(|client| (client.ip.to_string(), client.helo))
    }

    #[test]
    fn whoever_is_no_relay_of_ours_is_the_client() {
        let forged = "Received: from good.example (good.example [203.0.113.9]) by x";
        assert_eq!(of("198.51.100.7", forged), Ok(("198.51.100.7".into(), "helo.example".into())));
        assert_eq!(of("127.0.0.1", forged), Ok(("127.0.0.1".into(), "helo.example".into())));
        let unknown = client(&Session::default(), &Message::default(), &[]);
        assert_eq!(unknown, Err(Skip::NoClient));
    }

    #[test]
    fn behind_a_relay_its_own_received_field_says_who_it_was() {
        for (field, ip) in [
            ("from a.example (b.example [203.0.113.9])\n by relay (Postfix) with ESMTP id 1", "203.0.113.9"),
            ("from a.example ([203.0.113.9]) by relay", "203.0.113.9"),
            ("from a.example (unknown [IPv6:2001:470::9]) by relay", "2001:470::9"),
            ("from a.example (203.0.113.9) by relay with Exchange", "203.0.113.9"),
            ("from a.example (\"[198.51.100.1]\" [203.0.113.9]) by relay", "203.0.113.9"),
        ] {
            let header = format!("Received: {field}\nReceived: from x (x [198.51.100.200]) by y");
            assert_eq!(of("192.0.2.1", &header), Ok((ip.into(), "a.example".into())), "{field}");
        }
        let two =
            "Received: from inner (inner [192.0.2.7]) by outer\nReceived: from a (a [203.0.113.9]) by inner";
        assert_eq!(of("192.0.2.1", two), Ok(("203.0.113.9".into(), "a".into())));
    }

    #[test]
    fn what_a_relay_took_from_itself_is_looked_behind_only_where_loopback_is_trusted() {
        let filtered = |ip: &str| {
            format!(
                "Received: from localhost (localhost [{ip}]) by relay (Postfix)\n\
                 Received: from a.example (b.example [203.0.113.9]) by relay (Postfix)"
            )
        };
        for ip in ["127.0.0.1", "127.1.2.3", "IPv6:::1", "fe80::1%eth0", "169.254.0.7", "0.0.0.0"] {
            assert_eq!(of("192.0.2.1", &filtered(ip)), Err(Skip::Relay), "{ip}");
        }
        let relays = ["192.0.2.0/24".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
        let message = header::parse(format!("{}\n\n", filtered("127.0.0.1")).into_bytes());
        let behind = client(&session("192.0.2.1"), &message, &relays);
        assert_eq!(behind, Ok(Client { ip: "203.0.113.9".parse().unwrap(), helo: "a.example".to_owned() }));
    }

    #[test]
    fn where_a_relay_names_nobody_there_is_nobody_to_judge() {
        for header in [
            "Subject: x",
            "Received: by relay with local; date",
            "Received: from a.example by relay",
            "Received: from a.example (a.example) by relay",
            "Received: from a.example (a [300.1.1.1]) by relay",
            "Received: from a.example by relay (b [203.0.113.9])",
        ] {
            assert_eq!(of("192.0.2.1", header), Err(Skip::Relay), "{header}");
        }
        let loops = "Received: from a (a [192.0.2.1]) by b\n".repeat(20);
        assert_eq!(of("192.0.2.1", loops.trim_end()), Err(Skip::Relay));
    }
}
