//! What rspamd is told: every byte of it.

use super::server::{Does, Server, response};
use super::*;
use crate::scan::rspamd::request::path;

async fn told(input: Arc<ScanInput>, change: impl FnOnce(&mut Settings)) -> String {
    let server = Server::start(Does::Answer(response("200 OK", ORDINARY))).await;
    let mut settings = settings(&server.url());
    change(&mut settings);
    let rspamd = scanner(settings);
    let report = rspamd.scan(input, Instant::now() + Duration::from_secs(30)).await;
    assert_eq!(report.outcome, crate::model::Outcome::Clean);
    let host = server.url().replace("http://", "");
    let request = server.requests().remove(0);
    String::from_utf8(request).unwrap().replace(&host, "HOST")
}

#[tokio::test]
async fn rspamd_is_told_all_that_the_mta_told_us_and_what_it_will_write_itself() {
    let request = told(ordinary(), |_| {}).await;
    let expected = "POST /checkv2 HTTP/1.1\r\n\
        Host: HOST\r\n\
        Content-Length: 220\r\n\
        IP: 192.0.2.7\r\n\
        Helo: mx.sender.example\r\n\
        Hostname: mail.sender.example\r\n\
        From: <a@sender.example>\r\n\
        Rcpt: <alice@example.org>\r\n\
        Deliver-To: alice@example.org\r\n\
        Queue-Id: 4ABC\r\n\
        MTA-Name: mx.example.org\r\n\
        MTA-Tag: smtpd\r\n\
        TLS-Version: TLSv1.3\r\n\
        TLS-Cipher: TLS_AES_256_GCM_SHA384\r\n\
        \r\n\
        Received: from mx.sender.example (mail.sender.example [192.0.2.7])\r\n\
        \tby mx.example.org with ESMTPS id 4ABC\r\n\
        \tfor <alice@example.org>;\r\n\
        \tSat, 21 Nov 2026 00:59:50 +0000\r\n\
        From: Anna <a@sender.example>\r\n\
        Subject: x\r\n\
        \r\n\
        text\r\n";
    assert_eq!(request, expected);
}

#[tokio::test]
async fn a_user_a_bounce_and_two_recipients_are_told_as_such() {
    let session = Session {
        client: Client { name: "[2001:db8::7]".into(), addr: ClientAddr::Ip("2001:db8::7".parse().unwrap()) },
        helo: Some("laptop".into()),
        user: Some("müller".into()),
        ..session()
    };
    let recipients = ["<alice@example.org>", "<bob@example.org>"].map(Recipient::new).to_vec();
    let envelope = Envelope { recipients, reverse_path: ReversePath(Recipient::new("<>")), ..envelope() };
    let input = input(session, envelope, "Subject: x\r\n\r\n");
    let request = told(input, |settings| settings.password = Some(SecretText::new("open"))).await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head.lines().skip(3).collect::<Vec<_>>(),
        [
            "IP: 2001:db8::7",
            "Helo: laptop",
            "From: <>",
            "Rcpt: <alice@example.org>",
            "Rcpt: <bob@example.org>",
            "User: müller",
            "Queue-Id: 4ABC",
            "MTA-Name: mx.example.org",
            "MTA-Tag: smtpd",
            "TLS-Version: TLSv1.3",
            "TLS-Cipher: TLS_AES_256_GCM_SHA384",
            "Password: open",
        ]
    );
    let received = "Received: from laptop (unknown [IPv6:2001:db8::7])\r\n\tby mx.example.org with ESMTPSA id \
                    4ABC;\r\n\tSat, 21 Nov 2026 00:59:50 +0000\r\nSubject: x\r\n\r\n";
    assert_eq!(body, received);
}

#[tokio::test]
async fn mail_of_this_machine_comes_from_this_machine_and_an_unknown_client_from_nowhere() {
    let localhost = ClientAddr::Ip("127.0.0.1".parse().unwrap());
    let local = Session {
        client: Client { name: "localhost".into(), addr: localhost },
        mta: Some("mx.example.org".into()),
        local_submission: true,
        ..Session::default()
    };
    let request = told(input(local, envelope(), "\r\n"), |_| {}).await;
    assert!(request.contains("\r\nIP: 127.0.0.1\r\nHostname: localhost\r\nFrom:"), "{request}");
    let received =
        "Received: from localhost (localhost [127.0.0.1])\r\n\tby mx.example.org with local id 4ABC";
    assert!(request.contains(received), "{request}");

    let socket = Client { name: "unknown".into(), addr: ClientAddr::Unix("/run/x".into()) };
    let request =
        told(input(Session { client: socket, ..Session::default() }, envelope(), "\r\n"), |_| {}).await;
    assert!(request.contains("\r\nIP: 127.0.0.1\r\nFrom:"), "{request}");
    assert!(request.contains("\r\nReceived: by localhost with ESMTP id 4ABC\r\n"), "{request}");

    let request = told(input(Session::default(), Envelope::default(), "\r\n"), |_| {}).await;
    let expected = "Content-Length: 72\r\nFrom: <>\r\n\r\nReceived: by localhost with ESMTP;\r\n";
    assert!(request.contains(expected), "{request}");
}

#[tokio::test]
async fn nothing_that_a_client_says_ends_a_header_or_makes_another() {
    let evil = "a\r\nPassword: x\u{0}\u{7f}\r\n\r\nGET / HTTP/1.1\n(;<\"\\";
    let session = Session {
        client: Client { name: evil.into(), addr: ClientAddr::Unknown },
        helo: Some(evil.into()),
        user: Some(evil.into()),
        mta: Some(evil.into()),
        daemon: Some(evil.into()),
        tls: Some(Tls { version: evil.into(), cipher: evil.into() }),
        ..Session::default()
    };
    let envelope = Envelope {
        reverse_path: ReversePath(Recipient::new(format!("<{evil}@x>"))),
        recipients: vec![Recipient::new(format!("<{evil}@x>"))],
        queue_id: Some(evil.into()),
        ..Envelope::default()
    };
    let request = told(input(session, envelope, "\r\n"), |_| {}).await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let names: Vec<&str> = head.split("\r\n").skip(1).map(|line| line.split(':').next().unwrap()).collect();
    let expected = "Host Content-Length Helo Hostname From Rcpt Deliver-To User Queue-Id MTA-Name MTA-Tag TLS-Version TLS-Cipher";
    assert_eq!(names.join(" "), expected, "{head}");
    assert!(!head.replace("\r\n", "").contains(|c: char| c.is_control()), "{head:?}");
    let word = "a??Password:?x??????GET?/?HTTP/1.1??????";
    let received =
        format!("Received: from {word} ({word})\r\n\tby {word} with ESMTPSA id {word};\r\n\tSat, ");
    assert!(body.starts_with(&received), "{body:?}");
}

#[tokio::test]
async fn more_recipients_than_rspamd_can_bear_are_left_out() {
    let recipients =
        (0..5000).map(|n| Recipient::new(format!("<recipient.number.{n}@department.example.org>"))).collect();
    let request = told(input(session(), Envelope { recipients, ..envelope() }, "\r\n"), |_| {}).await;
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.len() < 40_000, "{}", head.len());
    assert_eq!(head.matches("\r\nRcpt: ").count(), 730);
    assert!(!head.contains("Deliver-To"));
}

#[test]
fn an_address_is_written_so_that_rspamd_can_read_it() {
    for (given, told) in [
        ("a@example.org", "a@example.org"),
        ("", ""),
        ("\"a, b\"@example.org", "\"a, b\"@example.org"),
        ("a,postmaster@example.org", "\"a,postmaster\"@example.org"),
        ("a\"b,c@example.org", "\"a?b,c\"@example.org"),
        ("grüße@exämple.org", "gr??e@xn--exmple-cua.org"),
        ("a@exämple.org", "a@xn--exmple-cua.org"),
        ("a@ex ämple/org", "a@ex ?mple/org"),
        ("a\r\nb@x", "a??b@x"),
        ("nobody", "nobody"),
    ] {
        assert_eq!(path(given), told, "{given}");
    }
}
