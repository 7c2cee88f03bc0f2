//! Our own Received field (RFC 5321 §4.4), and the guard against mail that goes in circles (§6.3).

use std::net::IpAddr;

use bytes::Bytes;

use crate::model::{Client, MailId, Message, Recipient, SmtpReply, Timestamp, text};

/// RFC 5321 §6.3: a message with so many Received fields goes in circles.
pub(super) const MAX_HOPS: usize = 100;

/// How a message came to us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'a> {
    /// What the host that handed it over called itself.
    pub(super) helo: Option<&'a str>,
    /// That host: not the client that it may speak for (XFORWARD).
    pub(super) peer: &'a Client,
    /// Our own name.
    pub(super) by: &'a str,
    /// By which protocol.
    pub(super) with: With,
    /// Our id of the message.
    pub(super) id: MailId,
    /// For whom. Named only if there is one: nobody is told who else got it.
    pub(super) recipients: &'a [Recipient],
    /// When.
    pub(super) at: Timestamp,
}

/// The protocol as the field names it (RFC 3848, RFC 6531 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With {
    /// LMTP.
    Lmtp,
    /// LMTP with SMTPUTF8.
    Utf8Lmtp,
    /// SMTP with EHLO.
    Esmtp,
    /// SMTP with EHLO and SMTPUTF8.
    Utf8Smtp,
}

impl With {
    const fn keyword(self) -> &'static str {
        match self {
            Self::Lmtp => "LMTP",
            Self::Utf8Lmtp => "UTF8LMTP",
            Self::Esmtp => "ESMTP",
            Self::Utf8Smtp => "UTF8SMTP",
        }
    }
}

/// Longest name in the field: RFC 1035 §2.3.4.
const MAX_NAME: usize = 255;

/// The whole field with its CRLF.
#[must_use]
pub(super) fn field(hop: &Hop<'_>) -> Bytes {
    let from = match (hop.helo.map(name), info(hop.peer)) {
        (None, None) => String::new(),
        (helo, info) => {
            let helo = helo.unwrap_or_else(|| "unknown".to_owned());
            format!("from {helo}{}\r\n\t", info.map(|info| format!(" ({info})")).unwrap_or_default())
        }
    };
    let only = match hop.recipients {
        [one] => shown(one).map(|address| format!("\r\n\tfor <{address}>")),
        _ => None,
    };
    let Hop { id, .. } = hop;
    Bytes::from(format!(
        "Received: {from}by {} with {} id {id}{};\r\n\t{}\r\n",
        name(hop.by),
        hop.with.keyword(),
        only.unwrap_or_default(),
        hop.at.rfc5322(),
    ))
}

/// `TCP-info`: name and address of the peer; `None` for a unix socket.
fn info(peer: &Client) -> Option<String> {
    let literal = match peer.addr.ip()? {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    };
    match peer.name.as_str() {
        "" => Some(literal),
        known => Some(format!("{} {literal}", name(known))),
    }
}

/// A host's name as one word that no reader of the field trips over.
fn name(given: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._:[]".contains(c) { c } else { '?' };
    let name: String = given.chars().take(MAX_NAME).map(plain).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// An address that can stand in the field as it is; `None` for one that cannot.
fn shown(recipient: &Recipient) -> Option<&str> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"<>()\\\";,".contains(&b);
    Some(recipient.address()).filter(|a| !a.is_empty() && a.len() <= MAX_NAME && a.bytes().all(is_plain))
}

/// The answer to a message that goes in circles; `None` to any other. Put off, because a refusal behind a queue is a
/// bounce, and whoever mends the circle within the queue's lifetime gets the mail; in front of a queue (`refuses`)
/// it is the sending server's own.
#[must_use]
pub(super) fn in_circles(message: &Message, refuses: bool) -> Option<SmtpReply> {
    let hops = message.values("Received").take(MAX_HOPS).count();
    if hops < MAX_HOPS {
        return None;
    }
    let text = text::ascii_line(&format!("mail goes in circles: {MAX_HOPS} Received fields or more"), 200);
    // RFC 3463 §3.5: X.4.6, routing loop detected.
    let (code, class) = if refuses { (554, 5) } else { (451, 4) };
    SmtpReply::new(code, (class, 4, 6), &text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header;
    use crate::model::ClientAddr;

    fn peer(name: &str, ip: &str) -> Client {
        Client { name: name.into(), addr: ClientAddr::Ip(ip.parse().unwrap()) }
    }

    fn written(helo: Option<&str>, peer: &Client, with: With, to: &[&str]) -> String {
        let recipients: Vec<Recipient> = to.iter().map(|to| Recipient::new(*to)).collect();
        let at = Timestamp::from_millis(1_795_210_591_042);
        let id = MailId::from_parts(at.millis(), 7);
        let hop = Hop { helo, peer, by: "mx.example.org", with, id, recipients: &recipients, at };
        String::from_utf8(field(&hop).to_vec()).unwrap().replace(id.as_str(), "ID")
    }

    #[test]
    fn the_field_says_from_whom_by_whom_and_when() {
        let local = peer("localhost", "127.0.0.1");
        assert_eq!(
            written(Some("mail.example.org"), &local, With::Lmtp, &["<alice@example.org>"]),
            "Received: from mail.example.org (localhost [127.0.0.1])\r\n\tby mx.example.org with LMTP id ID\r\n\t\
             for <alice@example.org>;\r\n\tFri, 20 Nov 2026 21:36:31 +0000\r\n"
        );
        let six = peer("", "2001:db8::7");
        assert_eq!(
            written(None, &six, With::Utf8Lmtp, &["<a@b>", "<c@d>"]),
            "Received: from unknown ([IPv6:2001:db8::7])\r\n\tby mx.example.org with UTF8LMTP id ID;\r\n\t\
             Fri, 20 Nov 2026 21:36:31 +0000\r\n"
        );
        let unix = Client { name: String::new(), addr: ClientAddr::Unix("/run/x".into()) };
        assert!(written(Some("mail"), &unix, With::Esmtp, &[]).starts_with("Received: from mail\r\n\tby mx"));
        assert!(written(None, &unix, With::Utf8Smtp, &[]).starts_with("Received: by mx"));
    }

    #[test]
    fn nobody_writes_into_the_field() {
        let evil = "a (b [192.0.2.1])\r\nBcc: x";
        let local = peer(evil, "127.0.0.1");
        for to in ["<a@b>\r\nX: y", "<\"a;\"@b>", "<é@b>"] {
            let field = written(Some(evil), &local, With::Lmtp, &[to]);
            let message = header::parse(field.clone().into_bytes());
            assert_eq!(message.field_count(), 1, "{field}");
            assert!(field.starts_with(
                "Received: from a??b?[192.0.2.1]???Bcc:?x (a??b?[192.0.2.1]???Bcc:?x [127.0.0.1])\r\n\tby "
            ));
            assert!(!field.contains("for "), "{field}");
        }
        let long = written(Some(&"x".repeat(5000)), &local, With::Lmtp, &[]);
        assert!(long.lines().all(|line| line.len() < 998));
    }

    #[test]
    fn mail_that_goes_in_circles_is_put_off_behind_a_queue() {
        let message = |n: usize| header::parse(format!("{}\n", "Received: by x\n".repeat(n)).into_bytes());
        assert_eq!(in_circles(&message(99), false), None);
        let reply = |refuses| in_circles(&message(100), refuses).unwrap().to_string();
        assert_eq!(reply(false), "451 4.4.6 mail goes in circles: 100 Received fields or more");
        assert_eq!(reply(true), "554 5.4.6 mail goes in circles: 100 Received fields or more");
    }
}
