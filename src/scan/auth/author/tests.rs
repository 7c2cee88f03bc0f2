//! From fields, honest and odd.

use proptest::prelude::*;

use super::*;

fn of(fields: &str) -> Author {
    read(&header::parse(format!("{fields}\n\nbody\n").into_bytes())).author
}

fn domain(domain: &str) -> Author {
    Author::Domain(domain.to_owned())
}

#[test]
fn one_address_has_one_domain_whatever_stands_around_it() {
    for field in [
        "From: a@example.org",
        "from : A <a@EXAMPLE.org>",
        "From: \"x@bank.example\" <a@example.org>",
        "From: J. R. Doe (x@bank.example) <a@example.org>",
        "From: (x@bank.example) a@example.org (\\) (y))",
        "From: =?utf-8?q?x=40bank=2Eexample?= <a@example.org>",
        "From: \"a b\"@example.org",
        "From: a@example.org, b@Example.org",
        "From: Team: a@example.org, B <b@example.org>;",
        "From:\n <a@example.org>\n",
    ] {
        assert_eq!(of(field), domain("example.org"), "{field}");
    }
    assert_eq!(of("From: a@bücher.example"), domain("xn--bcher-kva.example"));
}

#[test]
fn what_two_programs_could_read_in_two_ways_breaks_the_grammar() {
    let why = |field: &str| {
        strict::domains(field.strip_prefix("From:").unwrap().trim_ascii().as_bytes()).unwrap_err()
    };
    for (field, expected) in [
        ("From: x@bank.example <a@evil.example>", "an address stands in it where a name should"),
        ("From: <x@bank.example> a@evil.example", "something follows the address in it"),
        ("From: <x@bank.example> <a@evil.example>", "something follows the address in it"),
        ("From: <@relay.example:x@bank.example>", "it holds a colon out of place"),
        ("From: <@relay.example,@b.example>", "an angle bracket in it does not close"),
        ("From: x@bank.example@evil.example", "an address in it has two @"),
        ("From: a@bank.example(", "a comment in it does not end"),
        ("From: \"a@bank.example", "a quoted string in it does not end"),
        ("From: a@[192.0.2.1]", "it holds an address literal"),
        ("From: a@bank .example", "an address in it has no proper domain"),
        ("From: a@bank(x).example", "an address in it has no proper domain"),
        ("From: a@bank.example\u{0}.evil.example", "it holds control characters"),
        ("From: =?utf-8?q?a=40bank.example?=@evil.example", "an address in it has no proper local part"),
        ("From: a@=?utf-8?q?bank.example?=", "an address in it has no proper domain"),
        ("From: a@localhost", "its domain is no domain name"),
        ("From: a@b..example", "an address in it has no proper domain"),
        ("From: undisclosed", "what it holds is no address"),
        ("From:", "it holds no address"),
        ("From: Group:;", "it holds no address"),
        ("From: Group: a@b.example", "a group in it does not end"),
    ] {
        assert_eq!(why(field), expected, "{field}");
    }
}

/// What is read of one field: the author's domain alone, or after a `?` what could be shown, and `…` if that
/// is not all.
fn reading(field: &[u8]) -> String {
    let read = read(&header::parse([b"From: ", field, b"\n\n"].concat()));
    match read.author {
        Author::Domain(domain) => domain,
        _ => format!("? {}{}", read.shown.join(" "), if read.in_part { "…" } else { "" }),
    }
}

#[test]
fn a_field_that_names_one_domain_however_it_is_read_has_that_author() {
    for field in [
        "bob@bank.example <bob@bank.example>",
        "Info@Bank <bob@bank.example>",
        "Bob @ Bank <bob@bank.example>",
        "Bank, Inc. <bob@bank.example>",
        "Doe, John <bob@bank.example>",
        "=?iso-8859-1?Q?M=FCller?=, =?utf-8?b?Qm9i?= <bob@bank.example>",
        "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=, Inc <bob@bank.example>",
        "Bank [Service] <bob@bank.example>",
        "Info: Bank <bob@bank.example>",
        "Bob :) <bob@bank.example>",
        "Bob <bob.@bank.example>",
        "Bob <bob@bank.example.>",
        "Bank <bob@bank.example>;",
        "Bank <bob@bank .example>",
        "bob@bank.example (x",
        "a@[192.0.2.1], a@bank.example",
        "\\ <a@BANK.example>",
        "a@bank.example:25",
        "a@.bank..example..",
        "a@\"bank.example\"",
        "<bob@bank.example",
        "=?utf-8?q?a=40bank.example?=;",
    ] {
        assert_eq!(reading(field.as_bytes()), "bank.example", "{field}");
    }
    assert_eq!(reading(b"M\xfcller <bob@bank.example>"), "bank.example");
    let odd = |field: &str| read(&header::parse(format!("From: {field}\n\n").into_bytes())).odd;
    assert_eq!(odd("Bank [x] <bob@bank.example>"), Some("it holds an address literal"));
    assert_eq!(odd("Bank <bob@bank.example>"), None);
}

#[test]
fn every_domain_that_could_be_shown_is_found() {
    for (field, expected) in [
        ("<a@bank.example> <x@evil.example>", "? bank.example evil.example"),
        ("a@evil.example, b@bank.example", "? evil.example bank.example"),
        ("a@bank.example\0.evil.example", "? bank.example bank.example.evil.example"),
        ("a@bank.example\0", "? bank.example"),
        ("[ a@evil.example, \"x@bank.example\"", "? evil.example bank.example"),
        ("a@evil.example (x@bank.example", "? evil.example bank.example"),
        ("a@(evil.example)bank.example>", "? evil.example bank.example"),
        ("a@evil.example; \"(\" <a@bank.(x)example>", "? evil.example bank.example"),
        ("a@evil.example; <a@ba nk.example>", "? evil.example bank.example"),
        ("a@evil.example; <a@ba\0nk.example>", "? evil.example bank.example"),
        ("a@evil.example; a@\"bank.\"example", "? evil.example bank.example"),
        ("a@evil.example; a\u{ff20}bank\u{3002}example", "? evil.example bank.example"),
        ("a@evil.example; a@bank\u{200b}.example", "? evil.example bank.example"),
        ("a@evil.example; =?utf-8?q?x=40ban?= =?utf-8?b?ay5leGFtcGxl?=", "? evil.example bank.example"),
        ("<=?x?q?a=40bank.example?=>;a@evil.example", "? evil.example…"),
        ("=?utf-7?q?a+AEA-bank.example?=, <a@evil.example>", "? evil.example…"),
        (
            "a@a.example, a@b.example, a@c.example, a@d.example, a@e.example",
            "? a.example b.example c.example d.example e.example",
        ),
        (
            "a@a.example, a@b.example, a@c.example, a@d.example, a@e.example, a@f.example",
            "? a.example b.example c.example d.example e.example…",
        ),
        ("a@!bank.example", "? …"),
        ("undisclosed", "? "),
        ("a@localhost", "? "),
        ("a@[192.0.2.66]", "? "),
        ("<>", "? "),
        ("", "? "),
    ] {
        assert_eq!(reading(field.as_bytes()), expected, "{field}");
    }
    let several = |fields: &str| {
        let read = read(&header::parse(format!("{fields}\n\n").into_bytes()));
        assert_eq!(read.author, Author::SeveralFields(2));
        read.shown.join(" ")
    };
    assert_eq!(
        several("From: \"x@a.example\" <a@evil.example>\nFrom: a@bank.example;"),
        "evil.example bank.example"
    );
    assert_eq!(several("From: a@bank.example\nFrom: b@bank.example"), "bank.example");
    // Hidden beyond what is read.
    let long = format!("a@evil.example {} <a@bank.example>", "x".repeat(70_000));
    assert_eq!(reading(long.as_bytes()), "? evil.example…");
}

#[test]
fn several_fields_and_several_domains_are_facts_of_their_own() {
    assert_eq!(of("Subject: x"), Author::Missing);
    assert_eq!(of("From: a@b.example\nFROM : c@d.example"), Author::SeveralFields(2));
    let domains = vec!["b.example".to_owned(), "d.example".to_owned()];
    assert_eq!(of("From: a@b.example, c@d.example"), Author::SeveralDomains(domains));
}

#[test]
fn the_authors_addresses_are_read_without_doubt_or_not_at_all() {
    let of = |field: &str| addresses(&header::parse(format!("{field}\n\n").into_bytes())).join(" ");
    for (field, expected) in [
        ("From: a@example.org", "a@example.org"),
        ("From: Anna <a.b+c@EXAMPLE.org>", "a.b+c@example.org"),
        ("From: \"x@bank.example\" <a@example.org>", "a@example.org"),
        ("From: \"a b\"@example.org", "\"a b\"@example.org"),
        ("From: \"a\\\"b\"@example.org", "\"a\\\"b\"@example.org"),
        ("From: jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ("From: T: a@example.org, B <b@example.net>;", "a@example.org b@example.net"),
        ("From: \"a\n b\"@example.org", ""),
        ("From: \"=?utf-8?q?a?=\"@example.org", ""),
        ("From: a\u{200b}@example.org", ""),
        ("From: a\u{202e}b@example.org, c@example.org", ""),
        ("From: x@bank.example <a@example.org>", ""),
        ("From: a@example.org\nFrom: a@example.org", ""),
        ("Subject: x", ""),
    ] {
        assert_eq!(of(field), expected, "{field}");
    }
}

#[test]
fn an_address_of_somebody_else_in_the_name_is_seen() {
    let of = |field: &str| named(&header::parse(format!("From: {field}\n\n").into_bytes()), "evil.example");
    for (field, expected) in [
        ("a@evil.example", None),
        ("\"service@bank.example\" <a@evil.example>", Some("bank.example")),
        ("=?utf-8?Q?service=40Bank=2Eexample=00?= <a@evil.example>", Some("bank.example")),
        ("\"<x@bank.example>\" <a@evil.example>", Some("bank.example")),
        ("\"x@bank.example via List\" <a@evil.example>", Some("bank.example")),
        ("\"x@evil.example\" <a@evil.example>", None),
        ("\"x@mail.evil.example\" <a@evil.example>", None),
        ("\"x@example\" <a@evil.example>", None),
        ("\"me @ work\" <a@evil.example>", None),
    ] {
        assert_eq!(of(field).as_deref(), expected, "{field}");
    }
}

/// Without comments and quoted strings.
fn bare(field: &str) -> String {
    let (mut out, mut depth, mut quoted) = (String::new(), 0_usize, false);
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

proptest! {
    /// A reader who knows no more of the grammar than comments, quotes and groups sees the same domain
    /// behind every `@`.
    #[test]
    fn a_reader_of_little_grammar_sees_no_other_domain(
        pieces in prop::collection::vec(
            prop::sample::select(&[
                "a@evil.example", "x@bank.example", "@bank.example", "<", ">", "(", ")", "\"", "\\", ",", ":", ";",
                " ", "x", "@", "bank.example", ".", "=?utf-8?q?x=40bank.example?=", "\r\n ", "[", "]", "\0",
            ][..]),
            1..9,
        )
    ) {
        let field = pieces.concat();
        if let Ok([domain]) = strict::domains(field.as_bytes()).as_deref() {
            for after in bare(&field).split('@').skip(1) {
                prop_assert!(after.trim_start().starts_with(&**domain), "{field:?}: {domain}");
            }
        }
    }

    /// No piece around a plain address hides it.
    #[test]
    fn an_address_with_an_end_is_found_wherever_it_stands(
        pieces in prop::collection::vec(
            prop::sample::select(&[
                "a@evil.example>", "<x@bank.example>", "(", ")", "\"", "\\", ",", ":", ";", " ", "x", "@", "<",
                "=?utf-8?q?x=40evil.example?=", "=?utf-8?q?", "?=", "[", "]", "\0", "\u{fffd}",
            ][..]),
            1..9,
        )
    ) {
        let field = pieces.concat();
        let mut found = Shown::default();
        found.read(field.as_bytes());
        for domain in ["evil.example", "bank.example"] {
            let there = field.contains(&format!("@{domain}>"));
            prop_assert!(!there || found.domains.iter().any(|d| d == domain), "{field:?}: {found:?}");
        }
        // What the grammar reads is among it.
        for domain in strict::domains(field.as_bytes()).unwrap_or_default() {
            prop_assert!(found.domains.contains(&domain), "{field:?}: {found:?}");
        }
    }

    #[test]
    fn no_field_takes_long_or_panics(value in prop::collection::vec(any::<u8>(), 0..200), n in 1..400_usize) {
        Shown::default().read(&value.repeat(n));
    }

    /// Whatever is in the field, a domain that is given stands in it as a whole.
    #[test]
    fn no_domain_is_made_up(value in r#"[ a-z@.<>(),:;"\\=?\[\]]{0,40}"#) {
        if let Ok([domain]) = strict::domains(value.as_bytes()).as_deref() {
            prop_assert!(value.contains(&format!("@{domain}")) || value.contains(&format!("@ {domain}")), "{value:?}: {domain}");
        }
    }
}
