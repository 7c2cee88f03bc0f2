//! One attempt to tell a destination: what it answered, or why not.

mod http;
mod mail;

use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::event::Kind;
use super::payload::Payload;
use super::settings::{Channel, To};
use crate::model::{SecretText, Span};

pub(super) use http::Http;
pub(super) use mail::FIELD;

/// Why a destination was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It has an address that is not public.
    #[error(
        "{host} has the address {ip}, which is not public; write `allow_private = true` in this section if it is meant"
    )]
    Private {
        /// Whom.
        host: String,
        /// Its address.
        ip: std::net::IpAddr,
    },
    /// The URL, the token, or an address of mail cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// No connection, or a broken one.
    #[error("{host} could not be told: {why}")]
    Net {
        /// Whom.
        host: String,
        /// Why not.
        why: String,
    },
    /// It did not answer in time.
    #[error("{host} did not answer within {}", Span(*within))]
    TooSlow {
        /// Whom.
        host: String,
        /// How long it was waited.
        within: Duration,
    },
    /// It wants somebody else to be told.
    #[error(
        "{host} answered {status}: it sends us elsewhere, and that is not followed; write the address that is meant"
    )]
    Redirect {
        /// Whom.
        host: String,
        /// Its answer.
        status: u16,
    },
    /// It answered, and did not take it.
    #[error("{host} answered {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Status {
        /// Whom.
        host: String,
        /// Its answer.
        status: u16,
        /// What it said, made safe.
        said: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// The mail server did not take it.
    #[error("{said}")]
    Mail {
        /// What became of it.
        said: String,
        /// It would be the same another time.
        for_good: bool,
    },
}

impl SendError {
    /// Whether trying again is of no use: somebody has to change something first.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        match self {
            Self::Private { .. } | Self::Unusable(_) | Self::Redirect { .. } => true,
            Self::Net { .. } | Self::TooSlow { .. } => false,
            // Too early, too many, and what it calls its own fault pass (RFC 9110 §15.5.9, §15.6; RFC 6585 §4).
            Self::Status { status, .. } => !matches!(*status, 408 | 425 | 429 | 500..),
            Self::Mail { for_good, .. } => *for_good,
        }
    }

    /// How long the destination wants to be left alone.
    #[must_use]
    pub const fn after(&self) -> Option<Duration> {
        match self {
            Self::Status { after, .. } => *after,
            _ => None,
        }
    }
}

/// Tells `channel`; the answer is what it said, made safe. At most [`Channel::timeout`].
pub(super) async fn send(
    channel: &Channel,
    http: &Http,
    payload: &Payload,
    now_seconds: u64,
) -> Result<String, SendError> {
    match &channel.to {
        To::Webhook { url, token, secret } => {
            let body = serde_json::to_vec(payload)
                .map_err(|error| SendError::Unusable(format!("it cannot be written as JSON: {error}")))?;
            let mut headers = vec![
                ("content-type", "application/json".to_owned()),
                ("x-mailward-event", payload.event.name().to_owned()),
                ("x-mailward-delivery", payload.delivery.clone()),
            ];
            if let Some(secret) = secret {
                headers.push(("x-mailward-signature", signature(secret, now_seconds, &body)));
            }
            http.post(url, headers, token.as_ref(), body, channel.timeout).await
        }
        To::Ntfy { url, topic, token } => {
            let at = format!("{}/{topic}", url.trim_end_matches('/'));
            let (priority, tags) = urgency(payload);
            let headers = vec![
                ("content-type", "text/plain; charset=utf-8".to_owned()),
                ("title", crate::model::text::ascii_line(&payload.title, 120)),
                ("priority", priority.to_owned()),
                ("tags", tags.to_owned()),
            ];
            http.post(&at, headers, token.as_ref(), payload.text.clone().into_bytes(), channel.timeout).await
        }
        To::Mail { server, from, to } => mail::send(server, from, to, payload, channel.timeout).await,
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 under the secret over the seconds, a dot, and the body.
fn signature(secret: &SecretText, seconds: u64, body: &[u8]) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = <Hmac<Sha256> as hmac::digest::KeyInit>::new_from_slice(secret.expose().as_bytes())
    else {
        return String::new();
    };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    format!("t={seconds},v1={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// ntfy's priority, 1 to 5, and its tags, which are shown as symbols.
fn urgency(payload: &Payload) -> (&'static str, &'static str) {
    match payload.event {
        _ if payload.state.as_ref().is_some_and(|state| state.over) => ("3", "white_check_mark"),
        Kind::EngineDown | Kind::DaemonTrouble | Kind::PolicyError | Kind::TempfailRepeat => {
            ("5", "rotating_light")
        }
        Kind::Retro | Kind::Malware => ("4", "biohazard"),
        Kind::QuarantineGrowing | Kind::FeedStale => ("4", "warning"),
        Kind::EngineUp => ("3", "white_check_mark"),
        Kind::Phish => ("3", "fishing_pole_and_fish"),
        Kind::Discarded | Kind::Rejected | Kind::Quarantined | Kind::Rule => ("3", "no_entry"),
        Kind::Digest => ("3", "heavy_plus_sign"),
        Kind::Test | Kind::Alarms => ("2", "test_tube"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_anybody_can_compute() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let signed = signature(&SecretText::new("secret"), 1_700_000_000, b"{}");
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new_from_slice(b"secret").unwrap();
        mac.update(b"1700000000.{}");
        let hex = data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes());
        assert_eq!(signed, format!("t=1700000000,v1={hex}"));
    }

    #[test]
    fn what_somebody_has_to_change_first_is_not_tried_again() {
        let status =
            |status| SendError::Status { host: "h".into(), status, said: String::new(), after: None };
        let for_good: Vec<u16> = [400, 401, 403, 404, 408, 410, 413, 425, 429, 500, 502, 503]
            .into_iter()
            .filter(|s| status(*s).is_for_good())
            .collect();
        assert_eq!(for_good, [400, 401, 403, 404, 410, 413]);
        assert!(SendError::Redirect { host: "h".into(), status: 302 }.is_for_good());
        assert!(!SendError::Net { host: "h".into(), why: "w".into() }.is_for_good());
    }
}
