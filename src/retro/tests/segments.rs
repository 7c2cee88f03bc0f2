//! Segments: when one ends, which go, what is counted, and what a reader sees meanwhile.

use std::os::unix::fs::PermissionsExt;

use super::super::segments::{MAX_AGE, MAX_BYTES, Segments};
use super::*;

const KEEP: Duration = Duration::from_secs(5 * 86_400);

fn one(n: u64, days: u64) -> Accepted {
    accepted(n, days, vec![link("https://x.test/", 0)])
}

fn now() -> Timestamp {
    Timestamp::from_millis(100 * DAY)
}

#[test]
fn what_is_kept_belongs_to_us_alone() {
    let bench = Bench::new();
    bench.write(&[one(1, 99)]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.dir.path().join("retro")), 0o700);
    assert_eq!(bench.files().iter().map(|file| mode(file)).collect::<Vec<_>>(), [0o600]);
}

#[test]
fn a_batch_is_appended_until_the_segment_is_large_or_old() {
    let bench = Bench::new();
    (1..=3).for_each(|n| bench.write(&[one(n, 99)]));
    assert_eq!(bench.files().len(), 1);
    bench.retro.clock.advance(MAX_AGE);
    bench.write(&[one(4, 99)]);
    assert_eq!(bench.files().len(), 2);
    let long = "a".repeat(400);
    let large = |n| {
        let links = (0..100).map(|k| link(&format!("https://x.test/{k}/{long}"), 0)).collect();
        accepted(n, 99, links)
    };
    let many: Vec<_> = (5..=110).map(large).collect();
    many.chunks(10).for_each(|some| bench.write(some));
    let sizes: Vec<_> = bench.files().iter().map(|file| file.metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!((MAX_BYTES..MAX_BYTES + (1 << 20)).contains(&sizes[1]), "{sizes:?}");
    assert_eq!(bench.read(), ((1..=110).collect(), 0));
    assert_eq!(bench.retro.kept.count(), 110);
}

#[test]
fn an_old_segment_is_closed_though_no_mail_comes() {
    let bench = Bench::new();
    bench.write(&[one(1, 100)]);
    bench.retro.clock.advance(MAX_AGE);
    bench.retro.kept.trim(bench.retro.clock.now(), KEEP, most(10));
    bench.write(&[one(2, 100)]);
    assert_eq!((bench.files().len(), bench.read()), (2, (vec![1, 2], 0)));
}

#[test]
fn segments_with_nothing_young_go() {
    let bench = Bench::new();
    bench.write_apart(&[one(1, 93), one(2, 94)]);
    bench.write_apart(&[one(3, 94), one(4, 96), one(5, 94)]);
    bench.write_apart(&[one(6, 99)]);
    let kept = &bench.retro.kept;
    kept.trim(now(), KEEP, most(100));
    assert_eq!((bench.read(), kept.count(), bench.files().len()), ((vec![3, 4, 5, 6], 0), 4, 2));
    let young = kept.messages(now().before(KEEP)).map(|message| message.unwrap().id.unix_millis());
    assert_eq!(young.collect::<Vec<_>>(), [4, 6], "old ones beside young ones are passed over");
    bench.write(&[one(7, 94)]);
    kept.trim(now(), Duration::from_secs(1), most(100));
    assert_eq!((kept.count(), bench.files().len()), (0, 0), "also the one that is written");
    bench.write(&[one(8, 99)]);
    assert_eq!(bench.read(), (vec![8], 0));
}

#[test]
fn the_oldest_segments_go_while_the_rest_holds_enough() {
    let bench = Bench::new();
    for first in [0, 4, 8] {
        bench.write_apart(&[1, 2, 3, 4].map(|n| one(first + n, 99)));
    }
    bench.write(&[one(13, 99)]);
    let left = |messages| {
        bench.retro.kept.trim(now(), KEEP, most(messages));
        (bench.read().0, bench.retro.kept.count())
    };
    assert_eq!(left(10), ((1..=13).collect(), 13));
    assert_eq!(left(9), ((5..=13).collect(), 9));
    assert_eq!(left(6), ((5..=13).collect(), 9));
    assert_eq!(left(2), ((9..=13).collect(), 5));
    assert_eq!(left(1), (vec![13], 1));
    bench.write(&[one(14, 99)]);
    assert_eq!(left(1), (vec![13, 14], 2), "what is written stays");
}

#[test]
fn the_oldest_segments_go_while_all_take_too_much_room_and_the_newest_stays() {
    let mut bench = Bench::new();
    for first in [0, 4, 8] {
        bench.write_apart(&[1, 2, 3, 4].map(|n| one(first + n, 99)));
    }
    bench.write(&[one(13, 99)]);
    let sizes: Vec<_> = bench.files().iter().map(|file| file.metadata().unwrap().len()).collect();
    let all: u64 = sizes.iter().sum();
    let left = |bench: &Bench, bytes| {
        let early = bench.retro.kept.trim(now(), KEEP, Most { messages: 100, bytes });
        (bench.read().0, early)
    };
    assert_eq!(left(&bench, all), ((1..=13).collect(), 0));
    assert_eq!(left(&bench, all - 1), ((5..=13).collect(), 4));
    // Also what was there before the start, be it counted or not.
    bench.start_again();
    assert_eq!(left(&bench, all - sizes[0]), ((5..=13).collect(), 0));
    assert_eq!(left(&bench, all - sizes[0] - 1), ((9..=13).collect(), 0));
    bench.retro.kept.count_found(|| false);
    assert_eq!(left(&bench, 1), (vec![13], 4));
    bench.write(&[one(14, 99), one(15, 99)]);
    assert_eq!(left(&bench, 1), (vec![14, 15], 1));
}

#[test]
fn a_start_counts_what_is_there_and_writes_beside_it() {
    let mut bench = Bench::new();
    bench.write_apart(&[one(1, 93), one(2, 94)]);
    bench.write(&[one(3, 99)]);
    bench.start_again();
    let kept = &bench.retro.kept;
    bench.write(&[one(4, 99)]);
    assert_eq!((kept.count(), bench.read()), (1, (vec![1, 2, 3, 4], 0)));
    kept.trim(now(), KEEP, most(1));
    assert_eq!(bench.files().len(), 3, "nothing goes before it was counted");
    kept.count_found(|| true);
    assert_eq!(kept.count(), 1, "a stop ends the count");
    kept.count_found(|| false);
    assert_eq!(kept.count(), 4);
    kept.trim(now(), KEEP, most(100));
    assert_eq!((kept.count(), bench.read(), bench.files().len()), (2, (vec![3, 4], 0), 2));
}

#[test]
fn a_reader_is_not_disturbed_by_what_is_written_and_removed_meanwhile() {
    let bench = Bench::new();
    let kept = &bench.retro.kept;
    bench.write_apart(&[one(1, 94), one(2, 94)]);
    bench.write_apart(&[one(3, 94)]);
    bench.write(&[one(4, 99)]);
    let mut messages =
        kept.messages(Timestamp::from_millis(0)).map(|message| message.unwrap().id.unix_millis());
    assert_eq!(messages.next(), Some(1));
    bench.write(&[one(5, 99)]);
    kept.trim(now(), KEEP, most(100));
    assert_eq!(bench.files().len(), 1);
    assert_eq!(
        messages.collect::<Vec<_>>(),
        [2, 4, 5],
        "an open file is read to its end, a removed one is passed over"
    );
}

#[test]
fn while_one_writes_and_trims_nobody_reads_half_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let segments = Segments::at(&dir.path().join("retro"));
    segments.find().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut read = 0;
            loop {
                let was_over = is_over.load(Ordering::Relaxed);
                read += segments.messages(Timestamp::from_millis(0)).map(Result::unwrap).count();
                if was_over {
                    return read;
                }
            }
        });
        for n in 1..=200 {
            segments.write(&[one(n, 99), one(n, 99)], now()).unwrap();
            if n % 10 == 0 {
                segments.close();
                segments.trim(now(), KEEP, most(50));
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(reading.join().unwrap() >= 60);
    });
    assert_eq!(segments.count(), 60);
    assert_eq!(segments.messages(Timestamp::from_millis(0)).count(), 60);
}
