//! What the scanner makes of answers from the net.

use super::dns::Dns;
use super::shortener::Shortener;
use super::*;
use crate::model::{Category, Outcome, Severity};
use crate::scan::url::tests::{feeds, input, mail, no_feeds, told};
use crate::scan::url::{Config, Urls};
use crate::scan::{Report, Scan};

/// One message, looked at by a scanner that asks.
async fn look(asks: &Arc<Asks>, config: &Config, links: &[&str]) -> (Report, Health) {
    let urls = feeds().scanner(config).asking(Some(Arc::clone(asks)));
    let report = urls.scan(input(&mail(links)), soon()).await;
    (report, urls.health())
}

fn scanner(settings: Settings, zone: &str, guard: Guard) -> (Arc<Asks>, Dns) {
    let Asking { asks, dns, .. } = asking(settings, Dns::serving(zone).unwrap(), guard);
    (Arc::new(asks), dns)
}

#[tokio::test]
async fn the_target_of_a_short_link_is_looked_up_in_feeds_and_block_lists_and_stands_in_the_record() {
    use Category::{Malware, Phish, Suspicious};
    let server = Shortener::redirecting(&[("/a", "http://evil.test/a.exe")]).await;
    let settings = Settings { lists: vec![List::Dbl], ..unshortening() };
    let zone = "bit.ly A 127.0.0.1\nevil.test.dbl.spamhaus.org A 127.0.1.4";
    let (asks, dns) = scanner(settings, zone, Guard::allowing(server.address));
    let (report, health) = look(&asks, &Config::default(), &["http://bit.ly/a"]).await;
    assert_eq!(
        told(&report),
        [
            ("FEED_URLHAUS", Severity::High, Malware, 6.0),
            ("DNSBL_DBL", Severity::High, Phish, 1.0),
            ("LINK_SHORTENER", Severity::Info, Suspicious, 0.2),
        ]
    );
    assert_eq!(report.findings[1].text, "evil.test is on the block list dbl for phishing (127.0.1.4)");
    assert_eq!(report.findings[0].location, report.findings[1].location);
    assert_eq!((report.outcome, health), (Outcome::Found, Health::Up));
    let shown = report.urls.unwrap().shown(9).0;
    let shown: Vec<_> =
        shown.iter().map(|url| (url.url.as_str(), url.source.as_str(), url.judgement.name())).collect();
    let expected =
        [("http://bit.ly/a", "text", "unknown"), ("http://evil.test/a.exe", "redirect", "malware")];
    assert_eq!(shown, expected);
    assert_eq!(server.asked(), ["HEAD /a HTTP/1.1"]);
    // Of a shared host a list says nothing; what is exempt is nobody's business.
    let names: Vec<_> = dns.asked().into_iter().map(|question| question.name).collect();
    assert!(!names.iter().any(|name| name.starts_with("bit.ly.")), "{names:?}");
    let exempt = Config { exempt: vec!["other.test".to_owned()], ..Config::default() };
    look(&asks, &exempt, &["http://www.other.test/"]).await;
    let names: Vec<_> = dns.asked().into_iter().map(|question| question.name).collect();
    assert!(!names.iter().any(|name| name.contains("other.test")), "{names:?}");
}

#[tokio::test]
async fn who_does_not_answer_or_does_not_let_us_ask_is_a_gap_in_coverage_and_health() {
    let settings = Settings { lists: vec![List::Dbl], ..unshortening() };
    let zone = "bit.ly FAIL\ngood.test.dbl.spamhaus.org A 127.255.255.254";
    let (asks, _dns) = scanner(settings, zone, Guard::strict());
    let (report, health) = look(&asks, &Config::default(), &["http://good.test/", "http://bit.ly/a"]).await;
    let Outcome::Partial { missing, .. } = &report.outcome else { panic!("{report:?}") };
    assert!(missing.contains("1 short link not followed ("), "{missing}");
    assert!(missing.contains("dbl not asked about 1 name (forbidden)"), "{missing}");
    assert!(!report.findings.iter().any(|finding| finding.symbol.starts_with("DNSBL")), "{report:?}");
    let Health::Degraded(sentence) = health else { panic!("a list that refuses is no good health") };
    assert!(sentence.contains("dbl"), "{sentence}");
}

#[tokio::test]
async fn a_link_to_unsubscribe_by_is_left_alone_and_is_no_gap() {
    let server = Shortener::redirecting(&[]).await;
    let (asks, dns) = scanner(unshortening(), "bit.ly A 127.0.0.1", Guard::allowing(server.address));
    let raw = b"From: a@sender.example\nList-Unsubscribe: <http://bit.ly/u>\n\nhttp://bit.ly/u\n";
    let urls: Urls = feeds().scanner(&Config::default()).asking(Some(asks));
    let report = urls.scan(input(raw), soon()).await;
    assert_eq!(report.outcome, Outcome::Found, "{report:?}");
    assert_eq!((server.asked().len(), dns.asked().len()), (0, 0));
}

#[tokio::test]
async fn the_record_says_what_block_lists_have_and_that_they_have_nothing() {
    let settings = Settings { lists: vec![List::Dbl, List::Surbl, List::Zen], ..Settings::default() };
    let zone = "www.evil.test.dbl.spamhaus.org A 127.0.1.104\n\
                evil.test.multi.surbl.org A 127.0.0.72\n\
                both.test.dbl.spamhaus.org A 127.0.1.2\n\
                down.test.dbl.spamhaus.org FAIL\n\
                down.test.multi.surbl.org FAIL\n\
                7.113.0.9.zen.spamhaus.org A 127.0.0.9\n\
                google.com.dbl.spamhaus.org A 127.0.1.2";
    let (asks, _dns) = scanner(settings, zone, Guard::strict());
    let config = Config { exempt: vec!["our.evil.test".to_owned()], ..Config::default() };
    let links = [
        "http://www.evil.test/x",
        "http://our.evil.test/",
        "https://both.test/",
        "http://0x9.0.113.7/",
        "http://honest.test/",
        "http://down.test/",
        "https://google.com/",
        "https://docs.google.com/document/d/1",
    ];
    let expected = |unknown: &'static str| {
        [
            ("phish", "dbl dnsbl phishing, cracked; surbl dnsbl spam, phishing"),
            ("exempt", ""),
            ("spam", "dbl dnsbl spam"),
            ("suspicious", "zen dnsbl hijacked"),
            ("unknown", ""),
            (unknown, ""),
            ("spam", "dbl dnsbl spam"),
            (unknown, ""),
        ]
        .map(|(judgement, listed)| (judgement.to_owned(), listed.to_owned()))
    };
    let seen = |report: Report| {
        let one = |url: &crate::model::SeenUrl| {
            let listed = url.listed.iter().map(|l| [&*l.feed, &*l.kind, l.what.as_deref().unwrap_or("-")]);
            let listed: Vec<String> = listed.map(|words| words.join(" ")).collect();
            (url.judgement.name().to_owned(), listed.join("; "))
        };
        report.urls.unwrap().shown(99).0.iter().map(one).collect::<Vec<_>>()
    };
    // Nobody but the lists was asked: who is not known to have been answered for is not looked up.
    let alone = no_feeds().scanner(&config).asking(Some(Arc::clone(&asks)));
    assert_eq!(seen(alone.scan(input(&mail(&links)), soon()).await), expected("not-looked-up"));
    // What a feed knows stands first.
    let (report, _) = look(&asks, &config, &links).await;
    let mut with_feeds = expected("unknown");
    with_feeds[2] = ("phish".to_owned(), "phish exact -; mine host -; dbl dnsbl spam".to_owned());
    assert_eq!(seen(report), with_feeds);
    // What somebody knows is never cut off.
    let (report, _) = look(&asks, &config, &["http://honest.test/", "http://www.evil.test/x"]).await;
    let (shown, left_out) = report.urls.unwrap().shown(1);
    assert_eq!((shown[0].url.as_str(), left_out), ("http://www.evil.test/x", 1));
}

#[tokio::test]
async fn the_target_of_a_short_link_has_the_signs_of_an_address_once_for_the_message() {
    let server = Shortener::redirecting(&[
        ("/ip", "http://8.8.8.8/x"),
        ("/odd", "http://0x08080808/x"),
        ("/user", "https://www.paypal.com@evil.test/"),
        ("/like", "https://login.paypa1.com/"),
        ("/free", "https://any.github.io/"),
        ("/good", "https://www.good.test/"),
    ])
    .await;
    let (asks, _dns) = scanner(unshortening(), "bit.ly A 127.0.0.1", Guard::allowing(server.address));
    let config = Config { protected: vec!["paypal.com".to_owned()], ..Config::default() };
    for (path, symbol, what) in [
        ("ip", "LINK_IP", ": 8.8.8.8"),
        ("odd", "LINK_IP_DISGUISED", ": 8.8.8.8"),
        ("user", "LINK_USERINFO", ": paypal.com leads to evil.test"),
        ("like", "LOOKALIKE_GLYPHS", ": paypa1.com, like paypal.com"),
        ("free", "LINK_FREE_HOST", ": any.github.io"),
        ("good", "", ""),
    ] {
        let (report, _) = look(&asks, &config, &[&format!("http://bit.ly/{path}")]).await;
        let told: Vec<_> = report.findings.iter().filter(|f| f.symbol != "LINK_SHORTENER").collect();
        let symbols: Vec<_> = told.iter().map(|finding| finding.symbol.as_str()).collect();
        assert_eq!(symbols, [symbol].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>(), "{path}");
        assert!(told.iter().all(|finding| finding.text.ends_with(what)), "{told:?}");
        assert_eq!(report.findings.iter().filter(|f| f.symbol == "LINK_SHORTENER").count(), 1, "{path}");
    }
    let links = ["http://bit.ly/like", "https://www.paypa1.com/", "http://bit.ly/ip", "http://9.9.9.9/"];
    let (report, _) = look(&asks, &config, &links).await;
    let told = told(&report);
    let count = |symbol: &str| told.iter().filter(|(told, ..)| *told == symbol).count();
    assert_eq!(["LOOKALIKE_GLYPHS", "LINK_IP", "LINK_SHORTENER"].map(count), [1, 1, 1], "{told:?}");
}
