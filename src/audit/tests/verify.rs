use std::fs;

use super::*;

/// Three days with five messages each, stopped in order.
async fn three_days() -> Bench {
    let bench = Bench::new();
    let audit = bench.open();
    for _ in 0..3 {
        for _ in 0..5 {
            judge(&audit, bench.record()).await;
        }
        bench.next_day();
    }
    drop(audit);
    assert_eq!(whole(&bench.journal_dir()).files, 4);
    bench
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().split_inclusive('\n').map(str::to_owned).collect()
}

fn problems(bench: &Bench) -> Vec<(String, u64)> {
    let report = verify_dir(&bench.journal_dir()).unwrap();
    assert!(!report.is_whole());
    report.problems.into_iter().map(|p| (p.file, p.line)).collect()
}

#[tokio::test]
async fn a_changed_byte_is_found_wherever_it_is() {
    let bench = three_days().await;
    for path in bench.days() {
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(&path, bad).unwrap();
            let line = 1 + good[..at].iter().filter(|b| **b == b'\n').count() as u64;
            assert_eq!(problems(&bench)[0], (path.file_name().unwrap().to_string_lossy().into_owned(), line));
        }
        fs::write(&path, good).unwrap();
    }
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn a_line_that_was_changed_and_given_a_new_checksum_is_found() {
    let bench = three_days().await;
    let path = &bench.days()[1];
    let mut text = lines(path);
    let link = text[2][18..82].parse().unwrap();
    let content = text[2][line::HEADER..].trim_end().replace("weekly", "daily!");
    let mut forged = Vec::new();
    line::encode(link, content.as_bytes(), &mut forged);
    text[2] = String::from_utf8(forged).unwrap();
    fs::write(path, text.concat()).unwrap();
    // The line itself looks good; the next one does not follow it.
    assert_eq!(problems(&bench), [("2026-11-21.log".to_owned(), 4)]);
}

#[tokio::test]
async fn a_removed_line_is_found() {
    let bench = three_days().await;
    let path = &bench.days()[1];
    let mut text = lines(path);
    text.remove(2);
    fs::write(path, text.concat()).unwrap();
    assert_eq!(problems(&bench), [("2026-11-21.log".to_owned(), 3)]);
}

#[tokio::test]
async fn swapped_lines_are_found() {
    let bench = three_days().await;
    let path = &bench.days()[0];
    let mut text = lines(path);
    text.swap(2, 3);
    fs::write(path, text.concat()).unwrap();
    let day = |n| ("2026-11-20.log".to_owned(), n);
    assert_eq!(problems(&bench), [day(3), day(4), day(5)]);
}

#[tokio::test]
async fn a_repeated_line_is_found() {
    let bench = three_days().await;
    let path = &bench.days()[0];
    let mut text = lines(path);
    text.insert(3, text[2].clone());
    fs::write(path, text.concat()).unwrap();
    assert!(problems(&bench).contains(&("2026-11-20.log".to_owned(), 4)));
}

#[tokio::test]
async fn a_file_that_was_cut_is_found_at_any_length() {
    let bench = three_days().await;
    for path in bench.days() {
        let good = fs::read(&path).unwrap();
        let ends: Vec<_> =
            good.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
        let cuts = ends.iter().rev().skip(1).copied().chain([0, good.len() - 1, good.len() / 2]);
        for cut in cuts {
            fs::write(&path, &good[..cut]).unwrap();
            assert!(!problems(&bench).is_empty(), "{} cut to {cut}", path.display());
        }
        fs::write(&path, good).unwrap();
    }
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn a_removed_day_is_found_first_middle_or_last() {
    let bench = three_days().await;
    for path in bench.days() {
        let good = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!problems(&bench).is_empty(), "without {}", path.display());
        fs::write(&path, good).unwrap();
    }
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn appended_garbage_is_found() {
    let bench = three_days().await;
    for path in bench.days() {
        let good = fs::read(&path).unwrap();
        fs::write(&path, [&good[..], b"garbage"].concat()).unwrap();
        let lines = good.iter().filter(|b| **b == b'\n').count() as u64;
        assert_eq!(problems(&bench)[0].1, lines + 1);
        fs::write(&path, good).unwrap();
    }
    whole(&bench.journal_dir());
}

#[tokio::test]
async fn a_line_appended_by_somebody_else_with_the_right_link_is_part_of_the_chain_until_the_next_is_not() {
    let bench = three_days().await;
    let path = bench.days().pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = lines(&path).pop().unwrap();
    line::encode(LineHash::of(last.as_bytes()), b"{\"gap\":{}}", &mut bytes);
    fs::write(&path, bytes).unwrap();
    let report = verify_dir(&bench.journal_dir()).unwrap();
    assert!(report.problems[0].what.contains("not understood"), "{:?}", report.problems);
}

#[tokio::test]
async fn a_missing_or_damaged_head_is_found_and_noted_for_ever() {
    let bench = three_days().await;
    let head = bench.journal_dir().join(HEAD);
    let good = fs::read(&head).unwrap();
    fs::remove_file(&head).unwrap();
    assert_eq!(problems(&bench), [(HEAD.to_owned(), 0)]);
    fs::write(&head, &good[..40]).unwrap();
    assert_eq!(problems(&bench), [(HEAD.to_owned(), 0)]);
    let (audit, notes) = bench.open_with_notes();
    assert!(notes[0].contains("the file head is damaged"), "{notes:?}");
    drop(audit);
    drop(bench.open());
    assert!(verify_dir(&bench.journal_dir()).unwrap().problems[0].what.contains("head is damaged"));
}

#[tokio::test]
async fn a_journal_that_is_being_written_verifies() {
    let bench = Bench::new();
    let audit = bench.open();
    std::thread::scope(|scope| {
        let writer = Arc::clone(&audit);
        let records: Vec<_> = (0..2000).map(|_| bench.record()).collect();
        scope.spawn(move || {
            for record in records {
                writer
                    .journal
                    .append(writer.prepare(Entry::Judged(Box::new(record))).unwrap(), false)
                    .unwrap();
            }
        });
        for _ in 0..10 {
            let report = audit.verify().unwrap();
            assert_eq!(report.problems, []);
        }
    });
    assert_eq!(audit.verify().unwrap().records, 2001);
    assert_eq!(audit.verify().unwrap().head, Some(audit.head()));
}
