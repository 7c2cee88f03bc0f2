//! Figures, on request: `cargo test --lib audit::tests::measure -- --ignored --nocapture`.

use std::io::Write;
use std::time::Instant;

use super::*;

/// CPU time of this thread and of the whole process, in microseconds.
fn cpu() -> (f64, f64) {
    let read = |who| {
        let usage = nix::sys::resource::getrusage(who).unwrap();
        let micros = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 * 1e6 + t.tv_usec() as f64;
        micros(usage.user_time()) + micros(usage.system_time())
    };
    use nix::sys::resource::UsageWho;
    (read(UsageWho::RUSAGE_THREAD), read(UsageWho::RUSAGE_SELF))
}

fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

#[test]
#[ignore = "prints figures, takes some seconds"]
fn appends_and_listings() {
    let bench = Bench { clock: Clock::system(), ..Bench::new() };
    let audit = bench.open();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let n = 20_000u32;
    let records: Vec<_> = (0..n).map(|_| record(bench.clock.mail_id().unwrap())).collect();
    let bytes = Entry::Judged(Box::new(records[0].clone())).encode().unwrap().len();
    let ids: Vec<_> = records.iter().map(|r| r.id).collect();

    let (thread, process) = cpu();
    let began = Instant::now();
    runtime.block_on(async {
        for record in records {
            let id = record.id;
            audit.append(Entry::Judged(Box::new(record)), Sync::Soon).await.unwrap();
            audit.note_answered(id, true);
        }
    });
    let (thread_after, process_after) = cpu();
    let each = |a: f64, b: f64| (b - a) / f64::from(n);
    say(&format!(
        "append Soon and its answer, record of {bytes} bytes: {:.1} us wall, {:.1} us cpu on the thread, {:.1} us cpu of the process so far",
        began.elapsed().as_secs_f64() * 1e6 / f64::from(n),
        each(thread, thread_after),
        each(process, process_after)
    ));
    audit.list(&Query::default()).unwrap();
    while audit.catch_up().is_some() {}
    let (_, process_after) = cpu();
    say(&format!("with index: {:.1} us cpu of the process a message", each(process, process_after)));

    runtime.block_on(async {
        let mut times: Vec<f64> = Vec::new();
        for _ in 0..300 {
            let record = record(bench.clock.mail_id().unwrap());
            let began = Instant::now();
            audit.append(Entry::Judged(Box::new(record)), Sync::Now).await.unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        say(&format!(
            "append Now, one after the other: median {:.2} ms, p99 {:.2} ms",
            times[150], times[297]
        ));
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let syncs = bench.metrics.audit_sync_seconds.get_sample_count();
    let began = Instant::now();
    runtime.block_on(async {
        let tasks = (0..64).map(|_| {
            let (audit, clock) = (Arc::clone(&audit), bench.clock.clone());
            crate::telemetry::spawn::supervised("test", &bench.metrics, async move {
                for _ in 0..50 {
                    let record = record(clock.mail_id().unwrap());
                    audit.append(Entry::Judged(Box::new(record)), Sync::Now).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
    });
    say(&format!(
        "append Now, 64 at once: {:.0} a second, {} syncs for 3200",
        3200.0 / began.elapsed().as_secs_f64(),
        bench.metrics.audit_sync_seconds.get_sample_count() - syncs
    ));

    for _ in 0..77_000 {
        let record = record(bench.clock.mail_id().unwrap());
        audit.journal.append(audit.prepare(Entry::Judged(Box::new(record))).unwrap(), false).unwrap();
    }
    while audit.catch_up().is_some() {}
    let time = |what: &str, query: &Query| {
        let began = Instant::now();
        let rows = audit.list(query).unwrap().rows.len();
        say(&format!("{what}: {rows} rows in {:.2} ms", began.elapsed().as_secs_f64() * 1e3));
    };
    time("list 50 of 100k", &Query { limit: 50, ..Query::default() });
    time("list a sender that is nowhere in 100k", &Query { sender: Some("x@y".into()), ..Query::default() });
    let began = Instant::now();
    audit.find(ids[10_000]).unwrap().unwrap();
    say(&format!("find: {:.2} ms", began.elapsed().as_secs_f64() * 1e3));
    let began = Instant::now();
    let report = audit.verify().unwrap();
    say(&format!("verify {} records: {:.2} s", report.records, began.elapsed().as_secs_f64()));
    drop(audit);
    std::fs::remove_dir_all(bench.dir.path().join("db")).unwrap();
    let began = Instant::now();
    let audit = bench.open();
    while audit.catch_up().is_some() {}
    say(&format!("rebuild of the index: {:.2} s", began.elapsed().as_secs_f64()));
    say(&format!("database: {}", std::fs::metadata(bench.dir.path().join("db/db")).unwrap().len()));
    assert_eq!(report.problems, []);
}
