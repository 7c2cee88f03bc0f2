//! Attacks on the way from who sent to whom people see. The attacker has a domain for which everything passes, and
//! its zone answers whatever is asked below it; nothing of that may speak for the bank.

use super::scene::{Scene, Set, Signer};
use crate::model::{AuthResult, Authentication, Author};

/// Who is attacked, and publishes all there is.
const BANK: &str = "bank.example";
const EVIL: &str = "evil.example";
const REST: &str = "To: b@example.org\r\nSubject: x\r\n\r\nbody\r\n";

pub(super) fn scene() -> Scene {
    let [bank, evil] = [BANK, EVIL].map(Signer::new);
    let mut zone = bank.record() + &evil.record();
    // The attacker's key where a name that is cut off or read otherwise would be asked for.
    let key = evil.record();
    let (_, key) = key.split_once(' ').unwrap();
    for name in ["sel._domainkey.x.evil.example", "x._domainkey.evil.example", "_domainkey.evil.example"] {
        zone += &format!("{name} {key}");
    }
    zone += "bank.example TXT v=spf1 ip4:198.51.100.1 -all
        _dmarc.bank.example TXT v=DMARC1; p=reject
        evil.example TXT v=spf1 ip4:192.0.2.66 -all
        mail.evil.example TXT v=spf1 ip4:192.0.2.66 -all
        _dmarc.evil.example TXT v=DMARC1; p=none\n";
    Scene { zone, ..Scene::default() }
}

/// What DMARC says of whom.
fn dmarc(seen: &Authentication) -> Option<(String, AuthResult)> {
    seen.dmarc.as_ref().map(|dmarc| (dmarc.domain.clone(), dmarc.result))
}

/// Nothing speaks for the bank.
pub(super) fn assert_not_bank(seen: &Authentication, what: &str) {
    let is_bank = |domain: &str| domain == BANK || domain.ends_with(".bank.example");
    assert!(
        !seen.dkim.iter().any(|d| d.result == AuthResult::Pass && is_bank(&d.domain)),
        "{what:?}: {seen:?}"
    );
    let spf = [&seen.mail_from, &seen.helo];
    let passes = spf.into_iter().flatten().any(|s| s.result == AuthResult::Pass && is_bank(&s.domain));
    assert!(!passes, "{what:?}: {seen:?}");
    if let Some(dmarc) = &seen.dmarc {
        assert!(!is_bank(&dmarc.domain) || dmarc.result != AuthResult::Pass, "{what:?}: {seen:?}");
        assert!(!is_bank(&dmarc.domain) || !seen.is_aligned(), "{what:?}: {seen:?}");
    }
}

/// A mail that the attacker sent and signed, with this on its top.
async fn sent(from: &str) -> Authentication {
    let seen = scene().seen(Signer::new(EVIL).dkim(&format!("{from}\r\n{REST}"))).await;
    assert_eq!(seen.mail_from.as_ref().unwrap().result, AuthResult::Pass, "{from:?}");
    assert_not_bank(&seen, from);
    seen
}

#[tokio::test]
async fn the_attacker_passes_as_himself_and_the_bank_as_itself() {
    let seen = sent("From: a@evil.example").await;
    assert_eq!(seen.dkim[0].result, AuthResult::Pass);
    assert_eq!(dmarc(&seen), Some((EVIL.to_owned(), AuthResult::Pass)));
    assert_eq!(dmarc(&sent("From: a@bank.example").await), Some((BANK.to_owned(), AuthResult::Fail)));
    let raw = Signer::new(BANK).dkim(&format!("From: a@bank.example\r\n{REST}"));
    assert_eq!(dmarc(&scene().seen(raw).await), Some((BANK.to_owned(), AuthResult::Pass)));
}

#[tokio::test]
async fn of_several_from_fields_none_is_picked() {
    for from in [
        "From: a@bank.example\r\nFrom: a@evil.example",
        "From: a@evil.example\r\nFrom: a@bank.example",
        "From: a@evil.example\r\nfrom : a@bank.example",
        "FROM\t: a@bank.example\r\nX: y\r\nFrom: a@evil.example",
        "From:\r\n a@bank.example\r\nFrom: a@evil.example",
        "From: a@evil.example\r\nFrom:",
        "From: a@evil.example\r\nFrom: a@evil.example",
    ] {
        let seen = sent(from).await;
        assert_eq!((dmarc(&seen), &seen.author), (None, &Author::SeveralFields(2)), "{from:?}");
        let bank = seen.shown.iter().find(|dmarc| dmarc.domain == BANK).map(|dmarc| dmarc.result);
        assert_eq!(bank, from.contains(BANK).then_some(AuthResult::Fail), "{from:?}");
        assert!(seen.shown.iter().all(|dmarc| dmarc.result != AuthResult::Pass), "{from:?}");
    }
    // What looks like one and is another field, or a line of one.
    for from in [
        "Resent-From: a@bank.example\r\nFrom: a@evil.example",
        "Sender: a@bank.example\r\nFrom: a@evil.example",
        "X: y\r\n From: a@bank.example\r\nFrom: a@evil.example",
    ] {
        assert_eq!(dmarc(&sent(from).await), Some((EVIL.to_owned(), AuthResult::Pass)), "{from:?}");
    }
    assert_eq!(dmarc(&sent("X: y").await), None);
}

#[tokio::test]
async fn a_from_field_that_two_programs_read_in_two_ways_has_no_dmarc() {
    for from in [
        // NUL and other control characters.
        "From: a@bank.example\0@evil.example",
        "From: a@evil.example\0.bank.example",
        "From: a@bank.example\0",
        "From: \"a@bank.example\0\" <a@evil.example>",
        "From: a@bank.example\r@evil.example",
        "From: a@bank.example\x0b<a@evil.example>",
        "From: a@bank.example\u{85}<a@evil.example>",
        // Encoded words where an address stands.
        "From: =?utf-8?q?a=40bank.example=3E?= a@evil.example",
        "From: =?utf-8?q?a=40bank.example?=@evil.example",
        // Comments.
        "From: a(@bank.example)@evil.example@bank.example",
        "From: a@(evil.example)bank.example@evil.example",
        "From: a@bank.example) <a@evil.example>",
        "From: (((a@evil.example) a@bank.example",
        // Route-addresses.
        "From: <@evil.example:a@bank.example>",
        "From: <@evil.example,@x.example:a@bank.example>",
        "From: <@bank.example,a@evil.example>",
        // Quoted pairs and strings.
        "From: a\\@bank.example@evil.example",
        "From: \\\"a@bank.example\\\" <a@evil.example>",
        "From: \"a@bank.example <a@evil.example>",
        // Two addresses in one place.
        "From: a@bank.example <a@evil.example>",
        "From: <a@bank.example> <a@evil.example>",
        "From: <a@bank.example> a@evil.example",
        "From: <<a@bank.example>@evil.example>",
        "From: a@evil.example; a@bank.example",
        "From: a@bank.example a@evil.example",
        "From: a@bank.example, a@evil.example",
        "From: a@evil.example, <a@bank.example>",
        "From: T: a@evil.example;, a@bank.example",
        // What is no domain name.
        "From: a@[192.0.2.66]",
        "From: a@",
        "From: bank.example",
        "From: <>",
        "From:",
    ] {
        let seen = sent(from).await;
        assert_eq!(dmarc(&seen), None, "{from:?}: {:?}", seen.author);
        let shows = |domain: &str| {
            let found = seen.shown.iter().find(|dmarc| dmarc.domain.ends_with(domain));
            found.map(|dmarc| dmarc.result)
        };
        if from.contains(BANK) && from.contains('@') {
            assert_eq!(shows(BANK), Some(AuthResult::Fail), "{from:?}: {:?}", seen.shown);
        }
        assert!(
            seen.shown.iter().all(|dmarc| dmarc.result != AuthResult::Pass),
            "{from:?}: {:?}",
            seen.shown
        );
    }
}

/// Which breaks the grammar, and shows nobody else however it is read.
#[tokio::test]
async fn a_from_field_that_shows_one_domain_in_every_reading_has_it_judged() {
    for from in [
        "From: a@=?utf-8?q?bank.example?=",
        "From: =?utf-8?b?YUBiYW5rLmV4YW1wbGU=?=",
        "From: <=?utf-8?q?a=40bank.example?=>",
        "From: a@bank.example(",
        "From: a@bank.(x)example",
        "From: a@bank.example\\",
        "From: \"a\"b\"@bank.example",
        "From: a@bank.example:25",
        "From: a@.bank.example",
        "From: a@bank..example",
        "From: a@bank.example..",
        "From: a@bank.example.",
        "From: a@\"bank.example\"",
        "From: a@bank\\.example",
        "From: @bank.example",
        "From: service@bank.example <service@bank.example>",
        "From: Bank, Inc. <service@bank.example>",
        "From: Bank [Service] <service@bank.example>",
        "From: Bank <a@bank.example>;",
        "From: a@bank.example (x",
        "From: a@[192.0.2.1], a@bank.example",
        "From: Bank <a@bank .example>",
    ] {
        assert_eq!(dmarc(&sent(from).await), Some((BANK.to_owned(), AuthResult::Fail)), "{from:?}");
        let report = scene().report(Signer::new(BANK).dkim(&format!("{from}\r\n{REST}"))).await;
        let seen = report.authentication.unwrap();
        assert_eq!(dmarc(&seen), Some((BANK.to_owned(), AuthResult::Pass)), "{from:?}");
        let odd: Vec<f64> = report
            .findings
            .iter()
            .filter(|f| f.symbol.starts_with("FROM"))
            .map(|f| f.score.value())
            .collect();
        assert_eq!(odd, [0.5], "{from:?}");
    }
    for from in ["From: <a@evil.example", "From: a@evil.example>"] {
        assert_eq!(dmarc(&sent(from).await), Some((EVIL.to_owned(), AuthResult::Pass)), "{from:?}");
    }
}

/// Neither the budget nor four domains of the attacker's with dead servers keep the bank from being asked about.
#[tokio::test]
async fn of_several_authors_each_is_asked_about_within_the_budget() {
    let mut scene = scene();
    scene.settings.questions = 60;
    scene.zone += "evil.example TIMEOUT A\n";
    let many = (0..4).map(|n| format!("a@a.b.c.d.e.f.g.s{n}.evil.example")).collect::<Vec<_>>().join(", ");
    for from in [format!("From: {many}, a@bank.example"), format!("From: {many}\r\nFrom: a@bank.example")] {
        let seen = scene.seen(Signer::new(EVIL).dkim(&format!("{from}\r\n{REST}"))).await;
        let bank = seen.shown.iter().find(|dmarc| dmarc.domain == BANK).unwrap();
        assert_eq!(bank.result, AuthResult::Fail, "{from}: {:?}", seen.shown);
        assert!(seen.shown.iter().all(|dmarc| dmarc.result != AuthResult::Pass), "{:?}", seen.shown);
        assert!(!seen.is_aligned());
    }
}

#[tokio::test]
async fn what_of_a_domain_that_could_be_shown_is_not_known_is_told_as_uncertain() {
    let mut scene = scene();
    scene.zone += "_dmarc.down.example FAIL\n";
    let report = scene.report(format!("From: a@bank.example, a@down.example\r\n{REST}")).await;
    let seen = report.authentication.unwrap();
    let results: Vec<AuthResult> = seen.shown.iter().map(|dmarc| dmarc.result).collect();
    assert_eq!(results, [AuthResult::Fail, AuthResult::TempError]);
    assert_eq!(report.outcome.to_string(), "failed(temperror)");
}

#[tokio::test]
async fn text_around_an_address_is_not_the_author() {
    for from in [
        "From: \"a@bank.example\" <a@evil.example>",
        "From: \"a@bank.example\\\" <a@bank.example>\" <a@evil.example>",
        "From: (a@bank.example) a@evil.example",
        "From: a@evil.example (a@bank.example)",
        "From: a@evil.example (\\) <a@bank.example>)",
        "From: (any@bank.example) <a@evil.example>",
        "From: =?utf-8?q?=3Ca=40bank.example=3E?= <a@evil.example>",
        "From: bank.example: a@evil.example;",
        "From: bank.example <\"a@bank.example\"@evil.example>",
    ] {
        assert_eq!(dmarc(&sent(from).await), Some((EVIL.to_owned(), AuthResult::Pass)), "{from:?}");
    }
    for from in [
        "From: \"a@evil.example\" <a@bank.example>",
        "From: (any@evil.example) a@bank.example",
        "From: a@BANK.Example",
        // What IDNA takes for a full stop (UTS 46 §4).
        "From: a@bank\u{3002}example",
        "From: a@bank\u{ff0e}example",
        "From: a@\u{ff42}ank.example",
        "From: \"a@evil.example\"@bank.example",
        "From: \"a\\\"@evil.example\"@bank.example",
        "From: A <a@bank.example>, B <b@bank.example>",
    ] {
        assert_eq!(dmarc(&sent(from).await), Some((BANK.to_owned(), AuthResult::Fail)), "{from:?}");
    }
}

#[tokio::test]
async fn no_reading_of_mail_from_or_helo_speaks_for_the_bank() {
    for mail_from in [
        "<a@bank.example>",
        "<(any@bank.example) a@evil.example>",
        "<a@evil.example(any@bank.example)>",
        "<(any@bank.example>",
        "<any@bank.example(.evil.example>",
        "<a@evil.example@bank.example>",
        "<a@bank.example@evil.example>",
        "<\"a@evil.example\"@bank.example>",
        "<\"a@bank.example\"@evil.example>",
        "<a@evil.example\0.bank.example>",
        "<a@bank.example\0.evil.example>",
        "<a@bank.example\0@evil.example>",
        "<a@evil.example,bank.example>",
        "<a@evil.example bank.example>",
        "<@evil.example:a@bank.example>",
        "<@bank.example:a@evil.example>",
        "<a@bank.example.>",
        "<a@_dmarc.bank.example>",
        "<bank.example>",
        "<a@>",
        "<@>",
        "<>",
    ] {
        for helo in [
            "mail.evil.example",
            "bank.example",
            "bank.example\0.mail.evil.example",
            "mail.evil.example\0.bank.example",
            "(any@bank.example) mail.evil.example",
            "[192.0.2.66]",
            "",
        ] {
            let scene = Scene { mail_from: mail_from.to_owned(), helo, ..scene() };
            let seen = scene.seen(format!("From: a@bank.example\r\n{REST}")).await;
            assert_not_bank(&seen, &format!("{mail_from} {helo}"));
            assert_eq!(dmarc(&seen), Some((BANK.to_owned(), AuthResult::Fail)), "{mail_from:?} {helo:?}");
        }
    }
}

#[tokio::test]
async fn no_domain_or_selector_of_a_signature_makes_another_key_the_banks() {
    let evil = Signer::new(EVIL);
    let raw = format!("From: a@bank.example\r\n{REST}");
    for (domain, selector) in [
        // It signs as itself: the signature may be good and is not the bank's.
        (EVIL, "sel"),
        ("example", "sel"),
        // Names that could be cut off, or end early, on their way to the question.
        (BANK, "sel"),
        (BANK, "sel._domainkey.evil.example."),
        (BANK, "sel._domainkey.evil.example.\0"),
        (BANK, "sel._domainkey.evil.example.\0.any"),
        (BANK, "sel._domainkey.evil.example\0"),
        (BANK, "sel._domainkey.evil.example.("),
        (BANK, "sel._domainkey.evil.example. "),
        (BANK, "sel._domainkey.evil.example/"),
        (BANK, "sel._domainkey.evil.example\\000"),
        (BANK, "sel\\._domainkey\\.evil\\.example"),
        (BANK, ""),
        (BANK, "."),
        (BANK, "*"),
        ("bank.example\0.evil.example", "sel"),
        ("evil.example\0.bank.example", "sel"),
        ("evil.example\0bank.example", "sel"),
        ("bank.example(.evil.example", "sel"),
        ("bank.example@evil.example", "sel"),
        ("bank.example, evil.example", "sel"),
        ("evil.example. bank.example", "sel"),
        ("evil.example\r\n bank.example", "sel"),
        (".bank.example", "sel._domainkey.evil.example"),
        ("bank.example.", "sel._domainkey.evil.example"),
        ("=?utf-8?q?bank.example?=", "sel"),
        ("evil.example; d=bank.example", "sel"),
        ("bank.example; d=evil.example", "sel"),
        ("evil.example; i=@bank.example", "sel"),
        ("evil.example; D=bank.example", "sel"),
        ("evil.example; i=a@bank.example@evil.example", "sel"),
    ] {
        let signed = evil.dkim_as(&raw, "from:to:subject", domain, selector);
        let seen = scene().seen(signed.clone()).await;
        assert_not_bank(&seen, &format!("{domain} {selector}"));
        assert_eq!(dmarc(&seen), Some((BANK.to_owned(), AuthResult::Fail)), "{domain:?} {selector:?}");
        // Nor above or below one that the bank did make for something else.
        let other = Signer::new(BANK).dkim(&format!("From: c@bank.example\r\n{REST}"));
        let (other, _) = other.split_once("\r\n").unwrap();
        assert_not_bank(&scene().seen(format!("{other}\r\n{signed}")).await, domain);
    }
}

#[tokio::test]
async fn a_mail_of_the_bank_cannot_be_given_another_author() {
    let bank = Signer::new(BANK).dkim(&format!("From: a@bank.example\r\n{REST}"));
    let bank_without_from =
        Signer::new(BANK).dkim_as(&format!("From: x@y.example\r\n{REST}"), "to:subject", BANK, "sel");
    for raw in [
        bank.replace("From: a@bank", "From: b@bank"),
        bank.replace("From: a@bank.example", "From: \"b@bank.example\" <a@bank.example>"),
        bank.replace("body", "Body"),
        bank.replace("Subject: x", "Subject: y"),
        // Two of a field that is signed once: the lower one is what is signed (RFC 6376 §5.4.2).
        bank.replace("Subject: x", "Subject: x\r\nSubject: y"),
        bank.replace("To: b@example.org", "To: b@example.org\r\nTo: c@example.org"),
        format!("From: a@evil.example\r\n{bank}"),
        bank.replace("To: b", "From: a@evil.example\r\nTo: b"),
        format!("FROM : b@bank.example\r\n{bank}"),
        bank_without_from.replace("From: x@y.example", "From: a@bank.example"),
    ] {
        let seen = scene().seen(raw.clone()).await;
        assert_ne!(seen.dmarc.map(|dmarc| dmarc.result), Some(AuthResult::Pass), "{raw}");
    }
}

/// What the bank signed is below, and what people see is on top: sent again by whoever has one mail of the bank's.
#[tokio::test]
async fn a_mail_of_the_bank_cannot_be_given_another_subject_body_or_recipient_on_top() {
    let raw = format!("From: a@bank.example\r\nDate: today\r\nContent-Type: text/plain\r\n{REST}");
    let bank = Signer::new(BANK);
    let signed = bank.dkim_as(&raw, "from:to:subject:date:content-type", BANK, "sel");
    assert_eq!(dmarc(&scene().seen(signed.clone()).await), Some((BANK.to_owned(), AuthResult::Pass)));
    for added in [
        "Subject: Your account is closed",
        "SUBJECT\t: Your account is closed",
        "To: victim@example.org",
        "Date: tomorrow",
        "Content-Type: multipart/mixed; boundary=bo",
    ] {
        let report = scene().report(format!("{added}\r\n{signed}")).await;
        let seen = report.authentication.unwrap();
        assert_eq!(dmarc(&seen), Some((BANK.to_owned(), AuthResult::Fail)), "{added}");
        assert_eq!(seen.dkim[0].result, AuthResult::Policy, "{added}");
        let told = report.findings.iter().find(|f| f.symbol == "DKIM_NOT_ACCEPTED").unwrap();
        let name = added.split([':', '\t']).next().unwrap();
        assert!(
            told.text.to_lowercase().contains(&format!("more {} fields than it covers", name.to_lowercase())),
            "{}",
            told.text
        );
    }
    // A signature that covers both, or says that there is no other, was made for this.
    let both = bank.dkim_as(&format!("Subject: y\r\n{raw}"), "from:to:subject:subject", BANK, "sel");
    assert_eq!(dmarc(&scene().seen(both).await), Some((BANK.to_owned(), AuthResult::Pass)));
    let over = bank.dkim_as(&raw, "from:from:to:subject:subject", BANK, "sel");
    assert_eq!(dmarc(&scene().seen(over.clone()).await), Some((BANK.to_owned(), AuthResult::Pass)));
    let changed = scene().seen(format!("Subject: y\r\n{over}")).await;
    assert_eq!(changed.dkim[0].result, AuthResult::Fail);
}

#[tokio::test]
async fn a_trusted_seal_does_not_vouch_for_a_subject_that_was_put_on_top_of_it() {
    let sealer = Signer::new("list.example");
    let mut scene = scene();
    scene.zone += &sealer.record();
    scene.settings.trusted_sealers = vec!["list.example".to_owned()];
    let sealed = sealer.seal(&format!("From: a@bank.example\r\n{REST}"), &Set::default());
    assert_eq!(scene.seen(sealed.clone()).await.arc.unwrap().trusted.as_deref(), Some("list.example"));
    let arc = scene.seen(format!("Subject: Your account is closed\r\n{sealed}")).await.arc.unwrap();
    assert_eq!(arc.trusted, None);
}

#[tokio::test]
async fn a_sealer_who_is_trusted_speaks_for_nobody_but_todays_author() {
    let sealer = Signer::new("list.example");
    let mut scene = scene();
    scene.zone += &sealer.record();
    scene.settings.trusted_sealers = vec!["list.example".to_owned()];
    let believed = async |from: &str, results: &str| {
        let raw = sealer.seal(&format!("{from}\r\n{REST}"), &Set { results, ..Set::default() });
        let seen = scene.seen(raw).await;
        assert_not_bank(&seen, from);
        seen.arc.unwrap().trusted
    };
    let (good, other) =
        ("mx; dmarc=pass header.from=bank.example", "mx; dmarc=pass header.from=evil.example");
    assert_eq!(believed("From: a@bank.example", good).await.as_deref(), Some("list.example"));
    for (from, results) in [
        ("From: a@bank.example", other),
        ("From: \"a@evil.example\"@bank.example", other),
        ("From: a@bank.example, a@evil.example", good),
        ("From: a@bank.example, a@evil.example", other),
        ("From: a@evil.example\r\nFrom: a@bank.example", good),
        ("From: a@bank.example <a@evil.example>", good),
        ("From: a@bank.example\0", good),
        ("From: a@bank.example", "mx; dmarc=pass header.from=evil.example\0bank.example"),
        ("From: a@bank.example", "mx; dmarc=pass header.from=evil.example (header.from=bank.example)"),
        ("From: a@bank.example", "mx; dmarc=pass header.from=(bank.example) evil.example"),
        ("From: a@bank.example", "mx; dmarc=pass header.from=\"x@evil.example\"@bank.example.evil.example"),
    ] {
        assert_eq!(believed(from, results).await, None, "{from:?} {results:?}");
    }
}
