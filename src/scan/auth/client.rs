//! Which client is judged: the one that connected, or behind one of our own relays the one that the
//! relay took the mail from.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{Message, Session, Skip};

/// More relays in a row than these are a loop.
const MAX_HOPS: usize = 10;
/// A longer Received field is not read.
const MAX_FIELD: usize = 4096;

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
/// # Errors
/// Why there is nobody to judge: [`Skip::NoClient`] where no address is known, [`Skip::Relay`] where a
/// relay's Received field names none.
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
    let mut received = message.values("Received");
    for hops in 0..MAX_HOPS {
        if !is_relay(client.ip, relays) {
            return (hops, Ok(client));
        }
        match received.next().and_then(from) {
            Some(before) => client = before,
            None => return (hops, Err(Skip::Relay)),
        }
    }
    (0, Err(Skip::Relay))
}

fn is_relay(ip: IpAddr, relays: &[IpNet]) -> bool {
    relays.iter().any(|net| net.contains(&ip))
}

/// The `from` clause of a Received field (RFC 5321 §4.4): `from HELO (NAME [ADDRESS])`.
fn from(value: &[u8]) -> Option<Client> {
    let value = std::str::from_utf8(value.get(..value.len().min(MAX_FIELD))?).ok()?;
    let mut words = value.split_whitespace();
    if !words.next()?.eq_ignore_ascii_case("from") {
        return None;
    }
    let helo = words.next()?;
    // What follows the name up to the end of its comment; nothing that the client wrote is after it.
    let after = value.split_once(helo)?.1.trim_start();
    let comment = after.strip_prefix('(')?;
    let comment = comment.split_once(')').map_or(comment, |(inside, _)| inside);
    // The relay puts the address last: what stands before is a name that the client may have chosen.
    let bracketed = comment.rsplit_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(ip, _)| ip);
    let text = bracketed.unwrap_or(comment.trim());
    let text = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).map_or(text, |_| &text[5..]);
    Some(Client { ip: text.parse::<IpAddr>().ok()?.to_canonical(), helo: helo.to_owned() })
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
