//! What is signed in a message: DKIM and ARC, read before their keys are asked for, and verified over the same
//! hashes of the body.

use super::dkim::body::BodyHashes;
use super::keys::Keys;
use super::{arc, dkim};
use crate::model::Message;
use crate::model::authentication::{ArcChain, Dkim};

/// What is verified, and with which limits.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The most DKIM signatures that are looked at, from the top.
    pub(super) signatures: usize,
    /// Sealers whose chain is believed.
    pub(super) trusted_sealers: Vec<String>,
    /// The domain that people see, if there is exactly one.
    pub(super) author: Option<String>,
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
    let claims = Claims {
        dkim: dkim::read(message, terms.signatures, terms.now),
        has_arc: message.fields().any(|(name, _)| arc::is_field(name)),
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
    pub(super) fn verify(self, message: &Message, keys: &Keys, terms: &Terms) -> Verified {
        let bodies = BodyHashes::new(message.body());
        let left_out = self.dkim.left_out;
        let dkim = self.dkim.verify(message, &bodies, keys);
        let arc = if self.has_arc { arc::verify(message, &bodies, keys, terms) } else { None };
        Verified { dkim, left_out, arc }
    }
}
