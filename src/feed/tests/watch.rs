//! Feeds that are stale, and files of feeds that are configured no more.

use std::fs;
use std::time::Duration;

use super::*;
use crate::feed::copy::KEPT;

const DAY: Duration = Duration::from_secs(86_400);

fn files(bench: &Bench) -> Vec<String> {
    let files = fs::read_dir(bench.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn after(by: Duration) -> Timestamp {
    wait::later(at(), by)
}

#[test]
fn the_copy_of_a_feed_that_is_gone_stays_for_a_week_and_not_longer() {
    let bench = Bench::new(Format::Urls);
    let fresh = bench.take(b"http://evil.test/a\n", &TERMS, None).unwrap();
    bench.folder.confirm(&fresh.copy, at(), &Validators::default()).unwrap();
    fs::write(bench.path().join("test.damaged"), "x").unwrap();
    fs::write(bench.path().join("README"), "somebody's").unwrap();
    let (here, gone) = (|name: &str| name == "test", |_: &str| false);
    assert_eq!(bench.folder.leftovers(&here).unwrap(), []);
    assert_eq!(bench.folder.tidy(&gone, at()).unwrap(), Vec::<String>::new());
    let left = bench.folder.leftovers(&gone).unwrap();
    assert_eq!((left.len(), left[0].name.as_str(), left[0].until), (1, "test", Some(after(KEPT))));
    assert!(left[0].bytes > 100, "{left:?}");
    assert_eq!(bench.folder.tidy(&gone, after(KEPT)).unwrap(), Vec::<String>::new());
    assert!(bench.folder.load(&bench.source, &bench.keyer).unwrap().is_some(), "it is not gone yet");
    assert_eq!(bench.folder.tidy(&gone, after(KEPT + DAY)).unwrap(), ["test"]);
    assert_eq!(files(&bench), ["README"]);
}

#[test]
fn a_feed_that_comes_back_has_its_copy_and_its_week_anew() {
    let bench = Bench::new(Format::Urls);
    bench.take(b"http://evil.test/a\n", &TERMS, None).unwrap();
    let (here, gone) = (|name: &str| name == "test", |_: &str| false);
    bench.folder.tidy(&gone, at()).unwrap();
    bench.folder.tidy(&here, after(DAY)).unwrap();
    assert_eq!(files(&bench), ["test.entries"]);
    bench.folder.tidy(&gone, after(KEPT)).unwrap();
    assert_eq!(bench.folder.tidy(&gone, after(KEPT + DAY)).unwrap(), Vec::<String>::new());
    // A clock that ran ahead when the feed went: counted from now, not kept for ever.
    bench.folder.tidy(&gone, at()).unwrap();
    assert_eq!(bench.folder.leftovers(&gone).unwrap()[0].until, Some(after(KEPT)));
    // A note that cannot be read is written anew.
    fs::write(bench.path().join("test.removed"), "x").unwrap();
    bench.folder.tidy(&gone, after(DAY)).unwrap();
    assert_eq!(bench.folder.leftovers(&gone).unwrap()[0].until, Some(after(KEPT + DAY)));
}
