//! The `Received` field of our own MTA (RFC 5321 §4.4), which it writes only after it has asked us. rspamd reads in
//! it who handed the mail over and how; without it the topmost one is that of a stranger.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::request::{client_ip, client_name, path};
use crate::model::{Envelope, Session, Timestamp};

/// Longest part of it: a host name has at most 255 bytes.
const MAX_WORD: usize = 255;

/// The field, its line end included.
pub(super) fn field(session: &Session, envelope: &Envelope, now: Timestamp) -> Vec<u8> {
    let mut text = String::with_capacity(256);
    text.push_str("Received: ");
    let name = client_name(session).map(word);
    let said = session.helo.as_deref().map(word).filter(|helo| !helo.is_empty());
    if let Some(from) = said.or_else(|| name.clone()) {
        let name = name.unwrap_or_else(|| "unknown".to_owned());
        let literal = match client_ip(session) {
            Some(std::net::IpAddr::V4(ip)) => format!(" [{ip}]"),
            // RFC 5321 §4.1.3.
            Some(std::net::IpAddr::V6(ip)) => format!(" [IPv6:{ip}]"),
            None => String::new(),
        };
        text.push_str(&format!("from {from} ({name}{literal})\r\n\t"));
    }
    let mta = session.mta.as_deref().map(word).filter(|mta| !mta.is_empty());
    text.push_str(&format!("by {}", mta.as_deref().unwrap_or("localhost")));
    // RFC 3848.
    let (secure, known) = (session.tls.is_some(), session.user.is_some());
    text.push_str(if session.local_submission { " with local" } else { " with ESMTP" });
    text.push_str(if secure && !session.local_submission { "S" } else { "" });
    text.push_str(if known && !session.local_submission { "A" } else { "" });
    if let Some(id) = envelope.queue_id.as_deref().map(word).filter(|id| !id.is_empty()) {
        text.push_str(&format!(" id {id}"));
    }
    // With more than one it would tell each of the others.
    if let [one] = envelope.recipients.as_slice() {
        let address = path(one.address());
        if !address.is_empty() && address.len() <= MAX_WORD && address.bytes().all(is_plain) {
            text.push_str(&format!("\r\n\tfor <{address}>"));
        }
    }
    text.push_str(&format!(";\r\n\t{}\r\n", date(now)));
    text.into_bytes()
}

/// Whether a byte means nothing to those who read such fields.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'<' | b'>' | b';' | b'"' | b'\\')
}

/// One word of what a client said of itself.
fn word(text: &str) -> String {
    let plain = |c: char| if u8::try_from(c).is_ok_and(is_plain) { c } else { '?' };
    text.trim().chars().take(MAX_WORD).map(plain).collect()
}

/// The time as RFC 5322 §3.3 writes it.
fn date(now: Timestamp) -> String {
    let seconds = i64::try_from(now.seconds()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(&Rfc2822).unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 +0000".to_owned())
}
