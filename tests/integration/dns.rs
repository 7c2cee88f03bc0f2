//! DNS servers that do not do as they should: each has a result, in bounded time, and changes nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mailward::dns::{DnsError, Inquiry, Resolver, Settings};
use mailward::telemetry::Metrics;

use super::mta::Dns;
use super::mta::dns::{Answer, Question, Record, Reply, text, wire};

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const PTR: u16 = 12;
pub(super) const TXT: u16 = 16;

/// Short, so that what never comes is soon over.
const TIMEOUT: Duration = Duration::from_millis(250);
/// More than any answer here takes, on a machine that does much besides.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn resolver(servers: &[SocketAddr]) -> Arc<Resolver> {
    let settings = Settings { servers: servers.to_vec(), timeout: TIMEOUT, attempts: 2, cache: 1000 };
    Arc::new(Resolver::new(&settings, Arc::new(Metrics::new())))
}

pub(super) fn inquiry(resolver: &Arc<Resolver>) -> Inquiry {
    Inquiry::new(Arc::clone(resolver), 100, Instant::now() + PATIENCE)
}

pub(super) type Texts = Result<Vec<Vec<u8>>, DnsError>;

/// What one message is told.
pub(super) async fn txt(resolver: &Arc<Resolver>, name: &str) -> Texts {
    inquiry(resolver).txt(name).await
}

pub(super) fn failed(what: &str) -> Texts {
    Err(DnsError::Failed(what.to_owned()))
}

pub(super) fn rr(name: &str, kind: u16, ttl: u32, rdata: Vec<u8>) -> Record {
    (name.to_owned(), kind, ttl, rdata)
}

pub(super) fn answers(answers: Vec<Record>) -> Answer {
    Answer::Reply(Reply { answers, ..Reply::default() })
}

pub(super) fn truth() -> Answer {
    Answer::Records(vec![("x.example".to_owned(), TXT, text(b"truth"))])
}

/// Flags and counts of an answer of one question and 65535 records.
const HEAD: [u8; 10] = [0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0];
const TOO_LONG: &str = "the aliases go round, or on for too long";

/// So many aliases from `x.example`, and the truth behind the last.
fn aliases(count: usize) -> Answer {
    let name = |n: usize| if n == 0 { "x.example".to_owned() } else { format!("{n}.example") };
    let mut chain: Vec<Record> = (0..count).map(|n| rr(&name(n), CNAME, 60, wire(&name(n + 1)))).collect();
    chain.push(rr(&name(count), TXT, 60, text(b"truth")));
    answers(chain)
}

/// What came, and how often was asked over UDP and over TCP.
type Came = (Texts, usize, usize);

/// Asked about `x.example TXT`, this server answers this over UDP and that over TCP. What came, and how often
/// it was asked over each.
async fn case(udp: Answer, tcp: Answer) -> Came {
    let handler = move |question: &Question| if question.over_tcp { tcp.clone() } else { udp.clone() };
    let dns = Dns::answering(handler).unwrap();
    let found = txt(&resolver(&[dns.address()]), "x.example").await;
    let over_tcp = dns.asked().iter().filter(|question| question.over_tcp).count();
    (found, dns.asked().len() - over_tcp, over_tcp)
}

/// What a case is called, what is answered over UDP and over TCP, and what comes of it.
type Case = (&'static str, Answer, Answer, Came);

async fn each(cases: Vec<Case>) {
    let begun = Instant::now();
    let ran = join_all(
        cases
            .into_iter()
            .map(|(what, udp, tcp, expected)| async move { (what, case(udp, tcp).await, expected) }),
    );
    for (what, came, expected) in ran.await {
        assert_eq!(came, expected, "{what}");
    }
    // Each has two times 250 ms at the most, and they ran at once.
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_answer_badly_has_its_result() {
    let silence = || Answer::Silence;
    let refused = || Answer::Reply(Reply { code: 5, ..Reply::default() });
    let instead = || Reply { instead: Some("y.example".into()), ..Reply::default() };
    let lame = || Reply { authorities: vec![rr("", NS, 60, wire("a.root.example"))], ..Reply::default() };
    let yes = || Ok(vec![b"truth".to_vec()]);
    let cases: Vec<Case> = vec![
        ("well", truth(), silence(), (yes(), 1, 0)),
        // An error is an answer: the same server would say the same again.
        ("SERVFAIL", Answer::Fail, silence(), (failed("the answer is SERVFAIL"), 1, 0)),
        ("REFUSED", refused(), silence(), (failed("the answer is REFUSED"), 1, 0)),
        ("silence", silence(), silence(), (Err(DnsError::TimedOut), 2, 0)),
        ("TC", Answer::Truncated, truth(), (yes(), 1, 1)),
        (
            "TC over TCP too",
            Answer::Truncated,
            Answer::Truncated,
            (failed("the answer is cut short over TCP as well"), 2, 2),
        ),
        (
            "TCP closes",
            Answer::Truncated,
            Answer::Closed,
            (failed("the connection was closed without an answer"), 2, 2),
        ),
        ("TCP trickles", Answer::Truncated, Answer::Trickle(truth().into()), (Err(DnsError::TimedOut), 2, 2)),
        ("announced", Answer::Truncated, Answer::Announced(65535, 9), (Err(DnsError::TimedOut), 2, 2)),
        (
            "other id over TCP",
            Answer::Truncated,
            Answer::OtherId(truth().into()),
            (failed("another question was answered"), 2, 2),
        ),
        ("other id", Answer::OtherId(truth().into()), silence(), (Err(DnsError::TimedOut), 2, 0)),
        ("somebody guesses", Answer::Strays(5, truth().into()), silence(), (yes(), 1, 0)),
        ("somebody guesses much", Answer::Strays(50, Answer::Fail.into()), truth(), (yes(), 1, 1)),
        ("other question", Answer::Reply(instead()), silence(), (Err(DnsError::TimedOut), 2, 0)),
        ("garbage", Answer::Raw(vec![0xff; 40]), truth(), (yes(), 1, 1)),
        (
            "garbage over TCP too",
            Answer::Raw(vec![0xff; 40]),
            Answer::Raw(vec![0xff; 40]),
            (failed("the answer cannot be read"), 2, 2),
        ),
        ("a few bytes", Answer::Raw(vec![0x80]), silence(), (Err(DnsError::TimedOut), 2, 0)),
        (
            "about another name",
            answers(vec![rr("y.example", TXT, 60, text(b"lie"))]),
            silence(),
            (Err(DnsError::NoRecords), 1, 0),
        ),
        (
            "of another type",
            answers(vec![rr("x.example", A, 60, vec![192, 0, 2, 1])]),
            silence(),
            (Err(DnsError::NoRecords), 1, 0),
        ),
        ("nothing", answers(vec![]), silence(), (Err(DnsError::NoRecords), 1, 0)),
        (
            "lame",
            Answer::Reply(lame()),
            silence(),
            (failed("the answer refers to others; this server looks up nothing for us"), 1, 0),
        ),
        ("no name", Answer::NoName, silence(), (Err(DnsError::NoName), 1, 0)),
        (
            "no name behind an alias",
            Answer::Reply(Reply {
                code: 3,
                answers: vec![rr("x.example", CNAME, 60, wire("y.example"))],
                ..Reply::default()
            }),
            silence(),
            (Err(DnsError::NoName), 1, 0),
        ),
        (
            "an alias of itself",
            answers(vec![rr("x.example", CNAME, 60, wire("x.example"))]),
            silence(),
            (failed(TOO_LONG), 1, 0),
        ),
    ];
    each(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_has_no_end_is_a_failure() {
    let silence = || Answer::Silence;
    each(vec![
        (
            "a name that is a pointer to itself",
            Answer::Raw([&HEAD[..], &[0xc0, 12, 0, 16, 0, 1]].concat()),
            Answer::Raw([&HEAD[..], &[0xc0, 12, 0, 16, 0, 1]].concat()),
            (failed("the answer cannot be read"), 2, 2),
        ),
        (
            "pointers that go round",
            Answer::Truncated,
            Answer::Raw([&HEAD[..], &wire("x.example"), &[0, 16, 0, 1, 0xc0, 29, 0xc0, 27]].concat()),
            (failed("the answer cannot be read"), 2, 2),
        ),
        (
            "more records announced than there are",
            Answer::Truncated,
            Answer::Raw([&HEAD[..], &wire("x.example"), &[0, 16, 0, 1]].concat()),
            (failed("the answer cannot be read"), 2, 2),
        ),
        (
            "a text of no string",
            answers(vec![rr("x.example", TXT, 60, vec![])]),
            answers(vec![rr("x.example", TXT, 60, vec![])]),
            (failed("the answer cannot be read"), 2, 2),
        ),
        (
            "an update instead of an answer",
            Answer::Raw(
                [&[0xa9, 0x80, 0, 1, 0, 0, 0, 0, 0, 0], &*wire("x.example"), &[0, 16, 0, 1]].concat(),
            ),
            silence(),
            (Err(DnsError::TimedOut), 2, 0),
        ),
        ("a thousand aliases", Answer::Truncated, aliases(1000), (failed(TOO_LONG), 1, 1)),
        ("as many as may be", aliases(16), silence(), (Ok(vec![b"truth".to_vec()]), 1, 0)),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_edns_is_asked_without_it() {
    let first = AtomicBool::new(true);
    let dns = Dns::answering(move |_| match first.swap(false, Ordering::Relaxed) {
        true => Answer::Reply(Reply { code: 1, ..Reply::default() }),
        false => truth(),
    });
    let dns = dns.unwrap();
    assert_eq!(txt(&resolver(&[dns.address()]), "x.example").await, Ok(vec![b"truth".to_vec()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_the_server_does_not_follow_is_followed_and_a_loop_ends() {
    let dns = Dns::answering(|question| {
        let step: usize =
            question.name.trim_end_matches(".example").trim_start_matches('x').parse().unwrap_or(0);
        let next = if question.name.starts_with("round") {
            "round.example".into()
        } else {
            format!("x{}.example", step + 1)
        };
        match step {
            5 => answers(vec![rr("x5.example", TXT, 60, text(b"truth"))]),
            _ => answers(vec![rr(&question.name, CNAME, 60, wire(&next))]),
        }
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    assert_eq!(txt(&resolver, "x0.example").await, Ok(vec![b"truth".to_vec()]));
    assert_eq!(dns.asked().len(), 6);
    let round = failed(TOO_LONG);
    assert_eq!(txt(&resolver, "round.example").await, round);
    assert_eq!(txt(&resolver, "x6.example").await, round, "it goes on for ever");
    assert!(dns.asked().len() < 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_adds_is_not_believed_and_not_kept() {
    let dns = Dns::answering(|question| {
        let poison = || rr("victim.example", TXT, 3600, text(b"lie"));
        match question.name.as_str() {
            "evil.example" => Answer::Reply(Reply {
                answers: vec![rr("evil.example", TXT, 60, text(b"evil")), poison()],
                authorities: vec![poison()],
                additionals: vec![poison(), rr("evil.example", TXT, 60, text(b"more"))],
                ..Reply::default()
            }),
            // An alias, and for its target a lie of the same server: that is the server's word for its own name.
            "alias.example" => answers(vec![
                rr("alias.example", CNAME, 60, wire("victim.example")),
                rr("victim.example", TXT, 60, text(b"lie")),
            ]),
            _ => answers(vec![rr("victim.example", TXT, 60, text(b"truth"))]),
        }
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    assert_eq!(txt(&resolver, "evil.example").await, Ok(vec![b"evil".to_vec()]));
    assert_eq!(txt(&resolver, "alias.example").await, Ok(vec![b"lie".to_vec()]));
    assert_eq!(txt(&resolver, "victim.example").await, Ok(vec![b"truth".to_vec()]));
    assert_eq!(inquiry(&resolver).a("victim.example").await, Err(DnsError::NoRecords));
    assert_eq!(dns.asked().len(), 4, "each was asked: {:?}", dns.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_odd_bytes_cannot_break_a_line_and_are_not_asked() {
    let odd = [&[8_u8][..], b"A b\r\n.;\xff", &[7], b"example", &[0]].concat();
    let longest =
        [&[63_u8][..], &[0xff; 63], &[63], &[1; 63], &[63], &[b' '; 63], &[61], &[b'"'; 61], &[0]].concat();
    assert_eq!(longest.len(), 255);
    let dns = Dns::answering(move |question| {
        answers([&odd, &longest].map(|name| rr(&question.name, PTR, 60, name.clone())).to_vec())
    });
    let dns = dns.unwrap();
    let ask = inquiry(&resolver(&[dns.address()]));
    let names = ask.ptr([192, 0, 2, 7].into()).await.unwrap();
    assert_eq!(names.len(), 2);
    for name in names {
        assert!(name.bytes().all(|b| b.is_ascii_graphic()) && name.len() < 1100, "{name}");
        assert_eq!(ask.a(&name).await, Err(DnsError::NotAName));
    }
    assert_eq!(dns.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_replies_end_every_question() {
    let (seed, count) = (AtomicUsize::new(1), 300);
    let noise = move |length: usize| {
        let mut state = seed.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..length).map(|_| next()).collect::<Vec<u8>>()
    };
    let dns = Dns::answering(move |question| {
        let mut bytes = noise(2 + question.name.len() * 7);
        // Half of them are answers as far as the header and the question go.
        if bytes[0] & 1 == 1 {
            let mut whole = vec![0x81, 0x80, 0, 1, 0, 2, 0, 1, 0, 1];
            whole.extend(wire(&question.name));
            whole.extend([0, 16, 0, 1, 0xc0, 12]);
            whole.append(&mut bytes);
            return Answer::Raw(whole);
        }
        Answer::Raw(bytes)
    });
    let dns = dns.unwrap();
    let resolver = resolver(&[dns.address()]);
    let begun = Instant::now();
    let asked = (0..count).map(|n| {
        let resolver = Arc::clone(&resolver);
        async move { txt(&resolver, &format!("x{n}.{}.example", "y".repeat(n % 50 + 1))).await }
    });
    assert_eq!(join_all(asked).await.len(), count);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}
