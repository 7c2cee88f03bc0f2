//! Short links through the real daemon, at addresses as they are on the net: followed, and never to the inside.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::common::{judge, newest, quarantine, stdout, verify};
use super::mta::dns::{Answer, Reply};
use super::mta::{Daemon, Dns, Site};
use super::netns;
use super::web::{Visit, Web};

/// Where shorteners are, and what must never be visited: services of the machine, of its net, of a cloud.
const ADDRESSES: &[&str] = &[
    "9.0.113.7/32",
    "9.0.113.8/32",
    "10.0.0.1/32",
    "192.168.1.1/32",
    "169.254.169.254/32",
    "100.64.0.1/32",
    "64:ff9b::7f00:1/128",
    "64:ff9b::a00:1/128",
    "fd00::1/128",
];
const PORTS: &[u16] = &[80, 443, 8080, 3128];

const ZONE: &str = "
    bit.ly       A     9.0.113.7
    bitly.com    A     9.0.113.8
    tinyurl.com  A     10.0.0.1
    ow.ly        A     169.254.169.254
    tiny.cc      A     100.64.0.1
    is.gd        AAAA  ::ffff:10.0.0.1
    t.co         AAAA  64:ff9b::7f00:1
    v.gd         AAAA  fd00::1
    buff.ly      A     9.0.113.7
    buff.ly      A     127.0.0.1
    cutt.ly      CNAME inside.example
    inside.example A   192.168.1.1
";

/// Where each short link leads.
const LEADS: &[(&str, &str)] = &[
    ("http://bit.ly/listed", "http://evil.example/a.exe"),
    ("http://bit.ly/twice", "http://bitly.com/second"),
    ("http://bitly.com/second", "http://evil.example/a.exe"),
    ("http://bit.ly/loopback", "http://127.0.0.1/admin"),
    ("http://bit.ly/cloud", "http://169.254.169.254/latest/meta-data/"),
    ("http://bit.ly/mapped", "http://[::ffff:10.0.0.1]/"),
    ("http://bit.ly/nat64", "http://[64:ff9b::7f00:1]/"),
    ("http://bit.ly/number", "http://2130706433/"),
    ("http://bit.ly/octal", "http://0177.0.0.1:8080/"),
    ("http://bit.ly/port", "http://bit.ly:8080/x"),
    ("http://bit.ly/inside", "http://tinyurl.com/x"),
    ("http://goo.gl/rebinds", "http://good.example/"),
    ("http://goo.gl/again", "http://good.example/"),
];

fn says(visit: &Visit) -> String {
    let asked = visit.asked();
    let (method, url) = asked.split_once(' ').unwrap_or_default();
    // It knows no HEAD, so that it is asked twice.
    if method == "HEAD" && url.starts_with("http://goo.gl/") {
        return "HTTP/1.1 405 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into();
    }
    if url.starts_with("http://ow.ly/slow") {
        std::thread::sleep(Duration::from_secs(60));
    }
    match LEADS.iter().find(|(from, _)| *from == url) {
        Some((_, to)) => format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nConnection: close\r\n\r\n"),
        None => "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n".into(),
    }
}

/// A daemon that follows short links, and has a feed.
fn daemon(dns: &Dns) -> Daemon {
    let site = Site::new().unwrap();
    let feed = site.path().join("urls");
    std::fs::write(&feed, "http://evil.example/a.exe\n").unwrap();
    let config = format!(
        "{}[scanner.auth]\nenabled = false\n[scanner.urls.lookups]\nunshorten = true\ntimeout = \"5s\"\n\
         [feed.bad]\nformat = \"urls\"\ncategory = \"malware\"\nurl = \"file://{}\"\n",
        dns.section(),
        feed.display()
    );
    let config = site.defaults(&config);
    let daemon = site.start(&config).unwrap();
    stdout(&daemon, &["feed", "refresh", "bad", "--force"]);
    daemon
}

/// Sends a mail with `links`: the answer, and what `explain` says of it.
fn sent(daemon: &Daemon, links: &[&str]) -> (String, String, Value) {
    let raw = format!(
        "From: a@sender.example\r\nList-Unsubscribe: <http://bit.ly/bye>\r\nSubject: look\r\n\r\n{}\r\n",
        links.join("\r\n")
    );
    let answer = judge(daemon, raw.as_bytes()).word;
    let id = newest(daemon);
    let json = stdout(daemon, &["explain", &id, "--json"]);
    (answer, stdout(daemon, &["explain", &id]), serde_json::from_str(&json).unwrap())
}

fn public(octet: u8) -> SocketAddr {
    (Ipv4Addr::new(9, 0, 113, octet), 80).into()
}

#[test]
fn a_short_link_is_followed_to_what_a_feed_knows() {
    if !netns::entered("short_links::a_short_link_is_followed_to_what_a_feed_knows", ADDRESSES, &[]) {
        return;
    }
    let web = Web::start(PORTS, says);
    let dns = Dns::serving(ZONE).unwrap();
    let daemon = daemon(&dns);
    let (answer, told, record) = sent(&daemon, &["http://bit.ly/listed", "http://bit.ly/bye"]);
    assert_eq!(answer, "discard", "{told}");
    assert!(
        told.contains("urls: FEED_BAD in part 1: http://evil.example/a.exe is listed by bad (exact)"),
        "{told}"
    );
    assert!(told.contains("malware        http://evil.example/a.exe (redirect in part 1)"), "{told}");
    let seen: Vec<_> =
        record["urls"].as_array().unwrap().iter().map(|url| (&url["url"], &url["source"])).collect();
    assert_eq!(
        seen.iter()
            .map(|(url, source)| format!("{} {}", url.as_str().unwrap(), source.as_str().unwrap()))
            .collect::<Vec<_>>(),
        [
            "http://bit.ly/listed text",
            "http://bit.ly/bye text",
            "http://bit.ly/bye header",
            "http://evil.example/a.exe redirect"
        ]
    );
    assert_eq!(quarantine(&daemon).len(), 1);
    let (answer, told, _) = sent(&daemon, &["http://bit.ly/twice"]);
    assert_eq!(answer, "discard", "{told}");
    let visits = web.visits();
    let asked: Vec<String> = visits.iter().map(Visit::asked).collect();
    // Neither the link to unsubscribe by nor what short links lead to.
    assert_eq!(
        asked,
        ["HEAD http://bit.ly/listed", "HEAD http://bit.ly/twice", "HEAD http://bitly.com/second"]
    );
    assert_eq!(web.visited(), [public(7), public(8)]);
    for visit in visits {
        let head = visit.head.to_ascii_lowercase();
        assert!(
            !["cookie", "referer", "authorization", "alice"].iter().any(|word| head.contains(word)),
            "{head}"
        );
    }
    let (_, metrics) = daemon.get("/metrics").unwrap();
    let count = |result: &str, n: u8| {
        metrics
            .contains(&format!("mailward_url_lookups_total{{result=\"{result}\",service=\"shortener\"}} {n}"))
    };
    assert!(count("answered", 3) && count("unsubscribe", 1), "{metrics}");
    verify(&daemon);
}

#[test]
fn nothing_inside_is_ever_connected_to() {
    let proxy = "http://127.0.0.1:3128";
    let environment = ["http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment = environment.map(|name| (name, proxy));
    if !netns::entered("short_links::nothing_inside_is_ever_connected_to", ADDRESSES, &environment) {
        return;
    }
    let web = Web::start(PORTS, says);
    let dns = Dns::serving(ZONE).unwrap();
    let daemon = daemon(&dns);
    // Where a redirect leads is told and not visited.
    for (short, target) in [
        ("http://bit.ly/loopback", "http://127.0.0.1/admin"),
        ("http://bit.ly/cloud", "http://169.254.169.254/latest/meta-data/"),
        ("http://bit.ly/mapped", "http://10.0.0.1/"),
        ("http://bit.ly/nat64", "http://[64:ff9b::7f00:1]/"),
        ("http://bit.ly/number", "http://127.0.0.1/"),
        ("http://bit.ly/octal", "http://127.0.0.1:8080/"),
    ] {
        let (answer, told, _) = sent(&daemon, &[short]);
        assert_eq!(answer, "accept", "{told}");
        assert!(told.contains(&format!("unknown        {target} (redirect in part 1)")), "{told}");
        assert!(told.contains("urls=found") && !told.contains("degraded"), "{told}");
    }
    // A shortener that has an address inside, or is asked at another port, is not asked.
    for short in [
        "http://bit.ly/port",
        "http://bit.ly/inside",
        "http://tinyurl.com/a",
        "http://ow.ly/a",
        "http://tiny.cc/a",
        "http://is.gd/a",
        "http://t.co/a",
        "http://v.gd/a",
        "http://buff.ly/a",
        "http://cutt.ly/a",
        "http://bit.ly:8080/a",
    ] {
        let (answer, told, _) = sent(&daemon, &[short]);
        assert_eq!(answer, "accept", "{told}");
        assert!(told.contains("1 short link not followed (guarded)"), "{short}: {told}");
    }
    // What is no shortener is not even asked about.
    let (_, told, _) = sent(
        &daemon,
        &["http://2130706433/", "http://169.254.169.254/x", "http://[::1]/", "http://inside.example/"],
    );
    assert!(told.contains("http://127.0.0.1/") && !told.contains("degraded"), "{told}");
    assert_eq!(web.visited(), [public(7)], "{:?}", web.visits());
    verify(&daemon);
}

#[test]
fn a_name_that_changes_its_address_gains_nothing() {
    if !netns::entered("short_links::a_name_that_changes_its_address_gains_nothing", ADDRESSES, &[]) {
        return;
    }
    let web = Web::start(PORTS, says);
    let asked = AtomicUsize::new(0);
    // First public, then inside; nobody may remember it.
    let dns = Dns::answering(move |question| {
        if question.text() != "goo.gl A" {
            return Answer::Records(Vec::new());
        }
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        let ip = if first { Ipv4Addr::new(9, 0, 113, 7) } else { Ipv4Addr::LOCALHOST };
        let record = (question.name.clone(), question.kind, 0, ip.octets().to_vec());
        Answer::Reply(Reply { answers: vec![record], ..Reply::default() })
    })
    .unwrap();
    let daemon = daemon(&dns);
    let questions = || dns.asked().iter().filter(|question| question.text() == "goo.gl A").count();
    let (_, told, _) = sent(&daemon, &["http://goo.gl/rebinds"]);
    assert!(told.contains("unknown        http://good.example/ (redirect in part 1)"), "{told}");
    // Two requests, and the name was resolved once.
    let heads: Vec<String> = web.visits().iter().map(Visit::asked).collect();
    assert_eq!(heads, ["HEAD http://goo.gl/rebinds", "GET http://goo.gl/rebinds"]);
    assert_eq!(questions(), 1);
    let (_, told, _) = sent(&daemon, &["http://goo.gl/again"]);
    assert!(told.contains("1 short link not followed (guarded)"), "{told}");
    assert_eq!((questions(), web.visits().len()), (2, 2));
    assert_eq!(web.visited(), [public(7)]);
}

#[test]
fn silence_and_floods_of_short_links_cost_a_bounded_time_and_are_told() {
    let test = "short_links::silence_and_floods_of_short_links_cost_a_bounded_time_and_are_told";
    if !netns::entered(test, ADDRESSES, &[]) {
        return;
    }
    let web = Web::start(PORTS, says);
    let dns = Dns::serving("ow.ly A 9.0.113.7\nbit.ly A 9.0.113.7\nis.gd TIMEOUT").unwrap();
    let daemon = daemon(&dns);
    // The timeouts of the scanner, of look-ups and of one hop bound it.
    for short in ["http://ow.ly/slow", "http://is.gd/a"] {
        let began = Instant::now();
        let (answer, told, _) = sent(&daemon, &[short]);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(answer, "accept", "{told}");
        assert!(told.contains("1 short link not followed (timeout)"), "{told}");
    }
    let before = web.visits().len();
    let many: Vec<String> = (0..40).map(|n| format!("http://bit.ly/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["http://bit.ly/listed"]).collect();
    let (_, told, _) = sent(&daemon, &many);
    assert!(told.contains("36 short links not followed (budget)"), "{told}");
    assert!(web.visits().len() <= before + 5, "{:?}", web.visits());
}
