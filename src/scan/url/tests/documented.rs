//! `docs/findings-links.md` says of feeds and block lists what the code does, and that keeps to what the policy
//! makes of it.

use std::net::Ipv4Addr;

use super::*;
use crate::feed::MatchKind;
use crate::mail::links;
use crate::policy::Thresholds;
use crate::scan::url::asks::{List, What};
use crate::scan::url::{Weights, weigh};

const DOCS: &str = include_str!("../../../../docs/findings-links.md");

/// The cells of the rows of a section's tables, without heads.
fn rows(section: &str) -> Vec<Vec<String>> {
    let (_, rest) = DOCS.split_once(&format!("\n## {section}\n")).unwrap();
    let cells = |line: &str| {
        let cells = line.strip_prefix("| `")?.trim_end_matches('|').split('|');
        Some(cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
    };
    rest.lines().take_while(|line| !line.starts_with("## ")).filter_map(cells).collect()
}

fn what(label: &str) -> What {
    use What::{Abused, Botnet, Cracked, Doubtful, Hijacked, Malware, Phishing, Spam};
    let all = [Spam, Phishing, Malware, Botnet, Hijacked, Cracked, Abused, Doubtful];
    all.into_iter().find(|what| what.label() == label).unwrap()
}

fn labels(whats: &[(What, Ipv4Addr)]) -> String {
    let labels: Vec<&str> = whats.iter().map(|(what, _)| what.label()).collect();
    if labels.is_empty() { "nothing".to_owned() } else { labels.join(", ") }
}

/// The points of a key of `[scanner.urls.weight]`.
fn points(key: &str) -> f64 {
    serde_json::to_value(Weights::default()).unwrap()[key].as_f64().unwrap()
}

#[test]
fn what_a_listing_is_worth_is_documented() {
    let rows = rows("Block lists");
    let worth: Vec<_> = rows.iter().filter(|row| row.len() == 6).collect();
    for row in &worth {
        let [listed_for, severity, kind, score, key, _] = row.as_slice() else { panic!("{row:?}") };
        let whats: Vec<What> = listed_for.split(", ").map(what).collect();
        let (is, category, points_of) = weigh::listing(&whats, &Weights::default());
        let made = (is.to_string(), category.to_string(), format!("{:?}", points_of.value()));
        assert_eq!((severity, kind, score), (&made.0, &made.1, &made.2), "{listed_for}");
        assert_eq!(points_of.value(), points(key), "{listed_for}");
        // Nothing is refused; what is held is phishing or malware; low marks nothing by itself.
        let policy = Thresholds::default();
        assert!(is < Severity::Critical && points_of.value() < policy.reject, "{listed_for}");
        assert_eq!(
            is == Severity::High,
            category >= Category::Phish && !listed_for.contains(','),
            "{listed_for}"
        );
        assert_eq!(is >= Severity::Medium, points_of.value() >= policy.tag, "{listed_for}");
    }
    assert_eq!(worth.len(), 11);
}

#[test]
fn where_links_are_found_is_documented() {
    let link = crate::link::Link::parse("https://a.example/").unwrap();
    let one = |source: &links::Source| {
        let found = links::Found {
            link: link.clone(),
            place: links::Place::Part(0),
            source: *source,
            shown: String::new(),
            written: String::new(),
        };
        let opened = if signs::is_opened(&found) { "yes" } else { "no" };
        (source.label().to_owned(), opened.to_owned())
    };
    let told = |row: &Vec<String>| (row[0].clone(), row[2].clone());
    let rows: BTreeMap<String, String> = rows("Where links are found").iter().map(told).collect();
    assert_eq!(rows, links::Source::ALL.iter().map(one).collect());
}

#[test]
fn what_each_answer_means_is_documented() {
    let mut told = BTreeMap::new();
    for row in rows("Block lists").iter().filter(|row| row.len() == 3) {
        let [list, answers, means] = row.as_slice() else { panic!("{row:?}") };
        let list = List::ALL.into_iter().find(|known| known.name() == list).unwrap();
        for span in answers.split(" (").next().unwrap().split(", ") {
            let (first, last) = span.split_once(" to ").unwrap_or((span, span));
            let [first, last] = [first, last].map(|code| u32::from(code.parse::<Ipv4Addr>().unwrap()));
            told.extend((first..=last).map(|code| ((list, Ipv4Addr::from(code)), means.clone())));
        }
    }
    for ((list, code), means) in &told {
        assert_eq!(list.listed(*code).map(|whats| labels(&whats)).as_ref(), Some(means), "{list:?} {code}");
    }
    // Of those that add up, each alone.
    for list in List::ALL {
        let third = u8::from(list == List::Dbl);
        let codes = (0..=255_u8).filter(|n| matches!(list, List::Dbl | List::Zen) || n.is_power_of_two());
        for code in codes.map(|n| Ipv4Addr::new(127, 0, third, n)) {
            let is_listed = list.listed(code).is_some_and(|whats| !whats.is_empty());
            assert!(!is_listed || told.contains_key(&(list, code)), "{list:?} {code} is not documented");
        }
    }
}

#[test]
fn what_a_match_in_a_feed_is_worth_is_documented() {
    let cases = [
        ("same", MatchKind::Exact, Category::Malware, "high"),
        ("close", MatchKind::Exact, Category::Suspicious, "medium"),
        ("file", MatchKind::File, Category::Malware, "critical"),
        ("file", MatchKind::File, Category::Phish, "high"),
    ];
    let rows = rows("Feeds");
    let told: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str(), row[2].clone())).collect();
    let made =
        [("same", "high"), ("close", "medium"), ("near", "medium"), ("file", "critical"), ("file", "high")];
    let made = made.map(|(key, severity)| (key, severity, format!("{:?}", points(key))));
    assert_eq!(told, made);
    for (key, kind, category, severity) in cases {
        let weighed = weigh::weigh(kind, kind.strength(), category, &Weights::default());
        assert_eq!((weighed.0.to_string().as_str(), weighed.1.value()), (severity, points(key)), "{kind:?}");
    }
}

#[test]
fn however_many_publishers_know_a_link_that_alone_refuses_nothing() {
    let others = (1..20).map(|n| format!("list{n}"));
    let names: Vec<String> = std::iter::once("phish".to_owned()).chain(others).collect();
    let lists: Vec<_> =
        names.iter().map(|name| (name.as_str(), Format::Openphish, "https://bad.test/\n")).collect();
    let report = Bench::new(&lists).look(&Config::default(), &mail(&["https://bad.test/"]));
    let points: f64 = report.findings.iter().map(|finding| finding.score.value()).sum();
    assert_eq!((report.findings.len(), points), (20, 9.0));
    assert!(points < Thresholds::default().reject);
}
