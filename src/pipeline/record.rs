//! Makes the audit record of a judged message: all that is needed to explain it later, no body text.

use std::collections::BTreeMap;
use std::time::Duration;

use super::engine::{Engine, Judged, Looked};
use crate::audit::{MessageFacts, PlanSummary, Record, SharedVerdict, Stage};
use crate::mail::{self, auth_results};
use crate::model::{MailId, Scanner, Timestamp, text};
use crate::quarantine::Stored;
use crate::scan::ScanInput;

/// The most links in a record: a newsletter has hundreds, and what no feed knows is seldom asked for.
const MAX_URLS: usize = 30;
/// The most bytes of the text shown for one of them: enough to find it by.
const MAX_SHOWN: usize = 100;

/// The record of one message.
#[must_use]
pub fn of(
    id: MailId,
    time: Timestamp,
    looked: &Looked,
    judged: &Judged,
    held: Option<&Stored>,
    engine: &Engine,
) -> Record {
    let input = &looked.input;
    let (mut urls, more_urls) =
        looked.seen.urls.as_deref().map(|seen| seen.shown(MAX_URLS)).unwrap_or_default();
    for url in &mut urls {
        url.shown.truncate(url.shown.floor_char_boundary(MAX_SHOWN));
    }
    Record {
        id,
        time,
        direction: looked.direction,
        stage: Stage::End,
        session: (*input.session).clone(),
        envelope: input.envelope.clone(),
        message: MessageFacts {
            size: input.message.raw().len() as u64,
            message_id: input.message.first("Message-ID"),
            from: field(input, "From"),
            subject: field(input, "Subject"),
            sha256: None,
        },
        attachments: input.attachments.clone(),
        urls,
        not_inspected: input.parts.not_inspected.clone(),
        coverage: looked.seen.coverage.clone(),
        elapsed_ms: looked.seen.took.iter().map(|(scanner, took)| (*scanner, millis(*took))).collect(),
        findings: looked.seen.findings.clone(),
        advice: looked.seen.advice.clone(),
        authentication: looked.seen.authentication.as_deref().cloned(),
        lists: looked.lists.clone().unwrap_or_default(),
        released: looked.released,
        verdicts: SharedVerdict::group(&judged.verdicts),
        plan: plan(looked, judged, engine),
        quarantine: held.map(|stored| stored.id),
        policy: engine.settings().fingerprint.clone(),
        rules: engine.versions(Scanner::Yara),
        versions: versions(engine),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        left_out: if more_urls > 0 { vec![format!("{more_urls} links")] } else { Vec::new() },
    }
}

/// What was done; of forged Authentication-Results also in whose name they were.
fn plan(looked: &Looked, judged: &Judged, engine: &Engine) -> PlanSummary {
    let mut plan = PlanSummary::from(&judged.plan);
    for fields in plan.removed.iter_mut().filter(|fields| auth_results::is_name(&fields.name)) {
        fields.claimed = engine.authserv_id(&looked.input.session).map(|id| id.as_str().to_owned());
    }
    plan
}

/// The data of every scanner that has any, YARA's rules aside.
fn versions(engine: &Engine) -> BTreeMap<Scanner, String> {
    let asked = engine.scanners().iter().map(|asked| &asked.scan);
    let others = asked.filter(|scan| scan.scanner() != Scanner::Yara);
    let versions = others.map(|scan| (scan.scanner(), text::line(&scan.version(), 100)));
    versions.filter(|(_, version)| !version.is_empty()).collect()
}

/// The first field called `name`, encoded words decoded (RFC 2047).
#[must_use]
pub fn field(input: &ScanInput, name: &str) -> Option<String> {
    input.message.values(name).next().map(mail::header::decode_words)
}

/// Milliseconds with three decimals.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
