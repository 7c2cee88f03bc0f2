//! What a connection costs that waits for its next message.

use std::time::Duration;

use super::figures::{counted, metrics};
use super::lmtp::{Lmtp, Sink};
use super::{KB, files};
use crate::common::{judge, mail};
use crate::load::memory;
use crate::milter_client::{MilterClient, Peer};
use crate::mta::not_run::{effort, postfix_ready};
use crate::mta::{Daemon, PATIENCE, Site, wait_until};

/// What one of them may cost.
const ALLOWED: u64 = 25 * KB;
/// Who sends at once where all of them send.
const AT_ONCE: usize = 8;

/// How many of them there are.
pub fn connections() -> usize {
    effort(1_000, 10_000)
}

/// Resident memory, as soon as it stands still.
pub fn settled(daemon: &Daemon) -> u64 {
    let mut before = 0;
    wait_until("the memory to stand still", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(300));
        let now = memory(daemon.pid(), "VmRSS:");
        let same = now.abs_diff(before) < 256 * KB;
        before = now;
        Ok(same.then_some(now))
    })
    .unwrap()
}

/// Prints what each of `count` connections cost, and holds it to what is allowed.
pub fn hold(state: &str, count: usize, rest: u64, now: u64) {
    let each = now.saturating_sub(rest) / count as u64;
    println!(
        "{count} {state}: {each} bytes each, {} kB over {} kB",
        now.saturating_sub(rest) / KB,
        rest / KB
    );
    assert!(each <= ALLOWED, "{state}: {each} bytes each, {ALLOWED} are allowed");
}

/// A daemon that takes so many connections and has judged a message already.
pub fn daemon(connections: usize, more: &str) -> Daemon {
    let site = Site::new().unwrap();
    let most = format!("[milter]\nmax_connections = {}\n", connections + 1_000);
    let toml = site.defaults(more).replacen("[milter]\n", &most, 1);
    let daemon = site.start(&toml).unwrap();
    assert_eq!(judge(&daemon, &mail("the first", "text")).word, "accept");
    daemon
}

/// Connections that have said who is there, and then nothing.
pub fn open(daemon: &Daemon, count: usize) -> Vec<MilterClient> {
    let socket = daemon.site().milter_socket();
    let idle: Vec<_> = (0..count).map(|_| MilterClient::connect(&socket, &Peer::default())).collect();
    wait_until("all connections to be taken", PATIENCE, || {
        Ok((counted(&metrics(daemon), "mailward_milter_connections", &[]) >= count as u64).then_some(()))
    })
    .unwrap();
    idle
}

/// Has each of `all` do `what`, some at once.
fn each<T: Send>(all: &mut [T], what: impl Fn(usize, &mut T) + Sync) {
    let size = all.len().div_ceil(AT_ONCE);
    std::thread::scope(|scope| {
        for (part, some) in all.chunks_mut(size).enumerate() {
            let what = &what;
            scope.spawn(move || some.iter_mut().enumerate().for_each(|(n, one)| what(part * size + n, one)));
        }
    });
}

#[test]
fn idle_milter_connections_cost_little_before_and_after_a_message() {
    let count = connections();
    if !files::enough("idle_milter_connections_cost_little_before_and_after_a_message", count) {
        return;
    }
    let daemon = daemon(count, "");
    let rest = settled(&daemon);
    let mut idle = open(&daemon, count);
    hold("milter connections that were negotiated", count, rest, settled(&daemon));
    let text = "a line of text that is as long as most are\r\n".repeat(80);
    each(&mut idle, |number, client| {
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
        assert_eq!(client.message(&mail(&format!("idle {number}"), &text)).word, "accept");
    });
    hold("milter connections idle after a message", count, rest, settled(&daemon));
    let first = settled(&daemon);
    // What they took serves those who come next.
    drop(idle);
    wait_until("all connections to end", PATIENCE, || {
        Ok((counted(&metrics(&daemon), "mailward_milter_connections", &[]) == 0).then_some(()))
    })
    .unwrap();
    println!("all closed: {} kB", settled(&daemon) / KB);
    let again = open(&daemon, count);
    let second = settled(&daemon);
    println!("as many again: {} kB", second / KB);
    assert!(second <= first + first / 20 + 8_000 * KB, "{first} bytes at first and {second} the second time");
    drop(again);
}

#[test]
fn idle_lmtp_sessions_cost_little_before_and_after_a_message() {
    const NAME: &str = "idle_lmtp_sessions_cost_little_before_and_after_a_message";
    let count = connections();
    if !postfix_ready(NAME) || !files::enough(NAME, count) {
        return;
    }
    let sink = Sink::start();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp.sock");
    let more = format!(
        "[lmtp]\nlisten = [\"unix:{}\"]\nmax_connections = {}\nrelay = \"{}\"\n",
        socket.display(),
        count + 1_000,
        sink.address()
    );
    // Few by milter: the daemon shares descriptors out by what both may have.
    let daemon = daemon(0, &more);
    Lmtp::connect(&socket).deliver("<a@sender.example>", "<bob@example.org>", &mail("the first", "text"));
    let rest = settled(&daemon);
    let mut idle: Vec<Lmtp> = (0..count).map(|_| Lmtp::connect(&socket)).collect();
    hold("LMTP sessions that were greeted", count, rest, settled(&daemon));
    let text = "a line of text that is as long as most are\r\n".repeat(80);
    each(&mut idle, |number, client| {
        let raw = mail(&format!("idle {number}"), &text);
        let answer = client.deliver("<a@sender.example>", "<bob@example.org>", &raw);
        assert!(answer.starts_with("250 "), "{answer}");
    });
    hold("LMTP sessions idle after a message", count, rest, settled(&daemon));
}
