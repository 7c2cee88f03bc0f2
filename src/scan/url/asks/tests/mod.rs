//! Asking a real HTTP server and a real DNS server on loopback, which try what they can.

#[allow(dead_code, unused_imports, reason = "other tests use the rest")]
#[path = "../../../../../tests/mta/dns/mod.rs"]
mod dns;
mod lists;
mod short_links;
mod shortener;
mod tricks;
mod unsubscribe;
mod wired;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::Dns;

use super::guard::Guard;
use super::*;
use crate::link::Link;
use crate::mail::links::{Found, Place, Source};
use crate::model::Timestamp;

/// What asks in a test, and what it asks by.
struct Asking {
    asks: Asks,
    /// Answers as long as it is held.
    dns: Dns,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// By way of `dns`, and connecting to what `guard` lets through.
fn asking(settings: Settings, dns: Dns, guard: Guard) -> Asking {
    asking_with_cache(settings, dns, guard, 1000)
}

/// With room for so many DNS answers.
fn asking_with_cache(settings: Settings, dns: Dns, guard: Guard, cache: u64) -> Asking {
    drop(rustls::crypto::ring::default_provider().install_default());
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::held(Timestamp::from_millis(1_790_000_000_000));
    let by = crate::dns::Settings {
        servers: vec![dns.address()],
        timeout: Duration::from_secs(1),
        attempts: 1,
        cache,
    };
    let resolver = Arc::new(Resolver::new(&by, Arc::clone(&metrics)));
    let asks = Asks::guarded(settings, resolver, Arc::clone(&metrics), clock.clone(), guard).unwrap();
    Asking { asks, dns, metrics, clock }
}

impl Asking {
    async fn follow(&self, links: &[&str]) -> Followed {
        self.asks.follow(&found(links), &Spared::default(), soon()).await
    }

    fn counted(&self, service: &str, result: &str) -> u64 {
        self.metrics.url_lookups.with_label_values(&[service, result]).get()
    }
}

fn unshortening() -> Settings {
    Settings { unshorten: true, timeout: Duration::from_secs(10), ..Settings::default() }
}

fn found(links: &[&str]) -> Vec<Found> {
    links.iter().map(|text| one(text, Source::Href, "")).collect()
}

fn one(text: &str, source: Source, shown: &str) -> Found {
    Found {
        link: link(text),
        place: Place::Part(0),
        source,
        shown: shown.to_owned(),
        written: text.to_owned(),
    }
}

fn link(text: &str) -> Link {
    Link::parse(text).unwrap()
}

fn step(from: &str, to: &str) -> Step {
    Step { from: link(from), to: link(to), written: to.to_owned() }
}

/// Later than any test that works.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}
