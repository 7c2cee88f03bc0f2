//! Mail caught afterwards, through the real daemon: what is told, how often, and of what.

use std::time::Duration;

use serde_json::Value;

use super::common::{judge, newest, quarantine, stdout, verify};
use super::mta::{Daemon, PATIENCE, wait_until};
use super::urls::{daemon, html, urlhaus};

/// What `mailward retro list` says.
fn listing(daemon: &Daemon) -> Value {
    serde_json::from_str(&stdout(daemon, &["retro", "list", "--json"])).unwrap()
}

/// The feed has these now.
fn publish(daemon: &Daemon, urls: &[&str]) {
    std::fs::write(daemon.site().path().join("feed.csv"), urlhaus(urls)).unwrap();
    stdout(daemon, &["feed", "refresh", "urlhaus", "--force"]);
}

/// The ids of what was caught, when these links are among it.
fn caught(daemon: &Daemon, links: &[&str]) -> Vec<(String, String)> {
    wait_until("a message to be caught", PATIENCE, || {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = listing(daemon)["caught"].as_array().unwrap().clone();
        let caught: Vec<_> = listed.iter().map(|one| (text(&one["id"]), text(&one["what"]))).collect();
        Ok(links.iter().all(|link| caught.iter().any(|(_, what)| what == link)).then_some(caught))
    })
    .unwrap()
}

/// Until that many messages are kept.
fn kept(daemon: &Daemon, count: u64) {
    wait_until("messages to be kept", PATIENCE, || Ok((listing(daemon)["kept"] == count).then_some(())))
        .unwrap();
}

#[test]
fn an_entry_that_goes_and_comes_again_is_told_once() {
    const OTHER: &str = "http://other.test/";
    const LATER: &str = "https://evil.test/later.exe";
    const MARK: &str = "https://evil.test/mark.exe";
    let mut daemon = daemon(&[OTHER], "");
    assert_eq!(judge(&daemon, &html("early", LATER)).word, "accept");
    let id = newest(&daemon);
    assert_eq!(judge(&daemon, &html("mark", MARK)).word, "accept");
    kept(&daemon, 2);
    publish(&daemon, &[OTHER, LATER]);
    assert_eq!(caught(&daemon, &[LATER]), [(id.clone(), LATER.to_owned())]);
    publish(&daemon, &[OTHER]);
    // Also over a restart, which looks everything up again.
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
    daemon.start_again().unwrap();
    kept(&daemon, 2);
    publish(&daemon, &[OTHER, LATER]);
    std::thread::sleep(Duration::from_secs(1));
    // Another catch tells that the round is over.
    publish(&daemon, &[OTHER, LATER, MARK]);
    let all = caught(&daemon, &[LATER, MARK]);
    assert_eq!(all.iter().filter(|(_, what)| what == LATER).count(), 1, "{all:?}");
    let told = wait_until("the event", PATIENCE, || {
        let told = stdout(&daemon, &["audit", "events"]);
        Ok((told.matches("caught-afterwards").count() >= 2).then_some(told))
    })
    .unwrap();
    assert_eq!(told.matches("caught-afterwards").count(), 2, "{told}");
    let explained = stdout(&daemon, &["explain", &id]);
    assert_eq!(explained.matches("caught afterwards by retro").count(), 1, "{explained}");
    let log = daemon.log();
    let of_it = |line: &&str| line.contains("caught afterwards: a message") && line.contains(id.as_str());
    assert_eq!(log.lines().filter(of_it).count(), 1, "{log}");
    verify(&daemon);
}

#[test]
fn what_was_held_or_refused_is_not_kept() {
    const KNOWN: &str = "http://evil.test/a.exe";
    const LATER: &str = "https://evil.test/later.exe";
    const MARK: &str = "https://evil.test/mark.exe";
    let daemon = daemon(&[KNOWN], "[scanner.urls]\nmax_urls = 50\n");
    let both = format!("{KNOWN}\">a</a> <a href=\"{LATER}");
    assert_eq!(judge(&daemon, &html("held", &both)).word, "discard");
    let held = newest(&daemon);
    assert_eq!(quarantine(&daemon).len(), 1);
    let eicar = super::mta::samples::eicar();
    let refused = format!(
        "From: a@sender.example\r\nSubject: refused\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
         {LATER}\r\n--b\r\nContent-Type: application/octet-stream; name=a.com\r\n\r\n{eicar}\r\n--b--\r\n"
    );
    let answer = judge(&daemon, refused.as_bytes()).word;
    assert!(answer.starts_with("550 "), "{answer}");
    assert_eq!(judge(&daemon, &html("mark", MARK)).word, "accept");
    let id = newest(&daemon);
    kept(&daemon, 1);
    publish(&daemon, &[KNOWN, LATER, MARK]);
    assert_eq!(caught(&daemon, &[MARK]), [(id, MARK.to_owned())]);
    assert!(!stdout(&daemon, &["explain", &held]).contains("caught afterwards"));
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("mailward_retro_kept 1"), "{metrics}");
    assert!(metrics.contains("mailward_retro_caught_total{category=\"malware\"} 1"), "{metrics}");
}

#[test]
fn mail_goes_on_where_its_links_cannot_be_kept_and_that_is_told_once() {
    const OTHER: &str = "http://other.test/";
    const LATER: &str = "https://evil.test/later.exe";
    let daemon = daemon(&[OTHER], "");
    let folder = daemon.site().state_dir().join("retro");
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let left_out = |count: u32| {
        let line = format!("mailward_retro_left_out_total{{why=\"store\"}} {count}");
        wait_until("messages to be left out", PATIENCE, || {
            Ok(daemon.get("/metrics")?.1.contains(&line).then_some(()))
        })
        .unwrap();
    };
    for count in 1..=3 {
        assert_eq!(judge(&daemon, &html(&format!("lost{count}"), LATER)).word, "accept");
        left_out(count);
    }
    assert_eq!(daemon.log().matches("links of accepted mail cannot be kept").count(), 1, "{}", daemon.log());
    let readyz = || daemon.get("/readyz").unwrap().1;
    assert!(readyz().contains("degraded: retro: links of accepted mail cannot be kept: "), "{}", readyz());
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(judge(&daemon, &html("kept", LATER)).word, "accept");
    kept(&daemon, 1);
    assert!(!readyz().contains("retro"), "{}", readyz());
    let id = newest(&daemon);
    publish(&daemon, &[OTHER, LATER]);
    assert_eq!(caught(&daemon, &[LATER]), [(id, LATER.to_owned())]);
}
