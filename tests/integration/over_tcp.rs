//! The daemon on an `inet:` socket.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use super::case::matches;
use super::common::{mail, verify};
use super::milter_client::{MilterClient, Peer, delivered};
use super::mta::samples::eicar;
use super::mta::{self, Daemon, Options, Postfix, Site};

/// A daemon that listens on TCP only, and where.
fn over_tcp() -> (Daemon, SocketAddr) {
    let site = Site::new().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, mta::free_port().unwrap()));
    let toml = site.defaults("").replace(&site.endpoint(), &format!("inet:{address}"));
    let daemon = site.start(&toml).unwrap();
    assert!(!daemon.site().milter_socket().exists());
    (daemon, address)
}

#[test]
fn many_messages_on_one_tcp_connection_are_judged() {
    let (daemon, address) = over_tcp();
    let to = ["<alice@example.org>".to_owned()];
    let mut client = MilterClient::connect_tcp(address, &Peer::default());
    for number in 0..20 {
        let bad = number % 2 == 1;
        let raw = mail(&format!("n{number}"), if bad { eicar() } else { "text".to_owned() }.as_str());
        assert_eq!(client.envelope("<a@sender.example>", &to), ["continue"; 2]);
        let answer = client.message(&raw);
        if bad {
            assert!(matches("550 5.7.1 refused as malware*", &answer.word), "{answer:?}");
        } else {
            assert_eq!(answer.word, "accept");
            let names = delivered(&raw, &answer.edits).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            assert_eq!(names[0], "X-Mailward-Id");
        }
    }
    client.quit();
    verify(&daemon);
}

#[test]
fn the_log_says_which_peer_of_which_socket_made_trouble() {
    let (daemon, address) = over_tcp();
    TcpStream::connect(address).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let line = daemon.wait_for_log("trouble with a milter session").unwrap();
    for part in [format!("endpoint=inet:{address}"), "peer=127.0.0.1".into(), "client=\"unknown\"".into()] {
        assert!(line.contains(&part), "{part} is missing in {line}");
    }
    let (status, _) = daemon.get("/readyz").unwrap();
    assert_eq!(status, 200);
}

#[test]
fn postfix_hands_over_mail_by_tcp() {
    if !mta::not_run::postfix_ready("postfix_hands_over_mail_by_tcp") {
        return;
    }
    let (daemon, address) = over_tcp();
    let postfix = Postfix::start(&Options::with_milter(format!("inet:{address}"))).unwrap();
    let send = |raw: &[u8]| {
        mta::smtp::send(postfix.smtp_port(), "a@sender.example", &["alice@example.org"], raw).unwrap()
    };
    assert!(send(&mail("clean", "text")).taken());
    let refused = send(&mail("bad", &eicar()));
    assert_eq!(refused.last().code, 550, "{refused:?}");
    let arrived = postfix.wait_for_mail("alice@example.org", 1).unwrap();
    assert_eq!(arrived[0].values("X-Mailward-Verdict"), ["clean"]);
    verify(&daemon);
}
