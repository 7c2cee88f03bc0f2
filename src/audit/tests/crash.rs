//! A process that appends is killed at any moment; what it was told is kept must be there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;

const DIR: &str = "MAILWARD_TEST_CRASH_DIR";
const START: &str = "MAILWARD_TEST_CRASH_START";
const ROUNDS: u64 = 10;

/// Not a test of its own: what the child runs. Appends until it is killed, over many days by its own
/// clock, and prints each id when the append has returned.
#[test]
fn child_that_appends_until_it_is_killed() {
    let (Some(dir), Ok(start)) = (std::env::var_os(DIR), std::env::var(START)) else { return };
    let clock = Clock::held(Timestamp::from_millis(start.parse().unwrap()));
    let metrics = Arc::new(Metrics::new());
    let (store, _) = Store::open(&Path::new(&dir).join("db"), &crate::store::Config::default()).unwrap();
    let (audit, _) =
        Audit::open(&Config::default(), Path::new(&dir), &store, clock.clone(), &metrics, None).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    runtime.block_on(async {
        let appenders = (0..6).map(|n| {
            let (audit, clock) = (Arc::clone(&audit), clock.clone());
            crate::telemetry::spawn::supervised("test", &metrics, async move {
                for i in 0u64.. {
                    let id = clock.mail_id().unwrap();
                    let sync = if (i + n) % 5 == 0 { Sync::Now } else { Sync::Soon };
                    audit.append(Entry::Judged(Box::new(record(id))), sync).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acked {id}").unwrap();
                    out.flush().unwrap();
                    drop(out);
                    audit.note_answered(id, true);
                    clock.advance(Duration::from_secs(600));
                }
            })
        });
        for appender in appenders.collect::<Vec<_>>() {
            appender.await.unwrap();
        }
    });
}

#[test]
fn nothing_that_was_acknowledged_is_lost_to_kill_9() {
    let bench = Bench::new();
    let mut acked = BTreeSet::new();
    for round in 0..ROUNDS {
        let start = NOON + round * 400 * 86_400_000;
        let before = acked.len();
        run_and_kill(bench.dir.path(), start, &mut acked);
        assert!(acked.len() > before, "the child of round {round} appended nothing");
        // Every other time the next child is the one to start on what the kill left.
        if round % 2 == 1 {
            bench.clock.advance(Duration::from_secs(800 * 86_400));
            check(&bench, &acked);
        }
    }
}

/// Starts a child and kills it some time after its first acknowledgement.
fn run_and_kill(dir: &Path, start: u64, acked: &mut BTreeSet<MailId>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "audit::tests::crash::child_that_appends_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .env(START, start.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let patience = Duration::from_millis(10 + u64::from(getrandom::u32().unwrap()) % 400);
    let mut kill_at = None;
    // Reads on after the kill: what was printed before it was promised.
    for line in lines {
        // The last line may be cut off; the test harness writes to the same pipe.
        let Ok(line) = line else { break };
        let Some(id) = line.split_once("acked ").and_then(|(_, id)| id.parse().ok()) else { continue };
        acked.insert(id);
        if Instant::now() >= *kill_at.get_or_insert_with(|| Instant::now() + patience) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

fn check(bench: &Bench, acked: &BTreeSet<MailId>) {
    let (audit, _) = bench.open_with_notes();
    let report = audit.verify().unwrap();
    assert_eq!(report.problems, []);
    for id in acked {
        assert!(audit.find(*id).unwrap().is_some(), "{id} was acknowledged and is lost");
    }
    let mut indexed = BTreeSet::new();
    let mut query = Query { limit: 10_000, ..Query::default() };
    loop {
        let listing = audit.list(&query).unwrap();
        assert_eq!(listing.incomplete, None);
        indexed.extend(listing.rows.iter().map(|r| (r.id, r.answered)));
        query.before = listing.next;
        if query.before.is_none() {
            break;
        }
    }
    let (mut journalled, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for path in bench.days() {
        let mut lines = files::Lines::open(&path, 0, None).unwrap();
        while let Some(raw) = lines.next().unwrap() {
            match Entry::decode(line::parse(raw.bytes).unwrap().content).unwrap() {
                Entry::Judged(record) => drop(journalled.insert(record.id)),
                Entry::Answered { id, .. } => drop(answered.insert(id)),
                _ => {}
            }
        }
    }
    let expected: BTreeSet<_> =
        journalled.into_iter().map(|id| (id, answered.contains(&id).then_some(true))).collect();
    assert_eq!(indexed, expected, "index and journal differ");
}
