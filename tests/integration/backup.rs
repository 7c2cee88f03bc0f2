//! A backup made while mail flows, and a new host made of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::common::{judge, mail, newest, quarantine, rules, stdout, verify};
use super::mta::{self, Daemon, Site};

pub const RULES: &str = "\n[scanner.yara]\nenabled = false\n";

/// The binary on the configuration of a site whose daemon does not run.
pub fn offline(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(mta::daemon::binary().unwrap());
    command.args(arguments).arg("--config").arg(site.config()).output().unwrap()
}

/// A stopped site with this configuration.
pub fn empty_site(more: &str) -> Site {
    let site = Site::new().unwrap();
    std::fs::write(site.config(), site.defaults(more)).unwrap();
    site
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn exported(daemon: &Daemon) -> (String, String) {
    let list = |list: &str| stdout(daemon, &["list", list, "export"]);
    (list("allow"), list("block"))
}

#[test]
fn a_new_host_is_made_of_a_backup_that_was_made_under_load() {
    let daemon = Daemon::start(RULES).unwrap();
    stdout(&daemon, &["list", "block", "add", "spam.example"]);
    stdout(&daemon, &["list", "allow", "add", "friend@example.net", "--comment", "a friend"]);
    stdout(&daemon, &["token", "create", "grafana", "--role", "viewer"]);
    judge(&daemon, &mail("before the backup", "text"));
    let id = newest(&daemon);
    let lists = exported(&daemon);

    let stop = AtomicBool::new(false);
    let file = daemon.site().path().join("backup.tar.gz");
    let (sent, slowest) = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut sent, mut slowest) = (0, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let answer = judge(&daemon, &mail(&format!("load {sent}"), "text"));
                assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}");
                slowest = slowest.max(begin.elapsed());
                sent += 1;
            }
            (sent, slowest)
        });
        std::thread::sleep(Duration::from_millis(300));
        let told = stdout(&daemon, &["backup", file.to_str().unwrap(), "--keys"]);
        assert!(told.contains("is whole"), "{told}");
        std::thread::sleep(Duration::from_millis(100));
        stop.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    assert!(sent > 1 && slowest < Duration::from_secs(10), "{sent} messages, the slowest took {slowest:?}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    verify(&daemon);
    let again = daemon.cli(&["backup", file.to_str().unwrap()]).unwrap();
    assert!(!again.status.success() && text(&again).contains("is there already"), "{again:?}");
    let refused = offline(daemon.site(), &["restore", file.to_str().unwrap()]);
    assert!(!refused.status.success() && text(&refused).contains("stop it first"), "{}", text(&refused));

    // Other tools open it, and its sums are right.
    let unpacked = daemon.site().path().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    assert!(Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(&unpacked).status().unwrap().success());
    let folder = unpacked.join("mailward-backup");
    let sums = Command::new("sha256sum")
        .args(["--quiet", "-c", "SHA256SUMS"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(sums.status.success(), "{}", text(&sums));
    assert!(folder.join("config/mailward.toml").exists() && folder.join("keys/release.key").exists());

    let site = empty_site(RULES);
    let dry = offline(&site, &["restore", file.to_str().unwrap(), "--dry-run"]);
    assert!(dry.status.success() && !site.state_dir().join("audit").exists(), "{}", text(&dry));
    let restored = offline(&site, &["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    assert!(text(&restored).contains("is whole"), "{}", text(&restored));
    let toml = std::fs::read_to_string(site.config()).unwrap();
    let keys = |site: &Site| std::fs::read(site.state_dir().join("keys/release.key")).unwrap();
    assert_eq!(keys(&site), keys(daemon.site()));
    let new = site.start(&toml).unwrap();
    verify(&new);
    assert_eq!(exported(&new), lists);
    assert!(stdout(&new, &["explain", &id]).contains(&id));
    assert!(stdout(&new, &["token", "list"]).contains("grafana"));
    assert!(stdout(&new, &["audit", "events"]).contains("restored"));
    stdout(&new, &["list", "block", "add", "more.example"]);
    judge(&new, &mail("after the restore", "text"));
    verify(&new);
}

pub const HOLD: &str = r#"
rule Hold_This { meta: severity = "medium" score = 7 category = "spam" description = "asks to be held"
  strings: $a = "HOLD-THIS" condition: $a }
"#;

#[test]
fn held_mail_and_a_journal_that_are_there_survive_a_restore() {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let mut daemon = site.start(&toml).unwrap();
    stdout(&daemon, &["list", "block", "add", "held.example"]);
    judge(&daemon, &mail("held 1", "HOLD-THIS"));
    let file = daemon.site().path().join("backup.tar");
    stdout(&daemon, &["backup", file.to_str().unwrap(), "--quarantine"]);
    assert_eq!(quarantine(&daemon).len(), 1);
    judge(&daemon, &mail("held 2", "HOLD-THIS"));
    judge(&daemon, &mail("only in the journal that is there", "text"));
    assert_eq!(quarantine(&daemon).len(), 2);
    let late = newest(&daemon);
    stdout(&daemon, &["list", "block", "add", "later.example"]);
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(mta::PATIENCE).unwrap();

    let cut = daemon.site().path().join("cut.tar");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let state = |site: &Site| {
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(site.state_dir()).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        names
    };
    let there = state(daemon.site());
    let refused = offline(daemon.site(), &["restore", cut.to_str().unwrap()]);
    assert!(
        !refused.status.success() && text(&refused).contains("nothing was changed"),
        "{}",
        text(&refused)
    );
    assert_eq!(state(daemon.site()), there);
    let lacking = offline(daemon.site(), &["restore", file.to_str().unwrap(), "--only", "keys"]);
    assert!(!lacking.status.success() && text(&lacking).contains("holds no keys"), "{}", text(&lacking));

    let restored = offline(daemon.site(), &["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    assert!(text(&restored).contains("is kept as"), "{}", text(&restored));
    let kept =
        state(daemon.site()).into_iter().find(|p| p.to_string_lossy().contains("audit.before-restore-"));
    let kept_text: String = std::fs::read_dir(kept.unwrap())
        .unwrap()
        .map(|e| String::from_utf8_lossy(&std::fs::read(e.unwrap().path()).unwrap()).into_owned())
        .collect();
    assert!(kept_text.contains(&late), "the journal that was there lacks {late}");
    daemon.start_again().unwrap();
    verify(&daemon);
    assert_eq!(quarantine(&daemon).len(), 2);
    // On an empty host the same file brings the one that it holds.
    let site = empty_site("");
    let restored = offline(&site, &["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    let toml = std::fs::read_to_string(site.config()).unwrap();
    let new = site.start(&toml).unwrap();
    assert_eq!(quarantine(&new).len(), 1);
    assert_eq!(quarantine(&new)[0]["subject"], "held 1");
    assert!(!stdout(&daemon, &["list", "block", "export"]).contains("later.example"));
    assert!(stdout(&daemon, &["list", "block", "export"]).contains("held.example"));
}

#[test]
fn what_root_restores_belongs_to_the_owner_of_the_state() {
    let name = "what_root_restores_belongs_to_the_owner_of_the_state";
    if !nix::unistd::geteuid().is_root() {
        return mta::not_run(name, "root", "run it as root");
    }
    let daemon = Daemon::start(RULES).unwrap();
    let file = daemon.site().path().join("backup.tar");
    stdout(&daemon, &["backup", file.to_str().unwrap(), "--keys", "--quarantine"]);
    let site = empty_site(RULES);
    std::os::unix::fs::chown(site.state_dir(), Some(4242), Some(4243)).unwrap();
    let restored = offline(&site, &["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    let mut seen = 0;
    owned(&site.state_dir(), &mut seen);
    assert!(seen > 8, "{seen}");
}

fn owned(path: &Path, seen: &mut usize) {
    let found = std::fs::symlink_metadata(path).unwrap();
    assert_eq!(found.uid(), 4242, "{}", path.display());
    *seen += 1;
    if found.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| owned(&entry.unwrap().path(), seen));
    }
}

#[test]
fn a_full_disk_leaves_no_half_backup_and_no_half_restore() {
    let mut daemon = Daemon::start(RULES).unwrap();
    for n in 0..60 {
        judge(&daemon, &mail(&format!("fill {n}"), "text"));
    }
    let limited = |blocks: usize, arguments: &str| {
        let binary = mta::daemon::binary().unwrap();
        // A file may grow no further than so many blocks of 512 bytes; the signal is ignored, the write fails.
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} {arguments} --config {}",
            binary.display(),
            daemon.site().config().display()
        );
        Command::new("bash").args(["-c", &script]).output().unwrap()
    };
    let folder = daemon.site().path().join("full");
    std::fs::create_dir(&folder).unwrap();
    let told = limited(8, &format!("backup {}/x.tar", folder.display()));
    assert!(!told.status.success(), "{}", text(&told));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let good = folder.join("good.tar");
    stdout(&daemon, &["backup", good.to_str().unwrap()]);
    verify(&daemon);
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(mta::PATIENCE).unwrap();
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(daemon.site().state_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let binary = mta::daemon::binary().unwrap();
    let script = format!(
        "trap '' XFSZ; ulimit -f 40; exec {} restore {} --config {}",
        binary.display(),
        good.display(),
        daemon.site().config().display()
    );
    let told = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(!told.status.success(), "{}", text(&told));
    assert_eq!(names(), before);
    daemon.start_again().unwrap();
    verify(&daemon);
}

#[test]
fn a_restore_that_is_killed_anywhere_can_be_made_again() {
    let daemon = Daemon::start(RULES).unwrap();
    stdout(&daemon, &["list", "block", "add", "spam.example"]);
    for n in 0..20 {
        judge(&daemon, &mail(&format!("kill {n}"), "text"));
    }
    let file = daemon.site().path().join("backup.tar");
    stdout(&daemon, &["backup", file.to_str().unwrap()]);
    let site = empty_site(RULES);
    for wait in [5, 20, 40, 60, 90, 130, 180, 250] {
        let mut command = Command::new(mta::daemon::binary().unwrap());
        command.args(["restore", file.to_str().unwrap()]).arg("--config").arg(site.config());
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        drop(child.kill());
        child.wait().unwrap();
    }
    let restored = offline(&site, &["restore", file.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", text(&restored));
    let toml = std::fs::read_to_string(site.config()).unwrap();
    let new = site.start(&toml).unwrap();
    verify(&new);
    assert!(stdout(&new, &["list", "block", "export"]).contains("spam.example"));
}

/// A day of the journal with so many copies of a record, in a chain.
fn large_day(template: &str, lines: usize) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let content = template.get(83..).unwrap().trim_end();
    let mut link = "0".repeat(64);
    let mut day = Vec::new();
    for _ in 0..lines {
        let covered = format!("{link} {content}");
        let line = format!("{:08x} {:08x} {covered}\n", content.len(), crc32fast::hash(covered.as_bytes()));
        link = data_encoding::HEXLOWER.encode(&Sha256::digest(line.as_bytes()));
        day.extend_from_slice(line.as_bytes());
    }
    day
}

#[expect(clippy::print_stdout, reason = "figures for people")]
#[test]
#[ignore = "a measurement: how long mail waits while a large journal is backed up"]
fn how_long_mail_waits_while_a_large_journal_is_backed_up() {
    let mut daemon = Daemon::start(RULES).unwrap();
    judge(&daemon, &mail("template", "text"));
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(mta::PATIENCE).unwrap();
    let audit = daemon.site().state_dir().join("audit");
    let log = std::fs::read_dir(&audit).unwrap().map(|e| e.unwrap().path());
    let log = log.into_iter().find(|p| p.extension().is_some_and(|e| e == "log")).unwrap();
    let text = std::fs::read_to_string(log).unwrap();
    let day = large_day(text.lines().find(|line| line.contains("{\"judged\"")).unwrap(), 250_000);
    std::fs::write(audit.join("2026-11-01.log"), &day).unwrap();
    daemon.start_again().unwrap();
    let measure = |n: usize| {
        let mut took: Vec<Duration> = Vec::new();
        for i in 0..n {
            let begin = Instant::now();
            judge(&daemon, &mail(&format!("m {i}"), "text"));
            took.push(begin.elapsed());
        }
        took.sort();
        (took[n / 2], took[n * 99 / 100], took[n - 1])
    };
    let quiet = measure(300);
    let file = daemon.site().path().join("large.tar");
    let (busy, all) = std::thread::scope(|scope| {
        let begin = Instant::now();
        let backup = scope.spawn(|| stdout(&daemon, &["backup", file.to_str().unwrap()]));
        let busy = measure(300);
        backup.join().unwrap();
        (busy, begin.elapsed())
    });
    let megabytes = day.len() >> 20;
    println!(
        "{megabytes} MB of journal: quiet {quiet:?}, during the backup {busy:?} (median, 99%, most); all of it {all:?}"
    );
}
