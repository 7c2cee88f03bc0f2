//! A notification as mail, handed to the local MTA.
//!
//! It goes out from the empty sender and says that a machine wrote it (RFC 3834), so that nothing answers it. Its
//! `X-Mailward-Notification` is the delivery's name, by which it is known when it comes through our own filter.

use std::time::Duration;

use bytes::Bytes;

use super::SendError;
use crate::model::{Recipient, ReversePath, text};
use crate::net::address::Server;
use crate::net::smtp::{self, Outcome, Outgoing, Protocol, Timeouts};
use crate::notify::payload::Payload;

/// The field by which our own mail is known.
pub(in crate::notify) const FIELD: &str = "X-Mailward-Notification";

pub(super) async fn send(
    server: &Server,
    from: &str,
    to: &[String],
    payload: &Payload,
    timeout: Duration,
) -> Result<String, SendError> {
    let settings = smtp::Settings {
        server: server.clone(),
        helo: payload.host.clone(),
        protocol: Protocol::Smtp,
        timeouts: Timeouts::within(timeout),
    };
    let recipients: Vec<Recipient> =
        to.iter().map(|address| Recipient::new(format!("<{address}>").into_bytes())).collect();
    let outgoing = Outgoing {
        reverse_path: &ReversePath(Recipient::new(b"<>".to_vec())),
        parameters: &[],
        recipients: &recipients,
        pieces: &[Bytes::from(message(from, to, payload))],
    };
    let delivery = smtp::deliver(&settings, &outgoing, async || Ok(())).await;
    // One who gets it is enough: those who did not would make the others get it again and again.
    let taken = delivery.outcomes.iter().find(|outcome| outcome.is_delivered());
    let outcome = taken.or_else(|| delivery.outcomes.first());
    match outcome {
        Some(outcome) if outcome.is_delivered() => {
            let others: Vec<String> = to
                .iter()
                .zip(&delivery.outcomes)
                .filter(|(_, outcome)| !outcome.is_delivered())
                .map(|(to, outcome)| format!("; {to}: {outcome}"))
                .collect();
            Ok(text::line(&format!("{outcome}{}", others.concat()), 400))
        }
        Some(outcome) => {
            // What may have been delivered is not sent again.
            let for_good = outcome.is_refused_for_good() || matches!(outcome, Outcome::Uncertain(_));
            Err(SendError::Mail { said: text::line(&outcome.to_string(), 400), for_good })
        }
        None => Err(SendError::Unusable("the section names nobody in `to`".to_owned())),
    }
}

/// The message in CRLF form, plain ASCII whatever is told.
fn message(from: &str, to: &[String], payload: &Payload) -> Vec<u8> {
    let (mut kind, mut body) = ("7bit", payload.text.replace('\n', "\r\n"));
    // RFC 5322 §2.1.1: a line has at most 998 characters.
    if !body.is_ascii() || body.lines().any(|line| line.len() > 900) {
        kind = "base64";
        let encoded = data_encoding::BASE64.encode(body.as_bytes());
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
        body = lines.join("\r\n");
    }
    let domain = from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let fields = [
        ("From", format!("mailward <{from}>")),
        ("To", to.join(",\r\n ")),
        ("Subject", text::ascii_line(&payload.title, 120)),
        ("Date", payload.time.rfc5322()),
        ("Message-ID", format!("<{}@{domain}>", payload.delivery)),
        ("Auto-Submitted", "auto-generated".to_owned()),
        (FIELD, payload.delivery.clone()),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Content-Transfer-Encoding", kind.to_owned()),
    ];
    let mut out = String::new();
    for (name, value) in fields {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    out.push_str(&body);
    out.push_str("\r\n");
    out.into_bytes()
}
