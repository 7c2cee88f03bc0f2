//! Bodies of feeds, each in its format, plain and packed.

use std::io::{Cursor, Write as _};

use mailward::feed::format::{Limits, Reading, read};
use mailward::feed::{Fetched, Folder, Format, Keyer, Source, Terms, Validators, take_in};
use mailward::model::Timestamp;

use super::corpus;
use super::effort;
use super::mutation::Campaign;

const FORMATS: [Format; 13] = [
    Format::UrlhausCsv,
    Format::UrlhausJson,
    Format::Openphish,
    Format::PhishtankCsv,
    Format::PhishtankJson,
    Format::ThreatfoxCsv,
    Format::ThreatfoxJson,
    Format::MalwarebazaarCsv,
    Format::SpamhausDrop,
    Format::Domains,
    Format::Urls,
    Format::Ips,
    Format::Hosts,
];

const OWN: [&str; 5] = [
    "# a comment\nhttp://evil.test/a?b\nevil.test\n192.0.2.0/24\n127.0.0.1 evil.test # x\n",
    "{\"cidr\":\"192.0.2.0/24\",\"sblid\":\"SBL1\",\"rir\":\"x\"}\n{\"type\":\"metadata\",\"timestamp\":1,\"records\":1}\n",
    "[{\"phish_id\":1,\"url\":\"http://evil.test/\",\"verified\":\"yes\",\"online\":\"yes\",\"target\":\"a\",\"submission_time\":\"2026-10-20T01:02:03+00:00\"}]",
    "{\"1\":[{\"dateadded\":\"2026-10-20 01:02:03 UTC\",\"url\":\"http://evil.test/a\",\"url_status\":\"online\",\"threat\":\"x\",\"tags\":[\"a\"]}]}",
    "# id,dateadded,url\n\"1\",\"2026-10-20 01:02:03\",\"http://evil.test/a\",\"online\",\"2026-10-20\",\"malware\",\"elf,x\",\"https://r\",\"abc\"\r\n",
];

const WORDS: [&str; 30] = [
    "\"",
    "\"\"",
    ",",
    "\r\n",
    "# ",
    ";",
    "http://",
    "https://[::1]/",
    "ip:port",
    "sha256_hash",
    "192.0.2.1:80",
    "0.0.0.0/0",
    "::/0",
    "com",
    "*.",
    "null",
    "[]",
    "{",
    "}",
    "[{",
    "}]",
    "\\u0000",
    "\\ud800\\udc00",
    "true",
    "1e999",
    "\"url\":",
    "xn--",
    "127.0.0.1 ",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "9999-99-99 99:99:99",
];

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

fn samples() -> Vec<Vec<u8>> {
    let own = OWN.map(|body| body.as_bytes().to_vec());
    let packed: Vec<_> = own.iter().map(|body| gzip(body)).collect();
    own.into_iter().chain(packed).chain(corpus::of_suite("feeds")).collect()
}

fn readings() -> impl Iterator<Item = Reading> {
    FORMATS.into_iter().map(|format| Reading {
        format,
        limits: Limits::of_size(256 << 10),
        min_confidence: 40,
    })
}

/// Reads a body in every format.
fn in_every_format(body: &[u8]) {
    for reading in readings() {
        let mut taken = 0;
        let tally = read(Cursor::new(body), &reading, &mut |_| {
            taken += 1;
            Ok(())
        });
        match tally {
            Ok(tally) => {
                assert_eq!(tally.taken, taken);
                assert!(taken > 0 && tally.taken <= tally.rows, "{tally:?}");
                assert!((tally.bad + tally.too_wide) * 2 <= tally.rows, "{tally:?}");
            }
            Err(refusal) => assert!(!refusal.to_string().contains(['\x1b', '\0']), "{refusal}"),
        }
    }
}

#[test]
fn bodies_of_feeds() {
    Campaign::new("feeds", effort(250, 40_000), samples()).words(&WORDS).run(|input| {
        in_every_format(input);
    });
}

#[test]
fn bodies_of_feeds_inside_of_their_packing() {
    let plain: Vec<_> = samples().into_iter().filter(|body| std::str::from_utf8(body).is_ok()).collect();
    Campaign::new("packed", effort(100, 10_000), plain).words(&WORDS).run(|input| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("list.csv", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(input).unwrap();
        in_every_format(&zip.finish().unwrap().into_inner());
        in_every_format(&gzip(input));
    });
}

#[test]
fn a_feed_that_was_taken_in_is_read_again_from_its_copy() {
    let place = tempfile::tempdir().unwrap();
    let folder = Folder::open(&place.path().join("feeds")).unwrap();
    let keyer = Keyer::new();
    let terms = Terms { max_size: 256 << 10, min_confidence: 0, max_shrink: 100 };
    let mut campaign = Campaign::new("taken", effort(100, 8_000), samples()).words(&WORDS);
    campaign.threads = 1;
    campaign.run(|input| {
        let format = FORMATS[input.len() % FORMATS.len()];
        let source = Source::new("test", format, "https://feeds.example/list");
        let fetched = Fetched { at: Timestamp::from_millis(1), validators: Validators::default() };
        let Ok(fresh) = take_in(Cursor::new(input), &source, &terms, fetched, None, (&folder, &keyer)) else {
            return;
        };
        let (_, keys) = folder.load(&source, &keyer).unwrap().unwrap();
        assert_eq!((keys.entries(), keys.keys()), (fresh.keys.entries(), fresh.keys.keys()), "{format}");
    });
}
