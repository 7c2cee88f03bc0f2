//! A rspamd that misbehaves: each message has its outcome in time, and none takes more memory than it may.

use super::server::{Does, Server, response};
use super::*;
use crate::model::Outcome;
use crate::scan::Health;

/// Well beyond what anything here takes, and below what a test may wait.
const AT_ONCE: Duration = Duration::from_secs(10);

async fn outcome(does: Does) -> Outcome {
    let server = Server::start(does).await;
    let rspamd = ask(&server);
    let began = Instant::now();
    let report = look(&rspamd).await;
    assert!(began.elapsed() < AT_ONCE, "{:?}: {:?}", report.outcome, began.elapsed());
    assert_eq!((report.findings.len(), report.advice.is_some()), (0, false));
    // What a sender can bring about by what he writes is not held against rspamd.
    let not_sick = ["http-4xx", "reply-too-large"];
    let is_sick = !matches!(&report.outcome, Outcome::Failed(f) if not_sick.contains(&&*f.label));
    assert_eq!(matches!(rspamd.health(), Health::Degraded(_)), is_sick, "{:?}", report.outcome);
    report.outcome
}

#[tokio::test]
async fn each_way_to_fail_has_its_name() {
    let cut = response("200 OK", ORDINARY);
    let (cut, in_head) = (cut[..cut.len() - 10].to_vec(), cut[..20].to_vec());
    for (does, expected) in [
        (Does::Close, "failed(reset)"),
        (Does::AnswerAndClose(cut), "failed(reset)"),
        (Does::AnswerAndClose(in_head), "failed(reset)"),
        (Does::AnswerAndClose(Vec::new()), "failed(reset)"),
        (Does::Answer(b"220 mx.example.org ESMTP\r\n\r\n".to_vec()), "failed(protocol)"),
        (Does::Answer(vec![0; 100_000]), "failed(protocol)"),
        (Does::Answer(response("200 OK", "[1, 2]")), "failed(protocol)"),
        (Does::Answer(response("200 OK", r#"{"score": "x", "action": 1}"#)), "failed(protocol)"),
        (Does::Answer(response("200 OK", "pong\r\n")), "failed(protocol)"),
        (Does::Answer(response("403 Forbidden", "")), "failed(http-4xx)"),
        (Does::Answer(response("500 Error", r#"{"error": "x"}"#)), "failed(http-5xx)"),
        (Does::Answer(response("503 Service Unavailable", "")), "failed(http-5xx)"),
        (
            Does::Answer(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_vec()),
            "failed(http-3xx)",
        ),
        (
            Does::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".to_vec()),
            "failed(reply-too-large)",
        ),
        (Does::Flood(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), "failed(reply-too-large)"),
        (
            Does::Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n".to_vec()),
            "failed(reply-too-large)",
        ),
        (Does::Flood(Vec::new()), "failed(protocol)"),
        (Does::Flood(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), "failed(protocol)"),
    ] {
        assert_eq!(outcome(does.clone()).await.to_string(), expected, "{does:?}");
    }
}

#[tokio::test]
async fn what_rspamd_says_is_told_and_made_safe() {
    let server = Server::start(Does::Answer(response("500 x", "{\"error\": \"no\\u001b[31m way\"}"))).await;
    let Outcome::Failed(failure) = look(&ask(&server)).await.outcome else { panic!("no failure") };
    let place = server.url().replace("http://", "tcp:");
    assert_eq!(failure.detail, format!("rspamd at {place} answered 500 no?[31m way"));
}

#[tokio::test]
async fn nobody_there_is_refused_on_tcp_and_on_a_socket() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    for url in [format!("http://{address}"), format!("unix:{}", folder.path().join("none").display())] {
        let report = look(&scanner(settings(&url))).await;
        assert_eq!(report.outcome.to_string(), "failed(refused)", "{url}");
    }
    let report = look(&scanner(settings("http://no.such.host.invalid:1"))).await;
    assert_eq!(report.outcome.to_string(), "failed(unreachable)");
}

#[tokio::test]
async fn who_does_not_answer_in_time_times_out() {
    let limit = Duration::from_millis(300);
    let slow = Duration::from_millis(20);
    for does in [Does::Hang, Does::Deaf, Does::Trickle(response("200 OK", ORDINARY), slow)] {
        let server = Server::start(does.clone()).await;
        let rspamd = ask(&server);
        let began = Instant::now();
        // More than the sockets hold: a server that reads nothing must not hold us either.
        let large = input(session(), envelope(), vec![b'x'; 1 << 20]);
        let report = rspamd.scan(large, Instant::now() + limit).await;
        let took = began.elapsed();
        assert!(took >= limit && took < AT_ONCE, "{does:?}: {took:?}");
        assert!(matches!(report.outcome, Outcome::TimedOut(given) if given <= limit), "{does:?}: {report:?}");
        assert_ne!(rspamd.health(), Health::Up);
    }
}

#[tokio::test]
async fn one_byte_at_a_time_is_read_as_well() {
    let bytes = response("200 OK", ORDINARY);
    let server = Server::start(Does::Trickle(bytes, Duration::ZERO)).await;
    assert_eq!(look(&ask(&server)).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_is_heard() {
    let refused = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server = Server::start(Does::AnswerUnread(refused)).await;
    let small = look(&ask(&server)).await.outcome.to_string();
    // Closing with unread bytes resets the connection, which may take the answer away.
    assert!(["failed(http-4xx)", "failed(reset)"].contains(&small.as_str()), "{small}");
}

#[tokio::test]
async fn a_connection_is_kept_and_one_that_was_closed_meanwhile_fails_no_message() {
    let server = Server::start(Does::Answer(response("200 OK", ORDINARY))).await;
    let rspamd = ask(&server);
    for _ in 0..10 {
        assert_eq!(look(&rspamd).await.outcome, Outcome::Clean);
    }
    assert_eq!((server.requests().len(), server.connections()), (10, 1));

    // Closed as soon as it is idle, and closed only when the next request comes.
    let body = response("200 OK", ORDINARY);
    for does in [Does::AnswerAndClose(body.clone()), Does::AnswerOnceAndCloseLate(body)] {
        let server = Server::start(does).await;
        let rspamd = ask(&server);
        for _ in 0..5 {
            assert_eq!(look(&rspamd).await.outcome, Outcome::Clean);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!((server.requests().len(), server.connections()), (5, 5));
        assert_eq!(rspamd.health(), Health::Up);
    }
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone() {
    let server = Server::start(Does::Close).await;
    let rspamd = ask(&server);
    for _ in 0..5 {
        assert_eq!(look(&rspamd).await.outcome.to_string(), "failed(reset)");
    }
    let Outcome::Failed(failure) = look(&rspamd).await.outcome else { panic!("no failure") };
    assert_eq!((failure.label.as_str(), server.connections()), ("left-alone", 5));
    assert!(
        failure.detail.starts_with("rspamd is left alone after 5 failures in a row, the last: "),
        "{failure:?}"
    );
    assert!(matches!(rspamd.health(), Health::Degraded(_)));
}

#[tokio::test]
async fn no_more_than_the_configured_number_ask_at_once() {
    let server = Server::start(Does::Hang).await;
    let rspamd = ask(&server);
    // Those who find no place give up before one comes free.
    let asking = (0..10).map(|n| look_within(&rspamd, Duration::from_millis(if n < 4 { 1500 } else { 300 })));
    for report in futures_util::future::join_all(asking).await {
        assert!(matches!(report.outcome, Outcome::TimedOut(_)), "{report:?}");
    }
    assert_eq!(server.connections(), 4);
}
