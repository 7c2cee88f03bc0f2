//! What is signed in a message: DKIM and ARC, read before their keys are asked for, and verified over the same
//! hashes of the body.

use std::collections::HashSet;

use super::dkim::body::BodyHashes;
use super::keys::{KeyFault, Keys};
use super::{arc, dkim};
use crate::model::authentication::{ArcChain, Dkim};
use crate::model::{AuthResult, Message};

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
    /// The names of the keys that are needed.
    pub(super) names: Names,
}

/// The names of keys, each once, by what hangs on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Of signatures in the name of the author's domain, one above or one below it.
    pub(super) near: Vec<String>,
    /// Of other signatures; those that have the author's last two labels first, as they may be aligned.
    pub(super) others: Vec<String>,
    /// Of a chain.
    pub(super) arc: Vec<String>,
}

/// Reads what claims to be signed; `None` where nothing does.
///
/// `authors` are the domains that may be the author's, by which keys are told apart.
pub(super) fn read(message: &Message, terms: &Terms, authors: &[&str]) -> Option<Claims> {
    let dkim = dkim::read(message, terms.signatures, terms.now);
    let has_arc = message.fields().any(|(name, _)| arc::is_field(name));
    let chain = if has_arc { arc::keys_of(message) } else { Vec::new() };
    let names = Names::new(dkim.keys(), chain, authors);
    (has_arc || !dkim.is_empty()).then_some(Claims { dkim, has_arc, names })
}

impl Names {
    fn new<'a>(dkim: impl Iterator<Item = (&'a str, String)>, arc: Vec<String>, authors: &[&str]) -> Self {
        let is_near = |domain: &str| authors.iter().any(|a| is_or_below(a, domain) || is_or_below(domain, a));
        let is_beside = |domain: &str| authors.iter().any(|author| is_or_below(domain, last_two(author)));
        let (near, mut others): (Vec<_>, Vec<_>) = dkim.partition(|(domain, _)| is_near(domain));
        others.sort_by_key(|(domain, _)| !is_beside(domain));
        let mut seen = HashSet::new();
        let mut once = |names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| seen.insert(name.clone())).collect()
        };
        let names = |keys: Vec<(&str, String)>| keys.into_iter().map(|(_, name)| name).collect();
        Self { near: once(names(near)), others: once(names(others)), arc: once(arc) }
    }
}

/// Whether `domain` is `of` or below it.
fn is_or_below(domain: &str, of: &str) -> bool {
    domain.strip_suffix(of).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The last two labels of a domain.
fn last_two(domain: &str) -> &str {
    let before = domain.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    domain.get(before..).unwrap_or(domain)
}

impl Claims {
    /// Verifies everything. Takes as long as hashing the body once or twice and checking each signature:
    /// not for the runtime's threads where the message is large.
    pub(super) fn verify(self, message: &Message, keys: &Keys, terms: &Terms) -> Verified {
        let bodies = BodyHashes::new(message.body());
        let left_out = self.dkim.left_out;
        let dkim = self.dkim.verify(message, &bodies, keys);
        let mut arc = if self.has_arc { arc::verify(message, &bodies, keys, terms) } else { None };
        if let Some(arc) = arc.as_mut().filter(|arc| arc.result == AuthResult::TempError) {
            let is_over = |name: &String| keys.get(name).is_err_and(|fault| KeyFault::is_over_budget(&fault));
            arc.over_budget = self.names.arc.iter().any(is_over);
        }
        Verified { dkim, left_out, arc }
    }
}
