//! What was not looked at.

use super::*;
use crate::model::{ByteSize, Coverage};

#[test]
fn what_was_not_looked_at_is_never_clean() {
    let bench = feeds();
    let coverage = |config: &Config, raw: &[u8]| {
        Coverage([(Scanner::Urls, bench.look(config, raw).outcome)].into()).to_string()
    };
    let base = Config::default;
    let links: Vec<String> = (0..20).map(|n| format!("https://good.test/{n}")).collect();
    let many = mail(&links.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(coverage(&base(), &many), "urls=ok");
    assert_eq!(coverage(&Config { max_size: ByteSize(100), ..base() }, &many), "urls=ok(degraded)");
    assert_eq!(coverage(&Config { max_text: ByteSize(50), ..base() }, &many), "urls=ok(degraded)");
    assert_eq!(coverage(&Config { max_urls: 5, ..base() }, &many), "urls=ok(degraded)");
    let mut bad = mail(&["http://evil.test/a.exe"]);
    bad.extend_from_slice(&many);
    assert_eq!(coverage(&Config { max_urls: 5, ..base() }, &bad), "urls=found(degraded)");
    let picture = b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n";
    assert_eq!(coverage(&Config { max_images: 0, ..base() }, picture), "urls=ok", "pictures are not wanted");
}

#[test]
fn of_a_message_over_the_size_limit_texts_and_pages_are_read() {
    let bench = feeds();
    let small = Config { max_size: ByteSize(100), ..Config::default() };
    let outcome = |report: &Report| Coverage([(Scanner::Urls, report.outcome.clone())].into()).to_string();
    let raw = |more: &str| {
        let text = "Content-Type: text/plain\n\nhttp://evil.test/a.exe\n";
        format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{text}--b\n{more}--b--\n")
    };
    let eml = "Content-Type: message/rfc822\nContent-Disposition: attachment; filename=a.eml\n\nSubject: x\n\nwww.good.test\n";
    let saved = "Content-Type: application/octet-stream; name=a.mht\n\nContent-Type: text/html\n\n<a href='//mht.test/'>x</a>\n";
    let pdf = "Content-Type: application/pdf\n\n%PDF-1.4\n<< /URI (http://pdf.test/) >>\n";
    let page = format!("Content-Type: text/html\n\n<img src='data:image/png;base64,{}'>\n", png());
    let read = |more: &str| {
        let report = bench.look(&small, raw(more).as_bytes());
        let urls = report.urls.as_ref().unwrap();
        assert_eq!(
            urls.links.first().map(|found| found.link.as_str()),
            Some("http://evil.test/a.exe"),
            "{more}"
        );
        (outcome(&report), urls.links.len())
    };
    assert_eq!(read(""), ("urls=found(degraded)".to_owned(), 1));
    assert_eq!(read(eml), ("urls=found(degraded)".to_owned(), 2));
    assert_eq!(
        read(saved),
        ("urls=found(degraded)".to_owned(), 2),
        "the page in it is a part of the message"
    );
    assert_eq!(read(pdf), ("urls=found(degraded)".to_owned(), 1), "nothing is taken apart");
    assert_eq!(read(&page), ("urls=found(degraded)".to_owned(), 1));
    // Nothing to read.
    let picture = format!("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n{}\n", png());
    let report = bench.look(&small, picture.as_bytes());
    assert_eq!(outcome(&report), "urls=skipped(too-large)");
    let Outcome::Partial { missing, .. } = bench.look(&small, raw("").as_bytes()).outcome else { panic!() };
    assert_eq!(missing, "links were not all looked at: limit-size");
}

#[test]
fn a_large_message_is_read_aside_and_judged_the_same() {
    let mut raw = mail(&["http://evil.test/a.exe", "https://good.test/"]);
    let small = feeds().look(&Config::default(), &raw);
    raw.extend(std::iter::repeat_n(b"text text text\n".as_slice(), 20_000).flatten());
    assert!(raw.len() > READ_IN_PLACE);
    assert_eq!(feeds().look(&Config::default(), &raw), small);
}

#[test]
fn a_link_before_more_text_than_the_limit_is_known() {
    let mut raw = mail(&["http://evil.test/a.exe"]);
    raw.extend(std::iter::repeat_n(b"padding padding\n".as_slice(), 600_000).flatten());
    let report = feeds().look(&Config::default(), &raw);
    assert_eq!(told(&report).len(), 1);
    assert_eq!(Coverage([(Scanner::Urls, report.outcome)].into()).to_string(), "urls=found(degraded)");
}

/// A picture without a code.
fn png() -> String {
    let mut png = Cursor::new(Vec::new());
    image::GrayImage::new(30, 30).write_to(&mut png, image::ImageFormat::Png).unwrap();
    data_encoding::BASE64.encode(png.get_ref())
}

#[test]
fn a_picture_is_not_decoded_on_the_thread_that_asks() {
    let png = png();
    let bench = feeds();
    let waits = |config: &Config, raw: &str| {
        let settings = Settings::new(config, [].into());
        read::read(&input(raw.as_bytes()), &bench.index, &settings, Day(20_000)).1.is_some()
    };
    let none = Config { max_images: 0, ..Config::default() };
    for raw in [
        format!("Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n{png}\n"),
        format!("Content-Type: text/html\n\n<img src='data:image/png;base64,{png}'>"),
        format!("Content-Type: text/html\n\n<p style='background:url(DATA:image/png;base64,{png})'>"),
    ] {
        assert_eq!((waits(&Config::default(), &raw), waits(&none, &raw)), (true, false), "{raw}");
    }
    assert!(!waits(&Config::default(), "Content-Type: text/html\n\n<img src='https://good.test/a.png'>"));
}

#[test]
fn links_of_texts_are_judged_whatever_becomes_of_pictures() {
    let bench = feeds();
    let urls = bench.scanner(&Config::default());
    let places = u32::try_from(urls.picture_slots.available_permits()).unwrap();
    // As if the pictures of others took all the time there is.
    let _all = urls.picture_slots.try_acquire_many(places).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for padding in [0, READ_IN_PLACE] {
        let page =
            format!("<a href='http://evil.test/a.exe'>x</a><img src='data:image/png;base64,{}'>", png());
        let raw = format!("Content-Type: text/html\n\n{page}{}\n", " ".repeat(padding));
        let report =
            runtime.block_on(urls.look(input(raw.as_bytes()), Instant::now() + Duration::from_secs(8)));
        let symbols: Vec<&str> = told(&report).into_iter().map(|(symbol, ..)| symbol).collect();
        assert_eq!(symbols, ["FEED_URLHAUS"]);
        let missing = "links were not all looked at: limit-time".to_owned();
        assert_eq!(report.outcome, Outcome::Partial { found: true, missing });
    }
}

#[test]
fn what_pictures_cost_ends_with_the_time_of_their_message() {
    // Corners of codes that belong to none.
    let picture = image::GrayImage::from_fn(1_500, 1_500, |x, y| {
        let ring = (x % 255 / 3).abs_diff(4).max((y % 255 / 3).abs_diff(4));
        image::Luma([if matches!(ring, 0 | 1 | 3) { 0 } else { 255 }])
    });
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let part = data_encoding::BASE64.encode(png.get_ref());
    let part = format!("--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n{part}\n");
    let raw = format!("Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n", part.repeat(20));
    let urls = feeds().scanner(&Config::default());
    let places = urls.picture_slots.available_permits();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(urls.look(input(raw.as_bytes()), Instant::now() + Duration::from_secs(2)));
    assert!(matches!(report.outcome, Outcome::Partial { .. }), "{report:?}");
    let all = urls.picture_slots.acquire_many(u32::try_from(places).unwrap());
    let free = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), all).await });
    assert!(free.is_ok(), "its place is still taken");
}

#[test]
fn no_time_left_is_a_timeout() {
    let bench = feeds();
    let clock = Clock::held(Timestamp::from_millis(NOW));
    let settings = Settings::new(&Config::default(), BTreeMap::new());
    let known = Known::Still(Arc::clone(&bench.index));
    let urls = Urls::new(settings, known, clock, Arc::new(Metrics::new()));
    let _all = urls.slots.try_acquire_many(u32::try_from(urls.slots.available_permits()).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let raw = mail(&[&"x".repeat(READ_IN_PLACE)]);
    let deadline = Instant::now() + Duration::from_millis(30);
    let report = runtime.block_on(urls.look(input(&raw), deadline));
    assert!(matches!(report.outcome, Outcome::TimedOut(_)), "{report:?}");
}
