//! What does not work as configured is said: in the reply, in coverage, in `/readyz`, in the record.

use std::fs;

use super::common::{judge, mail, names, rules, stdout};
use super::mta::{Daemon, Site};

const HOLD: &str =
    r#"rule Hold_This { meta: severity = "medium" score = 7 category = "spam" condition: true }"#;

#[test]
fn mail_that_cannot_be_quarantined_is_put_off_and_everybody_is_told() {
    let site = Site::new().unwrap();
    let toml = site.defaults("") + &rules(&site, "hold.yar", HOLD);
    let daemon = site.start(&toml).unwrap();
    // A file in the place of the folder: not even root can write there.
    let tmp = daemon.site().quarantine().join("tmp");
    fs::remove_dir(&tmp).unwrap();
    fs::write(&tmp, "in the way").unwrap();

    let answer = judge(&daemon, &mail("held", "text"));
    assert!(answer.word.starts_with("451 4.7.1 the quarantine cannot be written"), "{answer:?}");
    let (status, text) = daemon.get("/readyz").unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("degraded: quarantine: "), "{text}");
    assert!(daemon.get("/metrics").unwrap().1.contains("mailward_quarantine_errors_total 1"));
    let listed = stdout(&daemon, &["audit", "list"]);
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    let explained = stdout(&daemon, &["explain", id]);
    assert!(explained.contains("> not-secured"), "{explained}");

    fs::remove_file(&tmp).unwrap();
    fs::create_dir(&tmp).unwrap();
    assert_eq!(judge(&daemon, &mail("held", "text")).word, "discard");
    assert_eq!(daemon.get("/readyz").unwrap().1, "ready\n");
}

#[test]
fn people_are_hidden_in_log_and_record_where_that_is_asked_for() {
    let daemon = Daemon::start("[log]\npseudonymise = true\n").unwrap();
    judge(&daemon, &mail("plain", "text"));
    let line = daemon.wait_for_log("judged").unwrap();
    let export = stdout(&daemon, &["audit", "export"]);
    for told in [&line, &export] {
        assert!(!names(told, "a@sender.example") && !names(told, "alice@"), "{told}");
        assert!(told.contains("sender.example"), "domains stay: {told}");
    }
}
