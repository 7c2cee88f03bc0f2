//! The feeds as their publishers write them: <MAILWARD_SUITES>/feeds.

use std::fs;
use std::path::Path;

use super::*;
use crate::testing;

const DAY: Day = Day(20_746);

fn format(file: &str) -> Format {
    let (stem, json) = (file.split(['.', '-', '_']).next().unwrap(), file.contains(".json"));
    match (stem, json) {
        ("urlhaus", false) => Format::UrlhausCsv,
        ("urlhaus", true) => Format::UrlhausJson,
        ("threatfox", false) => Format::ThreatfoxCsv,
        ("threatfox", true) => Format::ThreatfoxJson,
        ("phishtank", false) => Format::PhishtankCsv,
        ("phishtank", true) => Format::PhishtankJson,
        ("malwarebazaar", _) => Format::MalwarebazaarCsv,
        ("openphish", _) => Format::Openphish,
        ("drop", _) => Format::SpamhausDrop,
        ("hosts", _) => Format::Hosts,
        ("domains", _) => Format::Domains,
        other => panic!("{other:?} is no file of the suite"),
    }
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).filter(|line| !line.is_empty());
    rows.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn every_file_of_the_suite_gives_its_number_of_rows_and_entries() {
    let Some(suite) = testing::suite("every_file_of_the_suite_gives_its_rows", "feeds") else { return };
    let counts = rows(&suite.join("COUNTS.tsv"));
    assert_eq!(counts.len(), 20);
    for row in counts {
        let [file, rows, usable] = &row[..] else { panic!("{row:?}") };
        let body = fs::read(suite.join(file)).unwrap();
        let fresh = Bench::new(format(file)).take(&body, &TERMS, None).unwrap();
        let tally = fresh.copy.tally();
        // The suite counts neither an address in a list of names nor a name that is there twice.
        let (address, twice) = (u64::from(file.starts_with("hosts")), u64::from(file == "domains.txt"));
        assert_eq!((tally.rows - address - twice).to_string(), *rows, "{file}: {tally:?}");
        assert_eq!(fresh.keys.entries().to_string(), *usable, "{file}: {tally:?}");
        assert_eq!((tally.bad, tally.too_wide), (address, 0), "{file}: {tally:?}");
        let weak = if file.starts_with("threatfox") { 2 } else { 0 };
        assert_eq!(tally.weak_hashes, weak, "{file}: {tally:?}");
        let aside = tally.offline + tally.unverified + tally.unsure + tally.other;
        assert_eq!(tally.taken + aside + tally.bad + tally.too_wide, tally.rows, "{file}: {tally:?}");
    }
}

#[test]
fn every_entry_of_the_suite_is_found_again_with_its_text() {
    let Some(suite) = testing::suite("every_entry_of_the_suite_is_found_again", "feeds") else { return };
    let mut seen = 0;
    for row in rows(&suite.join("COUNTS.tsv")) {
        let body = fs::read(suite.join(&row[0])).unwrap();
        let (entries, _) = read(format(&row[0]), &body).unwrap();
        let (_bench, index) = Bench::of(format(&row[0]), &body);
        for entry in entries {
            let found = asks(&entry, |asked| {
                let found = index.look_up(asked);
                assert_eq!(found.len(), 1, "{}: {entry:?}: {found:?}", row[0]);
                assert_eq!(Some(found[0].kind), agreement(&entry.key, asked), "{}: {entry:?}", row[0]);
                assert!(found[0].confirmed(asked).unwrap().is_some(), "{}: {entry:?}", row[0]);
                found[0].clone()
            });
            assert_eq!(found.entry().unwrap().key, entry.key, "{}", row[0]);
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen}");
}

#[test]
fn every_question_of_the_suite_is_answered_as_decided() {
    let Some(suite) = testing::suite("every_question_of_the_suite_is_answered", "feeds") else { return };
    let questions = rows(&suite.join("LOOKUPS.tsv"));
    assert!(questions.len() > 130, "{}", questions.len());
    for row in questions {
        let [file, kind, query, answer, ..] = &row[..] else { panic!("{row:?}") };
        let body = fs::read(suite.join(file)).unwrap();
        let (_bench, index) = Bench::of(format(file), &body);
        let found = match kind.as_str() {
            "url" => index.look_up(Asked::Link(&Link::parse(query).unwrap())),
            "host" => index.look_up(Asked::Host(&Host::parse(query).unwrap())),
            "ip" => index.look_up(Asked::Ip(query.parse().unwrap())),
            // Hex of another length is no such hash, so that nothing can be asked.
            hash => {
                FileHash::parse(hash, query).map_or_else(Vec::new, |hash| index.look_up(Asked::File(&hash)))
            }
        };
        let first = found.first();
        let strength = first.map(Match::strength);
        match answer.as_str() {
            "hit" => assert!(strength.is_some_and(|s| s != Strength::Near || kind != "url"), "{row:?}"),
            // http and https are one.
            "hit or miss" => assert_eq!(first.map(|f| f.kind), Some(MatchKind::Exact), "{row:?}"),
            // A name that somebody registered stands for all below it, weaker.
            "miss or suffix hit" => assert_eq!(first.map(|f| f.kind), Some(MatchKind::Domain), "{row:?}"),
            "hit, confidence 50" => assert_eq!(first.and_then(|f| f.confidence), Some(50), "{row:?}"),
            "hit, signature Remcos" => {
                assert_eq!(first.unwrap().entry().unwrap().threat, "Remcos", "{row:?}")
            }
            "hit, no signature" => assert_eq!(first.unwrap().entry().unwrap().threat, "", "{row:?}"),
            // What is offline is no entry.
            "miss" | "offline row" | "miss for the host" => assert!(found.is_empty(), "{row:?}: {found:?}"),
            other => panic!("the suite has a new answer {other:?}"),
        }
    }
}

#[test]
fn what_the_publisher_says_of_an_entry_is_kept() {
    let Some(suite) = testing::suite("what_the_publisher_says_of_an_entry_is_kept", "feeds") else { return };
    let body = fs::read(suite.join("urlhaus.csv")).unwrap();
    let (_bench, index) = Bench::of(Format::UrlhausCsv, &body);
    let link = Link::parse("http://192.0.2.15:48123/i").unwrap();
    let found = &index.look_up(Asked::Link(&link))[0];
    assert_eq!((found.added, &*found.feed, found.confidence), (Some(DAY), "test", None));
    let expected = Entry {
        key: Key::Link(link),
        added: Some(DAY),
        confidence: None,
        threat: "malware_download".to_owned(),
        tags: "32-bit,elf,mips,Mozi".to_owned(),
        reference: "https://urlhaus.abuse.ch/url/9899999/".to_owned(),
    };
    assert_eq!(found.entry().unwrap(), expected);
    let json = fs::read(suite.join("urlhaus.json")).unwrap();
    let (entries, _) = read(Format::UrlhausJson, &json).unwrap();
    assert!(entries.contains(&expected));
}

#[test]
fn a_row_below_the_wanted_confidence_is_left_out_and_counted() {
    let Some(suite) = testing::suite("a_row_below_the_wanted_confidence_is_left_out", "feeds") else {
        return;
    };
    for (file, format) in [("threatfox.csv", Format::ThreatfoxCsv), ("threatfox.json", Format::ThreatfoxJson)]
    {
        let body = fs::read(suite.join(file)).unwrap();
        let bench = Bench::new(format);
        let fresh = bench.take(&body, &Terms { min_confidence: 51, ..TERMS }, None).unwrap();
        assert!(fresh.copy.tally().unsure > 0, "{file}");
        let index = bench.index(fresh);
        assert_eq!(of_host(&index, "login-4.panel.test"), [], "{file}");
        assert_eq!(of_host(&index, "c2-panel.example"), [MatchKind::Host], "{file}");
    }
}

#[test]
fn every_broken_body_of_the_suite_is_refused_in_words_and_the_entries_stay() {
    let test = "every_broken_body_of_the_suite_is_refused";
    let Some(suite) = testing::suite(test, "feeds") else { return };
    let cases = [
        ("domains-poison.txt", "domains.txt", "more rows are wrong than right"),
        ("drop-too-wide.txt", "drop.txt", "more rows are wrong than right"),
        ("empty.txt", "urlhaus.csv", "the body is empty"),
        ("html-error-200.html", "urlhaus.csv", "the answer is a web page and no list"),
        ("html-error-200.html", "openphish.txt", "the answer is a web page and no list"),
        ("html-error-200.html", "phishtank.json", "the answer is a web page and no list"),
        ("not-a.zip", "malwarebazaar.csv", "the body is a zip archive, and it cannot be unpacked"),
        ("phishtank-truncated.json", "phishtank.json", "the body is cut off"),
        ("shrunk-to-one.csv", "urlhaus.csv", "the list has shrunk from 28 entries to 1"),
        ("threatfox-error.json", "threatfox.json", "unknown_auth_key"),
        ("threatfox-error.json", "threatfox.csv", "unknown_auth_key"),
        ("urlhaus-comments-only.csv", "urlhaus.csv", "lines of comments and no row"),
        ("urlhaus-truncated.csv", "urlhaus.csv", "the body is cut off"),
    ];
    let files = fs::read_dir(suite.join("broken")).unwrap();
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(cases.iter().any(|(broken, ..)| *broken == name), "{name} is new in the suite");
    }
    for (broken, good, expected) in cases {
        let bench = Bench::new(format(good));
        let before = bench.take(&fs::read(suite.join(good)).unwrap(), &TERMS, None).unwrap();
        let entries = before.keys.entries();
        let body = fs::read(suite.join("broken").join(broken)).unwrap();
        let error = bench.take(&body, &TERMS, Some(entries)).unwrap_err().to_string();
        assert!(error.contains(expected), "{broken} as {good}: {error}");
        let (copy, keys) = bench.folder.load(&bench.source, &bench.keyer).unwrap().unwrap();
        assert_eq!((keys.entries(), copy.fetched()), (entries, at()), "{broken} as {good}");
        let files = fs::read_dir(bench.path()).unwrap().count();
        assert_eq!(files, 1, "{broken} as {good}: something half written is left");
    }
}

/// What is right although the file is of another publisher: `(file, format)`.
const ALSO: [(&str, Format); 6] = [
    // A URL a line is a URL a line, whoever publishes it.
    ("urlhaus.txt", Format::Openphish),
    ("urlhaus.txt", Format::Urls),
    ("openphish.txt", Format::UrlhausCsv),
    ("openphish.txt", Format::Urls),
    // Networks with a comment behind.
    ("drop.txt", Format::Ips),
    // Links without scheme, to front pages.
    ("domains.txt", Format::Urls),
];

#[test]
fn every_file_of_the_suite_is_refused_in_every_other_format() {
    let test = "every_file_of_the_suite_is_refused_in_every_other_format";
    let Some(suite) = testing::suite(test, "feeds") else { return };
    let mut taken = Vec::new();
    for row in rows(&suite.join("COUNTS.tsv")) {
        let body = fs::read(suite.join(&row[0])).unwrap();
        for other in Format::ALL.into_iter().filter(|other| *other != format(&row[0])) {
            if read(other, &body).is_ok() {
                taken.push((row[0].clone(), other));
            }
        }
    }
    let also: Vec<_> = ALSO.iter().map(|(file, format)| ((*file).to_owned(), *format)).collect();
    assert_eq!(taken, also);
}

#[test]
fn rows_that_would_match_everything_are_named() {
    let Some(suite) = testing::suite("rows_that_would_match_everything_are_named", "feeds") else { return };
    let mut body = fs::read(suite.join("domains.txt")).unwrap();
    body.push(b'\n');
    body.extend(fs::read(suite.join("broken/domains-poison.txt")).unwrap());
    let (_bench, index) = Bench::of(Format::Domains, &body);
    for host in ["a.com", "x.co.uk", "localhost", "other.test"] {
        assert_eq!(of_host(&index, host), [], "{host}");
    }
    let (_, tally) = read(Format::Domains, &body).unwrap();
    assert_eq!((tally.taken, tally.too_wide, tally.bad), (28, 3, 2), "{tally:?}");
    let complaint = tally.complaint().unwrap();
    assert!(complaint.contains("\"com\" is a name without dot"), "{complaint}");
    assert!(complaint.contains("\"co.uk\" is a public suffix"), "{complaint}");
}
