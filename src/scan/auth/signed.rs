//! What is signed in a message: DKIM and ARC, read before their keys are asked for, and verified over the same
//! hashes of the body.

use mail_auth::arc::ArcError;
use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::dkim::{Canonicalization, DkimError};
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};

use super::dkim::body::{BodyHashes, Canonical};
use super::keys::Keys;
use super::{arc, dkim};
use crate::model::authentication::{ArcChain, Dkim};
use crate::model::{AuthResult, Message, text};

/// The longest reason that is kept.
const MAX_REASON: usize = 160;
/// The most names in `h=` of an ARC-Message-Signature. The library looks at all fields for each of them.
const MAX_ARC_NAMES: usize = 1_000;

/// What is verified, and with which limits.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The most DKIM signatures that are looked at, from the top.
    pub(super) signatures: usize,
    /// Sealers whose chain is believed.
    pub(super) trusted_sealers: Vec<String>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) dkim: Vec<Dkim>,
    pub(super) left_out: usize,
    pub(super) arc: Option<ArcChain>,
}

/// What claims to be signed.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    dkim: dkim::Claims,
    has_arc: bool,
}

/// Reads what claims to be signed; `None` where nothing does.
pub(super) fn read(message: &Message, terms: &Terms) -> Option<Claims> {
    // What a signer's results say by themselves is signed by nobody.
    let is = |name: &[u8], wanted: &[u8]| name.trim_ascii_end().eq_ignore_ascii_case(wanted);
    let is_arc = |name: &[u8]| is(name, b"ARC-Seal") || is(name, b"ARC-Message-Signature");
    let claims = Claims {
        dkim: dkim::read(message, terms.signatures, terms.now),
        has_arc: message.fields().any(|(name, _)| is_arc(name)),
    };
    (claims.has_arc || !claims.dkim.is_empty()).then_some(claims)
}

impl Claims {
    /// The names of all keys that are needed.
    pub(super) fn key_names(&self, message: &Message) -> Vec<String> {
        let mut names: Vec<String> = self.dkim.key_names().collect();
        if self.has_arc {
            names.extend(arc::keys_of(message));
        }
        names
    }

    /// Verifies everything. Takes as long as hashing the body once or twice and checking each signature:
    /// not for the runtime's threads where the message is large.
    pub(super) fn verify(
        self,
        library: &MessageAuthenticator,
        message: &Message,
        keys: &Keys,
        terms: &Terms,
    ) -> Verified {
        let bodies = BodyHashes::new(message.body());
        let left_out = self.dkim.left_out;
        let dkim = self.dkim.verify(message, &bodies, keys);
        let chain = if self.has_arc { chain(library, message, &bodies, keys, terms) } else { None };
        Verified { dkim, left_out, arc: chain }
    }
}

/// ARC, verified by the library over our hash of the body: its own takes lines of white space at the end
/// of a body for content, against RFC 6376 §3.4.4, and CRs by themselves for nothing.
fn chain(
    library: &MessageAuthenticator,
    message: &Message,
    bodies: &BodyHashes<'_>,
    keys: &Keys,
    terms: &Terms,
) -> Option<ArcChain> {
    let mut parsed = AuthenticatedMessage::parse(message.header())?;
    let failed = |parsed: &AuthenticatedMessage<'_>, why: &str| ArcChain {
        result: AuthResult::Fail,
        sets: parsed.ams_headers.len(),
        reason: Some(why.to_owned()),
        ..ArcChain::default()
    };
    // Only the last set's message signature is verified (RFC 8617 §5.2).
    if let Some(last) = parsed.ams_headers.iter().max_by_key(|set| set.header.i) {
        if last.header.h.len() > MAX_ARC_NAMES {
            return Some(failed(&parsed, "the last ARC-Message-Signature names too many fields"));
        }
        if last.header.a == Algorithm::RsaSha1 {
            return Some(failed(&parsed, "rsa-sha1 proves nothing any more (RFC 8301)"));
        }
        let form = last.header.cb;
        let canonical = match form {
            Canonicalization::Simple => Canonical::Simple,
            Canonicalization::Relaxed => Canonical::Relaxed,
        };
        let mut hashes = parsed.body_hashes.iter_mut();
        let wanted = hashes.find(|(cb, hash, ..)| *cb == form && *hash == HashAlgorithm::Sha256);
        if let Some((.., hash)) = wanted {
            *hash = bodies.get(canonical).to_vec();
        }
    }
    arc::verify(library, &parsed, keys, terms)
}

/// The library's result in the words of RFC 8601 §2.7.1.
pub(super) fn result(result: &DkimResult) -> (AuthResult, Option<String>) {
    let reason = |error: &mail_auth::Error| Some(text::ascii_line(&error.to_string(), MAX_REASON));
    match result {
        DkimResult::Pass => (AuthResult::Pass, None),
        DkimResult::None => (AuthResult::None, None),
        // RFC 6376 §6.1.3: a body that is another is a signature that fails.
        DkimResult::Neutral(
            mail_auth::Error::Dkim(DkimError::FailedBodyHashMatch)
            | mail_auth::Error::Arc(ArcError::FailedBodyHashMatch),
        ) => (
            AuthResult::Fail,
            Some("the body hash does not match the body: it was changed on the way".to_owned()),
        ),
        DkimResult::Neutral(error) => (AuthResult::Neutral, reason(error)),
        DkimResult::Fail(error) => (AuthResult::Fail, reason(error)),
        DkimResult::PermError(error) => (AuthResult::PermError, reason(error)),
        DkimResult::TempError(error) => (AuthResult::TempError, reason(error)),
    }
}
