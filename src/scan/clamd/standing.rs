//! What is known of clamd between messages: whether it answers, what it refused, how old its signatures are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::error::AskError;
use super::version::Version;
use super::{STALE, Settings};
use crate::model::{ByteSize, Timestamp};
use crate::net;
use crate::net::address::Server;
use crate::scan::Health;
use crate::telemetry::{Clock, Metrics};

/// For how long a message that clamd refused for its size is told of.
const REFUSED_FOR: Duration = Duration::from_secs(24 * 3600);
const DAY: u64 = 24 * 3600;

/// What is known of one clamd.
#[derive(Debug)]
pub(super) struct Known {
    server: Server,
    max_size: ByteSize,
    clock: Clock,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    /// Asks for its version before it is due.
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    version: Option<Version>,
    /// Why it does not work; gone with its next good answer.
    trouble: Option<Trouble>,
    /// The size of the smallest message that it refused as too large, and when it last did.
    refused: Option<(u64, Timestamp)>,
}

#[derive(Debug)]
struct Trouble {
    what: String,
    /// It can be spoken to; what fails is looking at mail.
    with_mail: bool,
}

impl Known {
    pub(super) fn new(settings: &Settings, clock: Clock, metrics: Arc<Metrics>) -> Self {
        metrics.clamd_database_age.set(0);
        Self {
            server: settings.server.clone(),
            max_size: settings.max_size,
            clock,
            metrics,
            state: Mutex::default(),
            wake: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It did not do what it should. Logged where that is news.
    pub(super) fn fails(&self, error: &AskError) {
        let what = error.to_string();
        let mut state = self.lock();
        let is_news = state.trouble.as_ref().is_none_or(|before| before.what != what);
        if is_news {
            tracing::warn!(server = %self.server, error = what, "clamd does not answer as it should");
        }
        state.trouble = Some(Trouble { what, with_mail: error.is_connected() });
    }

    /// It does what it should.
    pub(super) fn answers(&self) {
        let before = self.lock().trouble.take();
        if before.is_some() {
            tracing::info!(server = %self.server, "clamd answers again");
            // It may come back with other signatures.
            self.wake.notify_one();
        }
    }

    /// It refused a message of this size, within our own limit. What to tell of it.
    pub(super) fn refuses(&self, size: u64) -> String {
        let now = self.clock.now();
        let mut state = self.lock();
        let smallest = state.refused.map_or(size, |(before, _)| before.min(size));
        let is_news = state.refused.is_none();
        state.refused = Some((smallest, now));
        drop(state);
        let text = self.too_large(size);
        if is_news {
            tracing::warn!(server = %self.server, "{text}");
        }
        text
    }

    fn too_large(&self, size: u64) -> String {
        format!(
            "clamd did not look at a message of {size} bytes: its StreamMaxLength is lower than scanner.clamd.max_size, {}; \
             raise the one or lower the other",
            self.max_size
        )
    }

    /// It looked at a message of this size.
    pub(super) fn takes(&self, size: u64) {
        let mut state = self.lock();
        if state.refused.is_some_and(|(refused, _)| size >= refused) {
            state.refused = None;
        }
    }

    /// It said which program and signatures it has.
    pub(super) fn learns(&self, version: Version) {
        let age = version.database.map(|database| self.clock.now().since(database.made));
        let seconds = age.map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        self.metrics.clamd_database_age.set(seconds);
        let mut state = self.lock();
        let news = state.version.as_ref() != Some(&version);
        if news {
            tracing::info!(server = %self.server, version = version.to_string(), "clamd is there");
        }
        state.version = Some(version);
        drop(state);
        if let Some(age) = age.filter(|age| news && *age > STALE) {
            tracing::warn!(server = %self.server, days = age.as_secs() / DAY, "clamd's signatures are old");
        }
        let mut state = self.lock();
        if state.trouble.as_ref().is_some_and(|trouble| !trouble.with_mail) {
            state.trouble = None;
            tracing::info!(server = %self.server, "clamd answers again");
        }
    }

    /// Program and database, or nothing while they are not known.
    pub(super) fn version(&self) -> String {
        self.lock().version.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// ` (database 27100 of 2026-11-19)`: the end of a sentence.
    pub(super) fn signatures(&self) -> String {
        match &self.lock().version {
            Some(Version { database: Some(database), .. }) => format!(" ({database})"),
            Some(Version { program, database: None }) => format!(" ({program})"),
            None => String::new(),
        }
    }

    /// Whether it works as it should.
    pub(super) fn health(&self, standing: &net::Standing) -> Health {
        let now = self.clock.now();
        let mut reasons = Vec::new();
        let state = self.lock();
        match (standing, &state.trouble) {
            (net::Standing::LeftAlone(open), _) => reasons.push(open.to_string()),
            (_, Some(trouble)) => reasons.push(trouble.what.clone()),
            (_, None) => {}
        }
        if let Some((size, at)) = state.refused
            && now.since(at) < REFUSED_FOR
        {
            reasons.push(self.too_large(size));
        }
        if let Some(database) = state.version.as_ref().and_then(|version| version.database) {
            let age = now.since(database.made);
            if age > STALE {
                let days = age.as_secs() / DAY;
                reasons.push(format!("its {database} is {days} days old; does freshclam run?"));
            }
        }
        if reasons.is_empty() { Health::Up } else { Health::Degraded(reasons.join("; ")) }
    }
}
