//! What was counted in the last hour: the difference between now and what a counter said an hour ago.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Category;
use crate::telemetry::Metrics;

/// How often a count is remembered.
pub(super) const EVERY: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const CLASSES: usize = Category::ALL.len();

/// Counts of the last hour, one a minute.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(Instant, [u64; CLASSES])>>);

impl Recent {
    /// Remembers what is counted now.
    pub(super) fn remember(&self, metrics: &Metrics) {
        self.remember_at(Instant::now(), by_category(metrics));
    }

    fn remember_at(&self, now: Instant, counts: [u64; CLASSES]) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_back((now, counts));
        // One beyond the hour stays: the difference begins there.
        while held.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= HOUR) {
            held.pop_front();
        }
    }

    /// Messages of the last hour by category; since the start where that is less.
    pub(super) fn last_hour(&self, metrics: &Metrics) -> [u64; CLASSES] {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.front().map_or([0; CLASSES], |(_, counts)| *counts);
        let now = by_category(metrics);
        std::array::from_fn(|class| now[class].saturating_sub(before[class]))
    }
}

/// Messages judged since the start.
pub(super) fn by_category(metrics: &Metrics) -> [u64; CLASSES] {
    Category::ALL.map(|category| metrics.messages_in(category))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_hour_counts() {
        let (recent, metrics) = (Recent::default(), Metrics::new());
        let begin = Instant::now();
        for minute in 0..=180_u64 {
            recent.remember_at(begin + EVERY * u32::try_from(minute).unwrap(), [minute * 2, 0, 0, 0, 0]);
        }
        metrics.messages.with_label_values(&["accept", "clean"]).inc_by(365);
        // 360 were counted by minute 180, 240 by minute 120.
        assert_eq!(recent.last_hour(&metrics), [125, 0, 0, 0, 0]);
        assert_eq!(recent.0.lock().unwrap().len(), 61);
    }
}
