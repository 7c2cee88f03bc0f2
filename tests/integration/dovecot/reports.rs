//! `mailward report` by itself, and what its token opens.

use std::process::Output;

use super::super::common::{judge, mail, newest, stdout};
use super::super::mta::{PATIENCE, wait_until};
use super::*;

fn report(daemon: &Daemon, arguments: &[&str], message: &[u8]) -> Output {
    daemon.cli_with(&[&["report"], arguments].concat(), message).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is on record, oldest first, without times.
fn on_record(daemon: &Daemon, count: usize) -> Vec<String> {
    let mut rows = wait_until("reports", PATIENCE, || {
        let told = stdout(daemon, &["audit", "events", "--reports"]);
        let rows: Vec<String> = told.lines().skip(1).map(str::to_owned).collect();
        Ok((rows.len() >= count).then_some(rows))
    })
    .unwrap();
    rows.reverse();
    rows.iter().map(|row| row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_report_goes_over_the_socket_and_with_a_token_and_nowhere_else() {
    let (daemon, port) = daemon("");
    let address = format!("127.0.0.1:{port}");
    let raw = mail("hello", "text");
    judge(&daemon, &raw);
    let id = newest(&daemon);
    let delivered = [format!("X-Mailward-Id: {id}\r\n").as_bytes(), &raw].concat();
    // An admin, on the machine.
    let told = report(&daemon, &["spam", "--user", "alice", "--mailbox", "Junk"], &delivered);
    assert!(told.status.success(), "{told:?}");
    assert_eq!(String::from_utf8_lossy(&told.stdout), "taken as a report of spam\n");
    // A mail server.
    let file = daemon.site().path().join("token");
    std::fs::write(&file, stdout(&daemon, &["token", "create", "imap", "--role", "reporter"])).unwrap();
    let with = |file: &std::path::Path, more: &[&str], message: &[u8]| {
        let file = file.display().to_string();
        report(&daemon, &[&["ham", "--token-file", &file, "--port", &address], more].concat(), message)
    };
    assert!(with(&file, &["--user=bob"], &delivered).status.success());
    let large = [&delivered[..], &vec![b'x'; 9 << 20]].concat();
    assert!(with(&file, &["--user=-x \u{1b}[2J", "--mailbox=a&b=c"], &large).status.success());
    let none = "rspamd was not taught: there is nobody to be taught: [scanner.rspamd] is not set up, or off";
    assert_eq!(
        on_record(&daemon, 3),
        [
            format!("reported-spam alice (admin socket) {id} moved to Junk; {none}"),
            format!("reported-ham bob (token imap) {id} {none}"),
            format!(
                "reported-ham -x ?[2J (token imap) {id} moved to a&b=c; rspamd was not taught: the message is larger \
                 than 8 MiB"
            ),
        ]
    );
    // What is wrong is said, with what to do.
    assert!(said(&with(&file, &[], b"\n")).contains("there is no message in this report"));
    std::fs::write(daemon.site().path().join("empty"), "\n").unwrap();
    assert!(said(&with(&daemon.site().path().join("empty"), &[], b"x")).contains("--role reporter"));
    assert!(said(&with(&daemon.site().path().join("none"), &[], b"x")).contains("cannot be opened"));
    std::fs::write(daemon.site().path().join("bad"), format!("mw_{}\n", "A".repeat(43))).unwrap();
    assert!(said(&with(&daemon.site().path().join("bad"), &[], b"x")).contains("not known here"));
    let far = report(&daemon, &["ham", "--token-file", "/x", "--port", "192.0.2.1:8890"], b"x");
    assert!(!far.status.success());
    // It opens nothing else.
    let token = std::fs::read_to_string(&file).unwrap();
    for (method, path) in
        [("GET", "/metrics"), ("GET", "/api/v1/audit"), ("POST", "/api/v1/learn/ham"), ("GET", "/x")]
    {
        let status = ask(port, method, path, token.trim());
        assert_eq!(status, 403, "{method} {path}");
    }
}

/// The status of a request with a token.
fn ask(port: u16, method: &str, path: &str, token: &str) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told.split(' ').nth(1).unwrap().parse().unwrap()
}
