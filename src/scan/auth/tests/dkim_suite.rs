//! The DKIM messages that others keep, and those that are kept with them.

use std::fmt::Write as _;
use std::path::Path;

use super::dkim::verify_in;
use crate::model::AuthResult;
use crate::testing;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `name value` lines as a zone file.
fn zone(text: &str) -> String {
    let mut zone = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(char::is_whitespace).unwrap();
        match value.trim() {
            "NXDOMAIN" => {}
            "~~Query timed out~~" => writeln!(zone, "{name} TIMEOUT").unwrap(),
            failed if failed.starts_with("~~") => writeln!(zone, "{name} FAIL").unwrap(),
            value => writeln!(zone, "{name} TXT {value}").unwrap(),
        }
    }
    zone
}

/// File and expected word of each line.
fn expected(folder: &Path) -> Vec<(String, String)> {
    let line = |line: &str| {
        let mut columns = line.split('\t').map(str::to_owned);
        columns.next().zip(columns.next()).unwrap()
    };
    read(&folder.join("EXPECT.tsv")).lines().skip(1).map(line).collect()
}

#[test]
fn every_example_passes() {
    let Some(folder) = testing::suite("every_example_passes", "dkim") else { return };
    for (file, signatures) in [("001.txt", 2), ("002.txt", 1)] {
        let text = read(&folder.join("examples").join(file));
        let (dns, message) = text.split_once("\n\n").unwrap();
        let found = verify_in(&zone(dns), message.to_owned());
        let results: Vec<_> = found.dkim.iter().map(|d| d.result).collect();
        assert_eq!(results, vec![AuthResult::Pass; signatures], "{file}: {found:?}");
    }
}

#[test]
fn every_made_message_ends_as_it_is_said_to() {
    let Some(folder) = testing::suite("every_made_message_ends_as_it_is_said_to", "dkim") else { return };
    let zone = zone(&read(&folder.join("keys/rfc8463-dns.txt")));
    let cases = expected(&folder.join("made"));
    assert_eq!(cases.len(), 11);
    for (file, expected) in cases {
        let expected = match &*file {
            // RFC 6376 §8.2: "Assessors might wish to ignore signatures that use the tag." It verifies and does
            // not count.
            "body-length-appended.eml" => "policy",
            // The suite leaves it open. RFC 6376 §5.4.2: what is signed is the lowest From; §8.15: people may be shown the
            // other. That there are two is a finding besides, and DMARC has no author then.
            "from-added.eml" => "policy",
            _ => &expected,
        };
        let raw = std::fs::read(folder.join("made").join(&file)).unwrap();
        let found = verify_in(&zone, raw);
        let results: Vec<_> = found.dkim.iter().map(|d| d.result.name()).collect();
        assert_eq!(results, [expected], "{file}: {found:?}");
    }
}

#[test]
fn no_bad_message_passes_and_each_says_why() {
    let Some(folder) = testing::suite("no_bad_message_passes_and_each_says_why", "dkim") else { return };
    let folder = folder.join("negative");
    let zone = zone(&read(&folder.join("FAKE_DNS.dat")));
    let cases = expected(&folder);
    assert_eq!(cases.len(), 15);
    let (mut seen, mut seen_today) = (Vec::new(), Vec::new());
    for (file, _) in cases {
        let raw = read(&folder.join(&file));
        // As they were made: most by a draft of the RFC, or with rsa-sha1, which is why they end first.
        seen.push(told(&file, &zone, &raw));
        // As somebody would make them today: so that what is wrong with the rest is reached.
        let today = raw.replace("v=0.5", "v=1").replace("rsa-sha1", "rsa-sha256");
        seen_today.push(told(&file, &zone, &today));
    }
    let version = "permerror: the signature's v= is of a kind that is not known";
    let sha1 = "policy: rsa-sha1 proves nothing any more (RFC 8301)";
    let no_hash = "permerror: the key is not for SHA-256 (h=)";
    let identity = "permerror: the signature's i= is not within its d=";
    let expected = [
        (
            "badkey_1.txt",
            version,
            "permerror: there is no key under the signature's name: the name does not exist",
        ),
        ("badkey_2.txt", version, "permerror: the key is revoked (its p= is empty)"),
        ("badkey_3.txt", version, "permerror: the text under the key's name is no DKIM key"),
        (
            "badkey_4.txt",
            version,
            "permerror: the key record cannot be read: something in it is no tag=value",
        ),
        ("badkey_5.txt", version, "permerror: the key is of a kind that is not known (k=)"),
        ("badkey_6.txt", version, "permerror: the key is not for mail (s=)"),
        ("badkey_7.txt", version, no_hash),
        ("badkey_10.txt", sha1, "permerror: its i= is below its d=, which the key forbids (t=s)"),
        ("badkey_11.txt", no_hash, no_hash),
        ("badkey_14.txt", sha1, "temperror: the key could not be looked up: no DNS server answered in time"),
        (
            "badkey_15.txt",
            sha1,
            "temperror: the key could not be looked up: the DNS servers failed: as the zone file says",
        ),
        ("ignore_1.txt", version, version),
        ("ignore_4.txt", version, "permerror: the signature's c= is of a kind that is not known"),
        ("ignore_7.txt", sha1, "policy: it has expired (x=)"),
        ("ignore_8.txt", identity, identity),
    ];
    assert_eq!(seen, expected.map(|(file, told, _)| format!("{file}: {told}")));
    assert_eq!(seen_today, expected.map(|(file, _, told)| format!("{file}: {told}")));
}

fn told(file: &str, zone: &str, raw: &str) -> String {
    let mut found = verify_in(zone, raw.to_owned());
    assert_eq!(found.dkim.len(), 1, "{file}");
    let dkim = found.dkim.remove(0);
    format!("{file}: {}: {}", dkim.result, dkim.reason.unwrap_or_default())
}
