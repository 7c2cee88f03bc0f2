//! A site with a good deal in its database, stopped, of which copies are damaged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::super::common::{judge, mail, newest, quarantine, rules, stdout, verify};
use super::super::super::mta::{Daemon, PATIENCE, Site, wait_until};
use super::super::promises::{HOLDS, body, ready, tail};

/// The longest that a start on damage may take, in a build that is not optimised, on a busy machine.
const BOUND: Duration = Duration::from_secs(25);
/// Entries of the block list, so that the database has a few segments.
const ENTRIES: usize = 4000;

/// Where the database was damaged.
pub struct Damaged {
    pub daemon: Daemon,
    /// `state` as it was when the last daily export was made, and when the daemon ended.
    pub older: PathBuf,
    pub newer: PathBuf,
    /// A message on record, and one that is held.
    judged: String,
    held: String,
    entries: BTreeSet<String>,
}

impl Damaged {
    /// Fills a database, exports it, changes it, and stops: cleanly or not.
    pub fn prepare(clean: bool) -> Self {
        let site = Site::new().unwrap();
        let toml = site.defaults("") + &rules(&site, "hold.yar", HOLDS);
        let mut daemon = site.start(&toml).unwrap();
        let root = daemon.site().path().to_owned();
        let lines: String = (0..ENTRIES).map(|n| format!("spam{n}.example\n")).collect();
        let told = daemon.cli_with(&["list", "block", "import", "-"], lines.as_bytes()).unwrap();
        assert!(told.status.success(), "{told:?}");
        for number in 0..20 {
            judge(&daemon, &mail(&format!("judged {number}"), "text"));
        }
        let judged = newest(&daemon);
        judge(&daemon, &mail("to be held", &body("to be held", true)));
        let held = quarantine(&daemon)[0]["id"].as_str().unwrap().to_owned();
        end(&mut daemon, clean);
        // The next start makes the day's export, with all of this in it.
        let exports = daemon.site().state_dir().join("backup");
        drop(fs::remove_dir_all(&exports));
        daemon.start_again().unwrap();
        wait_until("the daily export", PATIENCE, || {
            let all = fs::read_dir(&exports).into_iter().flatten().flatten();
            Ok(all.map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "tar")))
        })
        .unwrap();
        end(&mut daemon, clean);
        let (older, newer) = (root.join("older"), root.join("newer"));
        copy(&daemon.site().state_dir(), &older);
        daemon.start_again().unwrap();
        for number in 0..200 {
            judge(&daemon, &mail(&format!("judged again {number}"), "text"));
        }
        stdout(&daemon, &["list", "block", "add", "late.example"]);
        let entries = listed(&daemon);
        assert_eq!(entries.len(), ENTRIES + 1);
        end(&mut daemon, clean);
        copy(&daemon.site().state_dir(), &newer);
        Self { daemon, older, newer, judged, held, entries }
    }

    pub fn db(&self) -> PathBuf {
        self.daemon.site().state_dir().join("db")
    }

    /// Puts everything back as it was when the daemon ended.
    pub fn restore(&mut self) {
        if self.daemon.get("/healthz").is_ok() {
            self.daemon.kill().unwrap();
        }
        let state = self.daemon.site().state_dir();
        fs::remove_dir_all(&state).unwrap();
        copy(&self.newer, &state);
    }

    /// Starts on the damage, looks at everything, and starts once more. What was lost must be told; `told` says that it
    /// must be told in any case.
    pub fn comes_up(&mut self, case: &str, told: bool) {
        let begin = Instant::now();
        self.daemon.start_again().unwrap_or_else(|error| panic!("{case}: {error:#}"));
        assert!(begin.elapsed() < BOUND, "{case}: the start took {:?}", begin.elapsed());
        let note = self.daemon.site().state_dir().join("RECOVERED.txt");
        let is_told = note.exists();
        self.is_there(case, is_told);
        assert_eq!(ready(&self.daemon).contains("recovered at a start"), is_told, "{case}");
        if is_told {
            let log = self.daemon.log();
            assert!(log.contains("the database had to be recovered"), "{case}\n{}", tail(&self.daemon));
            fs::remove_file(&note).unwrap();
        }
        assert!(is_told || !told, "{case}: nothing was told\n{}", tail(&self.daemon));
        // Once is enough, and what is done from now on stays.
        stdout(&self.daemon, &["list", "block", "add", "afterwards.example"]);
        self.daemon.signal("TERM").unwrap();
        let ended = self.daemon.wait_for_end(PATIENCE).unwrap();
        assert!(ended.success(), "{case}: {ended}\n{}", tail(&self.daemon));
        self.daemon.start_again().unwrap_or_else(|error| panic!("{case}, once more: {error:#}"));
        assert!(!note.exists(), "{case}: recovered twice\n{}", tail(&self.daemon));
        assert!(listed(&self.daemon).contains("afterwards.example"), "{case}");
    }

    fn is_there(&self, case: &str, told: bool) {
        let daemon = &self.daemon;
        let entries = listed(daemon);
        let lost: Vec<_> = self.entries.difference(&entries).collect();
        let more: Vec<_> = entries.difference(&self.entries).collect();
        assert!(more.is_empty(), "{case}: {more:?} was never put on the list");
        // The export lacks what came later; whatever else was lost must be in it.
        assert!(lost.is_empty() || told, "{case}: {} entries are lost, and nobody is told", lost.len());
        assert!(lost.iter().all(|entry| *entry == "late.example"), "{case}: {} are lost", lost.len());
        let raw = daemon.cli(&["quarantine", "show", "--raw", &self.held]).unwrap();
        assert_eq!(raw.stdout, mail("to be held", &body("to be held", true)), "{case}: {raw:?}");
        let answer = judge(daemon, &mail("after the damage", "text"));
        assert!(answer.word == "accept" || answer.word == "continue", "{case}: {answer:?}");
        assert_eq!(judge(daemon, &mail("held after", &body("held after", true))).word, "discard", "{case}");
        verify(daemon);
        for id in [&self.judged, &self.held] {
            wait_until("the index", PATIENCE, || {
                Ok(daemon.cli(&["explain", id])?.status.success().then_some(()))
            })
            .unwrap_or_else(|error| panic!("{case}: {error:#}\n{}", tail(daemon)));
        }
        // All of the journal is listed again, not only what came after.
        wait_until("the list of all messages", PATIENCE, || {
            let told = daemon.cli(&["audit", "list", "--limit", "1000"])?;
            Ok((told.stdout.iter().filter(|b| **b == b'\n').count() > 221).then_some(()))
        })
        .unwrap_or_else(|error| panic!("{case}: {error:#}\n{}", tail(daemon)));
    }
}

fn end(daemon: &mut Daemon, clean: bool) {
    daemon.signal(if clean { "TERM" } else { "KILL" }).unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
}

fn listed(daemon: &Daemon) -> BTreeSet<String> {
    let text = stdout(daemon, &["list", "block", "export"]);
    text.lines().skip(1).map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The bytes of sled's data file, without what it only reserved.
pub fn used(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).unwrap();
    let end = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    bytes.truncate(end);
    bytes
}

/// Overwrites a part of a file.
pub fn overwrite(file: &Path, at: usize, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, u64::try_from(at).unwrap()).unwrap();
}
