//! Erasing what names somebody, and nothing else.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::audit::{Pseudonyms, Subject, erasing};

fn subject(address: &str) -> Subject {
    Subject::new(address, &Pseudonyms::new(&[7; 32])).unwrap()
}

fn to(bench: &Bench, sender: &str, recipients: &[&str]) -> Record {
    let mut record = bench.record();
    record.envelope.reverse_path.0 = Recipient::new(format!("<{sender}>"));
    record.envelope.recipients = recipients.iter().map(|r| Recipient::new(format!("<{r}>"))).collect();
    record
}

/// All lines of all days, with the file's name.
fn lines(bench: &Bench) -> Vec<Vec<u8>> {
    let whole: Vec<u8> = bench.days().iter().flat_map(|day| fs::read(day).unwrap()).collect();
    whole.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

fn whole(audit: &Audit) -> VerifyReport {
    let report = audit.verify().unwrap();
    assert_eq!(report.problems, []);
    report
}

#[tokio::test]
async fn what_names_somebody_is_gone_and_the_chain_still_holds() {
    let bench = Bench::new();
    let audit = bench.open();
    let joe = "joe@example.net";
    let other = judge(&audit, to(&bench, "anna@example.com", &["bob@example.org"])).await;
    let sent = judge(&audit, to(&bench, joe, &["bob@example.org"])).await;
    audit.note_answered(sent, true);
    bench.next_day();
    let received =
        judge(&audit, to(&bench, "anna@example.com", &["bob@example.org", "Joe@Example.NET"])).await;
    let mut told = to(&bench, "anna@example.com", &["bob@example.org"]);
    told.message.subject = Some("call joe@example.net back".to_owned());
    let told = judge(&audit, told).await;
    let detail = "put joe@example.net on it".to_owned();
    let admin =
        Entry::Admin { what: AdminEvent::ListAdded, by: "x".to_owned(), time: bench.clock.now(), detail };
    audit.append(admin, Sync::Now).await.unwrap();
    let before = lines(&bench);

    let dry = audit.erase(&subject(joe), "admin socket", true).unwrap();
    assert_eq!((dry.records, dry.messages.clone()), (4, vec![sent, received, told]));
    assert_eq!(lines(&bench), before);

    assert_eq!(audit.erase(&subject("<JOE@example.net>"), "admin socket", false).unwrap(), dry);
    let after = lines(&bench);
    assert_eq!(after.len(), before.len() + 1);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(old.len(), new.len());
        let named = String::from_utf8_lossy(old).to_lowercase().contains(joe);
        assert_eq!(old == new, !named);
    }
    assert!(!after.iter().any(|line| String::from_utf8_lossy(line).to_lowercase().contains(joe)));
    let report = whole(&audit);
    assert!(
        report.notes.iter().any(|note| note.starts_with("4 records were erased on")),
        "{:?}",
        report.notes
    );
    for id in [sent, received, told] {
        assert_eq!(audit.find(id).unwrap(), None);
    }
    assert!(audit.find(other).unwrap().is_some());
    assert_eq!(audit.erase(&subject(joe), "admin socket", false).unwrap(), Erased::default());

    // Written on, opened again, indexed again, and a new day begun: the chain goes on.
    judge(&audit, to(&bench, "anna@example.com", &["bob@example.org"])).await;
    drop(audit);
    let audit = bench.open();
    bench.next_day();
    judge(&audit, to(&bench, "anna@example.com", &["bob@example.org"])).await;
    whole(&audit);
    drop(audit);
    fs::remove_dir_all(bench.dir.path().join("db")).unwrap();
    fs::remove_file(bench.dir.path().join("db.head")).unwrap();
    let audit = bench.open();
    assert_eq!(audit.find(sent).unwrap(), None);
    assert!(audit.find(other).unwrap().is_some());
}

#[tokio::test]
async fn an_erasure_that_was_cut_short_is_finished_at_the_next_start() {
    let joe = "joe@example.net";
    // Killed before the entry, between it and the lines, and in the middle of them.
    for stage in 0..3 {
        let bench = Bench::new();
        let audit = bench.open();
        for _ in 0..5 {
            judge(&audit, to(&bench, joe, &["bob@example.org"])).await;
            judge(&audit, to(&bench, "anna@example.com", &["bob@example.org"])).await;
        }
        audit.flush().unwrap();
        let dir = bench.journal_dir();
        let mut targets = Vec::new();
        audit
            .about(&subject(joe), |target, _| {
                targets.push(target);
                Ok(())
            })
            .unwrap();
        let time = bench.clock.now();
        let act = time.millis();
        let days = erasing::days(&targets);
        let erasure = Entry::Erasure {
            act,
            by: "x".to_owned(),
            time,
            subject: subject(joe).pseudonym().to_owned(),
            days,
        };
        erasing::plan(&dir, &erasure, act, &targets).unwrap();
        if stage > 0 {
            audit.append(erasure, Sync::Now).await.unwrap();
        }
        drop(audit);
        if stage == 2 {
            use std::os::unix::fs::FileExt;
            let file = fs::OpenOptions::new().write(true).open(targets[0].day.path(&dir)).unwrap();
            file.write_all_at(&targets[0].erased(act).unwrap(), targets[0].offset).unwrap();
            let half = targets[1].erased(act).unwrap();
            file.write_all_at(&half[..half.len() / 2], targets[1].offset).unwrap();
        }
        let (audit, notes) = bench.open_with_notes();
        assert_eq!(notes, ["an erasure that was cut short is finished now"]);
        assert!(!dir.join("erasing").exists());
        whole(&audit);
        assert!(!lines(&bench).iter().any(|line| String::from_utf8_lossy(line).contains(joe)));
        let listing = audit.list(&Query::default()).unwrap();
        assert_eq!((listing.rows.len(), listing.incomplete), (5, None));
    }
}

#[tokio::test]
async fn a_line_that_only_says_that_it_was_erased_is_a_problem() {
    let bench = Bench::new();
    let audit = bench.open();
    judge(&audit, to(&bench, "joe@example.net", &["bob@example.org"])).await;
    let anna = "anna@example.com";
    judge(&audit, to(&bench, anna, &["bob@example.org"])).await;
    audit.erase(&subject("joe@example.net"), "x", false).unwrap();
    let mut target = None;
    audit
        .about(&subject(anna), |found, _| {
            target = Some(found);
            Ok(())
        })
        .unwrap();
    let target = target.unwrap();
    // Somebody hides a record as if it had been erased by the same act.
    let text = fs::read_to_string(&bench.days()[0]).unwrap();
    let at = text.find("\"act\":").unwrap() + 6;
    let act: u64 = text[at..].split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(&bench.days()[0]).unwrap();
    file.write_all_at(&target.erased(act).unwrap(), target.offset).unwrap();
    assert_eq!(audit.verify().unwrap().problems.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_found_afterwards_and_all_else_is_as_it_was(who in proptest::collection::vec(0usize..6, 1..25), erased in 0usize..6) {
        let people = ["joe@example.net", "joe.x@example.net", "xjoe@example.net", "joe@example.net.example", "anna@example.com", "j\u{fc}rgen@b\u{fc}cher.example"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bench = Bench::new();
        let audit = bench.open();
        runtime.block_on(async {
            for (n, one) in who.iter().enumerate() {
                let second = people[(one + n) % 6];
                judge(&audit, to(&bench, people[*one], &["bob@example.org", second])).await;
                if n % 7 == 6 {
                    bench.next_day();
                }
            }
        });
        let subject = subject(people[erased]);
        let named = |line: &[u8]| line::parse(line).is_ok_and(|line| subject.is_in_json(line.content));
        audit.flush().unwrap();
        let before = lines(&bench);
        let told = audit.erase(&subject, "x", false).unwrap();
        let after = lines(&bench);
        prop_assert_eq!(usize::try_from(told.records).unwrap(), before.iter().filter(|line| named(line)).count());
        prop_assert!(!after.iter().any(|line| named(line)));
        for (old, new) in before.iter().zip(&after) {
            prop_assert!(named(old) || old == new);
        }
        prop_assert_eq!(audit.verify().unwrap().problems, []);
        let rows = audit.list(&Query::default()).unwrap().rows;
        prop_assert_eq!(rows.len(), who.len() - told.messages.len());
        prop_assert!(rows.iter().all(|row| !subject.is_in(&row.sender) && !row.recipients.iter().any(|r| subject.is_in(r))));
    }
}
