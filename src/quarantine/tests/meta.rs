//! Records as their files may come back: cut, damaged, edited by hand.

use proptest::prelude::*;

use super::*;

/// A record as it stands in its file, with everything that can stand in one.
fn written() -> (MailId, Vec<u8>) {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("Grüße \"quoted\" \\ and more");
    let id = mail.hold(&quarantine);
    let again = mail.again(&fixture.clock);
    assert_eq!(again.store(&quarantine).unwrap().attempts, 2);
    let json = fs::read(fixture.path("meta").join(format!("{id}.json"))).unwrap();
    (id, json)
}

#[test]
fn a_record_comes_back_from_its_file_and_a_part_of_it_is_no_record() {
    let (id, json) = written();
    let meta = Meta::from_json(id, &json).unwrap();
    assert_eq!(meta.to_json().unwrap(), json);
    assert_eq!((meta.attempts.count, meta.subject.as_str()), (2, "Grüße \"quoted\" \\ and more"));
    let whole = json.trim_ascii_end().len();
    for end in 0..whole {
        assert!(Meta::from_json(id, &json[..end]).is_err(), "cut at {end} of {whole}");
    }
}

#[test]
fn a_record_of_another_message_or_of_a_later_mailward_is_refused() {
    let (id, json) = written();
    let other = MailId::from_parts(1, 1);
    assert!(Meta::from_json(other, &json).unwrap_err().contains(id.as_str()));
    let text = String::from_utf8(json).unwrap();
    let later = text.replacen("\"version\": 1", "\"version\": 3", 1);
    assert_ne!(later, text);
    assert!(Meta::from_json(id, later.as_bytes()).unwrap_err().contains("later mailward"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_record_is_refused_or_comes_back_as_it_was_read(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..4u8), 1..200),
    ) {
        // Storing is slow, changing bytes is not: many damages to each of a few records.
        let (id, sound) = written();
        for group in changes.chunks(3) {
            let mut json = sound.clone();
            for (at, byte, how) in group {
                let at = at.index(json.len());
                match how {
                    0 => json[at] = *byte,
                    1 => json[at] ^= 1 << (byte % 8),
                    2 => json.insert(at, *byte),
                    _ => drop(json.remove(at)),
                }
            }
            if let Ok(read) = Meta::from_json(id, &json) {
                prop_assert_eq!(read.id, id);
                let again = Meta::from_json(id, &read.to_json().unwrap());
                prop_assert_eq!(again, Ok(read));
            }
        }
    }

    #[test]
    fn what_a_mail_brings_comes_back_from_its_record(subject in any::<String>(), reverse in any::<Vec<u8>>()) {
        let fixture = Fixture::new();
        let quarantine = fixture.open();
        let mut mail = fixture.mail("x");
        mail.subject = subject;
        mail.envelope.reverse_path = ReversePath(Recipient::new(reverse));
        let id = mail.hold(&quarantine);
        let meta = quarantine.meta(id).unwrap();
        prop_assert!(meta.subject.chars().count() <= 500 && !meta.subject.chars().any(char::is_control));
        let again = Meta::from_json(id, &meta.to_json().unwrap()).unwrap();
        prop_assert_eq!(again.to_json().unwrap(), meta.to_json().unwrap());
    }
}
