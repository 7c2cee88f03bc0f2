//! The journal is damaged: `audit verify` tells where, and mail goes on.

use std::fs;
use std::path::PathBuf;

use super::super::super::common::{judge, mail, newest, stdout};
use super::super::super::mta::not_run::effort;
use super::super::super::mta::{Daemon, PATIENCE, wait_until};
use super::super::promises::tail;
use super::super::random::Random;
use super::site::{copy, overwrite};

const MORE: &str = "\n[scanner.yara]\nenabled = false\n";
const MESSAGES: usize = 30;

struct Journal {
    daemon: Daemon,
    whole: PathBuf,
    ids: Vec<String>,
}

impl Journal {
    fn new() -> Self {
        let mut daemon = Daemon::start(MORE).unwrap();
        for number in 0..MESSAGES {
            judge(&daemon, &mail(&format!("number {number}"), "text"));
        }
        newest(&daemon);
        let listed = stdout(&daemon, &["audit", "list", "--limit", "1000"]);
        let id = |row: &str| row.split_whitespace().next().unwrap().to_owned();
        let ids: Vec<String> = listed.lines().skip(1).map(id).collect();
        assert_eq!(ids.len(), MESSAGES, "{listed}");
        daemon.signal("TERM").unwrap();
        daemon.wait_for_end(PATIENCE).unwrap();
        let whole = daemon.site().path().join("whole");
        copy(&daemon.site().state_dir(), &whole);
        Self { daemon, whole, ids }
    }

    fn folder(&self) -> PathBuf {
        self.daemon.site().state_dir().join("audit")
    }

    /// The one day that there is.
    fn day(&self) -> PathBuf {
        let mut all: Vec<PathBuf> =
            fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.retain(|path| path.extension().is_some_and(|e| e == "log"));
        all.sort();
        all.pop().unwrap()
    }

    fn restore(&mut self) {
        if self.daemon.get("/healthz").is_ok() {
            self.daemon.kill().unwrap();
        }
        let state = self.daemon.site().state_dir();
        fs::remove_dir_all(&state).unwrap();
        copy(&self.whole, &state);
    }

    /// Mail goes on, is on record, and `verify` says that something is wrong.
    fn goes_on(&mut self, case: &str) -> String {
        self.daemon.start_again().unwrap_or_else(|error| panic!("{case}: {error:#}"));
        let answer = judge(&self.daemon, &mail("after the damage", "text"));
        assert!(answer.word == "accept" || answer.word == "continue", "{case}: {answer:?}");
        let id = newest(&self.daemon);
        assert!(!self.ids.contains(&id), "{case}: it is not on record");
        assert!(stdout(&self.daemon, &["explain", &id]).contains(&id), "{case}");
        let told = self.daemon.cli(&["audit", "verify"]).unwrap();
        let said =
            String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
        assert!(!told.status.success(), "{case}: {said}\n{}", tail(&self.daemon));
        assert!(!said.contains("the chain is whole"), "{case}: {said}");
        said
    }

    /// How many of the earlier messages are still explained.
    fn known(&self) -> usize {
        let explained = |id: &&String| {
            self.daemon.get(&format!("/api/v1/audit/{id}")).is_ok_and(|(status, _)| status == 200)
        };
        self.ids.iter().filter(explained).count()
    }
}

#[test]
fn a_bit_flipped_anywhere_in_the_journal_is_told_and_costs_one_record() {
    let mut journal = Journal::new();
    let mut random = Random::new(31);
    for round in 0..effort(3, 60) {
        journal.restore();
        let day = journal.day();
        let bytes = fs::read(&day).unwrap();
        let at = random.place(bytes.len());
        overwrite(&day, at, &[bytes[at] ^ 1 << random.below(7)]);
        let said = journal.goes_on(&format!("round {round}, byte {at}"));
        assert!(said.contains(day.file_name().unwrap().to_str().unwrap()), "round {round}: {said}");
        let lost = MESSAGES - journal.known();
        // A line break that became something else joins two lines.
        assert!(lost <= 2, "round {round}: {lost} messages are no more explained");
    }
}

#[test]
fn a_journal_that_lost_its_end_is_told_wherever_it_was_cut() {
    let mut journal = Journal::new();
    let mut random = Random::new(32);
    for round in 0..effort(2, 40) {
        journal.restore();
        let day = journal.day();
        let length = fs::metadata(&day).unwrap().len();
        let end = random.below(length);
        fs::OpenOptions::new().write(true).open(&day).unwrap().set_len(end).unwrap();
        let case = format!("round {round}, {end} of {length} bytes");
        journal.goes_on(&case);
        assert!(journal.daemon.log().contains("records were cut off or changed"), "{case}");
        // What the index knew and the journal lost is not made up.
        let shown = stdout(&journal.daemon, &["audit", "list", "--limit", "1000"]);
        let rows = shown.lines().skip(1).count();
        assert!(rows <= MESSAGES + 1, "{case}: {rows}");
    }
}

#[test]
fn a_day_that_is_missing_or_out_of_place_is_told() {
    let mut journal = Journal::new();
    for case in ["gone", "a folder in its place", "empty", "yesterday's name"] {
        journal.restore();
        let day = journal.day();
        match case {
            "gone" => fs::remove_file(&day).unwrap(),
            "a folder in its place" => {
                fs::remove_file(&day).unwrap();
                fs::create_dir(&day).unwrap();
                // Nothing can be written there, so nothing may be accepted: no start.
                let refused = journal.daemon.start_again().unwrap_err().to_string();
                assert!(
                    refused.contains(day.file_name().unwrap().to_str().unwrap()) || refused.contains("audit")
                );
                continue;
            }
            "empty" => fs::write(&day, b"").unwrap(),
            _ => fs::rename(&day, day.with_file_name("2026-01-01.log")).unwrap(),
        }
        journal.goes_on(case);
    }
}

#[test]
fn witnesses_that_are_damaged_are_told_and_cost_no_record() {
    let mut journal = Journal::new();
    for case in ["gone", "garbage", "of another time"] {
        journal.restore();
        let head = journal.folder().join("head");
        match case {
            "gone" => fs::remove_file(&head).unwrap(),
            "garbage" => fs::write(&head, [0xff; 141]).unwrap(),
            _ => {
                let text = fs::read_to_string(&head).unwrap().replacen('0', "1", 1);
                fs::write(&head, text).unwrap();
            }
        }
        journal.goes_on(case);
        wait_until("all records", PATIENCE, || Ok((journal.known() == MESSAGES).then_some(()))).unwrap();
    }
}
