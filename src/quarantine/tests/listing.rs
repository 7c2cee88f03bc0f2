//! Finding entries.

use super::*;

#[test]
fn entries_are_found_by_each_field_newest_first() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let hold = |subject: &str, from: &str, to: &[&str], category| {
        fixture.clock.advance(HOUR);
        let mut mail = fixture.mail(subject).of(category);
        mail.envelope.reverse_path = ReversePath(Recipient::new(from));
        mail.envelope.recipients = to.iter().copied().map(Recipient::new).collect();
        mail.diverted = (0..to.len()).collect();
        mail.hold(&quarantine)
    };
    let one = hold("Your Überweisung", "<bank@example.net>", &["<Anna@example.org>"], Category::Phish);
    let two = hold("lottery", "<>", &["<bert@example.org>", "<anna@example.org>"], Category::Spam);
    let noon = fixture.clock.now();
    let three = hold("lottery again", "<x@example.com>", &["<carl@example.org>"], Category::Spam);

    let find = |query: Query| -> Vec<MailId> {
        let listing = quarantine.list(&query);
        assert_eq!(listing.notes, Vec::<String>::new());
        listing.entries.iter().map(|m| m.id).collect()
    };
    let all = Query::default;
    assert_eq!(find(all()), [three, two, one]);
    assert_eq!(find(Query { category: Some(Category::Spam), ..all() }), [three, two]);
    assert_eq!(find(Query { since: Some(noon), ..all() }), [three, two]);
    assert_eq!(find(Query { until: Some(noon), ..all() }), [one]);
    assert_eq!(find(Query { sender: Some("BANK@".to_owned()), ..all() }), [one]);
    assert_eq!(find(Query { recipient: Some("anna@EXAMPLE".to_owned()), ..all() }), [two, one]);
    assert_eq!(find(Query { text: Some("übER".to_owned()), ..all() }), [one]);
    assert_eq!(find(Query { text: Some("carl".to_owned()), ..all() }), [three]);
    let both = Query { category: Some(Category::Spam), recipient: Some("anna".to_owned()), ..all() };
    assert_eq!(find(both), [two]);
    // Pages.
    assert_eq!(find(Query { limit: 2, ..all() }), [three, two]);
    assert_eq!(find(Query { limit: 2, before: Some(two), ..all() }), [one]);
    assert_eq!(find(Query { before: Some(one), ..all() }), []);
    assert_eq!(find(Query { limit: 0, ..all() }), [three]);
}

#[test]
fn a_recipient_among_very_many_is_found_too() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mut mail = fixture.mail("to all");
    mail.envelope.recipients =
        (0..1000).map(|n| Recipient::new(format!("<user{n}@{}.example.org>", "x".repeat(60)))).collect();
    mail.diverted = (0..1000).collect();
    let id = mail.hold(&quarantine);
    let find = |text: &str| {
        let by_recipient = quarantine.list(&Query { recipient: Some(text.to_owned()), ..Query::default() });
        let by_text = quarantine.list(&Query { text: Some(text.to_owned()), ..Query::default() });
        assert_eq!(by_recipient, by_text);
        by_text.entries.iter().map(|m| m.id).collect::<Vec<_>>()
    };
    assert_eq!(find("user999@"), [id]);
    assert_eq!(find("user1000@"), []);
}

#[test]
fn an_unknown_id_is_not_held() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let id = fixture.clock.mail_id().unwrap();
    assert!(matches!(quarantine.meta(id), Err(QuarantineError::NotHeld(n)) if n == id));
    assert!(matches!(quarantine.message(id), Err(QuarantineError::NotHeld(n)) if n == id));
    assert!(matches!(quarantine.delete(id), Err(QuarantineError::NotHeld(n)) if n == id));
}

#[test]
fn an_attempts_id_deletes_the_entry() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("one");
    mail.hold(&quarantine);
    let again = mail.again(&fixture.clock);
    again.store(&quarantine).unwrap();
    quarantine.delete(again.id).unwrap();
    assert_eq!(listed(&quarantine), []);
    assert!(quarantine.delete(mail.id).is_err());
    mail.again(&fixture.clock).hold(&quarantine);
}
