//! What records show of links.

use proptest::prelude::*;

use super::*;
use crate::link::Link;
use crate::mail::links;
use crate::model::Judgement;

#[test]
fn each_link_is_shown_with_where_it_stood_and_what_it_was_taken_for() {
    let raw = b"Subject: see https://bad.test/s\nContent-Type: text/html\n\n<a href=http://evil.test/a.exe>My Bank</a> <img src=https://good.test/x.png>";
    let urls = feeds().urls(raw);
    let told: Vec<_> = urls
        .iter()
        .map(|u| (u.url.as_str(), u.source.as_str(), u.shown.as_str(), u.part, u.judgement))
        .collect();
    assert_eq!(
        told,
        [
            ("https://bad.test/s", "subject", "", None, Judgement::Suspicious),
            ("http://evil.test/a.exe", "html:href", "My Bank", Some(1), Judgement::Malware),
            ("https://good.test/x.png", "html:src", "", Some(1), Judgement::Unknown),
        ]
    );
    assert_eq!(
        serde_json::to_value(&urls[1]).unwrap(),
        serde_json::json!({
            "url": "http://evil.test/a.exe", "source": "html:href", "shown": "My Bank", "part": 1,
            "judgement": "malware",
            "listed": [{"feed": "urlhaus", "match": "exact", "added": "2026-11-08", "age_days": 10}],
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_record_has_the_links_that_feeds_know_before_others_in_their_order(
        known in proptest::collection::vec(any::<bool>(), 0..40), most in 0_usize..50
    ) {
        let found = |n: usize| links::Found {
            link: Link::parse(&format!("https://x.test/{n}")).unwrap(),
            place: links::Place::Part(0),
            source: links::Source::Text,
            shown: String::new(),
            written: String::new(),
        };
        let hit = Hit {
            feed: "mine".into(), category: Category::Phish, kind: crate::feed::MatchKind::Exact,
            added: None, confidence: None,
        };
        let hits = known.iter().enumerate().filter(|(_, k)| **k).map(|(at, _)| (at, vec![hit.clone()]));
        let seen = Seen {
            links: (0..known.len()).map(found).collect(), hits: hits.collect(), looked_up: true, ..Seen::default()
        };
        let (shown, left_out) = seen.shown(most);
        prop_assert_eq!(shown.len() + left_out, known.len());
        let wanted = known.iter().filter(|k| **k).count();
        let bad = shown.iter().filter(|u| u.judgement == Judgement::Phish).count();
        prop_assert_eq!(bad, wanted.min(most));
        let number = |u: &SeenUrl| u.url.rsplit('/').next().unwrap().parse::<usize>().unwrap();
        prop_assert!(shown.windows(2).all(|w| number(&w[0]) < number(&w[1])));
    }
}
