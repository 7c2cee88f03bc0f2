use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn normal(text: &str) -> String {
    Link::parse(text).map_or_else(|e| format!("{e:?}"), |link| link.as_str().to_owned())
}

#[test]
fn an_address_has_one_normal_form() {
    for (written, expected) in [
        ("HTTP://MALWARE.example.com/A", "http://malware.example.com/A"),
        ("https://example.com:443/x", "https://example.com/x"),
        ("http://example.com:443/x", "http://example.com:443/x"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://example.com", "http://example.com/"),
        ("http://example.com?", "http://example.com/"),
        ("http://example.com/?a#b?c", "http://example.com/?a"),
        ("http://münchen.example/a", "http://xn--mnchen-3ya.example/a"),
        ("http://ＥＸＡＭＰＬＥ．com/", "http://example.com/"),
        ("http://exam\u{ad}ple。com/", "http://example.com/"),
        ("http://evil.test/%7Efoo/%61.exe", "http://evil.test/~foo/a.exe"),
        ("http://evil.test/a%2fb%c3%bc", "http://evil.test/a%2Fb%C3%BC"),
        ("http://evil.test/ü", "http://evil.test/%C3%BC"),
        ("http://evil.test/a|b^c\"d{e}", "http://evil.test/a%7Cb%5Ec%22d%7Be%7D"),
        ("http://evil.test/%%37E", "http://evil.test/%257E"),
        ("http://evil.test/a/../b/./c/%2e%2E/d", "http://evil.test/b/d"),
        ("http://0xC0000201/x", "http://192.0.2.1/x"),
        ("http://3221225985/", "http://192.0.2.1/"),
        ("http://0300.0.2.1/", "http://192.0.2.1/"),
        ("http://192.0.513/", "http://192.0.2.1/"),
        ("http://192.0.2.1./", "http://192.0.2.1/"),
        ("http://[2001:db8:0:0::bad]/m", "http://[2001:db8::bad]/m"),
        ("http://[::ffff:192.0.2.1]:8080/", "http://192.0.2.1:8080/"),
        ("http://bank.example@evil.test/", "http://evil.test/"),
        ("http://a:b@evil.test:81/", "http://evil.test:81/"),
        ("http:\\\\evil.test\\a", "http://evil.test/a"),
        ("http:evil.test/a", "http://evil.test/a"),
        (" \u{1}https://ev\til.te\nst/a ", "https://evil.test/a"),
        ("www.example.org", "http://www.example.org/"),
        ("//example.org/a", "http://example.org/a"),
        ("example.org:8080/a?b=c", "http://example.org:8080/a?b=c"),
        ("ftp://example.org:21/a", "ftp://example.org/a"),
        ("http://under_score.example/", "http://under_score.example/"),
        ("http://example.org/a//b/", "http://example.org/a//b/"),
        ("http://intranet/x", "http://intranet/x"),
    ] {
        assert_eq!(normal(written), expected, "{written:?}");
    }
}

#[test]
fn what_leads_nowhere_on_the_web_is_no_link() {
    for text in
        ["mailto:a@example.org", "javascript:alert(1)", "data:text/html,x", "hxxp://evil.test/", "tel:1"]
    {
        assert_eq!(Link::parse(text), Err(NotALink::Scheme), "{text:?}");
    }
    for text in ["", "hello", "12345", "/a/b", "http://", "http://a..b/", "http://../", "http://192.0.2.1../"]
    {
        assert!(Link::parse(text).is_err(), "{text:?}: {:?}", Link::parse(text));
    }
    assert_eq!(Link::parse(&format!("http://{}.example/", "a".repeat(64))), Err(NotALink::Host));
}

#[test]
fn a_link_falls_into_its_parts() {
    let link = Link::parse("https://user@WWW.Example.co.uk:8443/a/b?c=d#e").unwrap();
    assert_eq!(link.scheme(), "https");
    assert_eq!(link.host(), Host::Name("www.example.co.uk".to_owned()));
    assert_eq!(link.path(), "/a/b");
    assert_eq!(link.query(), Some("c=d"));
    assert_eq!(link.exact(), "www.example.co.uk:8443/a/b?c=d");
    assert_eq!(link.host_and_path(), "www.example.co.uk:8443/a/b");
    let plain = Link::parse("http://example.org/").unwrap();
    assert_eq!((plain.query(), plain.is_front_page()), (None, true));
    assert!(Link::parse("http://example.org/index.php?p=1").unwrap().is_front_page());
    assert!(!Link::parse("http://example.org/index.d/x").unwrap().is_front_page());
    let ip: IpAddr = "2001:db8::1".parse().unwrap();
    assert_eq!(Link::parse("http://[2001:db8::1]:80/").unwrap().host(), Host::Ip(ip));
}

#[test]
fn a_host_alone_has_the_same_normal_form() {
    let name = |text: &str| Ok(Host::Name(text.to_owned()));
    assert_eq!(Host::parse("C2-Panel.Example."), name("c2-panel.example"));
    assert_eq!(Host::parse("MÜNCHEN.example"), name("xn--mnchen-3ya.example"));
    assert_eq!(Host::parse("under_score.example"), name("under_score.example"));
    assert_eq!(Host::parse("::ffff:192.0.2.17"), Ok(Host::Ip("192.0.2.17".parse().unwrap())));
    assert_eq!(Host::parse("0xC0000201"), Ok(Host::Ip("192.0.2.1".parse().unwrap())));
    for text in ["", ".", "*", "a b", "a/b", "a,b", "\"a\"", "key=value", "a..b", "http://a.b"] {
        assert!(Host::parse(text).is_err(), "{text:?}: {:?}", Host::parse(text));
    }
}

#[test]
fn the_owner_of_a_name_is_known() {
    assert_eq!(registrable("a.b.example.co.uk"), Some("example.co.uk"));
    assert_eq!(registrable("x.evil.github.io"), Some("evil.github.io"));
    assert_eq!(registrable("www.c2-panel.example"), Some("c2-panel.example"));
    for suffix in ["com", "co.uk", "github.io", "localhost", "test"] {
        assert!(is_public_suffix(suffix), "{suffix}");
    }
}

#[test]
fn shared_hosts_are_known_with_all_below() {
    assert_eq!(sharing("bit.ly"), Some(Sharing::Shortener));
    assert_eq!(sharing("docs.google.com"), Some(Sharing::Documents));
    assert_eq!(sharing("contoso-my.sharepoint.com"), Some(Sharing::Documents));
    assert_eq!(sharing("raw.githubusercontent.com"), Some(Sharing::Hosting));
    for own in ["google.com", "example.org", "notbit.ly", "ly", ""] {
        assert_eq!(sharing(own), None, "{own}");
    }
}

#[test]
fn the_table_of_shared_hosts_is_sorted_and_in_normal_form() {
    for pair in shared::TABLE.windows(2) {
        assert!(pair[0].0 < pair[1].0, "{} stands before {}", pair[0].0, pair[1].0);
    }
    for (name, _) in shared::TABLE {
        assert_eq!(Host::parse(name), Ok(Host::Name((*name).to_owned())));
        assert!(!name.contains("..") && name.contains('.'), "{name}");
    }
}

#[test]
fn the_largest_names_are_known_with_what_their_owner_has_below() {
    for own in ["google.com", "www.google.com", "mail.google.com", "outlook.office.com", "sub.apple.com"] {
        assert!(is_prominent(own), "{own}");
    }
    for other in [
        "x.cloudapp.azure.com",
        "x.s3.amazonaws.com",
        "notgoogle.com",
        "google.com.evil.test",
        "com",
        "example.org",
        "",
    ] {
        assert!(!is_prominent(other), "{other}");
    }
    for pair in prominent::TABLE.windows(2) {
        assert!(pair[0] < pair[1], "{} stands before {}", pair[0], pair[1]);
    }
    for name in prominent::TABLE {
        assert_eq!(Host::parse(name), Ok(Host::Name((*name).to_owned())));
        assert!(is_prominent(name) && sharing(name).is_none(), "{name}");
    }
}

/// Addresses as they come, and as they never should.
fn addresses() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["http://", "https://", "HTTPS:/", "ftp://", "", "//", "data:"]);
    let host = prop::sample::select(vec![
        "example.org",
        "Example.ORG.",
        "xn--mnchen-3ya.example",
        "münchen.example",
        "0xC0000201",
        "a.b.c.1",
        "[::1]",
        "a..b",
        "ab--c.example",
        "1.2.3.4",
        "u@h.example",
        "h.example:80",
        "h.example:443",
        "-a.example",
    ]);
    let tail = "[/?#%.a-zA-Z0-9~'|^=& \\\\ü:@;,+*-]{0,40}";
    (scheme, host, tail).prop_map(|(s, h, t)| format!("{s}{h}{t}"))
}

/// All that is known of a link.
fn parts(link: &Link) -> (String, Host, Option<IpAddr>, String, Option<String>) {
    let text = |text: &str| text.to_owned();
    (text(link.as_str()), link.host(), link.ip(), text(link.path()), link.query().map(text))
}

#[test]
fn what_is_no_normal_form_at_first_sight_is_not_read_back() {
    for text in [
        "",
        "evil.test/a",
        "gopher://evil.test/",
        "http://evil.test",
        "http:///a",
        "http://Evil.test/",
        "http://evil.test/a b",
        "http://evil.test/ü",
        "http://evil.test/a#b",
        "http://evil.test/a?",
        "http://[::1/",
        "http://[evil]/",
    ] {
        assert_eq!(Link::from_normal(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn the_normal_form_of_a_normal_form_is_itself(text in prop_oneof![addresses(), ".{0,60}"]) {
        if let Ok(link) = Link::parse(&text) {
            prop_assert_eq!(Link::parse(link.as_str()), Ok(link));
        }
    }

    #[test]
    fn a_normal_form_is_read_back_as_the_link_that_it_is_of(text in prop_oneof![addresses(), ".{0,60}"]) {
        if let Ok(link) = Link::parse(&text) {
            let read = Link::from_normal(link.as_str());
            prop_assert_eq!(read.as_ref().map(parts), Some(parts(&link)));
        }
    }

    #[test]
    fn the_short_way_ends_where_the_long_one_does(
        text in prop_oneof![addresses(), "https?://[a-z0-9.-]{1,12}\\.[a-z]{1,5}/[/?#.a-zA-Z0-9~'=&@!-]{0,30}"],
    ) {
        if let Some(plain) = normal::plain(&text) {
            prop_assert_eq!(Link::read(&text), Ok(plain));
        }
    }

    #[test]
    fn the_host_of_a_link_is_a_host(text in addresses()) {
        if let Ok(link) = Link::parse(&text) {
            // A browser takes other characters, too; no host on the net has them in its name.
            let host = link.host();
            let text = host.to_string();
            if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
                prop_assert_eq!(Host::parse(&text), Ok(host));
            }
        }
    }
}

#[test]
fn the_ending_of_a_name_says_who_gives_out_names_below_it() {
    for (name, expected) in [
        ("www.example.co.uk", Some(("co.uk", Registry::Icann))),
        ("a.github.io", Some(("github.io", Registry::Private))),
        ("com", Some(("com", Registry::Icann))),
        ("host.nosuchending", None),
        ("localhost", None),
    ] {
        assert_eq!(public_suffix(name), expected, "{name}");
    }
}
