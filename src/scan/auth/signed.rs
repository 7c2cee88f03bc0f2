//! DKIM signatures (RFC 6376, 8301, 8463) and ARC sets (RFC 8617), verified by mail-auth with keys that
//! were fetched before.

use std::time::Duration;

use futures_util::FutureExt;
use mail_auth::arc::{Seal, Signature as ArcSignature};
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::{Canonicalization, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, MessageAuthenticator, Parameters};

use super::keys::{self, Keys};
use crate::model::authentication::{ArcChain, Dkim};
use crate::model::{AuthResult, Message, text};

/// RFC 8617 §4.2.1: a chain has at most this many sets.
const MAX_SETS: usize = 50;
/// Clocks differ; further ahead than this a signature is dated in the future.
const SKEW: Duration = Duration::from_mins(15);
/// The longest reason that is kept.
const MAX_REASON: usize = 160;

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

/// The names of all keys that will be needed; empty if nothing is signed.
pub(super) fn keys_of(message: &Message, signatures: usize) -> Vec<String> {
    let read = |value: &[u8]| Signature::parse(value).ok();
    let signed = message.values("DKIM-Signature").take(signatures).filter_map(read);
    let mut names: Vec<String> = signed.map(|s| keys::name(&s.s, &s.d)).collect();
    let seals: Vec<_> = message.values("ARC-Seal").take(MAX_SETS + 1).collect();
    if !seals.is_empty() && seals.len() <= MAX_SETS {
        names.extend(seals.into_iter().filter_map(|v| Seal::parse(v).ok()).map(|s| keys::name(&s.s, &s.d)));
        // Only the last set's message signature is verified.
        let sets = message.values("ARC-Message-Signature").take(MAX_SETS);
        let last = sets.filter_map(|v| ArcSignature::parse(v).ok()).max_by_key(|s| s.i);
        names.extend(last.map(|s| keys::name(&s.s, &s.d)));
    }
    names
}

/// Whether anything in the header claims to be signed.
pub(super) fn is_signed(message: &Message) -> bool {
    let is = |name: &[u8], wanted: &str| name.trim_ascii_end().eq_ignore_ascii_case(wanted.as_bytes());
    message
        .fields()
        .any(|(n, _)| is(n, "DKIM-Signature") || is(n, "ARC-Seal") || is(n, "ARC-Message-Signature"))
}

/// Verifies everything. Takes as long as hashing the body a few times and checking each signature: not
/// for the runtime's threads where the message is large.
pub(super) fn verify(
    library: &MessageAuthenticator,
    message: &Message,
    keys: &Keys,
    terms: &Terms,
) -> Verified {
    let Some(mut parsed) = AuthenticatedMessage::parse(message.raw()) else { return Verified::default() };
    let mut verified = Verified { arc: arc(library, &parsed, keys, terms), ..Verified::default() };

    // The library tells faulty signatures and good ones apart and loses their order.
    let mut fields = message.values("DKIM-Signature");
    let looked_at: Vec<&[u8]> = fields.by_ref().take(terms.signatures).collect();
    verified.left_out = fields.count();
    if looked_at.is_empty() {
        return verified;
    }
    tame(&mut parsed, terms.signatures);
    let outputs = dkim_outputs(library, &parsed, keys);
    let again = without_trailing_space(message, &outputs);
    let parsed_again = again.and_then(AuthenticatedMessage::parse).map(|mut parsed| {
        tame(&mut parsed, terms.signatures);
        parsed
    });
    let outputs_again = parsed_again.as_ref().map(|parsed| dkim_outputs(library, parsed, keys));

    let mut good =
        outputs.iter().zip(outputs_again.iter().flatten().map(Some).chain(std::iter::repeat(None)));
    for value in looked_at {
        let dkim = match Signature::parse(value) {
            Err(error) => unreadable(&error),
            Ok(signature) if signature.l > 0 => Dkim {
                result: AuthResult::Policy,
                reason: Some("it covers a part of the body only (l=)".to_owned()),
                ..described(&signature)
            },
            // Signatures that can be read come back in their order.
            Ok(signature) => match good.next() {
                Some((output, again)) => judged(&signature, output, again, keys, terms),
                None => unreadable(&mail_auth::Error::ParseError),
            },
        };
        verified.dkim.push(dkim);
    }
    verified
}

/// Leaves only what should be verified, and takes out what would make the library ask more.
fn tame(parsed: &mut AuthenticatedMessage<'_>, signatures: usize) {
    parsed.dkim_headers.truncate(signatures);
    for header in &mut parsed.dkim_headers {
        // Third-party authorization (RFC 6541) is an experiment, reports (RFC 6651) are not sent.
        header.header.atps = None;
        header.header.r = false;
        // Expiry is judged here, by our clock.
        header.header.x = 0;
    }
    parsed.errors.clear();
}

fn dkim_outputs<'x>(
    library: &MessageAuthenticator,
    parsed: &'x AuthenticatedMessage<'x>,
    keys: &'x Keys,
) -> Vec<DkimOutput<'x>> {
    // All answers are there, so it never waits.
    let parameters = Parameters::new(parsed).with_txt_cache(keys);
    library.verify_dkim(parameters).now_or_never().unwrap_or_default()
}

/// The message without the lines of nothing but white space at its end, if that might make a difference:
/// relaxed canonicalization ignores them (RFC 6376 §3.4.4), and the library does not.
fn without_trailing_space<'m>(message: &'m Message, outputs: &[DkimOutput<'_>]) -> Option<&'m [u8]> {
    let is_body_hash = |result: &DkimResult| {
        matches!(
            result,
            DkimResult::Neutral(mail_auth::Error::Dkim(mail_auth::dkim::DkimError::FailedBodyHashMatch))
        )
    };
    let relaxed = |output: &DkimOutput<'_>| {
        is_body_hash(output.result()) && output.signature().is_some_and(|s| s.cb == Canonicalization::Relaxed)
    };
    if !outputs.iter().any(relaxed) {
        return None;
    }
    let body = message.body();
    let mut kept = body;
    let mut dropped_space = false;
    while let Some(line) = last_line(kept) {
        if !line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
            break;
        }
        dropped_space |= line.iter().any(|b| matches!(b, b' ' | b'\t'));
        kept = kept.get(..kept.len() - line.len())?;
    }
    dropped_space.then(|| message.raw().get(..message.body_offset() + kept.len()))?
}

/// The last line with its end; `None` if there is nothing.
fn last_line(body: &[u8]) -> Option<&[u8]> {
    let before_end = body.strip_suffix(b"\n").unwrap_or(body);
    let start = memchr::memrchr(b'\n', before_end).map_or(0, |i| i + 1);
    body.get(start..).filter(|line| !line.is_empty())
}

/// What a signature says of itself.
fn described(signature: &Signature) -> Dkim {
    let algorithm = match signature.a {
        Algorithm::RsaSha1 => "rsa-sha1",
        Algorithm::RsaSha256 => "rsa-sha256",
        Algorithm::Ed25519Sha256 => "ed25519-sha256",
    };
    let short = data_encoding::BASE64.encode(signature.b.get(..6).unwrap_or(&signature.b));
    Dkim {
        result: AuthResult::None,
        domain: text::ascii_line(&signature.d, 255).to_ascii_lowercase(),
        selector: text::ascii_line(&signature.s, 255),
        algorithm: algorithm.to_owned(),
        identity: (!signature.i.is_empty()).then(|| text::line(&signature.i, 320)),
        signature: short,
        testing: false,
        reason: None,
    }
}

fn unreadable(error: &mail_auth::Error) -> Dkim {
    let reason = text::ascii_line(&format!("it cannot be read: {error}"), MAX_REASON);
    Dkim { result: AuthResult::PermError, reason: Some(reason), ..Dkim::default() }
}

/// Our result for a signature that the library verified, or did not.
fn judged(
    signature: &Signature,
    output: &DkimOutput<'_>,
    again: Option<&DkimOutput<'_>>,
    keys: &Keys,
    terms: &Terms,
) -> Dkim {
    let key = keys::name(&signature.s, &signature.d);
    let mut dkim = Dkim { testing: keys.is_testing(&key), ..described(signature) };
    let passed = |output: &DkimOutput<'_>| *output.result() == DkimResult::Pass;
    let relaxed = signature.cb == Canonicalization::Relaxed;
    let output = again.filter(|again| relaxed && passed(again)).unwrap_or(output);
    let (result, reason) = result(output.result());
    (dkim.result, dkim.reason) = (result, reason);
    let from_is_signed = signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("From"));
    let refused = if signature.x > 0 && (signature.x <= signature.t || signature.x < terms.now) {
        Some((AuthResult::Fail, "it has expired"))
    } else if signature.a == Algorithm::RsaSha1 {
        Some((AuthResult::Policy, "rsa-sha1 proves nothing any more (RFC 8301)"))
    } else if keys.is_short(&key) {
        Some((AuthResult::Policy, "its key has fewer than 1024 bits (RFC 8301)"))
    } else if !from_is_signed {
        Some((AuthResult::Policy, "the From field is not signed"))
    } else if signature.t > terms.now.saturating_add(SKEW.as_secs()) {
        Some((AuthResult::Policy, "it is dated in the future"))
    } else {
        None
    };
    // A reason to refuse matters only where there is something to refuse.
    if let Some((instead, why)) = refused
        && (result == AuthResult::Pass || keys.is_short(&key))
    {
        (dkim.result, dkim.reason) = (instead, Some(why.to_owned()));
    }
    dkim
}

/// The library's result in the words of RFC 8601 §2.7.1.
fn result(result: &DkimResult) -> (AuthResult, Option<String>) {
    use mail_auth::dkim::DkimError;
    let reason = |error: &mail_auth::Error| Some(text::ascii_line(&error.to_string(), MAX_REASON));
    match result {
        DkimResult::Pass => (AuthResult::Pass, None),
        DkimResult::None => (AuthResult::None, None),
        // RFC 6376 §6.1.3: a body that is another is a signature that fails.
        DkimResult::Neutral(mail_auth::Error::Dkim(DkimError::FailedBodyHashMatch)) => {
            (AuthResult::Fail, Some("the body was changed".to_owned()))
        }
        DkimResult::Neutral(error) => (AuthResult::Neutral, reason(error)),
        DkimResult::Fail(error) => (AuthResult::Fail, reason(error)),
        DkimResult::PermError(error) => (AuthResult::PermError, reason(error)),
        DkimResult::TempError(error) => (AuthResult::TempError, reason(error)),
    }
}

fn arc(
    library: &MessageAuthenticator,
    parsed: &AuthenticatedMessage<'_>,
    keys: &Keys,
    terms: &Terms,
) -> Option<ArcChain> {
    let is_arc = |name: &[u8]| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"ARC-"));
    if !parsed.headers.iter().any(|(name, _)| is_arc(name)) {
        return None;
    }
    let output = library.verify_arc(Parameters::new(parsed).with_txt_cache(keys)).now_or_never()?;
    let (mut result, reason) = result(output.result());
    // RFC 8617 §4.4: a chain is none, pass or fail; what could not be looked up now may pass later.
    if !matches!(result, AuthResult::None | AuthResult::Pass | AuthResult::TempError) {
        result = AuthResult::Fail;
    }
    let sealers: Vec<String> =
        parsed.as_headers.iter().take(MAX_SETS).map(|h| h.header.d.to_ascii_lowercase()).collect();
    let sets = parsed.ams_headers.len().min(MAX_SETS + 1);
    let trusted = (result == AuthResult::Pass).then(|| believed(parsed, &sealers, terms)).flatten();
    Some(ArcChain { result, sets, sealers, trusted, reason })
}

/// The last sealer, if it is one that is believed and says that DMARC passed when the mail came to it.
fn believed(parsed: &AuthenticatedMessage<'_>, sealers: &[String], terms: &Terms) -> Option<String> {
    let last = sealers.last()?;
    let is_trusted = terms.trusted_sealers.iter().any(|trusted| trusted.eq_ignore_ascii_case(last));
    let results = parsed.aar_headers.iter().max_by_key(|h| h.header.i)?.value;
    let said = String::from_utf8_lossy(results).to_ascii_lowercase();
    let passed = said.split(';').any(|part| part.split_whitespace().next() == Some("dmarc=pass"));
    (is_trusted && passed).then(|| last.clone())
}
