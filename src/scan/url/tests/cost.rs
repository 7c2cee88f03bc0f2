//! Figures for people.

use super::*;
use crate::scan::url::read::read;

/// `CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo test --lib scan::url::tests::a_newsletter -- --ignored --nocapture`
#[test]
#[ignore = "figures for people; they say something in an optimised build alone"]
#[expect(clippy::print_stderr, reason = "figures for people")]
fn a_newsletter_with_250_links_is_read_and_looked_up_in_little_time() {
    use nix::sys::resource::{UsageWho, getrusage};
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        let micros = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
        micros(usage.user_time()) + micros(usage.system_time())
    };
    let list: String = (0..200_000).map(|n| format!("https://evil{n}.test/a/{n:x}.exe\n")).collect();
    let dir = tempfile::tempdir().unwrap();
    let (folder, keyer) = (Folder::open(dir.path()).unwrap(), Keyer::new());
    let terms = Terms { max_size: 64 << 20, min_confidence: 0, max_shrink: 100 };
    let fetched = Fetched { at: Timestamp::from_millis(NOW), validators: Validators::default() };
    let source = Source::new("mine", Format::Urls, "https://feeds.example/x");
    let fresh = take_in(Cursor::new(list), &source, &terms, fetched, None, (&folder, &keyer)).unwrap();
    let index = Index::new(keyer).with("mine", &fresh.keys, Arc::new(fresh.copy)).unwrap();
    let mut page = String::from("Subject: News\nContent-Type: text/html\n\n<html><body>");
    for n in 0..250 {
        page.push_str(&format!(
            "<tr><td style=\"padding:0 10px;font-family:Arial,sans-serif\"><a href=\"https://click.news.example/CL0/{n:06x}/1/0100019\" \
             style=\"color:#1155cc;text-decoration:none\">Story number {n}</a></td><td style=\"font-size:14px\">{}</td></tr>\n",
            "Some words of a story. ".repeat(5)
        ));
    }
    let (input, settings) = (input(page.as_bytes()), Settings::new(&Config::default(), BTreeMap::new()));
    let mut figures = Vec::new();
    for _ in 0..5 {
        let began = cpu();
        for _ in 0..200 {
            std::hint::black_box(read(&input, &index, &settings, Day(20_000)));
        }
        let reading = (cpu() - began) / 200;
        let (looked, _) = read(&input, &index, &settings, Day(20_000));
        assert_eq!((looked.seen.links.len(), looked.strongest.len()), (250, 0));
        let began = cpu();
        for _ in 0..200 {
            std::hint::black_box(looked.seen.shown(50));
        }
        figures.push((reading, (cpu() - began) / 200));
    }
    figures.sort_unstable();
    eprintln!("{} bytes: read and looked up, then put into a record, in µs: {figures:?}", page.len());
}
