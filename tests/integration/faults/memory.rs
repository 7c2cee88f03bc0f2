//! More mail at once than memory is given to: put off at MAIL, told, within bounds, and over when there is room again.

use crate::common::{judge, mail, verify};
use crate::load::memory;
use crate::milter_client::{MilterClient, Peer};
use crate::mta::{self, Daemon};

const MIB: u64 = 1 << 20;
/// Three of the largest messages. What is allowed besides is just less than a usual one wants, with their recipients.
const HELD: u64 = 12 * MIB;
const OVERLOADED: &str = "452 4.3.1 ";

fn client(daemon: &Daemon) -> MilterClient {
    MilterClient::connect(&daemon.site().milter_socket(), &Peer::default())
}

fn begin(client: &mut MilterClient) -> String {
    client.envelope("<a@sender.example>", &[])[0].clone()
}

fn recipient(client: &mut MilterClient) {
    client.macros(b'R', &[("i", "4ABCDE")]);
    client.stage(b'R', b"<alice@example.org>\0", 0x8000);
}

fn of_size(bytes: usize) -> Vec<u8> {
    let mut raw = mail("big", "");
    while raw.len() + 70 <= bytes {
        raw.extend_from_slice(b"the quick brown fox jumps over the lazy dog, again and again and on\r\n");
    }
    raw
}

fn counted(daemon: &Daemon, limit: &str) -> u64 {
    let name = format!("mailward_overload_total{{limit=\"{limit}\"}} ");
    let metrics = daemon.get("/metrics").unwrap().1;
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

/// Waits until the daemon holds as much mail as `wanted` likes.
fn wait_for_held(daemon: &Daemon, wanted: impl Fn(u64) -> bool) {
    mta::wait_until("so much mail to be held", mta::PATIENCE, || {
        let metrics = daemon.get("/metrics")?.1;
        let held = metrics.lines().find_map(|line| line.strip_prefix("mailward_message_bytes_held "));
        Ok(wanted(held.unwrap().parse()?).then_some(()))
    })
    .unwrap();
}

#[test]
fn mail_beyond_the_memory_budget_is_put_off_at_mail_and_taken_when_there_is_room() {
    let daemon = Daemon::start("[limits]\nmessage = \"4MiB\"\nheld = \"12352KiB\"\n").unwrap();
    judge(&daemon, &mail("first", "text"));
    let rest = memory(daemon.pid(), "VmRSS:");
    // Three that are sent and not ended take all of it.
    let raw = of_size(4 * 1024 * 1024 - 8 * 1024);
    let mut three: Vec<MilterClient> = (0..3).map(|_| client(&daemon)).collect();
    for one in &mut three {
        assert_eq!(begin(one), "continue");
        recipient(one);
        one.content(&raw);
    }
    wait_for_held(&daemon, |held| held >= HELD);
    let mut others: Vec<MilterClient> = (0..40).map(|_| client(&daemon)).collect();
    for other in &mut others {
        let word = begin(other);
        assert!(word.starts_with(OVERLOADED), "{word}");
    }
    assert_eq!(counted(&daemon, "bytes"), 40);
    daemon.wait_for_log("no room for one more message; tempfailed at MAIL").unwrap();
    // To be looked at each wants as much again: for the first there is no room, it makes room for the others.
    let mut words = Vec::new();
    for (number, one) in three.iter_mut().enumerate() {
        words.push(one.end().word);
        let left = HELD - (number as u64 + 1) * 4 * MIB;
        wait_for_held(&daemon, |held| held < left + MIB);
    }
    assert!(words[0].starts_with(OVERLOADED) && words[1..] == ["accept", "accept"], "{words:?}");
    let grown = memory(daemon.pid(), "VmHWM:").saturating_sub(rest);
    assert!(grown < 3 * HELD + 8 * MIB, "{} MiB more than at rest", grown / MIB);
    // Then there is room for all, on the same connections.
    for other in &mut others {
        assert_eq!(begin(other), "continue");
        recipient(other);
        assert_eq!(other.message(&mail("later", "text")).word, "accept");
    }
    wait_for_held(&daemon, |held| held == 0);
    assert_eq!(counted(&daemon, "bytes"), 41);
    verify(&daemon);
}

#[test]
fn the_largest_message_passes_under_the_smallest_budget_that_may_be_configured() {
    let daemon = Daemon::start("[limits]\nmessage = \"4MiB\"\nheld = \"10MiB\"\n").unwrap();
    let raw = of_size(4 * 1024 * 1024);
    assert!(raw.len() > 4 * 1024 * 1024 - 100);
    assert_eq!(judge(&daemon, &raw).word, "accept", "{}", daemon.log());
    wait_for_held(&daemon, |held| held == 0);
    assert_eq!(counted(&daemon, "bytes"), 0);
}

#[test]
fn more_messages_in_work_than_there_are_places_are_put_off_at_mail() {
    let daemon = Daemon::start("[limits]\nmessages = 3\n").unwrap();
    let mut all: Vec<MilterClient> = (0..5).map(|_| client(&daemon)).collect();
    let words: Vec<String> = all.iter_mut().map(begin).collect();
    assert_eq!(words[..3], ["continue", "continue", "continue"]);
    assert!(words[3..].iter().all(|word| word.starts_with(OVERLOADED)), "{words:?}");
    assert_eq!(counted(&daemon, "messages"), 2);
    drop(all);
    // What was begun and cut gives its place back.
    mta::wait_until("a place", mta::PATIENCE, || {
        Ok((begin(&mut client(&daemon)) == "continue").then_some(()))
    })
    .unwrap();
}
