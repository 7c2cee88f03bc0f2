//! A neighbour that keeps failing is left alone, and asked again when its rest is over.

use std::time::Duration;

use super::came::{TIMEOUT, recorded, say, section};
use crate::mta::{self, Daemon, Fault, Faulty, Over, Plays};

/// Failures in a row until a neighbour is left alone.
const FAILURES: usize = 5;

/// The breaker's gauge in `/metrics`.
fn open(daemon: &Daemon, plays: Plays) -> String {
    let head = format!("mailward_breaker_open{{remote=\"{}\"}} ", plays.name());
    let (_, metrics) = daemon.get("/metrics").unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(&head)).unwrap().to_owned()
}

fn left_alone_and_asked_again(plays: Plays) {
    let mut neighbour = Faulty::start(plays, Over::Unix).unwrap();
    neighbour.turn(Fault::Hangs).unwrap();
    let daemon = Daemon::start(&section(plays, neighbour.address(), "tag")).unwrap();
    // At once: they wait side by side.
    std::thread::scope(|scope| {
        for number in 0..FAILURES {
            let daemon = &daemon;
            scope.spawn(move || say(daemon, &format!("hanging {number}")));
        }
    });
    assert_eq!(open(&daemon, plays), "1", "{}", daemon.log());
    let (_, ready) = daemon.get("/readyz").unwrap();
    assert!(ready.contains(&format!("degraded: {}: ", plays.name())), "{ready}");

    let asked = neighbour.requests();
    let (said, took) = say(&daemon, "left alone");
    let coverage = said.header.iter().find(|field| field.starts_with("X-Mailward-Coverage")).unwrap();
    assert!(coverage.contains(&format!("{}=failed(left-alone)", plays.name())), "{coverage}");
    assert_eq!(neighbour.requests(), asked, "it was asked all the same");
    assert!(took < TIMEOUT, "waited {took:?} for a neighbour that is left alone");

    neighbour.turn(Fault::Well).unwrap();
    let mut number = 0;
    mta::wait_until("the neighbour to be asked again", Duration::from_secs(60), || {
        number += 1;
        let subject = format!("after it {number}");
        say(&daemon, &subject);
        let record = recorded(&daemon, plays.name()).into_iter().find(|record| record.subject == subject);
        Ok((record.unwrap().outcome == "ok").then_some(()))
    })
    .unwrap();
    assert_eq!(open(&daemon, plays), "0", "{}", daemon.log());
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
}

#[test]
fn rspamd_that_keeps_failing_is_left_alone_and_asked_again() {
    left_alone_and_asked_again(Plays::Rspamd);
}

#[test]
fn clamd_that_keeps_failing_is_left_alone_and_asked_again() {
    left_alone_and_asked_again(Plays::Clamd);
}
