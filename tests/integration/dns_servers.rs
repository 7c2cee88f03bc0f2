//! Several servers, none, and silent ones: who is asked, for how long, what is kept, and what is said of it.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mailward::dns::{DnsError, Inquiry, Resolver, Settings};
use mailward::telemetry::Metrics;

use super::dns::{PATIENCE, TXT, answers, failed, inquiry, resolver, rr, truth, txt};
use super::mta::Dns;
use super::mta::dns::{Answer, Question, Reply, soa, text};

/// What fits into 65535 bytes besides header 12, question 18, record 12 and a length before each 255 bytes.
const FULL: usize = 65493 - 65493_usize.div_ceil(256);

#[tokio::test(flavor = "multi_thread")]
async fn a_text_as_large_as_can_be_is_read_whole_and_not_kept() {
    let long: Vec<u8> = (0..60_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let expected = long.clone();
    let full = vec![b'f'; FULL];
    let dns = Dns::answering(move |question| match (question.over_tcp, question.name.as_str()) {
        (false, _) => Answer::Truncated,
        (true, "full.example") => answers(vec![rr("full.example", TXT, 300, text(&full))]),
        (true, "long.example") => answers(vec![rr("long.example", TXT, 300, text(&long))]),
        // Thousands of strings of no length, and thousands of records.
        (true, "empty.example") => answers(vec![rr("empty.example", TXT, 300, vec![0; 60_000])]),
        (true, name) => answers((0..4000).map(|_| rr(name, TXT, 300, text(b"x"))).collect()),
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    for _ in 0..2 {
        assert_eq!(txt(&resolver, "long.example").await, Ok(vec![expected.clone()]));
        assert_eq!(txt(&resolver, "full.example").await, Ok(vec![vec![b'f'; FULL]]));
        assert_eq!(txt(&resolver, "empty.example").await, Ok(vec![Vec::new()]));
        assert_eq!(txt(&resolver, "many.example").await.unwrap().len(), 4000);
    }
    let asked = |name: &str| dns.asked().iter().filter(|q| q.name == name && q.over_tcp).count();
    assert_eq!((asked("long.example"), asked("many.example")), (2, 2), "such answers are not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_kept_as_long_as_they_hold_and_failures_are_not() {
    let dns = Dns::answering(|question| match question.name.as_str() {
        "zero.example" => answers(vec![rr("zero.example", TXT, 0, text(b"x"))]),
        "huge.example" => answers(vec![rr("huge.example", TXT, 0x7fff_ffff, text(b"x"))]),
        "none.example" => Answer::Reply(Reply { code: 3, authorities: vec![soa()], ..Reply::default() }),
        "nothing.example" => Answer::Reply(Reply { authorities: vec![soa()], ..Reply::default() }),
        "unsaid.example" => Answer::Reply(Reply { code: 3, ..Reply::default() }),
        _ => Answer::Fail,
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    let mut times = Vec::new();
    for name in ["zero", "huge", "none", "nothing", "unsaid", "broken"] {
        let before = dns.asked().len();
        let name = format!("{name}.example");
        let first = txt(&resolver, &name).await;
        assert_eq!(txt(&resolver, &name).await, first);
        times.push((name, dns.asked().len() - before));
    }
    let expected = [("zero", 2), ("huge", 1), ("none", 1), ("nothing", 1), ("unsaid", 2), ("broken", 2)];
    assert_eq!(times, expected.map(|(name, n)| (format!("{name}.example"), n)));
    // Within one message the answer is one, whatever its TTL.
    let (before, message) = (dns.asked().len(), inquiry(&resolver));
    assert_eq!(message.txt("zero.example").await, message.txt("zero.example").await);
    assert_eq!((dns.asked().len() - before, message.spent().questions), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_room_for_no_answer_every_message_asks_anew_and_once() {
    let dns =
        Dns::answering(|question| answers(vec![rr(&question.name, TXT, 3600, text(b"truth"))])).unwrap();
    let settings =
        Settings { servers: vec![dns.address()], timeout: Duration::from_secs(60), attempts: 2, cache: 0 };
    let resolver = Arc::new(Resolver::new(&settings, Arc::new(Metrics::new())));
    for asked in 1..=3 {
        let message = inquiry(&resolver);
        assert_eq!(message.txt("x.example").await, Ok(vec![b"truth".to_vec()]));
        assert_eq!(message.txt("x.example").await, Ok(vec![b"truth".to_vec()]));
        assert_eq!(dns.asked().len(), asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_at_the_same_time_are_asked_once() {
    let dns = Dns::answering(|_| {
        std::thread::sleep(Duration::from_millis(100));
        truth()
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    let all = join_all((0..200).map(|_| txt(&resolver, "X.Example"))).await;
    assert!(all.iter().all(|found| *found == Ok(vec![b"truth".to_vec()])));
    assert_eq!(dns.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens_is_known_at_once() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dns = Dns::answering(|_| truth()).unwrap();
    let settings =
        Settings { servers: vec![nobody], timeout: Duration::from_secs(60), attempts: 2, cache: 10 };
    let alone = Arc::new(Resolver::new(&settings, Arc::new(Metrics::new())));
    assert_eq!(txt(&alone, "x.example").await, failed("connection refused"));
    let settings = Settings { servers: vec![nobody, dns.address()], ..settings };
    let both = Arc::new(Resolver::new(&settings, Arc::new(Metrics::new())));
    assert_eq!(txt(&both, "x.example").await, Ok(vec![b"truth".to_vec()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_server_is_asked_where_the_first_is_silent_or_fails() {
    let yes = |question: &Question| answers(vec![rr(&question.name, TXT, 0, text(b"truth"))]);
    for (first, asked_of_the_first) in [(Answer::Silence, 3), (Answer::Fail, 6)] {
        let first = Dns::answering(move |_| first.clone()).unwrap();
        let second = Dns::answering(yes).unwrap();
        let resolver = resolver(&[first.address(), second.address()]);
        for n in 0..6 {
            assert_eq!(txt(&resolver, &format!("x{n}.example")).await, Ok(vec![b"truth".to_vec()]));
        }
        assert_eq!(second.asked().len(), 6);
        // One that is silent three times is left alone for a while; one that answers keeps its place.
        assert_eq!(first.asked().len(), asked_of_the_first);
    }
    let (first, second) = (Dns::answering(yes).unwrap(), Dns::answering(yes).unwrap());
    assert!(txt(&resolver(&[first.address(), second.address()]), "x.example").await.is_ok());
    assert_eq!((first.asked().len(), second.asked().len()), (1, 0), "in their order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_no_longer_than_it_may_and_not_for_more_than_a_few_at_once() {
    let dns = Dns::answering(|_| Answer::Silence).unwrap();
    let settings =
        Settings { servers: vec![dns.address()], timeout: Duration::from_secs(60), attempts: 2, cache: 10 };
    let resolver = Arc::new(Resolver::new(&settings, Arc::new(Metrics::new())));
    let begun = Instant::now();
    let message = Inquiry::new(Arc::clone(&resolver), 90, begun + Duration::from_millis(600));
    let names: Vec<String> = (0..100).map(|n| format!("x{n}.example")).collect();
    let all = join_all(names.iter().map(|name| message.txt(name))).await;
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(all.iter().filter(|found| **found == Err(DnsError::TimedOut)).count(), 90);
    assert_eq!(all.iter().filter(|found| **found == Err(DnsError::TooMany)).count(), 10);
    assert_eq!(dns.asked().len(), 20, "one message does not take all the room");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_for_one_message_is_there_for_the_next() {
    let dns = Dns::answering(|_| {
        std::thread::sleep(Duration::from_millis(150));
        truth()
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    let hasty = Inquiry::new(Arc::clone(&resolver), 10, Instant::now() + Duration::from_millis(20));
    assert_eq!(hasty.txt("x.example").await, Err(DnsError::TimedOut));
    assert_eq!(txt(&resolver, "x.example").await, Ok(vec![b"truth".to_vec()]));
    assert_eq!(dns.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nothing_answers_is_known_and_that_it_does_again_as_well() {
    let silent = Arc::new(AtomicBool::new(true));
    let is_silent = Arc::clone(&silent);
    let dns = Dns::answering(move |_| match is_silent.load(Ordering::Relaxed) {
        true => Answer::Silence,
        false => truth(),
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    assert_eq!(resolver.down(), None, "nothing was tried yet");
    resolver.watch();
    let begun = Instant::now();
    while resolver.down().is_none() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let why = format!("the DNS does not answer (asked {}): no DNS server answered in time", dns.address());
    assert_eq!(resolver.down(), Some(why));
    silent.store(false, Ordering::Relaxed);
    assert!(txt(&resolver, "x.example").await.is_ok());
    assert_eq!(resolver.down(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_domain_is_not_the_whole_dns() {
    let dns = Dns::answering(|question| match question.name.as_str() {
        "" => Answer::NoName,
        _ => Answer::Silence,
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    for n in 0..5 {
        assert_eq!(txt(&resolver, &format!("x{n}.example")).await, Err(DnsError::TimedOut));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(resolver.down(), None);
}
