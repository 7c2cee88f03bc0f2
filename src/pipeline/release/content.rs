//! The bytes of a released mail: one field put on top, our own and forged fields taken out, everything else
//! exactly as it was judged.
//!
//! Return-Path, Delivered-To and the like stay, although re-injected mail is often stripped of them: what
//! is stored was taken before any mailbox, so such fields are the sender's own, and his DKIM signature may
//! cover them.

use std::io::Read;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::token;
use super::{ReleaseError, Settings};
use crate::mail::{auth_results, cut, header, received_spf};
use crate::model::{AuthservId, HeaderValue, MailId};
use crate::quarantine::{Meta, Quarantine};

/// An entry, read whole.
#[derive(Debug)]
pub(in crate::pipeline) struct Entry {
    /// What is known of it.
    pub(in crate::pipeline) meta: Meta,
    /// The exact bytes that were judged.
    pub(in crate::pipeline) raw: Bytes,
    /// The hash of its body as it goes over the wire.
    pub(super) body: [u8; 32],
    /// The hash of what says what its body is.
    pub(super) kind: [u8; 32],
}

impl Entry {
    /// Reads the entry of `id` and sees that it is what was judged. Blocks.
    pub(in crate::pipeline) fn read(quarantine: &Quarantine, id: MailId) -> Result<Self, ReleaseError> {
        let meta = quarantine.meta(id)?;
        let raw = Bytes::from(read(quarantine, &meta)?);
        let body = raw.get(body_offset(&raw)..).unwrap_or_default();
        if HEXLOWER.encode(&Sha256::digest(body)) != meta.body_sha256 {
            return Err(ReleaseError::Changed(meta.id));
        }
        let (body, kind) = (token::body_hash(body), token::kind_hash(&header::parse(raw.clone())));
        Ok(Self { meta, raw, body, kind })
    }

    /// The message with `fields` on top, without what claims to be ours: in our name of today, in that which the
    /// MTA had when it came, and in that of the results which we gave then.
    pub(super) fn pieces(&self, fields: String, settings: &Settings) -> Vec<Bytes> {
        let mut pieces = vec![Bytes::from(fields)];
        let mut from = 0;
        let of_results = || auth_results::authserv_id(self.meta.auth_results.as_deref()?.as_bytes());
        let then = of_results().and_then(|id| id.parse().ok());
        let ours: Vec<AuthservId> = settings.own_id.of(&self.meta.session).into_iter().chain(then).collect();
        let others: &[&str] = if settings.received_spf { &[received_spf::NAME] } else { &[] };
        for cut in cut::forged(&self.raw, &ours, others) {
            pieces.push(self.raw.slice(from..cut.start));
            from = cut.end;
        }
        pieces.push(self.raw.slice(from..));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The fields of a copy that does not pass through the filter again.
    pub(super) fn own_fields(&self) -> String {
        let mut fields = String::new();
        let mut add = |name: &str, value: &str| {
            let value = HeaderValue::new(name, value);
            fields.push_str(&format!("{name}: {}\r\n", value.as_str().replace('\n', "\r\n")));
        };
        if let Some(results) = &self.meta.auth_results {
            add("Authentication-Results", results);
        }
        add("X-Mailward-Id", self.meta.id.as_str());
        add("X-Mailward-Action", "released");
        fields
    }
}

/// The field that carries `token`. A line has at most 78 characters (RFC 5322 §2.1.1).
pub(super) fn token_field(token: &str) -> String {
    format!("{}: {}\r\n", token::FIELD, token.replacen("; mac=", ";\r\n\tmac=", 1))
}

/// The stored bytes; no more of them than were stored.
fn read(quarantine: &Quarantine, meta: &Meta) -> Result<Vec<u8>, ReleaseError> {
    let message = quarantine.message(meta.id)?;
    if message.size != meta.size {
        return Err(ReleaseError::Changed(meta.id));
    }
    let mut raw = Vec::with_capacity(usize::try_from(meta.size).unwrap_or(0));
    message.file.take(meta.size).read_to_end(&mut raw).map_err(|error| {
        ReleaseError::Inside(format!("{} cannot be read: {error}", message.path.display()))
    })?;
    Ok(raw)
}

/// Where the body begins. What is stored was put together from fields by the intake and has exactly one
/// empty line before the body.
fn body_offset(raw: &[u8]) -> usize {
    if raw.starts_with(b"\r\n") {
        return 2;
    }
    memchr::memmem::find(raw, b"\r\n\r\n").map_or(raw.len(), |at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_begins_behind_the_first_empty_line() {
        for (raw, body) in [
            (&b"A: 1\r\nB:\r\n 2\r\n\r\nx\r\n\r\ny"[..], &b"x\r\n\r\ny"[..]),
            (b"\r\nx\r\n\r\ny", b"x\r\n\r\ny"),
            (b"A: 1\r\n\r\n", b""),
            (b"A: 1\r\n", b""),
            (b"", b""),
        ] {
            assert_eq!(&raw[body_offset(raw)..], body, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn a_copy_that_nobody_filters_gets_our_fields() {
        let json = serde_json::json!({
            "version": 1, "id": "01m7xn1s0d16n15np8", "time": "2026-11-21T00:00:00.000Z", "key": "0".repeat(64),
            "category": "spam", "score": 7.0, "rule": "r", "reason": "r", "from": "", "subject": "", "size": 0,
            "body_sha256": "", "session": {}, "envelope": {}, "recipients": {}, "attempts": {"count": 1,
            "first": "2026-11-21T00:00:00.000Z", "last": "2026-11-21T00:00:00.000Z"}, "coverage": {}, "findings": [],
        });
        let mut meta: Meta = serde_json::from_value(json).unwrap();
        let fields = |meta: &Meta| {
            Entry { meta: meta.clone(), raw: Bytes::new(), body: [0; 32], kind: [0; 32] }.own_fields()
        };
        let plain = "X-Mailward-Id: 01m7xn1s0d16n15np8\r\nX-Mailward-Action: released\r\n";
        assert_eq!(fields(&meta), plain);
        meta.auth_results =
            Some("mx.example.org; spf=pass smtp.mailfrom=a@sender.example; dkim=none".to_owned());
        let results = "Authentication-Results: mx.example.org; spf=pass\r\n\tsmtp.mailfrom=a@sender.example; dkim=none\r\n";
        assert_eq!(fields(&meta), format!("{results}{plain}"));
    }

    #[test]
    fn the_token_stands_on_two_short_lines() {
        let token =
            format!("v2; id=01m7xn1s0d16n15np8; kid=6f1d2a90; exp=1795214191; mac={}", "0".repeat(64));
        let field = token_field(&token);
        assert!(field.lines().all(|line| line.len() <= 78), "{field}");
        assert_eq!(field.replace("\r\n\t", " "), format!("X-Mailward-Release: {token}\r\n"));
    }
}
