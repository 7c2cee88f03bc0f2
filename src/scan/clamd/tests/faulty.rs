//! Each way in which a clamd can go wrong ends as an outcome of its own, in time and without much memory.

use std::net::Shutdown;

use super::*;

fn says(reply: &'static [u8]) -> impl Fn(&mut UnixStream) + Send + Sync + 'static {
    move |stream| {
        whole(stream);
        stream.write_all(reply).unwrap();
    }
}

fn no_more(report: &Report) -> bool {
    report.findings.is_empty() && report.advice.is_none()
}

#[test]
fn a_stream_arrives_whole_whatever_its_size() {
    for size in [0, 1, 3_500, 70_000, 5_000_000] {
        let mut bench = Bench::with(move |stream| {
            let expected = input(size);
            let reply: &[u8] = match whole(stream) == *expected.message.raw() {
                true => b"stream: OK\0",
                false => b"stream: it is another ERROR\0",
            };
            stream.write_all(reply).unwrap();
        });
        assert_eq!(bench.outcome(size, LONG), "ok", "{size}");
        assert_eq!(bench.health(), Health::Up);
    }
}

#[test]
fn nobody_there_is_refused_within_half_of_the_time() {
    let mut absent = Bench::new();
    let mut gone = Bench::new();
    drop(UnixListener::bind(gone.path()).unwrap());
    for bench in [&mut absent, &mut gone] {
        let begin = Instant::now();
        let report = bench.scan(100, Duration::from_secs(2));
        assert_eq!(report.outcome.to_string(), "failed(refused)");
        assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
        assert!(bench.metrics.clamd_retries.get() >= 3);
        let Health::Degraded(what) = bench.health() else { panic!("it is degraded") };
        assert!(what.contains("takes no connection"), "{what}");
    }
}

#[test]
fn who_hangs_or_trickles_runs_out_of_time() {
    let given = Duration::from_millis(300);
    let hangs = |_: &mut UnixStream| std::thread::sleep(LONG);
    let never_reads = |stream: &mut UnixStream| {
        stream.write_all(b"stream: ").unwrap();
        std::thread::sleep(LONG);
    };
    let trickles = |stream: &mut UnixStream| {
        while stream.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    for mut bench in [Bench::with(hangs), Bench::with(never_reads), Bench::with(trickles)] {
        for size in [100, 10_000_000] {
            let begin = Instant::now();
            let report = bench.scan(size, given);
            let Outcome::TimedOut(after) = report.outcome else { panic!("{report:?}") };
            assert!(after <= given && after > given / 2, "{after:?}");
            assert!(begin.elapsed() < Duration::from_secs(2) && no_more(&report));
        }
        assert!(matches!(bench.health(), Health::Degraded(_)));
    }
}

#[test]
fn what_is_no_answer_of_clamd_is_a_fault_of_the_protocol() {
    for reply in
        [b"HTTP/1.1 400 Bad Request\r\n\r\n\0".as_slice(), b"\0", b"\xff\xfe\0", b"PONG\0", b"stream: ok\0"]
    {
        let mut bench = Bench::with(says(reply));
        let report = bench.scan(100, LONG);
        assert_eq!(report.outcome.to_string(), "failed(protocol)", "{reply:?}");
        assert!(no_more(&report));
    }
}

#[test]
fn hanging_up_is_told_from_an_answer_and_the_message_is_sent_three_times_at_most() {
    let mut before = Bench::with(|_| {});
    let mut within = Bench::with(|stream| stream.read_exact(&mut [0; 1000]).unwrap());
    let mut after = Bench::with(|stream| drop(whole(stream)));
    for bench in [&mut before, &mut within, &mut after] {
        let report = bench.scan(5_000_000, LONG);
        assert_eq!(report.outcome.to_string(), "failed(reset)");
        assert_eq!(bench.taken(), 3);
    }
    let mut half = Bench::with(says(b"stream: O"));
    let report = half.scan(100, LONG);
    assert_eq!(report.outcome.to_string(), "failed(reset)");
    let Outcome::Failed(failure) = report.outcome else { panic!("it failed") };
    assert_eq!(failure.detail, "clamd hung up in the middle of its answer, after \"stream: O\"");
    assert_eq!(half.taken(), 1, "who can speak does not restart");
}

#[test]
fn an_endless_answer_is_cut_off_early() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let mut bench = Bench::with(move |stream| {
        whole(stream);
        let block = [b'a'; 65536];
        for _ in 0..1600 {
            let Ok(n) = stream.write(&block) else { break };
            count.fetch_add(n, Ordering::SeqCst);
        }
        stream.shutdown(Shutdown::Both).ok();
    });
    assert_eq!(bench.outcome(100, LONG), "failed(protocol)");
    // What the socket holds, not a hundred megabytes.
    let written = written.load(Ordering::SeqCst);
    assert!(written < 4 << 20, "{written} bytes were taken");
}

#[test]
fn the_limit_of_clamd_said_in_the_middle_of_a_large_message_is_heard() {
    let limit = AtomicUsize::new(1 << 20);
    let mut bench = Bench::with(move |stream| {
        if limit.swap(usize::MAX, Ordering::SeqCst) == usize::MAX {
            return says(b"stream: OK\0")(stream);
        }
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        stream.write_all(b"INSTREAM size limit exceeded. ERROR\0").unwrap();
    });
    let size = 25 << 20;
    let report = bench.scan(size, LONG);
    assert_eq!(report.outcome, Outcome::Skipped(Skip::TooLarge));
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((finding.symbol.as_str(), finding.severity), ("CLAMD_TOO_LARGE", Severity::Info));
    assert_eq!(finding.score, Score::ZERO);
    let told = "clamd did not look at a message of 26214400 bytes: its StreamMaxLength is lower than \
                scanner.clamd.max_size, 30MiB; raise the one or lower the other";
    assert_eq!(finding.text, told);
    assert_eq!(bench.health(), Health::Degraded(told.to_owned()));
    // A small message says nothing about the limit, a large one that is taken does.
    assert_eq!(bench.outcome(100, LONG), "ok");
    assert!(matches!(bench.health(), Health::Degraded(_)));
    assert_eq!(bench.outcome(size, LONG), "ok");
    assert_eq!(bench.health(), Health::Up);
}

#[test]
fn a_refusal_for_size_is_told_for_a_day() {
    let mut bench = Bench::with(says(b"INSTREAM size limit exceeded. ERROR\0"));
    assert_eq!(bench.outcome(100, LONG), "skipped(too-large)");
    assert!(matches!(bench.health(), Health::Degraded(_)));
    bench.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(bench.health(), Health::Up);
}

#[test]
fn an_answer_that_comes_early_ends_the_sending_and_is_never_clean() {
    // Neither reads the message.
    let early = |reply: &'static [u8]| {
        move |stream: &mut UnixStream| {
            stream.write_all(reply).unwrap();
            std::thread::sleep(LONG);
        }
    };
    let size = 25 << 20;
    let mut clean = Bench::with(early(b"stream: OK\0"));
    assert_eq!(clean.outcome(size, LONG), "failed(protocol)");
    let mut found = Bench::with(early(b"stream: Win.Trojan.Early-1 FOUND\0"));
    assert_eq!(found.outcome(size, LONG), "found");
}

#[test]
fn an_error_of_clamd_is_a_failure_with_its_words_until_it_works_again() {
    let first = AtomicUsize::new(0);
    let mut bench = Bench::with(move |stream| {
        let reply: &[u8] = match first.fetch_add(1, Ordering::SeqCst) {
            0 => b"stream: Can't unpack it. ERROR\0",
            _ => b"stream: OK\0",
        };
        whole(stream);
        stream.write_all(reply).unwrap();
    });
    let report = bench.scan(100, LONG);
    let words = "clamd could not look at it: Can't unpack it.";
    assert_eq!(report.outcome, Outcome::failed("error", words));
    assert_eq!(bench.health(), Health::Degraded(words.to_owned()));
    assert_eq!(bench.outcome(100, LONG), "ok");
    assert_eq!(bench.health(), Health::Up);
}

#[test]
fn a_limit_within_clamd_is_a_gap_and_no_finding() {
    let mut bench = Bench::with(says(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"));
    let report = bench.scan(100, LONG);
    let missing = "clamd did not look at all of it: Heuristics.Limits.Exceeded.MaxFileSize".to_owned();
    assert_eq!(report.outcome, Outcome::Partial { found: false, missing });
    assert!(no_more(&report));
}

#[test]
fn what_is_larger_than_we_may_send_is_not_sent() {
    let mut bench = Bench::with(says(b"stream: OK\0"));
    bench.settings.max_size = ByteSize(1000);
    assert_eq!(bench.outcome(1001, LONG), "skipped(too-large)");
    assert_eq!(bench.taken(), 0);
    assert_eq!(bench.outcome(1000, LONG), "ok");
}

#[test]
fn a_file_that_is_handed_over_meets_the_same_faults() {
    let answers = |reply: &'static [u8]| {
        let mut bench = Bench::with(move |stream| {
            // The byte that carries the file.
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(reply).unwrap();
        });
        bench.settings.pass_file = true;
        bench
    };
    for (reply, expected) in [
        (b"fd[11]: OK\0".as_slice(), "ok"),
        (b"fd[11]: Win.Trojan.X-1 FOUND\0", "found"),
        (b"fd[11]: Can't open file ERROR\0", "failed(error)"),
        (b"No file descriptor received. ERROR\0", "failed(error)"),
        (b"fd[11]: O", "failed(reset)"),
        (b"", "failed(reset)"),
        (b"nonsense\0", "failed(protocol)"),
    ] {
        for size in [100, 1_000_000] {
            assert_eq!(answers(reply).outcome(size, LONG), expected, "{size}");
        }
    }
    let mut hangs = Bench::with(|_| std::thread::sleep(LONG));
    hangs.settings.pass_file = true;
    assert_eq!(hangs.outcome(100, Duration::from_millis(200)), "timeout");
}
