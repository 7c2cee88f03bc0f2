//! Which part is read how: types and names that disagree, files that hold pages.

use super::told;
use crate::mail::links::{Limits, Skipped, find};
use crate::model::{Part, Parts};

fn of(media_type: &str, name: &str, is_attachment: bool, content: &[u8]) -> Vec<String> {
    let part = Part {
        media_type: media_type.to_owned(),
        name: (!name.is_empty()).then(|| name.to_owned()),
        is_attachment,
        content: content.to_vec().into(),
        ..Part::default()
    };
    let found = find(&Parts { list: vec![part], not_inspected: Vec::new() }, "", &Limits::default());
    assert_eq!(found.not_inspected, [], "{media_type} {name}");
    told(&found)
}

const PAGE: &[u8] = b"<a href='//a.example/x'>y</a>";
const SEEN: [&str; 1] = ["html:href http://a.example/x | y"];

#[test]
fn a_page_is_read_by_whatever_name_it_comes() {
    for name in [
        "x.html",
        "X.HTM",
        "x.xhtml",
        "x.shtml",
        "x.svg",
        "x.hta",
        "x.html.",
        "x.pdf.html",
        "x\u{202e}fdp.htm",
    ] {
        for media_type in ["application/octet-stream", "application/pdf", "text/plain", "image/png", "x"] {
            assert_eq!(of(media_type, name, true, PAGE), SEEN, "{media_type} {name}");
        }
    }
    for media_type in ["text/x-amp-html", "application/xhtml+xml", "application/xml"] {
        assert_eq!(of(media_type, "", false, PAGE), SEEN, "{media_type}");
    }
}

#[test]
fn what_begins_as_a_picture_is_a_page_all_the_same() {
    let content = [b"GIF89a".as_slice(), PAGE].concat();
    assert_eq!(of("text/html", "", false, &content), SEEN);
    assert_eq!(of("application/octet-stream", "x.html", true, &content), SEEN);
}

#[test]
fn text_that_is_shown_is_read_as_text_whatever_its_name() {
    assert_eq!(of("text/plain", "x.html", false, b"<http://a.example/x>"), ["text http://a.example/x"]);
    let card = b"URL:http://a.exam\r\n ple/x\r\n";
    let told = of("text/calendar", "x.html", false, card);
    assert!(told.contains(&"calendar http://a.example/x".to_owned()), "{told:?}");
}

#[test]
fn a_page_with_nul_or_in_utf_16_without_mark_is_read() {
    assert_eq!(of("application/octet-stream", "x.html", true, &[PAGE, b"\0"].concat()), SEEN);
    let wide =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { PAGE.iter().flat_map(|b| order(u16::from(*b))).collect() };
    assert_eq!(of("application/octet-stream", "x.html", true, &wide(u16::to_le_bytes)), SEEN);
    assert_eq!(of("application/octet-stream", "x.html", true, &wide(u16::to_be_bytes)), SEEN);
}

#[test]
fn shortcuts_are_read() {
    let webloc = b"<plist><dict><key>URL</key><string>http://a.example/?a=1&amp;b=2</string></dict></plist>";
    assert_eq!(
        of("application/octet-stream", "x.webloc", true, webloc).last().unwrap(),
        "text http://a.example/?a=1&b=2"
    );
    let desktop = b"[Desktop Entry]\nType=Link\nURL=http://a.example/x\n";
    assert_eq!(of("application/x-desktop", "x.desktop", true, desktop), ["text http://a.example/x"]);
    let remote = b"full address:s:evil.com:3389\r\n";
    assert_eq!(of("application/octet-stream", "x.rdp", true, remote), ["text http://evil.com:3389/"]);
}

#[test]
fn a_page_saved_with_what_belongs_to_it_is_read() {
    let saved = b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <a href=3D'http://a.exa=\r\nmple/x'>y</a>\r\n--b--\r\n";
    for media_type in ["application/octet-stream", "multipart/related", "message/rfc822", "text/plain"] {
        assert_eq!(of(media_type, "x.mht", true, saved), SEEN, "{media_type}");
    }
}

#[test]
fn pages_too_deep_within_pages_are_told() {
    let mut page = "<a href=http://a.example/x>y</a>".to_owned();
    for _ in 0..7 {
        page = format!(
            "<iframe srcdoc='{}'>",
            page.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;")
        );
    }
    let part = Part { media_type: "text/html".to_owned(), content: page.into(), ..Part::default() };
    let found = find(&Parts { list: vec![part], not_inspected: Vec::new() }, "", &Limits::default());
    assert_eq!(found.not_inspected, [Skipped::TooDeep]);
}
