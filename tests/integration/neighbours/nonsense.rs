//! Answers of rspamd's that are none, each of its own kind.

use super::came::{recorded, say, section};
use crate::mta::faulty::http;
use crate::mta::{Daemon, Fault, Faulty, Over, Plays};

/// What is said, to the byte, and how rspamd then stands in coverage.
fn replies() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let deep = [b"{\"action\":".as_slice(), &b"[".repeat(100_000)].concat();
    let good = r#"{"score":0.0,"action":"no action","symbols":{}}"#;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    vec![
        ("an error", http("500 Internal Server Error", b"{\"error\":\"no\"}"), "failed(http-5xx)"),
        ("no such place", http("404 Not Found", b"{}"), "failed(http-4xx)"),
        (
            "a password is wanted",
            http("403 Unauthorized", b"{\"error\":\"Unauthorized\"}"),
            "failed(http-4xx)",
        ),
        (
            "somewhere else",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/checkv2\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
            "failed(http-3xx)",
        ),
        ("a page", http("200 OK", b"<html><body>It works!</body></html>"), "failed(protocol)"),
        ("nothing", http("200 OK", b""), "failed(protocol)"),
        ("null", http("200 OK", b"null"), "failed(protocol)"),
        ("a list", http("200 OK", b"[]"), "failed(protocol)"),
        ("an empty object", http("200 OK", b"{}"), "failed(protocol)"),
        ("no end of depth", http("200 OK", &deep), "failed(protocol)"),
        ("two answers in one", http("200 OK", format!("{good}{good}").as_bytes()), "failed(protocol)"),
        ("half an answer", http("200 OK", &good.as_bytes()[..good.len() / 2]), "failed(protocol)"),
        (
            "a score that is no number",
            http("200 OK", br#"{"score":1e999,"action":"reject"}"#),
            "failed(protocol)",
        ),
        (
            "a chunk of any size",
            format!("{chunked}ffffffffffffffff\r\n{good}").into_bytes(),
            "failed(reply-too-large)",
        ),
        ("only the first line", b"HTTP/1.1 200 OK\r\n".to_vec(), "failed(reset)"),
    ]
}

#[test]
fn an_answer_that_is_none_is_a_failure_of_rspamd() {
    let mut neighbour = Faulty::start(Plays::Rspamd, Over::Tcp).unwrap();
    let daemon = Daemon::start(&section(Plays::Rspamd, neighbour.address(), "ignore")).unwrap();
    let mut wanted = Vec::new();
    for (subject, reply, outcome) in replies() {
        neighbour.turn(Fault::Says(reply)).unwrap();
        say(&daemon, subject);
        wanted.push((subject.to_owned(), outcome.to_owned()));
        // So that it is not left alone.
        neighbour.turn(Fault::Well).unwrap();
        let subject = format!("{subject}, then well");
        say(&daemon, &subject);
        wanted.push((subject, "ok".to_owned()));
    }
    wanted.sort();
    let found = recorded(&daemon, "rspamd").into_iter().map(|record| (record.subject, record.outcome));
    assert_eq!(found.collect::<Vec<_>>(), wanted, "{}", daemon.log());
}
