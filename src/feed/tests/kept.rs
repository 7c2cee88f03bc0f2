//! All feeds together: loaded, fetched, swapped, taken away.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::publisher::{Publisher, answer};
use super::*;
use crate::feed::keeper::{News, Said};
use crate::model::Span;
use crate::telemetry::{Clock, Metrics};

struct Site {
    place: TempDir,
    publisher: Publisher,
    says: Arc<Mutex<Vec<u8>>>,
    metrics: Arc<Metrics>,
}

impl Site {
    async fn new() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let says = Arc::new(Mutex::new(answer("404 Not Found", &[], b"")));
        let said = Arc::clone(&says);
        let publisher = Publisher::start(move |_| said.lock().unwrap().clone()).await;
        Self { place: tempfile::tempdir().unwrap(), publisher, says, metrics: Arc::new(Metrics::new()) }
    }

    fn publishes(&self, names: std::ops::Range<usize>) {
        let body: String = names.map(|n| format!("http://evil.test/{n}\n")).collect();
        *self.says.lock().unwrap() = answer("200 OK", &[], body.as_bytes());
    }

    fn open(&self) -> Arc<Feeds> {
        self.open_by(Clock::held(at()))
    }

    fn open_by(&self, clock: Clock) -> Arc<Feeds> {
        Feeds::open(&self.place.path().join("feeds"), clock, Arc::clone(&self.metrics)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.place.path().join("feeds")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn settings(&self, path: &str) -> Settings {
        Settings {
            format: Format::Urls,
            url: self.publisher.url(path),
            refresh: Span::seconds(3600),
            terms: TERMS,
            auth_key: None,
        }
    }

    fn one(&self) -> BTreeMap<String, Settings> {
        BTreeMap::from([("one".to_owned(), self.settings("/one"))])
    }
}

/// Waits until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not happen in ten seconds");
}

fn knows(feeds: &Feeds, n: usize) -> bool {
    !of_link(&feeds.index(), &format!("http://evil.test/{n}")).is_empty()
}

#[tokio::test]
async fn a_feed_is_fetched_and_a_worse_one_does_not_replace_it() {
    let site = Site::new().await;
    let feeds = site.open();
    let mut changes = feeds.changes();
    feeds.configure(&site.one());
    site.publishes(0..100);
    let told = feeds.refresh("one", false).await.unwrap();
    assert_eq!(told, Told { outcome: Outcome::New, message: "100 entries".to_owned() });
    assert!(changes.has_changed().unwrap() && *changes.borrow_and_update() == 1);
    assert!(knows(&feeds, 99) && !knows(&feeds, 100));

    site.publishes(90..105);
    let told = feeds.refresh("one", false).await.unwrap();
    assert_eq!(told.outcome, Outcome::Refused);
    assert!(told.message.starts_with("the list has shrunk from 100 entries to 15"), "{}", told.message);
    for body in [&b""[..], b"<html>login</html>", b"\xff\xfeh\0t\0"] {
        *site.says.lock().unwrap() = answer("200 OK", &[], body);
        assert_eq!(feeds.refresh("one", false).await.unwrap().outcome, Outcome::Refused);
    }
    *site.says.lock().unwrap() = answer("500 Internal Server Error", &[], b"");
    let told = feeds.refresh("one", false).await.unwrap();
    assert_eq!(
        (told.outcome, told.message.as_str()),
        (Outcome::Failed, "127.0.0.1 answered 500 Internal Server Error")
    );
    assert!(knows(&feeds, 0) && knows(&feeds, 99));
    assert_eq!(feeds.standing()[0].failures, 5);

    site.publishes(90..105);
    assert_eq!(feeds.refresh("one", true).await.unwrap().outcome, Outcome::New, "by force");
    assert!(knows(&feeds, 104) && !knows(&feeds, 0));
    feeds.count();
    let told = site.metrics.exposition();
    for line in [
        "mailward_feed_entries{feed=\"one\"} 15",
        "mailward_feed_stale{feed=\"one\"} 0",
        "mailward_feed_age_seconds{feed=\"one\"} 0",
        "mailward_feed_refreshes_total{feed=\"one\",result=\"refused\"} 4",
        "mailward_feed_refreshes_total{feed=\"one\",result=\"failed\"} 1",
        "mailward_feed_refreshes_total{feed=\"one\",result=\"new\"} 2",
    ] {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_a_failure_and_not_the_publishers() {
    let site = Site::new().await;
    let feeds = site.open();
    feeds.configure(&site.one());
    site.publishes(0..10);
    let in_the_way = site.place.path().join("feeds/one.entries.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let told = feeds.refresh("one", false).await.unwrap();
    let path = in_the_way.display();
    let message = format!("cannot make {path}: Is a directory (os error 21)");
    assert_eq!(told, Told { outcome: Outcome::Failed, message });
}

#[tokio::test]
async fn after_a_restart_the_last_good_copy_is_there_without_the_publisher() {
    let site = Site::new().await;
    site.publishes(0..10);
    let first = site.open();
    first.configure(&site.one());
    first.refresh("one", false).await.unwrap();
    let asked = site.publisher.asked().len();

    let second = site.open();
    second.configure(&site.one());
    until("loading the copy", || knows(&second, 9)).await;
    until("the end of loading", || second.standing().iter().all(|feed| !feed.loading)).await;
    let standing = second.standing().remove(0);
    assert_eq!((standing.entries, standing.checked, standing.stale), (10, Some(at()), false));
    assert_eq!(standing.trouble(), None);
    assert!(
        standing.next.unwrap() >= Timestamp::from_millis(at().millis() + 3_600_000),
        "not before its time"
    );
    assert_eq!(site.publisher.asked().len(), asked);
}

#[tokio::test]
async fn a_reload_takes_feeds_away_and_brings_others_without_touching_the_rest() {
    let site = Site::new().await;
    site.publishes(0..10);
    let feeds = site.open();
    let both = BTreeMap::from([
        ("one".to_owned(), site.settings("/one")),
        ("two".to_owned(), site.settings("/two")),
    ]);
    feeds.configure(&both);
    feeds.refresh("one", false).await.unwrap();
    site.publishes(10..20);
    feeds.refresh("two", false).await.unwrap();
    assert!(knows(&feeds, 5) && knows(&feeds, 15));
    feeds.configure(&site.one());
    until("taking the feed away", || !knows(&feeds, 15)).await;
    assert!(knows(&feeds, 5));
    let error = feeds.refresh("two", false).await.unwrap_err();
    assert_eq!(error, RefreshError::Unknown("two".to_owned()));
    // Another publisher: what came from the first one is not its list.
    feeds.configure(&BTreeMap::from([("one".to_owned(), site.settings("/elsewhere"))]));
    until("forgetting the old source", || !knows(&feeds, 5)).await;
    assert_eq!(feeds.standing()[0].entries, 0);
}

#[tokio::test]
async fn a_feed_that_was_turned_off_for_an_hour_has_its_copy_again_and_after_a_week_not() {
    let site = Site::new().await;
    site.publishes(0..10);
    let clock = Clock::held(at());
    let feeds = site.open_by(clock.clone());
    feeds.configure(&site.one());
    feeds.refresh("one", false).await.unwrap();
    feeds.configure(&BTreeMap::new());
    until("noting that the feed is gone", || site.files() == ["one.entries", "one.removed"]).await;
    assert_eq!(feeds.leftovers().unwrap().len(), 1);
    clock.advance(Duration::from_secs(3600));
    feeds.configure(&site.one());
    until("loading the copy", || knows(&feeds, 9) && site.files() == ["one.entries"]).await;
    feeds.configure(&BTreeMap::new());
    until("noting that the feed is gone", || site.files() == ["one.entries", "one.removed"]).await;
    clock.advance(Duration::from_secs(8 * 86_400));
    feeds.configure(&BTreeMap::new());
    until("forgetting the feed", || site.files().is_empty()).await;
}

#[tokio::test]
async fn that_a_feed_is_stale_is_said_once_a_day_and_that_it_is_not_any_more_once() {
    let site = Site::new().await;
    site.publishes(0..10);
    let clock = Clock::held(at());
    let feeds = site.open_by(clock.clone());
    feeds.configure(&site.one());
    feeds.refresh("one", false).await.unwrap();
    let mut said = Said::new();
    *site.says.lock().unwrap() = answer("404 Not Found", &[], b"");
    // Three times the time between two refreshes is not too long yet.
    clock.advance(Duration::from_secs(3 * 3600));
    feeds.refresh("one", false).await.unwrap();
    assert_eq!(feeds.news(&mut said), []);
    clock.advance(Duration::from_secs(1));
    let stale = "the feed one is 3h old: 127.0.0.1 answered 404 Not Found";
    assert_eq!(feeds.news(&mut said), [News::Stale(stale.to_owned())]);
    feeds.count();
    assert!(site.metrics.exposition().contains("mailward_feed_stale{feed=\"one\"} 1"));
    clock.advance(Duration::from_secs(86_399));
    assert_eq!(feeds.news(&mut said), []);
    clock.advance(Duration::from_secs(1));
    let stale = "the feed one is 27h old: 127.0.0.1 answered 404 Not Found";
    assert_eq!(feeds.news(&mut said), [News::Stale(stale.to_owned())]);
    site.publishes(0..10);
    feeds.refresh("one", false).await.unwrap();
    assert_eq!(feeds.news(&mut said), [News::Fresh("one".to_owned())]);
    assert_eq!(feeds.news(&mut said), []);
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_fetched_whole_when_its_copy_is_damaged() {
    let site = Site::new().await;
    let body = answer("200 OK", &["ETag: \"v1\""], b"http://evil.test/0\n");
    let publisher = Publisher::start(move |head| match head.contains("if-none-match") {
        true => answer("304 Not Modified", &[], b""),
        false => body.clone(),
    })
    .await;
    let one = Settings { url: publisher.url("/"), ..site.settings("/") };
    let one = BTreeMap::from([("one".to_owned(), one)]);
    let first = site.open();
    first.configure(&one);
    assert_eq!(first.refresh("one", false).await.unwrap().outcome, Outcome::New);
    let same = "nothing has changed since the last time".to_owned();
    let told = first.refresh("one", false).await.unwrap();
    assert_eq!(told, Told { outcome: Outcome::Same, message: same });
    let copy = site.place.path().join("feeds/one.entries");
    let mut bytes = std::fs::read(&copy).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    let second = site.open();
    second.configure(&one);
    let told = second.refresh("one", false).await.unwrap();
    assert_eq!(told, Told { outcome: Outcome::New, message: "1 entry".to_owned() });
    assert!(knows(&second, 0));
    assert!(site.files().contains(&"one.damaged".to_owned()), "{:?}", site.files());
}

#[tokio::test]
async fn a_feed_without_entries_says_why() {
    let site = Site::new().await;
    let feeds = site.open();
    feeds.configure(&site.one());
    assert!(feeds.standing()[0].trouble().unwrap().contains("is still being read from the disk"));
    feeds.refresh("one", false).await.unwrap();
    assert_eq!(
        feeds.standing()[0].trouble().unwrap(),
        "the feed one has no entries: 127.0.0.1 answered 404 Not Found"
    );
}

#[tokio::test]
async fn look_ups_go_on_while_a_feed_is_swapped() {
    let site = Site::new().await;
    let feeds = site.open();
    feeds.configure(&site.one());
    site.publishes(0..1000);
    feeds.refresh("one", false).await.unwrap();
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (reader, stop) = (Arc::clone(&feeds), Arc::clone(&done));
    let reading = tokio::task::spawn_blocking(move || {
        let mut looked = 0_u64;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            // In every set that was ever in use.
            assert!(knows(&reader, 999));
            looked += 1;
        }
        looked
    });
    for n in 0..10 {
        site.publishes(n * 50..1000);
        feeds.refresh("one", false).await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reading.await.unwrap() > 0);
}
