//! Debian's rspamd, asked by the scanner itself and behind the whole daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailward::mail::header;
use mailward::model::session::Tls;
use mailward::model::{
    AdvisedAction, ByteSize, Category, Client, ClientAddr, Envelope, MailId, Outcome, Parts, Recipient,
    ReversePath, SecretText, Session, Severity,
};
use mailward::scan::rspamd::{Class, LearnError, Learned, Rspamd as Scanner, Settings};
use mailward::scan::{Health, Report, Scan, ScanInput};
use mailward::telemetry::{Clock, Metrics};

use super::case::matches;
use super::common::{judge, mail, stdout};
use super::mta::samples::gtube;
use super::mta::{self, Daemon, Rspamd};

fn scanner(rspamd: &Rspamd, url: &str, password: &str) -> Arc<Scanner> {
    let settings = Settings {
        url: url.parse().unwrap(),
        password: None,
        connections: 10,
        max_size: ByteSize(20 << 20),
        max_reply: ByteSize(1 << 20),
        controller: rspamd.controller().parse().unwrap(),
        controller_password: Some(SecretText::new(password)),
    };
    Scanner::new(settings, Clock::system(), Arc::new(Metrics::new())).unwrap()
}

fn password(rspamd: &Rspamd) -> String {
    std::fs::read_to_string(rspamd.password_file()).unwrap()
}

fn session(name: &str, ip: &str) -> Session {
    Session {
        client: Client { name: name.into(), addr: ClientAddr::Ip(ip.parse().unwrap()) },
        helo: Some("mx.sender.example".into()),
        mta: Some("mx.example.org".into()),
        daemon: Some("smtpd".into()),
        ..Session::default()
    }
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath(Recipient::new(from)),
        recipients: to.iter().map(|to| Recipient::new(*to)).collect(),
        queue_id: Some("4ABC".into()),
        ..Envelope::default()
    }
}

fn look(scanner: &Scanner, session: Session, envelope: Envelope, raw: Vec<u8>) -> Report {
    let input = ScanInput {
        id: MailId::from_parts(0, 0),
        session: Arc::new(session),
        direction: mailward::model::Direction::Inbound,
        envelope,
        message: header::parse(raw),
        parts: Parts::default(),
        attachments: Vec::new(),
        share: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scanner.scan(Arc::new(input), Instant::now() + Duration::from_secs(30)))
}

/// Symbols and texts.
fn symbols(report: &Report) -> BTreeMap<&str, &str> {
    report.findings.iter().map(|f| (f.symbol.as_str(), f.text.as_str())).collect()
}

/// What rspamd saw of client, envelope, MTA and Received fields.
fn seen(report: &Report) -> [&str; 4] {
    let symbols = symbols(report);
    ["TEST_CLIENT", "TEST_ENVELOPE", "TEST_MTA", "TEST_RECEIVED"]
        .map(|name| symbols.get(name).and_then(|text| text.strip_prefix(name)).unwrap_or_default().trim())
}

#[test]
fn rspamd_sees_the_mail_as_if_our_mta_had_handed_it_over() {
    if !mta::not_run::rspamd_ready("rspamd_sees_the_mail_as_if_our_mta_had_handed_it_over") {
        return;
    }
    let rspamd = Rspamd::start().unwrap();
    let tls = Some(Tls { version: "TLSv1.3".into(), cipher: "TLS_AES_256_GCM_SHA384".into() });
    for url in [rspamd.url(), rspamd.socket()] {
        let scanner = scanner(&rspamd, &url, "");
        let from = |name: &str, ip: &str| Session { tls: tls.clone(), ..session(name, ip) };
        let raw = || mail("an ordinary mail", "Hello, how are you?");
        let one = envelope("<a@sender.example>", &["<alice@example.org>"]);
        let report = look(&scanner, from("mail.sender.example", "192.0.2.7"), one.clone(), raw());
        assert_eq!(
            seen(&report),
            [
                "(ip=192.0.2.7, helo=mx.sender.example, hostname=mail.sender.example)",
                "(from=a@sender.example, rcpt=alice@example.org)",
                "(Deliver-To=alice@example.org, Queue-Id=4ABC, MTA-Name=mx.example.org, MTA-Tag=smtpd, TLS-Version=TLSv1.3, \
                 TLS-Cipher=TLS_AES_256_GCM_SHA384)",
                "(mx.sender.example mail.sender.example 192.0.2.7 mx.example.org esmtps)",
            ],
            "{url}"
        );
        // Its own rules agree: one Received, over TLS, and a name for the client.
        let symbols = symbols(&report);
        assert!(symbols.contains_key("RCVD_COUNT_ONE"), "{symbols:?}");
        assert!(!symbols.contains_key("HFILTER_HOSTNAME_UNKNOWN"), "{symbols:?}");
        assert_eq!(scanner.version(), "rspamd/3.4");
        assert_eq!(scanner.health(), Health::Up);

        let user = Session { user: Some("müller".into()), ..from("[2001:db8::7]", "2001:db8::7") };
        let two = envelope("<>", &["<grüße@exämple.org>", "<a,b@example.org>"]);
        let report = look(&scanner, user, two, raw());
        let [client, envelope, _, received] = seen(&report);
        assert_eq!(client, "(ip=2001:db8::7, helo=mx.sender.example, user=müller)");
        assert_eq!(envelope, "(from=, rcpt=gr??e@xn--exmple-cua.org, rcpt=a,b@example.org)");
        assert_eq!(
            received,
            "(mx.sender.example 2001:db8::7 mx.example.org esmtpsa)".replace("example 2", "example  2")
        );
        // rspamd's word for an envelope that it cannot read, with a score of 8.
        assert!(!self::symbols(&report).contains_key("BROKEN_HEADERS"), "{report:?}");

        let local = Session { helo: None, local_submission: true, ..session("localhost", "127.0.0.1") };
        let report = look(&scanner, local, one, raw());
        let [client, _, _, received] = seen(&report);
        assert_eq!(client, "(ip=127.0.0.1, hostname=localhost)");
        // rspamd takes localhost for no name.
        assert_eq!(received, "(localhost  127.0.0.1 mx.example.org local)");
        assert!(!self::symbols(&report).contains_key("HFILTER_HOSTNAME_UNKNOWN"), "{report:?}");
    }

    // More recipients than its HTTP parser takes.
    let many: Vec<String> =
        (0..3000).map(|n| format!("<recipient.number.{n}@department.example.org>")).collect();
    let many = envelope("<a@sender.example>", &many.iter().map(String::as_str).collect::<Vec<_>>());
    let scanner = scanner(&rspamd, &rspamd.url(), "");
    let report = look(&scanner, session("mail.sender.example", "192.0.2.7"), many, mail("x", "x"));
    assert!(report.advice.is_some(), "{report:?}");
}

#[test]
fn scores_add_up_to_rspamds_own_and_gtube_is_rejected() {
    if !mta::not_run::rspamd_ready("scores_add_up_to_rspamds_own_and_gtube_is_rejected") {
        return;
    }
    let rspamd = Rspamd::start().unwrap();
    let scanner = scanner(&rspamd, &rspamd.url(), "");
    let from = || session("unknown", "192.0.2.7");
    let one = || envelope("<a@sender.example>", &["<alice@example.org>"]);
    let spam = "Subject: YOU HAVE WON!!!\r\nFrom: =?utf-8?q?Bank?= <x@other.example>\r\nContent-Type: text/html\r\n\r\n\
                <html><img src='http://a.example/x.png'><a href='http://10.1.2.3/'>http://bank.example</a></html>\r\n";
    for raw in [mail("an ordinary mail", "Hello"), spam.as_bytes().to_vec()] {
        let report = look(&scanner, from(), one(), raw);
        let advice = report.advice.as_ref().unwrap();
        let sum: f64 = report.findings.iter().map(|f| f.score.value()).sum();
        assert!((sum - advice.score).abs() < 0.001, "{sum} {report:?}");
        assert!(advice.score > 1.0 && advice.required == 15.0, "{advice:?}");
        assert!(report.findings.iter().all(|f| f.severity <= Severity::Low && f.category <= Category::Phish));
        assert_eq!(report.outcome, Outcome::Found);
    }
    let report = look(&scanner, from(), one(), mail("spam", &gtube()));
    let advice = report.advice.as_ref().unwrap();
    assert_eq!(advice.action, AdvisedAction::Reject, "{report:?}");
    assert_eq!(advice.reply.as_deref(), Some("Gtube pattern"));
    assert_eq!(report.outcome, Outcome::Found);
}

#[test]
fn what_was_learned_is_known_the_second_time() {
    if !mta::not_run::rspamd_ready("what_was_learned_is_known_the_second_time") {
        return;
    }
    let rspamd = Rspamd::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let learn = |password: &str, class, raw: &[u8]| {
        let scanner = scanner(&rspamd, &rspamd.url(), password);
        let deadline = Instant::now() + Duration::from_secs(30);
        runtime.block_on(scanner.learn(class, raw.to_vec().into(), deadline))
    };
    let words = (0..50).map(|n| format!("cheap watches number {n} for the lottery winner {}", n * 7));
    let raw = mail("cheap watches", &words.collect::<Vec<_>>().join("\r\n"));
    let password = password(&rspamd);
    assert_eq!(learn(&password, Class::Spam, &raw), Ok(Learned::Learned));
    assert_eq!(learn(&password, Class::Spam, &raw), Ok(Learned::Known));
    assert_eq!(learn(&password, Class::Ham, &raw), Ok(Learned::Learned), "somebody was wrong");
    let wrong = learn("wrong", Class::Spam, &raw).unwrap_err();
    assert!(matches!(wrong, LearnError::Password { .. }), "{wrong}");
    let short = learn(&password, Class::Ham, b"Subject: x\r\n\r\n\r\n").unwrap_err();
    assert!(short.to_string().starts_with("rspamd does not learn it: "), "{short}");
}

#[test]
fn the_daemon_refuses_what_rspamd_refuses_and_says_who_looked() {
    if !mta::not_run::rspamd_ready("the_daemon_refuses_what_rspamd_refuses_and_says_who_looked") {
        return;
    }
    let rspamd = Rspamd::start().unwrap();
    let daemon = Daemon::start(&rspamd.section(&rspamd.socket())).unwrap();
    let answer = judge(&daemon, &mail("spam", &gtube()));
    assert!(matches("550 5.7.1 *", &answer.word), "{answer:?}");
    assert_eq!(judge(&daemon, &mail("plain", "Hello, how are you?")).word, "accept");
    let listed = stdout(&daemon, &["audit", "list"]);
    for (line, expected) in listed.lines().skip(1).zip(["rspamd=found", "rspamd=found"]) {
        let id = line.split_whitespace().next().unwrap();
        let explained = stdout(&daemon, &["explain", id]);
        assert!(explained.contains(expected), "{explained}");
    }
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
    let metrics = daemon.get("/metrics").unwrap().1;
    assert!(metrics.contains("mailward_scanner_up{scanner=\"rspamd\"} 1"), "{metrics}");
}

#[test]
#[ignore = "a measurement: cargo nextest run --test integration --run-ignored only neighbour_rspamd --no-capture"]
#[expect(clippy::print_stdout, reason = "figures for people")]
fn what_rspamd_takes_when_asked_directly_and_by_us() {
    use std::io::{Read as _, Write as _};
    let rspamd = Rspamd::start().unwrap();
    let scanner = scanner(&rspamd, &rspamd.url(), "");
    let address = rspamd.url().replace("http://", "");
    let body = String::from_utf8(mail("an ordinary mail", "Hello, how are you?")).unwrap();
    let request = format!(
        "POST /checkv2 HTTP/1.1\r\nHost: x\r\nIP: 192.0.2.7\r\nHelo: mx.sender.example\r\nFrom: <a@sender.example>\r\n\
         Rcpt: <alice@example.org>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut direct, mut ours) = (Vec::new(), Vec::new());
    for round in 0..520 {
        let began = Instant::now();
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let took = began.elapsed();
        assert!(reply.starts_with(b"HTTP/1.1 200"));
        let input = Arc::new(ScanInput {
            id: MailId::from_parts(0, 0),
            session: Arc::new(session("mail.sender.example", "192.0.2.7")),
            direction: mailward::model::Direction::Inbound,
            envelope: envelope("<a@sender.example>", &["<alice@example.org>"]),
            message: header::parse(body.clone()),
            parts: Parts::default(),
            attachments: Vec::new(),
            share: None,
        });
        let began = Instant::now();
        let report = runtime.block_on(scanner.scan(input, Instant::now() + Duration::from_secs(30)));
        // The first ones find rspamd's caches empty.
        if round >= 20 {
            direct.push(took);
            ours.push(began.elapsed());
        }
        assert!(report.advice.is_some());
    }
    for (name, mut took) in [("directly", direct), ("by us", ours)] {
        took.sort();
        println!("{name}: p50 {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    }
}
