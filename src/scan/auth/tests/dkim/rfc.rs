//! RFC 6376, 8301 and 8463, section by section.

use super::signer::{Form, Kind, Signer, public};
use super::{HEADER_CHANGED, KEYS, NOW, PASS, RESOLVER, assert_verifies, verify_in, verify_with};
use crate::model::AuthResult;
use crate::model::authentication::Dkim;

const MAIL: &[u8] = b"From: joe@example.org\r\nTo: a@example.net\r\nSubject: x\r\n\r\nHi.\r\n";

fn with(more: &str) -> Vec<u8> {
    Signer { more: format!(" {more};"), ..Signer::default() }.sign(MAIL)
}

/// The result for a message of `Signer::default` with this record as its key.
fn with_key(record: &str) -> Dkim {
    let zone = format!("ed._domainkey.example.org TXT {record}\n");
    verify_in(&zone, Signer::default().sign(MAIL)).dkim.remove(0)
}

fn told(dkim: &Dkim) -> (AuthResult, Option<&str>) {
    (dkim.result, dkim.reason.as_deref())
}

/// The message of RFC 8463 appendix A.3, with the keys of A.2.
#[test]
fn rfc_8463_appendix_a_both_signatures_of_the_example_pass() {
    const ZONE: &str = "brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        test._domainkey.football.example.com TXT v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n";
    const EXAMPLE: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
";
    let found = verify_in(ZONE, EXAMPLE);
    let expected = |algorithm: &str, selector: &str, signature: &str| Dkim {
        result: AuthResult::Pass,
        domain: "football.example.com".into(),
        selector: selector.into(),
        algorithm: algorithm.into(),
        identity: Some("@football.example.com".into()),
        signature: signature.into(),
        ..Dkim::default()
    };
    assert_eq!(
        found.dkim,
        [expected("ed25519-sha256", "brisbane", "/gCrinpc"), expected("rsa-sha256", "test", "F45dVWDf"),]
    );
    for result in verify_in(ZONE, EXAMPLE.replace("dinner", "supper")).dkim {
        assert_eq!(told(&result), HEADER_CHANGED);
    }
}

#[test]
fn rfc_6376_3_5_a_signature_that_has_expired_is_not_accepted() {
    let expired = (AuthResult::Policy, Some("it has expired (x=)"));
    assert_verifies(&with(&format!("t=1; x={}", NOW - 1)), expired, "a second ago");
    assert_verifies(&with(&format!("t=1; x={NOW}")), PASS, "this second");
    assert_verifies(&with(&format!("x={}", NOW + 1)), PASS, "in a second");
    let disorder = (AuthResult::PermError, Some("the signature's x= is not later than its t="));
    assert_verifies(&with(&format!("t={}; x={}", NOW + 9, NOW + 9)), disorder, "no later than t=");
}

#[test]
fn rfc_6376_3_5_a_signature_from_the_future_is_not_accepted() {
    let future = (AuthResult::Policy, Some("it is dated in the future (t=)"));
    assert_verifies(&with(&format!("t={}", NOW + 15 * 60)), PASS, "within the skew of clocks");
    assert_verifies(&with(&format!("t={}", NOW + 15 * 60 + 1)), future, "beyond");
    assert_verifies(&with(&format!("t={}", "9".repeat(30))), future, "endless");
}

#[test]
fn rfc_6376_3_7_and_8_2_a_signature_over_a_part_of_the_body_is_not_accepted() {
    let partial = (AuthResult::Policy, Some("it covers a part of the body only (l=)"));
    for l in [0, 3, 5, 4_000] {
        assert_verifies(&with(&format!("l={l}")), partial, &l.to_string());
    }
}

#[test]
fn rfc_6376_5_4_a_signature_without_from_is_not_accepted() {
    let unsigned = (AuthResult::Policy, Some("the From field is not signed (RFC 6376 section 5.4)"));
    for names in ["To:Subject", "x-from:from-x", ":", "fro m"] {
        let signed = Signer { names: names.into(), ..Signer::default() }.sign(MAIL);
        assert_verifies(&signed, unsigned, names);
    }
}

#[test]
fn rfc_8301_3_1_rsa_sha1_is_not_accepted_and_costs_nothing() {
    let signed = String::from_utf8(with("")).unwrap().replace("ed25519-sha256", "rsa-sha1");
    let found = verify_in(&KEYS, signed);
    let expected = (AuthResult::Policy, Some("rsa-sha1 proves nothing any more (RFC 8301)"));
    assert_eq!(told(&found.dkim[0]), expected);
    assert_eq!((found.questions, found.body_hashes), (0, 0));
}

#[test]
fn rfc_8301_3_2_rsa_keys_under_1024_and_over_4096_bits_are_not_accepted() {
    // RSAPublicKey with a modulus of so many bytes, all ones.
    let key = |bytes: usize| {
        let length = |n: usize| [&[0x82][..], &u16::try_from(n).unwrap().to_be_bytes()].concat();
        let der = [
            &[0x30][..],
            &length(bytes + 10),
            &[0x02],
            &length(bytes + 1),
            &[0],
            &vec![0xff; bytes],
            &[2, 3, 1, 0, 1],
        ]
        .concat();
        format!("rsa._domainkey.example.org TXT v=DKIM1; p={}\n", data_encoding::BASE64.encode(&der))
    };
    let signed = Signer { kind: Kind::Rsa, ..Signer::default() }.sign(MAIL);
    let result = |bytes: usize| verify_in(&key(bytes), signed.clone()).dkim.remove(0);
    let short = (AuthResult::Policy, Some("its key has fewer than 1024 bits (RFC 8301)"));
    let long = (AuthResult::Policy, Some("its key has more than 4096 bits (RFC 8301)"));
    assert_eq!(told(&result(64)), short);
    assert_eq!(told(&result(127)), short);
    assert_eq!(told(&result(128)), HEADER_CHANGED);
    assert_eq!(told(&result(512)), HEADER_CHANGED);
    assert_eq!(told(&result(513)), long);
    assert_eq!(told(&result(2_048)), long);
}

#[test]
fn rfc_6376_3_6_1_what_a_key_is_not_for_it_does_not_verify() {
    let ed = public(Kind::Ed25519);
    for (record, why) in [
        (format!("v=DKIM1; k=ed25519; h=sha1; p={ed}"), "the key is not for SHA-256 (h=)"),
        (format!("v=DKIM1; k=ed25519; s=chat; p={ed}"), "the key is not for mail (s=)"),
        (format!("v=DKIM1; k=future; p={ed}"), "the key is of a kind that is not known (k=)"),
        (format!("v=DKIM2; k=ed25519; p={ed}"), "the text under the key's name is no DKIM key"),
        (
            format!("v=DKIM1; k=ed25519; p={ed}; p={ed}"),
            "the key record cannot be read: it has the tag p= twice",
        ),
        (
            format!("v=DKIM1; k=ed25519; t; p={ed}"),
            "the key record cannot be read: something in it is no tag=value",
        ),
        ("v=DKIM1; k=ed25519; p=".to_owned(), "the key is revoked (its p= is empty)"),
        ("v=DKIM1; k=ed25519; p=AAAA".to_owned(), "the key itself cannot be read (p=)"),
        (format!("v=DKIM1; p={}", public(Kind::Rsa)), "the key is for another algorithm (a=, k=)"),
    ] {
        assert_eq!(told(&with_key(&record)), (AuthResult::PermError, Some(why)), "{record}");
    }
    for record in [
        format!("k=ed25519; p={ed}"),
        format!("v=DKIM1; k=ed25519; h=sha1:sha256; s=chat:email; n=a note; p={ed}; x=y"),
        format!("v=DKIM1;; k = ed25519 ; p={} {}", &ed[..9], &ed[9..]),
    ] {
        assert_eq!(told(&with_key(&record)), PASS, "{record}");
    }
}

#[test]
fn rfc_6376_3_6_1_a_key_under_test_is_told_of() {
    let ed = public(Kind::Ed25519);
    let record = format!("v=DKIM1; k=ed25519; t=y; p={ed}");
    let pass = with_key(&record);
    assert_eq!((pass.result, pass.testing), (AuthResult::Pass, true));
    let zone = format!("ed._domainkey.example.org TXT {record}\n");
    let changed = [&Signer::default().sign(MAIL)[..], b"more\r\n"].concat();
    let fail = verify_in(&zone, changed).dkim.remove(0);
    assert_eq!((fail.result, fail.testing), (AuthResult::Fail, true));
}

#[test]
fn rfc_6376_3_6_1_a_strict_key_forbids_an_identity_below_its_domain() {
    let zone = format!("ed._domainkey.example.org TXT k=ed25519; t=s; p={}\n", public(Kind::Ed25519));
    let below = (AuthResult::PermError, Some("its i= is below its d=, which the key forbids (t=s)"));
    for (identity, expected) in [
        ("i=a@mail.example.org", below),
        ("i=a@example.org", PASS),
        ("i=@EXAMPLE.org", PASS),
        ("n=none", PASS),
    ] {
        assert_eq!(told(&verify_in(&zone, with(identity)).dkim[0]), expected, "{identity}");
    }
    assert_verifies(&with("i=a@mail.example.org"), PASS, "a key that is not strict");
    let outside = (AuthResult::PermError, Some("the signature's i= is not within its d="));
    assert_verifies(&with("i=a@example.com"), outside, "outside");
}

#[test]
fn rfc_6376_3_6_2_2_of_several_keys_any_may_be_it() {
    let (ed, rsa) = (public(Kind::Ed25519), public(Kind::Rsa));
    let other = "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let zone = format!(
        "ed._domainkey.example.org TXT v=spf1 -all\n\
         ed._domainkey.example.org TXT {other}\n\
         ed._domainkey.example.org TXT p={rsa}\n\
         ed._domainkey.example.org TXT k=ed25519; p={ed}\n"
    );
    assert_eq!(told(&verify_in(&zone, Signer::default().sign(MAIL)).dkim[0]), PASS);
    // Whether it is under test says the one that verifies.
    let tested =
        verify_in(&zone.replace("k=ed25519; p=AAAA", "k=ed25519; t=y; p=AAAA"), Signer::default().sign(MAIL));
    assert_eq!((tested.dkim[0].result, tested.dkim[0].testing), (AuthResult::Pass, false));
}

#[test]
fn rfc_6376_6_1_2_a_key_that_could_not_be_looked_up_is_temporary_and_one_that_is_not_there_is_not() {
    let result = |zone: &str| verify_in(zone, Signer::default().sign(MAIL)).dkim.remove(0);
    assert_eq!(result("ed._domainkey.example.org TIMEOUT").result, AuthResult::TempError);
    assert_eq!(result("ed._domainkey.example.org FAIL").result, AuthResult::TempError);
    let nothing = result("");
    assert_eq!(nothing.result, AuthResult::PermError);
    assert_eq!(
        nothing.reason.as_deref(),
        Some("there is no key under the signature's name: the name does not exist")
    );
    assert_eq!(result("ed._domainkey.example.org A 192.0.2.1").result, AuthResult::PermError);
}

#[test]
fn results_stand_in_the_order_of_the_message_whatever_they_are() {
    let one = |signer: Signer, raw: &[u8]| signer.sign(raw);
    let mut raw = one(Signer { domain: "a.example".into(), ..Signer::default() }, MAIL);
    raw = one(Signer { kind: Kind::Rsa, header: Form::Simple, ..Signer::default() }, &raw);
    raw = [b"DKIM-Signature: v=1; d=b.example; s=x\r\n", &raw[..]].concat();
    raw = one(Signer { more: " l=1;".into(), ..Signer::default() }, &raw);
    raw = [b"dkim-signature : nothing at all\r\n", &raw[..]].concat();
    raw = one(Signer::default(), &raw);
    let found = verify_in(&KEYS, raw);
    let seen: Vec<_> = found.dkim.iter().map(|d| (d.result, &*d.domain, &*d.algorithm)).collect();
    assert_eq!(
        seen,
        [
            (AuthResult::Pass, "example.org", "ed25519-sha256"),
            (AuthResult::PermError, "", ""),
            (AuthResult::Policy, "example.org", "ed25519-sha256"),
            (AuthResult::PermError, "b.example", ""),
            (AuthResult::Pass, "example.org", "rsa-sha256"),
            (AuthResult::PermError, "a.example", "ed25519-sha256"),
        ]
    );
}

#[test]
fn a_signature_may_cover_those_below_it_and_never_means_itself() {
    let below = Signer::default().sign(MAIL);
    let signer =
        Signer { names: "from:dkim-signature:dkim-signature".into(), kind: Kind::Rsa, ..Signer::default() };
    let both = signer.sign(&below);
    let results = |raw: Vec<u8>| verify_in(&KEYS, raw).dkim.iter().map(|d| d.result).collect::<Vec<_>>();
    assert_eq!(results(both.clone()), [AuthResult::Pass, AuthResult::Pass]);
    let above = Signer::default().sign(&both);
    // It named one more than there were, so another one on top is a change.
    assert_eq!(results(above), [AuthResult::Pass, AuthResult::Fail, AuthResult::Pass]);
}

#[test]
fn a_name_that_the_dns_could_not_have_is_not_asked() {
    for (from, to) in [
        ("s=ed", "s=e\0d"),
        ("s=ed", "s=e d"),
        ("s=ed", "s=ed."),
        ("s=ed", "s=e\\.d"),
        ("d=example.org", "d=example.org."),
        ("d=example.org", "d=example.org\0.evil.example"),
        ("d=example.org", "d=example..org"),
        ("d=example.org", "d=evil.example/example.org"),
    ] {
        let signed = String::from_utf8(with("")).unwrap().replacen(from, to, 1);
        let found = verify_with(&RESOLVER, signed, NOW);
        assert_eq!(found.dkim[0].result, AuthResult::PermError, "{to:?}");
        assert_eq!(found.questions, 0, "{to:?}");
    }
    let long = Signer { selector: "a.".repeat(125) + "b", ..Signer::default() }.sign(MAIL);
    let found = verify_with(&RESOLVER, long, NOW);
    assert_eq!(found.dkim[0].result, AuthResult::PermError);
}

#[test]
fn rfc_8616_a_domain_in_another_script_is_asked_by_its_a_label() {
    let zone = format!("ed._domainkey.xn--bcher-kva.example TXT k=ed25519; p={}\n", public(Kind::Ed25519));
    let signed = Signer { domain: "b\u{fc}cher.example".into(), ..Signer::default() }.sign(MAIL);
    let found = verify_in(&zone, signed).dkim.remove(0);
    assert_eq!((found.result, &*found.domain), (AuthResult::Pass, "xn--bcher-kva.example"));
}
