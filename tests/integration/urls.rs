//! Links through the real daemon: looked up in feeds, told by every command, and caught afterwards.

use std::process::{Command, Output};

use serde_json::Value;

use super::case::today;
use super::common::{judge, newest, quarantine, stdout, verify};
use super::mta::{Daemon, PATIENCE, Site, wait_until};

const HEAD: &str =
    "# Dumpfile\r\n# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\r\n";

/// A body of URLhaus with these, taken in today.
pub fn urlhaus(urls: &[&str]) -> String {
    let day = today();
    let row = |(n, url): (usize, &&str)| {
        format!(
            "\"{n}\",\"{day} 10:00:00\",\"{url}\",\"online\",\"{day} 10:00:00\",\"malware_download\",\"elf\",\"https://urlhaus.test/{n}\",\"x\"\r\n"
        )
    };
    format!("{HEAD}{}", urls.iter().enumerate().map(row).collect::<String>())
}

/// A page with a link.
pub fn html(subject: &str, link: &str) -> Vec<u8> {
    format!(
        "From: Anna <a@sender.example>\r\nTo: alice@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@sender.example>\r\n\
         Content-Type: text/html\r\n\r\n<p>Look at <a href=\"{link}\">this page</a>.</p>\r\n"
    )
    .into_bytes()
}

/// A daemon with a feed in a file, which has been read.
pub fn daemon(urls: &[&str], more: &str) -> Daemon {
    let site = Site::new().unwrap();
    let path = site.path().join("feed.csv");
    std::fs::write(&path, urlhaus(urls)).unwrap();
    let config = site.defaults(&format!(
        "{more}\n[feed.urlhaus]\nformat = \"urlhaus-csv\"\nurl = \"file://{}\"\nmax_shrink = 100\n",
        path.display()
    ));
    let daemon = site.start(&config).unwrap();
    stdout(&daemon, &["feed", "refresh", "urlhaus", "--force"]);
    daemon
}

fn scan(site: &Site, arguments: &[&str], mail: &[u8]) -> Output {
    let file = site.path().join("mail.eml");
    std::fs::write(&file, mail).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.env_remove("MAILWARD_CONFIG").arg("scan").args(arguments).arg(file);
    command.arg("--config").arg(site.config()).output().unwrap()
}

fn value(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn mail_that_leads_to_what_a_feed_knows_is_held_and_says_why() {
    let mut daemon = daemon(&["http://evil.test/a.exe"], "");
    let good = judge(&daemon, &html("good", "https://good.test/"));
    assert_eq!(good.word, "accept", "{good:?}");
    let bad = html("bad", "http://evil.test/a.exe");
    assert_eq!(judge(&daemon, &bad).word, "discard");
    let held = quarantine(&daemon);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["category"], "malware");

    let id = newest(&daemon);
    let told = stdout(&daemon, &["explain", &id]);
    assert!(told.contains("urls=found"), "{told}");
    let listed = format!("http://evil.test/a.exe is listed by urlhaus (exact, since {}", today());
    assert!(told.contains(&format!("urls: FEED_URLHAUS in part 1: {listed}")), "{told}");
    assert!(
        told.contains("malware        http://evil.test/a.exe (html:href in part 1) shown as \"this page\""),
        "{told}"
    );
    assert!(told.contains("with      urls: 1 feed, 1 entry,"), "{told}");
    let object: Value = serde_json::from_str(&stdout(&daemon, &["explain", &id, "--json"])).unwrap();
    let url = &object["urls"][0];
    assert_eq!(
        (&url["url"], &url["source"], &url["shown"]),
        (&"http://evil.test/a.exe".into(), &"html:href".into(), &"this page".into())
    );
    assert_eq!(
        (&url["part"], &url["judgement"], &url["listed"][0]["feed"]),
        (&1.into(), &"malware".into(), &"urlhaus".into())
    );
    let finding = &object["findings"][0];
    assert_eq!(
        (&finding["scanner"], &finding["symbol"], &finding["severity"], &finding["score"]),
        (&"urls".into(), &"FEED_URLHAUS".into(), &"high".into(), &6.0.into())
    );
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("mailward_feed_matches_total{feed=\"urlhaus\"} 1"), "{metrics}");
    assert!(metrics.contains("mailward_urls_total 2"), "{metrics}");
    verify(&daemon);

    // Without the daemon the copy on the disk is asked.
    daemon.kill().unwrap();
    let output = scan(daemon.site(), &["--json"], &bad);
    let offline = value(&output);
    assert_eq!(
        (&offline["disposition"], &offline["coverage"]["urls"], &offline["urls"]),
        (&"quarantine".into(), &"found".into(), &object["urls"])
    );
    assert!(!String::from_utf8_lossy(&output.stderr).contains("no feed is loaded"), "{output:?}");
}

#[test]
fn without_a_feed_scan_says_that_nobody_was_asked() {
    let site = Site::new().unwrap();
    let path = site.path().join("none");
    let feed = format!("[feed.mine]\nformat = \"urls\"\nurl = \"file://{}\"\n", path.display());
    std::fs::write(site.config(), site.defaults(&feed)).unwrap();
    let output = scan(&site, &["--json"], &html("x", "https://any.test/"));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("the feed mine is not asked: there is no copy of it yet"), "{told}");
    assert!(told.contains("no feed is loaded"), "{told}");
    let object = value(&output);
    assert_eq!(object["urls"][0]["judgement"], "not-looked-up");
    assert_eq!(object["versions"]["urls"], "no feed is loaded");
    let text = String::from_utf8(scan(&site, &[], &html("x", "https://any.test/")).stdout).unwrap();
    assert!(
        text.contains("not-looked-up  https://any.test/ (html:href in part 1) shown as \"this page\""),
        "{text}"
    );
    assert!(!site.state_dir().join("feeds").exists(), "scan makes nothing");
}

#[test]
fn a_reload_changes_how_links_are_looked_at() {
    let daemon = daemon(&["http://evil.test/a.exe"], "");
    let config = std::fs::read_to_string(daemon.site().config()).unwrap();
    daemon.write_config(&format!("{config}\n[scanner.urls]\nexempt = [\"evil.test\"]\n")).unwrap();
    stdout(&daemon, &["reload"]);
    assert_eq!(judge(&daemon, &html("exempt", "http://evil.test/a.exe")).word, "accept");
    daemon.write_config(&format!("{config}\n[scanner.urls]\nmax_size = \"100B\"\n")).unwrap();
    stdout(&daemon, &["reload"]);
    assert_eq!(judge(&daemon, &html("large", "http://evil.test/a.exe")).word, "discard");
    let told = stdout(&daemon, &["explain", &newest(&daemon)]);
    assert!(told.contains("urls=found(degraded)"), "{told}");
    judge(&daemon, &html("clean", "http://good.test/"));
    let told = stdout(&daemon, &["explain", &newest(&daemon)]);
    assert!(told.contains("urls=ok(degraded)") && told.contains("limit-size"), "{told}");
    assert!(told.contains("on_skipped = ignore"), "{told}");
}

#[test]
fn mail_that_was_accepted_is_caught_when_a_feed_learns_of_it() {
    let daemon = daemon(&["http://other.test/"], "");
    let link = "https://evil.test/later.exe";
    assert_eq!(judge(&daemon, &html("early", link)).word, "accept");
    let id = newest(&daemon);
    let nothing = stdout(&daemon, &["retro", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&nothing).unwrap()["caught"], Value::Array(Vec::new()));

    std::fs::write(daemon.site().path().join("feed.csv"), urlhaus(&["http://other.test/", link])).unwrap();
    stdout(&daemon, &["feed", "refresh", "urlhaus"]);
    let caught = wait_until("the message to be caught", PATIENCE, || {
        let listed: Value = serde_json::from_str(&stdout(&daemon, &["retro", "list", "--json"]))?;
        Ok(listed["caught"].get(0).cloned())
    })
    .unwrap();
    assert_eq!((&caught["id"], &caught["what"]), (&id.as_str().into(), &link.into()));
    assert_eq!(
        (&caught["feed"], &caught["match"], &caught["category"]),
        (&"urlhaus".into(), &"exact".into(), &"malware".into())
    );
    let shown = stdout(&daemon, &["retro", "list"]);
    assert!(shown.contains(&id) && shown.contains(link) && shown.contains("malware_download"), "{shown}");
    daemon.wait_for_log("caught afterwards").unwrap();
    let told = wait_until("the event", PATIENCE, || {
        let told = stdout(&daemon, &["explain", &id]);
        Ok(told.contains("caught afterwards by retro").then_some(told))
    })
    .unwrap();
    assert!(told.contains(&format!("{link} is listed by urlhaus now (exact): malware")), "{told}");
    assert!(stdout(&daemon, &["audit", "events"]).contains("caught-afterwards"));
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(metrics.contains("mailward_retro_caught_total{category=\"malware\"} 1"), "{metrics}");
    assert!(metrics.contains("mailward_retro_kept 1"), "{metrics}");
    // What is held or refused is not kept.
    assert_eq!(judge(&daemon, &html("late", link)).word, "discard");
    assert_eq!(quarantine(&daemon).len(), 1);
    verify(&daemon);
}

#[test]
fn what_a_feed_learnt_while_the_daemon_was_down_is_caught_at_the_start() {
    let mut daemon = daemon(&["http://other.test/"], "");
    let link = "https://evil.test/later.exe";
    assert_eq!(judge(&daemon, &html("early", link)).word, "accept");
    wait_until("the message to be kept", PATIENCE, || {
        let listed: Value = serde_json::from_str(&stdout(&daemon, &["retro", "list", "--json"]))?;
        Ok((listed["kept"] == 1).then_some(()))
    })
    .unwrap();
    std::fs::write(daemon.site().path().join("feed.csv"), urlhaus(&["http://other.test/", link])).unwrap();
    daemon.signal("TERM").unwrap();
    daemon.wait_for_end(PATIENCE).unwrap();
    daemon.start_again().unwrap();
    wait_until("the feed", PATIENCE, || {
        let output = daemon.cli(&["feed", "refresh", "urlhaus"])?;
        Ok(output.status.success().then_some(()))
    })
    .unwrap();
    wait_until("the message to be caught", PATIENCE, || {
        let listed: Value = serde_json::from_str(&stdout(&daemon, &["retro", "list", "--json"]))?;
        Ok((listed["caught"][0]["what"] == link && listed["kept"] == 1).then_some(()))
    })
    .unwrap();
}
