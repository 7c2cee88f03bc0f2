//! Feeds over HTTP through the real daemon, at addresses as they are on the net.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::common::{judge, stdout};
use super::mta::Site;
use super::netns;
use super::urls::html;
use super::web::{Visit, Web};

const ADDRESSES: &[&str] = &["9.0.113.7/32", "9.0.113.8/32", "10.0.0.1/32", "169.254.169.254/32"];
const PORTS: &[u16] = &[80, 8080, 3128];

/// Where the publisher sends who asks, one after the other; none of it is a list on the net.
const AWAY: &[&str] = &[
    "http://10.0.0.1/list",
    "http://127.0.0.1/list",
    "http://2130706433/list",
    "http://[::1]/list",
    "http://[::ffff:10.0.0.1]/list",
    "http://[::ffff:a9fe:a9fe]/latest/meta-data/",
    "http://9.0.113.8:8080/list",
    "http://localhost/list",
    "file:///etc/passwd",
];

#[test]
fn a_feed_is_fetched_over_http_and_no_redirect_leads_inside() {
    let proxy = ["http_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, "http://127.0.0.1:3128"));
    let test = "feeds_net::a_feed_is_fetched_over_http_and_no_redirect_leads_inside";
    if !netns::entered(test, ADDRESSES, &proxy) {
        return;
    }
    // 0: a list; then each of AWAY; after them another host that may be asked.
    let turn = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&turn);
    let web = Web::start(PORTS, move |visit: &Visit| {
        let turn = now.load(Ordering::Relaxed);
        let elsewhere = visit.at.ip().to_string() != "9.0.113.7";
        let location = match turn {
            0 => None,
            turn => AWAY.get(turn - 1).copied().or(Some("http://9.0.113.8/moved")),
        };
        match location {
            Some(location) if !elsewhere => {
                format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nConnection: close\r\n\r\n")
            }
            _ if visit.head.to_ascii_lowercase().contains("if-none-match: \"one\"") => {
                "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into()
            }
            _ => {
                let body = if elsewhere { "http://moved.test/x\n" } else { "http://evil.test/x\n" };
                format!("HTTP/1.1 200 OK\r\nETag: \"one\"\r\nConnection: close\r\n\r\n{body}")
            }
        }
    });
    let site = Site::new().unwrap();
    let key = site.path().join("key");
    std::fs::write(&key, "s3cr3t-key\n").unwrap();
    let mut mode = std::fs::metadata(&key).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o600);
    std::fs::set_permissions(&key, mode).unwrap();
    let config = site.defaults(&format!(
        "[feed.net]\nformat = \"urls\"\ncategory = \"malware\"\nurl = \"http://9.0.113.7/list\"\nmax_shrink = 100\n\
         auth_key = {{ file = {key:?} }}\n"
    ));
    let daemon = site.start(&config).unwrap();
    let refresh =
        |arguments: &[&str]| daemon.cli(&[&["feed", "refresh", "net"], arguments].concat()).unwrap();
    assert!(refresh(&["--force"]).status.success());
    assert_eq!(
        stdout(&daemon, &["feed", "refresh", "net"]),
        "net: nothing has changed since the last time\n"
    );
    let bad = html("bad", "http://evil.test/x");
    assert_eq!(judge(&daemon, &bad).word, "discard");
    for away in AWAY {
        turn.fetch_add(1, Ordering::Relaxed);
        let output = refresh(&["--force"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{away}: {output:?}");
        assert!(
            told.contains("9.0.113.7 sends us elsewhere, and that is not followed")
                || told.contains("localhost"),
            "{away}: {told}"
        );
        assert_eq!(judge(&daemon, &bad).word, "discard", "{away}: the entries from before stay");
    }
    let visited: Vec<String> = web.visited().iter().map(ToString::to_string).collect();
    assert_eq!(visited, ["9.0.113.7:80"]);
    let visits = web.visits();
    assert!(visits.iter().all(|visit| visit.head.contains("s3cr3t-key")), "{visits:?}");

    turn.fetch_add(1, Ordering::Relaxed);
    assert_eq!(stdout(&daemon, &["feed", "refresh", "net", "--force"]), "net: 1 entry\n");
    assert_eq!(judge(&daemon, &html("moved", "http://moved.test/x")).word, "discard");
    let elsewhere: Vec<_> =
        web.visits().into_iter().filter(|visit| visit.at.ip().to_string() == "9.0.113.8").collect();
    assert_eq!(elsewhere.len(), 1);
    assert!(!elsewhere[0].head.contains("s3cr3t-key"), "{elsewhere:?}");
    let log = daemon.log();
    assert!(!log.contains("s3cr3t-key"), "{log}");
}
