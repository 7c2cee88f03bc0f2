use proptest::prelude::*;

use super::*;

const GOOD: &str = " v=1; a=rsa-sha256; c=relaxed/simple; d=Example.ORG; s=S1;\r\n\th=From : to:\r\n \
                    Subject; t=10; x=20; i=a=40b@Mail.example.org; q=dns/txt;\r\n bh=aGFzaA==; b=c2ln\r\n\tbmVk ; z=x";

fn parse(value: &str) -> Result<Signature, SignatureError> {
    read(value.as_bytes()).1
}

/// The good one with a tag changed.
fn with(tag: &str, value: &str) -> Result<Signature, SignatureError> {
    let mut specs: Vec<String> = GOOD.split(';').map(str::to_owned).collect();
    let spec = specs.iter_mut().find(|s| s.trim().starts_with(&format!("{tag}="))).unwrap();
    *spec = format!("{tag}={value}");
    parse(&specs.join(";"))
}

fn without(tag: &str) -> Result<Signature, SignatureError> {
    let keep = |s: &&str| !s.trim().starts_with(&format!("{tag}="));
    parse(&GOOD.split(';').filter(keep).collect::<Vec<_>>().join(";"))
}

#[test]
fn a_signature_is_read() {
    let (told, signature) = read(GOOD.as_bytes());
    let signature = signature.unwrap();
    let names = GOOD.find("From").unwrap()..GOOD.find("; t=").unwrap();
    let signed = GOOD.find("c2ln").unwrap()..GOOD.find("; z=").unwrap();
    assert_eq!(
        signature,
        Signature {
            algorithm: Algorithm::RsaSha256,
            header: Canonical::Relaxed,
            body: Canonical::Simple,
            domain: "example.org".into(),
            selector: "s1".into(),
            identity_domain: Some("mail.example.org".into()),
            names,
            signature_at: signed,
            signature: b"signed".to_vec(),
            body_hash: b"hash".to_vec(),
            is_partial: false,
            signs_from: true,
            signed_at: Some(10),
            expires: Some(20),
        }
    );
    assert_eq!(
        told,
        Dkim {
            domain: "example.org".into(),
            selector: "s1".into(),
            algorithm: "rsa-sha256".into(),
            identity: Some("a@b@Mail.example.org".into()),
            signature: "c2lnbmVk".into(),
            ..Dkim::default()
        }
    );
}

#[test]
fn what_rfc_6376_3_5_requires_must_be_there() {
    for tag in ["v", "a", "b", "bh", "d", "h", "s"] {
        assert_eq!(without(tag), Err(SignatureError::Missing(tag)), "{tag}");
    }
    let plain = without("c").unwrap();
    assert_eq!((plain.header, plain.body), (Canonical::Simple, Canonical::Simple));
    for tag in ["i", "q", "t", "x", "z"] {
        assert!(without(tag).is_ok(), "{tag}");
    }
}

#[test]
fn what_is_not_known_is_said_to_be_so() {
    for (tag, values) in [
        ("v", &["2", "0.5", "01", ""][..]),
        ("a", &["rsa-sha512", "rsa", "", "rsa-sha256x", "rsa - sha256"]),
        ("c", &["future", "relaxed/", "/relaxed", "relaxed/simple/simple", ""]),
        ("q", &["http", "", "dns/srv"]),
    ] {
        for value in values {
            assert_eq!(with(tag, value), Err(SignatureError::Unknown(tag)), "{tag}={value}");
        }
    }
    for (tag, value) in [("a", "RSA-SHA256"), ("c", "Relaxed/SIMPLE"), ("q", "x : dns/txt"), ("q", "dns")] {
        assert!(with(tag, value).is_ok(), "{tag}={value}");
    }
    let half = with("c", "relaxed").unwrap();
    assert_eq!((half.header, half.body), (Canonical::Relaxed, Canonical::Simple));
}

#[test]
fn values_that_are_none_are_refused() {
    let long = format!("{}.example", "a.".repeat(150));
    let label = format!("{}.example", "a".repeat(64));
    for (tag, values) in [
        (
            "d",
            &["", "example.org.", ".example.org", "a..b", "exa mple.org", "org", "a/b.example", "*.example"]
                [..],
        ),
        ("d", &[&long, &label]),
        ("s", &["", "a b", "s.", "s\\.x", "s/x", "a:b", "\u{202e}", &long]),
        ("h", &["", "  ", "From:\u{e9}"]),
        ("b", &["", "*", "a", "\u{e9}"]),
        ("bh", &["", "!", &"A".repeat(300)]),
        ("t", &["", "-1", "1.5", "0x1", "1 0"]),
        ("x", &["soon", "+5"]),
        ("i", &["", "nobody", "a@", "a@example.org.", "a=4@example.org", "a=@example.org"]),
    ] {
        for value in values {
            assert_eq!(with(tag, value), Err(SignatureError::Value(tag)), "{tag}={value}");
        }
    }
    let nul = parse(&GOOD.replace("S1", "S\0 1"));
    assert_eq!(nul, Err(SignatureError::Tags(TagError::Control)));
    let twice = parse(&format!("{GOOD}; d=other.example"));
    assert_eq!(twice, Err(SignatureError::Tags(TagError::Twice("d".into()))));
    let huge = with("b", &"A".repeat(1_000_000));
    assert_eq!(huge, Err(SignatureError::Value("b")));
}

#[test]
fn an_identity_is_within_the_domain() {
    for good in ["@example.org", "@a.b.EXAMPLE.org", "a@evil.example@example.org", "a b@ex=61mple.org"] {
        assert!(with("i", good).is_ok(), "{good}");
    }
    for bad in
        ["@xexample.org", "@org", "@example.org.evil.example", "@other.example", "a@example.org@b.example"]
    {
        assert_eq!(with("i", bad), Err(SignatureError::Identity), "{bad}");
    }
}

#[test]
fn names_in_other_scripts_are_asked_as_a_labels() {
    let signature = parse(
        &GOOD
            .replace("Example.ORG", "B\u{fc}cher.example")
            .replace("Mail.example.org", "b\u{fc}cher.example"),
    );
    assert_eq!(signature.unwrap().domain, "xn--bcher-kva.example");
}

#[test]
fn times_are_in_order_and_may_be_endless() {
    assert_eq!(with("x", "10"), Err(SignatureError::Times));
    assert_eq!(with("t", "21"), Err(SignatureError::Times));
    assert_eq!(with("x", &"9".repeat(40)).unwrap().expires, Some(u64::MAX));
}

#[test]
fn a_part_of_the_body_is_noted_whatever_its_length() {
    for l in ["0", "5", &"9".repeat(76)] {
        assert!(parse(&format!("{GOOD}; l={l}")).unwrap().is_partial, "{l}");
    }
    assert_eq!(parse(&format!("{GOOD}; l=x")), Err(SignatureError::Value("l")));
}

#[test]
fn names_are_compared_whatever_their_case_and_spacing() {
    for (names, signed) in [
        ("from", true),
        ("to:FROM", true),
        ("to :\r\n from\r\n ", true),
        ("to:x-from", false),
        ("From To", false),
        ("::", false),
    ] {
        assert_eq!(with("h", names).unwrap().signs_from, signed, "{names:?}");
    }
}

proptest! {
    #[test]
    fn no_field_makes_it_panic(text in "[ -~\r\n\t\u{e9}\0]{0,200}") {
        let (told, _) = read(text.as_bytes());
        prop_assert!(told.domain.is_ascii() && told.selector.is_ascii() && told.signature.len() <= 8);
    }

    #[test]
    fn a_good_one_that_is_mangled_does_not_panic(at in 0..GOOD.len(), with in any::<u8>()) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes[at] = with;
        if let Ok(signature) = read(&bytes).1 {
            prop_assert!(bytes.get(signature.names).is_some());
            prop_assert!(bytes.get(signature.signature_at).is_some());
        }
    }
}
