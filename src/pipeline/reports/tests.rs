//! Reports with an audit of their own and a teacher that keeps what it is taught.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::audit::{Audit, EventQuery, MessageFacts, PlanSummary, Pseudonyms, Stage};
use crate::model::{Answer, MailId, Timestamp};
use crate::pipeline::release::{Class, Learned, Parts, Settings, Teacher, TokenKey};
use crate::quarantine::Quarantine;
use crate::scan::BoxFuture;
use crate::store::Store;
use crate::telemetry::{Clock, Metrics};

const MAIL: &str =
    "From: Anna <a@sender.example>\r\nSubject: Hello\r\nMessage-ID: <1@sender.example>\r\n\r\nText\r\n";

/// Writes down what it is taught.
#[derive(Default)]
struct Pupil(Mutex<Vec<(Class, String)>>);

impl Teacher for Pupil {
    fn teach(&self, class: Class, message: Bytes, _: Instant) -> BoxFuture<'_, Result<Learned, String>> {
        Box::pin(async move {
            let mut lessons = self.0.lock().unwrap();
            let lesson = (class, String::from_utf8(message.to_vec()).unwrap());
            let known = lessons.contains(&lesson);
            lessons.push(lesson);
            Ok(if known { Learned::Known } else { Learned::Learned })
        })
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    reports: Arc<Reports>,
    pupil: Arc<Pupil>,
    id: MailId,
}

impl Bench {
    /// With the message [`MAIL`] on record.
    async fn new(config: Config) -> Self {
        Self::with(config, None).await
    }

    async fn with(config: Config, pseudonyms: Option<Arc<Pseudonyms>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::held(Timestamp::from_millis(1_795_176_000_000));
        let metrics = Arc::new(Metrics::new());
        let store = Store::open(&dir.path().join("db"), &Default::default()).unwrap().0;
        let audit =
            Audit::open(&Default::default(), dir.path(), &store, clock.clone(), &metrics, pseudonyms.clone())
                .unwrap()
                .0;
        let held = crate::quarantine::Config { path: dir.path().join("held"), ..Default::default() };
        let quarantine = Quarantine::open(held, [0; 32], clock.clone(), Arc::clone(&metrics)).unwrap().0;
        let pupil = Arc::new(Pupil::default());
        let settings = Settings {
            config: Default::default(),
            own_id: Default::default(),
            received_spf: false,
            behind_queue: false,
            teacher: Some(Arc::clone(&pupil) as Arc<dyn Teacher>),
        };
        let parts = Parts {
            quarantine,
            audit: Arc::clone(&audit),
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            pseudonyms,
        };
        let releases = Releases::new(parts, TokenKey::new(&[0; 32]), settings);
        let id = MailId::from_parts(clock.now().millis(), 7);
        audit.append(Entry::Judged(Box::new(record(id))), Sync::Now).await.unwrap();
        let reports = Reports::new(releases, config);
        Self { _dir: dir, audit, metrics, reports, pupil, id }
    }

    async fn say(&self, class: Class, message: &str) -> Reported {
        self.said(Said { class, ..said() }, message).await
    }

    /// Sends a report to its end, and gives what is on record of it.
    async fn said(&self, said: Said, message: &str) -> Reported {
        let room = self.reports.room(said.class, message.len() as u64).await.unwrap();
        self.reports.take(said, message.to_owned().into(), room).unwrap();
        drop(self.reports.work.write().await);
        let query = EventQuery { reports: true, limit: 1, ..EventQuery::default() };
        let newest = self.audit.events(&query).unwrap().events.remove(0);
        let Entry::Reported(report) = newest else { panic!("{newest:?}") };
        *report
    }

    fn lessons(&self) -> Vec<(Class, String)> {
        self.pupil.0.lock().unwrap().clone()
    }
}

fn said() -> Said {
    Said {
        class: Class::Spam,
        user: "alice@example.org".to_owned(),
        mailbox: "Junk".to_owned(),
        by: "token dovecot".to_owned(),
        cut: false,
    }
}

fn record(id: MailId) -> crate::audit::Record {
    let plan = PlanSummary {
        answer: Answer::Accept,
        dispositions: Vec::new(),
        headers: Vec::new(),
        removed: Vec::new(),
        also: Default::default(),
    };
    let json = serde_json::json!({"id": id, "time": "2026-11-21T00:00:00.000Z", "plan": plan});
    let mut record: crate::audit::Record = serde_json::from_value(json).unwrap();
    record.stage = Stage::End;
    record.message = MessageFacts {
        size: MAIL.len() as u64,
        message_id: Some("<1@sender.example>".to_owned()),
        from: Some("Anna <a@sender.example>".to_owned()),
        subject: Some("Hello".to_owned()),
        sha256: None,
    };
    record
}

#[tokio::test]
async fn a_report_is_put_on_record_and_teaches_what_the_sender_wrote() {
    let bench = Bench::new(Config::default()).await;
    let id = bench.id;
    let top = "Return-Path: <a@sender.example>\nDelivered-To: alice@example.org\nX-Spam-Flag: YES\n";
    let delivered =
        format!("{top}X-Mailward-Id: {id}\nX-Mailward-Reason: a\n\tb\n{}", MAIL.replace("\r\n", "\n"));
    let delivered = delivered.replace("Subject: Hello", "Subject: [SPAM] Hello");
    let taught = MAIL.replace("Subject: Hello", "Subject: [SPAM] Hello");
    let report = bench.say(Class::Spam, &delivered).await;
    assert_eq!(
        report,
        Reported {
            kind: ReportKind::Spam,
            id: Some(id),
            time: report.time,
            user: "alice@example.org".to_owned(),
            mailbox: "Junk".to_owned(),
            by: "token dovecot".to_owned(),
            message_id: None,
            detail: "learned as spam".to_owned(),
        }
    );
    assert_eq!(bench.lessons(), [(Class::Spam, taught)]);
    let found = bench.audit.find(id).unwrap().unwrap();
    assert_eq!(found.events, [Entry::Reported(Box::new(report))]);
    let count = |kind: &str, came: &str| bench.metrics.reports.with_label_values(&[kind, came]).get();
    assert_eq!((count("spam", "learned"), count("ham", "learned")), (1, 0));
}

#[tokio::test]
async fn an_id_that_the_record_does_not_agree_with_is_not_believed_and_teaches_nothing() {
    let bench = Bench::new(Config::default()).await;
    let claim = format!("X-Mailward-Id: {}\r\n", bench.id);
    let forged = [
        MAIL.replace("<1@", "<2@"),
        MAIL.replace("Hello", "Win a prize"),
        MAIL.replace("Anna", "Bank"),
        MAIL.replace("Message-ID: <1@sender.example>\r\n", ""),
        format!("{claim}{MAIL}"),
        format!("X-Mailward-Id: nonsense\r\n{MAIL}"),
    ];
    for (n, mail) in forged.iter().enumerate() {
        let claim = if mail.contains("nonsense") { "" } else { claim.as_str() };
        let report = bench.say(Class::Ham, &format!("{claim}{mail}")).await;
        assert_eq!((report.id, report.kind), (None, ReportKind::Ham), "{n}");
        assert!(report.detail.starts_with("rspamd was not taught: it"), "{}", report.detail);
    }
    assert_eq!(bench.lessons(), []);
    assert_eq!(bench.audit.find(bench.id).unwrap().unwrap().events, []);
    assert_eq!(bench.metrics.reports.with_label_values(&["ham", "not-taught"]).get(), 6);
}

#[tokio::test]
async fn a_message_that_is_not_on_record_teaches_and_is_told_by_its_message_id() {
    let bench = Bench::new(Config::default()).await;
    let other = MailId::from_parts(1_795_000_000_000, 1);
    for mail in [MAIL.to_owned(), format!("X-Mailward-Id: {other}\r\n{MAIL}")] {
        let report = bench.say(Class::Spam, &mail).await;
        assert_eq!((report.id, report.message_id.as_deref()), (None, Some("<1@sender.example>")));
        assert!(report.detail.ends_with("; it is not on record here"), "{}", report.detail);
    }
    assert_eq!(bench.lessons(), [(Class::Spam, MAIL.to_owned()), (Class::Spam, MAIL.to_owned())]);
}

#[tokio::test]
async fn what_is_too_large_or_not_wanted_is_put_on_record_only() {
    let bench = Bench::new(Config { teach: false, ..Config::default() }).await;
    let mail = format!("X-Mailward-Id: {}\r\n{MAIL}", bench.id);
    let report = bench.say(Class::Spam, &mail).await;
    assert_eq!(
        (report.id, report.detail.as_str()),
        (Some(bench.id), "rspamd was not taught: report.teach is off")
    );
    bench.reports.configure(Config::default());
    let report = bench.said(Said { cut: true, ..said() }, &mail).await;
    assert_eq!(report.detail, "rspamd was not taught: the message is larger than 8 MiB");
    assert_eq!(bench.lessons(), []);
}

#[tokio::test]
async fn a_report_without_a_message_or_room_is_not_taken() {
    let bench = Bench::new(Config::default()).await;
    let room = bench.reports.room(Class::Spam, 1).await.unwrap();
    assert!(matches!(bench.reports.take(said(), "\r\n".into(), room), Err(ReportError::Empty)));
    let mut all = Vec::new();
    for _ in 0..ROOM / LARGEST {
        all.push(bench.reports.room(Class::Spam, u64::MAX).await.unwrap());
    }
    assert!(matches!(bench.reports.room(Class::Spam, 1).await, Err(ReportError::NoRoom)));
    drop(all);
    assert!(bench.reports.room(Class::Spam, 1).await.is_ok());
    assert_eq!(bench.metrics.reports.with_label_values(&["spam", "no-room"]).get(), 1);
}

#[tokio::test]
async fn where_people_are_hidden_a_message_is_still_known_and_its_reader_is_hidden_too() {
    let pseudonyms = Arc::new(Pseudonyms::new(&[7; 32]));
    let bench = Bench::with(Config::default(), Some(Arc::clone(&pseudonyms))).await;
    let mail = format!("X-Mailward-Id: {}\r\n{MAIL}", bench.id);
    let report = bench.say(Class::Spam, &mail).await;
    assert_eq!((report.id, report.user), (Some(bench.id), pseudonyms.address("alice@example.org")));
    let report = bench.say(Class::Spam, &mail.replace("<1@", "<2@")).await;
    assert_eq!(report.id, None);
}

#[tokio::test]
async fn at_the_stop_what_waits_is_put_on_record_and_nothing_more_is_taken() {
    let bench = Bench::new(Config::default()).await;
    let turns = bench.reports.turns.acquire_many(2).await.unwrap();
    let room = bench.reports.room(Class::Spam, 1).await.unwrap();
    bench.reports.take(said(), MAIL.into(), room).unwrap();
    bench.reports.finish(Duration::from_secs(30)).await;
    drop(turns);
    let query = EventQuery { reports: true, ..EventQuery::default() };
    let [Entry::Reported(report)] = &bench.audit.events(&query).unwrap().events[..] else { panic!() };
    assert_eq!(report.detail, "rspamd was not taught: mailward was being stopped; it is not on record here");
    assert!(matches!(bench.reports.room(Class::Spam, 1).await, Err(ReportError::Stopping)));
}

#[tokio::test]
async fn too_many_reports_are_counted_and_left_out() {
    let bench = Bench::new(Config { per_user: 2, ..Config::default() }).await;
    let admitted: Vec<bool> = (0..4).map(|_| bench.reports.admit(Class::Ham, "bob").is_ok()).collect();
    assert_eq!(admitted, [true, true, false, false]);
    let refused = bench.reports.admit(Class::Ham, "bob").unwrap_err().to_string();
    assert!(refused.starts_with("too many reports of bob in the last hour"), "{refused}");
    assert_eq!(bench.metrics.reports.with_label_values(&["ham", "limited"]).get(), 3);
}
