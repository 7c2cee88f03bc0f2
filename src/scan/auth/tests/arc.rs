//! ARC (RFC 8617) with chains made here.

use super::super::dkim::{BODY_CHANGED, HEADER_CHANGED};
use super::scene::{NOW, Scene, Set, Signer};
use crate::model::authentication::ArcChain;
use crate::model::{AuthResult, Outcome};

const MAIL: &str = "From: Bank <a@bank.example>\r\nTo: b@example.org\r\nSubject: x\r\n\r\nbody\r\n";
const PASS: &str = "mx.example; dmarc=pass header.from=bank.example";
const FAIL: &str = "mx.example; dmarc=fail header.from=bank.example; arc=pass";

/// Those whose keys are in the DNS.
fn sealers() -> [Signer; 3] {
    ["first.example", "second.example", "third.example"].map(Signer::new)
}

fn scene(trusted: &[&str]) -> Scene {
    let zone = sealers().iter().map(Signer::record).collect();
    let mut scene = Scene { zone, ..Scene::default() };
    scene.zone += "_dmarc.bank.example TXT v=DMARC1; p=reject\nslow._domainkey.first.example TIMEOUT\n";
    scene.settings.trusted_sealers = trusted.iter().map(|name| (*name).to_owned()).collect();
    scene
}

async fn chain(raw: &str) -> ArcChain {
    scene(&[]).seen(raw.to_owned()).await.arc.unwrap_or_default()
}

/// One set by the first sealer.
fn sealed(set: &Set<'_>) -> String {
    sealers()[0].seal(MAIL, set)
}

/// A set for each of the results, by one sealer after the other.
fn sealed_by_all(results: &[&str]) -> String {
    let sealers = sealers();
    results.iter().enumerate().fold(MAIL.to_owned(), |raw, (i, results)| {
        let instance = (i + 1).to_string();
        let status = if i == 0 { "none" } else { "pass" };
        sealers[i % 3].seal(&raw, &Set { instance: &instance, status, results, ..Set::default() })
    })
}

/// Result and reason.
async fn said(raw: &str) -> (AuthResult, String) {
    let chain = chain(raw).await;
    (chain.result, chain.reason.unwrap_or_default())
}

fn fails(reason: &str) -> (AuthResult, String) {
    (AuthResult::Fail, reason.to_owned())
}

#[tokio::test]
async fn a_chain_of_proper_sets_passes() {
    let one = ArcChain {
        result: AuthResult::Pass,
        sets: 1,
        sealers: vec!["first.example".to_owned()],
        ..ArcChain::default()
    };
    assert_eq!(chain(&sealed(&Set::default())).await, one);
    assert_eq!(chain(&sealed(&Set { forms: "simple/simple", ..Set::default() })).await, one);
    let four = chain(&sealed_by_all(&[PASS; 4])).await;
    let names = ["first.example", "second.example", "third.example", "first.example"];
    assert_eq!((four.result, four.sealers), (AuthResult::Pass, names.map(str::to_owned).to_vec()));
    assert_eq!(scene(&[]).seen(MAIL).await.arc, None);
}

#[tokio::test]
async fn fifty_sets_pass_and_more_fail_without_a_question() {
    let fifty = chain(&sealed_by_all(&[PASS; 50])).await;
    assert_eq!((fifty.result, fifty.sets), (AuthResult::Pass, 50));
    let set = "ARC-Seal: i=1; cv=none; a=rsa-sha256; d=first.example; s=sel; b=YQ==\r\n\
               ARC-Message-Signature: i=1; a=rsa-sha256; d=first.example; s=sel; h=from; bh=YQ==; b=YQ==\r\n\
               ARC-Authentication-Results: i=1; x; none\r\n";
    let raw = set.repeat(10_000) + MAIL;
    let message = crate::mail::header::parse(raw.clone());
    assert_eq!(super::super::arc::keys_of(&message), Vec::<String>::new());
    let many = chain(&raw).await;
    assert_eq!((many.result, many.sets), (AuthResult::Fail, 51));
    assert_eq!(many.reason.as_deref(), Some("there are more than 50 sets"));
}

/// RFC 8617 §4.1.1 to §4.1.3 and §5.2 step 3.
#[tokio::test]
async fn a_set_is_one_field_of_each_kind() {
    let raw = sealed(&Set::default());
    let (seal, rest) = raw.split_once("\r\n").unwrap();
    let (signature, rest) = rest.split_once("\r\n").unwrap();
    let (results, _) = rest.split_once("\r\n").unwrap();
    let of = |fields: &[&str]| format!("{}\r\n{MAIL}", fields.join("\r\n"));
    for (fields, reason) in [
        (&[signature, results][..], "set 1 is not complete"),
        (&[seal, results], "set 1 is not complete"),
        (&[seal, signature], "set 1 is not complete"),
        (&[seal, seal, signature, results], "set 1 has more than one ARC-Seal field"),
        (&[seal, signature, signature, results], "set 1 has more than one ARC-Message-Signature field"),
        (&[seal, signature, results, results], "set 1 has more than one ARC-Authentication-Results field"),
    ] {
        assert_eq!(said(&of(fields)).await, fails(reason), "{fields:?}");
    }
    // Where in the header they stand does not matter (§4.2).
    assert_eq!(said(&of(&[results, "X: y", seal, signature])).await.0, AuthResult::Pass);
    // Nor does white space before the colon, in the relaxed form.
    assert_eq!(said(&raw.replace("ARC-Seal:", "ARC-SEAL :")).await.0, AuthResult::Pass);
}

#[tokio::test]
async fn instances_go_from_one_upwards_without_gaps() {
    for bad in ["0", "51", "-1", "+1", "", "1 1", "001", "1x", "4294967297", "99999999999999999999"] {
        let raw = sealed(&Set { instance: bad, ..Set::default() });
        let reason = "an ARC-Authentication-Results field cannot be read: it has no instance";
        assert_eq!(said(&raw).await, fails(reason), "{bad:?}");
    }
    let raw = sealed(&Set { instance: "2", status: "pass", ..Set::default() });
    assert_eq!(said(&raw).await, fails("set 1 is not complete"));
    let gap = Set { instance: "3", status: "pass", ..Set::default() };
    let raw = sealers()[1].seal(&sealed(&Set::default()), &gap);
    assert_eq!(said(&raw).await, fails("set 2 is not complete"));
    let twice = sealers()[1].seal(&sealed(&Set::default()), &Set::default());
    assert_eq!(said(&twice).await.0, AuthResult::Fail);
}

#[tokio::test]
async fn the_status_is_none_first_and_pass_from_then_on() {
    for (status, reason) in [
        ("pass", "set 1 has a wrong cv="),
        ("fail", "the last sealer says that the chain fails"),
        ("maybe", "an ARC-Seal field cannot be read: its cv= is not known"),
        ("", "an ARC-Seal field cannot be read: its cv= is not known"),
    ] {
        assert_eq!(said(&sealed(&Set { status, ..Set::default() })).await, fails(reason), "{status}");
    }
    let second = |status| {
        let set = Set { instance: "2", status, ..Set::default() };
        sealers()[1].seal(&sealed(&Set::default()), &set)
    };
    assert_eq!(said(&second("none")).await, fails("set 2 has a wrong cv="));
    assert_eq!(said(&second("fail")).await, fails("the last sealer says that the chain fails"));
    assert_eq!(said(&second("PASS")).await.0, AuthResult::Pass);
    // A sealer who goes on after one has said that it fails does not mend it.
    let third = Set { instance: "3", status: "pass", ..Set::default() };
    assert_eq!(said(&sealers()[2].seal(&second("fail"), &third)).await, fails("set 2 has a wrong cv="));
}

#[tokio::test]
async fn a_signature_that_proves_too_little_is_none() {
    let signature = |why: &str| fails(&format!("an ARC-Message-Signature field cannot be read: {why}"));
    for (set, why) in [
        (Set { names: "from:arc-seal", ..Set::default() }, "it signs ARC-Seal"),
        (Set { names: "to:subject", ..Set::default() }, "it leaves out From"),
        (Set { more: ["l=1; ", ""], ..Set::default() }, "it covers a part of the body only (l=)"),
        (Set { more: ["t=x; ", ""], ..Set::default() }, "a time in it is no number"),
        (Set { more: ["d=first.example; ", ""], ..Set::default() }, "it is no list of tags"),
        (Set { forms: "relaxed/nowsp", ..Set::default() }, "its c= is not known"),
    ] {
        assert_eq!(said(&sealed(&set)).await, signature(why));
    }
    let seal = |why: &str| fails(&format!("an ARC-Seal field cannot be read: {why}"));
    for (set, why) in [
        (Set { more: ["", "h=from; "], ..Set::default() }, "a seal has no h="),
        (Set { algorithm: "rsa-sha1", ..Set::default() }, "rsa-sha1 proves nothing any more (RFC 8301)"),
        (Set { algorithm: "rsa-md5", ..Set::default() }, "its algorithm is not known"),
        (Set { algorithm: "", ..Set::default() }, "its algorithm is not known"),
    ] {
        assert_eq!(said(&sealed(&set)).await, seal(why));
    }
    let with_domain =
        |domain: &str| sealed(&Set::default()).replacen("d=first.example", &format!("d={domain}"), 1);
    for domain in [
        "first.example(.evil.example",
        "first .example",
        "first..example",
        "example",
        "",
        "\u{0}first.example",
    ] {
        let (result, reason) = said(&with_domain(domain)).await;
        assert_eq!(result, AuthResult::Fail);
        assert!(reason.starts_with("an ARC-Seal field cannot be read:"), "{domain:?}: {reason}");
    }
    let long = sealed(&Set { results: &format!("x; none ({})", "x".repeat(20_000)), ..Set::default() });
    assert_eq!(
        said(&long).await,
        fails("an ARC-Authentication-Results field cannot be read: it is too long")
    );
}

#[tokio::test]
async fn whatever_is_signed_cannot_be_changed() {
    let raw = sealed_by_all(&[PASS, PASS]);
    assert_eq!(said(&raw).await.0, AuthResult::Pass);
    for (from, to, reason) in [
        ("\r\nbody", "\r\nBody", format!("the message signature of set 2: {BODY_CHANGED}")),
        ("a@bank", "b@bank", format!("the message signature of set 2: {HEADER_CHANGED}")),
        ("i=2; mx", "i=2; my", format!("the seal of set 2: {HEADER_CHANGED}")),
        ("i=1; mx", "i=1; my", format!("the seal of set 1: {HEADER_CHANGED}")),
    ] {
        assert_eq!(said(&raw.replacen(from, to, 1)).await, fails(&reason), "{from}");
    }
    // What nobody signed may change.
    assert_eq!(said(&format!("Received: x\r\n{raw}")).await.0, AuthResult::Pass);
    // A second From above the signed one: the chain holds, and the message has no one author.
    let two = format!("From: x@evil.example\r\n{raw}");
    let seen = scene(&["first.example", "second.example"]).seen(two).await;
    assert_eq!((seen.arc.unwrap().trusted, seen.dmarc), (None, None));
}

#[tokio::test]
async fn times_that_are_over_or_not_yet_there_do_not_count() {
    for (more, expected) in [
        (format!("t={}; x={}; ", NOW - 10, NOW + 10), (AuthResult::Pass, String::new())),
        (
            format!("t={}; x={}; ", NOW - 20, NOW - 10),
            fails("the message signature of set 1: it has expired (x=)"),
        ),
        (
            format!("t={}; x={}; ", NOW + 20, NOW + 10),
            fails("the message signature of set 1: it has expired (x=)"),
        ),
        (
            format!("t={}; ", NOW + 3600),
            fails("the message signature of set 1: it is dated in the future (t=)"),
        ),
        (format!("t={}; ", NOW + 60), (AuthResult::Pass, String::new())),
    ] {
        assert_eq!(said(&sealed(&Set { more: [&more, ""], ..Set::default() })).await, expected, "{more}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_looked_up_now_is_neither_pass_nor_fail() {
    let raw = sealed_by_all(&[PASS, PASS]);
    let without = |line: &str| {
        let mut scene = scene(&[]);
        scene.zone = sealers()[0].record() + line;
        scene
    };
    let slow = without("sel._domainkey.second.example TIMEOUT");
    let arc = slow.seen(raw.clone()).await.arc.unwrap();
    assert_eq!(arc.result, AuthResult::TempError);
    assert!(arc.reason.unwrap().contains("sel._domainkey.second.example"));
    // What fails anyway fails.
    let changed = slow.seen(raw.replace("\r\nbody", "\r\nBody")).await.arc.unwrap();
    assert_eq!(changed.result, AuthResult::Fail);
    let other = slow.seen(raw.replacen("i=1; mx", "i=1; my", 1)).await.arc.unwrap();
    assert_eq!(other.result, AuthResult::Fail);
    assert_eq!(without("").seen(raw.clone()).await.arc.unwrap().result, AuthResult::Fail);
    // An RSA key with 512 bits.
    let short = "sel._domainkey.second.example TXT v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIe2m35AFfx1o8mdMz5rTDmeT8nNdO+HRpuWX25MUA3b4DNxgF52wtXQNbEBJnrqHhK0jbHbW7xcBkCVPtVUvtMCAwEAAQ==";
    assert_eq!(without(short).seen(raw).await.arc.unwrap().result, AuthResult::Fail);
}

/// Whom a chain makes believe, of those who are trusted.
async fn trusted(raw: &str, trusted: &[&str]) -> Option<String> {
    let arc = scene(trusted).seen(raw.to_owned()).await.arc.unwrap();
    assert_eq!(arc.result, AuthResult::Pass, "{raw}: {arc:?}");
    arc.trusted
}

#[tokio::test]
async fn a_trusted_sealer_is_believed_when_he_says_that_todays_author_passed() {
    let first = Some("first.example".to_owned());
    for (results, expected) in [
        (PASS, true),
        ("mx 1; spf=fail; DMARC=Pass (p=REJECT) Header.From=BANK.example", true),
        ("mx; dmarc=pass action=none header.from=a@bank.example;", true),
        ("mx; dmarc=pass header.from=\"bank.example\"", true),
        // Of somebody else, or of nobody.
        ("mx; dmarc=pass header.from=evil.example", false),
        ("mx; dmarc=pass header.from=sub.bank.example", false),
        ("mx; dmarc=pass", false),
        ("mx; dmarc=pass header.from=evil.example header.from=bank.example", false),
        ("mx; dmarc=pass header.from=bank.example header.from=evil.example", false),
        ("mx; dmarc=pass header.from=bank.example@evil.example", false),
        ("mx; dmarc=pass policy.from=bank.example", false),
        // Something else than a pass.
        (FAIL, false),
        ("mx; dmarc=none header.from=bank.example", false),
        ("mx; dmarc=bestguesspass header.from=bank.example", false),
        ("mx; spf=pass header.from=bank.example", false),
        ("mx; none", false),
        ("mx; dmarc=fail header.from=bank.example; dmarc=pass header.from=bank.example", false),
        // A pass that is only text.
        ("mx; dmarc=fail reason=\"; dmarc=pass header.from=bank.example\"", false),
        ("mx; spf=fail (; dmarc=pass header.from=bank.example)", false),
        ("mx; spf=fail smtp.mailfrom=\"; dmarc=pass header.from=bank.example;\"@evil.example", false),
        ("mx; dmarc=fail (\\); dmarc=pass header.from=bank.example)", false),
        ("(mx; dmarc=pass header.from=bank.example) mx; dmarc=fail", false),
        ("mx; dmarc=pass header.from=bank.example (unclosed", false),
        ("dmarc=pass header.from=bank.example", false),
    ] {
        let raw = sealed(&Set { results, ..Set::default() });
        let believed = trusted(&raw, &["first.example"]).await;
        assert_eq!(believed, first.clone().filter(|_| expected), "{results}");
    }
    for (name, expected) in [
        ("First.EXAMPLE.", true),
        ("example", false),
        ("sub.first.example", false),
        ("second.example", false),
        ("", false),
    ] {
        let believed = trusted(&sealed(&Set::default()), &[name]).await;
        assert_eq!(believed.is_some(), expected, "{name}");
    }
}

#[tokio::test]
async fn all_sealers_from_the_last_one_down_must_be_trusted() {
    let [first, second, third] = ["first.example", "second.example", "third.example"];
    let told = async |results: &[&str], who: &[&str]| trusted(&sealed_by_all(results), who).await;
    let is = |name: &str| Some(name.to_owned());
    // The last one's word counts.
    assert_eq!(told(&[FAIL, PASS], &[second]).await, is(second));
    assert_eq!(told(&[PASS, PASS], &[first, second]).await, is(second));
    // A list, and a forwarder behind it to whom it came broken.
    assert_eq!(told(&[PASS, FAIL], &[first, second]).await, is(first));
    assert_eq!(told(&[PASS, FAIL, FAIL], &[first, second, third]).await, is(first));
    // Nobody vouches for what stands below one who is not trusted.
    assert_eq!(told(&[PASS, PASS], &[first]).await, None);
    assert_eq!(told(&[PASS, FAIL], &[second]).await, None);
    assert_eq!(told(&[PASS, FAIL, FAIL], &[first, third]).await, None);
    assert_eq!(told(&[FAIL, FAIL], &[first, second]).await, None);
}

#[tokio::test]
async fn a_chain_that_does_not_pass_makes_nobody_believed() {
    let raw = sealed(&Set::default());
    let scene = scene(&["first.example"]);
    let seen = scene.seen(raw.clone()).await;
    assert_eq!(seen.arc.unwrap().trusted.as_deref(), Some("first.example"));
    assert_eq!(seen.dmarc.unwrap().result, AuthResult::Fail, "DMARC itself says what it saw");
    for changed in [raw.replace("\r\nbody", "\r\nBody"), raw.replace("cv=none", "cv=pass")] {
        assert_eq!(scene.seen(changed).await.arc.unwrap().trusted, None);
    }
    let mut slow = scene.clone();
    slow.zone = slow
        .zone
        .replace("sel._domainkey.first.example TXT", "sel._domainkey.first.example TIMEOUT TXT\nx TXT");
    let report = slow.report(raw).await;
    assert_eq!(report.authentication.as_ref().unwrap().arc.as_ref().unwrap().trusted, None);
    assert!(matches!(report.outcome, Outcome::Failed(_)), "{:?}", report.outcome);
}
