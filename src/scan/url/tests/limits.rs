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
    assert_eq!(coverage(&Config { max_size: ByteSize(100), ..base() }, &many), "urls=skipped(too-large)");
    assert_eq!(coverage(&Config { max_text: ByteSize(50), ..base() }, &many), "urls=skipped(too-large)");
    assert_eq!(coverage(&Config { max_urls: 5, ..base() }, &many), "urls=ok(degraded)");
    let mut bad = mail(&["http://evil.test/a.exe"]);
    bad.extend_from_slice(&many);
    assert_eq!(coverage(&Config { max_urls: 5, ..base() }, &bad), "urls=found(degraded)");
    let picture = b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n";
    assert_eq!(coverage(&Config { max_images: 0, ..base() }, picture), "urls=ok", "pictures are not wanted");
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
fn a_picture_within_a_page_is_not_decoded_on_the_thread_that_asks() {
    let mut png = Cursor::new(Vec::new());
    image::GrayImage::new(30, 30).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = data_encoding::BASE64.encode(png.get_ref());
    let bench = feeds();
    let at_once = |config: &Config, page: &str| {
        let input = input(format!("Content-Type: text/html\n\n{page}").as_bytes());
        let settings = Settings::new(config, [].into());
        read::at_once(&input, &bench.index, &settings, Day(20_000)).is_some()
    };
    let none = Config { max_images: 0, ..Config::default() };
    for page in [
        format!("<img src='data:image/png;base64,{png}'>"),
        format!("<p style='background:url(DATA:image/png;base64,{png})'>"),
    ] {
        assert_eq!((at_once(&Config::default(), &page), at_once(&none, &page)), (false, true), "{page}");
    }
    assert!(at_once(&Config::default(), "<img src='https://good.test/a.png'>"));
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
