//! What all sections share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pace::Pace;
use crate::audit::Pseudonyms;
use crate::telemetry::{Clock, Metrics};

/// For how long a delivery of ours is known when it comes through our own filter as mail.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// And how many.
const MAX_KNOWN: usize = 1_000;

#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) pace: Pace,
    sent: Mutex<VecDeque<(Instant, String)>>,
    number: AtomicU64,
}

impl Common {
    pub(super) fn new(clock: Clock, metrics: Arc<Metrics>, pseudonyms: Pseudonyms, pace: Pace) -> Self {
        Self { clock, metrics, pseudonyms, pace, sent: Mutex::default(), number: AtomicU64::new(0) }
    }

    /// A name for a notification, which nobody can guess.
    pub(super) fn delivery(&self) -> String {
        // Without random numbers it is still another one each time.
        let number = || self.number.fetch_add(1, Ordering::Relaxed);
        let random =
            || getrandom::u64().unwrap_or_else(|_| self.clock.now().millis().rotate_left(20) ^ number());
        format!("{:016x}{:016x}", random(), random())
    }

    /// It goes out: it may come by as mail.
    pub(super) fn sends(&self, delivery: &str) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.back().is_some_and(|(_, last)| last == delivery) {
            return;
        }
        if sent.len() >= MAX_KNOWN {
            sent.pop_front();
        }
        sent.push_back((Instant::now(), delivery.to_owned()));
    }

    /// Whether a delivery is ours, and of late.
    pub(super) fn is_own(&self, delivery: &str) -> bool {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().any(|(at, own)| own == delivery && at.elapsed() < KNOWN_FOR)
    }

    /// So many more wait, or fewer.
    pub(super) fn waiting(&self, more: i64) {
        self.metrics.notifications_waiting.add(more);
    }
}
