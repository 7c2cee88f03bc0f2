//! Messages with forged and odd headers: what is verified of them comes from the session and the DNS alone. What
//! of their fields is removed is told in `mail`.

use super::scene::Scene;
use crate::model::{AuthResult, Author};
use crate::testing;

/// The stranger of the suite's EXPECT.md. Whoever is named in a message publishes that this is not his mail.
fn stranger() -> Scene {
    let mut scene = Scene {
        zone: "bank.example TXT v=spf1 ip4:192.0.2.10 -all
            _dmarc.bank.example TXT v=DMARC1; p=reject
            attacker.example TXT v=spf1 ip4:192.0.2.99 -all
            _dmarc.attacker.example TXT v=DMARC1; p=none"
            .to_owned(),
        ip: "192.0.2.99",
        helo: "mail.attacker.example",
        mail_from: "<eve@attacker.example>".to_owned(),
        ..Scene::default()
    };
    scene.settings.trusted_sealers = vec!["mx.example.org".to_owned(), "bank.example".to_owned()];
    scene
}

#[tokio::test]
async fn no_field_of_a_forged_header_changes_what_is_verified() {
    let name = "no_field_of_a_forged_header_changes_what_is_verified";
    let Some(folder) = testing::suite(name, "headers") else { return };
    let mut seen_files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        seen_files += 1;
        let seen = stranger().seen(std::fs::read(&path).unwrap()).await;
        let file = path.display();
        assert_eq!(seen.client, Some("192.0.2.99".parse().unwrap()), "{file}");
        let spf = seen.mail_from.as_ref().unwrap();
        assert_eq!((spf.result, &*spf.domain), (AuthResult::Pass, "attacker.example"), "{file}");
        assert_eq!(seen.dkim, [], "{file}");
        assert!(
            seen.arc.as_ref().is_none_or(|arc| arc.result == AuthResult::Fail && arc.trusted.is_none()),
            "{file}"
        );
        let passes = seen.dmarc.as_ref().filter(|dmarc| dmarc.result == AuthResult::Pass);
        assert!(passes.is_none_or(|dmarc| dmarc.domain == "attacker.example"), "{file}: {seen:?}");
    }
    assert_eq!(seen_files, 16);
}

#[tokio::test]
async fn each_odd_from_field_is_told_as_the_suite_says() {
    let Some(folder) = testing::suite("each_odd_from_field_is_told_as_the_suite_says", "headers") else {
        return;
    };
    let attacker = || Author::Domain("attacker.example".to_owned());
    let two = ["bank.example", "attacker.example"].map(str::to_owned).to_vec();
    for (file, author, dmarc, symbol, words) in [
        (
            "09-from-multiple",
            Author::SeveralFields(2),
            None,
            "FROM_SEVERAL_FIELDS",
            &["eve@attacker.example", "service@bank.example"][..],
        ),
        (
            "10-from-two-addresses",
            Author::SeveralDomains(two),
            None,
            "FROM_SEVERAL_DOMAINS",
            &["attacker.example", "bank.example"],
        ),
        (
            "11-from-nul-encoded-word",
            attacker(),
            Some(AuthResult::Pass),
            "FROM_NAME_OF_OTHER",
            &["bank.example", "attacker.example"],
        ),
        (
            "12-from-display-name-address",
            attacker(),
            Some(AuthResult::Pass),
            "FROM_NAME_OF_OTHER",
            &["bank.example", "attacker.example"],
        ),
        (
            "16-received-forged",
            Author::Domain("bank.example".to_owned()),
            Some(AuthResult::Fail),
            "DMARC_FAIL_REJECT",
            &[],
        ),
    ] {
        let report = stranger().report(std::fs::read(folder.join(format!("{file}.eml"))).unwrap()).await;
        let seen = report.authentication.as_ref().unwrap();
        assert_eq!((&seen.author, seen.dmarc.as_ref().map(|d| d.result)), (&author, dmarc), "{file}");
        let finding = report.findings.iter().find(|f| f.symbol == symbol).unwrap_or_else(|| panic!("{file}"));
        assert!(words.iter().all(|word| finding.text.contains(word)), "{file}: {}", finding.text);
        assert!(!finding.text.contains(char::is_control), "{file}: {}", finding.text);
    }
}

#[tokio::test]
async fn results_in_our_name_under_arc_belong_to_no_chain() {
    let name = "results_in_our_name_under_arc_belong_to_no_chain";
    let Some(folder) = testing::suite(name, "headers") else { return };
    let seen = stranger().seen(std::fs::read(folder.join("06-ar-odd-name.eml")).unwrap()).await;
    let arc = seen.arc.unwrap();
    assert_eq!((arc.result, arc.reason.as_deref()), (AuthResult::Fail, Some("set 1 is not complete")));
}
