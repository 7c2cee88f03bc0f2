//! DKIM: signed by one who shares nothing with what verifies, then changed.

mod hostile;
mod matrix;
mod rfc;
pub(in super::super) mod signer;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::signer::{Kind, public};
use super::super::dkim;
use super::super::dkim::body::BodyHashes;
use super::super::keys::Keys;
use crate::dns::{Inquiry, Resolver, Zone};
use crate::mail::header;
use crate::model::AuthResult;
use crate::model::authentication::Dkim;
use crate::telemetry::Metrics;

/// Now, in the tests: seconds since 1970.
const NOW: u64 = 1_800_000_000;

/// The keys of `example.org`.
static KEYS: LazyLock<String> = LazyLock::new(|| {
    let (rsa, ed) = (public(Kind::Rsa), public(Kind::Ed25519));
    format!(
        "rsa._domainkey.example.org TXT v=DKIM1; p={rsa}\n\
         ed._domainkey.example.org TXT v=DKIM1; k=ed25519; p={ed}\n"
    )
});
static RESOLVER: LazyLock<Arc<Resolver>> = LazyLock::new(|| resolver(&KEYS));

fn resolver(zone: &str) -> Arc<Resolver> {
    Arc::new(Resolver::of_zone(Zone::parse(zone).unwrap(), Arc::new(Metrics::new())))
}

/// What was found, and what it took.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) dkim: Vec<Dkim>,
    left_out: usize,
    questions: u32,
    body_hashes: usize,
}

/// Verifies a message with these answers of the DNS.
fn verify_with(resolver: &Arc<Resolver>, raw: impl Into<Bytes>, now: u64) -> Found {
    let message = header::parse(raw);
    let inquiry = Inquiry::new(Arc::clone(resolver), 100, Instant::now() + Duration::from_secs(60));
    let claims = dkim::read(&message, 10, now);
    let names = claims.keys().map(|(_, name)| name).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let keys = runtime.block_on(Keys::fetch([(&inquiry, names)]));
    let bodies = BodyHashes::new(message.body());
    let left_out = claims.left_out;
    let dkim = claims.verify(&message, &bodies, &keys);
    Found { dkim, left_out, questions: inquiry.spent().questions, body_hashes: bodies.computed() }
}

/// Verifies a message with the answers in a zone file.
pub(super) fn verify_in(zone: &str, raw: impl Into<Bytes>) -> Found {
    verify_with(&resolver(zone), raw, NOW)
}

/// Result and reason of a message's one signature by `example.org`.
fn verify(raw: &[u8]) -> (AuthResult, Option<String>) {
    let mut found = verify_with(&RESOLVER, raw.to_vec(), NOW);
    assert_eq!(found.dkim.len(), 1, "{found:?}");
    let Dkim { result, reason, .. } = found.dkim.remove(0);
    (result, reason)
}

const PASS: (AuthResult, Option<&str>) = (AuthResult::Pass, None);
const BODY_CHANGED: (AuthResult, Option<&str>) =
    (AuthResult::Fail, Some("the body hash does not match the body: it was changed on the way"));
const HEADER_CHANGED: (AuthResult, Option<&str>) = (
    AuthResult::Fail,
    Some(
        "the signature does not match the signed fields: one was changed on the way, or another key signed them",
    ),
);

/// The result and reason, to be compared.
#[track_caller]
fn assert_verifies(raw: &[u8], expected: (AuthResult, Option<&str>), what: &str) {
    let (result, reason) = verify(raw);
    assert_eq!((result, reason.as_deref()), expected, "{what}:\n{}", String::from_utf8_lossy(raw));
}
