//! What somebody may try who wants our machine to connect to where he cannot.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;

use super::dns::{Answer, Dns};
use super::shortener::{Shortener, answer, moved};
use super::*;

/// Special addresses, plain and in the disguises that an AAAA record can have.
const SPECIAL: &[&str] = &[
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
];

fn refused(url: &str) -> Option<Refused> {
    Guard::strict().host(&Url::parse(url).unwrap()).err()
}

#[test]
fn an_address_in_place_of_a_name_is_refused_in_any_notation() {
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.01",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "0",
        "169.254.169.254",
        "0xa9fea9fe",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[64:ff9b::7f00:1]",
        "[fd00:ec2::254]",
        // Also such as would be public: no shortener is called so.
        "9.9.9.9",
        "[2606:4700::1111]",
    ] {
        assert_eq!(refused(&format!("http://{host}/x")), Some(Refused::NoName), "{host}");
        // And none is ever taken for a shortener's link.
        let link = Link::parse(&format!("http://{host}/x")).unwrap();
        assert_eq!(crate::link::sharing(link.host_text()), None, "{host}");
    }
}

#[test]
fn only_http_at_its_ports_is_asked_and_no_password_sent() {
    assert_eq!(refused("http://bit.ly/x"), None);
    assert_eq!(refused("https://bit.ly/x"), None);
    assert_eq!(refused("http://bit.ly:443/x"), None);
    for port in [0, 22, 25, 53, 81, 6379, 8080, 11211] {
        assert_eq!(refused(&format!("http://bit.ly:{port}/x")), Some(Refused::Port(port)));
    }
    for scheme in ["ftp", "file", "gopher", "ws", "unix", "data"] {
        assert_eq!(refused(&format!("{scheme}://bit.ly/x")), Some(Refused::Scheme(scheme.to_owned())));
    }
    assert_eq!(refused("http://user@bit.ly/x"), Some(Refused::User));
    assert_eq!(refused("http://:secret@bit.ly/x"), Some(Refused::User));
}

#[test]
fn one_special_address_among_public_ones_is_one_too_many() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let public = [ip("9.9.9.9"), ip("2606:4700::1111")];
    let connected = Guard::strict().addresses("bit.ly", &public).unwrap();
    assert_eq!(connected, public.map(|ip| SocketAddr::new(ip, 0)));
    for special in SPECIAL {
        let refused = Guard::strict().addresses("bit.ly", &[public[0], ip(special), public[1]]);
        assert_eq!(refused, Err(Refused::Address { host: "bit.ly".to_owned(), ip: ip(special) }));
        // What a test is allowed is one address and not its neighbours.
        let allowing = Guard::allowing("127.0.0.9:1234".parse().unwrap());
        assert!(allowing.addresses("bit.ly", &[ip(special)]).is_err(), "{special}");
    }
}

#[tokio::test]
async fn a_name_that_has_a_special_address_is_not_connected_to() {
    for special in SPECIAL {
        let kind = if special.contains(':') { "AAAA" } else { "A" };
        let zone = format!("bit.ly CNAME inside.example\ninside.example {kind} {special}\n");
        let asking = asking(unshortening(), Dns::serving(&zone).unwrap(), Guard::strict());
        let followed = asking.follow(&["http://bit.ly/a"]).await;
        let why = Why::Refused(Refused::Address { host: "bit.ly".to_owned(), ip: special.parse().unwrap() });
        let unasked = vec![NotFollowed { link: link("http://bit.ly/a"), why }];
        assert_eq!(followed, Followed { steps: vec![], unasked }, "{special}");
    }
}

#[tokio::test]
async fn no_family_of_addresses_hides_the_other() {
    let server = Shortener::redirecting(&[("/a", "http://evil.example/")]).await;
    let guard = Guard::allowing(server.address);
    let mixed = Dns::serving("bit.ly A 127.0.0.1\nbit.ly AAAA ::1").unwrap();
    let followed = asking(unshortening(), mixed, guard).follow(&["http://bit.ly/a"]).await;
    let why = Why::Refused(Refused::Address { host: "bit.ly".to_owned(), ip: "::1".parse().unwrap() });
    assert_eq!(followed.unasked, [NotFollowed { link: link("http://bit.ly/a"), why }]);
    let two = Dns::serving("bit.ly A 127.0.0.1\nbit.ly A 127.0.0.2").unwrap();
    let followed = asking(unshortening(), two, guard).follow(&["http://bit.ly/a"]).await;
    assert_eq!(followed.steps, []);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_address_in_between_gains_nothing() {
    // Good once, then another place. Nothing of it is kept by our resolver.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let dns = Dns::answering(move |question| {
        if question.kind != 1 {
            return Answer::Records(vec![]);
        }
        let last = if count.fetch_add(1, Ordering::SeqCst) == 0 { 1 } else { 2 };
        // A TTL of 0.
        let answers = vec![(question.name.clone(), 1, 0, vec![127, 0, 0, last])];
        Answer::Reply(dns::Reply { answers, ..Default::default() })
    })
    .unwrap();
    let server = Shortener::start(|head| {
        Some(match head.starts_with("HEAD /first") {
            true => answer("405 Method Not Allowed", &[]),
            false if head.starts_with("GET") => moved("/second"),
            false => moved("http://evil.example/"),
        })
    })
    .await;
    let asking = asking_with_cache(unshortening(), dns, Guard::allowing(server.address), 0);
    let followed = asking.follow(&["http://bit.ly/first"]).await;
    // For one message everything goes to the address that was looked at.
    let requests = ["HEAD /first HTTP/1.1", "GET /first HTTP/1.1", "HEAD /second HTTP/1.1"];
    assert_eq!(server.asked(), requests);
    let steps = vec![
        step("http://bit.ly/first", "http://bit.ly/second"),
        step("http://bit.ly/second", "http://evil.example/"),
    ];
    assert_eq!(followed, Followed { steps, unasked: vec![] });
    // For the next it is looked at anew.
    let followed = asking.follow(&["http://bit.ly/third"]).await;
    assert_eq!((followed.steps, &*server.asked()), (vec![], &requests.map(str::to_owned)[..]));
    let why = Why::Refused(Refused::Address { host: "bit.ly".to_owned(), ip: [127, 0, 0, 2].into() });
    assert_eq!(followed.unasked, [NotFollowed { link: link("http://bit.ly/third"), why }]);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "resolved once for each message");
}

#[tokio::test]
async fn a_redirect_inside_is_told_and_not_followed() {
    const TARGETS: &[(&str, &str)] = &[
        ("/0", "http://169.254.169.254/latest/meta-data/"),
        ("/1", "http://[::1]:6379/"),
        ("/2", "http://0x7f000001/"),
        ("/3", "http://2130706433/"),
        ("/4", "http://[::ffff:127.0.0.1]/"),
        ("/5", "http://localhost/"),
        ("/6", "http://bit.ly@127.0.0.1/"),
        ("/7", "//127.0.0.1/x"),
        ("/8", "\\\\127.0.0.1\\x"),
        ("/9", "http://bit.ly.evil.example/"),
        ("/10", "https:127.0.0.1"),
        ("/11", "ftp://bit.ly/x"),
        ("/12", "http://127.0.0.1\\@bit.ly/"),
        ("/13", "http://bit.ly#@127.0.0.1/"),
    ];
    let server = Shortener::redirecting(TARGETS).await;
    let dns = Dns::serving("bit.ly A 127.0.0.1\nlocalhost A 127.0.0.1").unwrap();
    let asking = asking(unshortening(), dns, Guard::allowing(server.address));
    for (path, target) in TARGETS {
        let from = format!("http://bit.ly{path}");
        let to = Url::parse(&from).unwrap().join(target).unwrap();
        // What was written counts as evidence, with the scheme that a browser would take.
        let written = match *target {
            "//127.0.0.1/x" => "http://127.0.0.1/x",
            "\\\\127.0.0.1\\x" => to.as_str(),
            written => written,
        };
        let steps = vec![Step { written: written.to_owned(), ..step(&from, to.as_str()) }];
        assert_eq!(asking.follow(&[&from]).await, Followed { steps, unasked: vec![] }, "{target}");
    }
    assert_eq!(server.asked().len(), TARGETS.len(), "{:?}", server.asked());
    assert!(asking.dns.asked().iter().all(|question| question.name == "bit.ly"), "{:?}", asking.dns.asked());
}

#[tokio::test]
async fn a_redirect_to_another_port_of_a_shortener_is_not_followed() {
    let server =
        Shortener::redirecting(&[("/a", "http://t.co:22/x"), ("/b", "https://u:p@bit.ly:6379/x")]).await;
    let dns = Dns::serving("bit.ly A 127.0.0.1\nt.co A 127.0.0.1").unwrap();
    let asking = asking(unshortening(), dns, Guard::allowing(server.address));
    let followed = asking.follow(&["http://bit.ly/a", "http://bit.ly/b"]).await;
    let not = |text: &str, port| NotFollowed { link: link(text), why: Why::Refused(Refused::Port(port)) };
    assert_eq!(followed.unasked, [not("http://t.co:22/x", 22), not("https://bit.ly:6379/x", 6379)]);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn https_is_never_asked_in_the_clear() {
    let server = Shortener::start(|_| Some(moved("http://evil.example/"))).await;
    let dns = Dns::serving("bit.ly A 127.0.0.1").unwrap();
    let asking = asking(unshortening(), dns, Guard::allowing(server.address));
    let followed = asking.follow(&["https://bit.ly/a"]).await;
    assert!(matches!(&followed.unasked[0].why, Why::Web(WebError::Net { host, .. }) if host == "bit.ly"));
    assert_eq!(followed.steps, []);
    assert!(server.heads().iter().all(|head| head.as_bytes() == [0x16]), "{:?}", server.heads());
}

#[tokio::test]
async fn nonsense_in_place_of_http_is_an_error_and_costs_little() {
    let endless: Vec<u8> = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(200_000)].concat();
    for body in [b"SSH-2.0-OpenSSH_9\r\n".to_vec(), vec![0; 100_000], Vec::new(), endless] {
        let server = Shortener::start(move |_| Some(body.clone())).await;
        let dns = Dns::serving("bit.ly A 127.0.0.1").unwrap();
        let asking = asking(unshortening(), dns, Guard::allowing(server.address));
        let followed = asking.follow(&["http://bit.ly/a"]).await;
        assert!(matches!(&followed.unasked[0].why, Why::Web(WebError::Net { .. })), "{followed:?}");
    }
}

/// The environment belongs to all threads, so the test of following links runs in a process of its own.
#[test]
fn no_proxy_of_the_environment_is_used() {
    let test = "a_short_link_is_followed_from_shortener_to_shortener_and_never_to_its_target";
    let name = format!("scan::url::asks::tests::short_links::{test}");
    let mut run = std::process::Command::new(std::env::current_exe().unwrap());
    run.args(["--exact", &name]);
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        // Nobody listens there.
        run.env(variable, "http://127.0.0.1:1");
    }
    run.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("REQUEST_METHOD");
    let output = run.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}
