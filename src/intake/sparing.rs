//! Log lines that do not flood.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Lets one log line through in a while and counts those that it held back.
#[derive(Debug)]
pub(super) struct Sparing {
    born: Instant,
    /// Milliseconds after `born` at which the next line may pass.
    next: AtomicU64,
    held: AtomicU64,
}

/// At most one line of a kind in this time.
const EVERY: Duration = Duration::from_mins(1);

impl Sparing {
    pub(super) fn new() -> Self {
        Self { born: Instant::now(), next: 0.into(), held: 0.into() }
    }

    /// `Some` with the number of lines held back before, if a line may be written now.
    pub(super) fn pass(&self) -> Option<u64> {
        self.pass_at(u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn pass_at(&self, now: u64) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let later = now.saturating_add(EVERY.as_secs() * 1000);
        let mine = now >= next
            && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine {
            Some(self.held.swap(0, Ordering::Relaxed))
        } else {
            self.held.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_passes_and_the_next_tells_how_many_did_not() {
        let sparing = Sparing::new();
        assert_eq!(sparing.pass_at(7), Some(0));
        assert_eq!(sparing.pass_at(8), None);
        assert_eq!(sparing.pass_at(60_006), None);
        assert_eq!(sparing.pass_at(60_007), Some(2));
    }
}
