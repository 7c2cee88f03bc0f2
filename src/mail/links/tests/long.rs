//! Addresses that are too long, too many or too far down to be seen at once.

use super::{links, told};
use crate::mail::header;
use crate::mail::links::{Limits, Links, Skipped, find};
use crate::mail::mime;
use crate::model::part::NotInspected;

/// What is found in a whole message, and whether its parts were all looked at.
fn in_message(message: &[u8]) -> (Links, Vec<NotInspected>) {
    let message = header::parse(bytes::Bytes::copy_from_slice(message));
    let parts = mime::walk(&message, &crate::mail::Limits::default());
    (find(&parts, "", &Limits::default()), parts.not_inspected)
}

#[test]
fn what_says_nothing_in_a_long_address_does_not_hide_its_host() {
    for address in [
        format!("http://{}@evil.test/a", "a".repeat(8_300)),
        format!("http://www.bank.example{}@evil.test/a", ".a".repeat(5_000)),
        format!("http://{}:x@y@evil.test/a", "é".repeat(8_300)),
        format!("http:{}evil.test/a", "/".repeat(20_000)),
        format!("http:{}evil.test/a", "\\/".repeat(20_000)),
    ] {
        for (page, source) in [
            (format!("<a href='{address}'>x</a>"), "html:href http://evil.test/a | x"),
            (format!("<area href='{address}'>"), "html:href http://evil.test/a"),
            (format!("<meta http-equiv=refresh content='0;url={address}'>"), "html:meta http://evil.test/a"),
            (format!("<base href='{address}'>"), "html:base http://evil.test/a"),
            (format!("<form action='{address}'>"), "html:form http://evil.test/a"),
        ] {
            let found = links("text/html", page);
            assert_eq!((told(&found), found.not_inspected), (vec![source.to_owned()], vec![]));
        }
        let found = links("text/plain", address.clone());
        assert_eq!((told(&found), found.not_inspected), (vec!["text http://evil.test/a".to_owned()], vec![]));
        let found = find(&crate::model::Parts::default(), &address, &Limits::default());
        assert_eq!(told(&found), ["subject http://evil.test/a"]);
    }
    for tabs in ["\t", "\n", "\r\n"].map(|tab| tab.repeat(20_000)) {
        for address in [
            format!("http://{tabs}evil.test/a"),
            format!("ht{tabs}tp://evil.test/a"),
            format!("{tabs}http://evil.test/a"),
            format!("/{tabs}/evil.test/a"),
        ] {
            let found = links("text/html", format!("<a href=\"{address}\">x</a>"));
            assert_eq!(told(&found), ["html:href http://evil.test/a | x"]);
            assert_eq!(found.not_inspected, []);
        }
    }
}

#[test]
fn user_information_is_still_seen_to_be_there() {
    let found = links("text/plain", format!("http://www.bank.example:{}@evil.test/a", "a".repeat(9_000)));
    assert!(found.list[0].written.starts_with("http://www.bank.example:aaa"), "{}", found.list[0].written);
    assert!(found.list[0].written.ends_with("@evil.test/a"));
}

#[test]
fn a_host_too_long_to_be_read_is_told() {
    for page in [
        format!("<a href='http://{}.test/a'>x</a>", "a".repeat(9_000)),
        format!("http://{}.test/a", "a".repeat(9_000)),
        format!("<a href='//{}.test/a'>x</a>", "a.".repeat(9_000)),
    ] {
        assert_eq!(links("text/html", page.clone()).not_inspected, [Skipped::UrlTooLong], "{}", &page[..40]);
    }
    // It never was one.
    let font =
        format!("<style>@font-face {{ src: url(data:font/woff2;base64,{}) }}</style>", "A".repeat(20_000));
    assert_eq!(links("text/html", font).not_inspected, []);
}

#[test]
fn links_that_wait_for_a_base_are_told_if_one_comes() {
    let same = "<a href='x'>y</a>".repeat(2_000);
    let many: String = (0..1_001).map(|n| format!("<a href='{n}'>y</a>")).collect();
    let last = "<a href='/a'>z</a>";
    let base = "<base href='http://evil.test/'>";
    let found = links("text/html", format!("{same}{last}{base}"));
    assert_eq!(
        (told(&found), found.not_inspected),
        (
            vec![
                "html:base http://evil.test/".to_owned(),
                "html:href http://evil.test/x | y".to_owned(),
                "html:href http://evil.test/a | z".to_owned()
            ],
            vec![]
        )
    );
    let found = links("text/html", format!("{many}{last}{base}"));
    assert_eq!((found.list.len(), found.not_inspected), (1_000, vec![Skipped::TooManyUrls]));
    assert_eq!(links("text/html", format!("{many}{last}")).not_inspected, []);
    let long = format!("<a href='{}'>y</a>{base}", "x/".repeat(9_000));
    assert_eq!(links("text/html", long).not_inspected, [Skipped::UrlTooLong]);
}

#[test]
fn text_far_down_in_a_link_that_leads_nowhere_is_read() {
    let words = "word ".repeat(2_000);
    for open in ["<a href='#'>", "<a href='mailto:a@b.example'>", "<a href=''>", "<a href='http://'>"] {
        for close in ["</a>", ""] {
            let page = format!("{open}{words}<b>http://evil.test/a</b> {words}<p>www.evil.test/b</p>{close}");
            let expected = ["text http://evil.test/a", "text http://www.evil.test/b"];
            assert_eq!(told(&links("text/html", page)), expected, "{open} {close}");
        }
    }
}

#[test]
fn flowed_text_is_put_together() {
    let message = |parameters: &str| {
        let body = "> see\r\n> http://evil.test/ \r\n> a\r\nhttp://evil.test/ \r\n b/c \r\nd\r\n-- \r\nhttp://e.test/";
        let head = format!("Content-Type: text/plain; {parameters}\r\n\r\n");
        in_message(format!("{head}{body}").as_bytes())
    };
    let (found, _) = message("format=flowed; DelSp=Yes");
    assert_eq!(
        told(&found),
        [
            "text http://evil.test/",
            "text http://e.test/",
            "text http://evil.test/a",
            "text http://evil.test/b/cd"
        ]
    );
    for parameters in ["format=flowed", "format=flowed; delsp=no", "charset=utf-8"] {
        let (found, _) = message(parameters);
        assert_eq!(told(&found), ["text http://evil.test/", "text http://e.test/"], "{parameters}");
    }
}

#[test]
fn a_message_in_a_file_is_read() {
    let file = "Subject: http://evil.test/s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        PGEgaHJlZj0iaHR0cDovL2V2aWwudGVzdC9hIj54PC9hPg==\r\n--b--\r\n";
    let head = "Content-Type: application/octet-stream; name=a.eml\r\n\r\n";
    let (found, not_inspected) = in_message(format!("{head}{file}").as_bytes());
    assert_eq!(told(&found), ["subject http://evil.test/s", "html:href http://evil.test/a | x"]);
    assert_eq!((found.not_inspected, not_inspected), (vec![], vec![]));
    // No message at all, which some programs show all the same.
    let (found, _) =
        in_message(format!("{head}<a href='http://evil.test/a'>x</a> www.evil.test/b").as_bytes());
    let told = told(&found);
    for link in ["html:href http://evil.test/a | x", "text http://www.evil.test/b"] {
        assert!(told.contains(&link.to_owned()), "{told:?}");
    }
}

#[test]
fn text_in_an_unknown_charset_without_ascii_is_told() {
    let ebcdic = b"\x4c\x81\x40\x88\x99\x85\x86\x7e\x7f\x88\xa3\xa3\x97\x7a\x61\x61\xa5\x4b\xa3\x85\xa2\xa3";
    let head = b"Content-Type: text/html; charset=IBM037\r\n\r\n";
    let (_, not_inspected) = in_message(&[head.as_slice(), ebcdic].concat());
    assert_eq!(not_inspected, [NotInspected::Undecodable(1)]);
    let (_, not_inspected) = in_message(&[head.as_slice(), b"<a href=http://a.example/>x</a>"].concat());
    assert_eq!(not_inspected, []);
}
