//! When a feed is fetched next.

use std::time::Duration;

use crate::model::{Span, Timestamp};

/// After the first failure; doubled with each further one, up to the time between two refreshes.
const FIRST_RETRY: u64 = 300;
/// The longest that a publisher can put us off.
const LONGEST: u64 = 7 * 86_400;

/// The first refresh after the start. One of the future was made by a clock that was wrong, and says nothing.
pub(super) fn first(checked: Option<Timestamp>, now: Timestamp, refresh: Span) -> Timestamp {
    let due =
        checked.filter(|checked| *checked <= now).map_or(now, |checked| later(checked, refresh.duration()));
    // Those that are due do not all begin in the same second.
    due.max(later(now, jitter(Duration::from_secs(20))))
}

/// The next refresh, after one that ended `now` as the last of so many `failures` in a row. `asked`: seconds
/// that the publisher wants us to wait.
pub(super) fn after(now: Timestamp, refresh: Span, failures: u32, asked: Option<u64>) -> Timestamp {
    let full = refresh.duration();
    let wait = match failures {
        0 => full,
        n => Duration::from_secs(FIRST_RETRY << (n - 1).min(20)).min(full),
    };
    let wait = wait.max(Duration::from_secs(asked.unwrap_or(0).min(LONGEST)));
    later(now, wait + jitter(wait / 10))
}

/// Seconds after which what is in use is stale.
pub(super) fn stale_after(refresh: Span) -> u64 {
    refresh.duration().as_secs().saturating_mul(3)
}

pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
}

/// Somewhere between nothing and `most`.
fn jitter(most: Duration) -> Duration {
    // Without random numbers the middle does.
    let share = getrandom::u32().unwrap_or(u32::MAX / 2);
    most.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(at: Timestamp) -> u64 {
        at.seconds() - 1_000_000
    }

    #[test]
    fn failures_double_the_wait_up_to_the_usual_one_and_never_all_in_the_same_moment() {
        let (now, refresh) = (Timestamp::from_millis(1_000_000_000), Span::seconds(3600));
        for (failures, least) in [(0, 3600), (1, 300), (2, 600), (3, 1200), (4, 2400), (5, 3600), (60, 3600)]
        {
            let wait = seconds(after(now, refresh, failures, None));
            assert!((least..=least + least / 10).contains(&wait), "{failures}: {wait}");
        }
        let many: std::collections::BTreeSet<_> =
            (0..50).map(|_| after(now, refresh, 1, None).millis()).collect();
        assert!(many.len() > 10, "{many:?}");
    }

    #[test]
    fn a_publisher_that_asks_us_to_wait_is_heard() {
        let (now, refresh) = (Timestamp::from_millis(1_000_000_000), Span::seconds(3600));
        assert!(seconds(after(now, refresh, 1, Some(7200))) >= 7200);
        assert!(seconds(after(now, refresh, 1, Some(u64::MAX))) <= LONGEST + LONGEST / 10);
        assert!(seconds(after(now, refresh, 1, Some(1))) >= 300);
    }

    #[test]
    fn a_refresh_of_the_future_is_made_again() {
        let (now, refresh) = (Timestamp::from_millis(1_000_000_000), Span::seconds(3600));
        let checked = Timestamp::from_millis(now.millis() + 70 * 365 * 86_400_000);
        assert!(seconds(first(Some(checked), now, refresh)) <= 20);
    }

    #[test]
    fn after_a_restart_a_feed_waits_for_its_time() {
        let (now, refresh) = (Timestamp::from_millis(1_000_000_000), Span::seconds(3600));
        let checked = Timestamp::from_millis(now.millis() - 600_000);
        assert_eq!(seconds(first(Some(checked), now, refresh)), 3000);
        assert!(seconds(first(None, now, refresh)) <= 20);
        assert!(seconds(first(Some(Timestamp::from_millis(5)), now, refresh)) <= 20);
    }
}
