//! The audit journal as a whole. The codec, witnesses, pseudonyms and files have their tests beside
//! them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::*;

mod authentication;
mod crash;
mod erase;
mod events;
mod expire;
mod journal;
mod malformed;
mod measure;
mod search;
mod verify;

/// 2026-11-20T12:00:00Z.
const NOON: u64 = 1_795_176_000_000;

/// An audit journal in a directory of its own.
struct Bench {
    dir: tempfile::TempDir,
    clock: Clock,
    metrics: Arc<Metrics>,
    config: Config,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::held(Timestamp::from_millis(NOON));
        Self { dir, clock, metrics: Arc::new(Metrics::new()), config: Config::default() }
    }

    fn open_with_notes(&self) -> (Arc<Audit>, Vec<String>) {
        let (store, recoveries) =
            Store::open(&self.dir.path().join("db"), &crate::store::Config::default()).unwrap();
        assert_eq!(recoveries, []);
        Audit::open(&self.config, self.dir.path(), &store, self.clock.clone(), &self.metrics, None).unwrap()
    }

    fn open(&self) -> Arc<Audit> {
        let (audit, notes) = self.open_with_notes();
        assert_eq!(notes, Vec::<String>::new());
        audit
    }

    fn journal_dir(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    fn days(&self) -> Vec<PathBuf> {
        let days = files::days(&self.journal_dir()).unwrap();
        days.into_iter().map(|d| d.path(&self.journal_dir())).collect()
    }

    /// A new id, a millisecond later than the one before.
    fn id(&self) -> MailId {
        self.clock.advance(Duration::from_millis(1));
        self.clock.mail_id().unwrap()
    }

    fn record(&self) -> Record {
        let id = self.id();
        Record { time: self.clock.now(), ..record(id) }
    }

    fn next_day(&self) {
        self.clock.advance(Duration::from_secs(86_400));
    }
}

async fn judge(audit: &Audit, record: Record) -> MailId {
    let id = record.id;
    audit.append(Entry::Judged(Box::new(record)), Sync::Soon).await.unwrap();
    id
}

fn verdict() -> Verdict {
    Verdict {
        disposition: Disposition::Tag,
        category: Category::Suspicious,
        score: Score::new(3.5),
        rule: "weak-signals".to_owned(),
        reason: "links lead elsewhere than they show".to_owned(),
        explanation: Explanation(Arc::new(vec![
            Step {
                rule: "malware".into(),
                saw: "no scanner names malware".into(),
                wants: None,
                decided: false,
                ..Step::default()
            },
            Step {
                rule: "incomplete".into(),
                saw: "clamd did not end in 8s; on_failure is ignore".into(),
                wants: None,
                decided: false,
                ..Step::default()
            },
            Step {
                rule: "weak-signals".into(),
                saw: "score 3.5 is at least 3".into(),
                wants: Some(Disposition::Tag),
                decided: true,
                ..Step::default()
            },
        ])),
        treatment: None,
    }
}

/// A record as a usual message leaves it: some 2 kB.
fn record(id: MailId) -> Record {
    let verdict = verdict();
    let headers =
        [("X-Mailward-Id", id.as_str()), ("X-Mailward-Verdict", "suspicious"), ("X-Mailward-Score", "3.5")];
    Record {
        id,
        time: Timestamp::from_millis(id.unix_millis()),
        direction: Direction::Inbound,
        stage: Stage::End,
        session: Session {
            client: Client {
                name: "mail.sender.example".into(),
                addr: ClientAddr::Ip([192, 0, 2, 25].into()),
            },
            helo: Some("mail.sender.example".into()),
            mta: Some("mx.example.org".into()),
            ..Session::default()
        },
        envelope: Envelope {
            reverse_path: ReversePath(Recipient::new(*b"<news@sender.example>")),
            parameters: vec!["SIZE=3500".into(), "BODY=8BITMIME".into()],
            recipients: vec![Recipient::new(*b"<anna@example.org>"), Recipient::new(*b"<bert@example.org>")],
            queue_id: Some("4X1abc2def".into()),
        },
        message: MessageFacts {
            size: 3500,
            message_id: Some("<20261120.1@sender.example>".into()),
            from: Some("News <news@sender.example>".into()),
            subject: Some("Your weekly news".into()),
            sha256: Some("00".repeat(32)),
        },
        attachments: vec![Attachment {
            name: "offer.pdf".into(),
            other_names: Vec::new(),
            media_type: "application/pdf".into(),
            size: 1200,
            sha256: "11".repeat(32),
            path: vec!["offer.pdf".into()],
        }],
        urls: vec![],
        not_inspected: vec![],
        coverage: Coverage(BTreeMap::from([
            (Scanner::Clamd, Outcome::TimedOut(Duration::from_secs(8))),
            (Scanner::Mime, Outcome::Clean),
            (Scanner::Yara, Outcome::Found),
        ])),
        elapsed_ms: BTreeMap::from([(Scanner::Clamd, 8000.0), (Scanner::Mime, 0.2), (Scanner::Yara, 1.1)]),
        findings: vec![Finding {
            scanner: Scanner::Yara,
            symbol: "Link_Text_Mismatch".into(),
            severity: Severity::Medium,
            category: Category::Suspicious,
            score: Score::new(3.5),
            text: "a link shows one host and leads to another".into(),
            location: Some("part 2".into()),
        }],
        advice: None,
        authentication: None,
        lists: ListHits::default(),
        released: None,
        verdicts: vec![SharedVerdict { recipients: vec![0, 1], verdict }],
        plan: PlanSummary {
            answer: Answer::Accept,
            dispositions: vec![Disposition::Tag, Disposition::Tag],
            headers: headers.map(|(n, v)| AddedHeader { name: n.into(), value: v.into() }).to_vec(),
            removed: Vec::new(),
            also: Default::default(),
        },
        quarantine: None,
        policy: "3f9a21c07b5e".into(),
        rules: "a1b2c3d4e5f6".into(),
        versions: BTreeMap::new(),
        version: "0.1.0".into(),
        left_out: vec![],
    }
}

fn whole(dir: &Path) -> VerifyReport {
    let report = verify_dir(dir).unwrap();
    assert_eq!(report.problems, []);
    report
}
