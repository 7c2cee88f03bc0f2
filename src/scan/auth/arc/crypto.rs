//! What a chain's signatures cover, and whether they hold (RFC 8617 §5.2 steps 4 and 6).

use super::super::dkim::body::BodyHashes;
use super::super::dkim::fields::{Fields, relaxed};
use super::super::dkim::key::Refusal;
use super::super::dkim::{BODY_CHANGED, HEADER_CHANGED, SKEW};
use super::super::keys::{self, Keys};
use super::chain::{Chain, Field, MessageSignature, Set, Signature};
use crate::model::Message;

/// How checking a signature ended; why, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Good,
    Bad(String),
    /// Its key could not be looked up.
    Unknown(String),
}

/// Whether a message signature holds for this message.
pub(super) fn message_signature(
    message: &Message,
    bodies: &BodyHashes<'_>,
    signature: &MessageSignature<'_>,
    keys: &Keys,
    now: u64,
) -> Checked {
    let bad = |why: &str| Checked::Bad(why.to_owned());
    if signature.expires.is_some_and(|x| x < now || signature.time.is_some_and(|t| x <= t)) {
        return bad("it has expired (x=)");
    }
    if signature.time.is_some_and(|t| t > now.saturating_add(SKEW.as_secs())) {
        return bad("it is dated in the future (t=)");
    }
    if *bodies.get(signature.body) != *signature.body_hash {
        return bad(BODY_CHANGED);
    }
    let own = &signature.signature;
    let mut input = Vec::new();
    let (names, emptied) = (signature.names.clone(), own.emptied.clone());
    Fields::new(message).signed(own.field.index, names, emptied, signature.header, &mut input);
    holds(own, &input, keys)
}

/// A field that a message signature covers, and beside which the message has another that it does not cover.
pub(super) fn beside(message: &Message, signature: &MessageSignature<'_>) -> Option<&'static str> {
    Fields::new(message).beside(signature.signature.field.index, signature.names.clone())
}

/// Whether each seal holds, first to last. A seal covers all sets up to its own, each as results,
/// message signature and seal, and its own without `b=` (§5.1.1).
pub(super) fn seals(chain: &Chain<'_>, keys: &Keys) -> Vec<Checked> {
    let mut input = Vec::new();
    let line = |field: Field<'_>, input: &mut Vec<u8>| {
        relaxed(field.name, field.value, &[], input);
        input.extend_from_slice(b"\r\n");
    };
    let check = |set: &Set<'_>| {
        line(set.results, &mut input);
        line(set.signature.signature.field, &mut input);
        let before = input.len();
        let Signature { field, emptied, .. } = &set.seal;
        let start = field.value.get(..emptied.start).unwrap_or_default();
        let end = field.value.get(emptied.end..).unwrap_or_default();
        relaxed(field.name, start, end, &mut input);
        let checked = holds(&set.seal, &input, keys);
        input.truncate(before);
        line(*field, &mut input);
        checked
    };
    chain.sets.iter().map(check).collect()
}

/// Whether one of the keys that a signature names made it for `input`.
fn holds(signature: &Signature<'_>, input: &[u8], keys: &Keys) -> Checked {
    let name = keys::name(&signature.selector, &signature.domain);
    let found = match keys.get(&name) {
        Ok(found) => found,
        Err(fault) if fault.is_temporary() => return Checked::Unknown(format!("{name} {fault}")),
        Err(fault) => return Checked::Bad(format!("{name} {fault}")),
    };
    let mut refusal = Refusal::Mismatch;
    for key in found {
        match key.verify(signature.algorithm, input, &signature.bytes) {
            Ok(()) => return Checked::Good,
            Err(why) => refusal = why,
        }
    }
    Checked::Bad(match refusal {
        Refusal::Mismatch => HEADER_CHANGED.to_owned(),
        Refusal::OtherAlgorithm => "the key is for another algorithm (a=, k=)".to_owned(),
        Refusal::TooShort => "its key has fewer than 1024 bits (RFC 8301)".to_owned(),
        Refusal::TooLong => "its key has more than 4096 bits (RFC 8301)".to_owned(),
    })
}
