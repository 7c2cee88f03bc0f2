//! What is said, and what the judge and the next server get of it.

use super::*;
use crate::model::{ClientAddr, Handover};

#[tokio::test]
async fn a_message_is_judged_marked_handed_on_and_answered_by_the_next_server() {
    let rig = Rig::new().await;
    let replies = rig.message("LHLO", &["b@example.org", "c@example.org"]).await;
    let id = MailId::from_parts(1, 0);
    assert_eq!(replies, format!("250 2.6.0 taken 1 (id {id})\r\n250 2.6.0 taken 2 (id {id})\r\n"));
    let seen = rig.script.one();
    assert_eq!(seen.raw, "Subject: hello\r\n\r\ntext\r\n");
    assert_eq!((seen.session.mta.as_deref(), seen.session.helo), (Some("mta.example.org"), None));
    assert_eq!(seen.session.client.addr, ClientAddr::Unknown);
    assert_eq!(seen.session.handover, Handover::Lmtp { refuses: false });
    let taken = rig.next.taken().remove(0);
    let (envelope, message) = taken.split_once("DATA\r\n").unwrap();
    assert_eq!(
        envelope,
        "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n"
    );
    let (received, rest) = message.split_once(";\r\n\t").unwrap();
    assert!(
        received.starts_with(
            "X-Mark: seen\r\nReceived: from mta.example.org\r\n\tby mx.example.org with LMTP id "
        ),
        "{received}"
    );
    assert!(rest.ends_with("\r\nSubject: hello\r\n\r\ntext\r\n"), "{rest}");
    assert_eq!(rig.script.answered(), [Some(true)]);
    assert_eq!((rig.budget.messages(), rig.budget.bytes()), (0, 0));
    let exposition = rig.metrics.exposition();
    for line in [
        "mailward_lmtp_messages_total{protocol=\"lmtp\"} 1",
        "mailward_lmtp_replies_total{class=\"2xx\"} 2",
        "mailward_lmtp_handed_on_total{outcome=\"delivered\"} 2",
    ] {
        assert!(exposition.contains(line), "{exposition}");
    }
}

#[tokio::test]
async fn what_is_offered_is_said_and_pipelined_commands_are_answered_in_order() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let hello = client.ask("LHLO mta.example.org\r\n", 1).await;
    assert_eq!(
        hello,
        "250-mailward.mx.example.org\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-ENHANCEDSTATUSCODES\r\n\
         250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n\
         250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"
    );
    let replies = client
        .ask(
            "MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<b@x>\r\nDATA\r\n..dot\r\n.\r\nRSET\r\nNOOP\r\nVRFY b\r\nHELP\r\nQUIT\r\n",
            9,
        )
        .await;
    let codes: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "354", "250", "250", "250", "252", "214", "221"], "{replies}");
    assert_eq!(client.rest().await, "");
    let seen = rig.script.one();
    assert_eq!(seen.envelope.parameters, ["SIZE=10", "BODY=8BITMIME"]);
    // Without a header there is the empty line of one.
    assert_eq!(seen.raw, "\r\n.dot\r\n");
    assert!(rig.next.taken()[0].contains("MAIL FROM:<> BODY=8BITMIME\r\n"));
    assert_eq!(rig.client().await.ask("HELO old\r\n", 1).await, "250 mailward.mx.example.org\r\n");
}

#[tokio::test]
async fn commands_out_of_order_are_refused_and_harm_nothing() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for (line, code) in [
        ("MAIL FROM:<a@b>", "503"),
        ("LHLO mta", "250"),
        ("RCPT TO:<a@b>", "503"),
        ("DATA", "503"),
        ("MAIL FROM:<a@b> SIZE=1000001", "452"),
        ("MAIL FROM:<a@b> X=1", "555"),
        ("MAIL FROM:<é@b>", "553"),
        ("MAIL FROM:<é@b> SMTPUTF8", "250"),
        ("MAIL FROM:<a@b>", "503"),
        ("XFORWARD NAME=a", "503"),
        ("XCLIENT NAME=a", "503"),
        ("DATA", "503"),
        ("RCPT TO:<>", "501"),
        ("RCPT TO:<c@d>", "250"),
        ("EHLO mta", "250"),
        ("DATA", "503"),
        ("STARTTLS", "502"),
        ("FOO", "500"),
    ] {
        let reply = client.ask(&format!("{line}\r\n"), 1).await;
        assert!(reply.starts_with(code), "{line}: {reply}");
    }
    assert_eq!(
        client.message(&["b@x"]).await,
        format!("250 2.6.0 taken 1 (id {})\r\n", MailId::from_parts(1, 0))
    );
}

#[tokio::test]
async fn a_line_that_is_too_long_is_swallowed_and_too_many_errors_end_the_session() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let long = format!("LHLO {}\r\n", "x".repeat(100_000));
    assert_eq!(
        client.ask(&format!("{long}NOOP\r\n"), 2).await,
        "500 5.5.6 line too long\r\n250 2.0.0 Ok\r\n"
    );
    let said = client.ask(&"FOO\r\n".repeat(30), 20).await;
    assert!(said.ends_with("421 4.7.0 too many errors, closing\r\n"), "{said}");
    eventually(|| rig.metrics.lmtp_errors.with_label_values(&["commands"]).get() == 1).await;
}

#[tokio::test]
async fn a_web_page_cannot_have_a_browser_hand_in_mail() {
    const MAIL: &str =
        "LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n";
    let rig = Rig::new().await;
    let told = "521 5.5.1 this is HTTP, and LMTP and ESMTP are spoken here; closing\r\n";
    for (head, before) in [
        ("POST / HTTP/1.1\r\nHost: 127.0.0.1:8024\r\nContent-Length: 99\r\n\r\n".to_owned(), ""),
        ("GET /a HTTP/1.0\n\n".to_owned(), ""),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        // The page chooses what it asks for.
        (
            format!("POST /{} HTTP/1.1\r\nHost: 127.0.0.1:8024\r\n\r\n", "a".repeat(5000)),
            "500 5.5.6 line too long\r\n",
        ),
    ] {
        let mut client = rig.client().await;
        client.send(&format!("{head}{MAIL}")).await;
        assert_eq!(client.replies(1 + before.lines().count()).await, format!("{before}{told}"), "{head}");
    }
    assert!(rig.script.seen.lock().unwrap().is_empty() && rig.next.taken().is_empty());
    // Who has greeted speaks the protocol, however badly.
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    assert_eq!(client.ask("Subject: x\r\n", 1).await, "500 5.5.2 unknown command\r\n");
}

#[tokio::test]
async fn content_comes_in_chunks_too() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    // Refused before it began: its bytes are no commands.
    assert!(client.ask("BDAT 6\r\nQUIT\r\n", 1).await.starts_with("503"));
    let body = "Subject: x\r\n\r\n.\r\nNOOP\r\n..\r\n";
    let (one, two) = body.split_at(17);
    let replies = client
        .ask(
            &format!("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT {}\r\n{one}DATA\r\nRCPT TO:<e@f>\r\nBDAT 0\r\nBDAT {} LAST\r\n{two}", one.len(), two.len()),
            7,
        )
        .await;
    let codes: Vec<&str> = replies.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "250", "503", "503", "250", "250"], "{replies}");
    assert_eq!(rig.script.one().raw, body);
    assert!(rig.next.taken()[0].ends_with("Subject: x\r\n\r\n..\r\nNOOP\r\n...\r\n"));
    let replies = client.ask("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0 LAST\r\nBDAT x\r\n", 4).await;
    assert!(replies.ends_with("521 5.5.4 syntax: BDAT size [LAST]; closing\r\n"), "{replies}");
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn xforward_is_about_one_message_and_xclient_about_all_that_follow() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\n", 1).await;
    let said = client
        .ask(
            "XFORWARD NAME=spike.example ADDR=192.0.2.7 PORT=1234 PROTO=ESMTP\r\nXFORWARD HELO=spike IDENT=4F1\r\n",
            2,
        )
        .await;
    assert_eq!(said, "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
    client.message(&["b@x"]).await;
    let seen = rig.script.one();
    let client_of =
        |seen: &Seen| (seen.session.client.addr.ip().map(|ip| ip.to_string()), seen.session.helo.clone());
    assert_eq!(client_of(&seen), (Some("192.0.2.7".into()), Some("spike".into())));
    assert_eq!(
        (seen.session.client.name.as_str(), seen.envelope.queue_id.as_deref()),
        ("spike.example", Some("4F1"))
    );
    client.message(&["b@x"]).await;
    assert_eq!(client_of(&rig.script.one()), (None, None));
    client.ask("XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] SOURCE=LOCAL\r\n", 1).await;
    client.message(&["b@x"]).await;
    assert!(rig.script.one().session.local_submission);
    assert!(client.ask("XCLIENT ADDR=IPV6:2001:db8::7 LOGIN=alice\r\n", 1).await.starts_with("220 "));
    assert!(client.ask("MAIL FROM:<a@b>\r\n", 1).await.starts_with("503"));
    client.ask("LHLO mta\r\n", 1).await;
    for _ in 0..2 {
        client.message(&["b@x"]).await;
        let seen = rig.script.one();
        assert_eq!(
            (client_of(&seen).0.as_deref(), seen.session.user.as_deref()),
            (Some("2001:db8::7"), Some("alice"))
        );
    }
    assert!(client.ask("XFORWARD ADDR=nowhere\r\n", 1).await.starts_with("501"));
}

#[tokio::test]
async fn only_who_is_known_is_refused_early_and_only_where_refusals_may_be() {
    for (reject, xforward, expected) in [
        (Reject::Reply, "XFORWARD ADDR=192.0.2.7", "550"),
        (Reject::Reply, "NOOP", "250"),
        (Reject::Quarantine, "XFORWARD ADDR=192.0.2.7", "250"),
    ] {
        let rig = Rig::with(|config| config.reject = reject).await;
        *rig.script.refused.lock().unwrap() = Some("b@x".to_owned());
        let mut client = rig.client().await;
        client.ask(&format!("LHLO mta\r\n{xforward}\r\nMAIL FROM:<a@b>\r\n"), 3).await;
        let reply = client.ask("RCPT TO:<b@x>\r\n", 1).await;
        assert!(reply.starts_with(expected), "{reject:?} {xforward}: {reply}");
        assert!(client.ask("RCPT TO:<c@x>\r\n", 1).await.starts_with("250"));
    }
}

#[tokio::test]
async fn recipients_and_bytes_are_bounded() {
    let rig = Rig::with(|config| config.max_recipients = 2).await;
    let mut client = rig.client().await;
    client.ask("LHLO mta\r\nMAIL FROM:<a@b>\r\n", 2).await;
    let replies = client.ask("RCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\n", 3).await;
    assert!(replies.ends_with("452 4.5.3 too many recipients for one message\r\n"), "{replies}");
    client.ask("DATA\r\n", 1).await;
    client.send(&format!("{}.\r\n", "x".repeat(998) + "\r\n").replace(".\r\n", "").repeat(1100)).await;
    let large = client.ask(".\r\n", 2).await;
    let id = MailId::from_parts(1, 0);
    assert_eq!(large, format!("452 4.3.4 more than 1000000 bytes are not taken (id {id})\r\n").repeat(2));
    assert_eq!(rig.script.one().fault, Some(Fault::TooLarge(1_000_000)));
    assert_eq!((rig.next.taken(), rig.script.answered()), (vec![], vec![None]));
    assert_eq!((rig.budget.messages(), rig.budget.bytes()), (0, 0));
    let shares: Vec<_> = std::iter::from_fn(|| rig.budget.admit().ok()).collect();
    assert!(client.ask("MAIL FROM:<a@b>\r\n", 1).await.starts_with("452 4.3.1"));
    drop(shares);
    assert!(client.ask("MAIL FROM:<a@b>\r\n", 1).await.starts_with("250"));
}
