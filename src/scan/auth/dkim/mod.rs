//! DKIM signatures (RFC 6376, 8301, 8463): read, and verified with keys that were fetched in between.
//!
//! **Contract.** Each signature has one result, in the order of the message. `pass` says: the From field is
//! signed, the whole body is signed, by a key of 1,024 to 4,096 bits or Ed25519, with SHA-256, not expired and
//! not dated in the future, and no second From, Subject, To … stands beside the one that is signed. A signature that lacks one of these is `policy`, whether it verifies or not; it costs
//! no hash, and where the key need not be known for it no question.
//!
//! A key that is published as a test (`t=y`) is told of. RFC 6376 §3.6.1 wants its mail treated as unsigned
//! mail is: a failure is no finding. A pass stays one, against the letter of that section: many domains never
//! take the flag out again, and whoever signed had the key.
//!
//! **Failures.** What cannot be read, or has no key, is `permerror`; where the key could not be fetched now,
//! `temperror`. Nothing in a message makes it costly: a number of signatures is looked at, the body is hashed once
//! for each canonical form, no signature covers a field twice, and large keys are not computed with.
//!
//! Where to find what: a signature [`signature`], a key record [`key`], both lists of [`tags`] with a [`value`] each;
//! what is signed [`fields`] and [`body`]. ARC, which is made of the same parts, uses them too.

pub(super) mod body;
pub(super) mod fields;
pub(super) mod key;
pub(super) mod signature;
pub(super) mod tags;
pub(super) mod value;

use std::time::Duration;

use self::body::BodyHashes;
use self::fields::Fields;
use self::key::{Key, Refusal};
use self::signature::{Algorithm, Signature};
use super::keys::{self, Keys};
use crate::model::authentication::Dkim;
use crate::model::{AuthResult, Message};

/// Clocks differ; further ahead than this a signature is dated in the future.
pub(super) const SKEW: Duration = Duration::from_mins(15);

pub(super) const BODY_CHANGED: &str = "the body hash does not match the body: it was changed on the way";
pub(super) const HEADER_CHANGED: &str = "the signature does not match the signed fields: one was changed on the way, or another \
                              key signed them";

/// Why a signature is not accepted that covers fewer fields of this name than there are.
pub(super) fn not_alone(name: &str) -> String {
    format!(
        "the message has more {name} fields than it covers, and the one that is shown may be another (RFC 6376 section 8.15)"
    )
}

/// The signatures of a message, read and not yet verified.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    claims: Vec<Claim>,
    /// Signatures beyond the number that is looked at.
    pub(super) left_out: usize,
}

/// One signature.
#[derive(Clone, Debug)]
struct Claim {
    /// What is told of it, and its result once that is known.
    told: Dkim,
    /// What is still to be verified: the index of its field and what it says.
    open: Option<(usize, Signature)>,
}

/// Reads the first `most` signatures and judges what can be judged without a key. `now` in seconds since 1970.
pub(super) fn read(message: &Message, most: usize, now: u64) -> Claims {
    let is_signature = |name: &[u8]| name.trim_ascii_end().eq_ignore_ascii_case(b"DKIM-Signature");
    let mut fields = message.fields().enumerate().filter(|(_, (name, _))| is_signature(name));
    let claims = fields.by_ref().take(most).map(|(index, (_, value))| claim(index, value, now)).collect();
    Claims { claims, left_out: fields.count() }
}

fn claim(index: usize, value: &[u8], now: u64) -> Claim {
    let (told, read) = signature::read(value);
    let (result, reason) = match read {
        Ok(signature) => match refused(&signature, now) {
            None => return Claim { told, open: Some((index, signature)) },
            Some((result, reason)) => (result, reason.to_owned()),
        },
        Err(error) => (AuthResult::PermError, error.to_string()),
    };
    Claim { told: Dkim { result, reason: Some(reason), ..told }, open: None }
}

/// Why a signature does not count, whoever made it.
fn refused(signature: &Signature, now: u64) -> Option<(AuthResult, &'static str)> {
    if signature.algorithm == Algorithm::RsaSha1 {
        // RFC 8301 §3.1: it must not be verified.
        Some((AuthResult::Policy, "rsa-sha1 proves nothing any more (RFC 8301)"))
    } else if !signature.signs_from {
        Some((AuthResult::Policy, "the From field is not signed (RFC 6376 section 5.4)"))
    } else if signature.is_partial {
        // RFC 6376 §8.2: what is added below would count as signed.
        Some((AuthResult::Policy, "it covers a part of the body only (l=)"))
    } else if signature.expires.is_some_and(|x| x < now) {
        // RFC 6376 §3.5: it may be considered invalid, and who sets x= asks for that. It is not false.
        Some((AuthResult::Policy, "it has expired (x=)"))
    } else if signature.signed_at.is_some_and(|t| t > now.saturating_add(SKEW.as_secs())) {
        // RFC 6376 §3.5: it may be ignored.
        Some((AuthResult::Policy, "it is dated in the future (t=)"))
    } else {
        None
    }
}

impl Claims {
    /// There is no signature at all.
    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// The domains and names of the keys that are needed.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, String)> {
        let open = self.claims.iter().filter_map(|claim| claim.open.as_ref());
        open.map(|(_, s)| (&*s.domain, keys::name(&s.selector, &s.domain)))
    }

    /// Verifies what is still open. Takes as long as hashing the body once or twice and a look at each key: not
    /// for the runtime's threads where the message is large.
    pub(super) fn verify(self, message: &Message, bodies: &BodyHashes<'_>, keys: &Keys) -> Vec<Dkim> {
        let mut fields = None;
        let mut signed = Vec::new();
        let mut verified = |claim: Claim| {
            let Some((index, signature)) = claim.open else { return claim.told };
            let fields = fields.get_or_insert_with(|| Fields::new(message));
            let attempt = Attempt { index, signature: &signature, fields, bodies };
            let verdict = attempt.verify(keys, &mut signed);
            let Verdict { result, reason, testing, over_budget } = verdict;
            Dkim { result, reason, testing, over_budget, ..claim.told }
        };
        self.claims.into_iter().map(&mut verified).collect()
    }
}

/// One signature against its keys.
struct Attempt<'a, 'm> {
    index: usize,
    signature: &'a Signature,
    fields: &'a Fields<'m>,
    bodies: &'a BodyHashes<'m>,
}

struct Verdict {
    result: AuthResult,
    reason: Option<String>,
    testing: bool,
    over_budget: bool,
}

impl Verdict {
    fn new(result: AuthResult, reason: impl ToString) -> Self {
        Self { result, reason: Some(reason.to_string()), testing: false, over_budget: false }
    }
}

impl Attempt<'_, '_> {
    fn verify(&self, keys: &Keys, signed: &mut Vec<u8>) -> Verdict {
        let name = keys::name(&self.signature.selector, &self.signature.domain);
        match keys.get(&name) {
            Ok(keys) => self.with_keys(keys, signed),
            Err(fault) if fault.is_temporary() => {
                let over_budget = fault.is_over_budget();
                Verdict { over_budget, ..Verdict::new(AuthResult::TempError, fault) }
            }
            Err(fault) => Verdict::new(AuthResult::PermError, fault),
        }
    }

    fn with_keys(&self, keys: &[Key], signed: &mut Vec<u8>) -> Verdict {
        let signature = self.signature;
        let testing = keys.iter().any(|key| key.testing);
        let failed = |result, reason: &str| Verdict { testing, ..Verdict::new(result, reason) };
        let refused: Vec<_> = keys.iter().map(|key| self.refused(key)).collect();
        if let Some(verdict) = refused.iter().flatten().last()
            && refused.iter().all(Option::is_some)
        {
            return failed(verdict.0, verdict.1);
        }
        if let Some(name) = self.fields.beside(self.index, signature.names.clone()) {
            // RFC 6376 §3.8: what breaks RFC 5322 in this way should not be verified. The signature may be right, and
            // be about another field than the one that people see.
            return failed(AuthResult::Policy, &not_alone(name));
        }
        if *self.bodies.get(signature.body) != *signature.body_hash {
            return failed(AuthResult::Fail, BODY_CHANGED);
        }
        let (names, emptied) = (signature.names.clone(), signature.signature_at.clone());
        self.fields.signed(self.index, names, emptied, signature.header, signed);
        let fits = |key: &Key| key.verify(signature.algorithm, signed, &signature.signature).is_ok();
        // RFC 6376 §6.1.2, step 4: where there are several keys, any of them may be it.
        let mut candidates = keys.iter().zip(refused).filter(|(_, refused)| refused.is_none());
        match candidates.find(|(key, _)| fits(key)) {
            Some((key, _)) => {
                Verdict { result: AuthResult::Pass, reason: None, testing: key.testing, over_budget: false }
            }
            None => failed(AuthResult::Fail, HEADER_CHANGED),
        }
    }

    /// Why a key cannot verify this signature, whatever it is over.
    fn refused(&self, key: &Key) -> Option<(AuthResult, &'static str)> {
        let is_below = |identity: &String| *identity != self.signature.domain;
        if key.strict && self.signature.identity_domain.as_ref().is_some_and(is_below) {
            return Some((AuthResult::PermError, "its i= is below its d=, which the key forbids (t=s)"));
        }
        match key.admits(self.signature.algorithm) {
            Ok(()) | Err(Refusal::Mismatch) => None,
            Err(Refusal::OtherAlgorithm) => {
                Some((AuthResult::PermError, "the key is for another algorithm (a=, k=)"))
            }
            Err(Refusal::TooShort) => {
                Some((AuthResult::Policy, "its key has fewer than 1024 bits (RFC 8301)"))
            }
            Err(Refusal::TooLong) => Some((AuthResult::Policy, "its key has more than 4096 bits (RFC 8301)")),
        }
    }
}
