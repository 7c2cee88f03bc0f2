//! Work grows with the input and no faster: inputs of which readers tend to make the square, at one, two, four and eight
//! times their size.

use std::io::Cursor;
use std::path::Path;

use mailward::config::Config;
use mailward::feed::Format;
use mailward::feed::format::{Limits as FeedLimits, Reading, read};
use mailward::lists;
use mailward::mail::{self, Limits, banner, cut, header, links, results_read, strip};
use mailward::model::Timestamp;

use super::effort;
use super::mutation::{grows_about_linearly, touch};

/// Reads a whole message in all ways.
fn read_mail(raw: &[u8]) {
    let message = header::parse(raw.to_vec());
    let parts = mail::walk(&message, &Limits::default());
    touch(mail::attachments(&parts));
    let subject = message.values("Subject").next().map(header::decode_words).unwrap_or_default();
    touch(links::find(&parts, &subject, &links::Limits::default()));
    touch(strip::removals(&message, Some("mx.example.org"), &[]));
    touch(cut::forged(raw, &[], &["X-Spam"]));
    touch(banner::add(&message, "from outside"));
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("From: a@b\r\nSubject: x\r\n{head}\r\n").as_bytes(), body].concat()
}

#[test]
fn mail_that_is_made_to_cost_grows_about_linearly() {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let repeated: [(&str, &str, &str); 30] = [
        ("open tags", html, "<div>"),
        ("open formatting", html, "<b><i><a href=x>"),
        ("closing tags", html, "</p>"),
        ("tables", html, "<table><tr><td>"),
        ("open comments", html, "<!--"),
        ("half comments", html, "<!-- --"),
        ("links", html, "<a href='http://a.example/x'>y</a> "),
        ("attributes", html, "<a x=1 "),
        ("one tag with many attributes", html, " href=http://a.example"),
        ("references", html, "&amp;#x26;"),
        ("half references", html, "&NotEqualTild"),
        ("styles", html, "<style>a{background:url(http://a.example)}"),
        ("scripts", html, "<script>'<!--<script>"),
        ("hidden", html, "<span style='display:none'>x"),
        ("quotes", html, "<a href=\"'"),
        ("bases", html, "<base href=http://a.example/b/>"),
        ("addresses in text", "", "http://a.example/b?c=http://d.example "),
        ("addresses without end", "", "http://"),
        ("dots", "", "a."),
        ("at signs", "", "a@"),
        ("brackets", "", "(http://a.example("),
        ("slashes", "", "/"),
        (
            "wrapped addresses",
            "",
            "https://nam01.safelinks.protection.outlook.com/?url=http%3A%2F%2Fa.example ",
        ),
        ("bounds", "Content-Type: multipart/mixed; boundary=x\r\n", "--x\r\n\r\na\r\n"),
        (
            "near bounds",
            "Content-Type: multipart/mixed; boundary=xxxxxxxxxxxxxxxx\r\n",
            "--xxxxxxxxxxxxxxxy\r\n",
        ),
        ("uuencode", "", "begin 644 a\r\n"),
        ("calendars", "Content-Type: text/calendar\r\n", "BEGIN:VEVENT\r\nURL:http://a.example\r\n "),
        ("quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n", "=3D=\r\n "),
        ("bare line ends", "", "\n\r"),
        ("utf-7", "Content-Type: text/html; charset=utf-7\r\n", "+ADw-a+AD4-"),
    ];
    for (what, head, piece) in repeated {
        grows_about_linearly(
            what,
            effort(6_000, 40_000),
            |size| with_body(head, piece.repeat(size / piece.len()).as_bytes()),
            |raw| read_mail(raw),
        );
    }
}

#[test]
fn headers_that_are_made_to_cost_grow_about_linearly() {
    let pieces = [
        ("fields", "X-A: b\r\n"),
        ("folds", " x\r\n"),
        ("own fields", "X-Mailward-Id: x\r\n"),
        ("results", "Authentication-Results: mx.example.org; spf=pass (x) smtp.mailfrom=a@b\r\n"),
        ("types", "Content-Type: text/plain; a=b\r\n"),
        ("subjects", "Subject: =?utf-8?q?a?=\r\n"),
        ("received", "Received: from a by b with c id d; e\r\n"),
    ];
    for (what, piece) in pieces {
        let make = |size: usize| {
            [format!("X: y\r\n{}", piece.repeat(size / piece.len())).as_bytes(), b"\r\nbody\r\n"].concat()
        };
        grows_about_linearly(what, effort(4_000, 20_000), make, |raw| read_mail(raw));
    }
    let values = [
        "(",
        "a(b)",
        "\"",
        "\\",
        "<a@b>,",
        "a b ",
        "=?utf-8?q?a?= ",
        "=?utf-8?b?",
        "; a=b",
        "; a*0*=utf-8''%41",
        "; spf=pass (x)",
        "@a,",
        ":;",
        "a.b.",
        "=?iso-2022-jp?B?GyRC?= ",
    ];
    for piece in values {
        let make = |size: usize| format!("mx.example.org{}", piece.repeat(size / piece.len())).into_bytes();
        grows_about_linearly(piece, effort(4_000, 20_000), make, |value| {
            touch(header::addresses(value));
            touch(header::decode_words(value));
            touch(results_read::read(value));
            touch(mail::auth_results::authserv_id(value));
            touch(mail::auth_results::claims(value, "mx.example.org"));
            read_mail(
                &[b"Content-Type: ".as_slice(), value.as_slice(), b"\r\nFrom: ", value, b"\r\n\r\nx\r\n"]
                    .concat(),
            );
        });
    }
}

#[test]
fn lists_feeds_and_settings_grow_about_linearly() {
    let formats = [
        (Format::Urls, "http://a.example/b\n"),
        (Format::Hosts, "127.0.0.1 a.example\n"),
        (Format::UrlhausCsv, "\"1\",\"\"\",\n"),
        (Format::ThreatfoxJson, "{\"1\":["),
        (Format::PhishtankJson, "[{\"url\":"),
        (Format::SpamhausDrop, "{\"cidr\":\"192.0.2.0/24\"}\n"),
        (Format::Domains, "a."),
    ];
    for (format, piece) in formats {
        let reading = Reading { format, limits: FeedLimits::of_size(8 << 20), min_confidence: 0 };
        grows_about_linearly(
            format.name(),
            effort(20_000, 100_000),
            |size| piece.repeat(size / piece.len()).into_bytes(),
            |body| {
                touch(read(Cursor::new(body), &reading, &mut |_| Ok(())));
            },
        );
    }
    for piece in ["a@b.example\n", "sender:", "a.", "*", "\t", "192.0.2.0/24 # x\n"] {
        grows_about_linearly(
            piece,
            effort(10_000, 50_000),
            |size| piece.repeat(size / piece.len()).into_bytes(),
            |body| {
                touch(lists::read(body, Timestamp::from_millis(1)));
            },
        );
    }
    // Small: a file of settings is no mail, and its reader is a library's.
    for piece in [
        "[a]\n",
        "a.",
        "[",
        "a = 1\n",
        "x = [1,\n",
        "\"",
        "[scanner.yara]\nenabled = true\n",
        "[feed.a]\nformat = \"urls\"\n",
    ] {
        grows_about_linearly(
            piece,
            4_000,
            |size| piece.repeat(size / piece.len()).into_bytes(),
            |body| {
                touch(Config::parse(Path::new("x.toml"), body));
            },
        );
    }
}
