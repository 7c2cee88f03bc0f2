use proptest::prelude::*;

use super::*;
use crate::model::mailbox::taken_apart;

#[test]
fn an_entry_is_kept_in_one_form_however_it_was_written() {
    for (written, kept, kind) in [
        ("a@example.org", "a@example.org", Kind::Address),
        (" <Joe.User@Example.ORG.> ", "joe.user@example.org", Kind::Address),
        ("\"joe\"@example.org", "joe@example.org", Kind::Address),
        ("\"a b\"@example.org", "\"a b\"@example.org", Kind::Address),
        ("#1@example.org", "\"#1\"@example.org", Kind::Address),
        ("JÖRG@bücher.example", "jörg@xn--bcher-kva.example", Kind::Address),
        ("a@b@example.org", "", Kind::Address),
        ("\"a@b\"@example.org", "\"a@b\"@example.org", Kind::Address),
        ("Example.org", "example.org", Kind::Domain),
        ("@Example.org", "@example.org", Kind::Domain),
        ("BÜCHER.example", "xn--bcher-kva.example", Kind::Domain),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example", Kind::Domain),
        ("bücher。example", "xn--bcher-kva.example", Kind::Domain),
        ("_spf.example.org", "_spf.example.org", Kind::Domain),
        ("top", "top", Kind::Domain),
        ("192.0.2.7", "192.0.2.7", Kind::Network),
        ("192.0.2.7/32", "192.0.2.7", Kind::Network),
        ("192.0.2.0/24", "192.0.2.0/24", Kind::Network),
        ("::ffff:192.0.2.7", "192.0.2.7", Kind::Network),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24", Kind::Network),
        ("2001:DB8:0::/32", "2001:db8::/32", Kind::Network),
        ("2001:db8::1", "2001:db8::1", Kind::Network),
    ] {
        match Entry::parse(written) {
            Ok(entry) => assert_eq!((entry.to_string().as_str(), entry.kind()), (kept, kind), "{written}"),
            Err(error) => assert_eq!(kept, "", "{written}: {error}"),
        }
    }
}

#[test]
fn what_is_no_entry_is_told_with_what_to_write_instead() {
    for (written, told) in [
        ("192.0.2.7/24", "\"192.0.2.7/24\" names a machine and a network; write 192.0.2.7 or 192.0.2.0/24"),
        (
            "::ffff:192.0.2.7/120",
            "\"::ffff:192.0.2.7/120\" names a machine and a network; write 192.0.2.7 or 192.0.2.0/24",
        ),
        (
            "2001:db8::1/32",
            "\"2001:db8::1/32\" names a machine and a network; write 2001:db8::1 or 2001:db8::/32",
        ),
        ("0.0.0.0/0", "\"0.0.0.0/0\" is every client there is"),
        ("::ffff:0.0.0.0/96", "\"::ffff:0.0.0.0/96\" is every client there is"),
        (
            "192.0.2",
            "\"192.0.2\" is no IP address and no network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "192.0.2.0/33",
            "\"192.0.2.0/33\" is no IP address and no network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "192.0.2.1-192.0.2.9",
            "\"192.0.2.1-192.0.2.9\" is no IP address and no network; write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
        ),
        (
            "*.example.org",
            "\"*.example.org\" begins with what is not needed; example.org takes its sub-domains in",
        ),
        (
            ".example.org",
            "\".example.org\" begins with what is not needed; example.org takes its sub-domains in",
        ),
        ("*@example.org", "\"*@example.org\" has a `*`; write @example.org for all addresses there"),
        ("a\u{200b}@example.org", "\"a@example.org\" holds characters that cannot be seen; type it anew"),
        (
            "xn--zzzzzz99999.example",
            "\"xn--zzzzzz99999.example\" has a label that begins with xn-- and is no name in another script",
        ),
    ] {
        assert_eq!(Entry::parse(written).map_err(|e| e.to_string()), Err(told.to_owned()));
    }
    let long = format!("{}@example.org", "x".repeat(400));
    for bad in [
        "",
        " ",
        "@",
        "a@",
        "a b@example.org",
        "a@b c",
        "a@[192.0.2.1]",
        "exa mple.org",
        "a..b",
        "<>",
        "=example.org",
        "a@1.2.3.4",
        &long,
    ] {
        assert!(Entry::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_strangers_address_is_compared_in_the_same_form() {
    let apart = |text: &str| taken_apart(text).map(|(l, d)| (l.unwrap_or_default(), d.unwrap_or_default()));
    let is = |local: &str, domain: &str| Some((local.to_owned(), domain.to_owned()));
    assert_eq!(apart("Joe@EXAMPLE.org."), is("joe", "example.org"));
    assert_eq!(apart("\"joe\"@bücher.example"), is("joe", "xn--bcher-kva.example"));
    assert_eq!(apart("@relay.example,@b.example:joe@example.org"), is("joe", "example.org"));
    assert_eq!(apart("a@[192.0.2.1]"), is("a", ""));
    assert_eq!(apart("postmaster"), is("postmaster", ""));
    assert_eq!(apart("two words@example.org"), is("", "example.org"));
    assert_eq!(apart(""), None);
}

#[test]
fn a_domain_is_shown_in_its_own_script() {
    assert_eq!(entry("a@bücher.example").in_unicode().as_deref(), Some("a@bücher.example"));
    assert_eq!(entry("@bücher.example").in_unicode().as_deref(), Some("@bücher.example"));
    assert_eq!(entry("bücher.example").in_unicode().as_deref(), Some("bücher.example"));
    assert_eq!(entry("example.org").in_unicode(), None);
}

#[test]
fn an_end_is_a_span_a_day_a_time_or_never() {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    assert_eq!(expiry("30d", TODAY), Ok(Some(at("2026-12-20T00:00:00Z"))));
    assert_eq!(expiry("2026-12-24", TODAY), Ok(Some(at("2026-12-24T00:00:00Z"))));
    assert_eq!(expiry("2026-12-24T12:00:00+01:00", TODAY), Ok(Some(at("2026-12-24T11:00:00Z"))));
    assert_eq!(expiry("never", TODAY), Ok(None));
    for bad in ["", "soon", "2026-11-20", "2020-01-01", "0s", "99999999d", "18446744073709551615ms", "30"] {
        assert!(expiry(bad, TODAY).is_err(), "{bad}");
    }
}

#[test]
fn a_comment_is_one_line_of_bounded_length() {
    assert_eq!(comment(" a\tb\r\nc\u{202e} "), Ok(Some("a b  c".into())));
    assert_eq!(comment("  "), Ok(None));
    assert!(comment(&"x".repeat(MAX_COMMENT)).is_ok());
    assert!(comment(&"x".repeat(MAX_COMMENT + 1)).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic_and_comes_back_as_it_is_shown(
        text in prop_oneof![any::<String>(), "[a-zA-Z0-9@.:/\\-_\"\\\\#*<> äßİΣσς。\u{ff0e}]{0,40}"]
    ) {
        if let Ok(entry) = Entry::parse(&text) {
            let shown = entry.to_string();
            prop_assert!(shown.len() <= 320);
            prop_assert_eq!(Entry::parse(&shown).map_err(|e| e.to_string()), Ok(entry), "{}", shown);
            prop_assert_eq!(Entry::parse(&shown).unwrap().to_string(), shown);
        }
        drop(taken_apart(&text));
        drop(text.parse::<Exempted>());
        drop(expiry(&text, TODAY));
    }

    #[test]
    fn what_is_listed_is_what_mail_from_there_is_compared_with(
        local in "[a-zA-Z0-9.+=#*'ä]{1,10}", domain in "[a-z]{1,5}\\.(example|ORG|bücher)"
    ) {
        let address = format!("{local}@{domain}");
        if let Ok(Entry { pattern: Pattern::Address(kept), .. }) = Entry::parse(&address) {
            let (local, domain) = taken_apart(&address).unwrap();
            prop_assert_eq!(format!("{}@{}", local.unwrap(), domain.unwrap()), &*kept);
        }
    }
}
