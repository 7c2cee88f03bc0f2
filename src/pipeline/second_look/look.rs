//! One look at one copy.

use std::sync::Arc;

use super::{SecondLook, names};
use crate::audit::{Caught, CaughtBy, QuarantineEvent};
use crate::model::{Category, Disposition, Finding, Outcome, Scanner, Verdict, text};
use crate::pipeline::Process;
use crate::pipeline::budget::Share;
use crate::pipeline::engine::{Judged, Looked};
use crate::pipeline::listed;
use crate::pipeline::release::{Entry, ReleaseError, entry_of, rescan_of, subject_of};
use crate::policy::name;
use crate::quarantine::{Meta, QuarantineError, Waiting};

/// The most findings that are told of a catch.
const MAX_FINDINGS: usize = 20;
/// The most characters of a reason.
const MAX_SAYS: usize = 200;

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It needs no other.
    Done,
    /// These still did not look.
    Again(Vec<Scanner>),
    /// There is no room for it now.
    Busy,
}

impl SecondLook {
    /// Looks at the copy, judges it and does what follows. What cannot be written down is tried again.
    pub(super) async fn look(&self, process: &Process, waiting: &Waiting, mut share: Share) -> End {
        let quarantine = Arc::clone(&self.parts.quarantine);
        let id = waiting.id;
        let read = tokio::task::spawn_blocking(move || Entry::read(&quarantine, id)).await;
        let entry = match read {
            Ok(Ok(entry)) => entry,
            Ok(Err(ReleaseError::Quarantine(QuarantineError::NotHeld(_)))) => return End::Done,
            Ok(Err(ReleaseError::Changed(_))) => {
                return self.give_up(waiting, "its copy is damaged").await;
            }
            Ok(Err(error)) => return self.later(waiting, &error.to_string()),
            Err(error) => return self.later(waiting, &error.to_string()),
        };
        if share.take(entry.raw.len()).is_err() {
            return End::Busy;
        }
        let Entry { meta, raw, .. } = entry;
        let mut looked = process.engine().look(subject_of(process, &meta, raw, Some(share))).await;
        looked.lists = Some(listed::hits(&process.shared().lists, &looked));
        if looked.fault.is_some() {
            return End::Busy;
        }
        let judged = process.engine().judge(&looked, 0);
        let still: Vec<Scanner> = missing(&waiting.missed, &looked);
        match (worst(&judged), still.is_empty()) {
            (Some(verdict), _) => self.bad(waiting, meta, looked, &judged, verdict).await,
            (None, true) => self.clean(waiting, &looked, &judged).await,
            (None, false) => {
                self.parts.metrics.second_look.with_label_values(&["again"]).inc();
                tracing::debug!(id = %waiting.of, still = names(&still), "a second look was not complete");
                End::Again(still)
            }
        }
    }

    async fn clean(&self, waiting: &Waiting, looked: &Looked, judged: &Judged) -> End {
        if let Err(error) = self.remove(waiting).await {
            return self.later(waiting, &error);
        }
        let now = rescan_of(self.parts.clock.now(), looked, judged, "second look");
        let detail = format!("{} {} by {} ({})", now.disposition, now.category, now.rule, now.coverage);
        self.note(waiting.of, QuarantineEvent::SecondLookClean, detail).await;
        self.parts.metrics.second_look.with_label_values(&["clean"]).inc();
        tracing::info!(id = %waiting.of, coverage = now.coverage, "a second look found nothing");
        End::Done
    }

    async fn bad(
        &self,
        waiting: &Waiting,
        meta: Meta,
        looked: Looked,
        judged: &Judged,
        verdict: &Verdict,
    ) -> End {
        let mut findings = looked.seen.findings.clone();
        // By what was missed first, then the worst: that is what the second look was for.
        findings.sort_by(|a, b| {
            let weight = |f: &Finding| (waiting.missed.contains(&f.scanner), f.severity);
            weight(b).cmp(&weight(a)).then_with(|| a.symbol.cmp(&b.symbol))
        });
        findings.truncate(MAX_FINDINGS);
        let first = findings.first();
        let caught = Caught {
            by: CaughtBy::SecondLook,
            id: waiting.of,
            time: self.parts.clock.now(),
            accepted: meta.time,
            what: first.map_or_else(|| verdict.rule.clone(), |f| text::line(&f.symbol, MAX_SAYS)),
            feed: first.map_or("policy", |f| f.scanner.name()).to_owned(),
            kind: verdict.disposition.name().to_owned(),
            category: verdict.category,
            says: text::line(&format!("{}: {}", verdict.rule, verdict.reason), MAX_SAYS),
            findings,
        };
        if let Err(error) = self.parts.retro.caught(caught, &self.parts.audit).await {
            return self.later(waiting, &error.to_string());
        }
        self.parts.metrics.second_look.with_label_values(&["bad"]).inc();
        let rescan = rescan_of(self.parts.clock.now(), &looked, judged, "second look");
        let quarantine = Arc::clone(&self.parts.quarantine);
        let category: Category = verdict.category;
        let kept = tokio::task::spawn_blocking(move || {
            entry_of(&meta, &looked, &rescan, category, |new| quarantine.set_caught(new, rescan.clone()))
        });
        match kept.await {
            // Somebody deleted it meanwhile: it is told all the same.
            Ok(Ok(_) | Err(QuarantineError::NotHeld(_))) => End::Done,
            Ok(Err(error)) => self.later(waiting, &error.to_string()),
            Err(error) => self.later(waiting, &error.to_string()),
        }
    }

    /// Nobody will look at it, and that is said.
    pub(super) async fn give_up(&self, waiting: &Waiting, why: &str) -> End {
        if let Err(error) = self.remove(waiting).await {
            return self.later(waiting, &error);
        }
        let missed = names(&waiting.missed);
        self.note(waiting.of, QuarantineEvent::SecondLookExpired, format!("{missed} never looked: {why}"))
            .await;
        self.parts.metrics.second_look.with_label_values(&["expired"]).inc();
        tracing::warn!(id = %waiting.of, missed, why, "a delivered message was never scanned again");
        End::Done
    }

    fn later(&self, waiting: &Waiting, error: &str) -> End {
        tracing::warn!(id = %waiting.of, copy = %waiting.id, error, "a second look failed; it is tried again");
        self.parts.metrics.second_look.with_label_values(&["again"]).inc();
        End::Again(Vec::new())
    }

    async fn remove(&self, waiting: &Waiting) -> Result<(), String> {
        let (quarantine, id) = (Arc::clone(&self.parts.quarantine), waiting.id);
        match tokio::task::spawn_blocking(move || quarantine.remove_copy(id)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Who of those that missed it has not looked now either. One that is off, or skipped it, did not look.
fn missing(missed: &[Scanner], looked: &Looked) -> Vec<Scanner> {
    let has_looked = |scanner: &&Scanner| {
        let outcome = looked.seen.coverage.0.get(scanner);
        outcome.is_some_and(|o| o.is_complete() || matches!(o, Outcome::Partial { .. }))
    };
    missed.iter().filter(|scanner| !has_looked(scanner)).copied().collect()
}

/// The strictest verdict that would hold or refuse it for what it is, not because something fails again.
fn worst(judged: &Judged) -> Option<&Verdict> {
    let bad = |v: &&Verdict| {
        matches!(v.disposition, Disposition::Quarantine | Disposition::Reject | Disposition::Discard)
            && !name::is_for_a_failure(&v.rule)
    };
    judged.verdicts.iter().filter(bad).max_by_key(|v| (v.disposition.strictness(), v.category))
}
