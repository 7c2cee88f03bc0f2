//! Copies of feeds on disk, mutated under a checksum that fits: whatever was read can be looked up.

use std::fs;

use super::*;
use crate::mutation::{Campaign, touch};
use crate::testing::effort;

const BODY: &[u8] = b"\"2026-10-20 01:02:03\", \"1\", \"198.51.100.23:80\", \"ip:port\", \"botnet_cc\", \"win.x\", \"None\", \"X\", \"\", \"75\", \"False\", \"None\", \"a,b\", \"0\", \"r\"\r\n\
\"2026-10-20 01:02:03\", \"2\", \"evil.test\", \"domain\", \"botnet_cc\", \"win.x\", \"None\", \"X\", \"\", \"100\", \"False\", \"None\", \"a,b\", \"0\", \"r\"\r\n\
\"2026-10-20 01:02:03\", \"3\", \"http://evil.test/a?b\", \"url\", \"payload\", \"win.x\", \"None\", \"X\", \"\", \"50\", \"False\", \"None\", \"None\", \"0\", \"r\"\r\n\
\"2026-10-20 01:02:03\", \"4\", \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\", \"sha256_hash\", \"payload\", \"win.x\", \"None\", \"X\", \"\", \"50\", \"False\", \"None\", \"None\", \"0\", \"r\"\r\n";

/// The same lines with the checksum that they have now.
fn sealed(copy: &[u8]) -> Vec<u8> {
    let Some(at) = copy.windows(5).rposition(|w| w == b"\nend\t") else { return copy.to_vec() };
    let (lines, end) = copy.split_at(at + 1);
    let mut out = lines.to_vec();
    out.extend_from_slice(format!("end\t{:08x}", crc32fast::hash(lines)).as_bytes());
    out.extend_from_slice(end.get(12..).unwrap_or_default());
    out
}

#[test]
fn copies_of_feeds() {
    let bench = Bench::new(Format::ThreatfoxCsv);
    bench.take(BODY, &TERMS, None).unwrap();
    let path = bench.path().join("test.entries");
    let good = fs::read(&path).unwrap();
    assert_eq!(sealed(&good), good);
    let words = [
        "end\t",
        "\t",
        "\n",
        "u",
        "d",
        "f",
        "http://",
        "evil.test",
        "198.51.100.0/24",
        "::/0",
        "\"lines\":",
        "255",
        "null",
        "2026-10-20",
    ];
    let mut campaign = Campaign::new("copy", effort(500, 20_000), vec![good]).words(&words);
    campaign.threads = 1;
    campaign.run(|input| {
        fs::write(&path, sealed(input)).unwrap();
        let Ok(Some((copy, keys))) = bench.folder.read(&bench.source, &bench.keyer) else { return };
        let index = bench.index(Fresh { copy, keys });
        let link = Link::parse("http://evil.test/a?b").unwrap();
        let ip = "198.51.100.23".parse().unwrap();
        for asked in [Asked::Link(&link), Asked::Ip(ip)] {
            for found in index.look_up(asked) {
                // It may not be what it was; then that is told.
                touch(found.confirmed(asked));
                touch(found.entry());
            }
        }
    });
}
