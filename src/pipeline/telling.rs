//! Metrics and the one log line of a message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::besides;
use super::engine::Looked;
use super::process::{Secured, Shared};
use crate::model::{
    Answer, AuthResult, Authentication, ClientAddr, Disposition, MailId, Session, Verdict, text,
};
use crate::policy::name;
use crate::telemetry::seldom::SeldomEach;

/// Longest foreign text in a log line, in characters.
const MAX: usize = 200;

/// Counts a message and writes its log line.
pub(super) fn tell(shared: &Shared, looked: &Looked, secured: &Secured, took: Duration) {
    let (input, judged, metrics) = (&looked.input, &secured.judged, &shared.metrics);
    let disposition = judged.plan.recipients.iter().copied().reduce(Disposition::stricter);
    let disposition = disposition.unwrap_or(match judged.plan.answer {
        Answer::Tempfail(_) => Disposition::Tempfail,
        Answer::Reject(_) => Disposition::Reject,
        Answer::Discard => Disposition::Discard,
        Answer::Accept => Disposition::Accept,
    });
    let main = judged.verdicts.iter().max_by_key(|v| (v.disposition.strictness(), v.category));
    let category = main.map(|v| v.category).unwrap_or_default();
    let size = input.message.raw().len();
    metrics.messages.with_label_values(&[disposition.name(), category.name()]).inc();
    metrics.message_seconds.observe(took.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a message is far below 2^52 bytes")]
    metrics.message_bytes.observe(size as f64);
    if looked.seen.coverage.gaps().next().is_some()
        && matches!(judged.plan.answer, Answer::Accept)
        && !judged.plan.also.held_by_mta
    {
        metrics.degraded.inc();
    }
    if judged.verdicts.iter().any(|v| v.rule == name::REPEAT) {
        metrics.repeats_held.inc();
        tracing::error!(
            id = %input.id,
            held_as = secured.held.as_ref().map(MailId::as_str),
            coverage = looked.seen.coverage.to_string(),
            "the same message failed the same way too often: it is held now; look why it cannot be judged"
        );
    }
    rules(shared, looked.input.id, &judged.verdicts);
    let (reply, answer) = match &judged.plan.answer {
        Answer::Reject(reply) | Answer::Tempfail(reply) => (Some(reply.to_string()), "refused"),
        Answer::Accept => (None, "accepted"),
        Answer::Discard => (None, "taken"),
    };
    // One key for one fact, every value in quotes or without a space: such lines are searched by machines.
    tracing::info!(
        id = %input.id,
        queue_id = input.envelope.queue_id.as_deref(),
        direction = ?looked.direction,
        client = client(&input.session),
        from = address(shared, input.envelope.reverse_path.address()),
        to = input.envelope.recipients.first().map(|r| address(shared, r.address())),
        recipients = input.envelope.recipients.len(),
        message_id = input.message.first("Message-ID").map(|id| text::line(&id, MAX)),
        size,
        answer,
        reply,
        %disposition,
        verdict = %category,
        score = main.map(|v| v.score).unwrap_or_default().value(),
        rule = main.map(|v| v.rule.as_str()),
        reason = text::line(main.map(|v| v.reason.as_str()).unwrap_or_default(), MAX),
        held_as = secured.held.as_ref().map(MailId::as_str),
        also = besides::words(&judged.plan.also),
        auth = looked.seen.authentication.as_deref().map(auth),
        coverage = looked.seen.coverage.to_string(),
        ms = millis(took),
        "judged"
    );
}

/// Between two lines in the log about the same rule that fails.
static FAILS: SeldomEach = SeldomEach::once_in(Duration::from_secs(60));

/// Counts what each rule came to; one whose condition could not be evaluated is told as well.
fn rules(shared: &Shared, id: MailId, verdicts: &[Verdict]) {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut failed: BTreeMap<&str, &str> = BTreeMap::new();
    for verdict in verdicts {
        seen.insert((&verdict.rule, "decided"));
        for step in verdict.explanation.0.iter() {
            if step.failed {
                seen.insert((&step.rule, "failed"));
                failed.entry(&step.rule).or_insert(&step.saw);
            } else if step.shadow && step.wants.is_some() {
                seen.insert((&step.rule, "shadow"));
            }
        }
    }
    for (rule, what) in &seen {
        shared.metrics.rules.with_label_values(&[*rule, *what]).inc();
    }
    for (rule, why) in failed {
        shared.notify.policy_error(shared.clock.now(), rule, &text::line(why, MAX));
        if let Some(untold) = FAILS.may_tell(rule) {
            tracing::error!(
                %id, rule, untold, why = text::line(why, MAX),
                "the condition of a rule could not be evaluated; `mailward explain` says why and what it counted as"
            );
        }
    }
}

/// What was verified, of whom: `spf=pass dkim=none dmarc=fail arc=none author=example.com`. A method that was
/// not looked at is `-`.
fn auth(seen: &Authentication) -> String {
    let mut told = String::new();
    for (method, result) in seen.summary() {
        told.push_str(&format!("{method}={} ", result.map_or("-", AuthResult::name)));
    }
    told + "author=" + &text::line(seen.author.domain().unwrap_or("-"), MAX)
}

/// The address of the client.
pub(super) fn client(session: &Session) -> String {
    match &session.client.addr {
        ClientAddr::Ip(ip) => ip.to_string(),
        ClientAddr::Unix(_) => "local".to_owned(),
        ClientAddr::Unknown => "unknown".to_owned(),
    }
}

/// Milliseconds with one decimal.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e4).round() / 10.0
}

/// An address as one line.
pub(super) fn safe(address: &str) -> String {
    text::line(address, MAX)
}

/// An address as the configuration lets it be written into the log.
pub(super) fn address(shared: &Shared, address: &str) -> String {
    let safe = safe(address);
    match &shared.pseudonyms {
        Some(pseudonyms) if !safe.is_empty() => pseudonyms.address(&safe),
        _ => safe,
    }
}
