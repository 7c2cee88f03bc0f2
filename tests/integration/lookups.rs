//! DNS block lists through the real daemon: what every command says of them, and that they let us not ask.

use std::process::{Command, Output};

use serde_json::Value;

use super::common::{judge, newest, stdout, verify};
use super::mta::{Daemon, Dns, Site};
use super::urls::html;

const LISTS: &str =
    "[scanner.auth]\nenabled = false\n[scanner.urls.lookups]\nblocklists = [\"dbl\", \"surbl\"]\n";
const ZONE: &str = "evil.test.dbl.spamhaus.org A 127.0.1.4\nevil.test.multi.surbl.org A 127.0.0.72\n";

/// A daemon that asks block lists of this zone.
fn daemon(zone: &str) -> (Daemon, Dns) {
    let dns = Dns::serving(zone).unwrap();
    (Daemon::start(&format!("{LISTS}{}", dns.section())).unwrap(), dns)
}

/// `mailward scan` with the answers from a file.
fn scan(site: &Site, arguments: &[&str], mail: &[u8]) -> Output {
    let (file, zone) = (site.path().join("mail.eml"), site.path().join("zone"));
    std::fs::write(&file, mail).unwrap();
    std::fs::write(&zone, ZONE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailward"));
    command.env_remove("MAILWARD_CONFIG").arg("scan").args(arguments).arg("--dns-zone").arg(zone);
    command.arg(file).arg("--config").arg(site.config()).output().unwrap()
}

fn value(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

#[test]
fn what_only_a_block_list_knows_is_said_by_every_command() {
    let (daemon, _dns) = daemon(ZONE);
    let raw = html("bad", "https://www.evil.test/login");
    assert_eq!(judge(&daemon, &html("good", "https://good.test/")).word, "accept");
    // DBL has the host alone: SURBL what was registered.
    assert_eq!(judge(&daemon, &raw).word, "discard");
    let id = newest(&daemon);
    let object = value(stdout(&daemon, &["explain", &id, "--json"]).as_bytes());
    let expected = serde_json::json!([{
        "url": "https://www.evil.test/login", "source": "html:href", "shown": "this page", "part": 1,
        "judgement": "phish",
        "listed": [{"feed": "surbl", "match": "dnsbl", "what": "spam, phishing"}],
    }]);
    assert_eq!(object["urls"], expected);
    let told = stdout(&daemon, &["explain", &id]);
    assert!(
        told.contains(
            "phish          https://www.evil.test/login (html:href in part 1) shown as \"this page\""
        ),
        "{told}"
    );
    assert!(told.contains("listed by surbl (dnsbl, for spam, phishing)"), "{told}");
    let exported = stdout(&daemon, &["audit", "export"]);
    assert!(
        exported.contains("\"judgement\":\"phish\"") && exported.contains("\"judgement\":\"unknown\""),
        "{exported}"
    );
    let status = daemon.cli(&["status"]).unwrap();
    assert!(status.status.success(), "{status:?}");
    verify(&daemon);

    // From a file, with the same answers.
    let output = scan(daemon.site(), &["--json"], &raw);
    let offline = value(&output.stdout);
    assert_eq!((&offline["urls"], &offline["disposition"]), (&expected, &"quarantine".into()));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("only block lists are asked about them") && !told.contains("changes nothing"),
        "{told}"
    );
    let text = String::from_utf8(scan(daemon.site(), &[], &raw).stdout).unwrap();
    assert!(text.contains("listed by surbl (dnsbl, for spam, phishing)"), "{text}");
    assert!(!told.contains("short links"), "{told}");
    let config = std::fs::read_to_string(daemon.site().config()).unwrap();
    daemon.write_config(&config.replace("blocklists", "unshorten = true\nblocklists")).unwrap();
    let told = String::from_utf8_lossy(&scan(daemon.site(), &[], &raw).stderr).into_owned();
    assert!(told.contains("so short links are not followed"), "{told}");
}

#[test]
fn a_list_that_lets_us_not_ask_is_told_once_by_status_and_log_and_left_alone() {
    let (daemon, dns) = daemon("evil.test.dbl.spamhaus.org A 127.255.255.254\n");
    for n in 0..3 {
        assert_eq!(judge(&daemon, &html(&format!("m{n}"), "https://evil.test/")).word, "accept");
        let told = stdout(&daemon, &["explain", &newest(&daemon)]);
        assert!(told.contains("urls=ok(degraded)") && !told.contains("DNSBL_"), "{told}");
        assert!(told.contains("dbl not asked about 1 name (forbidden)"), "{told}");
        assert!(told.contains("unknown        https://evil.test/"), "surbl was asked: {told}");
    }
    let of_dbl = |question: &super::mta::dns::Question| question.name.ends_with("dbl.spamhaus.org");
    assert_eq!(dns.asked().iter().filter(|question| of_dbl(question)).count(), 1, "{:?}", dns.asked());
    let status = daemon.cli(&["status"]).unwrap();
    let told = String::from_utf8_lossy(&status.stdout).into_owned();
    assert_eq!(status.status.code(), Some(1), "{told}");
    assert!(told.contains("dbl does not let us ask (127.255.255.254)"), "{told}");
    let log = daemon.log();
    assert_eq!(log.matches("dbl does not let us ask").count(), 1, "{log}");
    let (code, _) = daemon.get("/readyz").unwrap();
    assert_eq!(code, 200, "mail is taken all the same");
    let (_, metrics) = daemon.get("/metrics").unwrap();
    assert!(
        metrics.contains("mailward_url_lookups_total{result=\"forbidden\",service=\"dbl\"} 3"),
        "{metrics}"
    );
    assert!(
        metrics.contains("mailward_url_lookups_total{result=\"not-listed\",service=\"surbl\"} 3"),
        "{metrics}"
    );

    // Off by a reload: nobody is asked, and nothing is wrong any more.
    let before = dns.asked().len();
    let config = std::fs::read_to_string(daemon.site().config()).unwrap();
    let line = config.lines().find(|line| line.starts_with("blocklists")).unwrap();
    daemon.write_config(&config.replace(line, "blocklists = []")).unwrap();
    stdout(&daemon, &["reload"]);
    assert_eq!(judge(&daemon, &html("off", "https://evil.test/")).word, "accept");
    assert!(stdout(&daemon, &["explain", &newest(&daemon)]).contains("urls=ok;"));
    assert_eq!((dns.asked().len(), daemon.cli(&["status"]).unwrap().status.code()), (before, Some(0)));
}
