//! What is stored, once.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use proptest::prelude::*;

use super::*;
use crate::model::ByteSize;

#[test]
fn a_held_message_is_byte_exact_and_its_meta_names_the_diverted_alone() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mut mail = fixture.mail("invoice");
    let raw = Bytes::from_static(b"Subject: x\r\n\r\nbare\nLF, NUL \0, \xff and no end");
    mail.message = Message::new(raw.clone(), Vec::new(), 14);
    mail.subject = "free\r\nBcc: x\u{202e}".to_owned() + &"y".repeat(1000);
    let id = mail.hold(&quarantine);

    assert_eq!(read(&mut quarantine.message(id).unwrap()), raw);
    let meta = quarantine.meta(id).unwrap();
    let now = fixture.clock.now();
    let expected = Meta {
        version: 1,
        id,
        time: now,
        key: meta.key,
        category: Category::Phish,
        score: Score::new(7.5),
        rule: "phish".to_owned(),
        reason: "a forged sender".to_owned(),
        from: "Some One <someone@example.net>".to_owned(),
        subject: format!("free  Bcc: x{}…", "y".repeat(487)),
        size: raw.len() as u64,
        body_sha256: "d9402430".to_owned(),
        session: session(),
        envelope: Envelope {
            recipients: vec![Recipient::new(*b"<a@example.org>"), Recipient::new(*b"<c@example.org>")],
            ..mail.envelope
        },
        recipients: BTreeMap::from([
            ("<a@example.org>".to_owned(), State::Held),
            ("<c@example.org>".to_owned(), State::Held),
        ]),
        failed: BTreeMap::new(),
        rescanned: None,
        auth_results: None,
        second_look: None,
        attempts: Attempts { count: 1, first: now, last: now, ids: Vec::new() },
        coverage: coverage(),
        findings: vec![finding()],
    };
    let short_hash = Meta { body_sha256: meta.body_sha256[..8].to_owned(), ..meta.clone() };
    assert_eq!(short_hash, expected);
    assert_eq!(meta.body_sha256.len(), 64);
    assert_eq!(meta.standing(), Standing::Held);
    let json = fs::read_to_string(fixture.path(&format!("meta/{id}.json"))).unwrap();
    assert!(!json.contains("b@example.org"));
    assert!(json.contains("\n  \"id\": \""), "people read it");
}

#[test]
fn names_are_made_of_the_id_and_nobody_else_may_read() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let id = fixture.mail("one").hold(&quarantine);
    assert_eq!(fixture.names("new"), [id.to_string()]);
    assert_eq!(fixture.names("meta"), [format!("{id}.json")]);
    assert_eq!(fixture.names("tmp"), Vec::<String>::new());
    assert_eq!(fixture.names("cur"), Vec::<String>::new());
    assert!(id.as_str().chars().all(|c| c.is_ascii_alphanumeric()));
    let mode = |name: &str| fs::metadata(fixture.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["", "tmp", "new", "cur", "meta"].map(mode), [0o700; 5]);
    assert_eq!([format!("new/{id}"), format!("meta/{id}.json")].map(|n| mode(&n)), [0o600; 2]);
}

#[test]
fn the_same_message_within_five_days_is_one_more_attempt() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    let first = mail.hold(&quarantine);
    let start = fixture.clock.now();

    fixture.clock.advance(5 * DAY);
    let again = mail.again(&fixture.clock);
    assert_eq!(
        again.store(&quarantine).unwrap(),
        Stored { id: first, attempts: 2, fresh: false, expired: Vec::new() }
    );
    let attempts = Attempts { count: 2, first: start, last: fixture.clock.now(), ids: vec![again.id] };
    assert_eq!(quarantine.meta(first).unwrap().attempts, attempts);
    // Whoever was told the id of the second attempt finds the entry.
    assert_eq!(quarantine.meta(again.id).unwrap().id, first);
    assert_eq!(fixture.names("new"), [first.to_string()]);
    assert_eq!(fixture.metrics.quarantined.with_label_values(&["phish"]).get(), 1);

    fixture.clock.advance(Duration::from_secs(1));
    let later = mail.again(&fixture.clock).hold(&quarantine);
    let last = mail.again(&fixture.clock).store(&quarantine).unwrap();
    assert_eq!((last.id, last.attempts), (later, 2));
    assert_eq!(quarantine.totals().entries, 2);
}

#[test]
fn asking_again_about_the_same_id_is_not_an_attempt() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    mail.hold(&quarantine);
    let stored = mail.store(&quarantine).unwrap();
    assert_eq!(stored, Stored { id: mail.id, attempts: 1, fresh: false, expired: Vec::new() });
}

#[test]
fn another_recipient_sender_or_byte_is_another_entry() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    mail.hold(&quarantine);
    let mut other = mail.again(&fixture.clock);
    other.diverted = vec![1];
    other.hold(&quarantine);
    let mut other = mail.again(&fixture.clock);
    other.envelope.reverse_path = ReversePath::default();
    other.hold(&quarantine);
    fixture.mail("two").hold(&quarantine);
    assert_eq!(quarantine.totals().entries, 4);
}

#[test]
fn a_restart_remembers_entries_attempts_and_totals() {
    let fixture = Fixture::new();
    let mail = fixture.mail("one");
    let (id, totals) = {
        let quarantine = fixture.open();
        fixture.mail("two").of(Category::Spam).hold(&quarantine);
        (mail.hold(&quarantine), quarantine.totals())
    };
    let quarantine = fixture.open();
    assert_eq!(quarantine.totals(), totals);
    assert_eq!(totals.by_category[&Category::Phish], (1, mail.raw().len() as u64));
    assert_eq!(fixture.metrics.quarantine_entries.get(), 2);
    let again = mail.again(&fixture.clock).store(&quarantine).unwrap();
    assert_eq!((again.id, again.attempts), (id, 2));
}

#[test]
fn another_secret_finds_nothing_the_same_and_loses_nothing() {
    let fixture = Fixture::new();
    let mail = fixture.mail("one");
    mail.hold(&fixture.open());
    let other =
        Quarantine::open(fixture.config.clone(), [8; 32], fixture.clock.clone(), fixture.metrics.clone());
    let (quarantine, _) = other.unwrap();
    let second = mail.again(&fixture.clock).hold(&quarantine);
    assert_eq!(listed(&quarantine).len(), 2);
    assert!(listed(&quarantine).contains(&second));
}

#[test]
fn eight_threads_with_the_same_message_make_one_entry_with_eight_attempts() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let (mail, start) = (fixture.mail("same"), Barrier::new(8));
    let stored: Vec<Stored> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (mail, start, quarantine) = (&mail, &start, &quarantine);
                let fixture = &fixture;
                scope.spawn(move || {
                    start.wait();
                    // Others go on meanwhile.
                    fixture.mail(&format!("other {n}")).hold(quarantine);
                    mail.again(&fixture.clock).store(quarantine).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut attempts: Vec<u32> = stored.iter().map(|s| s.attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, (1..=8).collect::<Vec<_>>());
    assert_eq!(stored.iter().filter(|s| s.fresh).count(), 1);
    assert!(stored.iter().all(|s| s.id == stored[0].id));
    let meta = quarantine.meta(stored[0].id).unwrap();
    assert_eq!((meta.attempts.count, meta.attempts.ids.len()), (8, 7));
    assert_eq!(fixture.names("new").len(), 9);
    assert_eq!(fixture.names("meta").len(), 9);
}

#[test]
fn ids_of_attempts_are_bounded_and_their_count_is_not() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    mail.hold(&quarantine);
    let later: Vec<MailId> = (0..53)
        .map(|_| {
            let again = mail.again(&fixture.clock);
            again.store(&quarantine).unwrap();
            again.id
        })
        .collect();
    let attempts = quarantine.meta(mail.id).unwrap().attempts;
    assert_eq!((attempts.count, attempts.ids), (54, later[3..].to_vec()));
    assert!(quarantine.meta(later[0]).is_err());
}

#[test]
fn two_messages_with_one_id_are_refused() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let one = fixture.mail("one");
    one.hold(&quarantine);
    let two = Mail { id: one.id, ..fixture.mail("two") };
    assert!(matches!(two.store(&quarantine), Err(QuarantineError::IdTaken(id)) if id == one.id));
    assert_eq!(read(&mut quarantine.message(one.id).unwrap()), one.raw());
}

#[test]
fn no_room_on_the_file_system_is_full_and_leaves_nothing() {
    let mut fixture = Fixture::new();
    fixture.config.min_free = ByteSize(u64::MAX / 2);
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    let error = mail.store(&quarantine).unwrap_err();
    assert!(error.is_full());
    let text = error.to_string();
    assert!(text.contains(mail.id.as_str()) && text.contains("quarantine.min_free"), "{text}");
    assert_eq!(fixture.names("meta"), Vec::<String>::new());
    // Room again.
    quarantine.reconfigure(Config { min_free: ByteSize(0), ..fixture.config }).unwrap();
    mail.hold(&quarantine);
}

#[test]
fn a_message_larger_than_the_quarantine_is_refused() {
    let mut fixture = Fixture::new();
    fixture.config.max_size = ByteSize(20);
    let error = fixture.mail("one").store(&fixture.open()).unwrap_err();
    assert!(error.is_full());
}

#[test]
fn a_store_that_fails_at_any_step_leaves_nothing_and_can_be_repeated() {
    for broken in ["meta", "tmp", "new"] {
        let fixture = Fixture::new();
        let quarantine = fixture.open();
        let (path, aside) = (fixture.path(broken), fixture.path("aside"));
        fs::rename(&path, &aside).unwrap();
        fs::write(&path, "somebody put a file here").unwrap();
        let mail = fixture.mail("one");
        let error = mail.store(&quarantine).unwrap_err();
        assert_eq!(error.label(), "io", "{broken}: {error}");
        assert!(error.to_string().contains(mail.id.as_str()), "{error}");
        assert!(!error.is_full());
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        for directory in ["tmp", "new", "meta"] {
            assert_eq!(fixture.names(directory), Vec::<String>::new(), "{broken}: {directory}");
        }
        assert_eq!(quarantine.totals(), Totals::default());
        mail.hold(&quarantine);
    }
}

#[test]
fn a_meta_file_that_would_be_too_large_is_refused() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mut mail = fixture.mail("one");
    mail.envelope.parameters = vec!["x".repeat(5 << 20)];
    let error = mail.store(&quarantine).unwrap_err();
    assert_eq!(error.label(), "meta");
    assert_eq!(quarantine.totals(), Totals::default());
}

/// What a property test does to a quarantine.
#[derive(Clone, Debug)]
enum Deed {
    Store(u8),
    Delete(u8),
    Flag(u8),
    DeleteOutside(u8),
    Expire,
    Restart,
    Hours(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0u8..4).prop_map(Deed::Store),
        1 => (0u8..4).prop_map(Deed::Delete),
        1 => (0u8..4).prop_map(Deed::Flag),
        1 => (0u8..4).prop_map(Deed::DeleteOutside),
        1 => Just(Deed::Expire),
        1 => Just(Deed::Restart),
        1 => (1u8..72).prop_map(Deed::Hours),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Four messages, and whatever happens to them: each is held once with the right count, or not
    /// at all.
    #[test]
    fn any_course_of_events_ends_with_each_message_held_once(deeds in prop::collection::vec(deed(), 1..20)) {
        let fixture = Fixture::new();
        let mails: Vec<Mail> = (0..4).map(|n| fixture.mail(&n.to_string())).collect();
        // The entry that each message is in: id, attempts, hours since the first.
        let mut held: [Option<(MailId, u32, u32)>; 4] = [None; 4];
        let mut others = 0;
        let mut quarantine = fixture.open();
        for deed in deeds {
            match deed {
                Deed::Store(n) => {
                    let mail = mails[usize::from(n)].again(&fixture.clock);
                    let stored = mail.store(&quarantine).unwrap();
                    let entry = &mut held[usize::from(n)];
                    let expected = match entry {
                        Some((id, attempts, hours)) if *hours <= 120 => {
                            *attempts += 1;
                            (*id, *attempts)
                        }
                        old => {
                            others += u64::from(old.is_some());
                            *old = Some((mail.id, 1, 0));
                            (mail.id, 1)
                        }
                    };
                    prop_assert_eq!((stored.id, stored.attempts), expected);
                }
                Deed::Delete(n) => if let Some((id, ..)) = held[usize::from(n)].take() {
                    quarantine.delete(id).unwrap();
                },
                Deed::Flag(n) => if let Some((id, ..)) = held[usize::from(n)] {
                    let at = quarantine.message(id).unwrap().path;
                    fs::rename(at, fixture.path(&format!("cur/{id}:2,S"))).unwrap();
                },
                Deed::DeleteOutside(n) => if let Some((id, ..)) = held[usize::from(n)].take() {
                    fs::remove_file(quarantine.message(id).unwrap().path).unwrap();
                },
                Deed::Expire => prop_assert_eq!(quarantine.expire().notes, Vec::<String>::new()),
                Deed::Restart => {
                    drop(quarantine);
                    quarantine = fixture.open();
                }
                Deed::Hours(hours) => {
                    fixture.clock.advance(u32::from(hours) * HOUR);
                    held.iter_mut().flatten().for_each(|(_, _, h)| *h += u32::from(hours));
                }
            }
        }
        drop(quarantine);
        let quarantine = fixture.open();
        let expected = held.iter().flatten().count() as u64 + others;
        prop_assert_eq!(quarantine.totals().entries, expected);
        for (mail, entry) in mails.iter().zip(held) {
            if let Some((id, attempts, _)) = entry {
                prop_assert_eq!(quarantine.meta(id).unwrap().attempts.count, attempts);
                prop_assert_eq!(read(&mut quarantine.message(id).unwrap()), mail.raw());
            }
        }
    }
}
