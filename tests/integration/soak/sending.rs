//! Sessions that send letters as fast as they are answered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::letters::{By, Got, Letter};
use super::lmtp::Lmtp;
use super::milter::Milter;

/// Messages of one SMTP client, and of one connection.
const OF_A_CLIENT: u64 = 20;
const OF_A_CONNECTION: u64 = 2_000;
/// All of it.
const LONGEST: Duration = Duration::from_secs(90 * 60);

/// Where letters are handed over, and how far this is.
pub struct Sending {
    pub milter: PathBuf,
    pub lmtp: PathBuf,
    /// The number of the first.
    first: u64,
    /// How many there will be.
    pub whole: u64,
    begun: AtomicU64,
    /// How many were answered.
    pub done: AtomicU64,
    /// Somebody got a wrong answer, or none.
    wrong: AtomicBool,
    since: Instant,
}

/// A session that panics ends the others.
struct Watch<'a>(&'a AtomicBool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Relaxed);
        }
    }
}

/// How many of each kind, by each way, were answered as they must be.
pub type Sent = BTreeMap<String, u64>;

impl Sending {
    pub fn new(milter: PathBuf, lmtp: PathBuf, first: u64, whole: u64) -> Self {
        Self {
            milter,
            lmtp,
            first,
            whole,
            begun: 0.into(),
            done: 0.into(),
            wrong: false.into(),
            since: Instant::now(),
        }
    }

    /// One session after another, until all letters are sent.
    ///
    /// # Errors
    /// The first letter that is not answered as it must be.
    pub fn session(&self, by: By) -> Result<Sent, String> {
        let _watch = Watch(&self.wrong);
        let mut sent = Sent::new();
        let mut last = String::new();
        'connections: while !self.wrong.load(Relaxed) {
            let mut line = Line::open(self, by);
            for count in 0..OF_A_CONNECTION {
                let begun = self.begun.fetch_add(1, Relaxed);
                if begun >= self.whole || self.is_over() {
                    break 'connections;
                }
                let number = self.first + begun;
                let letter = Letter::new(number, by);
                let got = line.hand_over(&letter, count);
                if !letter.is_right(by, &got) {
                    self.wrong.store(true, Relaxed);
                    return Err(format!("{letter:?} by {by:?}: {got:?}; before it {last}"));
                }
                last = format!("{letter:?}: {got:?}");
                *sent.entry(format!("{by:?} {:?}", letter.kind)).or_default() += 1;
                self.done.fetch_add(1, Relaxed);
            }
        }
        Ok(sent)
    }

    /// Whether there is no more to do.
    pub fn is_over(&self) -> bool {
        self.done.load(Relaxed) >= self.whole || self.wrong.load(Relaxed) || self.since.elapsed() > LONGEST
    }
}

/// A connection of either protocol.
enum Line {
    Milter(Milter, bool),
    Lmtp(Lmtp),
}

impl Line {
    fn open(sending: &Sending, by: By) -> Self {
        match by {
            By::Lmtp => Self::Lmtp(Lmtp::connect(&sending.lmtp)),
            By::Stranger | By::User => Self::Milter(Milter::connect(&sending.milter), by == By::User),
        }
    }

    fn hand_over(&mut self, letter: &Letter, count: u64) -> Got {
        match self {
            Self::Milter(milter, user) => {
                if count.is_multiple_of(OF_A_CLIENT) {
                    milter.session(letter.number, *user);
                }
                milter.judge(letter, *user)
            }
            Self::Lmtp(lmtp) => {
                let answer = lmtp.deliver(&letter.from(), &letter.to(), &letter.raw());
                if answer.starts_with("250 ") { Got::Taken(None) } else { Got::Other(answer) }
            }
        }
    }
}
