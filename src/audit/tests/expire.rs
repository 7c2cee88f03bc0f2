use std::fs;

use super::*;

/// One message a day.
async fn days(bench: &Bench, audit: &Audit, n: usize) -> Vec<MailId> {
    let mut ids = Vec::new();
    for i in 0..n {
        if i > 0 {
            bench.next_day();
        }
        ids.push(judge(audit, bench.record()).await);
    }
    ids
}

#[tokio::test]
async fn old_days_go_with_their_rows_and_the_journal_still_verifies() {
    let mut bench = Bench::new();
    bench.config.retention = Span::days(3);
    let audit = bench.open();
    let ids = days(&bench, &audit, 6).await;
    let expiry = audit.expire().unwrap();
    assert_eq!((expiry.days.len(), expiry.rows), (2, 2));
    assert_eq!(audit.expire().unwrap(), Expiry::default());
    assert_eq!(bench.days().len(), 4);
    assert_eq!(audit.find(ids[1]).unwrap(), None);
    assert!(audit.find(ids[2]).unwrap().is_some());
    assert_eq!(audit.list(&Query::default()).unwrap().rows.len(), 4);
    drop(audit);
    assert_eq!(whole(&bench.journal_dir()).notes.len(), 1);

    // Again, so that the entry that confirms the first anchor leaves too.
    let audit = bench.open();
    for _ in 0..9 {
        bench.next_day();
        judge(&audit, bench.record()).await;
        audit.expire().unwrap();
        assert_eq!(audit.verify().unwrap().problems, []);
    }
    assert_eq!(bench.days().len(), 4);
    drop(audit);
    drop(bench.open());
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn the_oldest_days_go_while_the_journal_is_too_large_but_never_the_current_one() {
    let mut bench = Bench::new();
    let size = {
        let audit = bench.open();
        days(&bench, &audit, 4).await;
        fs::metadata(&bench.days()[1]).unwrap().len()
    };
    bench.config.max_size = ByteSize(size * 3);
    let audit = bench.open();
    assert_eq!(audit.expire().unwrap().days.len(), 2);
    drop(audit);
    bench.config.max_size = ByteSize(0);
    let audit = bench.open();
    assert_eq!(audit.expire().unwrap().days.len(), 1);
    assert_eq!(bench.days().len(), 1);
    drop(audit);
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn retention_goes_on_where_a_crash_stopped_it() {
    let mut bench = Bench::new();
    let copies;
    {
        let audit = bench.open();
        days(&bench, &audit, 5).await;
        copies = bench.days()[..3].iter().map(|p| (p.clone(), fs::read(p).unwrap())).collect::<Vec<_>>();
        bench.next_day();
    }
    bench.config.retention = Span::days(2);
    let audit = bench.open();
    assert_eq!(audit.expire().unwrap().days.len(), 3);
    drop(audit);
    // The crash came after the first file, or before any.
    for left in [&copies[1..], &copies[..]] {
        for (path, bytes) in left {
            fs::write(path, bytes).unwrap();
        }
        whole(&bench.journal_dir());
        let audit = bench.open();
        assert_eq!(audit.expire().unwrap().days.len(), left.len());
        drop(audit);
        whole(&bench.journal_dir());
    }
}

#[tokio::test]
async fn days_removed_by_hand_are_not_taken_for_retention() {
    let mut bench = Bench::new();
    bench.config.retention = Span::days(4);
    let audit = bench.open();
    days(&bench, &audit, 6).await;
    audit.expire().unwrap();
    drop(audit);
    whole(&bench.journal_dir());
    let next = bench.days()[0].clone();
    let text = fs::read_to_string(&next).unwrap();
    fs::remove_file(&next).unwrap();
    assert!(!verify_dir(&bench.journal_dir()).unwrap().is_whole());

    // Not even with a forged anchor.
    let last = text.split_inclusive('\n').next_back().unwrap();
    let day = next.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let mark = witness::Mark { day, start: 0, end: 0, hash: LineHash::of(last.as_bytes()) };
    witness::replace(&bench.journal_dir(), ANCHOR, &mark).unwrap();
    let problems = verify_dir(&bench.journal_dir()).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].what.contains("otherwise than by retention"), "{problems:?}");
}
