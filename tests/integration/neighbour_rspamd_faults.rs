//! A rspamd that is sick in each way, and each `on_failure`: the answer is the configured one, in time, and
//! coverage says what happened.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::case::matches;
use super::common::{judge, mail, stdout};
use super::mta::{Daemon, Site, free_port, wait_until};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Refuses,
    Hangs,
    Trickles,
    Garbage,
    ClosesHalfWay,
    Floods,
    Unavailable,
}

const FAULTS: [(Fault, &str); 7] = [
    (Fault::Refuses, "rspamd=failed(refused)"),
    (Fault::Hangs, "rspamd=timeout"),
    (Fault::Trickles, "rspamd=timeout"),
    (Fault::Garbage, "rspamd=failed(protocol)"),
    (Fault::ClosesHalfWay, "rspamd=failed(reset)"),
    (Fault::Floods, "rspamd=failed(reply-too-large)"),
    (Fault::Unavailable, "rspamd=failed(http-5xx)"),
];

const WORTH: [(&str, &str); 5] = [
    ("ignore", "accept"),
    ("tag", "accept"),
    ("tempfail", "451 4.7.1 *"),
    ("quarantine", "discard"),
    ("reject", "550 5.7.1 *"),
];

/// Starts a server with this fault; it ends with the test's process.
fn start(fault: Fault) -> SocketAddr {
    if fault == Fault::Refuses {
        return ([127, 0, 0, 1], free_port().unwrap()).into();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // Who asks hangs up when it has had enough.
            std::thread::spawn(move || drop(misbehave(stream, fault)));
        }
    });
    address
}

fn misbehave(mut stream: TcpStream, fault: Fault) -> std::io::Result<()> {
    // The request is small and comes in one piece.
    let read = stream.read(&mut [0; 64 << 10])?;
    if read < 100 {
        // Only the question whether somebody is there.
        return Ok(());
    }
    match fault {
        Fault::Refuses => unreachable!("nobody listens"),
        Fault::Hangs => stream.read(&mut [0]).map(drop),
        Fault::Trickles => {
            let answer =
                b"HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n{\"score\": 0, \"action\": \"no action\"}";
            answer.iter().try_for_each(|byte| {
                std::thread::sleep(Duration::from_millis(50));
                stream.write_all(&[*byte])
            })
        }
        Fault::Garbage => stream.write_all(b"\0\xff\r\n\r\n\0 not a word of HTTP\r\n\r\n"),
        Fault::ClosesHalfWay => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"score\": 1")
        }
        Fault::Floods => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"score\": \"")?;
            let piece = vec![b'x'; 1 << 20];
            (0..100).try_for_each(|_| stream.write_all(&piece))
        }
        Fault::Unavailable => stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"),
    }
}

/// The most memory that the daemon ever took, in KiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_sick_rspamd_is_worth_what_on_failure_says_and_is_named() {
    let site = Site::new().unwrap();
    // A second look asks rspamd as well, and what it is told would count here.
    let quiet = "[scanner.yara]\nenabled = false\n[second_look]\nkeep = \"off\"\n";
    let base = site.defaults(quiet);
    let daemon = site.start(&base).unwrap();
    let before = peak(&daemon);
    let mut reloads = 0;
    for (fault, coverage) in FAULTS {
        let address = start(fault);
        for (worth, answer) in WORTH {
            let section = format!(
                "[scanner.rspamd]\nurl = \"http://{address}\"\ntimeout = \"500ms\"\non_failure = \"{worth}\"\n"
            );
            daemon.write_config(&(base.clone() + &section)).unwrap();
            daemon.signal("HUP").unwrap();
            reloads += 1;
            wait_until("the reload", super::mta::PATIENCE, || {
                Ok((daemon.log().matches("were read again").count() == reloads).then_some(()))
            })
            .unwrap();
            let began = Instant::now();
            let got = judge(&daemon, &mail(&format!("{fault:?} {worth}"), "text"));
            let took = began.elapsed();
            assert!(matches(answer, &got.word), "{fault:?} {worth}: {got:?}");
            assert!(took < Duration::from_secs(10), "{fault:?} {worth}: {took:?}");
            let listed = stdout(&daemon, &["audit", "list"]);
            let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
            let explained = stdout(&daemon, &["explain", id]);
            assert!(explained.contains(coverage), "{fault:?} {worth}: {explained}");
        }
        // How much rspamd says depends on the sender: who writes much must not have it left alone for all.
        if fault == Fault::Floods {
            continue;
        }
        // It failed five times in a row, over all those reloads: it is left alone, and that is said.
        let got = judge(&daemon, &mail(&format!("{fault:?} once more"), "text"));
        assert!(got.word.contains("550"), "{got:?}");
        let (_, ready) = daemon.get("/readyz").unwrap();
        assert!(
            ready.contains("degraded: rspamd: left alone after 5 failures in a row"),
            "{fault:?}: {ready}"
        );
        let metrics = daemon.get("/metrics").unwrap().1;
        assert!(metrics.contains("mailward_breaker_open{remote=\"rspamd\"} 1"), "{metrics}");
    }
    let grown = peak(&daemon).saturating_sub(before);
    assert!(grown < 50 << 10, "the daemon took {grown} KiB more for replies of 100 MB");
}
