//! Held mail that the journal knows nothing of: the daemon was killed, or the disk of the journal was full, after a message
//! was held and before that was on record. Each such entry gets a record of what the quarantine knows, so that it is
//! listed and explained as any other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::audit::{Entry, MessageFacts, PlanSummary, Query, Record, SharedVerdict, Sync};
use crate::model::{Also, Answer, Disposition, Explanation, MailId, SmtpReply, Step, Timestamp, Verdict};
use crate::pipeline::Shared;
use crate::quarantine::Meta;

/// What is younger may be in work.
const IN_WORK: u64 = 600_000;
/// How much earlier than the last record an entry without one may have been made.
const BESIDE: u64 = 300_000;
/// How long an index that is being made again is waited for, and how often it is looked at.
const PATIENCE: (u32, Duration) = (120, Duration::from_secs(1));

/// From when on entries were not looked at yet; `None`: it is the first look.
#[derive(Debug, Default)]
pub(super) struct Adopted(Mutex<Option<Timestamp>>);

impl Adopted {
    /// Looks at what is new since the last round. Before `started` nothing of this process is in work.
    pub(super) async fn round(&self, shared: &Arc<Shared>, started: Timestamp) {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = match since {
            None => started,
            Some(_) => Timestamp::from_millis(shared.clock.now().millis().saturating_sub(IN_WORK)),
        };
        for _ in 0..PATIENCE.0 {
            let blocking = Arc::clone(shared);
            let looked = tokio::task::spawn_blocking(move || unrecorded(&blocking, since, until));
            match looked.await {
                Ok(Ok(Some(found))) => {
                    for meta in found {
                        adopt(shared, meta).await;
                    }
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                    return;
                }
                Ok(Ok(None)) => tokio::time::sleep(PATIENCE.1).await,
                Ok(Err(error)) => {
                    return tracing::warn!(error, "held mail is held against the audit in an hour");
                }
                Err(error) => {
                    return tracing::error!(%error, "holding held mail against the audit panicked");
                }
            }
        }
    }
}

/// Whether held mail waits for its record, and can have it.
pub(super) fn is_due(shared: &Shared) -> bool {
    let waits = !shared.held_unrecorded.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
    waits && shared.audit_trouble.sentence().is_none()
}

/// Puts on record what was held and put off because the journal could not be written.
pub(super) async fn put_off(shared: Arc<Shared>) {
    let mut waiting =
        std::mem::take(&mut *shared.held_unrecorded.lock().unwrap_or_else(PoisonError::into_inner));
    while let Some(id) = waiting.pop() {
        let blocking = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || known(&blocking, id)).await;
        match looked {
            Ok(Ok(Some(found))) => {
                if let Some(meta) = found {
                    adopt(&shared, meta).await;
                }
            }
            Ok(Ok(None) | Err(_)) | Err(_) => {
                waiting.push(id);
                break;
            }
        }
    }
    // Looked at again in a moment.
    shared.held_unrecorded.lock().unwrap_or_else(PoisonError::into_inner).append(&mut waiting);
}

/// What the quarantine knows of an entry that is not on record; `None` while the index cannot say whether it is.
fn known(shared: &Shared, id: MailId) -> Result<Option<Option<Meta>>, String> {
    let Some(known) = shared.audit.is_on_record(id).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    // Removed since then, or damaged, which the quarantine tells itself.
    let meta = || shared.quarantine.meta(id).ok().filter(|meta| meta.id == id);
    Ok(Some(if known { None } else { meta() }))
}

/// Entries made from `since` (or the last record before `until`) to `until` that have no record; `None` while the index
/// cannot say.
fn unrecorded(
    shared: &Shared,
    since: Option<Timestamp>,
    until: Timestamp,
) -> Result<Option<Vec<Meta>>, String> {
    let from = match since {
        Some(since) => since.millis(),
        None => {
            let query = Query { until: Some(until), limit: 1, ..Query::default() };
            let last = shared.audit.list(&query).map_err(|error| error.to_string())?;
            if last.incomplete.is_some() {
                return Ok(None);
            }
            // Without any record the journal was taken away: all that is held is not what was in work.
            last.rows.first().map_or(until.millis().saturating_sub(IN_WORK), |row| {
                row.time.millis().saturating_sub(BESIDE)
            })
        }
    };
    let mut found = Vec::new();
    for id in shared.quarantine.made(from..until.millis()) {
        match known(shared, id)? {
            None => return Ok(None),
            Some(meta) => found.extend(meta),
        }
    }
    found.retain(|meta| meta.second_look.is_none());
    Ok(Some(found))
}

async fn adopt(shared: &Shared, meta: Meta) {
    let id = meta.id;
    match shared.audit.append(Entry::Judged(Box::new(record(meta))), Sync::Soon).await {
        Ok(()) => tracing::warn!(
            %id,
            "held mail was not on record, because mailward ended or its disk was full just then; it is now"
        ),
        Err(error) => tracing::error!(%id, %error, "held mail could not be put on record"),
    }
}

/// All that the quarantine knows of it.
fn record(meta: Meta) -> Record {
    let Meta { id, time, category, score, rule, reason, .. } = meta;
    let recipients = meta.envelope.recipients.len();
    let step = Step {
        rule: rule.clone(),
        saw: "as the quarantine entry says; the steps before it are not known".to_owned(),
        wants: Some(Disposition::Quarantine),
        decided: true,
        ..Step::default()
    };
    let verdict = Verdict {
        disposition: Disposition::Quarantine,
        category,
        score,
        rule,
        reason,
        explanation: Explanation(Arc::new(vec![step])),
        treatment: None,
    };
    Record {
        id,
        time,
        direction: Default::default(),
        stage: Default::default(),
        session: meta.session,
        envelope: meta.envelope,
        message: MessageFacts {
            size: meta.size,
            from: Some(meta.from),
            subject: Some(meta.subject),
            ..MessageFacts::default()
        },
        attachments: Vec::new(),
        urls: Vec::new(),
        not_inspected: Vec::new(),
        coverage: meta.coverage,
        elapsed_ms: Default::default(),
        findings: meta.findings,
        advice: None,
        authentication: None,
        lists: Default::default(),
        released: None,
        verdicts: vec![SharedVerdict { recipients: (0..recipients).collect(), verdict }],
        plan: PlanSummary {
            answer: Answer::Tempfail(SmtpReply::tempfail(&answer(id))),
            dispositions: vec![Disposition::Quarantine; recipients],
            headers: Vec::new(),
            removed: Vec::new(),
            also: Also::default(),
        },
        quarantine: Some(id),
        policy: String::new(),
        rules: String::new(),
        versions: Default::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        left_out: vec![
            "what was not in the quarantine entry, of which this record was made later".to_owned(),
        ],
    }
}

fn answer(id: MailId) -> String {
    format!("it was held, and mailward ended, or could not write, before that was answered (id {id})")
}
