//! What no file of the suite holds.

use proptest::prelude::*;

use super::*;

#[test]
fn addresses_and_networks_are_read_with_what_stands_behind_them() {
    let body = "# list\n192.0.2.1\n198.51.100.0/24 ; SBL1\n203.0.113.77/28\n2001:db8::/48 # x\n\
                ::ffff:192.0.2.9\n192.0.2.2,3\n\nnonsense\n";
    let (_bench, index) = Bench::of(Format::Ips, body.as_bytes());
    for (ip, expected) in [
        ("192.0.2.1", Some(MatchKind::Ip)),
        ("192.0.2.2", Some(MatchKind::Ip)),
        ("192.0.2.9", Some(MatchKind::Ip)),
        ("::ffff:192.0.2.9", Some(MatchKind::Ip)),
        ("198.51.100.255", Some(MatchKind::Network)),
        ("203.0.113.79", Some(MatchKind::Network)),
        ("203.0.113.80", None),
        ("2001:db8:0:1::1", Some(MatchKind::Network)),
        ("2001:db8:1::1", None),
    ] {
        assert_eq!(of_ip(&index, ip).first().copied(), expected, "{ip}");
    }
    assert_eq!(of_link(&index, "http://198.51.100.9:81/x"), [MatchKind::Network]);
    let (_, tally) = read(Format::Ips, body.as_bytes()).unwrap();
    assert_eq!((tally.rows, tally.taken, tally.bad), (7, 6, 1));
    assert_eq!(
        tally.complaint().unwrap(),
        "of 7 rows 1 could not be read: row 9: \"nonsense\" is no address or network"
    );
}

#[test]
fn urls_of_every_scheme_of_the_web_are_read() {
    let body = "; x\nhttps://evil.test/A?b=c#d\r\nftp://evil.test/x\nevil.example/y\njavascript:alert(1)\n";
    let (entries, tally) = read(Format::Urls, body.as_bytes()).unwrap();
    let links: Vec<String> = entries.iter().map(|e| asks(e, |asked| format!("{asked:?}"))).collect();
    assert_eq!(
        links,
        ["https://evil.test/A?b=c", "ftp://evil.test/x", "http://evil.example/y"]
            .map(|link| format!("Link(Link({link:?}))"))
    );
    assert_eq!((tally.bad, tally.rows), (1, 4));
}

#[test]
fn an_older_urlhaus_names_eight_columns_and_a_row_of_nine_is_bad_then() {
    let body = "# id,dateadded,url,url_status,threat,tags,urlhaus_link,reporter\r\n\
        \"1\",\"2021-01-02 03:04:05\",\"http://evil.test/a\",\"online\",\"malware_download\",\"None\",\"l\",\"r\"\r\n\
        \"2\",\"2021-01-02 03:04:05\",\"http://evil.test/b\",\"offline\",\"malware_download\",\"x\",\"l\",\"r\"\r\n\
        \"3\",\"2021-01-02 03:04:05\",\"http://evil.test/c\",\"online\",\"\",\"malware_download\",\"x\",\"l\",\"r\"\r\n";
    let (entries, tally) = read(Format::UrlhausCsv, body.as_bytes()).unwrap();
    assert_eq!((tally.taken, tally.offline, tally.bad), (1, 1, 1), "{tally:?}");
    assert_eq!((entries[0].tags.as_str(), entries[0].added), ("", Day::parse("2021-01-02")));
}

#[test]
fn a_mirror_may_wrap_its_rows() {
    let row = r#"{"url":"http:\/\/evil.test\/a","url_status":"online","tags":["a","b"],"threat":"x","o":{"p":[1]}}"#;
    for body in [format!("[{row}]"), format!("{{\"urls\":[{row}]}}"), format!("{{\"7\":[{row}]}}")] {
        let (entries, tally) = read(Format::UrlhausJson, body.as_bytes()).unwrap();
        assert_eq!((tally.rows, entries[0].tags.as_str()), (1, "a,b"), "{body}");
    }
}

#[test]
fn a_field_of_many_kilobytes_is_a_bad_row() {
    let long = format!("http://evil.test/{}\nhttp://evil.test/b\nhttp://evil.test/c\n", "a".repeat(100_000));
    let (_, tally) = read(Format::Urls, long.as_bytes()).unwrap();
    assert_eq!((tally.taken, tally.bad), (2, 1));
    assert_eq!(tally.examples[0].why, "it has more than 8192 bytes");
}

#[test]
fn what_a_feed_says_cannot_write_to_the_admins_terminal() {
    let body = "\u{1b}[2J\u{202e}evil\nhttp://evil.test/a\nhttp://evil.test/b\n";
    let (_, tally) = read(Format::Urls, body.as_bytes()).unwrap();
    let complaint = tally.complaint().unwrap();
    assert!(complaint.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{complaint:?}");
}

/// Something like a row, and something that is none.
fn lines() -> impl Strategy<Value = String> {
    let row = prop::sample::select(vec![
        "http://evil.test/a",
        "\"1\", \"x\", \"192.0.2.1:80\", \"ip:port\"",
        "a.example.net",
        "0.0.0.0 b.example.org",
        "192.0.2.0/24 ; SBL1",
        "{\"cidr\":\"192.0.2.0/24\"}",
        "[{\"url\":\"http://evil.test/\"}]",
        "# id,url,a,b",
        "\"",
    ]);
    prop_oneof![row.prop_map(str::to_owned), ".{0,40}", "[\\[\\]{}\":,a\\\\ ]{0,30}"]
}

proptest! {
    #[test]
    fn no_body_whatever_makes_a_reader_panic_or_lose_count(
        pieces in prop::collection::vec(lines(), 0..12), garbage in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut body = pieces.join("\n").into_bytes();
        for format in Format::ALL {
            if let Ok((entries, tally)) = read(format, &body) {
                let aside = tally.offline + tally.unverified + tally.unsure + tally.other;
                prop_assert_eq!(tally.rows, tally.taken + aside + tally.bad + tally.too_wide);
                prop_assert_eq!(tally.taken, entries.len() as u64);
            }
        }
        body.extend(&garbage);
        for format in Format::ALL {
            drop(read(format, &body));
        }
        for magic in [&b"PK\x03\x04"[..], b"\x1f\x8b\x08\0\0\0\0\0"] {
            drop(read(Format::Urls, &[magic, &body].concat()));
        }
    }
}
