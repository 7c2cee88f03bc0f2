//! A database that is damaged in each way that is known, and what becomes of it: mail flows, lists hold, and it is told.

use std::fs;
use std::path::Path;

use super::common::{judge, mail, newest, stdout, verify};
use super::mta::{self, Daemon, PATIENCE, wait_until};

const MORE: &str = "\n[scanner.yara]\nenabled = false\n";

/// A daemon with lists and a daily export, killed or stopped.
fn stopped(clean: bool) -> (Daemon, String) {
    let mut daemon = Daemon::start(MORE).unwrap();
    stdout(&daemon, &["list", "block", "add", "before.example"]);
    judge(&daemon, &mail("before", "text"));
    let id = newest(&daemon);
    let exports = daemon.site().state_dir().join("backup");
    wait_until("the daily export", PATIENCE, || {
        let all = fs::read_dir(&exports).into_iter().flatten().flatten();
        Ok(all.map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "tar")))
    })
    .unwrap();
    // The export is of the start; what it lacks is made anew with the lists in it.
    end(&mut daemon, clean);
    for export in fs::read_dir(&exports).unwrap() {
        fs::remove_file(export.unwrap().path()).unwrap();
    }
    daemon.start_again().unwrap();
    wait_until("the daily export", PATIENCE, || Ok(fs::read_dir(&exports)?.next().map(drop))).unwrap();
    wait_until("the whole export", PATIENCE, || {
        let all = fs::read_dir(&exports)?.flatten();
        Ok(all.map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == "tar")))
    })
    .unwrap();
    stdout(&daemon, &["list", "block", "add", "after.example"]);
    end(&mut daemon, clean);
    (daemon, id)
}

fn end(daemon: &mut Daemon, clean: bool) {
    daemon.signal(if clean { "TERM" } else { "KILL" }).unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
}

/// Starts on a damaged database and looks at everything. `told`: it must be said.
fn comes_back(case: &str, (mut daemon, id): (Daemon, String), told: bool) {
    daemon.start_again().unwrap_or_else(|error| panic!("{case}: {error:#}"));
    let entries = stdout(&daemon, &["list", "block", "export"]);
    assert!(entries.contains("before.example"), "{case}: {entries}\n{}", daemon.log());
    let answer = judge(&daemon, &mail("after the damage", "text"));
    assert!(answer.word == "accept" || answer.word == "continue", "{case}: {answer:?}");
    stdout(&daemon, &["list", "block", "add", "again.example"]);
    verify(&daemon);
    wait_until("the index", PATIENCE, || Ok(daemon.cli(&["explain", &id])?.status.success().then_some(())))
        .unwrap_or_else(|error| panic!("{case}: {error:#}\n{}", daemon.log()));
    let (_, ready) = daemon.get("/readyz").unwrap();
    let note = daemon.site().state_dir().join("RECOVERED.txt");
    assert_eq!(ready.contains("recovered at a start"), note.exists(), "{case}: {ready}");
    if told {
        assert!(note.exists(), "{case}: nothing was told\n{}", daemon.log());
        assert!(daemon.log().contains("the database had to be recovered"), "{case}");
        fs::remove_file(&note).unwrap();
        assert!(!daemon.get("/readyz").unwrap().1.contains("recovered at a start"), "{case}");
    }
}

fn db(daemon: &Daemon) -> std::path::PathBuf {
    daemon.site().state_dir().join("db")
}

fn snapshots(db: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(db).unwrap().map(|e| e.unwrap().path());
    all.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

#[test]
fn a_data_file_that_lost_its_end_or_all_of_it_is_noticed() {
    for (case, keep) in [("empty", 0), ("a tenth", 10), ("half", 50), ("nearly all", 95)] {
        let site = stopped(false);
        let file = db(&site.0).join("db");
        let length = fs::metadata(&file).unwrap().len();
        // sled makes its file longer than what is in it: the end is where the bytes end.
        let bytes = fs::read(&file).unwrap();
        let end = bytes.iter().rposition(|b| *b != 0).unwrap_or(0) as u64;
        fs::OpenOptions::new()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(end.min(length) * keep / 100)
            .unwrap();
        comes_back(case, site, true);
    }
}

#[test]
fn bits_that_flipped_anywhere_are_survived() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..6 {
        let site = stopped(round % 2 == 0);
        let file = db(&site.0).join("db");
        let mut bytes = fs::read(&file).unwrap();
        let end = bytes.iter().rposition(|b| *b != 0).unwrap();
        for _ in 0..20 {
            for _ in 0..64 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = usize::try_from(seed >> 33).unwrap() % end;
                bytes[at] ^= seed.to_le_bytes()[0] | 1;
            }
        }
        fs::write(&file, bytes).unwrap();
        comes_back(&format!("round {round}"), site, true);
    }
}

#[test]
fn snapshots_that_are_gone_or_damaged_lose_nothing() {
    for case in ["gone", "empty", "garbage"] {
        let site = stopped(true);
        for snapshot in snapshots(&db(&site.0)) {
            match case {
                "gone" => fs::remove_file(snapshot).unwrap(),
                "empty" => fs::write(snapshot, b"").unwrap(),
                _ => fs::write(snapshot, [0x5a; 200]).unwrap(),
            }
        }
        let state = site.0.site().state_dir();
        comes_back(case, site, false);
        drop(state);
    }
}

#[test]
fn a_folder_that_is_gone_or_a_file_and_files_that_are_folders_are_survived() {
    for case in ["gone", "a file", "data is a folder", "settings are garbage", "blobs are a file"] {
        let site = stopped(true);
        let db = db(&site.0);
        match case {
            "gone" => fs::remove_dir_all(&db).unwrap(),
            "a file" => {
                fs::remove_dir_all(&db).unwrap();
                fs::write(&db, b"not a folder").unwrap();
            }
            "data is a folder" => {
                fs::remove_file(db.join("db")).unwrap();
                fs::create_dir(db.join("db")).unwrap();
            }
            "settings are garbage" => fs::write(db.join("conf"), b"garbage").unwrap(),
            _ => {
                drop(fs::remove_dir_all(db.join("blobs")));
                fs::write(db.join("blobs"), b"x").unwrap();
            }
        }
        comes_back(case, site, !matches!(case, "blobs are a file" | "settings are garbage"));
    }
}

#[test]
fn files_that_may_not_be_read_keep_the_daemon_from_starting_and_are_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (mut daemon, _) = stopped(true);
    let file = db(&daemon).join("db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Permissions hold for root, too, without the two capabilities that look past them.
    let mut start = std::process::Command::new(mta::daemon::binary().unwrap());
    if nix::unistd::geteuid().is_root() {
        start = std::process::Command::new("setpriv");
        start.arg("--bounding-set=-dac_override,-dac_read_search").arg(mta::daemon::binary().unwrap());
    }
    let output = start.args(["serve", "--config"]).arg(daemon.site().config()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("ermission denied"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    daemon.start_again().unwrap();
    assert!(stdout(&daemon, &["list", "block", "export"]).contains("after.example"));
}

/// A stopped site whose database is damaged.
fn damaged() -> Daemon {
    let (daemon, _) = stopped(true);
    fs::OpenOptions::new().write(true).open(db(&daemon).join("db")).unwrap().set_len(100).unwrap();
    daemon
}

/// The lists are there again, and somebody is told.
fn is_recovered(daemon: &mut Daemon) {
    daemon.start_again().unwrap_or_else(|error| panic!("{error:#}"));
    let entries = stdout(daemon, &["list", "block", "export"]);
    assert!(entries.contains("before.example"), "{entries}\n{}", daemon.log());
    assert!(daemon.site().state_dir().join("RECOVERED.txt").exists());
    assert!(daemon.get("/readyz").unwrap().1.contains("recovered at a start"));
    // Once is enough: what is changed from now on stays.
    stdout(daemon, &["list", "block", "add", "afterwards.example"]);
    end(daemon, true);
    daemon.start_again().unwrap();
    assert!(stdout(daemon, &["list", "block", "export"]).contains("afterwards.example"));
}

#[test]
fn a_recovery_that_failed_is_made_again_at_the_next_start() {
    let mut daemon = damaged();
    let in_the_way = daemon.site().state_dir().join("db.refill");
    fs::write(&in_the_way, b"").unwrap();
    for _ in 0..2 {
        assert!(daemon.start_again().is_err());
    }
    fs::remove_file(in_the_way).unwrap();
    is_recovered(&mut daemon);
}

#[test]
fn a_recovery_that_was_killed_is_made_again_at_the_next_start() {
    let mut daemon = damaged();
    let state = daemon.site().state_dir();
    // The newest export is a pipe that nobody writes to: the refill waits there.
    let pipe = state.join("backup/2999-12-31.tar");
    for _ in 0..2 {
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        drop(fs::remove_dir_all(state.join("db.refill")));
        let mut child = std::process::Command::new(mta::daemon::binary().unwrap())
            .args(["serve", "--config"])
            .arg(daemon.site().config())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the refill", PATIENCE, || Ok(state.join("db.refill/export").exists().then_some(())))
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_file(&pipe).unwrap();
        assert!(!state.join("RECOVERED.txt").exists());
    }
    is_recovered(&mut daemon);
}
