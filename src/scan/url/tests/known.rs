//! What feeds know.

use proptest::prelude::*;

use super::*;
use crate::model::Judgement;

#[test]
fn what_is_listed_counts_by_how_near_it_is_and_by_what_the_feed_is_of() {
    use Category::{Malware, Phish, Suspicious};
    use Severity::{High, Medium};
    let bench = feeds();
    for (link, expected) in [
        ("http://evil.test/a.exe", Some(("FEED_URLHAUS", High, Malware, 6.0))),
        ("https://EVIL.test./a.exe#x", Some(("FEED_URLHAUS", High, Malware, 6.0))),
        ("http://evil.test/a.exe?copy=7", Some(("FEED_URLHAUS", Medium, Malware, 4.0))),
        ("http://old.test/b.exe", Some(("FEED_URLHAUS", Medium, Malware, 4.0))),
        ("http://evil.test/other", None),
        ("https://phish.test/login?x=1", Some(("FEED_PHISH", High, Phish, 6.0))),
        ("https://bad.test/anything", Some(("FEED_MINE", Medium, Suspicious, 4.0))),
        ("https://www.bad.test/", Some(("FEED_MINE", Medium, Suspicious, 3.0))),
        ("https://notbad.test/", None),
    ] {
        let report = bench.look(&Config::default(), &mail(&[link]));
        assert_eq!(told(&report).first().copied(), expected, "{link}");
        let outcome = if expected.is_some() { Outcome::Found } else { Outcome::Clean };
        assert_eq!(
            (report.findings.len(), report.outcome),
            (usize::from(expected.is_some()), outcome),
            "{link}"
        );
    }
}

#[test]
fn a_finding_says_what_where_since_when_and_what_the_publisher_says() {
    let report =
        feeds().look(&Config::default(), &mail(&["http://evil.test/a.exe", "http://old.test/b.exe"]));
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!(
        finding.text,
        "http://evil.test/a.exe is listed by urlhaus (exact, since 2026-11-08, 10 days): malware_download; elf,mirai; \
         it knows one more in this message"
    );
    assert_eq!(finding.location.as_deref(), Some("part 1"));
}

#[test]
fn many_links_of_one_feed_are_one_finding_and_further_feeds_add_little() {
    let bench = feeds();
    let many: Vec<String> = (0..300).map(|n| format!("https://bad.test/{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let report = bench.look(&Config::default(), &mail(&many));
    assert_eq!(told(&report), [("FEED_MINE", Severity::Medium, Category::Suspicious, 4.0)]);
    let report = bench.look(&Config::default(), &mail(&["https://both.test/"]));
    let expected = [
        ("FEED_PHISH", Severity::High, Category::Phish, 6.0),
        ("FEED_MINE", Severity::Medium, Category::Suspicious, 1.0),
    ];
    assert_eq!(told(&report), expected);
}

#[test]
fn a_file_that_a_feed_of_malware_has_is_proof() {
    // SHA-256 of "hello".
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let row = format!(
        "\"2026-11-01 00:00:00\", \"{hash}\", \"5d41402abc4b2a76b9719d911017c592\", \"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\", \"x\", \"a.exe\", \"exe\", \"application/x-dosexec\", \"Mirai\", \"n/a\", \"n/a\", \"n/a\", \"n/a\", \"n/a\"\n"
    );
    let bench = Bench::new(&[("bazaar", Format::MalwarebazaarCsv, &row)]);
    let raw = b"Content-Type: application/octet-stream; name=a.exe\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n";
    let report = bench.look(&Config::default(), raw);
    assert_eq!(told(&report), [("FEED_BAZAAR", Severity::Critical, Category::Malware, 10.0)]);
    assert_eq!(report.findings[0].location.as_deref(), Some("a.exe"));
    assert_eq!(report.urls.unwrap().files, [hash]);
}

#[test]
fn without_a_feed_links_are_shown_and_nothing_is_claimed_of_them() {
    let bench = Bench::new(&[]);
    let urls = bench.urls(&mail(&["https://any.test/"]));
    assert_eq!(urls.iter().map(|u| u.judgement).collect::<Vec<_>>(), [Judgement::NotLookedUp]);
    let known = Known::Still(Arc::clone(&bench.index));
    assert!(known.is_empty());
    let settings = Settings::new(&Config::default(), BTreeMap::new());
    let urls = Urls::new(settings, known, Clock::system(), Arc::new(Metrics::new()));
    assert_eq!(urls.version(), NO_FEED);
}

#[test]
fn an_exempt_domain_and_what_is_below_it_is_not_looked_up() {
    let config = Config { exempt: vec!["Bad.test.".to_owned()], ..Config::default() };
    assert_eq!(config.faults(), Vec::<String>::new());
    let links = ["https://bad.test/", "https://www.bad.test/", "http://evil.test/a.exe"];
    let report = feeds().look(&config, &mail(&links));
    assert_eq!(told(&report), [("FEED_URLHAUS", Severity::High, Category::Malware, 6.0)]);
    let judged: Vec<_> = report.urls.unwrap().shown(9).0.iter().map(|u| u.judgement).collect();
    assert_eq!(judged, [Judgement::Exempt, Judgement::Exempt, Judgement::Malware]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_link_is_known_exactly_if_it_is_listed_wherever_it_stands(
        listed in proptest::collection::btree_set(0_u8..30, 1..10),
        sent in proptest::collection::btree_set(0_u8..30, 0..20),
        as_page in any::<bool>(),
    ) {
        let url = |n: &u8| format!("https://host{}.test/path/{n}", n % 5);
        let body: String = listed.iter().map(|n| format!("{}\n", url(n))).collect();
        let bench = Bench::new(&[("phish", Format::Openphish, &body)]);
        let (kind, shape) = if as_page { ("html", ["<a href='", "'>x</a>\n"]) } else { ("plain", ["", "\n"]) };
        let text: String = sent.iter().map(|n| format!("{}{}{}", shape[0], url(n), shape[1])).collect();
        let report = bench.look(
            &Config::default(),
            format!("Content-Type: text/{kind}\n\n{text}").as_bytes(),
        );
        let known: BTreeMap<String, Judgement> =
            report.urls.unwrap().shown(99).0.into_iter().map(|u| (u.url, u.judgement)).collect();
        let expected = sent.iter().map(|n| {
            (url(n), if listed.contains(n) { Judgement::Phish } else { Judgement::Unknown })
        });
        prop_assert_eq!(known, expected.collect::<BTreeMap<_, _>>());
        prop_assert_eq!(report.findings.len(), usize::from(listed.intersection(&sent).next().is_some()));
    }
}
