use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::*;

#[tokio::test]
async fn what_was_appended_is_explained_word_for_word() {
    let bench = Bench::new();
    let audit = bench.open();
    let record = bench.record();
    let id = judge(&audit, record.clone()).await;
    audit.note_answered(id, true);
    let released = Entry::Quarantine {
        id,
        what: QuarantineEvent::Released,
        by: "anna".into(),
        time: bench.clock.now(),
        detail: String::new(),
    };
    audit.append(released.clone(), Sync::Now).await.unwrap();
    let expected =
        Explained { record, answered: Some(true), instead: None, events: vec![released], problems: vec![] };
    assert_eq!(audit.find(id).unwrap(), Some(expected.clone()));
    assert_eq!(audit.find(bench.id()).unwrap(), None);

    drop(audit);
    assert_eq!(bench.open().find(id).unwrap(), Some(expected));
}

#[tokio::test]
async fn what_nobody_took_stands_there_with_what_was_answered() {
    let bench = Bench::new();
    let audit = bench.open();
    let id = judge(&audit, bench.record()).await;
    audit.note_undelivered(id, true, "451 4.4.1 the next mail server cannot be reached");
    drop(audit);
    let audit = bench.open();
    let found = audit.find(id).unwrap().unwrap();
    let said = Some("451 4.4.1 the next mail server cannot be reached");
    assert_eq!((found.answered, found.instead.as_deref()), (Some(true), said));
    assert_eq!(audit.list(&Query::default()).unwrap().rows[0].instead.as_deref(), said);
}

#[tokio::test]
async fn the_journal_goes_on_over_days_and_restarts_in_one_chain() {
    let bench = Bench::new();
    for _ in 0..3 {
        let audit = bench.open();
        judge(&audit, bench.record()).await;
        bench.next_day();
        audit.note_answered(judge(&audit, bench.record()).await, true);
    }
    assert_eq!(bench.days().len(), 4);
    let report = whole(&bench.journal_dir());
    // Each time: started, two messages, an answer, stopped.
    assert_eq!((report.files, report.records, report.notes.len()), (4, 15, 0));
    assert_eq!(report.first.unwrap().millis(), NOON);
    assert_eq!(report.last, Some(bench.clock.now()));
}

#[tokio::test]
async fn a_lazy_entry_stands_in_front_of_the_next_append_and_needs_none() {
    let bench = Bench::new();
    let audit = bench.open();
    let first = judge(&audit, bench.record()).await;
    audit.note_answered(first, false);
    let second = judge(&audit, bench.record()).await;
    audit.note_answered(second, true);
    // Nothing follows: the syncer writes it.
    let deadline = Instant::now() + Duration::from_secs(10);
    let text = loop {
        let text = fs::read_to_string(&bench.days()[0]).unwrap();
        if text.lines().count() == 5 || Instant::now() > deadline {
            break text;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let kinds: Vec<_> = text.lines().map(|l| l[line::HEADER..].split('"').nth(1).unwrap()).collect();
    assert_eq!(kinds, ["started", "judged", "answered", "judged", "answered"]);
    assert_eq!(audit.find(first).unwrap().unwrap().answered, Some(false));
}

#[tokio::test]
async fn an_append_that_wants_it_is_on_disk_when_it_returns() {
    let bench = Bench::new();
    let audit = bench.open();
    for sync in [Sync::Now, Sync::Soon] {
        let record = bench.record();
        audit.append(Entry::Judged(Box::new(record)), sync).await.unwrap();
        let head = witness::read(&bench.journal_dir(), HEAD).unwrap();
        let witness::Found::Mark(mark) = head else { panic!("{head:?}") };
        let synced = mark.hash == audit.head();
        if sync == Sync::Now {
            assert!(synced, "the head is written after the sync and names the last line");
        }
    }
    audit.flush().unwrap();
    let witness::Found::Mark(mark) = witness::read(&bench.journal_dir(), HEAD).unwrap() else { panic!() };
    assert_eq!(mark.hash, audit.head());
}

#[tokio::test]
async fn with_sync_always_every_append_waits_for_the_disk() {
    let mut bench = Bench::new();
    bench.config.sync = SyncMode::Always;
    let audit = bench.open();
    for _ in 0..5 {
        judge(&audit, bench.record()).await;
        let witness::Found::Mark(mark) = witness::read(&bench.journal_dir(), HEAD).unwrap() else { panic!() };
        assert_eq!(mark.hash, audit.head());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_sync_serves_many() {
    let bench = Bench::new();
    let audit = bench.open();
    let records: Vec<_> = (0..200).map(|_| bench.record()).collect();
    let tasks: Vec<_> = records
        .into_iter()
        .map(|record| {
            let audit = Arc::clone(&audit);
            crate::telemetry::spawn::supervised("test", &bench.metrics, async move {
                audit.append(Entry::Judged(Box::new(record)), Sync::Now).await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap().unwrap();
    }
    let syncs = bench.metrics.audit_sync_seconds.get_sample_count();
    assert!((1..=200).contains(&syncs), "{syncs}");
    assert_eq!(bench.metrics.audit_records.get(), 201);
    drop(audit);
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_taken_until_one_succeeds() {
    let bench = Bench::new();
    let audit = bench.open();
    let before = judge(&audit, bench.record()).await;
    audit.flush().unwrap();
    audit.journal.shared.fail_syncs.store(true, Ordering::Relaxed);
    let lost = bench.record();
    let result = audit.append(Entry::Judged(Box::new(lost)), Sync::Now).await;
    assert!(matches!(result, Err(AuditError::Sync(_))), "{result:?}");
    let result = audit.append(Entry::Judged(Box::new(bench.record())), Sync::Soon).await;
    assert!(matches!(result, Err(AuditError::Sync(_))), "{result:?}");
    assert!(matches!(audit.flush(), Err(AuditError::Sync(_))));
    assert!(bench.metrics.audit_errors.with_label_values(&["sync"]).get() >= 1);
    // What is there can still be read.
    assert!(audit.find(before).unwrap().is_some());

    audit.journal.shared.fail_syncs.store(false, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(e) = audit.append(Entry::Judged(Box::new(bench.record())), Sync::Now).await {
        assert!(Instant::now() < deadline, "{e}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(audit);
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn a_sync_opens_nothing_the_first_of_a_file_and_one_after_a_failure_included() {
    let bench = Bench::new();
    let audit = bench.open();
    // What stands under no name that is known can only be synced by who has it open.
    let away = bench.dir.path().join("away");
    fs::rename(bench.journal_dir(), &away).unwrap();
    audit.append(Entry::Judged(Box::new(bench.record())), Sync::Now).await.unwrap();
    audit.journal.shared.fail_syncs.store(true, Ordering::Relaxed);
    let refused = audit.append(Entry::Judged(Box::new(bench.record())), Sync::Now).await;
    assert!(matches!(refused, Err(AuditError::Sync(_))), "{refused:?}");
    audit.journal.shared.fail_syncs.store(false, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(e) = audit.append(Entry::Judged(Box::new(bench.record())), Sync::Now).await {
        assert!(Instant::now() < deadline, "{e}");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Only another day has a file to be made.
    bench.next_day();
    let refused = audit.append(Entry::Judged(Box::new(bench.record())), Sync::Now).await;
    assert!(matches!(refused, Err(AuditError::Append { .. })), "{refused:?}");
    fs::rename(&away, bench.journal_dir()).unwrap();
    judge(&audit, bench.record()).await;
    drop(audit);
    whole(&bench.journal_dir());
    assert_eq!(bench.days().len(), 2);
}

#[tokio::test]
async fn a_full_disk_fails_the_append_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let audit = bench.open();
    judge(&audit, bench.record()).await;
    // Tomorrow's file cannot grow: every write to /dev/full fails as on a full disk.
    let tomorrow = Day::of(bench.clock.now()).next().path(&bench.journal_dir());
    bench.next_day();
    std::os::unix::fs::symlink("/dev/full", &tomorrow).unwrap();
    let refused = audit.append(Entry::Judged(Box::new(bench.record())), Sync::Soon).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("no mail is accepted until it can"), "{text}");
    assert!(bench.metrics.audit_errors.with_label_values(&["append"]).get() >= 1);
    fs::remove_file(&tomorrow).unwrap();
    let id = judge(&audit, bench.record()).await;
    assert!(audit.find(id).unwrap().is_some());
    drop(audit);
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn a_write_that_was_cut_short_is_taken_back() {
    let bench = Bench::new();
    let audit = bench.open();
    judge(&audit, bench.record()).await;
    {
        // As a full disk leaves it: some bytes are there, and they could not be cut off at once.
        let mut inner = audit.journal.shared.lock();
        let end = inner.segments.last().unwrap().end;
        inner.cut_to = Some(end);
        OpenOptions::new()
            .append(true)
            .open(&bench.days()[0])
            .unwrap()
            .write_all(b"000004d2 half a l")
            .unwrap();
    }
    let id = judge(&audit, bench.record()).await;
    assert!(audit.find(id).unwrap().is_some());
    drop(audit);
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn a_torn_end_is_moved_aside_and_the_chain_goes_on() {
    let bench = Bench::new();
    let id = judge(&bench.open(), bench.record()).await;
    let path = bench.days().pop().unwrap();
    let good = fs::read(&path).unwrap();
    let torn = [&good[..100], b"\nmore\0\0"].concat();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&torn).unwrap();
    assert_eq!(verify_dir(&bench.journal_dir()).unwrap().problems.len(), 2);

    let (audit, notes) = bench.open_with_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("were moved aside"), "{notes:?}");
    assert!(audit.find(id).unwrap().is_some());
    judge(&audit, bench.record()).await;
    drop(audit);
    let aside = bench.journal_dir().join(format!("2026-11-20.log.{}.torn", good.len()));
    assert_eq!(fs::read(aside).unwrap(), torn);
    let report = whole(&bench.journal_dir());
    assert_eq!(report.notes.len(), 1);
    drop(bench.open());
}

#[tokio::test]
async fn a_cut_end_is_noticed_at_the_next_start_and_ever_after() {
    let bench = Bench::new();
    let audit = bench.open();
    let kept = judge(&audit, bench.record()).await;
    let lost = judge(&audit, bench.record()).await;
    drop(audit);
    let path = bench.days().pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let two: String = text.split_inclusive('\n').take(2).collect();
    fs::write(&path, two).unwrap();

    let (audit, notes) = bench.open_with_notes();
    assert!(notes[0].contains("records were cut off or changed"), "{notes:?}");
    assert!(audit.find(kept).unwrap().is_some());
    assert_eq!(audit.find(lost).unwrap(), None);
    drop(audit);
    drop(bench.open());
    let problems = verify_dir(&bench.journal_dir()).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].what.contains("records were cut off or changed"), "{problems:?}");
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_bring_back_a_day() {
    let bench = Bench::new();
    bench.next_day();
    drop(bench.open());
    let earlier = Bench { clock: Clock::held(Timestamp::from_millis(NOON)), ..bench };
    let audit = earlier.open();
    let id = judge(&audit, earlier.record()).await;
    assert!(audit.find(id).unwrap().is_some());
    drop(audit);
    assert_eq!(earlier.days().len(), 1);
    whole(&earlier.journal_dir());
}

#[tokio::test]
async fn a_record_of_any_size_is_taken_and_says_what_was_left_out() {
    let bench = Bench::new();
    let audit = bench.open();
    let mut huge = bench.record();
    // Twelve bytes a character in the journal.
    let long = "\u{1F600}".repeat(1100);
    let finding = Finding { text: long.clone(), location: Some(long.clone()), ..huge.findings[0].clone() };
    huge.findings = vec![finding; 500];
    let recipient = |i| Recipient::new(format!("<{i}{}@x>", "\u{1F600}".repeat(300)));
    huge.envelope.recipients = (0..3000).map(recipient).collect();
    huge.plan.dispositions = vec![Disposition::Reject; 3000];
    huge.message.subject = Some(long.clone());
    huge.session.helo = Some(long.clone());
    huge.session.client.addr = ClientAddr::Unix(long.clone());
    huge.attachments[0].name = format!("{long}.js");
    huge.attachments[0].other_names = vec![format!("{long}.exe"); 16];
    huge.attachments[0].path = vec![long.clone(); 20];
    huge.attachments = vec![huge.attachments[0].clone(); 220];
    let step = Step { rule: long.clone(), saw: long, wants: None, decided: false, ..Step::default() };
    huge.verdicts[0].verdict.explanation = Explanation(vec![step; 30].into());
    huge.verdicts = vec![huge.verdicts[0].clone(); 110];
    let id = judge(&audit, huge).await;
    let kept = audit.find(id).unwrap().unwrap().record;
    assert!(kept.left_out.iter().any(|s| s.contains("findings")), "{:?}", kept.left_out);
    assert!(kept.left_out.iter().any(|s| s.contains("long texts")), "{:?}", kept.left_out);
    let file = &kept.attachments[0];
    assert!(file.name.ends_with(".js") && file.other_names[0].ends_with(".exe"), "{file:?}");
    assert_eq!(kept.disposition(), Disposition::Reject);
    // It is found by a recipient that stands in the record only.
    let recipient = kept.envelope.recipients[50].address().to_owned();
    let query = Query { recipient: Some(recipient), ..Query::default() };
    assert_eq!(audit.list(&query).unwrap().rows.len(), 1);
}

#[tokio::test]
async fn with_pseudonyms_no_person_is_in_the_journal_and_addresses_are_found_all_the_same() {
    let bench = Bench::new();
    let (store, _) = Store::open(&bench.dir.path().join("db"), &crate::store::Config::default()).unwrap();
    let pseudonyms = Arc::new(Pseudonyms::new(&[1; 32]));
    let (audit, _) = Audit::open(
        &bench.config,
        bench.dir.path(),
        &store,
        bench.clock.clone(),
        &bench.metrics,
        Some(pseudonyms),
    )
    .unwrap();
    let mut record = bench.record();
    record.direction = Direction::Outbound;
    record.session.user = Some("anna@example.org".into());
    record.session.client.name = "annas-laptop.example.org".into();
    record.findings[0].text = "the mail names anna@example.org".into();
    record.verdicts[0].verdict.reason = "anna@example.org is on no list".into();
    record.plan.answer = Answer::Reject(SmtpReply::reject("<anna@example.org> may not"));
    record.plan.headers[1].value = "for anna@example.org".into();
    record.attachments[0].name = "anna.pdf".into();
    record.attachments[0].other_names = vec!["anna.js".into()];
    record.attachments[0].path = vec!["anna.pdf".into()];
    let id = judge(&audit, record).await;
    let text = fs::read_to_string(&bench.days()[0]).unwrap();
    assert!(!text.contains("anna") && !text.contains("weekly"), "{text}");
    assert!(!text.contains("192.0.2.25") && text.contains("192.0.2.0"), "{text}");
    assert!(text.contains("550") && text.contains("sender.example") && text.contains(".pdf"), "{text}");
    let query = Query { recipient: Some("Anna@example.org".into()), ..Query::default() };
    assert_eq!(audit.list(&query).unwrap().rows[0].id, id);
}
