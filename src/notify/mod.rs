//! Telling the admin: by webhook, by ntfy, by mail through the local MTA.
//!
//! **Contract.** [`Notifier::judged`] and [`Notifier::tell`] take what happened and return at once: what a
//! section of the configuration is told of goes into its own bounded queue, and a task of its own sends it. The
//! body of a message is never sent; addresses and subjects are hidden unless `redact = false`. Nothing is told of
//! a message that is put off, as nothing has happened to it then. Who calls is the pipeline or the daemon; modules
//! below return what happened and tell nobody.
//!
//! A destination is one that the configuration names: redirects are not followed, no proxy is asked, and an
//! address that is not public is not connected to unless the section allows it.
//!
//! **Failures.** Mail never waits for this or fails by it. A destination that fails is tried again, ever later; as
//! long as it does, everything waits. What cannot be delivered in time (`give_up`), what finds no room, and what
//! is more than `most` in a time is counted, and told in one digest as soon as something can be told: there is
//! never silence. A stop waits a few seconds for what is on its way; what is left then is logged and gone.
//!
//! Where to find what: what happened `event`, one section at work `line`, what waits `queue`, when it is tried
//! again `pace`, what is sent `payload` in `words`, hiding people `redact`, the three ways `send`, states and
//! their changes `alarms`, configuration `config`.

mod alarms;
mod common;
mod config;
mod event;
mod line;
mod pace;
mod payload;
mod queue;
mod redact;
mod send;
mod settings;
mod standing;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use alarms::{Alarms, Sight, is_much};
pub use config::{By, Remark, Section};
pub use event::{Alarm, Digest, Event, Kind, MAX_RECIPIENTS, Mail, What};
pub use pace::Pace;
pub use payload::Payload;
pub use send::SendError;
pub use settings::{Channel, Settings, To};
pub use standing::{Last, Standing};

use crate::audit::Pseudonyms;
use crate::model::{Category, Disposition, Timestamp, text};
use crate::telemetry::seldom::Seldom;
use crate::telemetry::{Clock, Metrics};
use common::Common;
use line::Line;

/// The field by which a notification that went out as mail is known.
pub const FIELD: &str = send::FIELD;

/// The same fault of the policy is told once in this time.
const AGAIN: Duration = Duration::from_secs(3600);
/// Rules of which it is known when that was.
const MAX_RULES: usize = 1_000;

/// Tells the admin.
#[derive(Debug)]
pub struct Notifier {
    lines: ArcSwap<Vec<Arc<Line>>>,
    /// Held while sections change.
    changing: Mutex<()>,
    /// A rule named a section that is not there.
    unknown: Seldom,
    /// When it was told last that a rule cannot be evaluated.
    rules: Mutex<BTreeMap<String, Instant>>,
    common: Arc<Common>,
}

/// A test went well.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Tested {
    /// The section.
    pub name: String,
    /// How.
    pub kind: By,
    /// To whom.
    pub to: String,
    /// What the destination said.
    pub said: String,
    /// In how many milliseconds.
    pub ms: u64,
}

/// Why a test did not go well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// There is no such section.
    #[error("there is no section [notify.{0}], or it is off; `mailward notify list` names them")]
    Unknown(String),
    /// It was not taken.
    #[error("the test of [notify.{name}] did not arrive: {error}")]
    Failed {
        /// The section.
        name: String,
        /// Why not.
        error: SendError,
    },
}

impl Notifier {
    /// Tells nobody before [`Self::configure`]. People are hidden by `pseudonyms`.
    #[must_use]
    pub fn new(clock: Clock, metrics: Arc<Metrics>, pseudonyms: Pseudonyms, pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            lines: ArcSwap::default(),
            changing: Mutex::default(),
            unknown: Seldom::once_in(AGAIN),
            rules: Mutex::default(),
            common: Arc::new(Common::new(clock, metrics, pseudonyms, pace)),
        })
    }

    /// From now on these sections are told. What waits in one that stays is told by its new settings; what waits
    /// in one that goes is tried once more. Must be called within the runtime.
    pub fn configure(&self, sections: BTreeMap<String, Settings>) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.lines.load_full();
        let mut lines = Vec::new();
        for (name, settings) in sections {
            match before.iter().find(|line| line.name == name) {
                Some(line) => {
                    line.set(settings);
                    lines.push(Arc::clone(line));
                }
                None => lines.push(Line::start(&name, settings, &self.common)),
            }
        }
        let gone = before.iter().filter(|line| !lines.iter().any(|kept| kept.name == line.name));
        let gone: Vec<_> = gone.cloned().collect();
        self.lines.store(Arc::new(lines));
        gone.iter().for_each(|line| line.close());
    }

    /// Whether anybody is told anything.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.lines.load().is_empty()
    }

    /// Whether a delivery that a mail names in [`FIELD`] is ours and of late: nothing is told of that mail, or one
    /// notification that is held would lead to the next.
    #[must_use]
    pub fn is_own(&self, delivery: &str) -> bool {
        self.common.is_own(delivery)
    }

    /// A message was judged, and its record is secured. `repeat`: it failed too often. Never waits.
    pub fn judged(&self, time: Timestamp, mail: Mail, repeat: bool) {
        if mail.disposition == Disposition::Tempfail {
            return;
        }
        let mut kinds = Vec::new();
        let mut is = |kind, applies: bool| kinds.extend(applies.then_some(kind));
        is(Kind::TempfailRepeat, repeat);
        is(Kind::Malware, mail.category == Category::Malware);
        is(Kind::Phish, mail.category == Category::Phish);
        is(Kind::Discarded, mail.disposition == Disposition::Discard);
        is(Kind::Rejected, mail.disposition == Disposition::Reject);
        // Ours, or the MTA's hold.
        is(Kind::Quarantined, mail.held_as.is_some() || mail.disposition == Disposition::Quarantine);
        if kinds.is_empty() && mail.named.is_empty() {
            return;
        }
        let lines = self.lines.load();
        let missing = mail.named.iter().find(|name| !lines.iter().any(|line| line.name == **name));
        if let Some(missing) = missing
            && self.unknown.may_tell().is_some()
        {
            let (rule, missing) = (text::line(&mail.rule, 80), text::line(missing, 40));
            tracing::warn!(rule, section = missing, "a rule notifies a section that is not there, or is off");
        }
        let event = Arc::new(Event { kinds, time, what: What::Mail(Box::new(mail)) });
        lines.iter().for_each(|line| line.offer(&event));
    }

    /// The condition of a rule could not be evaluated for a message; told once an hour for each rule. Never waits.
    pub fn policy_error(&self, time: Timestamp, rule: &str, why: &str) {
        if !self.is_on() {
            return;
        }
        {
            let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
            rules.retain(|_, told| told.elapsed() < AGAIN);
            if rules.contains_key(rule) || rules.len() >= MAX_RULES {
                return;
            }
            rules.insert(rule.to_owned(), Instant::now());
        }
        let alarm = Alarm { about: rule.to_owned(), trouble: why.to_owned(), since: time, over: false };
        self.tell(Event { kinds: vec![Kind::PolicyError], time, what: What::Alarm(alarm) }, None);
    }

    /// Something happened that is not one message's; `only` one section is told, if it is given. Never waits.
    pub fn tell(&self, event: Event, only: Option<&str>) {
        let event = Arc::new(event);
        let lines = self.lines.load();
        let meant = lines.iter().filter(|line| only.is_none_or(|only| line.name == only));
        meant.for_each(|line| line.offer(&event));
    }

    /// Sends a test to one section, at once and once.
    ///
    /// # Errors
    /// If there is none of that name, or it was not taken.
    pub async fn test(&self, name: &str) -> Result<Tested, TestError> {
        let line = self.lines.load().iter().find(|line| line.name == name).cloned();
        let Some(line) = line else { return Err(TestError::Unknown(text::line(name, 40))) };
        let (begin, standing) = (Instant::now(), line.standing());
        let said = line.test().await;
        let said = said.map_err(|error| TestError::Failed { name: line.name.clone(), error })?;
        let ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Tested { name: standing.name, kind: standing.kind, to: standing.to, said, ms })
    }

    /// How the sections are doing.
    #[must_use]
    pub fn list(&self) -> Vec<Standing> {
        self.lines.load().iter().map(|line| line.standing()).collect()
    }

    /// Tells what waits, for at most `limit`; what is left then is logged. At the stop.
    pub async fn finish(&self, limit: Duration) {
        let lines = self.lines.load_full();
        lines.iter().for_each(|line| line.close());
        let end = Instant::now() + limit;
        while !lines.iter().all(|line| line.is_idle()) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for line in lines.iter() {
            let left = line.left();
            if left > 0 {
                tracing::error!(
                    section = line.name,
                    left,
                    "notifications were not delivered before the stop"
                );
            }
        }
    }
}
