//! What a Received field says of the host that the mail came from (RFC 5321 §4.4), as the servers in use write it.
//!
//! The RFC wants `from HELO (NAME [ADDRESS])`, and Postfix, Sendmail and most others write that. Exim,
//! CommuniGate, qmail and Exchange have forms of their own; each is told from the others by something that no
//! client can have written.

use std::net::IpAddr;

/// More of a field is not read. Postfix takes a HELO of 2,048 characters.
const MAX_FIELD: usize = 8192;

/// The host that handed the mail over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct From {
    /// Its address.
    pub(super) ip: IpAddr,
    /// The name that it gave itself, as far as that is told.
    pub(super) helo: String,
}

/// Reads the `from` clause of a field's value. `None`: there is none, or no address in it.
pub(super) fn from(value: &[u8]) -> Option<From> {
    let value = String::from_utf8_lossy(value.get(..value.len().min(MAX_FIELD))?);
    let (keyword, rest) = word(&value)?;
    if !keyword.eq_ignore_ascii_case("from") {
        return None;
    }
    // Whatever a client calls itself, servers print it without white space.
    let (host, rest) = word(rest)?;
    let Some((first, rest)) = comment(rest) else {
        // Exim, where the address has no name and HELO is the address.
        let ip = bracketed(host).filter(|_| !host.starts_with('('))?;
        return Some(From { ip, helo: host.to_owned() });
    };
    let is_tagged = |word: &&str| ["helo=", "port=", "ident="].iter().any(|tag| word.starts_with(tag));
    // ASCII white space only, here and below: what Unicode calls so may stand in a HELO (RFC 6531).
    let words = || first.split_ascii_whitespace();
    let helo = |tag: &str| words().find_map(|word| word.strip_prefix(tag));
    let named = |ip: IpAddr, helo: &str| Some(From { ip, helo: helo.to_owned() });

    // Exim: `[ADDRESS] (helo=HELO)`. A name from the DNS has no `=`.
    if let Some(ip) = bracketed(host).filter(|_| words().next().as_ref().is_some_and(is_tagged)) {
        return named(ip, helo("helo=").unwrap_or(host));
    }
    // Exim: `NAME ([ADDRESS] helo=HELO ident=ANYTHING)`.
    if let Some(ip) =
        words().next().and_then(bracketed).filter(|_| words().skip(1).any(|word| is_tagged(&word)))
    {
        return named(ip, helo("helo=").unwrap_or(host));
    }
    // qmail: `NAME (HELO HELO) (IDENT@ADDRESS)`. CommuniGate: `[ADDRESS] (account USER HELO HELO)`. No host is
    // called HELO alone.
    let greeting = words().skip_while(|word| *word != "HELO").nth(1);
    // Others have a second comment of several words, and their client may be called so in the DNS.
    let is_one_word = |text: &str| text.split_ascii_whitespace().count() < 2;
    if words().next() == Some("HELO")
        && let Some((second, _)) = comment(rest).filter(|(second, _)| is_one_word(second))
    {
        return named(at_end(second)?, greeting.unwrap_or_default());
    }
    if let (Some(ip), Some(greeting), true) =
        (bracketed(host), greeting, ["HELO", "account"].iter().any(|word| first.starts_with(word)))
    {
        // With another address in it, it is as well what others write of a client whose name in the DNS is HELO
        // and who calls himself by an address: only who wrote it can tell.
        let is_other = words().filter_map(bracketed).any(|other| other != ip);
        return named(ip, greeting).filter(|_| !is_other || is_by_communigate(rest));
    }
    // As the RFC says. What stands before the address is a name that the client may have chosen.
    let last = words().filter_map(bracketed).next_back();
    // Exchange: `HELO (ADDRESS)`. qmail, where HELO is the name: `NAME (IDENT@ADDRESS)`.
    named(last.or_else(|| at_end(first))?, host)
}

/// Whether a field goes on as CommuniGate's do: `by NAME (CommuniGate Pro SMTP 6.3)`.
fn is_by_communigate(rest: &str) -> bool {
    let by = word(rest).filter(|(by, _)| *by == "by").and_then(|(_, rest)| word(rest));
    by.and_then(|(_, rest)| comment(rest)).is_some_and(|(server, _)| server.starts_with("CommuniGate Pro"))
}

/// The first word, and what is behind it.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start();
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    Some(text.split_at(end)).filter(|(word, _)| !word.is_empty())
}

/// The comment that the text begins with, up to where one in it ends, and what is behind that.
fn comment(text: &str) -> Option<(&str, &str)> {
    let inside = text.trim_ascii_start().strip_prefix('(')?;
    Some(inside.split_once(')').unwrap_or((inside, "")))
}

/// The address in brackets, `[192.0.2.1]` or `[IPv6:2001:db8::1]`, with a port behind it or not.
fn bracketed(word: &str) -> Option<IpAddr> {
    let (inside, behind) = word.strip_prefix('[')?.split_once(']')?;
    let is_end = behind.is_empty()
        || behind == ","
        || behind.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    address(inside).filter(|_| is_end)
}

/// The address that is all of the text, or all behind an `@`.
fn at_end(text: &str) -> Option<IpAddr> {
    let text = text.trim_ascii();
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    address(text).or_else(|| bracketed(text))
}

fn address(text: &str) -> Option<IpAddr> {
    let tagged = text.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let text = if tagged { text.get(5..)? } else { text };
    // Of a link-local address some tell the interface.
    let text = text.split_once('%').map_or(text, |(ip, _)| ip);
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: &str) -> Option<(String, String)> {
        from(value.as_bytes()).map(|from| (from.ip.to_string(), from.helo))
    }

    /// Server, what it writes, the address, HELO.
    const WRITTEN: [(&str, &str, &str, &str); 45] = [
        (
            "Postfix",
            "from a.example (b.example [203.0.113.9])\n\tby mx.example.org (Postfix) with ESMTP id C5C809EA691\n\tfor <x@y>; Sat, 21 Nov 2026 06:14:03 +0000 (UTC)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Postfix without a name",
            "from a.example (unknown [203.0.113.9])\n\tby m",
            "203.0.113.9",
            "a.example",
        ),
        ("Postfix without HELO", "from b.example (b.example [203.0.113.9]) by m", "203.0.113.9", "b.example"),
        ("Postfix, IPv6", "from a.example (unknown [IPv6:2001:db8::9])\n\tby m", "2001:db8::9", "a.example"),
        (
            "Postfix, HELO an address",
            "from [198.51.100.1] (b.example [203.0.113.9]) by m",
            "203.0.113.9",
            "[198.51.100.1]",
        ),
        (
            "Postfix, TLS with a client's certificate",
            "from a.example (b.example [203.0.113.9])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\n\t(Client CN \"[198.51.100.1]\", Issuer \"x\" (not verified))\n\tby m (Postfix) with ESMTPS id 1",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Postfix, a user who logged in",
            "from [192.168.1.2] (dsl.example [203.0.113.9])\n\t(Authenticated sender: alice@example.org)\n\tby m (Postfix) with ESMTPSA id 1",
            "203.0.113.9",
            "[192.168.1.2]",
        ),
        ("Postfix, odd HELO", "from a??b? (b.example [203.0.113.9]) by m", "203.0.113.9", "a??b?"),
        ("Postfix, HELO as a keyword", "from from (b.example [203.0.113.9]) by m", "203.0.113.9", "from"),
        ("Postfix, HELO as a keyword", "from by (b.example [203.0.113.9]) by m", "203.0.113.9", "by"),
        ("Postfix, HELO in the keyword", "from o (b.example [203.0.113.9]) by m", "203.0.113.9", "o"),
        ("Postfix, HELO like Exim's", "from helo= (b.example [203.0.113.9]) by m", "203.0.113.9", "helo="),
        (
            "Sendmail",
            "from a.example (b.example [203.0.113.9])\n\tby m (8.17.1/8.17.1/Debian-2) with ESMTPS id 4ALE\n\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)\n\tfor <x@y>; Sat, 21 Nov 2026 06:14:03 GMT",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Sendmail without a name",
            "from a.example ([203.0.113.9])\n\tby m (8.17.1/8.17.1)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Sendmail, a name that does not lead back",
            "from a.example (b.example [203.0.113.9] (may be forged))\n\tby m (8.17.1/8.17.1)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Sendmail with ident",
            "from a.example (IDENT:root@b.example [203.0.113.9]) by m (8.12.3)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Sendmail, IPv6",
            "from a.example ([IPv6:2001:db8:0:0:0:0:0:9])\n\tby m",
            "2001:db8::9",
            "a.example",
        ),
        (
            "Sendmail, a user who logged in",
            "from a.example (b.example [203.0.113.9])\n\t(authenticated bits=0)\n\tby m (8.14.4/8.14.4)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Exim",
            "from b.example ([203.0.113.9])\n\tby m with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t(Exim 4.96)\n\t(envelope-from <x@y>)\n\tid 1r5KxZ-0003Xy-2a",
            "203.0.113.9",
            "b.example",
        ),
        (
            "Exim, HELO is another",
            "from b.example ([203.0.113.9] helo=a.example)\n\tby m with esmtp (Exim 4.96)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Exim without a name",
            "from [203.0.113.9] (helo=a.example)\n\tby m with esmtp",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Exim, HELO the address",
            "from [203.0.113.9]\n\tby m with esmtp (Exim 4.96)",
            "203.0.113.9",
            "[203.0.113.9]",
        ),
        (
            "Exim, HELO another address",
            "from [203.0.113.9] (helo=[198.51.100.1])\n\tby m",
            "203.0.113.9",
            "[198.51.100.1]",
        ),
        (
            "Exim with ports",
            "from b.example ([203.0.113.9]:54321 helo=[198.51.100.1])\n\tby m",
            "203.0.113.9",
            "[198.51.100.1]",
        ),
        (
            "Exim with ports",
            "from [203.0.113.9] (port=54321 helo=a.example)\n\tby m",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Exim with ident",
            "from b.example ([203.0.113.9] helo=a.example ident=x [198.51.100.1])\n\tby m",
            "203.0.113.9",
            "a.example",
        ),
        ("Exim, IPv6", "from [2001:db8::9] (helo=a.example)\n\tby m", "2001:db8::9", "a.example"),
        (
            "Exchange",
            "from a.example (203.0.113.9) by EX01.example.org\n (10.0.0.5) with Microsoft SMTP Server (version=TLS1_2,\n cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.1.2507.6; Sat, 21 Nov 2026",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Exchange Online",
            "from AM0.eurprd.prod.outlook.com (2603:10a6:208:ae::9) by X.prod.outlook.com\n (2603:10a6::1) with Microsoft SMTP Server",
            "2603:10a6:208:ae::9",
            "AM0.eurprd.prod.outlook.com",
        ),
        (
            "Exchange, within",
            "from EX01.example.org ([fe80::1d2:3%4]) by EX02.example.org ([fe80::9%12]) with mapi",
            "fe80::1d2:3",
            "EX01.example.org",
        ),
        (
            "Windows SMTP",
            "from a.example ([203.0.113.9]) by m with Microsoft SMTPSVC(10.0.1)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "qmail",
            "from unknown (HELO a.example) (203.0.113.9)\n  by m with SMTP; 21 Nov 2026 06:14:03 -0000",
            "203.0.113.9",
            "a.example",
        ),
        (
            "qmail with ident",
            "from b.example (HELO a.example) (root@203.0.113.9)\n  by m",
            "203.0.113.9",
            "a.example",
        ),
        (
            "qmail, HELO the name",
            "from b.example (203.0.113.9)\n  by m with SMTP",
            "203.0.113.9",
            "b.example",
        ),
        (
            "Courier",
            "from a.example (b.example [::ffff:203.0.113.9])\n  (TLS: TLSv1.3,256bits,TLS_AES_256_GCM_SHA384)\n  by m with ESMTPS",
            "203.0.113.9",
            "a.example",
        ),
        (
            "qmail, HELO an address",
            "from unknown (HELO [198.51.100.1]) (203.0.113.9)\n  by m",
            "203.0.113.9",
            "[198.51.100.1]",
        ),
        (
            "CommuniGate",
            "from [203.0.113.9] (HELO [198.51.100.1])\n  by m (CommuniGate Pro SMTP 6.3)",
            "203.0.113.9",
            "[198.51.100.1]",
        ),
        ("CommuniGate", "from [203.0.113.9] (HELO [203.0.113.9])\n  by m", "203.0.113.9", "[203.0.113.9]"),
        ("CommuniGate", "from [203.0.113.9] (HELO a.example)\n  by m", "203.0.113.9", "a.example"),
        (
            "Postfix, a client whose name is HELO",
            "from a.example (HELO [203.0.113.9])\n\t(using TLSv1.3 with cipher X (256/256 bits))\n\tby m (Postfix)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Postfix, a client whose name is HELO, who logged in",
            "from a.example (HELO [203.0.113.9])\n\t(Authenticated sender: a@198.51.100.1)\n\tby m (Postfix)",
            "203.0.113.9",
            "a.example",
        ),
        (
            "Postfix, a wide space as HELO",
            "from \u{3000} (b.example [203.0.113.9]) by m",
            "203.0.113.9",
            "\u{3000}",
        ),
        (
            "Postfix, a wide space in HELO",
            "from \u{a0}a (b.example [203.0.113.9]) by m",
            "203.0.113.9",
            "\u{a0}a",
        ),
        (
            "Exim, a wide space in HELO",
            "from [203.0.113.9] (helo=a\u{3000}b)\n\tby m",
            "203.0.113.9",
            "a\u{3000}b",
        ),
        (
            "CommuniGate, a user who logged in",
            "from [203.0.113.9] (account alice HELO a.example)\n  by m (CommuniGate Pro SMTP 6.3)",
            "203.0.113.9",
            "a.example",
        ),
    ];

    #[test]
    fn the_client_is_read_from_what_servers_write() {
        for (server, value, ip, helo) in WRITTEN {
            assert_eq!(of(value), Some((ip.to_owned(), helo.to_owned())), "{server}: {value}");
        }
        // Google and OpenSMTPD.
        let google =
            "from a.example (b.example. [203.0.113.9])\n        by mx.google.com with ESMTPS id x.2026";
        assert_eq!(of(google), Some(("203.0.113.9".into(), "a.example".into())));
        let smtpd = "from a.example (<unknown> [203.0.113.9])\n\tby m (OpenSMTPD) with ESMTPS id 1";
        assert_eq!(of(smtpd), Some(("203.0.113.9".into(), "a.example".into())));
    }

    #[test]
    fn a_field_that_names_no_host_names_nobody() {
        for value in [
            "",
            "from",
            "from ",
            "from a.example",
            "from a.example by m",
            "from a.example by m ([203.0.113.9])",
            "by m (Postfix, from userid 1000)\n\tid 1; date",
            "(from root@localhost) by m (8.17.1/8.17.1/Submit) id 1",
            "(qmail 1234 invoked by uid 1000); 21 Nov 2026",
            "(qmail 1234 invoked from network); 21 Nov 2026",
            "by 2002:a05:6214:1c44:b0:6b1 with SMTP id 4; Sat, 21 Nov 2026",
            "from m by m with local (Exim 4.96)\n\t(envelope-from <x@y>)\n\tid 1",
            "from mail.example.org ([unix socket]) by m (Cyrus) with LMTPA",
            "from a.example (unknown [unknown]) by m (Postfix)",
            "from a.example (a.example [300.1.1.1]) by m",
            "from a.example (a.example) by m",
            "from ([203.0.113.9]) by m",
            "from unknown (HELO [203.0.113.9]) (unknown)\n  by m",
            "from unknown (HELO a.example) ()\n  by m",
            "from a.example (b.example [203.0.113.9]x) by m",
            // A client whose name is HELO and who calls himself by an address, or the other way round.
            "from [192.0.2.7] (HELO [203.0.113.9] (may be forged)) by m (8.17.1/8.17.1)",
            "from [192.0.2.7] (HELO [203.0.113.9])\n\tby m (Postfix) with ESMTP id 1",
            "from [192.0.2.7] (HELO x [203.0.113.9]) by m",
        ] {
            assert_eq!(of(value), None, "{value}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_the_client() {
        let value = b"from m\xfcller.example (b.example [203.0.113.9]) by m";
        assert_eq!(from(value).map(|from| from.ip.to_string()), Some("203.0.113.9".into()));
        let long = format!("from {} (b.example [203.0.113.9]) by m", "a".repeat(2048));
        assert_eq!(of(&long).map(|(ip, _)| ip), Some("203.0.113.9".into()));
    }

    proptest! {
        /// Postfix writes what a client called itself as one word: none of these makes another of him.
        #[test]
        fn no_helo_of_one_word_changes_the_address(helo in "([!-~&&[^()]]|[^\\x00-\\x7f]|[\u{a0}\u{3000}\u{85}\u{2028}]){1,60}") {
            let told = of(&format!("from {helo} (b.example [203.0.113.9])\n\tby m"));
            prop_assert_eq!(told, Some(("203.0.113.9".to_owned(), helo)));
        }

        #[test]
        fn nothing_makes_it_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            from(&value);
            from(&[b"from a (", &value[..]].concat());
        }
    }
}
