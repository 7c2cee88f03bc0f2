//! Records judged again.

use std::sync::Arc;

use super::*;
use crate::audit::{MessageFacts, PlanSummary, SharedVerdict};
use crate::model::*;
use crate::policy::{self, RuleFile, Rules};

pub(in crate::pipeline) fn policy(text: &str) -> Policy {
    let file: RuleFile = toml::from_str(text).unwrap();
    let (rules, faults) = Rules::new(&file, text);
    assert_eq!(faults.iter().filter(|fault| fault.is_error).count(), 0, "{faults:?}");
    Policy::default().with_rules(rules)
}

pub(in crate::pipeline) fn terms() -> Terms {
    Terms {
        policy: Policy::default(),
        on_failure: BTreeMap::new(),
        lists: lists::Terms::new(&lists::Config::default()),
        fingerprint: "now".to_owned(),
    }
}

/// A record as the daemon would have written it of mail with these findings.
pub(in crate::pipeline) fn record(id: MailId, findings: Vec<Finding>) -> Record {
    let path = |address: &str| Recipient::new(format!("<{address}>"));
    let envelope = Envelope {
        reverse_path: ReversePath(path("a@sender.example")),
        recipients: vec![path("alice@example.org"), path("bob@example.org")],
        ..Envelope::default()
    };
    let mut record = Record {
        id,
        time: Timestamp::from_millis(id.unix_millis()),
        direction: Direction::Inbound,
        stage: Stage::End,
        session: Session::default(),
        envelope,
        message: MessageFacts { subject: Some("Hello".to_owned()), ..MessageFacts::default() },
        attachments: Vec::new(),
        urls: Vec::new(),
        not_inspected: Vec::new(),
        coverage: Coverage([(Scanner::Yara, Outcome::of(&findings))].into()),
        elapsed_ms: BTreeMap::new(),
        findings,
        advice: None,
        authentication: None,
        lists: ListHits::default(),
        released: None,
        verdicts: Vec::new(),
        plan: PlanSummary {
            answer: Answer::Accept,
            dispositions: Vec::new(),
            headers: Vec::new(),
            removed: Vec::new(),
            also: Default::default(),
        },
        quarantine: None,
        policy: "then".to_owned(),
        rules: String::new(),
        versions: BTreeMap::new(),
        version: String::new(),
        left_out: Vec::new(),
    };
    judge(&mut record, &Policy::default());
    record
}

/// Writes the verdicts of this policy into it.
pub(in crate::pipeline) fn judge(record: &mut Record, policy: &Policy) {
    let on_failure = BTreeMap::new();
    let verdicts = {
        let past = Past { record, exempt: Vec::new(), subject: None, failures: 0 };
        policy::decide(policy, &past.facts(&on_failure, None))
    };
    record.verdicts = SharedVerdict::group(&verdicts);
    record.plan.dispositions = verdicts.iter().map(|verdict| verdict.disposition).collect();
}

pub(in crate::pipeline) fn spam(score: f64) -> Finding {
    Finding {
        scanner: Scanner::Yara,
        symbol: "SPAM_WORDS".to_owned(),
        severity: Severity::Low,
        category: Category::Spam,
        score: Score::new(score),
        text: "words".to_owned(),
        location: None,
    }
}

fn id() -> MailId {
    MailId::from_parts(1_795_210_591_042, 7)
}

#[test]
fn a_record_read_back_is_judged_as_the_message_was() {
    for score in [0.0, 3.5, 7.0, 20.0] {
        let written = record(id(), vec![spam(score)]);
        let text = serde_json::to_string(&written).unwrap();
        let read: Record = serde_json::from_str(&text).unwrap();
        let terms = terms();
        let past = Past::of(&read, &terms.lists).unwrap();
        let verdicts = policy::decide(&terms.policy, &past.facts(&terms.on_failure, None));
        assert_eq!(SharedVerdict::group(&verdicts), written.verdicts, "{score}");
    }
}

#[test]
fn what_was_not_judged_is_not_judged_again() {
    let lists = lists::Terms::default();
    let why = |change: fn(&mut Record)| {
        let mut record = record(id(), Vec::new());
        change(&mut record);
        Past::of(&record, &lists).err()
    };
    assert_eq!(why(|_| ()), None);
    assert_eq!(why(|record| record.stage = Stage::Rcpt), Some(NotAgain::Early));
    assert_eq!(
        why(|record| record.verdicts[0].verdict.rule = "not-collected".into()),
        Some(NotAgain::NotCollected)
    );
    assert_eq!(
        why(|record| record.verdicts[0].verdict.rule = NOT_SECURED.into()),
        Some(NotAgain::NotSecured)
    );
    assert_eq!(why(|record| record.verdicts.clear()), Some(NotAgain::NoVerdict));
    // From sendmail(1) it was put off in place of being refused, and is not here all the same.
    let local = |record: &mut Record| {
        let verdict = &mut record.verdicts[0].verdict;
        verdict.rule = "local-submission".into();
        Arc::make_mut(&mut verdict.explanation.0)[0].wants = Some(Disposition::Reject);
    };
    assert_eq!(why(local), Some(NotAgain::NotCollected));
}

#[test]
fn how_often_it_failed_is_taken_from_what_was_told() {
    let mut record = record(id(), Vec::new());
    assert_eq!(failures(&record), 0);
    let timeout = Outcome::TimedOut(std::time::Duration::from_secs(8));
    record.coverage.0.insert(Scanner::Clamd, timeout);
    for (before, disposition) in [(1, Disposition::Tempfail), (2, Disposition::Quarantine)] {
        let verdicts = {
            let past = Past { record: &record, exempt: Vec::new(), subject: None, failures: before };
            policy::decide(&Policy::default(), &past.facts(&BTreeMap::new(), None))
        };
        assert_eq!(verdicts[0].disposition, disposition);
        record.verdicts = SharedVerdict::group(&verdicts);
        assert_eq!(failures(&record), before);
    }
}

#[test]
fn what_a_record_lacks_is_known() {
    let mut record = record(id(), Vec::new());
    let lists = lists::Terms::default();
    assert_eq!(Past::of(&record, &lists).unwrap().lacks(), Lacks::default());
    record.left_out = vec!["3 links".to_owned(), "2 attachments".to_owned()];
    let lacks = Lacks { urls: true, attachments: true, ..Lacks::default() };
    assert_eq!(Past::of(&record, &lists).unwrap().lacks(), lacks);
    record.left_out.clear();
    crate::audit::Pseudonyms::new(&[7; 32]).record(&mut record);
    let lacks = Lacks { people: true, ..Lacks::default() };
    assert_eq!(Past::of(&record, &lists).unwrap().lacks(), lacks);
    record.session.user = Some("p-aaaaaaaaaa".to_owned());
    assert_eq!(Past::of(&record, &lists).unwrap().lacks(), Lacks { client: true, ..lacks });
}

#[test]
fn size_message_id_and_domain_of_the_author_are_known_from_the_record() {
    let mut record = record(id(), Vec::new());
    record.message.size = 2_000;
    record.message.message_id = Some("<1@sender.example>".to_owned());
    let author = Author::Domain("sender.example".to_owned());
    record.authentication = Some(Authentication { author, ..Authentication::default() });
    let lists = lists::Terms::default();
    let decided = |record: &Record, when: &str| {
        let text = format!("[[rule]]\nname = \"big\"\ndisposition = \"reject\"\nwhen = '{when}'\n");
        let past = Past::of(record, &lists).unwrap();
        let judgement = policy::judge_again(&policy(&text), &past.facts(&BTreeMap::new(), None), None);
        (judgement.verdict.rule, judgement.unknown)
    };
    let all = [
        "message.size == 2000",
        "message.message_id == \"<1@sender.example>\"",
        "message.from_domain == \"sender.example\"",
    ];
    for when in all {
        assert_eq!(decided(&record, when), ("big".to_owned(), vec![]), "{when}");
        assert_eq!(decided(&record, &when.replace("==", "!=")), ("accept".to_owned(), vec![]), "{when}");
    }
    record.message.message_id = Some("<1@send…".to_owned());
    record.authentication = None;
    record.message.size = 0;
    for when in all {
        assert_eq!(decided(&record, when), ("accept".to_owned(), vec!["big".to_owned()]), "{when}");
    }
}
