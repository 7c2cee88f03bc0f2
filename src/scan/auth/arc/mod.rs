//! The chain of those who passed a message on (RFC 8617), and whether what it tells is believed.
//!
//! **Contract.** [`verify`] answers `none` without ARC fields (then there is nothing at all), and else
//! `pass`, `fail` or `temperror`, by the steps of §5.2: at most 50 sets, each with one field of each kind,
//! numbered from 1 without gaps; `cv=none` in the first and `cv=pass` in all others; the last set's
//! message signature; every seal. It reads the fields that the rest of mailward sees, and by the
//! grammar: a tag that stands twice, an algorithm that proves nothing, a key that is too short or a signature
//! that leaves out From is a chain that fails. What a signature is made of is read and computed by [`dkim`](super::dkim). What §5.2 leaves open – which earlier message signatures still
//! hold (`oldest-pass`) – is not looked at: nothing here depends on it.
//!
//! **Whom to believe.** A chain that passes says only that the sealers said what stands there, and
//! anybody can seal. So it counts for something only where the *last* sealer is one of `trusted_sealers`:
//! he vouches for what came to him. See [`believed`] for how far down that reaches and what must be said.
//!
//! **Failures.** A key that could not be looked up is `temperror`, unless something else fails anyway.
//! Nothing is done for more than 50 sets but counting them, and the work on fields is linear in their size, for at
//! most [`MAX_FIELD`] bytes each.

mod believed;
mod chain;
mod crypto;

use self::chain::{Chain, Fault};
use self::crypto::Checked;
use super::dkim::body::BodyHashes;
use super::keys::{self, Keys};
use super::signed::Terms;
use crate::model::authentication::ArcChain;
use crate::model::{AuthResult, Message, text};

/// §4.2.1: a chain has at most this many sets.
const MAX_SETS: usize = 50;
/// Longer fields are a chain that fails: seals and signatures take one kilobyte, results a few.
const MAX_FIELD: usize = 16 * 1024;
/// The longest reason that is kept.
const MAX_REASON: usize = 160;

/// Whether a field is one of a chain.
pub(super) fn is_field(name: &[u8]) -> bool {
    chain::Kind::of(name).is_some()
}

/// The names of the keys that a chain needs; empty where there is none, or one that fails without them.
pub(super) fn keys_of(message: &Message) -> Vec<String> {
    let Some(Ok(chain)) = Chain::read(message) else { return Vec::new() };
    let signatures = chain.sets.iter().map(|set| &set.seal);
    let last = chain.sets.last().map(|set| &set.signature.signature);
    signatures.chain(last).map(|s| keys::name(&s.selector, &s.domain)).collect()
}

/// Verifies the chain; `None` where there is no ARC field. Takes as long as
/// checking each seal, and hashing the body if DKIM did not in the same form.
pub(super) fn verify(
    message: &Message,
    bodies: &BodyHashes<'_>,
    keys: &Keys,
    terms: &Terms,
) -> Option<ArcChain> {
    let mut told = ArcChain { result: AuthResult::Fail, ..ArcChain::default() };
    let chain = match Chain::read(message)? {
        Ok(chain) => chain,
        Err(fault) => {
            told.sets = fault.sets();
            told.reason = Some(text::ascii_line(&fault.to_string(), MAX_REASON));
            return Some(told);
        }
    };
    told.sets = chain.sets.len();
    told.sealers = chain.sets.iter().map(|set| set.seal.domain.clone()).collect();
    (told.result, told.reason) = match check(message, bodies, &chain, keys, terms) {
        Checked::Good => (AuthResult::Pass, None),
        Checked::Unknown(why) => (AuthResult::TempError, Some(why)),
        Checked::Bad(why) => (AuthResult::Fail, Some(why)),
    };
    told.reason = told.reason.map(|why| text::ascii_line(&why, MAX_REASON));
    if told.result == AuthResult::Pass {
        told.trusted = terms
            .author
            .as_deref()
            .and_then(|author| believed::believed(&chain, author, &terms.trusted_sealers))
            .filter(|_| is_as_sealed(message, &chain));
    }
    Some(told)
}

/// Whether no second Subject and the like was put on top of what the last sealer signed. The chain passes all the same,
/// as §5.2 does not ask; but what he said was of another message than people see.
fn is_as_sealed(message: &Message, chain: &Chain<'_>) -> bool {
    chain.sets.last().is_some_and(|last| crypto::beside(message, &last.signature).is_none())
}

/// §5.2 from step 4: the last message signature, then the seals.
fn check(
    message: &Message,
    bodies: &BodyHashes<'_>,
    chain: &Chain<'_>,
    keys: &Keys,
    terms: &Terms,
) -> Checked {
    let Some(last) = chain.sets.last() else { return Checked::Bad(Fault::Incomplete(1).to_string()) };
    let signature = crypto::message_signature(message, bodies, &last.signature, keys, terms.now);
    if let Checked::Bad(why) = signature {
        return Checked::Bad(format!("the message signature of set {}: {why}", chain.sets.len()));
    }
    let mut unknown = match signature {
        Checked::Unknown(why) => Some(why),
        _ => None,
    };
    for (i, checked) in crypto::seals(chain, keys).into_iter().enumerate() {
        match checked {
            Checked::Good => {}
            Checked::Unknown(why) => unknown = unknown.or(Some(why)),
            Checked::Bad(why) => return Checked::Bad(format!("the seal of set {}: {why}", i + 1)),
        }
    }
    unknown.map_or(Checked::Good, Checked::Unknown)
}
