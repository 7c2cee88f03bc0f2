//! Input that was made to cost: time is linear, counts are bounded, and what was left out is told.

use std::time::Instant;

use proptest::prelude::*;

use super::{links, message, told};
use crate::mail::links::{Limits, Place, Skipped, find};

const MIB: usize = 1 << 20;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_megabyte_of_anything_is_read_in_linear_time() {
    for piece in [
        "<",
        "<a href=",
        "<a href=\"",
        "<a href='x'>",
        "&",
        "&#",
        "&a",
        "&CounterClockwiseContourIntegra",
        "<!--",
        "<!--[if x]>",
        "<!-- --!",
        "-->",
        "<script>",
        "<script><!--",
        "<script><!--<script>",
        "</script",
        "<style>",
        "<svg>",
        "<svg><style>",
        "<math><mi>",
        "<noscript>",
        "<noscript><a title='</noscript>",
        "<table><td>",
        "<p>",
        "<div style='display:none;",
        "<div style=display:none>",
        "<b>",
        "</b>",
        "<i></b>",
        "<iframe srcdoc='<a ",
        "<base href=x>",
        "<a href=x>",
        "http://",
        "http://a.b ",
        "http:",
        ".",
        "a.",
        "a.b",
        "www.",
        "www.a.",
        "a.com ",
        "a.com/",
        "a.com/(",
        "http://a.b/((((",
        "<http://a.b\n",
        "http://a.b/?u=",
        "https://a.b/https://",
        "http://ahttp://",
        "http://a,",
        "a.http://",
        "www.a,http://",
        "http:///",
        "http://@",
        "http://a@",
        "<a href=#>",
        "<a href=x\t/",
        "<a href='intent://a.b/",
        "\\",
        "\"+\"",
        "\" ",
        "aHR0c",
        "PGE",
        "fromCharCode(",
        "'//",
        "url(",
        "@import",
        "(\"",
        "<![CDATA[",
        "<svg><![CDATA[",
        "<?",
        "</",
        "<a b ",
        "<a b=c ",
        "<a onx=y ",
        "\u{200b}",
        "http://a.b/\u{200b}",
        "\u{ff0e}",
        "\u{ff0f}\u{ff1a}",
        "%3A",
        "\n ",
        "data:text/html,",
        "<a href='data:text/html,",
        "<a href=data:text/html;base64,PGE+",
        "<img alt='",
        "x@a.com ",
        "<textarea>",
        "<xmp>",
        "<title>",
        "<a>",
        "</a>",
        "<form>",
        "a-b_c",
        "1.2.3.4/",
        "http://[",
        "://",
        "\0",
        "<a href=x srcset='a,",
        "<img srcset='(",
        "<meta http-equiv=refresh content='0;",
    ] {
        let text = piece.repeat(MIB / piece.len());
        for media_type in ["text/html", "text/plain", "text/calendar"] {
            let start = Instant::now();
            let found = links(media_type, text.clone());
            // Far from what is expected (0.1 s without optimisation), near enough to tell a square.
            assert!(start.elapsed().as_secs() < 30, "{piece:?} as {media_type}: {:?}", start.elapsed());
            assert!(found.list.len() <= Limits::default().urls, "{piece:?}");
        }
    }
}

#[test]
fn a_script_and_a_style_are_read_in_linear_time() {
    for piece in [
        "\"+",
        "\" \"",
        "\\",
        "\\u",
        "aHR0c ",
        "PGE= ",
        "fromCharCode(1,",
        "'//a.com",
        "%68",
        "`",
        "http://a.b/",
    ] {
        let text = piece.repeat(MIB / piece.len());
        for page in [format!("<script>{text}</script>"), format!("<style>{text}"), format!("<b onx=\"{text}")]
        {
            let start = Instant::now();
            links("text/html", page);
            assert!(start.elapsed().as_secs() < 30, "{piece:?}: {:?}", start.elapsed());
        }
    }
}

#[test]
fn more_links_than_the_limit_are_told() {
    let text: String = (0..1_500).map(|n| format!("http://a.example/{n} ")).collect();
    let found = links("text/plain", text);
    assert_eq!((found.list.len(), found.not_inspected), (1_000, vec![Skipped::TooManyUrls]));
    let exact: String = (0..1_000).map(|n| format!("http://a.example/{n} ")).collect();
    let found = links("text/plain", exact);
    assert_eq!((found.list.len(), found.not_inspected), (1_000, vec![]));
    let page: String = (0..1_500).map(|n| format!("<a href=http://a.example/{n}>x</a>")).collect();
    let found = links("text/html", page);
    assert_eq!((found.list.len(), found.not_inspected), (1_000, vec![Skipped::TooManyUrls]));
    let same = "http://a.example/ ".repeat(5_000);
    let found = links("text/plain", same);
    assert_eq!((found.list.len(), found.not_inspected), (1, vec![]));
}

#[test]
fn more_text_than_the_limit_is_told() {
    let limits = Limits { text: 30, ..Limits::default() };
    let found = find(&message("text/plain", "http://a.example/x http://b.example/y"), "", &limits);
    assert_eq!((found.list.len(), found.not_inspected), (2, vec![Skipped::TooMuchText]));
}

#[test]
fn a_very_long_address_is_cut_and_told() {
    let found = links("text/plain", format!("http://a.example/{}", "x".repeat(100_000)));
    assert_eq!(found.list[0].link.host_text(), "a.example");
    assert_eq!(found.list[0].written.len(), Limits::default().kept_bytes);
    assert_eq!(found.not_inspected, [Skipped::UrlTooLong]);
}

#[test]
fn shown_text_is_bounded() {
    let found = links("text/html", format!("<a href=http://a.example/>{}</a>", "\u{e9}".repeat(10_000)));
    assert!(found.list[0].shown.len() <= Limits::default().kept_bytes);
}

#[test]
fn each_link_knows_its_part() {
    let mut parts = message("multipart/mixed", "http://no.example/");
    parts.list[0].is_container = true;
    for (index, (media_type, name, content)) in [
        ("text/plain", None, "http://a.example/"),
        ("message/rfc822", None, "Subject: =?utf-8?q?http://b=2Eexample/?=\r\n\r\n"),
        ("text/html", None, "<a href=http://c.example/>"),
        ("application/octet-stream", Some("x.HTML"), "<a href=http://d.example/>"),
        ("application/octet-stream", Some("x.url"), "[InternetShortcut]\r\nURL=http://e.example/\r\n"),
        ("application/octet-stream", Some("x.bin"), "http://no.example/"),
        ("application/octet-stream", Some("x.htm"), "\u{feff}<a href=http://f.example/>"),
    ]
    .into_iter()
    .enumerate()
    {
        parts.list.push(crate::model::Part {
            index: index + 1,
            media_type: media_type.to_owned(),
            name: name.map(str::to_owned),
            is_container: media_type == "message/rfc822",
            content: content.into(),
            ..crate::model::Part::default()
        });
    }
    // A file in UTF-16.
    let wide: Vec<u8> =
        "\u{feff}<a href=http://g.example/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    parts.list[7].content = wide.into();
    let found = find(&parts, "http://s.example/", &Limits::default());
    let told: Vec<String> =
        found.list.iter().map(|f| format!("{:?} {} {}", f.place, f.source.label(), f.link)).collect();
    assert_eq!(found.list[0].place, Place::Subject);
    assert_eq!(
        told,
        [
            "Subject subject http://s.example/",
            "Part(1) text http://a.example/",
            "Part(2) subject http://b.example/",
            "Part(3) html:href http://c.example/",
            "Part(4) html:href http://d.example/",
            "Part(5) text http://e.example/",
            "Part(7) html:href http://g.example/",
        ]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_fail(text in "[\\PC\\n\\t<>&;:/.'\"=()a-z ]{0,300}") {
        for media_type in ["text/plain", "text/html", "text/calendar", "image/svg+xml"] {
            let found = links(media_type, text.clone());
            prop_assert!(!found.not_inspected.contains(&Skipped::Unreadable), "{media_type}: {text:?}");
        }
    }

    #[test]
    fn what_is_found_in_text_stands_there(text in "([a-z .,:/()<>]|http://|www\\.|a\\.com){0,40}") {
        for line in told(&links("text/plain", text.clone())) {
            let host = line.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
            prop_assert!(text.to_lowercase().contains(host), "{line}: {text:?}");
        }
    }
}

/// 80 kB of a newsletter with 250 links, as the benches send it.
fn newsletter() -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html><head><title>News</title></head><body><table>\n");
    for n in 0..250u64 {
        let token = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let host = n % 40;
        page.push_str(&format!(
            "<tr><td style=\"padding:4px 8px\"><a class=\"link\" href=\"https://news{host}.remote.example/article/{n}\
             ?utm_source=letter&amp;id={token:x}\">{}</a></td></tr>\n",
            "the quick brown fox jumps over a lazy dog and sleeps all day ".repeat(3).trim_end()
        ));
    }
    page.push_str("</table></body></html>\n");
    page
}

#[test]
#[ignore = "a measure: run with --release"]
#[expect(clippy::print_stderr, reason = "the figure is for who measures")]
fn measure_a_newsletter_of_80_kb_with_250_links() {
    let page = bytes::Bytes::from(newsletter());
    let parts = message("text/html", page.clone());
    let mut best = std::time::Duration::MAX;
    for _ in 0..2_000 {
        let start = Instant::now();
        assert_eq!(find(&parts, "News", &Limits::default()).list.len(), 250);
        best = best.min(start.elapsed());
    }
    eprintln!("{} bytes, 250 links: {best:?}", page.len());
}
