//! Behind the queue: what Postfix has taken is handed on or held. Where mailward is killed after the next server took a
//! message and before Postfix heard of it, Postfix must send it again (RFC 2033 knows no other way): a second copy then,
//! and never none.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::super::common::rules;
use super::super::super::lmtp::Sink;
use super::super::super::mta::{self, Daemon, Options, Postfix, Site, free_port};
use super::super::promises::{self, HOLDS, Traffic};
use super::super::random::Random;
use super::window;

/// What was delivered whole, subjects by id; and how many came more than once.
fn delivered(sink: &Sink) -> (BTreeMap<String, String>, usize) {
    let (mut ids, mut copies) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
    for text in sink.taken() {
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{text}"));
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        let subject = value("Subject:");
        // A connection that was cut leaves a piece, which nobody was told is taken.
        if text.trim_end().ends_with(&format!("the end of {subject}")) {
            *copies.entry(subject.clone()).or_default() += 1;
            assert_eq!(ids.insert(value("X-Mailward-Id:"), subject), None, "one id for two messages");
        }
    }
    (ids, copies.values().filter(|copies| **copies > 1).count())
}

#[test]
fn kill_nine_behind_the_queue_loses_nothing() {
    if !mta::not_run::postfix_ready("kill_nine_behind_the_queue_loses_nothing") {
        return;
    }
    let kills = mta::not_run::effort(5, 50);
    let (port, next) = (free_port().unwrap(), free_port().unwrap());
    let sink = Sink::start(next);
    let site = Site::new().unwrap();
    let lmtp = format!(
        "[lmtp]\nlisten = [\"inet:127.0.0.1:{port}\"]\ntrusted = [\"127.0.0.1\"]\nrelay = \"inet:127.0.0.1:{next}\"\n"
    );
    let toml = site.defaults(&lmtp) + &rules(&site, "hold.yar", HOLDS);
    let mut daemon: Daemon = site.start(&toml).unwrap();
    let mut options = Options::default()
        .set("virtual_transport", format!("lmtp:inet:127.0.0.1:{port}"))
        .set("lmtp_send_xforward_command", "yes")
        .set("minimal_backoff_time", "1s")
        .set("maximal_backoff_time", "1s")
        .set("queue_run_delay", "1s")
        // A server that was killed is no reason to leave all others of its kind alone.
        .set("transport_retry_time", "1s")
        .set("default_destination_concurrency_failed_cohort_limit", "0");
    options.master_cf.push("lmtp unix - - n - - lmtp".into());
    let postfix = Postfix::start(&options).unwrap();
    let traffic = Traffic::resting(Duration::from_millis(30));
    let (smtp, mut random) = (postfix.smtp_port(), Random::new(2));
    let mut aimed = Vec::new();
    std::thread::scope(|scope| {
        let traffic = &traffic;
        let senders: Vec<_> = (0..2).map(|n| scope.spawn(move || traffic.send(smtp, n, 100_000))).collect();
        for kill in 0..kills {
            if kill % 2 == 0 {
                std::thread::sleep(Duration::from_millis(60 + random.below(200)));
                daemon.kill().unwrap();
            } else {
                aimed.extend(window::kill_at_the_sight_of_a_held_message(&mut daemon));
            }
            daemon.start_again().unwrap();
            postfix.flush().unwrap();
        }
        traffic.stop();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
    promises::queue_is_empty(&postfix);
    assert!(!postfix.log().contains("status=bounced"), "a bounce");
    let (ids, twice) = delivered(&sink);
    let held = promises::all_there(&traffic.taken(), &ids, &daemon);
    let (taken, hits) = (traffic.taken().len(), window::hits(&aimed, &held));
    println!(
        "{kills} kills behind the queue: {taken} messages taken, {} copies delivered, {twice} messages more than once, {} \
         held; {hits} of {} aimed kills came between quarantine and answer",
        ids.len(),
        held.len(),
        aimed.len()
    );
    assert!(taken > kills, "only {taken} messages got through: the test did not test much");
    assert!(hits > 0, "none of {} aimed kills hit", aimed.len());
    // One connection each is cut at a kill; no more can come twice.
    assert!(twice <= kills * 20, "{twice} messages came more than once");
}
