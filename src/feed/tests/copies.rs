//! The last good copy on disk.

use std::fs;

use proptest::prelude::*;

use super::*;

const BODY: &[u8] = b"http://evil.test/a?b=c\nhttp://evil.test/b\nhttps://[2001:db8::1]/x\nnot a link\n";

fn loaded(bench: &Bench) -> Result<Option<(LastGood, FeedKeys)>, CopyError> {
    bench.folder.load(&bench.source, &bench.keyer)
}

#[test]
fn what_was_taken_in_is_there_after_a_restart() {
    let bench = Bench::new(Format::Urls);
    let validators = Validators { etag: Some("\"a b\"".to_owned()), last_modified: None };
    let fetched = Fetched { at: at(), validators: validators.clone() };
    let both = (&bench.folder, &bench.keyer);
    let fresh = take_in(Cursor::new(BODY), &bench.source, &TERMS, fetched, None, both).unwrap();
    let (copy, keys) = loaded(&bench).unwrap().unwrap();
    assert_eq!((keys.entries(), keys.keys()), (fresh.keys.entries(), fresh.keys.keys()));
    assert_eq!((copy.fetched(), copy.checked(), copy.validators()), (at(), at(), &validators));
    assert_eq!((copy.tally().rows, copy.tally().taken, copy.tally().bad), (4, 3, 1));
    let index = bench.index(Fresh { copy, keys });
    for link in ["http://evil.test/a?b=c", "http://evil.test/b", "http://[2001:db8:0::1]/x"] {
        let link = Link::parse(link).unwrap();
        let found = index.look_up(Asked::Link(&link));
        assert_eq!(found[0].kind, MatchKind::Exact, "{link}");
        assert!(found[0].confirmed(Asked::Link(&link)).unwrap().is_some(), "{link}");
    }
}

#[test]
fn the_day_and_confidence_of_an_entry_survive() {
    let bench = Bench::new(Format::ThreatfoxCsv);
    let row = "\"2026-10-20 01:02:03\", \"1\", \"198.51.100.23:80\", \"ip:port\", \"botnet_cc\", \"win.x\", \"None\", \
               \"X\", \"\", \"75\", \"False\", \"None\", \"a,b\", \"0\", \"r\"\r\n";
    bench.take(row.as_bytes(), &TERMS, None).unwrap();
    let (copy, keys) = loaded(&bench).unwrap().unwrap();
    let index = bench.index(Fresh { copy, keys });
    let found = index.look_up(Asked::Ip("198.51.100.23".parse().unwrap())).remove(0);
    assert_eq!((found.added, found.confidence), (Day::parse("2026-10-20"), Some(75)));
    let entry = found.entry().unwrap();
    assert_eq!((entry.threat.as_str(), entry.tags.as_str(), entry.reference.as_str()), ("X", "a,b", ""));
}

#[test]
fn that_nothing_has_changed_is_kept_for_this_copy_alone() {
    let bench = Bench::new(Format::Urls);
    let fresh = bench.take(BODY, &TERMS, None).unwrap();
    let later = Timestamp::from_millis(at().millis() + 3_600_000);
    let validators = Validators { etag: None, last_modified: Some("today".to_owned()) };
    bench.folder.confirm(&fresh.copy, later, &validators).unwrap();
    let (copy, _) = loaded(&bench).unwrap().unwrap();
    assert_eq!((copy.fetched(), copy.checked(), copy.validators()), (at(), later, &validators));
    bench.take(b"http://evil.test/other\n", &TERMS, None).unwrap();
    let (copy, _) = loaded(&bench).unwrap().unwrap();
    assert_eq!((copy.checked(), copy.validators()), (at(), &Validators::default()));
}

#[test]
fn a_copy_from_elsewhere_is_not_used_and_stays_until_it_is_replaced() {
    let bench = Bench::new(Format::Urls);
    assert!(loaded(&bench).unwrap().is_none(), "there is none yet");
    bench.take(BODY, &TERMS, None).unwrap();
    for other in [
        Source::new("test", Format::Openphish, "https://feeds.example/list"),
        Source::new("test", Format::Urls, "https://feeds.example/other"),
    ] {
        assert!(bench.folder.load(&other, &bench.keyer).unwrap().is_none());
    }
    assert!(loaded(&bench).unwrap().is_some());
    bench.folder.forget("test").unwrap();
    assert!(loaded(&bench).unwrap().is_none());
    bench.folder.forget("test").unwrap();
}

#[test]
fn what_a_crash_left_half_written_is_removed_at_the_start() {
    let bench = Bench::new(Format::Urls);
    bench.take(BODY, &TERMS, None).unwrap();
    fs::write(bench.path().join("test.entries.new"), "half").unwrap();
    Folder::open(&bench.path()).unwrap();
    assert!(!bench.path().join("test.entries.new").exists());
    assert!(loaded(&bench).unwrap().is_some());
}

#[test]
fn a_damaged_copy_is_put_aside_and_named() {
    let bench = Bench::new(Format::Urls);
    bench.take(BODY, &TERMS, None).unwrap();
    let path = bench.path().join("test.entries");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 3]).unwrap();
    let error = loaded(&bench).unwrap_err().to_string();
    assert!(error.starts_with("the copy of the feed test is damaged ("), "{error}");
    assert!(loaded(&bench).unwrap().is_none());
    assert_eq!(fs::read(bench.path().join("test.damaged")).unwrap(), good[..good.len() - 3]);
}

#[test]
fn an_index_that_points_beside_its_copy_gets_an_error() {
    let bench = Bench::new(Format::Urls);
    let fresh = bench.take(BODY, &TERMS, None).unwrap();
    for at in [1, 1 << 30] {
        let error = fresh.copy.entry(at).unwrap_err();
        assert!(matches!(error, CopyError::NoEntry { .. }), "{error}");
    }
}

proptest! {
    #[test]
    fn no_changed_byte_of_a_copy_goes_unseen(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let bench = Bench::new(Format::Urls);
        bench.take(BODY, &TERMS, None).unwrap();
        let path = bench.path().join("test.entries");
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        // The numbers in the last line are for people.
        let end = memchr::memmem::find(&bytes, b"\nend\t").unwrap() + 14;
        prop_assume!(at < end);
        bytes[at] ^= flip;
        fs::write(&path, bytes).unwrap();
        // Or it seems to be of another feed, and is not used either.
        prop_assert!(!matches!(loaded(&bench), Ok(Some(_))));
    }

    #[test]
    fn an_entry_is_read_as_it_was_written(
        threat in ".{0,40}", tags in "[a-z\\t\\n,]{0,20}", day in prop::option::of(1_u16..), sure in prop::option::of(0_u8..=100),
    ) {
        let link = Link::parse("https://evil.test/a?b=c").unwrap();
        let entry = Entry { added: day.map(Day), confidence: sure, threat, tags, ..Entry::new(Key::Link(link)) };
        let mut line = Vec::new();
        entry.write(&mut line);
        let text = std::str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap();
        let read = Entry::read(text).unwrap();
        prop_assert_eq!((&read.key, read.added, read.confidence), (&entry.key, entry.added, entry.confidence));
        let mut again = Vec::new();
        read.write(&mut again);
        prop_assert_eq!(line, again, "what was made safe stays as it is");
    }
}
