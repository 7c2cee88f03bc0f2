//! What mutt and Dovecot do to a Maildir.

use super::*;

#[test]
fn messages_that_were_moved_flagged_or_renamed_are_still_found() {
    for name in ["", ":2,", ":2,RS", ",S=3:2,FS"] {
        let fixture = Fixture::new();
        let quarantine = fixture.open();
        let mail = fixture.mail("one");
        let id = mail.hold(&quarantine);
        let moved = fixture.path(&format!("cur/{id}{name}"));
        fs::rename(fixture.path(&format!("new/{id}")), &moved).unwrap();

        let mut message = quarantine.message(id).unwrap();
        assert_eq!(message.path, moved);
        assert_eq!(message.flags, name.split_once(":2,").map_or("", |(_, flags)| flags));
        assert_eq!(read(&mut message), mail.raw());
        assert_eq!(listed(&quarantine), [id]);
        assert_eq!(quarantine.expire(), Swept::default());
        assert_eq!(mail.again(&fixture.clock).store(&quarantine).unwrap().attempts, 2);
        drop(quarantine);
        let quarantine = fixture.open();
        assert_eq!(quarantine.totals().entries, 1);
        quarantine.delete(id).unwrap();
        assert_eq!(fixture.names("cur"), Vec::<String>::new());
        assert_eq!(fixture.names("meta"), Vec::<String>::new());
        assert!(matches!(quarantine.message(id), Err(QuarantineError::NotHeld(_))));
    }
}

#[test]
fn an_id_that_begins_like_another_is_not_taken_for_it() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let id = fixture.mail("one").hold(&quarantine);
    fs::rename(fixture.path(&format!("new/{id}")), fixture.path(&format!("cur/{id}0:2,S"))).unwrap();
    assert!(quarantine.message(id).is_err());
}

#[test]
fn a_message_that_a_mail_program_deleted_is_noticed() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let (kept, gone) = (fixture.mail("one").hold(&quarantine), fixture.mail("two").hold(&quarantine));
    fs::remove_file(fixture.path(&format!("new/{gone}"))).unwrap();
    assert_eq!(listed(&quarantine), [kept]);
    assert!(quarantine.message(gone).is_err());
    let expected = Swept { expired: vec![Expired { id: gone, why: Why::Gone }], notes: Vec::new() };
    assert_eq!(quarantine.expire(), expected);
    assert_eq!(fixture.names("meta"), [format!("{kept}.json")]);
    assert_eq!(quarantine.totals().entries, 1);
    assert_eq!(fixture.metrics.quarantine_entries.get(), 1);
    assert_eq!(fixture.metrics.quarantine_expired.with_label_values(&["gone"]).get(), 1);
    assert_eq!(quarantine.expire(), Swept::default());
}

#[test]
fn a_further_attempt_of_a_deleted_message_is_held_anew() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    let gone = mail.hold(&quarantine);
    fs::remove_file(fixture.path(&format!("new/{gone}"))).unwrap();
    let again = mail.again(&fixture.clock);
    let expired = vec![Expired { id: gone, why: Why::Gone }];
    assert_eq!(again.store(&quarantine).unwrap(), Stored { id: again.id, attempts: 1, fresh: true, expired });
    assert_eq!(listed(&quarantine), [again.id]);
    assert_eq!(read(&mut quarantine.message(again.id).unwrap()), mail.raw());
}

#[test]
fn files_without_meta_are_named_once_and_never_deleted() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let id = fixture.clock.mail_id().unwrap();
    fs::write(fixture.path(&format!("cur/{id}:2,S")), "no meta").unwrap();
    fs::write(fixture.path("new/1795210591.M1P2.host"), "dropped here").unwrap();
    fs::write(fixture.path("new/.nfs0001"), "of a file system").unwrap();
    fixture.clock.advance(100 * DAY);
    let swept = quarantine.expire();
    let expected = format!(
        "2 files in {} have no meta file that can be read, so nobody knows for whom they are; they are \
         left alone: 1795210591.M1P2.host, {id}",
        fixture.config.path.display()
    );
    assert_eq!(swept, Swept { expired: Vec::new(), notes: vec![expected] });
    assert_eq!(quarantine.expire(), Swept::default());
    assert_eq!(fixture.names("new"), [".nfs0001", "1795210591.M1P2.host"]);
    assert_eq!(fixture.names("cur").len(), 1);
}

#[test]
fn a_damaged_meta_is_named_and_its_message_stays() {
    let fixture = Fixture::new();
    let (good, bad) = {
        let quarantine = fixture.open();
        (fixture.mail("one").hold(&quarantine), fixture.mail("two").hold(&quarantine))
    };
    fs::write(fixture.path(&format!("meta/{bad}.json")), "\0\0\0\0").unwrap();
    let (quarantine, notes) = fixture.try_open().unwrap();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains(bad.as_str()), "{}", notes[0]);
    assert_eq!(listed(&quarantine), [good]);
    fixture.clock.advance(2 * HOUR);
    let swept = quarantine.expire();
    assert_eq!((swept.expired, swept.notes.len()), (Vec::new(), 1));
    assert_eq!(fixture.names("new").len(), 2);
    assert_eq!(fixture.names("meta").len(), 2);
}

#[test]
fn what_is_put_back_from_a_backup_is_taken_in() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    let id = mail.hold(&quarantine);
    let (message, meta) = (fixture.path(&format!("new/{id}")), fixture.path(&format!("meta/{id}.json")));
    let (raw, json) = (fs::read(&message).unwrap(), fs::read(&meta).unwrap());
    quarantine.delete(id).unwrap();
    fs::write(meta, json).unwrap();
    fs::write(message, raw).unwrap();
    assert_eq!(quarantine.expire(), Swept::default());
    assert_eq!(listed(&quarantine), [id]);
    assert_eq!(mail.again(&fixture.clock).store(&quarantine).unwrap().attempts, 2);
}

#[test]
fn a_link_in_place_of_a_message_is_not_followed() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let id = fixture.mail("one").hold(&quarantine);
    let path = fixture.path(&format!("new/{id}"));
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(quarantine.message(id).unwrap_err().label(), "io");
}
