//! Records of held mail, mutated.

use super::*;
use crate::mutation::Campaign;
use crate::testing::effort;

#[test]
fn records_of_held_mail() {
    let fixture = Fixture::new();
    let quarantine = fixture.open();
    let mail = fixture.mail("Grüße \"quoted\" \\ and more");
    let id = mail.hold(&quarantine);
    mail.again(&fixture.clock).store(&quarantine).unwrap();
    let json = fs::read(fixture.path("meta").join(format!("{id}.json"))).unwrap();
    let words = [
        "null",
        "true",
        "[]",
        "{}",
        "\"\"",
        "-1",
        "\"version\": 2,",
        "\"count\":",
        "\"recipients\": [",
        "\\u0000",
        "\\ud800",
        "\"state\":",
        "\"released\"",
        "\"held\"",
        "2026-11-20T12:00:00.000Z",
        "9999-99-99T99:99:99Z",
        "\"id\":",
        "<a@b>",
    ];
    Campaign::new("held", effort(1_500, 40_000), vec![json]).words(&words).run(|input| {
        let Ok(meta) = Meta::from_json(id, input) else { return };
        assert_eq!(meta.id, id);
        let written = meta.to_json().unwrap();
        assert_eq!(Meta::from_json(id, &written).unwrap().to_json().unwrap(), written);
    });
}
