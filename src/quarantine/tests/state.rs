//! What becomes of copies: written down, found again, told in one word.

use super::*;

/// An entry for two, one of whom has an address that is no UTF-8.
fn entry(fixture: &Fixture, quarantine: &Quarantine) -> (MailId, [Recipient; 2]) {
    let both = [Recipient::new(*b"<a@example.org>"), Recipient::new(*b"<\xff\xfe@example.org>")];
    let mut mail = fixture.mail("state");
    mail.envelope.recipients = both.to_vec();
    mail.diverted = vec![0, 1];
    (mail.hold(quarantine), both)
}

fn released(at: Timestamp) -> State {
    State::Released { at, by: "somebody".to_owned(), reply: "250 2.0.0 Ok".to_owned() }
}

fn standing(quarantine: &Quarantine, state: Standing) -> Vec<MailId> {
    let listing = quarantine.list(&Query { state: Some(state), ..Query::default() });
    listing.entries.iter().map(|meta| meta.id).collect()
}

#[test]
fn each_copy_has_a_state_that_lasts() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let (id, [a, b]) = entry(&fixture, &quarantine);
    let now = fixture.clock.now();
    assert_eq!(standing(&quarantine, Standing::Held), [id]);
    quarantine.set_state(id, &b, State::Sending { at: now, by: "somebody".to_owned() }).unwrap();
    assert_eq!(standing(&quarantine, Standing::Uncertain), [id]);
    let failure = Failure { at: now, by: "somebody".to_owned(), why: "451 later".to_owned() };
    let meta = quarantine.set_failed(id, &b, State::Held, failure.clone()).unwrap();
    assert_eq!(meta.failed.get(&b.to_record()), Some(&failure));
    assert_eq!(meta.standing(), Standing::Held);
    let meta = quarantine.set_state(id, &b, released(now)).unwrap();
    assert_eq!((meta.standing(), meta.failed.is_empty()), (Standing::Held, true));
    quarantine.set_state(id, &a, released(now)).unwrap();
    assert_eq!(standing(&quarantine, Standing::Released), [id]);
    let other = Recipient::new(*b"<c@example.org>");
    let error = quarantine.set_state(id, &other, State::Held).unwrap_err();
    assert!(error.to_string().contains("is not held for c@example.org"), "{error}");
    drop(quarantine);
    let quarantine = fixture.open();
    let meta = quarantine.meta(id).unwrap();
    assert_eq!((meta.state(&a), meta.state(&b)), (Some(&released(now)), Some(&released(now))));
    assert_eq!(standing(&quarantine, Standing::Released), [id]);
    quarantine.delete(id).unwrap();
    assert!(matches!(quarantine.set_state(id, &a, State::Held), Err(QuarantineError::NotHeld(_))));
}

#[test]
fn what_was_being_handed_over_at_a_crash_is_uncertain() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let (id, [a, b]) = entry(&fixture, &quarantine);
    let at = fixture.clock.now();
    quarantine.set_state(id, &a, released(at)).unwrap();
    quarantine.set_state(id, &b, State::Sending { at, by: "somebody".to_owned() }).unwrap();
    drop(quarantine);
    let quarantine = fixture.open();
    assert_eq!(quarantine.stopped_in_between().unwrap(), [(id, b.clone())]);
    let meta = quarantine.meta(id).unwrap();
    assert_eq!(meta.state(&a), Some(&released(at)));
    assert!(
        matches!(meta.state(&b), Some(State::Uncertain { by, why, .. }) if by == "somebody" && why.contains("stopped")),
        "{meta:?}"
    );
    // Once is enough.
    assert_eq!(quarantine.stopped_in_between().unwrap(), []);
}

#[test]
fn a_further_attempt_of_the_sender_changes_no_state() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("again");
    let id = mail.hold(&quarantine);
    let now = fixture.clock.now();
    quarantine.set_state(id, &Recipient::new(*b"<a@example.org>"), released(now)).unwrap();
    let before = quarantine.meta(id).unwrap().recipients;
    let worse = mail.again(&fixture.clock).of(Category::Malware);
    assert_eq!(worse.store(&quarantine).unwrap().attempts, 2);
    let meta = quarantine.meta(id).unwrap();
    assert_eq!((meta.recipients, meta.category), (before, Category::Malware));
}

#[test]
fn records_from_before_there_were_releases_are_read() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let id = fixture.mail("old").hold(&quarantine);
    let path = fixture.path("meta").join(format!("{id}.json"));
    let text = fs::read_to_string(&path).unwrap();
    let old =
        text.replacen("\"held\"", "{\"released\": {\"at\": \"2026-11-21T00:00:00.000Z\", \"by\": \"x\"}}", 1);
    assert_ne!(old, text);
    for key in ["failed", "rescanned", "auth_results"] {
        assert!(!old.contains(key), "{key}");
    }
    let meta = Meta::from_json(id, old.as_bytes()).unwrap();
    let at = Timestamp::parse("2026-11-21T00:00:00.000Z").unwrap();
    let released = State::Released { at, by: "x".to_owned(), reply: String::new() };
    assert!(meta.recipients.values().any(|state| *state == released), "{meta:?}");
}
