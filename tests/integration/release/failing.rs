//! What goes wrong between us and the server: nothing is lost, nothing is delivered twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::relay::AtDot;

#[test]
fn a_4xx_or_a_lost_connection_leaves_it_held_and_it_can_be_tried_again() {
    let (mut daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("again", "HOLD-THIS"));
    relay.at_dot(AtDot::Say("451 4.3.0 later"));
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["refused"], "{report}");
    relay.at_dot(AtDot::Say("554 5.7.1 never"));
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && report["copies"][0]["for_good"] == true, "{report}");
    // Before the message: certainly not there.
    drop(relay.wait_at_data());
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["not-sent"], "{report}");
    assert_eq!(states(&daemon, &id), ["held"]);
    // After it: nobody knows, so nobody sends it again by himself.
    drop(relay.wait_at_dot());
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["uncertain"], "{report}");
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["uncertain-before"], "{report}");
    assert_eq!(relay.taken().len(), 3);
    // Should that server be slow and not gone, its mail is known when it comes, until another is sent.
    let slow = relay.taken()[2].message.clone();
    let word = || send(&daemon, "<a@sender.example>", &["alice@example.org"], &slow).word;
    assert!(word() != "discard", "{}", daemon.log());
    // A second try that fails says nothing of the first.
    relay.at_dot(AtDot::Say("451 4.3.0 later"));
    let (ok, _, _) = release(&daemon, &id, &["--again"]);
    assert!(!ok && states(&daemon, &id) == ["uncertain"]);
    assert_eq!(word(), "discard");
    daemon.kill().unwrap();
    daemon.start_again().unwrap();
    assert_eq!(states(&daemon, &id), ["uncertain"]);
    let (ok, report, _) = release(&daemon, &id, &["--again"]);
    assert!(ok && states(&daemon, &id) == ["released"], "{report}");

    // Nobody listens: told, and the recipients behind it are not waited for.
    let gone = hold(&daemon, &["alice@example.org", "bob@example.org"], &mail("gone", "HOLD-THIS"));
    release_to(&daemon, &toml, &format!("relay = \"inet:127.0.0.1:{}\"", mta::free_port().unwrap()));
    let (ok, report, _) = release(&daemon, &gone, &[]);
    assert!(!ok && results(&report) == ["not-sent", "not-sent"], "{report}");
    assert!(report["copies"][1]["why"].as_str().unwrap().starts_with("not tried"), "{report}");
    assert_eq!(states(&daemon, &gone), ["held", "held"]);
    verify(&daemon);
}

#[test]
fn a_daemon_killed_in_between_never_delivers_twice_by_itself() {
    let (mut daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("killed", "HOLD-THIS"));
    let start_release = |daemon: &Daemon| {
        Command::new(env!("CARGO_BIN_EXE_mailward"))
            .args(["quarantine", "release", &id, "--config"])
            .arg(daemon.site().config())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    // Before the dot: certainly not delivered.
    let waiting = relay.wait_at_data();
    let mut asking = start_release(&daemon);
    relay.wait_until_at_data();
    let events = stdout(&daemon, &["explain", "--json", &id]);
    assert!(events.contains("\"releasing\""), "{events}");
    daemon.kill().unwrap();
    drop(waiting);
    assert!(!asking.wait().unwrap().success());
    daemon.start_again().unwrap();
    assert_eq!((states(&daemon, &id), relay.taken().len()), (vec!["held".to_owned()], 0));

    // Between the dot and its answer: nobody knows.
    let waiting = relay.wait_at_dot();
    let mut asking = start_release(&daemon);
    relay.wait_for(1);
    daemon.kill().unwrap();
    drop(waiting);
    assert!(!asking.wait().unwrap().success());
    daemon.start_again().unwrap();
    assert_eq!(states(&daemon, &id), ["uncertain"]);
    assert!(
        daemon.log().contains("mailward was stopped while a held mail was handed over"),
        "{}",
        daemon.log()
    );
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["uncertain-before"], "{report}");
    assert!(report["copies"][0]["why"].as_str().unwrap().contains("mailward was stopped"), "{report}");
    assert_eq!(relay.taken().len(), 1, "it was sent again by itself");
    let events = stdout(&daemon, &["explain", "--json", &id]);
    assert!(events.contains("release-uncertain"), "{events}");
    let listed = stdout(&daemon, &["quarantine", "list", "--state", "uncertain"]);
    assert!(listed.contains(&id), "{listed}");
    // What went out then opens nothing any more.
    let message = relay.taken()[0].message.clone();
    assert_eq!(send(&daemon, "<a@sender.example>", &["alice@example.org"], &message).word, "discard");
    let (ok, _, _) = release(&daemon, &id, &["--again"]);
    assert!(ok && relay.taken().len() == 2);
    verify(&daemon);
}

#[test]
fn a_stop_waits_for_what_is_being_released() {
    let (mut daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("stop", "HOLD-THIS"));
    let tell = relay.wait_at_dot();
    std::thread::scope(|scope| {
        let releasing = scope.spawn(|| daemon.cli(&["quarantine", "release", &id]).unwrap());
        relay.wait_for(1);
        daemon.signal("TERM").unwrap();
        daemon.wait_for_log("stopping").unwrap();
        // What comes through the filter is still answered.
        let message = relay.taken()[0].message.clone();
        let answer = send(&daemon, "<a@sender.example>", &["alice@example.org"], &message);
        assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}");
        tell.send("250 2.0.0 Ok").unwrap();
        releasing.join().unwrap();
    });
    daemon.wait_for_end(Duration::from_secs(20)).unwrap();
    daemon.start_again().unwrap();
    assert_eq!(states(&daemon, &id), ["released"]);
}

#[test]
fn two_who_release_the_same_send_it_once_and_hold_nobody_up() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let raw = mail("twice", "HOLD-THIS");
    let id = hold(&daemon, &["alice@example.org"], &raw);
    let (report, ()) = under_way(&daemon, &relay, &id, "250 2.0.0 Ok", |_| {
        let (ok, report, _) = release(&daemon, &id, &["--again"]);
        assert!(!ok && results(&report) == ["at-work"], "{report}");
        // The sender who tries again does not wait for the other server.
        assert_eq!(send(&daemon, "<a@sender.example>", &["alice@example.org"], &raw).word, "discard");
        // Nor does one who looks, or deletes.
        assert_eq!(states(&daemon, &id), ["sending"]);
    });
    assert_eq!((results(&report), relay.taken().len()), (vec!["released".to_owned()], 1));
    let envelope = &relay.taken()[0].envelope;
    assert!(envelope[0].starts_with("MAIL FROM:<a@sender.example> "), "{envelope:?}");
    assert_eq!(envelope[1..], ["RCPT TO:<alice@example.org>"]);
    let entry = &quarantine(&daemon)[0];
    assert_eq!(
        (entry["attempts"]["count"].as_u64(), entry["recipients"].to_string().contains("released")),
        (Some(2), true)
    );
}

#[test]
fn who_asked_for_a_release_may_go_away() {
    let (daemon, toml) = holding();
    let relay = Relay::start();
    release_to(&daemon, &toml, &format!("relay = {:?}", relay.server()));
    let id = hold(&daemon, &["alice@example.org"], &mail("gone", "HOLD-THIS"));
    let tell = relay.wait_at_dot();
    let mut asking = Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["quarantine", "release", &id, "--config"])
        .arg(daemon.site().config())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    relay.wait_for(1);
    asking.kill().unwrap();
    asking.wait().unwrap();
    assert_eq!(states(&daemon, &id), ["sending"]);
    tell.send("250 2.0.0 Ok").unwrap();
    mta::wait_until("the end of the release", mta::PATIENCE, || {
        Ok((states(&daemon, &id) == ["released"]).then_some(()))
    })
    .unwrap();
}
