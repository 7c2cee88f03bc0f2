//! A restart is waited for, a clamd that is gone is not; and never too many at once.

use futures_util::future::join_all;

use super::*;

fn ok(stream: &mut UnixStream) {
    whole(stream);
    stream.write_all(b"stream: OK\0").unwrap();
}

#[test]
fn a_clamd_that_is_away_for_a_moment_is_waited_for() {
    let mut bench = Bench::new();
    let (path, taken) = (bench.path(), Arc::clone(&bench.taken));
    let restart = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        listen(path, taken, |stream, _| ok(stream));
    });
    let begin = Instant::now();
    assert_eq!(bench.outcome(5_000_000, LONG), "ok");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(bench.health(), Health::Up);
    restart.join().unwrap();
}

#[test]
fn a_clamd_that_hangs_up_once_is_asked_again() {
    for pass_file in [false, true] {
        let mut bench = Bench::new();
        bench.settings.pass_file = pass_file;
        bench.listen(move |stream, before| match (before, pass_file) {
            (0, _) => {}
            (_, false) => ok(stream),
            (_, true) => stream.write_all(b"fd[3]: OK\0").unwrap(),
        });
        assert_eq!(bench.outcome(100, LONG), "ok");
        assert_eq!((bench.taken(), bench.metrics.clamd_retries.get()), (2, 1));
    }
}

#[test]
fn an_error_about_the_question_is_asked_again_and_one_about_the_message_is_not() {
    let first: &[u8] = b"PROTOCOL ERROR: ancillary data sent without FILDES. ERROR\0";
    for (first, expected, asked) in
        [(first, "ok", 2), (b"stream: Can't unpack it. ERROR\0", "failed(error)", 1)]
    {
        let mut bench = Bench::new();
        bench.listen(move |stream, before| {
            whole(stream);
            stream.write_all(if before == 0 { first } else { b"stream: OK\0" }).unwrap();
        });
        assert_eq!((bench.outcome(100, LONG).as_str(), bench.taken()), (expected, asked));
    }
    let mut disk_full = Bench::with(|stream| {
        whole(stream);
        stream.write_all(b"Error writing to temporary file ERROR\0").unwrap();
    });
    let what = "clamd did not take the message: Error writing to temporary file";
    assert_eq!(disk_full.scan(100, LONG).outcome, Outcome::failed("error", what));
    assert_eq!(disk_full.taken(), 3);
}

#[test]
fn once_it_is_left_alone_nobody_waits() {
    let mut bench = Bench::new();
    let clamd = bench.clamd();
    let within = Duration::from_secs(3);
    let outcomes = |n: usize| {
        let ask = |_| {
            let clamd = Arc::clone(&clamd);
            async move { clamd.scan(input(100), Instant::now() + within).await.outcome.to_string() }
        };
        bench.runtime.block_on(join_all((0..n).map(ask)))
    };
    // Forty at once, ten of them at a time: the first five failures are enough for all.
    let begin = Instant::now();
    let all = outcomes(40);
    assert!(all.iter().all(|o| o == "failed(refused)" || o == "failed(left-alone)"), "{all:?}");
    // Nine others may be under way when the fifth fails.
    assert!(all.iter().filter(|o| *o == "failed(refused)").count() <= 14, "{all:?}");
    assert!(begin.elapsed() < within, "{:?}", begin.elapsed());
    let begin = Instant::now();
    assert_eq!(outcomes(100), vec!["failed(left-alone)"; 100]);
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    let Health::Degraded(what) = clamd.health() else { panic!("it is degraded") };
    assert!(what.starts_with("left alone after"), "{what}");
}

#[test]
fn no_more_messages_ask_at_once_than_may() {
    let mut bench = Bench::new();
    bench.settings.connections = 3;
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    bench.listen(move |stream, _| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        whole(stream);
        std::thread::sleep(Duration::from_millis(20));
        now.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(b"stream: OK\0").unwrap();
    });
    let clamd = bench.clamd();
    let all = join_all((0..12).map(|_| clamd.scan(input(100), Instant::now() + LONG)));
    let all = bench.runtime.block_on(all);
    assert!(all.iter().all(|report| report.outcome == Outcome::Clean));
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn who_waits_for_a_place_in_vain_runs_out_of_time() {
    let mut bench = Bench::with(|_| std::thread::sleep(LONG));
    bench.settings.connections = 1;
    let clamd = bench.clamd();
    // Who has the place keeps it longer than the other waits.
    let until = [400, 200].map(|ms| Instant::now() + Duration::from_millis(ms));
    let two = join_all(until.map(|deadline| clamd.scan(input(100), deadline)));
    let two = bench.runtime.block_on(two);
    assert!(two.iter().all(|report| matches!(report.outcome, Outcome::TimedOut(_))), "{two:?}");
    assert_eq!(bench.taken(), 1);
}
