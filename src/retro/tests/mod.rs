//! Rounds over what is on disk. How feeds start them is tested with the whole daemon.

mod choice;
mod damage;
mod malformed;
mod segments;

use std::io::Cursor;
use std::path::PathBuf;

use super::segments::Most;
use super::*;
use crate::feed::{Fetched, Folder, Format, Index, Keyer, Source, Terms, Validators, take_in};

const DAY: u64 = 86_400_000;

pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) retro: Arc<Retro>,
    store: Store,
}

impl Bench {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(&dir.path().join("db"), &Default::default()).unwrap();
        let clock = Clock::held(Timestamp::from_millis(100 * DAY));
        let retro = Retro::open(&store, &dir.path().join("retro"), clock, Arc::new(Metrics::new())).unwrap();
        Self { dir, retro, store }
    }

    /// As after a start.
    fn start_again(&mut self) {
        let clock = self.retro.clock.clone();
        let metrics = Arc::new(Metrics::new());
        self.retro = Retro::open(&self.store, &self.dir.path().join("retro"), clock, metrics).unwrap();
    }

    pub(super) fn write(&self, messages: &[Accepted]) {
        self.retro.kept.write(messages, self.retro.clock.now()).unwrap();
    }

    /// Writes messages into a segment of their own.
    fn write_apart(&self, messages: &[Accepted]) {
        self.write(messages);
        self.retro.kept.close();
    }

    /// The numbers of the messages that can be read, and how many cannot.
    fn read(&self) -> (Vec<u64>, usize) {
        let all: Vec<_> = self.retro.kept.messages(Timestamp::from_millis(0)).collect();
        let read = all.iter().flatten().map(|message| message.id.unix_millis()).collect();
        (read, all.iter().filter(|message| message.is_err()).count())
    }

    /// The segments on disk, the oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("retro")).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    pub(super) fn index(&self, format: Format, body: &str) -> Index {
        let (folder, keyer) = (Folder::open(&self.dir.path().join("feeds")).unwrap(), Keyer::new());
        let terms = Terms { max_size: 16 << 20, min_confidence: 0, max_shrink: 100 };
        let fetched = Fetched { at: Timestamp::from_millis(100 * DAY), validators: Validators::default() };
        let source = Source::new("mine", format, "https://feeds.example/x");
        let body = Cursor::new(body.as_bytes());
        let fresh = take_in(body, &source, &terms, fetched, None, (&folder, &keyer)).unwrap();
        Index::new(keyer).with("mine", &fresh.keys, Arc::new(fresh.copy)).unwrap()
    }

    /// A round, and what it found remembered.
    pub(super) fn round(&self, index: &Index) -> Vec<(MailId, String, String)> {
        let kept = &self.retro.kept;
        let now = self.retro.clock.now();
        let round =
            look::round(kept, kept.messages(Timestamp::from_millis(0)), index, &|_| Category::Phish, now)
                .unwrap();
        round.found.iter().for_each(|found| kept.tell(found).unwrap());
        round.found.into_iter().map(|f| (f.caught.id, f.caught.what, f.caught.kind)).collect()
    }
}

fn accepted(n: u64, days: u64, things: Vec<Things>) -> Accepted {
    let things = together(things);
    Accepted { id: MailId::from_parts(n, n), time: Timestamp::from_millis(days * DAY), things }
}

pub(super) fn together(things: Vec<Things>) -> Things {
    Things::read(&things.iter().map(Things::as_str).collect::<String>()).unwrap()
}

pub(super) fn link(text: &str, known: u8) -> Things {
    let mut things = Things::default();
    things.push_link(text, known);
    things
}

pub(super) fn file(hash: &str, known: u8) -> Things {
    let mut things = Things::default();
    things.push_file(hash, known);
    things
}

fn most(messages: u64) -> Most {
    Most { messages, bytes: u64::MAX }
}

#[test]
fn what_a_feed_comes_to_know_is_told_once() {
    let bench = Bench::new();
    let one = accepted(1, 99, vec![link("https://good.test/", 0), link("https://evil.test/a?b=1", 0)]);
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let two = accepted(2, 99, vec![file(hash, 0)]);
    bench.write(&[one.clone(), two]);
    let index = bench.index(Format::Urls, "https://other.test/\n");
    assert_eq!(bench.round(&index), []);
    let index = bench.index(Format::Urls, "https://evil.test/a?b=1\n");
    assert_eq!(bench.round(&index), [(one.id, "https://evil.test/a?b=1".to_owned(), "exact".to_owned())]);
    assert_eq!(bench.round(&index), []);
    let listing = bench.retro.list(Timestamp::from_millis(0), 10).unwrap();
    assert_eq!((listing.caught.len(), listing.more, listing.kept), (1, false, 2));
    assert_eq!(listing.caught[0].category, Category::Phish);
    assert_eq!(bench.retro.list(Timestamp::from_millis(101 * DAY), 10).unwrap().caught, []);
}

#[test]
fn what_is_known_of_a_message_is_told_in_its_order_and_each_by_its_strongest_match() {
    let bench = Bench::new();
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let links = (0..40).map(|n| link(&format!("https://evil{n}.test:8443/%2Fa?b={n}"), 0));
    let mut things: Vec<_> = links.collect();
    things.insert(1, file(hash, 0));
    things.insert(2, link("no-link-at-all", 0));
    bench.write(&[accepted(1, 99, things)]);
    let body = "https://evil39.test:8443/%2Fa?b=39\nhttps://evil3.test:8443/%2Fa?b=other\n";
    let index = bench.index(Format::Urls, body);
    let found = bench.round(&index).into_iter().map(|(_, what, kind)| (what, kind)).collect::<Vec<_>>();
    let expected = [(3, "host-path"), (39, "exact")];
    let expected =
        expected.map(|(n, kind)| (format!("https://evil{n}.test:8443/%2Fa?b={n}"), kind.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn what_was_known_when_the_message_was_judged_is_no_news_unless_it_is_known_better() {
    let bench = Bench::new();
    let text = "https://www.evil.test/a";
    let known = |n, strength| accepted(n, 99, vec![link(text, strength)]);
    bench.write(&[known(1, 0), known(2, 1), known(3, 3)]);
    let ids = |found: Vec<(MailId, String, String)>| found.into_iter().map(|(id, ..)| id).collect::<Vec<_>>();
    let near = bench.index(Format::Domains, "evil.test\n");
    assert_eq!(ids(bench.round(&near)), [MailId::from_parts(1, 1)]);
    let same = bench.index(Format::Urls, &format!("{text}\n"));
    assert_eq!(ids(bench.round(&same)), [MailId::from_parts(1, 1), MailId::from_parts(2, 2)]);
    assert_eq!(ids(bench.round(&same)), []);
}

#[tokio::test]
async fn a_round_ends_where_it_is_when_the_daemon_stops() {
    let bench = Bench::new();
    let feeds =
        Feeds::open(&bench.dir.path().join("feeds"), Clock::system(), Arc::new(Metrics::new())).unwrap();
    bench.retro.configure(Settings::default());
    feeds.put(bench.index(Format::Urls, "https://evil.test/\n"));
    let read = std::cell::Cell::new(0);
    let messages = || {
        let one = |n| Ok(accepted(n, 99, vec![link("https://evil.test/", 0)]));
        (1..=50).map(one).inspect(|_| read.set(read.get() + 1))
    };
    assert_eq!(bench.retro.round(messages(), &feeds).unwrap().found.len(), 50);
    bench.retro.settle().await;
    assert_eq!(bench.retro.round(messages(), &feeds).unwrap().found.len(), 0);
    assert_eq!(read.get(), 51, "one is read and not looked at");
}

#[test]
fn a_round_tells_a_bounded_number_and_the_next_one_the_rest() {
    let bench = Bench::new();
    let all: Vec<_> = (0..look::MAX_FOUND as u64 + 5)
        .map(|n| accepted(n, 99, vec![link("https://evil.test/", 0)]))
        .collect();
    bench.write(&all);
    let index = bench.index(Format::Urls, "https://evil.test/\n");
    assert_eq!(bench.round(&index).len(), look::MAX_FOUND);
    assert_eq!(bench.round(&index).len(), 5);
}

#[test]
fn what_was_caught_long_ago_is_forgotten() {
    let bench = Bench::new();
    bench.write(&[accepted(1, 99, vec![link("https://evil.test/", 0)])]);
    let index = bench.index(Format::Urls, "https://evil.test/\n");
    assert_eq!(bench.round(&index).len(), 1);
    bench.retro.kept.forget(Timestamp::from_millis(129 * DAY)).unwrap();
    assert_eq!(bench.retro.list(Timestamp::from_millis(0), 10).unwrap().caught.len(), 1);
    bench.retro.kept.forget(Timestamp::from_millis(131 * DAY)).unwrap();
    assert_eq!(bench.retro.list(Timestamp::from_millis(0), 10).unwrap().caught.len(), 0);
}

#[test]
fn a_queue_that_is_full_is_counted_and_never_waited_for() {
    let bench = Bench::new();
    for n in 0..QUEUE as u64 + 3 {
        bench.retro.keep(accepted(n, 99, vec![link("https://x.test/", 0)]), true);
    }
    bench.retro.keep(accepted(1, 99, Vec::new()), false);
    let left_out = |why: &str| bench.retro.metrics.retro_left_out.with_label_values(&[why]).get();
    assert_eq!((left_out("busy"), left_out("limit")), (3, 1));
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes_as_well_and_makes_room_when_it_is_written() {
    let bench = Bench::new();
    let long = "a".repeat(QUEUE_BYTES / 4 - 1_000);
    let keep = |n| bench.retro.keep(accepted(n, 99, vec![link(&long, 0)]), true);
    let left_out = |why: &str| bench.retro.metrics.retro_left_out.with_label_values(&[why]).get();
    (0..6).for_each(keep);
    assert_eq!((left_out("busy"), left_out("limit")), (2, 0));
    bench.retro.keep(accepted(6, 99, vec![link("https://x.test/", 0)]), true);
    assert_eq!(left_out("busy"), 2, "a small one still finds room");
    let feeds =
        Feeds::open(&bench.dir.path().join("feeds"), Clock::system(), Arc::new(Metrics::new())).unwrap();
    let (audit, _) = Audit::open(
        &Default::default(),
        bench.dir.path(),
        &bench.store,
        Clock::system(),
        &bench.retro.metrics,
        None,
    )
    .unwrap();
    bench.retro.attend(feeds, audit);
    while bench.retro.pending_bytes.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    keep(7);
    assert_eq!((left_out("busy"), bench.retro.pending.load(Ordering::Relaxed)), (2, 1));
}
