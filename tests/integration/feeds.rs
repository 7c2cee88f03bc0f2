//! Feeds through the real daemon: read, kept over a restart, asked by the commands.

use serde_json::Value;

use super::common::{judge, mail, stdout};
use super::mta::{Daemon, PATIENCE, Site, wait_until};

fn json(daemon: &Daemon, arguments: &[&str]) -> Value {
    let output = daemon.cli(arguments).unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn list(count: usize) -> String {
    (0..count).map(|n| format!("http://evil.test/{n}?id={n}\n")).collect()
}

#[test]
fn a_feed_is_refreshed_looked_up_and_there_again_after_a_restart() {
    let site = Site::new().unwrap();
    let path = site.path().join("list.txt");
    std::fs::write(&path, list(50)).unwrap();
    let config =
        site.defaults(&format!("[feed.mine]\nformat = \"urls\"\nurl = \"file://{}\"\n", path.display()));
    let mut daemon = site.start(&config).unwrap();
    assert_eq!(stdout(&daemon, &["feed", "refresh", "mine", "--force"]), "mine: 50 entries\n");
    assert_eq!(
        stdout(&daemon, &["feed", "refresh", "mine"]),
        "mine: nothing has changed since the last time\n"
    );

    let found = json(&daemon, &["feed", "lookup", "HTTPS://Evil.Test/7?id=7#x", "--json"]);
    assert_eq!(found["asked"], "https://evil.test/7?id=7");
    assert_eq!(found["matches"][0]["feed"], "mine");
    assert_eq!(found["matches"][0]["match"], "exact");
    assert_eq!(found["matches"][0]["entry"]["key"], "http://evil.test/7?id=7");
    let near = stdout(&daemon, &["feed", "lookup", "http://evil.test/7?id=8"]);
    assert!(near.contains("host-path") && near.contains("url http://evil.test/7?id=7"), "{near}");
    let nothing = daemon.cli(&["feed", "lookup", "http://evil.test/none"]).unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&nothing.stderr), "no feed knows http://evil.test/none\n");

    std::fs::write(&path, list(3)).unwrap();
    let shrunk = daemon.cli(&["feed", "refresh", "mine"]).unwrap();
    let told = String::from_utf8_lossy(&shrunk.stderr);
    assert!(!shrunk.status.success() && told.contains("the list has shrunk from 50 entries to 3"), "{told}");
    let unknown = daemon.cli(&["feed", "refresh", "other"]).unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no feed \"other\""), "{unknown:?}");

    let feeds = json(&daemon, &["feed", "list", "--json"]);
    assert_eq!((&feeds["feeds"][0]["entries"], &feeds["feeds"][0]["failures"]), (&50.into(), &1.into()));
    assert_eq!(feeds["feeds"][0]["last"]["outcome"], "refused");
    let shown = stdout(&daemon, &["feed", "list"]);
    assert!(shown.contains("mine") && shown.contains("failing") && shown.contains("urls"), "{shown}");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("mailward_feed_entries{feed=\"mine\"} 50"), "{metrics}");
    let events = stdout(&daemon, &["audit", "events"]);
    assert!(events.contains("feed-refreshed"), "{events}");

    daemon.kill().unwrap();
    std::fs::remove_file(&path).unwrap();
    daemon.start_again().unwrap();
    wait_until("the copy of the feed", PATIENCE, || {
        let feeds = json(&daemon, &["feed", "list", "--json"]);
        Ok((feeds["feeds"][0]["entries"] == 50).then_some(()))
    })
    .unwrap();
    assert!(stdout(&daemon, &["feed", "lookup", "http://evil.test/7?id=7"]).contains("exact"));

    assert!(shown_notes(&daemon).ends_with("in memory\n"), "{}", shown_notes(&daemon));
    let without = config.split("[feed.mine]").next().unwrap();
    daemon.write_config(without).unwrap();
    stdout(&daemon, &["reload"]);
    wait_until("the feed to go", PATIENCE, || {
        Ok((daemon.cli(&["feed", "lookup", "http://evil.test/7?id=7"])?.status.code() == Some(1))
            .then_some(()))
    })
    .unwrap();
    let nothing = daemon.cli(&["feed", "lookup", "http://evil.test/7?id=7"]).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&nothing.stderr),
        "no feed is on, so nothing is known of http://evil.test/7?id=7\n"
    );
    wait_until("the note on what is left", PATIENCE, || {
        Ok(shown_notes(&daemon).contains("are kept until ").then_some(()))
    })
    .unwrap();
    let notes = shown_notes(&daemon);
    assert!(
        notes.starts_with("no feed is on: each has a section [feed.NAME] in the configuration\n"),
        "{notes}"
    );
    assert!(notes.contains("\nmine: not configured or off; its files on disk, "), "{notes}");
}

/// What `feed list` says beside its table.
fn shown_notes(daemon: &Daemon) -> String {
    String::from_utf8(daemon.cli(&["feed", "list"]).unwrap().stderr).unwrap()
}

#[test]
fn a_feed_that_has_no_entries_is_told_wherever_one_looks() {
    let site = Site::new().unwrap();
    let path = site.path().join("list.txt");
    std::fs::write(&path, "<html>login</html>").unwrap();
    let feed = format!("[feed.mine]\nformat = \"urls\"\nurl = \"file://{}\"\n", path.display());
    let config = site.defaults(&feed);
    let daemon = site.start(&config).unwrap();
    let why = "the answer is a web page and no list, it begins \"<html>login</html>\"; look whether the address is \
               right and whether a key is asked for";
    let refused = daemon.cli(&["feed", "refresh", "mine"]).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&refused.stderr),
        format!("mailward: the feed mine was not refreshed, and it has no entries: {why}\n")
    );
    let listed = stdout(&daemon, &["feed", "list"]);
    assert!(listed.contains(" empty ") && listed.contains(why), "{listed}");
    let trouble = format!("the feed mine has no entries: {why}\n");
    let nothing = daemon.cli(&["feed", "lookup", "evil.test"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&nothing.stderr), format!("no feed knows evil.test\nnote: {trouble}"));
    let status = daemon.cli(&["status"]).unwrap();
    let status = (status.status.code(), String::from_utf8_lossy(&status.stdout).into_owned());
    assert!(
        status.0 == Some(1) && status.1.ends_with(&format!("degraded    feeds: {trouble}")),
        "{status:?}"
    );
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("mailward_feed_stale{feed=\"mine\"} 1"), "{metrics}");
}

#[test]
fn the_first_mail_after_a_start_is_looked_up_in_the_feeds_of_before() {
    let site = Site::new().unwrap();
    let path = site.path().join("list.txt");
    std::fs::write(&path, list(100_000)).unwrap();
    let config = site.defaults(&format!(
        "[scanner.urls]\nenabled = true\n[feed.mine]\nformat = \"urls\"\ncategory = \"malware\"\nurl = \"file://{}\"\n",
        path.display()
    ));
    let mut daemon = site.start(&config).unwrap();
    stdout(&daemon, &["feed", "refresh", "mine", "--force"]);
    let listed = mail("a link", "Look at http://evil.test/99999?id=99999 now.");
    assert_eq!(judge(&daemon, &listed).word, "discard");
    for start in 1..=3 {
        daemon.kill().unwrap();
        daemon.start_again().unwrap();
        assert_eq!(judge(&daemon, &listed).word, "discard", "start {start}");
    }
}
