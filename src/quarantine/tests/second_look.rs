//! Copies of delivered mail: once, beside what is held, within limits of their own.

use super::*;
use crate::model::Disposition;
use crate::quarantine::{Copies, CopyLimits, Kept, SecondLook, Waiting};

const ROOM: CopyLimits = CopyLimits { message: 1 << 20, total: 1 << 20, messages: 100 };

fn keep(mail: &Mail, quarantine: &Quarantine, limits: CopyLimits) -> Result<Kept, QuarantineError> {
    let new = NewEntry {
        id: mail.id,
        category: mail.category,
        score: Score::new(0.0),
        rule: "clean",
        reason: "nothing is against it",
        session: &session(),
        envelope: &mail.envelope,
        recipients: &mail.diverted,
        message: &mail.message,
        from: "",
        subject: &mail.subject,
        coverage: &coverage(),
        findings: &[],
        auth_results: None,
    };
    let look = SecondLook { of: mail.id, missed: vec![Scanner::Clamd], caught: None };
    quarantine.keep_copy(&new, look, limits)
}

fn ids(quarantine: &Quarantine, query: &Query) -> Vec<MailId> {
    quarantine.list(query).entries.iter().map(|meta| meta.id).collect()
}

#[test]
fn a_copy_stands_beside_what_is_held_and_is_found_after_a_restart() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("copy");
    assert_eq!(keep(&mail, &quarantine, ROOM).unwrap(), Kept { id: mail.id, fresh: true });
    let again = mail.again(&fixture.clock);
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(keep(&again, &quarantine, ROOM).unwrap(), Kept { id: mail.id, fresh: false });
    // The same message, to be held for the same recipients: it must not join what nobody delivers.
    let held = mail.again(&fixture.clock).hold(&quarantine);
    let second_look = Query { state: Some(Standing::SecondLook), ..Query::default() };
    drop(quarantine);
    let quarantine = fixture.open();
    assert_eq!(ids(&quarantine, &Query::default()), [held]);
    assert_eq!(ids(&quarantine, &second_look), [mail.id]);
    assert_eq!(ids(&quarantine, &Query { all: true, ..Query::default() }), [held, mail.id]);
    let time = fixture.clock.now();
    let waiting = Waiting { id: mail.id, of: mail.id, time, missed: vec![Scanner::Clamd] };
    assert_eq!(quarantine.waiting(), [waiting]);
    let size = mail.message.raw().len() as u64;
    let copies = Copies { waiting: 1, oldest: Some(time), caught: 0, bytes: size };
    assert_eq!(quarantine.copies(), copies);
    assert_eq!((quarantine.totals().entries, quarantine.totals().bytes), (1, size));
    assert_eq!(fixture.metrics.quarantine_entries.get(), 1);
    let meta = quarantine.meta(mail.id).unwrap();
    assert!(meta.recipients.values().all(|state| *state == State::Delivered), "{meta:?}");
    assert_eq!((meta.version, meta.attempts.count), (2, 2), "an earlier mailward must not read it");
    assert_eq!(quarantine.meta(held).unwrap().version, 1);
    // Held mail is not removed as a copy.
    assert!(!quarantine.remove_copy(held).unwrap());
    assert!(quarantine.remove_copy(mail.id).unwrap());
    assert!(!quarantine.remove_copy(mail.id).unwrap());
    assert_eq!((quarantine.copies(), ids(&quarantine, &Query::default())), (Copies::default(), vec![held]));
    assert_eq!(fixture.names("meta"), [format!("{held}.json")]);
}

#[test]
fn what_waits_is_not_pushed_out_and_what_was_caught_is() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let [one, two, three] = ["one", "two", "six"].map(|text| {
        fixture.clock.advance(Duration::from_millis(1));
        fixture.mail(text)
    });
    let two_fit = CopyLimits { messages: 2, ..ROOM };
    keep(&one, &quarantine, two_fit).unwrap();
    keep(&two, &quarantine, two_fit).unwrap();
    assert!(keep(&three, &quarantine, two_fit).unwrap_err().is_full());
    let size = one.message.raw().len() as u64;
    assert!(keep(&three, &quarantine, CopyLimits { total: 3 * size - 1, ..ROOM }).unwrap_err().is_full());
    assert!(keep(&three, &quarantine, CopyLimits { message: size - 1, ..ROOM }).unwrap_err().is_full());
    let rescan = Rescan {
        at: fixture.clock.now(),
        by: "second look".to_owned(),
        disposition: Disposition::Reject,
        category: Category::Malware,
        score: Score::new(20.0),
        rule: "malware".to_owned(),
        reason: "clamd".to_owned(),
        coverage: "clamd=found".to_owned(),
    };
    let (session, coverage, findings) = (session(), coverage(), [finding()]);
    let bad = NewEntry {
        id: one.id,
        category: Category::Malware,
        score: rescan.score,
        rule: "malware",
        reason: "clamd",
        session: &session,
        envelope: &one.envelope,
        recipients: &[0],
        message: &one.message,
        from: "",
        subject: "",
        coverage: &coverage,
        findings: &findings,
        auth_results: None,
    };
    let meta = quarantine.set_caught(&bad, rescan).unwrap();
    assert_eq!((meta.standing(), meta.category), (Standing::Caught, Category::Malware));
    assert_eq!((quarantine.copies().waiting, quarantine.copies().caught), (1, 1));
    assert_eq!(quarantine.totals().entries, 0);
    keep(&three, &quarantine, two_fit).unwrap();
    let all = Query { all: true, ..Query::default() };
    assert_eq!(ids(&quarantine, &all), [three.id, two.id], "the evidence made room");
}

#[test]
fn each_copy_has_its_time() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("copy");
    keep(&mail, &quarantine, ROOM).unwrap();
    let [waiting] = quarantine.waiting().try_into().unwrap();
    fixture.clock.advance(Duration::from_hours(72));
    assert!(!quarantine.is_overdue(&waiting));
    fixture.clock.advance(Duration::from_millis(1));
    assert!(quarantine.is_overdue(&waiting));
    // Who looks must say that nobody did; retention leaves it alone.
    assert_eq!(quarantine.expire().expired, []);
    assert_eq!(quarantine.copies().waiting, 1);
}
