//! A second look: mail that was delivered although a scanner failed is scanned again when that scanner is back.
//!
//! **Contract.** `SecondLook::keep` is asked about each judged message, before its answer. If somebody gets it
//! and one of `second_look.scanners` failed or ran out of time – not: was skipped – a copy goes into the
//! quarantine as an entry of state `second-look`, for those who got it. Where nothing failed that costs a look at
//! the coverage. Nothing is synced for it: a power failure may cost copies, a crash of mailward does not. A task
//! ([`SecondLook::attend`]) looks at the copies again, the oldest first, one at a time, no more than half of the
//! time, and not while much mail is in work. It looks with all scanners and judges as
//! [`Releases::rescan`](super::Releases::rescan) does: nothing counts as new mail. What comes of it:
//!
//! | | |
//! |---|---|
//! | clean | all who failed have looked, nobody wants it held or refused: the copy goes, `second-look-clean` in the audit |
//! | bad | it would be held or refused today: told like every catch of [`crate::retro`], the copy stays in state `caught` as evidence |
//! | again | somebody still fails: later, the pause doubles up to [`task::LONGEST`]; at once for all when he answers again |
//! | expired | `quarantine.keep.second_look` is over: the copy goes, `second-look-expired` says that nobody looked |
//!
//! A copy is never delivered: it is no held mail, and release refuses it.
//!
//! With `keep = "keys"` only links and files are kept, by retro: feeds are asked again, the scanner is not.
//!
//! **Failures.** Mail never fails by it. A message of which no copy can be kept says so in its record (`left_out`), the
//! log, a metric and `/readyz`. If the journal cannot be written the copy is taken back, because the message is put off.
//! What was found and cannot be told stays in the queue. A crash between copy and answer leaves a copy of a
//! message that the sender will send again; it is looked at like the others.
//!
//! Where to find what: settings [`config`], keeping `keep`, one look `look`, the queue `task`.

pub mod config;
mod keep;
mod look;
pub mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

pub use config::{Config, Keep};
pub(super) use keep::Kept;

use super::Trouble;
use crate::audit::{Audit, Entry, QuarantineEvent, Sync};
use crate::model::MailId;
use crate::quarantine::{Copies, Quarantine};
use crate::retro::Retro;
use crate::telemetry::{Clock, Metrics};

/// Copies that are written at once: beyond them none are kept, so that a disk that hangs holds no more threads.
const PLACES: usize = 4;

/// What it works on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where copies are.
    pub quarantine: Arc<Quarantine>,
    /// The record of what happens.
    pub audit: Arc<Audit>,
    /// Tells what was caught.
    pub retro: Arc<Retro>,
    /// The time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// Keeps copies of delivered mail and looks at them again.
pub struct SecondLook {
    parts: Parts,
    settings: ArcSwap<Config>,
    places: Arc<Semaphore>,
    /// Why a copy could not be kept last.
    trouble: Trouble,
}

impl SecondLook {
    /// With these settings.
    #[must_use]
    pub fn new(parts: Parts, config: Config) -> Arc<Self> {
        let settings = ArcSwap::from_pointee(config);
        let places = Arc::new(Semaphore::new(PLACES));
        Arc::new(Self { parts, settings, places, trouble: Trouble::default() })
    }

    /// From now on this holds. What waits is looked at also where nothing new is kept.
    pub fn configure(&self, config: Config) {
        self.settings.store(Arc::new(config));
    }

    /// How many copies there are.
    #[must_use]
    pub fn copies(&self) -> Copies {
        self.parts.quarantine.copies()
    }

    /// Brings the gauge up to date.
    pub fn count(&self) {
        let waiting = i64::try_from(self.copies().waiting).unwrap_or(i64::MAX);
        self.parts.metrics.second_look_waiting.set(waiting);
    }

    /// What `/readyz` says of it: that mail waits, and why none can be kept.
    #[must_use]
    pub fn degraded(&self) -> Vec<String> {
        let Copies { waiting, oldest, .. } = self.copies();
        // That some wait for a while is what this is for; `status` says it.
        let hours = oldest.map(|oldest| self.parts.clock.now().since(oldest).as_secs() / 3600);
        let waits = hours.filter(|hours| *hours > 0).map(|hours| {
            format!(
                "{waiting} delivered messages that a scanner missed wait to be scanned again, the oldest for {hours} h"
            )
        });
        let trouble = self.trouble.sentence().map(|what| format!("no copies can be kept: {what}"));
        waits.into_iter().chain(trouble).collect()
    }

    /// A line in the audit journal about the message `of`.
    async fn note(&self, of: MailId, what: QuarantineEvent, detail: String) {
        let entry = Entry::Quarantine {
            id: of,
            what,
            by: "mailward".to_owned(),
            time: self.parts.clock.now(),
            detail,
        };
        if let Err(error) = self.parts.audit.append(entry, Sync::Soon).await {
            tracing::warn!(id = %of, %error, "what became of a copy for a second look could not be noted");
        }
    }
}

impl std::fmt::Debug for SecondLook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondLook").field("settings", &self.settings.load()).finish_non_exhaustive()
    }
}

/// Names in a row.
fn names(scanners: &[crate::model::Scanner]) -> String {
    scanners.iter().map(|scanner| scanner.name()).collect::<Vec<_>>().join(", ")
}
