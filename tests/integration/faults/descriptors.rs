//! No more file descriptors: connections wait, what is in work goes on, and what must be stored and cannot be is put off.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{judge, mail, quarantine, rules, verify};
use crate::milter_client::{MilterClient, Peer};
use crate::mta::{Daemon, PATIENCE, Site, wait_until};

const HOLD: &str = r#"rule Hold { meta: severity = "medium" score = 7 category = "spam" strings: $a = "HOLD-THIS" condition: $a }"#;

/// A daemon that holds what asks for it.
fn holding() -> Daemon {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    site.start(&toml).unwrap()
}

fn open_files(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count()
}

/// Takes the limit of a running daemon down, or up again.
pub(super) fn allow(daemon: &Daemon, files: usize) {
    // What is written once a day is written first, so that it is not what meets the limit.
    daemon.wait_for_log("the daily export is written").unwrap();
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &daemon.pid().to_string(), &format!("--nofile={files}:20000")]);
    assert!(prlimit.status().unwrap().success());
}

/// Seconds of CPU that it used so far.
fn used(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn begun(daemon: &Daemon) -> MilterClient {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
    client
}

fn lines(daemon: &Daemon, text: &str) -> usize {
    daemon.log().lines().filter(|line| line.contains(text)).count()
}

#[test]
fn connections_beyond_the_descriptors_wait_quietly_and_those_that_are_there_are_served() {
    let daemon = holding();
    let mut there = begun(&daemon);
    allow(&daemon, open_files(&daemon) + 8);
    let waiting: Vec<UnixStream> =
        (0..60).map(|_| UnixStream::connect(daemon.site().milter_socket()).unwrap()).collect();
    // The admin's door has one of its own, so that somebody can ask what is wrong.
    wait_until("readiness to tell", PATIENCE, || {
        Ok(daemon.get("/readyz").ok().filter(|(_, text)| text.contains("files: no file descriptor is left")))
    })
    .unwrap();
    let (before, begin) = (used(&daemon), Instant::now());
    // It is told once and not with every attempt.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(there.message(&mail("within", "text")).word, "accept", "{}", daemon.log());
    let spent = used(&daemon) - before;
    assert!(spent < begin.elapsed().as_secs_f64() / 4.0, "{spent} s of CPU in {:?}", begin.elapsed());
    assert_eq!(lines(&daemon, "a milter connection could not be accepted"), 1, "{}", daemon.log());
    assert!(lines(&daemon, "the admin's door could not be taken") <= 1, "{}", daemon.log());

    drop(waiting);
    assert_eq!(judge(&daemon, &mail("after", "text")).word, "accept", "{}", daemon.log());
    wait_until("readiness to be well", PATIENCE, || {
        Ok(daemon.get("/readyz").ok().filter(|(_, text)| text == "ready\n"))
    })
    .unwrap();
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(!metrics.contains("mailward_accept_errors_total 0\n"), "{metrics}");
    assert!(lines(&daemon, "panicked") == 0, "{}", daemon.log());
    verify(&daemon);
}

#[test]
fn what_is_to_be_held_is_put_off_when_its_file_cannot_be_opened_and_leaves_nothing_behind() {
    let daemon = holding();
    let raw = mail("hold me", "HOLD-THIS");
    let mut there = begun(&daemon);
    there.content(&raw);
    // From here on nothing can be opened.
    allow(&daemon, 3);
    let answer = there.end();
    assert!(
        answer.word.starts_with("451 4.7.1 the quarantine cannot be written"),
        "{answer:?}: {}",
        daemon.log()
    );
    // Mail that needs no file is judged: its record goes to the journal, which is open.
    there.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
    assert_eq!(there.message(&mail("plain", "text")).word, "accept", "{}", daemon.log());
    allow(&daemon, 20_000);
    assert_eq!(quarantine(&daemon).len(), 0);
    let left = |folder: &str| {
        let there = std::fs::read_dir(daemon.site().quarantine().join(folder)).unwrap().flatten();
        there.map(|file| file.file_name()).filter(|name| name != ".lock").collect::<Vec<_>>()
    };
    let nothing = Vec::<std::ffi::OsString>::new();
    assert_eq!(["tmp", "new", "cur", "meta"].map(left), [(); 4].map(|()| nothing.clone()));
    assert!(daemon.get("/readyz").unwrap().1.contains("degraded: quarantine: "), "{}", daemon.log());
    // The sender comes again.
    assert_eq!(judge(&daemon, &raw).word, "discard", "{}", daemon.log());
    assert_eq!(quarantine(&daemon).len(), 1);
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
    verify(&daemon);
}

#[test]
fn a_low_limit_leaves_what_mail_in_work_needs_and_is_told_from_the_start() {
    let mut site = Site::new().unwrap();
    site.limit_files(160, 160);
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    let told =
        "the daemon may open 160 files, so 80 connections are taken at once, fewer than max_connections";
    daemon.wait_for_log(told).unwrap();
    let (status, ready) = daemon.get("/readyz").unwrap();
    assert!(status == 200 && ready.contains(&format!("degraded: files: {told}")), "{ready}");
    let mut there = begun(&daemon);
    let waiting: Vec<UnixStream> =
        (0..300).map(|_| UnixStream::connect(daemon.site().milter_socket()).unwrap()).collect();
    daemon.wait_for_log("all milter connections are in use").unwrap();
    // Neither its file nor the admin's door lacks a descriptor.
    assert_eq!(there.message(&mail("held", "HOLD-THIS")).word, "discard", "{}", daemon.log());
    assert_eq!(quarantine(&daemon).len(), 1);
    let status = daemon.cli(&["status"]).unwrap();
    let shown = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(shown.contains(&format!("degraded    files: {told}")), "{shown}");
    // It takes mail, and not all is as it should be.
    assert_eq!(status.status.code(), Some(1), "{shown}");
    assert!(daemon.get("/metrics").unwrap().1.contains("mailward_accept_errors_total 0\n"));
    drop(waiting);
    assert_eq!(judge(&daemon, &mail("after", "text")).word, "accept", "{}", daemon.log());
}
