//! Much at once: floods, big messages, a thousand connections.

use std::fs;
use std::sync::Barrier;

use data_encoding::BASE64;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;

use super::case::matches;
use super::common::{judge, mail, quarantine, stdout, verify};
use super::milter_client::{MilterClient, Peer};
use super::mta::{self, Daemon};

const MIB: u64 = 1 << 20;

/// One line of `/proc/PID/status`, in bytes.
pub fn memory(pid: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find(|l| l.starts_with(line)).unwrap();
    found.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs `load` and holds what it made the daemon grow to what `bytes` of mail may take.
fn grows_by_three_times_at_most(daemon: &Daemon, bytes: u64, load: impl FnOnce()) {
    let rest = memory(daemon.pid(), "VmRSS:");
    load();
    let grown = memory(daemon.pid(), "VmHWM:").saturating_sub(rest);
    let allowed = 3 * bytes + 8 * MIB;
    assert!(grown <= allowed, "{} MiB more than at rest; {} are allowed", grown / MIB, allowed / MIB);
}

fn recipient() -> Vec<String> {
    vec!["<alice@example.org>".to_owned()]
}

/// The newest message on record.
fn newest(daemon: &Daemon) -> Value {
    let listed = stdout(daemon, &["audit", "list", "--limit", "1"]);
    let row = listed.lines().nth(1).unwrap();
    let id = row.split_whitespace().next().unwrap();
    serde_json::from_str(&stdout(daemon, &["explain", "--json", id])).unwrap()
}

#[test]
fn twenty_megabytes_of_boundary_lines_are_held_as_not_inspected() {
    let daemon = Daemon::start("").unwrap();
    let mut flood = b"Subject: flood\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    flood.extend(b"--b\r\n".repeat(4_000_000));
    let bytes = u64::try_from(flood.len()).unwrap();
    grows_by_three_times_at_most(&daemon, bytes, || {
        // Not refused: it may be a mail of somebody's that is only odd. YARA has seen its raw bytes.
        assert_eq!(judge(&daemon, &flood).word, "discard");
    });
    let record = newest(&daemon);
    assert_eq!((&record["rule"], &record["disposition"]), (&"incomplete".into(), &"quarantine".into()));
    let coverage = serde_json::json!({"mime": "failed(limit-parts)", "yara": "ok"});
    assert_eq!(record["coverage"], coverage, "{record}");
    assert_eq!(record["reason"], "not fully inspected: mime=failed(limit-parts)");
    assert_eq!(quarantine(&daemon).len(), 1);
    verify(&daemon);
}

#[test]
fn seven_million_header_fields_are_refused() {
    // The limit on the size is not what stops them.
    let daemon = Daemon::start("[limits]\nmessage = \"100MB\"\n").unwrap();
    grows_by_three_times_at_most(&daemon, 63_000_000, || {
        let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
        client.envelope("<a@sender.example>", &recipient());
        client.stage(b'T', b"", 0x1_0000);
        // In packets of their own, sent a thousand at a time.
        let field = [&9u32.to_be_bytes()[..], b"LA\0 1234\0".as_slice()].concat();
        client.send_raw(&field.repeat(1000), 7000);
        let answer = client.end();
        let wanted = "552 5.3.4 message has more than 65536 header fields (id *); contact *";
        assert!(matches(wanted, &answer.word) && answer.edits.is_empty(), "{answer:?}");
    });
    let record = newest(&daemon);
    assert_eq!((&record["rule"], &record["disposition"]), (&"not-collected".into(), &"reject".into()));
    assert_eq!(judge(&daemon, &mail("after", "the flood")).word, "accept");
    verify(&daemon);
}

/// A mail of `size` bytes, most of them an attachment in base64.
pub fn big(size: usize) -> Vec<u8> {
    let mut raw = b"From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: big\r\n\
        Message-ID: <big@sender.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhere it is\r\n\
        --b\r\nContent-Type: application/octet-stream; name=data.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    let mut state = 0x6d61_696c_7761_7264_u64;
    while raw.len() < size {
        let line: Vec<u8> = (0..57)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            })
            .collect();
        raw.extend_from_slice(BASE64.encode(&line).as_bytes());
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"--b--\r\n");
    raw
}

#[test]
fn eight_messages_of_twenty_megabytes_at_once_stay_within_three_times_their_size() {
    // Time is not what this is about: eight at once on a busy machine may take some.
    let daemon =
        Daemon::start("[scanner.yara]\ntimeout = \"50s\"\n[scanner.mime]\ntimeout = \"50s\"\n").unwrap();
    let raw = big(20_000_000);
    let bytes = 8 * u64::try_from(raw.len()).unwrap();
    let all_are_sent = Barrier::new(8);
    grows_by_three_times_at_most(&daemon, bytes, || {
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut client =
                            MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
                        client.envelope("<a@sender.example>", &recipient());
                        client.content(&raw);
                        all_are_sent.wait();
                        client.end().word
                    })
                })
                .collect();
            let words: Vec<String> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
            assert_eq!(words, ["accept"; 8], "{}", daemon.log());
        });
    });
    verify(&daemon);
}

#[test]
fn a_thousand_idle_connections_are_held_while_messages_are_judged() {
    const IDLE: usize = 1_000;
    // A file for each, on either side, and some for everything else.
    const FILES: u64 = 1_500;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < FILES {
        return mta::not_run(
            "a_thousand_idle_connections_are_held_while_messages_are_judged",
            &format!("a process may have {hard} files open here at most"),
            &format!("raise the hard limit on open files to {FILES} (ulimit -Hn)"),
        );
    }
    // The daemon inherits it.
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(FILES), hard).unwrap();
    let daemon = Daemon::start("").unwrap();
    let rest = memory(daemon.pid(), "VmRSS:");
    let socket = daemon.site().milter_socket();
    let mut idle: Vec<MilterClient> =
        (0..IDLE).map(|_| MilterClient::connect(&socket, &Peer::default())).collect();
    assert_eq!(judge(&daemon, &mail("beside", "the idle")).word, "accept");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    let open = metrics.lines().find_map(|l| l.strip_prefix("mailward_milter_connections ")).unwrap();
    let open: usize = open.trim().parse().unwrap();
    // The one of `judge` may not be gone yet.
    assert!((IDLE..=IDLE + 1).contains(&open), "{open} connections are open");
    // Each of them still serves.
    for (number, client) in idle.iter_mut().enumerate().step_by(100) {
        client.envelope("<a@sender.example>", &recipient());
        assert_eq!(client.message(&mail(&format!("idle {number}"), "text")).word, "accept");
    }
    let grown = memory(daemon.pid(), "VmRSS:").saturating_sub(rest);
    assert!(grown < 32 * MIB, "{} kB for each idle connection", grown / 1024 / IDLE as u64);
}
