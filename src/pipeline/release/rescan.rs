//! Judging an entry again, with today's rules and data.

use std::sync::Arc;

use super::report::{Judgement, Rescanned};
use super::{Entry, ReleaseError, Releases, blocking, ended};
use crate::audit::{QuarantineEvent, Sync};
use crate::mail;
use crate::model::{Disposition, MailId, Verdict};
use crate::pipeline::Process;
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
        let session = Arc::new(meta.session.clone());
        let direction = engine.direction(&session);
        let (envelope, message) = (meta.envelope.clone(), mail::header::parse(raw));
        let lists = Some(listed::hits(&process.shared().lists, &session, &envelope, &message));
        let terms = &engine.settings().lists;
        let exempt = envelope.recipients.iter().map(|recipient| terms.exempt(recipient)).collect();
        let subject = Subject {
            id: meta.id,
            session,
            envelope,
            message,
            fault: None,
            direction,
            lists,
            exempt,
            released: None,
            auth_results: None,
            share: None,
        };
        let looked = engine.look(subject).await;
        let judged = engine.judge(&looked, 0);
        let now = self.rescan_of(&looked, &judged, by);
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

    fn rescan_of(&self, looked: &Looked, judged: &Judged, by: &str) -> Rescan {
        let weight = |v: &&Verdict| (v.disposition.strictness(), v.category);
        let verdict = judged.verdicts.iter().max_by_key(weight);
        Rescan {
            at: self.parts.clock.now(),
            by: by.to_owned(),
            disposition: verdict.map(|v| v.disposition).unwrap_or_default(),
            category: verdict.map(|v| v.category).unwrap_or_default(),
            score: verdict.map(|v| v.score).unwrap_or_default(),
            rule: verdict.map(|v| v.rule.clone()).unwrap_or_default(),
            reason: verdict.map(|v| v.reason.clone()).unwrap_or_default(),
            coverage: looked.seen.coverage.to_string(),
        }
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
    let input = &looked.input;
    let all: Vec<usize> = (0..meta.envelope.recipients.len()).collect();
    let (from, subject) = (record::field(input, "From"), record::field(input, "Subject"));
    let (rule, reason) = (last.rule.clone(), last.reason.clone());
    let new = NewEntry {
        id: meta.id,
        // A scanner that failed says nothing about what kind of mail it is.
        category: if last.disposition == Disposition::Tempfail { meta.category } else { last.category },
        score: last.score,
        rule: &rule,
        reason: &reason,
        session: &input.session,
        envelope: &input.envelope,
        recipients: &all,
        message: &input.message,
        from: from.as_deref().unwrap_or_default(),
        subject: subject.as_deref().unwrap_or_default(),
        coverage: &looked.seen.coverage,
        findings: &looked.seen.findings,
        auth_results: looked.auth_results.as_deref(),
    };
    Ok(quarantine.set_rescanned(&new, last)?)
}
