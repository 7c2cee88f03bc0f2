//! What 200,000 kept messages cost.
//! `cargo test --release --lib retro::measure -- --ignored --nocapture`
#![expect(clippy::print_stderr, reason = "figures for people")]

use super::segments::Most;
use super::tests::{Bench, file, link, together};
use super::*;
use crate::feed::Format;

const MESSAGES: u64 = 200_000;
/// Links of a message, each of another campaign; and a file.
const LINKS: u64 = 12;

fn message(n: u64) -> Accepted {
    let text =
        |k| format!("https://host{}.example{}.test/path/{n:07x}/{k}?utm_source=letter", n % 9973, k * 31);
    let mut things: Vec<Things> = (0..LINKS).map(|k| link(&text(k), 0)).collect();
    things.push(file(&format!("{n:064x}"), 0));
    let time = Timestamp::from_millis(99 * 86_400_000 + n * 400);
    Accepted { id: MailId::from_parts(n, n), time, things: together(things) }
}

fn most(messages: u64) -> Most {
    Most { messages, bytes: u64::MAX }
}

/// A figure of this process in kB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

fn size(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    entries.map(|e| if e.path().is_dir() { size(&e.path()) } else { e.metadata().unwrap().len() }).sum()
}

#[test]
#[ignore = "takes minutes, and says something in a release build alone"]
fn two_hundred_thousand_messages_are_looked_up_within_a_minute_and_held_on_disk_alone() {
    let bench = Bench::new();
    let kept = &bench.retro.kept;
    let urls: String = (0..50_000).map(|n| format!("https://other{n}.test/x\n")).collect();
    let index = bench.index(Format::Urls, &format!("{urls}https://host7.example0.test/path/0000007/0\n"));
    let before = status("VmRSS");
    let begin = std::time::Instant::now();
    for first in (0..MESSAGES).step_by(256) {
        let messages: Vec<_> = (first..MESSAGES.min(first + 256)).map(message).collect();
        kept.write(&messages, bench.retro.clock.now()).unwrap();
        kept.trim(bench.retro.clock.now(), Duration::from_secs(3 * 86_400), most(MESSAGES));
    }
    let (written, after_writing) = (begin.elapsed(), status("VmRSS"));
    assert_eq!(kept.count(), MESSAGES);
    kept.close();
    let (again, begin) = (segments::Segments::at(&bench.dir.path().join("retro")), std::time::Instant::now());
    again.find().unwrap();
    again.count_found(|| false);
    let counted = begin.elapsed();
    assert_eq!(again.count(), MESSAGES);
    let begin = std::time::Instant::now();
    assert_eq!(bench.round(&index).len(), 1);
    let (round, after_round) = (begin.elapsed(), status("VmRSS"));
    let begin = std::time::Instant::now();
    (0..1_000).for_each(|n| bench.retro.keep(message(n), true));
    let keep = begin.elapsed() / 1_000;
    let begin = std::time::Instant::now();
    kept.trim(bench.retro.clock.now(), Duration::from_secs(3 * 86_400), most(MESSAGES - 10_000));
    let trimmed = begin.elapsed();
    let report = format!(
        "{MESSAGES} messages of {LINKS} links and a file: written in {written:.1?} ({:.1?} each, handed over in \
         {keep:.1?}), counted in {counted:.1?}, a round {round:.1?}, ten thousand removed in {trimmed:.1?}; \
         memory {} MB before, {} MB after writing, {} MB after the round, {} MB at most; on disk {} MB",
        written / u32::try_from(MESSAGES).unwrap(),
        before / 1_000,
        after_writing / 1_000,
        after_round / 1_000,
        status("VmHWM") / 1_000,
        size(bench.dir.path()) / 1_000_000,
    );
    eprintln!("{report}");
    // The round itself holds one message; the index was read into memory before.
    assert!(after_round < after_writing + 20_000, "{report}");
    assert!(round < Duration::from_secs(60), "{report}");
}

impl Retro {
    /// Writes down at once what waits, and says how many messages that were.
    pub(crate) fn write_waiting(&self) -> usize {
        let mut waiting = self.waiting.lock().unwrap();
        let mut messages = Vec::new();
        while let Ok(message) = waiting.as_mut().unwrap().try_recv() {
            messages.push(message);
        }
        self.kept.write(&messages, self.clock.now()).unwrap();
        messages.len()
    }
}
