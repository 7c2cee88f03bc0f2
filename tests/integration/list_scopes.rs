//! Entries of the lists for some recipients, for links, files and fields, and changes that are taken back.

use serde_json::Value;

use super::common::{mail, newest, quarantine, stdout, verify};
use super::milter_client::{Answer, MilterClient, Peer, recipients_left};
use super::mta::Daemon;

const ALICE: &str = "<alice@example.org>";
const BOB: &str = "<bob@example.org>";

fn list(daemon: &Daemon, arguments: &[&str]) -> String {
    stdout(daemon, &[&["list"], arguments].concat())
}

/// The answers to MAIL and RCPT, and to the message.
fn send(daemon: &Daemon, from: &str, to: &[&str], raw: &[u8]) -> (Vec<String>, Answer) {
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    let words = client.envelope(from, &to.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    let answer = client.message(raw);
    client.quit();
    (words, answer)
}

#[test]
fn a_sender_who_is_blocked_for_one_is_refused_to_him_alone() {
    let daemon = Daemon::start("").unwrap();
    list(&daemon, &["block", "add", "bad.example", "--for", "Bob@Example.org"]);
    list(&daemon, &["block", "add", "worse.example", "--for", "@example.net"]);
    let raw = mail("hello", "text");
    let refused = |from: &str, to: &[&str]| {
        let (words, _) = send(&daemon, from, to, &raw);
        assert_eq!(words[0], "continue", "{words:?}");
        words[1..].iter().map(|w| w.starts_with("550 5.7.1 refused: the sender is on")).collect::<Vec<_>>()
    };
    assert_eq!(refused("<a@bad.example>", &[ALICE, BOB]), [false, true]);
    assert_eq!(refused("<a@bad.example>", &[BOB, ALICE]), [true, false]);
    assert_eq!(
        refused("<a@worse.example>", &[ALICE, "<x@EXAMPLE.NET>", "<x@sub.example.net>"]),
        [false, true, false]
    );
    let shown = list(&daemon, &["block", "show", "bad.example", "--for", "bob@example.org"]);
    assert!(shown.contains("entry     for:bob@example.org bad.example on the block list"), "{shown}");
    assert!(shown.contains("hits      2, last "), "{shown}");
    assert!(!daemon.cli(&["list", "block", "show", "bad.example"]).unwrap().status.success());
    let rows = list(&daemon, &["block", "list", "--for", "@example.net"]);
    assert_eq!(rows.lines().count(), 2, "{rows}");
    verify(&daemon);
}

#[test]
fn a_message_that_is_blocked_for_one_reaches_the_other_and_his_copy_is_held() {
    let daemon = Daemon::start("[scanner.urls]\nenabled = true\n").unwrap();
    list(&daemon, &["block", "add", "url:evil.example", "--for", "bob@example.org"]);
    let raw = mail("a link", "see https://www.evil.example/x");
    let to = [ALICE, BOB].map(str::to_owned);
    let (words, answer) = send(&daemon, "<a@sender.example>", &[ALICE, BOB], &raw);
    assert_eq!(words, ["continue", "continue", "continue"]);
    assert_eq!(recipients_left(&to, &answer.edits), [ALICE], "{answer:?}");
    assert!(matches!(answer.word.as_str(), "accept" | "continue"), "{answer:?}");
    let held = quarantine(&daemon);
    assert_eq!(held.len(), 1, "{held:?}");
    let text = stdout(&daemon, &["explain", &newest(&daemon)]);
    assert!(text.contains("listed    link url:evil.example on the block list for bob@example.org"), "{text}");
    let (_, answer) = send(&daemon, "<a@sender.example>", &[BOB], &raw);
    assert!(answer.word.starts_with("550 "), "{answer:?}");
    let (_, answer) = send(&daemon, "<a@sender.example>", &[ALICE], &raw);
    assert!(matches!(answer.word.as_str(), "accept" | "continue"), "{answer:?}");
}

#[test]
fn links_files_and_fields_are_held_against_a_message() {
    let daemon = Daemon::start("[scanner.urls]\nenabled = true\n").unwrap();
    // `hello\r\n`, as the attachment decodes to.
    let digits = "sha256:cd2eca3535741f27a8ae40c31b0c41d4057a7a7b912b33b9aed86485d1c84676";
    list(&daemon, &["block", "add", "url:evil.example", digits, "header:Subject:*cheap*"]);
    list(&daemon, &["allow", "add", "header:X-List:ours"]);
    let file = b"From: a@sender.example\r\nTo: alice@example.org\r\nSubject: a file\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=x.bin\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8NCg==\r\n--b--\r\n";
    for (raw, listed) in [
        (mail("a link", "see http://a.evil.example/"), "link url:evil.example on the block list".to_owned()),
        (file.to_vec(), format!("file {digits} on the block list")),
        (
            mail("=?utf-8?q?Very_CHEAP?= things", "x"),
            "field header:subject:*cheap* on the block list".to_owned(),
        ),
    ] {
        let (_, answer) = send(&daemon, "<a@sender.example>", &[ALICE], &raw);
        assert!(answer.word.starts_with("550 "), "{listed}: {answer:?}");
        let text = stdout(&daemon, &["explain", &newest(&daemon)]);
        assert!(text.contains(&format!("listed    {listed}")), "{text}");
    }
    let forged = [b"X-List: ours\r\n".to_vec(), mail("cheap", "x")].concat();
    let (_, answer) = send(&daemon, "<a@sender.example>", &[ALICE], &forged);
    assert!(answer.word.starts_with("550 "), "a block outweighs a claim: {answer:?}");
    let metrics = daemon.get("/metrics").unwrap().1;
    for on in ["url", "attachment", "header"] {
        assert!(metrics.contains(&format!("mailward_list_hits_total{{list=\"block\",on=\"{on}\"}}")), "{on}");
    }
}

#[test]
fn a_change_is_undone_over_the_command_line_and_on_record() {
    let daemon = Daemon::start("[scanner.urls]\nenabled = false\n").unwrap();
    let output = daemon.cli(&["list", "block", "add", "url:evil.example"]).unwrap();
    let noted = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(noted.contains("[scanner.urls] is off, so nobody reads links"), "{noted}");
    assert!(daemon.get("/readyz").unwrap().1.contains("[scanner.urls] is off"));
    list(&daemon, &["block", "add", "a.example", "--comment", "one"]);
    list(&daemon, &["block", "add", "a.example", "--comment", "two"]);
    list(&daemon, &["block", "remove", "url:evil.example"]);
    let rows = list(&daemon, &["log"]);
    let first: Vec<&str> = rows.lines().skip(1).map(|row| row.split_whitespace().next().unwrap()).collect();
    assert_eq!(first, ["4", "3", "2", "1"], "{rows}");
    let undone = list(&daemon, &["undo", "3"]);
    assert!(undone.starts_with("change 3 is undone: 1 entry of the block list, changed by "), "{undone}");
    assert!(list(&daemon, &["block", "show", "a.example"]).contains("comment   one"));
    let again = daemon.cli(&["list", "undo", "3"]).unwrap();
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && why.contains("change 3 is undone already, by change 5"), "{why}");
    list(&daemon, &["undo"]);
    assert!(list(&daemon, &["block", "list"]).contains("url:evil.example"));
    let events = stdout(&daemon, &["audit", "events"]);
    assert!(
        events.contains("change 5, block list: undid change 3")
            && events.contains("change 2, block list: a.example (one)"),
        "{events}"
    );
    let log: Value = serde_json::from_str(&list(&daemon, &["log", "--json", "--limit", "1"])).unwrap();
    assert_eq!(log["changes"][0]["undo_of"], 4);
    assert_eq!(log["changes"][0]["steps"][0]["after"]["kind"], "url");
    verify(&daemon);
}
