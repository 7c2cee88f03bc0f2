//! One message on its way through the workers.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::meta::Fact;
use crate::model::{Finding, Scanner, Score, text};
use crate::scan::ScanInput;

/// Nobody has begun.
const WAITING: u8 = 0;
/// A worker is at it.
const RUNNING: u8 = 1;
/// Ended, or given up before it began.
const ENDED: u8 = 2;
/// A worker is at it and nobody waits any more.
const OVERDUE: u8 = 3;

/// Different rules in one message; more are counted, not listed.
const MAX_HITS: usize = 100;
/// Places listed for one rule.
const MAX_PLACES: usize = 5;
const MAX_PLACE: usize = 120;

/// How the look at one message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything was looked at, with a set that lacked what is named.
    Done { missing: Option<Arc<str>> },
    /// Time ran out on the way.
    TimedOut,
    /// It could not be done: a word, and a sentence.
    Failed(&'static str, String),
}

/// A message to look at. Shared by the caller who waits and the worker.
pub(super) struct Job {
    pub(super) input: Arc<ScanInput>,
    pub(super) began: Instant,
    pub(super) deadline: Instant,
    state: AtomicU8,
    /// Index of the buffer being scanned: 0 is the raw message, n the part n - 1.
    at: AtomicU64,
    /// When that began, in microseconds after `began`.
    at_since: AtomicU64,
    hits: Mutex<Hits>,
}

/// A job in the queue, with the way back to the caller.
pub(super) struct Entry {
    pub(super) job: Arc<Job>,
    pub(super) reply: oneshot::Sender<End>,
}

#[derive(Default)]
struct Hits {
    list: Vec<Hit>,
    more: usize,
}

struct Hit {
    fact: Arc<Fact>,
    places: Vec<String>,
    more: usize,
}

impl Job {
    pub(super) fn new(input: Arc<ScanInput>, began: Instant, deadline: Instant) -> Self {
        Self {
            input,
            began,
            deadline,
            state: AtomicU8::new(WAITING),
            at: AtomicU64::new(0),
            at_since: AtomicU64::new(0),
            hits: Mutex::default(),
        }
    }

    /// A worker begins; false if the caller has gone.
    pub(super) fn begin(&self) -> bool {
        self.step(WAITING, RUNNING)
    }

    /// The caller gives up before a worker began; false if one has begun.
    pub(super) fn give_up(&self) -> bool {
        self.step(WAITING, ENDED)
    }

    /// The caller gives up on a worker that is at it; false if it has ended.
    pub(super) fn is_overdue_now(&self) -> bool {
        self.step(RUNNING, OVERDUE)
    }

    /// The worker ends; true if it was overdue.
    pub(super) fn end(&self) -> bool {
        self.state.swap(ENDED, Ordering::AcqRel) == OVERDUE
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether there is still somebody who waits and time to go on.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        (!left.is_zero() && self.state.load(Ordering::Acquire) == RUNNING).then_some(left)
    }

    /// The worker turns to buffer `index`.
    pub(super) fn turn_to(&self, index: usize) {
        self.at.store(index as u64, Ordering::Relaxed);
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.at_since.store(since, Ordering::Relaxed);
    }

    /// The buffer the worker is at, and for how long.
    pub(super) fn at(&self) -> (usize, Duration) {
        let since = Duration::from_micros(self.at_since.load(Ordering::Relaxed));
        let index = usize::try_from(self.at.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        (index, self.began.elapsed().saturating_sub(since))
    }

    /// A rule matched at a place.
    pub(super) fn hit(&self, fact: &Arc<Fact>, place: impl FnOnce() -> String) {
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hit) = hits.list.iter_mut().find(|h| Arc::ptr_eq(&h.fact, fact)) {
            if hit.places.len() < MAX_PLACES {
                hit.places.push(text::line(&place(), MAX_PLACE));
            } else {
                hit.more += 1;
            }
        } else if hits.list.len() < MAX_HITS {
            let places = vec![text::line(&place(), MAX_PLACE)];
            hits.list.push(Hit { fact: Arc::clone(fact), places, more: 0 });
        } else {
            hits.more += 1;
        }
    }

    /// What was found so far, sorted by rule.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<&Hit> = hits.list.iter().collect();
        list.sort_by(|a, b| (&a.fact.symbol, &a.fact.namespace).cmp(&(&b.fact.symbol, &b.fact.namespace)));
        let mut findings: Vec<Finding> = list.into_iter().map(Hit::finding).collect();
        if hits.more > 0 {
            findings.push(Finding {
                scanner: Scanner::Yara,
                symbol: "YARA_MORE_MATCHES".to_owned(),
                severity: Default::default(),
                category: Default::default(),
                score: Score::ZERO,
                text: format!("{} more matches of other rules are not listed", hits.more),
                location: None,
            });
        }
        findings
    }
}

impl Hit {
    fn finding(&self) -> Finding {
        let mut location = self.places.join(", ");
        if self.more > 0 {
            location.push_str(&format!(" and {} more", self.more));
        }
        Finding {
            scanner: Scanner::Yara,
            symbol: self.fact.symbol.clone(),
            severity: self.fact.severity,
            category: self.fact.category,
            score: self.fact.score,
            text: self.fact.text.clone(),
            location: Some(location),
        }
    }
}
