//! The journal, mutated: the lines' content under checksums that fit, and whole files.

use super::*;
use crate::mutation::{Campaign, touch};
use crate::testing::effort;

const WORDS: [&str; 24] = [
    "{\"judged\":",
    "{\"erased\":",
    "{\"gap\":",
    "{\"torn\":",
    "{\"admin\":",
    "{\"erasure\":",
    "{\"expired\":",
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "\\u0000",
    "\\ud800",
    "2026-11-20T12:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "true",
    "\"score\":",
    "\"recipients\":",
    "\"id\":",
    "\"time\":",
    " 00000000 ",
    "0000000000000000000000000000000000000000000000000000000000000000",
];

/// Three days on disk.
async fn journal() -> Bench {
    let bench = Bench::new();
    let audit = bench.open();
    for _ in 0..3 {
        for _ in 0..4 {
            judge(&audit, bench.record()).await;
        }
        bench.next_day();
    }
    drop(audit);
    bench
}

fn contents(bench: &Bench) -> Vec<Vec<u8>> {
    let files = bench.days().into_iter().map(|day| std::fs::read(day).unwrap());
    let lines =
        files.flat_map(|file| file.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>());
    lines.map(|line| line::parse(&line).unwrap().content.to_vec()).collect()
}

#[tokio::test]
async fn entries_of_the_journal() {
    let bench = journal().await;
    Campaign::new("entry", effort(1_500, 40_000), contents(&bench)).words(&WORDS).run(|input| {
        let mut sealed = Vec::new();
        let content: Vec<u8> = input.iter().copied().filter(|byte| *byte != b'\n').collect();
        line::encode(LineHash::NONE, &content, &mut sealed);
        let read = line::parse(&sealed).unwrap();
        assert_eq!(read.content, content);
        touch(LineHash::in_chain(&sealed, read.content));
        touch(line::parse(input));
        touch(super::super::verify::time_of(&content));
        let Ok(entry) = Entry::decode(&content) else { return };
        touch((entry.time(), entry.id()));
        let again = entry.encode().unwrap();
        // A number with more digits than fit may come back with fewer.
        assert_eq!(Entry::decode(&again).unwrap().id(), entry.id());
    });
}

#[tokio::test]
async fn files_of_the_journal() {
    let bench = journal().await;
    let (dir, day) = (bench.journal_dir(), bench.days().remove(1));
    let before = verify_dir(&dir).unwrap();
    let good = std::fs::read(&day).unwrap();
    let mut campaign = Campaign::new("journal", effort(300, 10_000), vec![good.clone()]).words(&WORDS);
    campaign.threads = 1;
    campaign.run(|input| {
        std::fs::write(&day, input).unwrap();
        let report = verify_dir(&dir).unwrap();
        assert_eq!(report == before, input == good, "{report:?}");
        assert_eq!(report.is_whole(), input == good, "{report:?}");
        let mut reader = Reader::open(&dir, None, None).unwrap();
        while let Ok(Some(read)) = reader.next_read() {
            if let Read::Judged(raw) = read {
                touch(raw.record());
            }
        }
    });
}
