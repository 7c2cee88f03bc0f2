//! Many who send, beside many more who say nothing.

use std::time::{Duration, Instant};

use super::figures::{counted, metrics};
use super::idle::{self, settled};
use super::{KB, MIB, files};
use crate::common::{mail, rules};
use crate::load::memory;
use crate::milter_client::{MilterClient, Peer};
use crate::mta::not_run::effort;
use crate::mta::{Daemon, PATIENCE, Site, wait_until};

const NAME: &str = "hundreds_send_beside_thousands_who_say_nothing_and_none_is_starved";
/// The longest that one may wait for an answer: an MTA gives a filter five minutes.
const LONGEST: Duration = Duration::from_secs(60);
/// What a busy session may take beside an idle one: its message of 4 kB, what is found in it, its answer.
const EACH: u64 = 200 * KB;
const HOLD: &str = r#"rule Hold_This { meta: severity = "medium" score = 8 category = "spam" strings: $a = "HOLD-THIS" condition: $a }"#;

/// `sessions` at once, each of which sends `count` letters that nobody has sent before; the longest wait for one answer.
fn busy(daemon: &Daemon, wave: usize, sessions: usize, count: usize) -> Duration {
    let socket = daemon.site().milter_socket();
    let text = "a line of text that is as long as most are\r\n".repeat(80);
    let one = |session: usize| {
        let mut client = MilterClient::connect(&socket, &Peer::default());
        let waits = (0..count).map(|number| {
            let holds = (session + number).is_multiple_of(50);
            let body = if holds { format!("{text}HOLD-THIS\r\n") } else { text.clone() };
            let raw = mail(&format!("busy {wave} {session} {number}"), &body);
            let begin = Instant::now();
            let words =
                client.envelope(&format!("<a{session}@sender.example>"), &["<alice@example.org>".to_owned()]);
            let answer = client.message(&raw);
            assert_eq!(words, ["continue", "continue"], "session {session}, letter {number}");
            let wanted = if holds { "discard" } else { "accept" };
            assert_eq!(answer.word, wanted, "session {session}, letter {number}: {answer:?}");
            begin.elapsed()
        });
        waits.max().unwrap_or_default()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..sessions).map(|session| scope.spawn(move || one(session))).collect();
        all.into_iter().map(|session| session.join().unwrap()).max().unwrap_or_default()
    })
}

#[test]
fn hundreds_send_beside_thousands_who_say_nothing_and_none_is_starved() {
    let (idle_count, sessions, letters) = (idle::connections(), effort(100, 500), effort(5, 40));
    if !files::enough(NAME, idle_count + sessions) {
        return;
    }
    let daemon = crowded(idle_count + sessions);
    // Once before anything is measured: the database fills its cache.
    busy(&daemon, 0, sessions, letters);
    let mut idle = idle::open(&daemon, idle_count);
    let rest = settled(&daemon);
    let mut after = Vec::new();
    for wave in 1..=3 {
        let begin = Instant::now();
        let longest = busy(&daemon, wave, sessions, letters);
        let seconds = begin.elapsed().as_secs_f64();
        let rate = (sessions * letters) as f64 / seconds;
        let peak = memory(daemon.pid(), "VmHWM:");
        wait_until("the busy ones to end", PATIENCE, || {
            let told = metrics(&daemon);
            let open = counted(&told, "mailward_milter_connections", &[]);
            let work = counted(&told, "mailward_messages_in_work", &[]);
            let held = counted(&told, "mailward_message_bytes_held", &[]);
            Ok(((open, work, held) == (idle_count as u64, 0, 0)).then_some(()))
        })
        .unwrap();
        after.push(settled(&daemon));
        println!(
            "wave {wave}: {sessions} sessions, {letters} letters each beside {idle_count}: {rate:.0} a second, longest wait {longest:?}, \
             {} kB at rest, {} kB at most, {} kB after it",
            rest / KB,
            peak / KB,
            after[wave - 1] / KB
        );
        assert!(longest < LONGEST, "somebody waited {longest:?}");
        assert!(peak <= rest + sessions as u64 * EACH + 32 * MIB, "{peak} bytes at most, {rest} at rest");
    }
    // What one wave took serves the next.
    assert!(after[2] <= rest + rest / 10 + 24 * MIB, "{rest} bytes at rest, then {after:?}");
    for (number, client) in idle.iter_mut().enumerate().step_by(idle_count / 50) {
        client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
        assert_eq!(client.message(&mail(&format!("idle {number}"), "text")).word, "accept");
    }
    let told = metrics(&daemon);
    for name in [
        "mailward_panics_total",
        "mailward_overload_total",
        "mailward_milter_errors_total",
        "mailward_answers_lost_total",
    ] {
        assert_eq!(counted(&told, name, &[]), 0, "{name}");
    }
    assert_eq!(counted(&told, "mailward_quarantined_total", &[]), (4 * sessions * letters / 50) as u64);
}

/// A daemon for so many connections that holds what asks for it.
fn crowded(connections: usize) -> Daemon {
    let site = Site::new().unwrap();
    let more = format!("{}[store]\ncache = \"4MiB\"\n", rules(&site, "hold.yar", HOLD));
    let most = format!("[milter]\nmax_connections = {}\n", connections + 100);
    let toml = site.defaults(&more).replacen("[milter]\n", &most, 1);
    site.start(&toml).unwrap()
}
