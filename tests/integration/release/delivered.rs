//! Through the real Postfix: what arrives, and what a refusal leaves behind.

use serde_json::Value;

use super::*;
use crate::mta::{Probe, Service};

#[test]
fn a_released_mail_is_delivered_exactly_with_its_envelope_and_without_its_token() {
    if !mta::not_run::postfix_ready(
        "a_released_mail_is_delivered_exactly_with_its_envelope_and_without_its_token",
    ) {
        return;
    }
    let (daemon, _, postfix) = with_postfix(|options| options.set("smtputf8_enable", "yes"));
    let head = "From: a@sender.example\r\nTo: alice@example.org\r\nDate: Sat, 21 Nov 2026 00:00:00 +0000\r\n";
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("plain", "a@sender.example", b"HOLD-THIS\r\n".to_vec()),
        ("bounce", "", b"HOLD-THIS\r\n".to_vec()),
        ("dots", "a@sender.example", b".\r\n..HOLD-THIS\r\n.\r\n\r\nend\r\n.\r\n".to_vec()),
        ("eight-bit", "a@sender.example", b"HOLD-THIS gr\xfc\xdfe \xc3\xa9 \xff\r\n".to_vec()),
        ("long", "a@sender.example", [b"HOLD-THIS ".to_vec(), b"x".repeat(9000), b"\r\n".to_vec()].concat()),
        ("large", "a@sender.example", [b"HOLD-THIS\r\n".to_vec(), b".line \xe9\r\n".repeat(60_000)].concat()),
        ("blank", "a@sender.example", b"HOLD-THIS\r\n \r\n\r\n\t\r\n\r\n".to_vec()),
    ];
    let mut expected = Vec::new();
    for (name, from, body) in &cases {
        let own = format!(
            "Subject: {name}\r\n folded  \r\nMessage-ID: <{name}@sender.example>\r\nDelivered-To: somebody@sender.example\r\n\
             X-Mailwardx:  odd\r\nX-Empty:\r\n\r\n"
        );
        let raw = [head.as_bytes(), own.as_bytes(), body].concat();
        // What claims to be ours goes, whoever wrote it, and wherever it stands.
        let forged = format!(
            "X-Mailward-Action: released\r\n{head}X-Mailward-Release: v2; id=x\r\nx-spam-flag:\r\n NO\r\n{own}"
        );
        let sent = [forged.as_bytes(), body].concat();
        let before = ids(&daemon);
        let transaction = mta::smtp::send(postfix.smtp_port(), from, &["alice@example.org"], &sent).unwrap();
        assert!(transaction.taken(), "{name}: {transaction:?}");
        expected.push((new_id(&daemon, &before), (*from).to_owned(), raw));
    }
    assert!(postfix.mailbox("alice@example.org").unwrap().is_empty());
    for (number, (id, from, raw)) in expected.iter().enumerate() {
        let (ok, report, told) = release(&daemon, id, &[]);
        assert!(ok && told.is_empty(), "{report} {told}\n{}", daemon.log());
        assert_eq!(results(&report), ["released"]);
        assert_eq!(states(&daemon, id), ["released"]);
        let arrived = &postfix.wait_for_mail("alice@example.org", number + 1).unwrap()[number];
        assert!(!has_token(arrived), "{}", String::from_utf8_lossy(&arrived.bytes));
        let delivered = as_sent(arrived, "From: a@sender.example");
        assert!(
            delivered == *raw,
            "{}\n--- is not ---\n{}",
            String::from_utf8_lossy(&delivered),
            String::from_utf8_lossy(raw)
        );
        assert_eq!(arrived.value("Return-Path").unwrap(), format!("<{from}>"));
        assert_eq!(arrived.values("X-Mailward-Id").len(), 1);
        assert_eq!(arrived.values("X-Mailward-Action"), ["released"]);
        // The in-line part put it on record as what it is, and no scanner looked at it.
        let record = stdout(&daemon, &["explain", "--json", arrived.value("X-Mailward-Id").unwrap().trim()]);
        let record: Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["coverage"]["yara"], "skipped(decided)", "{record}");
        assert_eq!((&record["rule"], &record["disposition"]), (&"released".into(), &"accept".into()));
    }
    assert_eq!(quarantine(&daemon).len(), cases.len(), "something was held anew");
    let events = stdout(&daemon, &["explain", "--json", &expected[0].0]);
    assert!(events.contains("\"releasing\"") && events.contains("\"released\""), "{events}");
    let listed = stdout(&daemon, &["quarantine", "list", "--state", "released"]);
    assert_eq!(listed.lines().count(), cases.len() + 1, "{listed}");
    assert_eq!(stdout(&daemon, &["quarantine", "list", "--state", "held"]).lines().count(), 1);

    // Twice only if somebody says so.
    let (id, ..) = &expected[0];
    let (ok, report, _) = release(&daemon, id, &[]);
    assert!(!ok && results(&report) == ["released-before"], "{report}");
    assert!(report["copies"][0]["by"] == "admin socket", "{report}");
    let (ok, report, _) = release(&daemon, id, &["--again"]);
    assert!(ok, "{report}");
    postfix.wait_for_mail("alice@example.org", cases.len() + 1).unwrap();
    postfix.wait_for_empty_queue().unwrap();
    assert_eq!(postfix.mailbox("alice@example.org").unwrap().len(), cases.len() + 1);
    verify(&daemon);
}

#[test]
fn an_address_beyond_ascii_is_released_as_it_was_written() {
    if !mta::not_run::postfix_ready("an_address_beyond_ascii_is_released_as_it_was_written") {
        return;
    }
    let (daemon, _, postfix) = with_postfix(|mut options| {
        options.mailboxes.push("@example.org".to_owned());
        options.set("smtputf8_enable", "yes")
    });
    let raw = mail("eai", "HOLD-THIS pelé");
    let mut client = mta::Smtp::hello(postfix.smtp_port(), "client.remote.example").unwrap();
    assert!(client.command("MAIL FROM:<josé@sender.example> SMTPUTF8 BODY=8BITMIME").unwrap().is_positive());
    assert!(client.command("RCPT TO:<pelé@example.org>").unwrap().is_positive());
    assert!(client.command("DATA").unwrap().is_positive());
    client.write(&mta::smtp::dot_stuffed(&raw)).unwrap();
    assert!(client.reply().unwrap().is_positive());
    let id = new_id(&daemon, &[]);
    let (ok, report, told) = release(&daemon, &id, &["--for", "pelé@example.org"]);
    assert!(ok && told.is_empty(), "{report} {told}");
    let arrived = &postfix.wait_for_mail("@example.org", 1).unwrap()[0];
    assert_eq!(arrived.value("Return-Path").unwrap(), "<josé@sender.example>");
    assert_eq!(arrived.value("Delivered-To").unwrap(), "pelé@example.org");
    assert!(as_sent(arrived, "From: Anna") == raw && !has_token(arrived));
    assert_eq!(quarantine(&daemon).len(), 1);
}

#[test]
fn a_refusal_is_shown_and_the_next_try_is_not_judged_anew() {
    if !mta::not_run::postfix_ready("a_refusal_is_shown_and_the_next_try_is_not_judged_anew") {
        return;
    }
    let (daemon, _, postfix) = with_postfix(|options| options);
    let id = hold(&daemon, &["alice@example.org"], &mail("later", "HOLD-THIS"));
    // Another filter behind ours says no, when ours has let it pass already.
    let unwilling = Probe::start(vec![indymilter::message::reply::Reply::Tempfail]).unwrap();
    let both = format!("{}, {}", daemon.endpoint(), unwilling.endpoint());
    postfix.reconfigure(&[("smtpd_milters", &both)]).unwrap();
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["refused"], "{report}");
    assert!(report["copies"][0]["reply"].as_str().unwrap().starts_with("451 4.7.1"), "{report}");
    assert_eq!(report["copies"][0]["for_good"], false);
    assert_eq!(states(&daemon, &id), ["held"]);
    let shown = stdout(&daemon, &["quarantine", "show", &id]);
    assert!(shown.contains("refused for now: 451 4.7.1"), "{shown}");

    let refusing = "check_recipient_access inline:{{alice@example.org = 550 5.1.1 nobody of that name}}";
    postfix
        .reconfigure(&[("smtpd_milters", &daemon.endpoint()), ("smtpd_recipient_restrictions", refusing)])
        .unwrap();
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["refused"], "{report}");
    assert_eq!(report["copies"][0]["for_good"], true);
    assert!(report["copies"][0]["reply"].as_str().unwrap().contains("nobody of that name"), "{report}");
    assert_eq!(states(&daemon, &id), ["held"]);

    postfix.reconfigure(&[("smtpd_recipient_restrictions", "")]).unwrap();
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(ok && results(&report) == ["released"], "{report}");
    assert_eq!(postfix.wait_for_mail("alice@example.org", 1).unwrap().len(), 1);
    postfix.wait_for_empty_queue().unwrap();
    assert!(postfix.mailbox("alice@example.org").unwrap().len() == 1 && quarantine(&daemon).len() == 1);
    // Nobody was sent a bounce.
    assert!(postfix.mailbox("@remote.example").unwrap().is_empty());
}

#[test]
fn of_two_recipients_the_one_that_fails_stays_and_neither_sees_the_other() {
    if !mta::not_run::postfix_ready("of_two_recipients_the_one_that_fails_stays_and_neither_sees_the_other") {
        return;
    }
    let (daemon, _, postfix) = with_postfix(|options| options);
    let raw = mail("two", "HOLD-THIS");
    let id = hold(&daemon, &["alice@example.org", "bob@example.org"], &raw);
    let refusing = "check_recipient_access inline:{{alice@example.org = 452 4.2.2 mailbox full}}";
    postfix.reconfigure(&[("smtpd_recipient_restrictions", refusing)]).unwrap();
    let (ok, report, _) = release(&daemon, &id, &[]);
    assert!(!ok && results(&report) == ["refused", "released"], "{report}");
    assert_eq!(states(&daemon, &id), ["held", "released"]);
    let bobs = &postfix.wait_for_mail("bob@example.org", 1).unwrap()[0];
    assert!(!has_token(bobs) && !String::from_utf8_lossy(&bobs.bytes).contains("alice@example.org>"));

    // The sender tries again: it joins the entry, and nobody gets it once more.
    let answer = send(&daemon, "<a@sender.example>", &["alice@example.org", "bob@example.org"], &raw);
    assert_eq!(answer.word, "discard");
    assert_eq!(quarantine(&daemon)[0]["attempts"]["count"], 2);
    assert_eq!(states(&daemon, &id), ["held", "released"]);

    postfix.reconfigure(&[("smtpd_recipient_restrictions", "")]).unwrap();
    let (ok, report, told) = release(&daemon, &id, &["--for", "carol@example.org"]);
    assert!(!ok && told.contains("is not held for carol@example.org"), "{report} {told}");
    let (ok, report, _) = release(&daemon, &id, &["--for", "Alice@Example.ORG"]);
    assert!(ok && results(&report) == ["released"], "{report}");
    postfix.wait_for_mail("alice@example.org", 1).unwrap();
    postfix.wait_for_empty_queue().unwrap();
    assert_eq!(postfix.mailbox("bob@example.org").unwrap().len(), 1);
    assert_eq!(quarantine(&daemon).len(), 1);
}

#[test]
fn a_server_behind_the_filter_gets_our_fields_and_no_token() {
    if !mta::not_run::postfix_ready("a_server_behind_the_filter_gets_our_fields_and_no_token") {
        return;
    }
    let (daemon, toml, postfix) = with_postfix(|mut options| {
        options.services.push(Service::new("behind", &[("smtpd_milters", "")]));
        options
    });
    let relay = format!("relay = \"inet:127.0.0.1:{}\"", postfix.port("behind").unwrap());
    let raw = [b"X-Mailward-Verdict: clean\r\n".to_vec(), mail("behind", "HOLD-THIS")].concat();
    let id = hold(&daemon, &["alice@example.org"], &raw);
    release_to(&daemon, &toml, &format!("{relay}\nfiltered = false"));
    let (ok, report, told) = release(&daemon, &id, &[]);
    assert!(ok && told.is_empty(), "{report} {told}");
    let arrived = &postfix.wait_for_mail("alice@example.org", 1).unwrap()[0];
    assert!(!has_token(arrived));
    assert_eq!(arrived.values("X-Mailward-Action"), ["released"]);
    assert_eq!(arrived.values("X-Mailward-Id"), [id.as_str()]);
    assert!(arrived.values("X-Mailward-Verdict").is_empty());
    assert!(as_sent(arrived, "From: Anna") == mail("behind", "HOLD-THIS"));

    // Told wrongly that it is filtered: delivered, and said that something is wrong.
    release_to(&daemon, &toml, &relay);
    let (ok, report, told) = release(&daemon, &id, &["--again"]);
    assert!(ok && told.contains("set release.filtered = false"), "{report} {told}");
    let warning = report["copies"][0]["warning"].as_str().unwrap();
    assert!(told.contains(warning), "{told}");
}
