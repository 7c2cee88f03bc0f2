//! Look-ups on the net: where short links lead, and what DNS block lists say. Off unless configured.
//!
//! **Contract.** [`Asks::follow`] asks known shorteners where their links lead and returns each step;
//! [`Asks::listed`] asks block lists about hosts and addresses and returns what is listed. Both end by the
//! deadline with what they have, ask no more than their budget, and never wait for somebody who keeps failing.
//! Nothing is judged here.
//!
//! **Who is asked.** Over HTTP only hosts that [`crate::link::shared`] knows as shorteners: what a short link leads
//! to is reported and never visited, so no link of a stranger makes this machine connect anywhere else. Never a
//! link by which a recipient unsubscribes or that holds his token ([`Spared`], [`Written`]). A shortener's name is resolved
//! once for each message; all of its addresses must be public ([`crate::net::is_public`]), and only those are
//! connected to, at ports 80 and 443, without proxy, cookies or referrer; redirects are read and looked at here.
//! The question is HEAD; only who answers 405 or 501, as servers do that know no HEAD, is asked by GET, and no body
//! is read. See `guard`.
//!
//! **What an answer is worth.** A list says with certain codes that we may not ask. Such a code is no listing: the
//! list is left alone for a while, and log, metric and [`Asks::health`] say it. Nor is anything believed of a list
//! that lists what must never be listed (RFC 5782 §5), or of a resolver that answers with addresses of its own.
//!
//! **Failures.** None to the caller. What was not asked or not answered is in [`Followed::unasked`] and
//! [`Listed::unasked`], each with its reason ([`Why`]), of which [`Why::is_gap`] says whether something is
//! missing in the judgement.
//!
//! Where to find what: who must not be asked [`spared`], for what stands
//! beside a link `beside`, hops `follow`, HTTP `web`, what may be connected to
//! `guard`, answers kept `cache`; the lists and their codes [`list`], asking them `listed`.

mod beside;
mod cache;
mod follow;
mod guard;
pub mod list;
mod listed;
mod settings;
pub mod spared;
#[cfg(test)]
mod tests;
mod web;
mod why;

use std::sync::Arc;

pub use beside::Written;
pub use follow::{Followed, NotFollowed, Step};
pub use guard::Refused;
pub use list::{List, What};
pub use listed::{Listed, Listing, NotAsked};
pub use settings::Settings;
pub use spared::Spared;
pub use web::WebError;
pub use why::Why;

use self::follow::Follower;
use self::guard::Guard;
use self::listed::Publishers;
use crate::dns::Resolver;
use crate::scan::Health;
use crate::telemetry::{Clock, Metrics};

/// Asks on the net about what stands in mail.
#[derive(Debug)]
pub struct Asks {
    settings: Settings,
    /// `None` where short links are not followed.
    follower: Option<Follower>,
    publishers: Publishers,
}

/// Look-ups cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client that asks shorteners cannot be set up: {0}")]
pub struct SetupError(String);

impl Asks {
    /// Asks as `settings` say, names and lists by way of `resolver`. Nothing is asked yet.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn new(
        settings: Settings,
        resolver: Arc<Resolver>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        Self::guarded(settings, resolver, metrics, clock, Guard::strict())
    }

    fn guarded(
        settings: Settings,
        resolver: Arc<Resolver>,
        metrics: Arc<Metrics>,
        clock: Clock,
        guard: Guard,
    ) -> Result<Self, SetupError> {
        let follower = settings
            .unshorten
            .then(|| {
                Follower::new(&settings, Arc::clone(&resolver), Arc::clone(&metrics), clock.clone(), guard)
            })
            .transpose()?;
        let publishers = Publishers::new(&settings, resolver, metrics, clock);
        Ok(Self { settings, follower, publishers })
    }

    /// How it asks. Two of equal settings are alike, so that a reload that changes nothing keeps the one there is.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether short links are followed.
    #[must_use]
    pub const fn follows(&self) -> bool {
        self.follower.is_some()
    }

    /// Whether any block list is asked.
    #[must_use]
    pub const fn has_lists(&self) -> bool {
        !self.settings.lists.is_empty()
    }

    /// Whether those that are asked let us ask: what is wrong with block lists.
    #[must_use]
    pub fn health(&self) -> Health {
        let sentences = self.publishers.complaints();
        if sentences.is_empty() { Health::Up } else { Health::Degraded(sentences.join("; ")) }
    }
}
