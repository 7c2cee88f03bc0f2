//! A policy on trial over a journal that was really written.

use std::path::PathBuf;
use std::time::Instant;

use super::super::again::tests::{judge, policy, record, spam, terms};
use super::*;
use crate::audit::{Audit, Config, Entry, Pseudonyms, Sync};
use crate::model::{Category, Finding, Scanner, Score, Severity};
use crate::store::Store;
use crate::telemetry::{Clock, Metrics};

/// 2026-11-20T12:00:00Z.
const NOON: u64 = 1_795_176_000_000;

struct Journal {
    dir: tempfile::TempDir,
    clock: Clock,
}

impl Journal {
    fn new() -> Self {
        let clock = Clock::held(Timestamp::from_millis(NOON));
        Self { dir: tempfile::tempdir().unwrap(), clock }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    /// Writes records a second apart.
    fn write(
        &self,
        records: impl IntoIterator<Item = Record>,
        pseudonyms: Option<Pseudonyms>,
    ) -> Vec<MailId> {
        let (store, _) = Store::open(&self.dir.path().join("db"), &crate::store::Config::default()).unwrap();
        let metrics = Arc::new(Metrics::new());
        let pseudonyms = pseudonyms.map(Into::into);
        let (audit, _) = Audit::open(
            &Config::default(),
            self.dir.path(),
            &store,
            self.clock.clone(),
            &metrics,
            pseudonyms,
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let append = |mut record: Record| {
            self.clock.advance(std::time::Duration::from_secs(1));
            record.id = self.clock.mail_id().unwrap();
            record.time = self.clock.now();
            let id = record.id;
            runtime.block_on(audit.append(Entry::Judged(Box::new(record)), Sync::Soon)).unwrap();
            audit.note_answered(id, true);
            id
        };
        records.into_iter().map(append).collect()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path(), None, None).unwrap()
    }

    fn rehearse(&self, new: &str) -> Outcome {
        Rehearsal::new(terms(), policy(new), 5).rehearse(self.reader(), 0, |_| ()).unwrap()
    }
}

fn of(score: f64) -> Record {
    record(MailId::from_parts(0, 0), vec![spam(score)])
}

fn turn(from: (Disposition, &str), to: (Disposition, &str)) -> Turn {
    Turn { from: By::new(from.0, from.1), to: By::new(to.0, to.1) }
}

const STRICTER: &str = "[[rule]]\nname = \"words\"\nwhen = 'found(\"SPAM_*\") && score >= 2.0'\n\
                        disposition = \"quarantine\"\n";

#[test]
fn exactly_what_a_stricter_rule_touches_changes() {
    use Disposition::{Accept, Quarantine, Reject, Tag};
    let journal = Journal::new();
    let ids = journal.write([of(1.0), of(2.5), of(3.5), of(4.0), of(7.0), of(16.0)], None);
    let outcome = journal.rehearse(STRICTER);
    let turned = |ids: &[MailId]| Turned { messages: ids.len() as u64, ids: ids.iter().copied().collect() };
    let to = (Quarantine, "words");
    assert_eq!((outcome.records, outcome.changed), (6, 4));
    assert_eq!((outcome.by_another_rule, outcome.unchanged, outcome.drifted), (1, 1, 0));
    let expected = BTreeMap::from([
        (turn((Accept, "accept"), to), turned(&ids[1..2])),
        (turn((Tag, "spam-tag"), to), turned(&ids[2..4])),
        (turn((Quarantine, "spam-quarantine"), to), turned(&ids[4..5])),
        (turn((Reject, "spam-reject"), to), turned(&ids[5..6])),
    ]);
    assert_eq!(outcome.turns, expected);
    let same = journal.rehearse("");
    assert_eq!((same.unchanged, same.changed, same.turns.len()), (6, 0, 0));
}

#[test]
fn the_newest_ids_are_kept_and_all_are_counted() {
    let journal = Journal::new();
    let ids = journal.write((0..1_000).map(|_| of(2.5)), None);
    let outcome = journal.rehearse(STRICTER);
    let turned = outcome.turns.values().next().unwrap();
    assert_eq!((outcome.changed, turned.messages), (1_000, 1_000));
    assert_eq!(turned.ids.iter().copied().collect::<Vec<_>>(), ids[995..]);
    let rehearsal = Rehearsal::new(terms(), policy(STRICTER), 5);
    let newest = rehearsal.rehearse(journal.reader(), 990, |_| ()).unwrap();
    assert_eq!((newest.records, newest.turns.values().next().map(|t| t.messages)), (10, Some(10)));
}

#[test]
fn what_a_record_does_not_hold_is_not_known() {
    let journal = Journal::new();
    let mut with_links = of(2.5);
    with_links.left_out.push("12 links".to_owned());
    journal.write([of(2.5), of(1.0), with_links], None);
    let by_header = "[[rule]]\nname = \"list\"\nwhen = 'has_header(\"List-Id\")'\ndisposition = \"tag\"\n";
    let asked = journal.rehearse(by_header);
    assert_eq!((asked.unknown, asked.unchanged, asked.changed), (3, 0, 0));
    assert_eq!(asked.unknown_rules, BTreeMap::from([("list".to_owned(), 3)]));
    // Behind a rule that has decided it does not matter.
    let behind = journal.rehearse(&(STRICTER.to_owned() + by_header));
    assert_eq!((behind.unknown, behind.changed), (1, 2));
    let on_trial = by_header.replace("disposition", "mode = \"shadow\"\ndisposition");
    assert_eq!(journal.rehearse(&on_trial).unknown, 0);
    let by_links = "[[rule]]\nname = \"many\"\nwhen = 'size(urls) > 20'\ndisposition = \"tag\"\n";
    assert_eq!((journal.rehearse(by_links).unknown, journal.rehearse(by_links).unchanged), (1, 2));
}

#[test]
fn people_who_are_hidden_are_told_of() {
    let journal = Journal::new();
    journal.write([of(1.0), of(2.5)], Some(Pseudonyms::new(&[7; 32])));
    let rule = |when: &str| format!("[[rule]]\nname = \"who\"\nwhen = '{when}'\ndisposition = \"tag\"\n");
    let by_person = rule("recipient.address == \"alice@example.org\"");
    let outcome = journal.rehearse(&by_person);
    assert_eq!((outcome.hidden, outcome.unknown), (2, 2));
    assert_eq!(Blind::of(&policy(&by_person)).of_people().collect::<Vec<_>>(), ["who"]);
    let by_domain = journal.rehearse(&rule("recipient.domain == \"example.org\""));
    assert_eq!((by_domain.hidden, by_domain.unknown, by_domain.changed), (2, 0, 2));
}

#[test]
fn a_damaged_line_is_named_and_the_rest_is_judged() {
    let journal = Journal::new();
    journal.write([of(2.5), of(2.5), of(2.5)], None);
    let file = std::fs::read_dir(journal.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let lines: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).collect();
    let second_record = (0..lines.len() - 1)
        .filter(|line| bytes[lines[*line]..lines[line + 1]].windows(10).any(|w| w == b"{\"judged\":"))
        .nth(1)
        .unwrap();
    let at = lines[second_record] + 200;
    bytes[at] ^= 1;
    // What the daemon is just writing.
    bytes.extend_from_slice(b"00000abc 1234");
    std::fs::write(&file, &bytes).unwrap();
    let outcome = journal.rehearse(STRICTER);
    assert_eq!((outcome.records, outcome.changed, outcome.damaged), (2, 2, 1));
    let damaged = &outcome.damaged_lines[0];
    assert_eq!((damaged.file.as_str(), damaged.line), ("2026-11-20.log", second_record as u64 + 2));
    assert_eq!(damaged.what, "its checksum does not fit");
}

#[test]
fn mail_that_the_rules_in_use_would_treat_otherwise_has_drifted() {
    let journal = Journal::new();
    let mut before = of(2.5);
    judge(&mut before, &policy(STRICTER));
    let mut dry = of(7.0);
    for shared in &mut dry.verdicts {
        shared.verdict.rule = name::DRY_RUN.to_owned();
        shared.verdict.disposition = Disposition::Accept;
    }
    let ids = journal.write([before, of(1.0), dry], None);
    let outcome = journal.rehearse(STRICTER);
    assert_eq!((outcome.drifted, outcome.dry_run), (1, 1));
    assert_eq!(outcome.drifted_ids, BTreeSet::from([ids[0]]));
    // Of the dry run, what would be done counts as recorded.
    let turns: Vec<String> = outcome.turns.keys().map(|t| format!("{} -> {}", t.from, t.to)).collect();
    assert_eq!(turns, ["quarantine by spam-quarantine -> quarantine by words"]);
}

#[test]
fn a_span_of_time_is_read_and_no_more() {
    let journal = Journal::new();
    let ids = journal.write((0..10).map(|_| of(1.0)), None);
    let at = |position: usize| Some(Timestamp::from_millis(ids[position].unix_millis()));
    let mut reader = Reader::open(&journal.path(), at(3), at(6)).unwrap();
    let mut found = Vec::new();
    while let Some(Read::Judged(raw)) = reader.next_read().unwrap() {
        found.push(raw.record().unwrap().id);
    }
    assert_eq!(found, ids[3..6]);
    let missing = Reader::open(&journal.path().join("nowhere"), None, None).unwrap_err().to_string();
    assert!(missing.starts_with("there is no audit journal in "), "{missing}");
}

/// Mail as it comes: clean, spam of all scores, weak signals, malware, gaps, links, attachments.
fn varied(n: u32) -> Record {
    let mut findings = Vec::new();
    if !n.is_multiple_of(3) {
        findings.push(spam(f64::from(n % 19)));
    }
    for extra in 0..n % 6 {
        findings.push(Finding {
            scanner: Scanner::Urls,
            symbol: format!("LINK_SIGN_{extra}"),
            severity: if n.is_multiple_of(50) { Severity::High } else { Severity::Low },
            category: if n.is_multiple_of(50) { Category::Phish } else { Category::Suspicious },
            score: Score::new(0.25),
            text: "a link shows another address than it leads to".to_owned(),
            location: Some("part 2".to_owned()),
        });
    }
    let mut record = record(MailId::from_parts(0, 0), findings);
    record.message.subject = Some(format!("Invoice {n}"));
    record.message.message_id = Some(format!("<{n}.abc@sender.example>"));
    for scanner in Scanner::ALL {
        record.coverage.0.entry(scanner).or_insert(crate::model::Outcome::Clean);
    }
    judge(&mut record, &Policy::default());
    record
}

/// `MAILWARD_RECORDS=100000 cargo test --release --lib rehearsal -- --ignored --nocapture`.
#[test]
#[ignore = "prints a figure, takes a while"]
fn a_hundred_thousand_records_are_judged_again() {
    use std::io::Write as _;
    let count = std::env::var("MAILWARD_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u32);
    let journal = Journal::new();
    journal.write((0..count).map(varied), None);
    let bytes: u64 =
        std::fs::read_dir(journal.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    let peak = || nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap().max_rss();
    let (before, began) = (peak(), Instant::now());
    let outcome = journal.rehearse(STRICTER);
    let took = began.elapsed();
    assert_eq!(outcome.records, u64::from(count));
    writeln!(
        std::io::stderr(),
        "{count} records, {} MB: {:.2} s, {:.0} us each; {} change; peak memory {} kB more than before",
        bytes / 1_000_000,
        took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / f64::from(count),
        outcome.changed,
        peak() - before,
    )
    .unwrap();
}
