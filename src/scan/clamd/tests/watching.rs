//! What clamd says of itself is known without a message having to wait for it.

use super::*;

/// Waits for what happens beside the mail.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LONG, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_age_of_the_signatures_is_known_told_and_measured() {
    let mut bench = Bench::with(|stream| {
        whole(stream);
        stream.write_all(b"stream: Win.Test.EICAR_HDB-1 FOUND\0").unwrap();
    });
    let entered = bench.runtime.enter();
    let clamd = Clamd::new(bench.settings.clone(), bench.clock.clone(), Arc::clone(&bench.metrics));
    drop(entered);
    until("the version", || !clamd.version().is_empty());
    assert_eq!(clamd.version(), "ClamAV 1.4.6, database 27100 of 2026-11-19");
    assert_eq!(bench.metrics.clamd_database_age.get(), 26 * 3600 + 28 * 60);
    assert_eq!(clamd.health(), Health::Up);
    bench.clamd = Some(clamd);
    let report = bench.scan(100, LONG);
    let expected = Finding {
        scanner: Scanner::Clamd,
        symbol: "Win.Test.EICAR_HDB-1".to_owned(),
        severity: Severity::Critical,
        category: Category::Malware,
        score: Score::new(20.0),
        text: "clamd found Win.Test.EICAR_HDB-1 (database 27100 of 2026-11-19)".to_owned(),
        location: Some("raw message".to_owned()),
    };
    assert_eq!(
        report,
        Report { outcome: Outcome::Found, findings: vec![expected], ..Report::new(Outcome::Clean) }
    );
    bench.clock.advance(Duration::from_secs(8 * 24 * 3600));
    let told = "its database 27100 of 2026-11-19 is 9 days old; does freshclam run?";
    assert_eq!(bench.health(), Health::Degraded(told.to_owned()));
}

#[test]
fn a_clamd_that_is_not_there_is_known_before_the_first_message() {
    let mut bench = Bench::new();
    let entered = bench.runtime.enter();
    let clamd = Clamd::new(bench.settings.clone(), bench.clock.clone(), Arc::clone(&bench.metrics));
    drop(entered);
    until("the trouble", || clamd.health() != Health::Up);
    let Health::Degraded(what) = clamd.health() else { panic!("it is degraded") };
    assert!(what.contains("takes no connection"), "{what}");
    // It comes, a message finds it, and the version is asked for at once.
    bench.listen(|stream, _| {
        whole(stream);
        stream.write_all(b"stream: OK\0").unwrap();
    });
    bench.clamd = Some(Arc::clone(&clamd));
    assert_eq!(bench.outcome(100, LONG), "ok");
    until("the version", || !clamd.version().is_empty());
    assert_eq!(clamd.health(), Health::Up);
}

#[test]
fn who_watches_ends_with_the_scanner() {
    let bench = Bench::with(|_| {});
    let entered = bench.runtime.enter();
    let clamd = Clamd::new(bench.settings.clone(), bench.clock.clone(), Arc::clone(&bench.metrics));
    drop(entered);
    until("the version", || !clamd.version().is_empty());
    let known = Arc::downgrade(&clamd.known);
    drop(clamd);
    until("the end of the watch", || known.upgrade().is_none());
}
