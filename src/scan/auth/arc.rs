//! ARC sets (RFC 8617), verified by mail-auth with keys that were fetched before.

use futures_util::FutureExt;
use mail_auth::arc::{Seal, Signature};
use mail_auth::{AuthenticatedMessage, MessageAuthenticator, Parameters};

use super::keys::{self, Keys};
use super::signed::{Terms, result};
use crate::model::authentication::ArcChain;
use crate::model::{AuthResult, Message};

/// RFC 8617 §4.2.1: a chain has at most this many sets.
const MAX_SETS: usize = 50;

/// The names of the keys that a chain needs; empty if there is none, or one that is too long.
pub(super) fn keys_of(message: &Message) -> Vec<String> {
    let seals: Vec<_> = message.values("ARC-Seal").take(MAX_SETS + 1).collect();
    if seals.is_empty() || seals.len() > MAX_SETS {
        return Vec::new();
    }
    let mut names: Vec<String> =
        seals.into_iter().filter_map(|v| Seal::parse(v).ok()).map(|s| keys::name(&s.s, &s.d)).collect();
    // Only the last set's message signature is verified.
    let sets = message.values("ARC-Message-Signature").take(MAX_SETS);
    let last = sets.filter_map(|v| Signature::parse(v).ok()).max_by_key(|s| s.i);
    names.extend(last.map(|s| keys::name(&s.s, &s.d)));
    names
}

/// Verifies the chain; `None` where there is no ARC field.
pub(super) fn verify(
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
