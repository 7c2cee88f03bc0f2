//! Our own SMTP client against the real Postfix: what it hands over is what is delivered.

use std::process::{Child, Command};
use std::time::Duration;

use bytes::Bytes;
use mailward::model::{Recipient, ReversePath};
use mailward::net::smtp::{Outcome, Outgoing, Protocol, Settings, Stage, Timeouts, deliver};

use super::mta::{self, Delivered, Options, Postfix, guard};

fn settings(server: &str, protocol: Protocol) -> Settings {
    Settings {
        server: server.parse().unwrap(),
        helo: "filter.example.org".to_owned(),
        protocol,
        timeouts: Timeouts::within(Duration::from_secs(60)),
    }
}

/// Sends `message` in pieces of `size` bytes.
fn hand_over(
    settings: &Settings,
    from: &str,
    parameters: &[&str],
    to: &[&str],
    message: &[u8],
    size: usize,
) -> Vec<Outcome> {
    let from = ReversePath(Recipient::new(from));
    let parameters: Vec<String> = parameters.iter().map(|p| (*p).to_owned()).collect();
    let to: Vec<Recipient> = to.iter().map(|to| Recipient::new(*to)).collect();
    let pieces: Vec<Bytes> = message.chunks(size).map(Bytes::copy_from_slice).collect();
    let outgoing =
        Outgoing { reverse_path: &from, parameters: &parameters, recipients: &to, pieces: &pieces };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(deliver(settings, &outgoing, async || Ok(()))).outcomes
}

/// What was delivered, without the fields that Postfix puts on top, in CRLF form.
fn as_sent(delivered: &Delivered) -> Vec<u8> {
    let start = memchr::memmem::find(&delivered.bytes, b"From: ").unwrap();
    let mut crlf = Vec::new();
    for line in delivered.bytes[start..].split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        crlf.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        crlf.extend_from_slice(b"\r\n");
    }
    crlf
}

fn message(subject: &str, body: &[u8]) -> Vec<u8> {
    let header = format!(
        "From: a@sender.example\r\nTo: alice@example.org\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n\
         Message-ID: <{subject}@sender.example>\r\nSubject: {subject}\r\n\r\n"
    );
    [header.as_bytes(), body].concat()
}

#[test]
fn what_is_handed_to_postfix_is_delivered_byte_for_byte() {
    if !mta::not_run::postfix_ready("what_is_handed_to_postfix_is_delivered_byte_for_byte") {
        return;
    }
    let postfix = Postfix::start(&Options::default()).unwrap();
    let settings = settings(&format!("tcp:127.0.0.1:{}", postfix.smtp_port()), Protocol::Smtp);
    let long = [b"x".repeat(998), b"\r\n".to_vec(), b"y".repeat(5000), b"\r\n".to_vec()].concat();
    let bodies: [(&str, Vec<u8>); 6] = [
        ("dots", b".\r\n..\r\n.x\r\n\r\n.\r\nRSET\r\n.\r\nend.\r\n.\r\n".to_vec()),
        ("eight-bit", b"gr\xfc\xdfe, \xc3\xa9, \xff\xfe\r\n".to_vec()),
        ("long-lines", long),
        ("empty", Vec::new()),
        ("line-ends-only", b"\r\n\r\n\r\n".to_vec()),
        ("large", b".line of a large message, 8-bit \xe9\r\n".repeat(60_000)),
    ];
    let mut sent = Vec::new();
    for (subject, body) in &bodies {
        let whole = message(subject, body);
        for size in [7, 60_000, whole.len()] {
            if size == 7 && whole.len() > 100_000 {
                continue;
            }
            let outcomes = hand_over(
                &settings,
                "<a@sender.example>",
                &["BODY=8BITMIME", "SIZE=1"],
                &["<alice@example.org>"],
                &whole,
                size,
            );
            assert!(matches!(&outcomes[..], [Outcome::Delivered(_)]), "{subject} {size}: {outcomes:?}");
            let count = sent.len() + 1;
            let arrived = postfix.wait_for_mail("alice@example.org", count).unwrap();
            sent.push(whole.clone());
            let mut arrived: Vec<Vec<u8>> = arrived.iter().map(as_sent).collect();
            let mut expected = sent.clone();
            arrived.sort();
            expected.sort();
            assert!(arrived == expected, "{subject} in pieces of {size} arrived changed");
        }
    }
}

#[test]
fn the_null_sender_and_an_unknown_recipient_end_as_postfix_says() {
    if !mta::not_run::postfix_ready("the_null_sender_and_an_unknown_recipient_end_as_postfix_says") {
        return;
    }
    let postfix = Postfix::start(&Options::default()).unwrap();
    let settings = settings(&format!("tcp:127.0.0.1:{}", postfix.smtp_port()), Protocol::Smtp);
    let whole = message("bounce", b"no line end");
    let to = ["<nobody-here@example.org>", "<bob@example.org>", "<b\r\nDATA\r\n>"];
    let outcomes = hand_over(&settings, "<>", &[], &to, &whole, 10);
    let [Outcome::Refused { reply, stage: Stage::Rcpt }, Outcome::Delivered(taken), Outcome::NotSent(_)] =
        &outcomes[..]
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!(reply.code(), 550);
    assert!(reply.text().starts_with("5.1.1 <nobody-here@example.org>"), "{reply}");
    assert!(taken.to_string().starts_with("250 2.0.0 Ok: queued as "), "{taken}");
    let arrived = postfix.wait_for_mail("bob@example.org", 1).unwrap();
    assert_eq!(as_sent(&arrived[0]), [whole, b"\r\n".to_vec()].concat());
    assert_eq!(arrived[0].value("Return-Path").as_deref(), Some("<>"));
    // The whole message refused.
    postfix.reconfigure(&[("message_size_limit", "500")]).unwrap();
    let outcomes = hand_over(&settings, "<>", &[], &to[1..2], &message("big", &b"x\r\n".repeat(500)), 99);
    let [Outcome::Refused { reply, stage: Stage::Mail }] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(reply.code(), 552);
    assert_eq!(postfix.mailbox("bob@example.org").unwrap().len(), 1);
}

#[test]
fn addresses_beyond_ascii_go_where_postfix_offers_them_and_nowhere_else() {
    let test = "addresses_beyond_ascii_go_where_postfix_offers_them_and_nowhere_else";
    if !mta::not_run::postfix_ready(test) {
        return;
    }
    let mut options = Options::default();
    options.mailboxes.push("pelé@example.org".to_owned());
    let postfix = Postfix::start(&options).unwrap();
    let settings = settings(&format!("tcp:127.0.0.1:{}", postfix.smtp_port()), Protocol::Smtp);
    let whole = message("utf8", "From the header on: é\r\n".as_bytes());
    let to = ["<pelé@example.org>", "<bob@example.org>"];
    let send = || hand_over(&settings, "<José@sender.example>", &["SMTPUTF8"], &to, &whole, 9);
    let offers = mta::Smtp::connect(postfix.smtp_port()).unwrap().command("EHLO x").unwrap();
    if !offers.lines.iter().any(|line| line == "SMTPUTF8") {
        mta::not_run(test, "this Postfix has no SMTPUTF8", "use one built with ICU");
        return;
    }
    let outcomes = send();
    assert!(outcomes.iter().all(Outcome::is_delivered), "{outcomes:?}");
    for address in ["pelé@example.org", "bob@example.org"] {
        let arrived = postfix.wait_for_mail(address, 1).unwrap();
        assert_eq!(as_sent(&arrived[0]), whole);
        assert_eq!(arrived[0].value("Return-Path").as_deref(), Some("<José@sender.example>"));
    }
    postfix.reconfigure(&[("smtputf8_enable", "no")]).unwrap();
    let outcomes = send();
    assert!(matches!(&outcomes[..], [Outcome::NotSent(_), Outcome::NotSent(_)]), "{outcomes:?}");
    let alone = hand_over(&settings, "<a@sender.example>", &[], &to, &whole, 9);
    assert!(matches!(&alone[..], [Outcome::NotSent(_), Outcome::Delivered(_)]), "{alone:?}");
}

/// Postfix up to 3.8, and any to whom it trusts, ends a message at a dot between bare line feeds.
#[test]
fn a_message_that_would_smuggle_another_is_not_sent() {
    if !mta::not_run::postfix_ready("a_message_that_would_smuggle_another_is_not_sent") {
        return;
    }
    let postfix = Postfix::start(&Options::default().set("smtpd_forbid_bare_newline", "no")).unwrap();
    let port = postfix.smtp_port();
    let inside =
        b"x\n.\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n";
    let whole = message("outer", inside);
    let settings = settings(&format!("tcp:127.0.0.1:{port}"), Protocol::Smtp);
    let outcomes = hand_over(&settings, "<a@sender.example>", &[], &["<alice@example.org>"], &whole, 11);
    let [Outcome::NotSent(error)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(error.to_string().contains("bytes into the message"), "{error}");
    // The same bytes do smuggle where they are sent by the letter of the RFC.
    mta::smtp::send(port, "a@sender.example", &["alice@example.org"], &whole).unwrap();
    let smuggled = postfix.wait_for_mail("bob@example.org", 1).unwrap();
    assert_eq!(smuggled[0].value("Subject").as_deref(), Some("smuggled"));
}

#[test]
fn postfix_is_reached_over_a_unix_socket_too() {
    let test = "postfix_is_reached_over_a_unix_socket_too";
    if !mta::not_run::postfix_ready(test) {
        return;
    }
    if !nix::unistd::Uid::effective().is_root() {
        mta::not_run(test, "Postfix keeps its sockets to itself and root", "run it as root");
        return;
    }
    let mut options = Options::default();
    options.master_cf.push("inject unix n - n - - smtpd".to_owned());
    let postfix = Postfix::start(&options).unwrap();
    let socket = postfix.dir().join("queue/public/inject");
    let settings = settings(&format!("unix:{}", socket.display()), Protocol::Smtp);
    let whole = message("socket", b".\r\n");
    let outcomes = hand_over(&settings, "<a@sender.example>", &[], &["<alice@example.org>"], &whole, 10);
    assert!(matches!(&outcomes[..], [Outcome::Delivered(_)]), "{outcomes:?}");
    assert_eq!(as_sent(&postfix.wait_for_mail("alice@example.org", 1).unwrap()[0]), whole);
}

/// Postfix's test server, which speaks LMTP and writes down what it is told.
#[derive(Debug)]
struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

#[test]
fn lmtp_is_spoken_with_postfixs_test_server() {
    if !mta::not_run::postfix_ready("lmtp_is_spoken_with_postfixs_test_server") {
        return;
    }
    let dir = guard::Dir::new("sink").unwrap();
    let mail = dir.make("mail", 0o777).unwrap();
    let socket = dir.path().join("lmtp");
    let mut command = Command::new("smtp-sink");
    command.env("PATH", guard::search_path()).arg("-L");
    if nix::unistd::Uid::effective().is_root() {
        command.args(["-u", "nobody"]);
    }
    command.arg("-d").arg(mail.join("m")).arg(format!("unix:{}", socket.display())).arg("10");
    let sink = Sink(command.spawn().unwrap());
    guard::watch(sink.0.id(), dir.path()).unwrap();
    mta::wait_until("the socket of smtp-sink", mta::PATIENCE, || Ok(socket.exists().then_some(()))).unwrap();
    let whole = message("lmtp", b".\r\n\xe9\r\n");
    let parameters = ["BODY=8BITMIME", "RET=HDRS", "ENVID=a+20b", "AUTH=<>"];
    let to = ["<alice@example.org>", "<bob@example.org>"];
    let server = settings(&format!("unix:{}", socket.display()), Protocol::Lmtp);
    let outcomes = hand_over(&server, "<a@sender.example>", &parameters, &to, &whole, 4);
    assert!(matches!(&outcomes[..], [Outcome::Delivered(_), Outcome::Delivered(_)]), "{outcomes:?}");
    let files = Delivered::read_all(&mail).unwrap();
    let [delivered] = &files[..] else { panic!("{files:?}") };
    let told = String::from_utf8_lossy(&delivered.bytes);
    let command = "X-Mail-Args: <a@sender.example> BODY=8BITMIME RET=HDRS ENVID=a+20b\n";
    assert!(told.contains("X-Client-Proto: LMTP\n") && told.contains(command), "{told}");
    // smtp-sink ends each message with an empty line.
    assert_eq!(as_sent(delivered), [whole, b"\r\n".to_vec()].concat());
}
