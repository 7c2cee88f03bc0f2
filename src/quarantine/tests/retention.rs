//! What goes, when, and in which order.

use super::*;
use crate::model::{ByteSize, Span};

fn expired(ids: &[MailId], why: Why) -> Vec<Expired> {
    ids.iter().map(|id| Expired { id: *id, why }).collect()
}

#[test]
fn each_class_is_kept_as_long_as_it_says() {
    let mut fixture = Fixture::new();
    fixture.config.keep.malware = Span::days(2);
    fixture.config.keep.spam = Span::days(3);
    let quarantine = fixture.open();
    let spam = fixture.mail("spam").of(Category::Spam).hold(&quarantine);
    let malware = fixture.mail("malware").of(Category::Malware).hold(&quarantine);
    let phish = fixture.mail("phish").hold(&quarantine);
    fixture.clock.advance(2 * DAY);
    assert_eq!(quarantine.expire(), Swept::default());
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(quarantine.expire().expired, expired(&[malware], Why::Age));
    fixture.clock.advance(DAY);
    assert_eq!(quarantine.expire().expired, expired(&[spam], Why::Age));
    assert_eq!(fixture.names("new"), [phish.to_string()]);
    assert_eq!(fixture.names("meta"), [format!("{phish}.json")]);
    assert_eq!(fixture.metrics.quarantine_expired.with_label_values(&["age"]).get(), 2);
    assert_eq!(fixture.metrics.quarantine_bytes.get(), i64::try_from(quarantine.totals().bytes).unwrap());
}

#[test]
fn room_is_made_by_the_oldest_of_the_class_that_is_missed_least() {
    let mut fixture = Fixture::new();
    fixture.config.max_entries = 6;
    fixture.config.min_age = Span::seconds(1);
    let quarantine = fixture.open();
    let hold = |text: &str, category| {
        fixture.clock.advance(Duration::from_secs(2));
        fixture.mail(text).of(category).store(&quarantine).unwrap()
    };
    use Category::{Clean, Malware, Phish, Spam, Suspicious};
    let ids: Vec<MailId> = [Clean, Suspicious, Phish, Malware, Spam, Spam]
        .into_iter()
        .enumerate()
        .map(|(n, category)| hold(&n.to_string(), category).id)
        .collect();
    let went: Vec<Expired> = (0..6).flat_map(|n| hold(&format!("new {n}"), Phish).expired).collect();
    // Both spams, the older first; malware; then phish, also of those that just came.
    assert_eq!(went[..4], expired(&[ids[4], ids[5], ids[3], ids[2]], Why::Size));
    assert_eq!(went.len(), 6);
    assert_eq!(quarantine.totals().entries, 6);
    assert!(quarantine.meta(ids[0]).is_ok() && quarantine.meta(ids[1]).is_ok());
}

#[test]
fn the_limit_on_bytes_holds_at_any_moment() {
    let mut fixture = Fixture::new();
    let size = fixture.mail("0").raw().len() as u64;
    fixture.config.max_size = ByteSize(3 * size);
    let quarantine = fixture.open();
    let ids: Vec<MailId> = (0..3)
        .map(|n| {
            fixture.clock.advance(Duration::from_secs(1));
            fixture.mail(&n.to_string()).hold(&quarantine)
        })
        .collect();
    fixture.clock.advance(2 * DAY);
    let stored = fixture.mail("3").store(&quarantine).unwrap();
    assert_eq!(stored.expired, expired(&ids[..1], Why::Size));
    assert_eq!(quarantine.totals().bytes, 3 * size);
    assert_eq!(fixture.names("new").len(), 3);
}

#[test]
fn what_is_younger_than_min_age_is_not_pushed_out() {
    let mut fixture = Fixture::new();
    fixture.config.max_entries = 2;
    let quarantine = fixture.open();
    let first = fixture.mail("0").of(Category::Spam).hold(&quarantine);
    fixture.clock.advance(Duration::from_secs(1));
    fixture.mail("1").of(Category::Spam).hold(&quarantine);
    let third = fixture.mail("2").of(Category::Malware);
    let error = third.store(&quarantine).unwrap_err();
    assert!(error.is_full());
    assert!(error.to_string().contains("quarantine.min_age (1d)"), "{error}");
    assert_eq!(quarantine.totals().entries, 2);
    // A further attempt of what is held needs no room.
    assert_eq!(fixture.mail("1").store(&quarantine).unwrap().attempts, 2);
    fixture.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(third.store(&quarantine).unwrap().expired, expired(&[first], Why::Size));
}

#[test]
fn lower_limits_apply_at_the_next_expiry() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let ids: Vec<MailId> = (0..20)
        .map(|n| {
            fixture.clock.advance(Duration::from_secs(1));
            fixture.mail(&n.to_string()).hold(&quarantine)
        })
        .collect();
    for id in &ids[..15] {
        fs::rename(fixture.path(&format!("new/{id}")), fixture.path(&format!("cur/{id}:2,S"))).unwrap();
    }
    let lower = Config { max_entries: 3, ..fixture.config.clone() };
    quarantine.reconfigure(lower).unwrap();
    let early = quarantine.expire();
    assert_eq!((early.expired, early.notes.len()), (Vec::new(), 1));
    fixture.clock.advance(2 * DAY);
    let swept = quarantine.expire();
    assert_eq!(swept, Swept { expired: expired(&ids[..17], Why::Size), notes: Vec::new() });
    assert_eq!(fixture.names("cur"), Vec::<String>::new());
    assert_eq!(fixture.names("new").len(), 3);
    assert_eq!(fixture.names("meta").len(), 3);
}

#[test]
fn storing_and_expiring_at_once_stay_within_the_limit() {
    let mut fixture = Fixture::new();
    fixture.config.max_entries = 5;
    fixture.config.min_age = Span::millis(0);
    let quarantine = fixture.open();
    let went: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (fixture, quarantine) = (&fixture, &quarantine);
                scope.spawn(move || {
                    (0..10)
                        .map(|n| {
                            let mail = fixture.mail(&format!("{thread} {n}"));
                            mail.store(quarantine).unwrap().expired.len() + quarantine.expire().expired.len()
                        })
                        .sum::<usize>()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    // Each that went was reported once.
    assert_eq!(went + listed(&quarantine).len(), 40);
    assert!(listed(&quarantine).len() <= 5);
    assert_eq!(fixture.names("new").len(), listed(&quarantine).len());
    assert_eq!(fixture.names("meta").len(), listed(&quarantine).len());
}

#[test]
fn a_new_path_or_group_needs_a_restart() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let moved = Config { path: "/elsewhere".into(), ..fixture.config.clone() };
    let text = quarantine.reconfigure(moved).unwrap_err().to_string();
    assert!(text.ends_with("a new path or group of the quarantine needs a restart"), "{text}");
    let senseless = Config { max_entries: 0, ..fixture.config };
    assert!(quarantine.reconfigure(senseless).is_err());
}
