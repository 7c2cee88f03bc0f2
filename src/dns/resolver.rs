//! Who answers all questions about mail: servers, or a file instead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::cache::Key;
use super::live::Live;
use super::{DnsError, Found, Zone, name};
use crate::telemetry::Metrics;

/// Where the system names its servers.
const SYSTEM: &str = "/etc/resolv.conf";

/// How the DNS is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers in the order in which they are asked; empty: those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long one server gets for one answer.
    pub timeout: Duration,
    /// How often a question is asked before it has failed, at least once.
    pub attempts: u32,
    /// The most answers that are kept; 0: none is.
    pub cache: u64,
}

impl Settings {
    /// The servers, or why there are none.
    ///
    /// Reads the system's list, which blocks for a moment.
    ///
    /// # Errors
    /// If the system's list cannot be read, as a sentence.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if !self.servers.is_empty() {
            return Ok(self.servers.clone());
        }
        // The library reads the addresses; `options`, `domain` and `search` in it are for people's names.
        let (found, _) = hickory_resolver::system_conf::read_system_conf().map_err(|error| {
            format!(
                "the system's DNS servers cannot be found in {SYSTEM} ({error}); name some in dns.servers"
            )
        })?;
        Ok(found.name_servers().iter().map(|server| SocketAddr::new(server.ip, 53)).collect())
    }
}

/// Answers questions.
#[derive(Debug)]
pub struct Resolver {
    source: Source,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
enum Source {
    Servers(Arc<Live>),
    File(Box<Zone>),
}

impl Resolver {
    /// A resolver that asks servers. Where the system's list is to be used and cannot be read there is nobody to
    /// ask: every question fails, [`Self::down`] says why, and the list is read again until it names some. Reads
    /// that list: blocks for a moment.
    #[must_use]
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        let list = {
            let settings = settings.clone();
            move || settings.addresses()
        };
        let live = Live::new(settings, Box::new(list), Arc::clone(&metrics));
        Self { source: Source::Servers(Arc::new(live)), metrics }
    }

    /// A resolver that asks nobody and answers from a file.
    #[must_use]
    pub fn of_zone(zone: Zone, metrics: Arc<Metrics>) -> Self {
        Self { source: Source::File(Box::new(zone)), metrics }
    }

    /// Whether these settings mean the servers that are asked: the system's list may have changed since. One that
    /// cannot be read now has not.
    #[must_use]
    pub fn asks_those_of(&self, settings: &Settings) -> bool {
        match &self.source {
            Source::Servers(live) => settings.addresses().map_or(true, |now| live.asks(&now)),
            Source::File(_) => true,
        }
    }

    /// Finds out in the background whether the DNS answers, and logs it if not. Needs a runtime.
    pub fn watch(&self) {
        if let Source::Servers(live) = &self.source {
            live.suspect();
        }
    }

    /// Why no question is answered; `None` while the DNS works, or nobody knows otherwise.
    #[must_use]
    pub fn down(&self) -> Option<String> {
        match &self.source {
            Source::Servers(live) => live.down(),
            Source::File(_) => None,
        }
    }

    pub(super) async fn records(&self, key: Key) -> Found {
        match &self.source {
            Source::File(zone) => zone.records(&key.0, key.1).map(Into::into),
            Source::Servers(live) => match name::known(&key.0, key.1) {
                Some(known) => known,
                None => live.answer(key).await,
            },
        }
    }

    pub(super) fn count(&self, answer: Result<(), &DnsError>) {
        let label = answer.map_or_else(DnsError::label, |()| "found");
        self.metrics.dns_questions.with_label_values(&[label]).inc();
    }
}
