//! Judging an entry again, with today's rules and data.

use std::sync::Arc;

use bytes::Bytes;

use super::report::{Judgement, Rescanned};
use super::{Entry, ReleaseError, Releases, blocking, ended};
use crate::audit::{QuarantineEvent, Sync};
use crate::mail;
use crate::model::{Category, Disposition, MailId, Timestamp, Verdict};
use crate::pipeline::Process;
use crate::pipeline::budget::Share;
use crate::pipeline::engine::{Judged, Looked, Subject};
use crate::pipeline::listed;
use crate::pipeline::record;
use crate::quarantine::{Meta, NewEntry, Rescan};
use crate::telemetry::spawn::supervised;

impl Releases {
    /// Judges the entry `id` again by `process`, as if it came today from the same client to the same
    /// recipients. Says how it was and is judged, and writes that down; the worse kind of mail stands.
    /// Nothing is released or removed by it.
    ///
    /// # Errors
    /// If there is no such entry, it is not what was judged, or the result cannot be written.
    pub async fn rescan(
        self: &Arc<Self>,
        process: Arc<Process>,
        id: MailId,
        by: String,
    ) -> Result<Rescanned, ReleaseError> {
        let (own, work) = (Arc::clone(self), self.at_work()?);
        let task = supervised("rescan", &self.parts.metrics, async move {
            let _work = work;
            let _place = own.place().await?;
            let entry = own.entry(id).await?;
            own.judge_again(&process, entry, &by).await
        });
        ended(task.await)?
    }

    async fn judge_again(
        &self,
        process: &Process,
        entry: Entry,
        by: &str,
    ) -> Result<Rescanned, ReleaseError> {
        let engine = process.engine();
        let Entry { meta, raw, .. } = entry;
        let subject = subject_of(process, &meta, raw, None);
        let mut looked = engine.look(subject).await;
        looked.lists = Some(listed::hits(&process.shared().lists, &looked));
        let judged = engine.judge(&looked, 0);
        let now = rescan_of(self.parts.clock.now(), &looked, &judged, by);
        let was = was(&meta);
        let (id, quarantine, last) = (meta.id, Arc::clone(&self.parts.quarantine), now.clone());
        let meta = blocking(move || keep(&quarantine, &meta, &looked, last)).await??;
        let detail = format!(
            "was {} by {} ({}), is {} {} by {} ({})",
            was.category, was.rule, was.score, now.disposition, now.category, now.rule, now.score
        );
        if let Err(error) = self.note(id, QuarantineEvent::Rescanned, by, detail, Sync::Soon).await {
            tracing::warn!(%id, %error, "that an entry was judged again could not be noted in the audit journal");
        }
        Ok(Rescanned { id, was, now, category: meta.category })
    }
}

/// A stored message as if it came today from the same client to the same recipients. Nothing is counted by it.
pub(in crate::pipeline) fn subject_of(
    process: &Process,
    meta: &Meta,
    raw: Bytes,
    share: Option<Share>,
) -> Subject {
    let engine = process.engine();
    let session = Arc::new(meta.session.clone());
    let direction = engine.direction(&session);
    let (envelope, message) = (meta.envelope.clone(), mail::header::parse(raw));
    let terms = &engine.settings().lists;
    let exempt = envelope.recipients.iter().map(|recipient| terms.exempt(recipient)).collect();
    Subject {
        id: meta.id,
        time: meta.time,
        session,
        envelope,
        message,
        fault: None,
        direction,
        exempt,
        released: None,
        auth_results: None,
        share,
    }
}

/// The strictest of today's verdicts.
pub(in crate::pipeline) fn rescan_of(at: Timestamp, looked: &Looked, judged: &Judged, by: &str) -> Rescan {
    let weight = |v: &&Verdict| (v.disposition.strictness(), v.category);
    let verdict = judged.verdicts.iter().max_by_key(weight);
    Rescan {
        at,
        by: by.to_owned(),
        disposition: verdict.map(|v| v.disposition).unwrap_or_default(),
        category: verdict.map(|v| v.category).unwrap_or_default(),
        score: verdict.map(|v| v.score).unwrap_or_default(),
        rule: verdict.map(|v| v.rule.clone()).unwrap_or_default(),
        reason: verdict.map(|v| v.reason.clone()).unwrap_or_default(),
        coverage: looked.seen.coverage.to_string(),
    }
}

fn was(meta: &Meta) -> Judgement {
    Judgement {
        category: meta.category,
        score: meta.score,
        rule: meta.rule.clone(),
        reason: meta.reason.clone(),
    }
}

/// Writes the result into the entry. Blocks.
fn keep(
    quarantine: &crate::quarantine::Quarantine,
    meta: &Meta,
    looked: &Looked,
    last: Rescan,
) -> Result<Meta, ReleaseError> {
    // A scanner that failed says nothing about what kind of mail it is.
    let failed = last.disposition == Disposition::Tempfail;
    let category = if failed { meta.category } else { last.category };
    entry_of(meta, looked, &last, category, |new| Ok(quarantine.set_rescanned(new, last.clone())?))
}

/// Hands the entry over as it is judged now.
pub(in crate::pipeline) fn entry_of<T>(
    meta: &Meta,
    looked: &Looked,
    last: &Rescan,
    category: Category,
    write: impl FnOnce(&NewEntry<'_>) -> T,
) -> T {
    let input = &looked.input;
    let all: Vec<usize> = (0..meta.envelope.recipients.len()).collect();
    let (from, subject) = (record::field(input, "From"), record::field(input, "Subject"));
    write(&NewEntry {
        id: meta.id,
        category,
        score: last.score,
        rule: &last.rule,
        reason: &last.reason,
        session: &input.session,
        envelope: &input.envelope,
        recipients: &all,
        message: &input.message,
        from: from.as_deref().unwrap_or_default(),
        subject: subject.as_deref().unwrap_or_default(),
        coverage: &looked.seen.coverage,
        findings: &looked.seen.findings,
        auth_results: looked.auth_results.as_deref(),
    })
}
