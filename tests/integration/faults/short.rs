//! Shorteners of links, sick: a bounded time, and it is told that the link was not followed.

use std::time::{Duration, Instant};

use crate::common::{judge, newest, stdout, verify};
use crate::mta::{Daemon, Dns, Sick, Sickness, Speaks};
use crate::netns;

#[test]
fn a_short_link_of_a_sick_server_is_not_followed_and_that_is_told() {
    let test = "faults::short::a_short_link_of_a_sick_server_is_not_followed_and_that_is_told";
    if !netns::entered(test, &["9.0.113.7/32"], &[]) {
        return;
    }
    let dns = Dns::serving("bit.ly A 9.0.113.7\n").unwrap();
    for sickness in Sickness::ALL {
        let moved =
            b"HTTP/1.1 301 Moved\r\nLocation: http://good.example/\r\nConnection: close\r\n\r\n".to_vec();
        let shortener =
            Sick::start_at("9.0.113.7:80".parse().unwrap(), sickness, Speaks::Http(moved)).unwrap();
        let daemon = Daemon::start(&format!(
            "{}[scanner.auth]\nenabled = false\n[scanner.urls.lookups]\nunshorten = true\ntimeout = \"2s\"\n",
            dns.section()
        ))
        .unwrap();
        let raw =
            format!("From: a@sender.example\r\nSubject: {sickness:?}\r\n\r\nhttp://bit.ly/{sickness:?}\r\n");
        let begin = Instant::now();
        let word = judge(&daemon, raw.as_bytes()).word;
        assert!(begin.elapsed() < Duration::from_secs(10), "{sickness:?}: {:?}", begin.elapsed());
        assert_eq!(word, "accept", "{sickness:?}: {}", daemon.log());
        let told = stdout(&daemon, &["explain", &newest(&daemon)]);
        // An endless page behind a head that says 200 is a page: it leads nowhere, and is not read.
        if sickness == Sickness::Endless {
            assert!(shortener.sent() < 12 << 20, "{} bytes were taken", shortener.sent());
        } else {
            assert!(told.contains("1 short link not followed ("), "{sickness:?}: {told}");
        }
        verify(&daemon);
        // Its port is free when its listener has gone.
        drop(shortener);
        std::thread::sleep(Duration::from_millis(300));
    }
}
