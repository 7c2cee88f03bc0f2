//! What machines are told of each shipped rule: `src/policy/tests/golden/RULE.json`, beside the text for people.
//! `MAILWARD_BLESS=1` writes the files anew; the difference is to be read.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::audit::{MessageFacts, PlanSummary, SharedVerdict, Stage};
use crate::model::Timestamp;
use crate::pipeline::again::Terms;
use crate::pipeline::story;
use crate::policy::tests::Case;
use crate::policy::tests::golden::cases;
use crate::{lists, policy};

/// The record that the daemon would have written of it.
fn record(case: &Case) -> Record {
    let verdicts = policy::decide(&case.policy, &case.facts());
    let plan = case.plan(&verdicts);
    let id = case.facts().id;
    let subject = case.subject.as_ref().map(|raw| String::from_utf8_lossy(raw).trim().to_owned());
    Record {
        id,
        time: Timestamp::from_millis(id.unix_millis()),
        direction: case.direction,
        stage: Stage::End,
        session: case.session.clone(),
        envelope: case.envelope.clone(),
        message: MessageFacts { subject, ..MessageFacts::default() },
        attachments: Vec::new(),
        urls: Vec::new(),
        not_inspected: Vec::new(),
        coverage: case.coverage.clone(),
        elapsed_ms: BTreeMap::new(),
        findings: case.findings.clone(),
        advice: case.advice.clone(),
        authentication: case.authentication.clone(),
        lists: case.lists.clone(),
        released: case.released,
        verdicts: SharedVerdict::group(&verdicts),
        plan: PlanSummary {
            answer: plan.answer.clone(),
            dispositions: plan.recipients.clone(),
            headers: Vec::new(),
            removed: plan.removed(),
            also: Default::default(),
        },
        quarantine: None,
        policy: "now".to_owned(),
        rules: String::new(),
        versions: BTreeMap::new(),
        version: String::new(),
        left_out: Vec::new(),
    }
}

#[test]
fn what_machines_are_told_of_every_rule_is_as_it_was_agreed() {
    const KEYS: [&str; 9] = [
        "verdict",
        "disposition",
        "score",
        "rule",
        "reason",
        "coverage",
        "explanation",
        "would_change",
        "judged_again",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/tests/golden");
    let mut wrong = Vec::new();
    for (rule, case) in cases() {
        let terms = Terms {
            policy: case.policy.clone(),
            on_failure: case.on_failure.clone(),
            lists: lists::Terms::new(&lists::Config::default()),
            fingerprint: "now".to_owned(),
        };
        let record = record(&case);
        let mut whole = story::object(&record);
        of(&record, &terms, None).add_to(&mut whole);
        let told: BTreeMap<&str, &Value> = KEYS.iter().map(|key| (*key, &whole[*key])).collect();
        assert_eq!(told["rule"], rule);
        let text = format!("{}\n", serde_json::to_string_pretty(&told).unwrap());
        let file = folder.join(format!("{rule}.json"));
        if std::env::var_os("MAILWARD_BLESS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            wrong.push(format!("{}:\n{text}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "other than agreed:\n{}", wrong.join("\n"));
}
