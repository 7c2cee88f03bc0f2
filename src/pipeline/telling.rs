//! Metrics and the one log line of a message.

use std::time::Duration;

use super::engine::{Judged, Looked};
use crate::model::{Answer, ClientAddr, Disposition, text};
use crate::telemetry::Metrics;

/// Longest foreign text in a log line, in characters.
const MAX: usize = 200;

/// Counts a message and writes its log line.
pub(super) fn tell(metrics: &Metrics, looked: &Looked, judged: &Judged, took: Duration) {
    let input = &looked.input;
    let disposition = judged.plan.recipients.iter().copied().reduce(Disposition::stricter).unwrap_or(
        match judged.plan.answer {
            Answer::Tempfail(_) => Disposition::Tempfail,
            Answer::Reject(_) => Disposition::Reject,
            Answer::Discard => Disposition::Discard,
            Answer::Accept => Disposition::Accept,
        },
    );
    let main = judged.verdicts.iter().max_by_key(|v| (v.disposition.strictness(), v.category));
    let category = main.map(|v| v.category).unwrap_or_default();
    let size = input.message.raw().len();
    metrics.messages.with_label_values(&[disposition.name(), category.name()]).inc();
    metrics.message_seconds.observe(took.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a message is far below 2^52 bytes")]
    metrics.message_bytes.observe(size as f64);
    let gap = looked.seen.coverage.gaps().next().is_some();
    if gap && matches!(judged.plan.answer, Answer::Accept) {
        metrics.degraded.inc();
    }
    let client = match &input.session.client.addr {
        ClientAddr::Ip(ip) => ip.to_string(),
        ClientAddr::Unix(_) => "local".to_owned(),
        ClientAddr::Unknown => "unknown".to_owned(),
    };
    tracing::info!(
        id = %input.id,
        queue_id = input.envelope.queue_id.as_deref().unwrap_or("none"),
        client,
        from = text::line(input.envelope.reverse_path.address(), MAX),
        recipients = input.envelope.recipients.len(),
        size,
        %disposition,
        verdict = %category,
        score = %main.map(|v| v.score).unwrap_or_default(),
        rule = main.map(|v| v.rule.as_str()).unwrap_or("none"),
        reason = text::line(main.map(|v| v.reason.as_str()).unwrap_or_default(), MAX),
        coverage = %looked.seen.coverage,
        ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "judged"
    );
}
