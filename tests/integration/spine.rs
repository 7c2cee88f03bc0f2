//! The daemon as a whole, with everything real: what must hold whatever happens.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::case::matches;
use super::common::{judge, mail, quarantine, rules, stdout, verify};
use super::milter_client::{MilterClient, Peer, delivered};
use super::mta::samples::{eicar, gtube};
use super::mta::{self, Daemon, Options, Postfix, Site};

const QUARANTINED_BY: &str = r#"
rule Hold_This { meta: severity = "medium" score = 7 category = "spam" description = "asks to be held"
  strings: $a = "HOLD-THIS" condition: $a }
"#;

#[test]
fn sigterm_finishes_messages_in_work_and_takes_no_new_ones() {
    let mut daemon = Daemon::start("").unwrap();
    let mut client = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    let idle = MilterClient::connect(&daemon.site().milter_socket(), &Peer::default());
    client.envelope("<a@sender.example>", &["<alice@example.org>".to_owned()]);
    daemon.signal("TERM").unwrap();
    daemon.wait_for_log("stopping").unwrap();
    let answer = client.message(&mail("in work", "text"));
    assert!(answer.word == "accept" || answer.word == "continue", "{answer:?}");
    // The daemon closes both: one has its answer, the other had no message.
    drop(client);
    drop(idle);
    let status = daemon.wait_for_end(Duration::from_secs(20)).unwrap();
    assert!(status.success(), "{status}\n{}", daemon.log());
    assert!(std::os::unix::net::UnixStream::connect(daemon.site().milter_socket()).is_err());
    daemon.start_again().unwrap();
    verify(&daemon);
    assert!(stdout(&daemon, &["audit", "list"]).contains("accept"));
}

#[test]
fn sighup_takes_a_new_configuration_whole_or_not_at_all() {
    let site = Site::new().unwrap();
    let base = site.defaults("");
    let daemon = site.start(&base).unwrap();
    assert!(judge(&daemon, &mail("before", &gtube())).word.starts_with("550"));

    daemon
        .write_config(&format!("{base}[policy.score]\nreject = 5000.0\nquarantine = 4000.0\ntag = 3000.0\n"))
        .unwrap();
    daemon.signal("HUP").unwrap();
    daemon.wait_for_log("were read again").unwrap();
    let answer = judge(&daemon, &mail("after", &gtube()));
    assert!(!answer.word.starts_with("550"), "the new thresholds are not in use: {answer:?}");

    daemon.write_config(&format!("{base}[policy.score]\nreject = 1.0\n[nonsense]\n")).unwrap();
    daemon.signal("HUP").unwrap();
    daemon.wait_for_log("the reload was refused").unwrap();
    let (status, text) = daemon.get("/readyz").unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("degraded: configuration: the last reload was refused"), "{text}");
    assert!(!judge(&daemon, &mail("still", &gtube())).word.starts_with("550"));
}

#[test]
fn a_rule_file_that_is_broken_at_start_is_left_out_and_everybody_is_told() {
    let site = Site::new().unwrap();
    rules(&site, "hold.yar", QUARANTINED_BY);
    let toml = site.defaults("") + &rules(&site, "broken.yar", "rule Broken { condition: nonsense }");
    let daemon = site.start(&toml).unwrap();
    let (_, text) = daemon.get("/readyz").unwrap();
    assert!(text.starts_with("ready, degraded\n") && text.contains("broken.yar"), "{text}");
    let raw = mail("degraded", "plain");
    let header = delivered(&raw, &judge(&daemon, &raw).edits);
    let coverage = header.iter().find(|(n, _)| n == "X-Mailward-Coverage").map(|(_, v)| v.as_str());
    assert_eq!(coverage, Some("mime=ok; yara=ok(degraded)"));
    assert_eq!(judge(&daemon, &mail("held", "HOLD-THIS")).word, "discard");
}

#[test]
fn without_a_single_rule_mail_waits_unless_the_admin_says_otherwise() {
    let broken = "rule Broken { condition: nonsense }";
    for (name, on_failure, word) in [
        ("readme.txt", "", "451 4.7.1 *"),
        ("broken.yar", "", "451 4.7.1 *"),
        ("broken.yar", "on_failure = \"quarantine\"\n", "discard"),
        ("broken.yar", "on_failure = \"tag\"\n", "accept"),
    ] {
        let site = Site::new().unwrap();
        let toml = site.defaults("") + &rules(&site, name, broken) + on_failure;
        let daemon = site.start(&toml).unwrap();
        daemon.wait_for_log("WARN").unwrap();
        assert!(daemon.log().contains("no YARA rule is in use"), "{}", daemon.log());
        let (status, text) = daemon.get("/readyz").unwrap();
        assert!(status == 200 && text.starts_with("ready, degraded\n"), "{text}");
        assert!(text.contains("no YARA rule is in use"), "{text}");
        let raw = mail("unseen", "plain");
        let answer = judge(&daemon, &raw);
        assert!(matches(word, &answer.word), "{name} {on_failure}: {answer:?}");
        let row = stdout(&daemon, &["audit", "list", "--json"]);
        assert!(row.contains("failed(no-rules)") || row.contains("no-rules"), "{row}");
    }
}

#[test]
fn a_rule_file_that_breaks_at_reload_keeps_the_whole_previous_set() {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", QUARANTINED_BY);
    let daemon = site.start(&toml).unwrap();
    rules(daemon.site(), "hold.yar", "rule Broken { condition: nonsense }");
    daemon.signal("HUP").unwrap();
    daemon.wait_for_log("the reload was refused").unwrap();
    assert_eq!(judge(&daemon, &mail("held", "HOLD-THIS")).word, "discard");
}

/// Some twenty seconds for a mail of its own kind, none for others.
const SLOW: &str = r#"
rule Slow { strings: $go = "GO-SLOW" condition: $go and
  for all i in (0..4000000000) : ( (i * 31 + filesize) % 4000000007 != 4000000001 ) }
"#;

#[test]
fn a_slow_rule_holds_up_neither_its_own_reply_nor_others() {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "slow.yar", SLOW) + "timeout = \"2s\"\n";
    let daemon = site.start(&toml).unwrap();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let begin = Instant::now();
            (judge(&daemon, &mail("slow", "GO-SLOW")), begin.elapsed())
        });
        std::thread::sleep(Duration::from_millis(500));
        let begin = Instant::now();
        let quick = judge(&daemon, &mail("quick", "plain"));
        assert!(quick.word == "accept" || quick.word == "continue", "{quick:?}");
        assert!(
            begin.elapsed() < Duration::from_millis(1500),
            "another message waited {:?}",
            begin.elapsed()
        );
        let (answer, took) = slow.join().unwrap();
        assert!(answer.word.starts_with("451 4.7.1"), "{answer:?}");
        assert!(took < Duration::from_secs(6), "the slow one took {took:?}");
    });
    // The third time the very same message fails it is held instead of being put off.
    assert!(judge(&daemon, &mail("slow", "GO-SLOW")).word.starts_with("451"));
    assert_eq!(judge(&daemon, &mail("slow", "GO-SLOW")).word, "discard");
    assert_eq!(quarantine(&daemon).len(), 1);
    verify(&daemon);
}

#[test]
fn the_same_message_sent_again_is_the_same_quarantine_entry() {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", QUARANTINED_BY);
    let daemon = site.start(&toml).unwrap();
    for _ in 0..3 {
        assert_eq!(judge(&daemon, &mail("held", "HOLD-THIS")).word, "discard");
    }
    let entries = quarantine(&daemon);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["attempts"]["count"], 3);
    let id = entries[0]["id"].as_str().unwrap();
    let shown = daemon.cli(&["quarantine", "show", "--raw", id]).unwrap();
    assert_eq!(shown.stdout, mail("held", "HOLD-THIS"), "what is held is what was sent, byte for byte");
    let deleted = stdout(&daemon, &["quarantine", "delete", id]);
    assert!(deleted.contains("is deleted"), "{deleted}");
    assert!(quarantine(&daemon).is_empty());
    let explained = stdout(&daemon, &["explain", "--json", id]);
    assert!(explained.contains("deleted"), "{explained}");
}

#[test]
fn mail_from_sendmail_is_held_and_never_refused() {
    if !mta::not_run::postfix_ready("mail_from_sendmail_is_held_and_never_refused") {
        return;
    }
    let daemon = Daemon::start("").unwrap();
    let postfix = Postfix::start(&Options::with_milter(daemon.endpoint())).unwrap();
    postfix.sendmail("a@sender.example", &["alice@example.org"], &mail("local", &eicar())).unwrap();
    mta::wait_until("the message to be held", mta::PATIENCE, || {
        Ok((quarantine(&daemon).len() == 1).then_some(()))
    })
    .unwrap();
    postfix.wait_for_empty_queue().unwrap();
    assert!(postfix.mailbox("alice@example.org").unwrap().is_empty());
    // No bounce either.
    assert!(!postfix.log().contains("status=bounced"), "{}", postfix.log());
}

#[test]
fn check_config_prints_every_error_and_exits_78() {
    let site = Site::new().unwrap();
    let file = site.config();
    std::fs::write(&file, "[milter]\nlisten = [\"nowhere\"]\n[policy]\nrepeat_limit = 0\n[polcy]\n").unwrap();
    let output = run(&["check-config", "--config"], &file);
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["nowhere", "repeat_limit", "polcy", "policy"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    std::fs::write(&file, "").unwrap();
    let output = run(&["check-config", "--config"], &file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

fn run(arguments: &[&str], file: &Path) -> std::process::Output {
    std::process::Command::new(env!("CARGO_BIN_EXE_mailward")).args(arguments).arg(file).output().unwrap()
}

#[test]
fn scan_judges_a_file_without_a_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mail.eml");
    std::fs::write(&file, mail("scan me", &eicar())).unwrap();
    let none = dir.path().join("none.toml");
    std::fs::write(&none, "").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["scan", "--json", "--config"])
        .arg(&none)
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["verdict"], "malware");
    assert_eq!(object["disposition"], "reject");
    for key in ["id", "score", "rule", "reason", "coverage", "findings", "auth", "urls", "attachments"] {
        assert!(!object[key].is_null(), "{key} is missing");
    }
    let missing = std::process::Command::new(env!("CARGO_BIN_EXE_mailward"))
        .args(["scan", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nowhere cannot be opened"));
}
