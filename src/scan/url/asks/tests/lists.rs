//! Asking block lists.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::dns::{Answer, Dns};
use super::*;
use crate::dns::DnsError;
use crate::model::SecretText;

fn listing(lists: &[List]) -> Settings {
    Settings { lists: lists.to_vec(), timeout: Duration::from_secs(10), ..Settings::default() }
}

impl Asking {
    async fn listed(&self, hosts: &[&str], ips: &[&str]) -> Listed {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        self.asks.listed(&hosts, &ips, soon()).await
    }
}

fn on(list: List, name: &str, what: What, code: [u8; 4]) -> Listing {
    Listing { list, name: name.to_owned(), what, code: code.into() }
}

fn not(list: List, name: &str, why: Why) -> NotAsked {
    NotAsked { list: Some(list), name: name.to_owned(), why }
}

/// A server that answers all questions for addresses with this one.
fn always(code: [u8; 4]) -> Dns {
    Dns::answering(move |question| match question.kind {
        1 => Answer::Records(vec![(question.name.clone(), 1, code.to_vec())]),
        _ => Answer::NoName,
    })
    .unwrap()
}

fn names(dns: &Dns) -> Vec<String> {
    let mut names: Vec<_> = dns.asked().into_iter().map(|question| question.name).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn hosts_and_addresses_are_asked_of_each_list_as_it_wants() {
    let dns = Dns::serving(
        "www.evil.example.dbl.spamhaus.org A 127.0.1.4\n\
         evil.example.multi.surbl.org A 127.0.0.72\n\
         7.113.0.9.zen.spamhaus.org A 127.0.0.2\n\
         7.113.0.9.zen.spamhaus.org A 127.0.0.9\n\
         8.113.0.9.zen.spamhaus.org A 127.0.0.11",
    )
    .unwrap();
    let asking = asking(listing(&List::ALL), dns, Guard::strict());
    let listed = asking
        .listed(&["www.evil.example", "evil.example", "honest.example"], &["9.0.113.7", "9.0.113.8"])
        .await;
    let expected = vec![
        on(List::Dbl, "www.evil.example", What::Phishing, [127, 0, 1, 4]),
        on(List::Surbl, "evil.example", What::Spam, [127, 0, 0, 72]),
        on(List::Surbl, "evil.example", What::Phishing, [127, 0, 0, 72]),
        on(List::Zen, "9.0.113.7", What::Spam, [127, 0, 0, 2]),
        on(List::Zen, "9.0.113.7", What::Hijacked, [127, 0, 0, 9]),
    ];
    let unlisted = ["honest.example", "evil.example", "9.0.113.7", "9.0.113.8"].map(str::to_owned).into();
    assert_eq!(listed, Listed { listings: expected, unlisted, unasked: vec![] });
    assert_eq!(
        names(&asking.dns),
        [
            "1.0.0.127.zen.spamhaus.org",
            "7.113.0.9.multi.surbl.org",
            "7.113.0.9.multi.uribl.com",
            "7.113.0.9.zen.spamhaus.org",
            "8.113.0.9.multi.surbl.org",
            "8.113.0.9.multi.uribl.com",
            "8.113.0.9.zen.spamhaus.org",
            "evil.example.dbl.spamhaus.org",
            "evil.example.multi.surbl.org",
            "evil.example.multi.uribl.com",
            "honest.example.dbl.spamhaus.org",
            "honest.example.multi.surbl.org",
            "honest.example.multi.uribl.com",
            "invalid.dbl.spamhaus.org",
            "invalid.multi.surbl.org",
            "www.evil.example.dbl.spamhaus.org",
        ]
    );
    assert_eq!(asking.counted("dbl", "listed"), 1);
    assert_eq!(asking.counted("uribl", "not-listed"), 4);
    assert_eq!(asking.asks.health(), Health::Up);
}

#[tokio::test]
async fn a_list_that_does_not_let_us_ask_lists_nothing_is_left_alone_and_told() {
    for (list, code) in [
        (List::Dbl, [127, 255, 255, 254]),
        (List::Dbl, [127, 255, 255, 252]),
        (List::Dbl, [127, 0, 1, 255]),
        (List::Zen, [127, 255, 255, 255]),
        (List::Surbl, [127, 0, 0, 1]),
        (List::Uribl, [127, 0, 0, 1]),
    ] {
        let dns = always(code);
        let asking = asking(listing(&[list]), dns, Guard::strict());
        let (hosts, ips): (&[&str], &[&str]) =
            if list == List::Zen { (&[], &["9.9.9.9"]) } else { (&["evil.example"], &[]) };
        let name = hosts.iter().chain(ips).next().unwrap();
        let forbidden = Listed { unasked: vec![not(list, name, Why::Forbidden)], ..Listed::default() };
        assert_eq!(asking.listed(hosts, ips).await, forbidden);
        assert!(forbidden.unasked[0].why.is_gap());
        let asked = asking.dns.asked().len();
        assert_eq!(asking.listed(hosts, ips).await, forbidden);
        assert_eq!(asking.dns.asked().len(), asked, "it is not asked again at once");
        let code = Ipv4Addr::from(code);
        let sentence = format!(
            "{} does not let us ask ({code}): let [dns] servers name a resolver of your own, or get a key from its \
             publisher",
            list.name()
        );
        assert_eq!(asking.asks.health(), Health::Degraded(sentence));
        assert_eq!(asking.counted(list.name(), "forbidden"), 2);
        asking.clock.advance(Duration::from_mins(30));
        assert_eq!(asking.asks.health(), Health::Up, "then it is tried again");
    }
}

#[tokio::test]
async fn a_list_that_lists_everything_is_not_believed() {
    for (list, code) in
        [(List::Dbl, [127, 0, 1, 2]), (List::Zen, [127, 0, 0, 2]), (List::Uribl, [127, 0, 0, 2])]
    {
        let asking = asking(listing(&[list]), always(code), Guard::strict());
        let listed = asking.listed(&["a.example", "b.example"], &["9.9.9.9"]).await;
        assert_eq!(listed.listings, []);
        assert!(!listed.unasked.is_empty() && listed.unasked.iter().all(|not| not.why == Why::ListsAll));
        let sentence = format!("{} lists what must never be listed and is not believed", list.name());
        assert_eq!(asking.asks.health(), Health::Degraded(sentence));
    }
}

#[tokio::test]
async fn a_listing_is_not_believed_while_it_cannot_be_checked() {
    let dns =
        Dns::serving("evil.example.dbl.spamhaus.org A 127.0.1.2\ninvalid.dbl.spamhaus.org FAIL").unwrap();
    let asking = asking(listing(&[List::Dbl]), dns, Guard::strict());
    let listed = asking.listed(&["evil.example"], &[]).await;
    assert_eq!(listed.listings, []);
    assert!(matches!(&listed.unasked[0].why, Why::Dns(DnsError::Failed(_))), "{listed:?}");
}

#[tokio::test]
async fn a_resolver_that_sends_all_to_its_own_page_lists_nothing() {
    let dns = always([198, 51, 100, 7]);
    let asking = asking(listing(&[List::Dbl, List::Surbl]), dns, Guard::strict());
    for n in 0..6 {
        let host = format!("a{n}.example");
        assert_eq!(asking.listed(&[&host], &[]).await.listings, []);
    }
    let Health::Degraded(told) = asking.asks.health() else { panic!("it is not well") };
    assert!(
        told.contains("dbl is left alone after 5 failures in a row, the last: the block list answered"),
        "{told}"
    );
    assert_eq!(asking.counted("dbl", "nonsense"), 5);
}

#[tokio::test]
async fn servers_that_fail_are_left_alone_for_a_while_and_no_sentence_holds_the_key() {
    let works = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&works);
    let dns =
        Dns::answering(move |_| if now.load(Ordering::Relaxed) { Answer::NoName } else { Answer::Fail })
            .unwrap();
    let key = SecretText::new("q1w2e3r4t5");
    let settings = Settings { spamhaus_key: Some(key), ..listing(&[List::Dbl]) };
    let asking = asking(settings, dns, Guard::strict());
    let mut told = String::new();
    for n in 0..7 {
        let listed = asking.listed(&[&format!("a{n}.example")], &[]).await;
        assert_eq!((listed.listings.len(), listed.unasked.len()), (0, 1));
        told.push_str(&listed.unasked[0].why.to_string());
        assert_eq!(matches!(listed.unasked[0].why, Why::LeftAlone(_)), n >= 5, "{n} {told}");
    }
    let Health::Degraded(health) = asking.asks.health() else { panic!("it is not well") };
    assert!(!format!("{told}{health}{:?}", asking.asks.settings()).contains("q1w2e3r4t5"), "{told} {health}");
    assert!(names(&asking.dns).iter().all(|name| name.ends_with("q1w2e3r4t5.dbl.dq.spamhaus.net")));
    assert_eq!(asking.metrics.breaker_open.with_label_values(&["dbl"]).get(), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_told() {
    let settings = Settings { spamhaus_key: Some(SecretText::new("a..b")), ..listing(&[List::Zen]) };
    let asking = asking(settings, Dns::empty().unwrap(), Guard::strict());
    let sentence = "zen cannot be asked: spamhaus_key holds what no domain name can";
    assert_eq!(asking.asks.health(), Health::Degraded(sentence.to_owned()));
    let unasked = vec![not(List::Zen, "9.9.9.9", Why::Dns(DnsError::NotAName))];
    assert_eq!(asking.listed(&[], &["9.9.9.9"]).await, Listed { unasked, ..Listed::default() });
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_time_that_there_is() {
    let dns = Dns::answering(|_| Answer::Silence).unwrap();
    let settings = Settings { timeout: Duration::from_millis(200), ..listing(&[List::Surbl]) };
    let asking = asking(settings, dns, Guard::strict());
    let listed = asking.listed(&["evil.example"], &[]).await;
    let unasked = vec![not(List::Surbl, "evil.example", Why::Dns(DnsError::TimedOut))];
    assert_eq!(listed, Listed { unasked, ..Listed::default() });
}

#[tokio::test]
async fn the_budget_goes_to_the_first_and_the_rest_is_told() {
    let dns = Dns::serving("a1.example.multi.surbl.org A 127.0.0.64").unwrap();
    let settings = Settings { questions: 3, ..listing(&[List::Dbl, List::Surbl]) };
    let asking = asking(settings, dns, Guard::strict());
    let listed = asking.listed(&["a0.example", "a1.example", "a2.example"], &[]).await;
    // Two for the first, one for the second.
    let budget = |list, name| not(list, name, Why::Budget);
    assert_eq!(
        listed.unasked,
        [
            budget(List::Surbl, "a1.example"),
            budget(List::Dbl, "a2.example"),
            budget(List::Surbl, "a2.example")
        ]
    );
    assert_eq!(listed.listings, []);
    assert_eq!(asking.counted("surbl", "budget"), 2);
}

#[tokio::test]
async fn what_no_list_can_know_is_not_asked() {
    let dns = always([127, 0, 0, 2]);
    let asking = asking(listing(&List::ALL), dns, Guard::strict());
    let listed =
        asking.listed(&["bit.ly", "docs.google.com", "localhost", "co.uk"], &["10.0.0.1", "::1"]).await;
    let none = |name: &str, why| NotAsked { list: None, name: name.to_owned(), why };
    let unasked = vec![
        none("bit.ly", Why::Shared),
        none("docs.google.com", Why::Shared),
        none("10.0.0.1", Why::NotPublic),
        none("::1", Why::NotPublic),
    ];
    assert!(unasked.iter().all(|not| !not.why.is_gap()));
    assert_eq!(listed, Listed { unasked, ..Listed::default() });
    assert!(asking.dns.asked().is_empty());
}
