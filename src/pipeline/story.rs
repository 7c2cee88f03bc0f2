//! How a judgement is shown: the same for a file just scanned and for a record of the past.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::audit::Record;
use crate::model::{Answer, Authentication, Recipient, Verdict};
use crate::policy::{Story, render};

/// The object that `scan --json`, `explain --json` and `POST /api/v1/scan` give for one message. The
/// keys up to `attachments` are fixed; more may follow. In `auth` the four methods always stand: `null` is
/// one that was not looked at, `"none"` one that found nothing to verify. `authentication` has all of it, and
/// is `null` where nobody looked.
#[must_use]
pub fn object(record: &Record) -> Value {
    let verdict = record.main_verdict();
    let coverage: BTreeMap<&str, String> =
        record.coverage.0.iter().map(|(scanner, outcome)| (scanner.name(), outcome.to_string())).collect();
    json!({
        "id": record.id,
        "verdict": record.category(),
        "disposition": record.disposition(),
        "score": record.score(),
        "rule": verdict.map(|v| v.rule.as_str()),
        "reason": verdict.map(|v| v.reason.as_str()),
        "coverage": coverage,
        "findings": record.findings,
        "auth": auth(record.authentication.as_ref()),
        "urls": record.urls,
        "attachments": record.attachments,
        "not_inspected": record.not_inspected,
        "left_out": record.left_out,
        "explanation": verdict.map(|v| &v.explanation),
        "stage": record.stage,
        "lists": record.lists,
        "advice": record.advice,
        "authentication": record.authentication,
        "released": record.released,
        "versions": record.versions,
        "time": record.time,
        "direction": record.direction,
        "envelope": record.envelope,
        "message": record.message,
        "plan": record.plan,
        "quarantine": record.quarantine,
    })
}

fn auth(seen: Option<&Authentication>) -> Value {
    match seen {
        Some(seen) => json!(BTreeMap::from(seen.summary())),
        None => json!({"spf": null, "dkim": null, "dmarc": null, "arc": null}),
    }
}

/// The judgement as text for people.
#[must_use]
pub fn text(record: &Record) -> String {
    let recipients = &record.envelope.recipients;
    if recipients.is_empty() {
        let verdicts: Vec<Verdict> = record.verdicts.iter().map(|shared| shared.verdict.clone()).collect();
        return told(record, &verdicts, &[]);
    }
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(recipients.len());
    for position in 0..recipients.len() {
        let shared = record.verdicts.iter().find(|v| v.recipients.contains(&position));
        if let Some(shared) = shared {
            verdicts.push(shared.verdict.clone());
        }
    }
    let recipients: &[Recipient] = if verdicts.len() == recipients.len() { recipients } else { &[] };
    told(record, &verdicts, recipients)
}

fn told(record: &Record, verdicts: &[Verdict], recipients: &[Recipient]) -> String {
    render(&Story {
        id: record.id,
        verdicts,
        recipients,
        fates: &record.plan.dispositions,
        coverage: &record.coverage,
        client: record.session.client.addr.ip(),
        authentication: record.authentication.as_ref(),
        findings: &record.findings,
        urls: &record.urls,
        left_out: &record.left_out,
        removed: &record.plan.removed,
        also: &record.plan.also,
    })
}

/// What the MTA was told.
#[must_use]
pub fn answer(record: &Record) -> String {
    match &record.plan.answer {
        Answer::Accept => "accepted".to_owned(),
        Answer::Discard => "accepted, delivered to nobody".to_owned(),
        Answer::Reject(reply) | Answer::Tempfail(reply) => reply.to_string(),
    }
}
