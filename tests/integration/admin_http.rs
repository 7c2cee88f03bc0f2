//! Any bytes on the admin socket: an answer or an end, and the daemon goes on.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::common::{judge, mail, verify};
use super::mta::Daemon;

/// A small generator with a seed, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap()
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }
}

/// Whether the client says after its bytes that no more come. The server then need not answer.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Listen,
    HangUp,
}

/// Sends bytes and reads what is answered, to the end.
fn exchange(socket: &Path, bytes: &[u8], after: After) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The other end may close before it has taken all.
    if stream.write_all(bytes).is_ok() && after == After::HangUp {
        stream.shutdown(Shutdown::Write).ok();
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => {
            panic!("neither an answer nor an end: {error} for {:?}", String::from_utf8_lossy(bytes))
        }
    }
    answer
}

/// Status and body of a well-formed request.
fn ask(socket: &Path, method: &str, target: &str) -> (u16, String) {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8_lossy(&exchange(socket, request.as_bytes(), After::Listen)).into_owned();
    let (head, body) =
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {target}: {answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn is_well(daemon: &Daemon) {
    assert_eq!(daemon.get("/healthz").unwrap(), (200, "ok\n".to_owned()));
    assert_eq!(judge(daemon, &mail("after", "all that")).word, "accept");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    verify(daemon);
}

#[test]
fn random_bytes_on_the_admin_socket_end_in_an_answer_or_an_end() {
    let daemon = Daemon::start("").unwrap();
    let socket = daemon.site().admin_socket();
    let sound =
        b"GET /api/v1/audit?limit=5 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Length: 3\r\n\
        Connection: close\r\n\r\nabc";
    let mut dice = Dice(0x6874_7470_6d61_696c);
    let mut answered = 0;
    for _ in 0..2_000 {
        let mut bytes = sound.to_vec();
        for _ in 0..=dice.roll(6) {
            let at = dice.roll(bytes.len());
            match dice.roll(5) {
                0 => bytes[at] ^= 1 << dice.roll(8),
                1 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
                2 => bytes.insert(at, [0, b'\r', b'\n', b' ', 0xff][dice.roll(5)]),
                3 => bytes.truncate(at + 1),
                _ => bytes = (0..dice.roll(200) + 1).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect(),
            }
        }
        let answer = exchange(&socket, &bytes, After::HangUp);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
        answered += usize::from(!answer.is_empty());
    }
    assert!(answered > 500, "only {answered} were answered: the test looks in the wrong place");
    // Heads that never end: not waited for, and not kept in memory.
    let long = format!("GET /{}", "a".repeat(2_000_000));
    let many = format!("GET / HTTP/1.1\r\n{}", "X-A: b\r\n".repeat(200_000));
    for endless in [long, many] {
        let answer = exchange(&socket, endless.as_bytes(), After::Listen);
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
    }
    is_well(&daemon);
}

#[test]
fn any_path_and_query_gets_an_answer_and_errors_are_json() {
    let daemon = Daemon::start("").unwrap();
    let socket = daemon.site().admin_socket();
    assert_eq!(judge(&daemon, &mail("known", "text")).word, "accept");
    let mut dice = Dice(0x7061_7468_7175_6572);
    let parts =
        ["api", "v1", "audit", "quarantine", "status", "verify", "export", "message", "healthz", "metrics"];
    let odd = [
        "..",
        ".",
        "%2e%2e",
        "%00",
        "%ff",
        "%zz",
        "%",
        "a%0d%0ab",
        "%E2%80%AE",
        "-1",
        "0000000000000000AA",
        "~",
        "*",
    ];
    let keys =
        ["limit", "format", "before", "after", "id", "from", "to", "since", "until", "verdict", "class", "q"];
    let values = [
        "1",
        "-1",
        "0",
        "99999999999999999999",
        "",
        "%00",
        "%ff",
        "json",
        "csv",
        "2026-11-20",
        "x%0d%0ay",
        "1e9",
        "%F0%9F%98%80",
    ];
    let methods = ["GET", "GET", "GET", "GET", "DELETE", "PUT", "POST", "OPTIONS", "PATCH", "BREW"];
    let mut seen = std::collections::BTreeMap::<u16, u32>::new();
    for _ in 0..3_000 {
        let mut target = if dice.roll(4) == 0 { String::new() } else { "/api/v1".to_owned() };
        for _ in 0..=dice.roll(3) {
            target.push('/');
            target.push_str(if dice.roll(3) == 0 { dice.pick(&odd) } else { dice.pick(&parts) });
        }
        for number in 0..dice.roll(4) {
            target.push(if number == 0 { '?' } else { '&' });
            target.push_str(&format!("{}={}", dice.pick(&keys), dice.pick(&values)));
        }
        let method = dice.pick(&methods);
        let (status, body) = ask(&socket, method, &target);
        *seen.entry(status).or_default() += 1;
        assert!(status < 500, "{method} {target}: {status} {body}");
        if status >= 400 {
            let error: Value = serde_json::from_str(&body)
                .unwrap_or_else(|_| panic!("{method} {target}: {status} is no JSON: {body:?}"));
            let sentence = error["error"].as_str().unwrap_or_default();
            assert!(
                !sentence.is_empty() && !sentence.contains(['\n', '\r', '\u{202e}']),
                "{method} {target}: {body}"
            );
        }
    }
    for status in [200, 400, 404, 405] {
        assert!(seen.contains_key(&status), "none of all got {status}: {seen:?}");
    }
    is_well(&daemon);
}
