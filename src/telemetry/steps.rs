//! Steps of the time of day, told by the clock that only counts.
//!
//! A wrong time server, a battery that died, a typing error of an admin: the time of day leaps, and the right one is
//! back an hour later. What was removed meanwhile because it seemed old is not.

use std::time::{Duration, Instant};

use crate::model::Timestamp;

/// Less than this is no step. A summer time set by hand is one.
const SLACK: Duration = Duration::from_mins(50);
/// A step ahead is believed when it has stood for so long.
pub const BELIEVED_AFTER: Duration = Duration::from_hours(24);
/// A daemon that did not run for longer may have been started under a wrong time of day.
const LONG_STOP: Duration = Duration::from_hours(30 * 24);

/// What is known of the time of day.
#[derive(Debug, Default)]
pub struct Steps {
    /// A time of day that is believed, and when it was.
    believed: Option<(Timestamp, Instant)>,
    /// The same from before the clock went back.
    before: Option<(Timestamp, Instant)>,
    /// What was seen last before a start that is doubted.
    doubted: Option<Timestamp>,
    /// When it was first seen ahead of what is believed.
    ahead_since: Option<Instant>,
}

/// A time of day that is not believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// How far it is ahead.
    pub by: Duration,
    /// When it will be believed, if it stands until then.
    pub left: Duration,
}

impl Steps {
    /// After a start: `last` is the newest time of day that the last daemon is known to have seen. A stop of more
    /// than thirty days is taken for a step, too.
    #[must_use]
    pub fn since(last: Timestamp, wall: Timestamp, now: Instant) -> Self {
        let doubted = (wall.since(last) > LONG_STOP).then_some(last);
        Self { believed: Some((doubted.unwrap_or(wall), now)), before: None, doubted, ahead_since: None }
    }

    /// `wall`, or what it would be without the step ahead that it made. Says once that there was a step.
    pub fn settled(&mut self, wall: Timestamp, now: Instant) -> Timestamp {
        let due = self.due(wall, now);
        let is_back = self.before.is_some_and(|before| is_near(project(before, now), wall))
            || self.doubted.is_some_and(|last| wall.since(last) <= LONG_STOP);
        if is_back || wall.since(due) <= SLACK {
            let back = due.since(wall);
            if back > SLACK {
                self.before = self.before.or(self.believed);
                tracing::warn!(
                    seconds = back.as_secs(),
                    "the clock went back; what is kept for a time is kept for so much longer, records go on in the day that was begun"
                );
            } else if is_back || self.ahead_since.is_some() {
                tracing::warn!("the clock is where it should be again; what is too old is removed");
            }
            if is_back {
                self.before = None;
            }
            self.believe(wall, now);
            return wall;
        }
        let Some(since) = self.ahead_since else {
            tracing::error!(
                seconds = wall.since(due).as_secs(),
                "the clock leapt ahead: nothing is removed for its age until it has stood so for a day; if it is wrong, set it right before"
            );
            self.ahead_since = Some(now);
            return due;
        };
        if now.saturating_duration_since(since) < BELIEVED_AFTER {
            return due;
        }
        tracing::warn!("the clock leapt ahead a day ago and is believed from now on");
        self.believe(wall, now);
        wall
    }

    fn believe(&mut self, wall: Timestamp, now: Instant) {
        (self.believed, self.doubted, self.ahead_since) = (Some((wall, now)), None, None);
    }

    /// How far `wall` is ahead of what is believed.
    #[must_use]
    pub fn ahead(&self, wall: Timestamp, now: Instant) -> Option<Ahead> {
        let since = self.ahead_since?;
        let left = BELIEVED_AFTER.saturating_sub(now.saturating_duration_since(since));
        Some(Ahead { by: wall.since(self.due(wall, now)), left })
    }

    /// What it should be by now.
    fn due(&self, wall: Timestamp, now: Instant) -> Timestamp {
        self.believed.map_or(wall, |believed| project(believed, now))
    }
}

/// What a time of day that was seen has become by `now`.
fn project((wall, at): (Timestamp, Instant), now: Instant) -> Timestamp {
    let passed = u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(wall.millis().saturating_add(passed))
}

fn is_near(one: Timestamp, other: Timestamp) -> bool {
    one.since(other) <= SLACK && other.since(one) <= SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn time(hours: u64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    #[test]
    fn a_leap_ahead_is_believed_after_a_day_and_forgotten_when_it_is_taken_back() {
        let (mut steps, begin) = (Steps::default(), Instant::now());
        assert_eq!(steps.settled(time(1000), begin), time(1000));
        assert_eq!(steps.settled(time(1001), begin + HOUR), time(1001));
        assert_eq!(steps.settled(time(9000), begin + HOUR), time(1001));
        assert_eq!(steps.settled(time(9001), begin + 2 * HOUR), time(1002));
        let ahead = Ahead { by: 7999 * HOUR, left: 23 * HOUR };
        assert_eq!(steps.ahead(time(9001), begin + 2 * HOUR), Some(ahead));
        // Taken back: nothing is left of it.
        assert_eq!(steps.settled(time(1003), begin + 3 * HOUR), time(1003));
        assert_eq!(steps.ahead(time(1003), begin + 3 * HOUR), None);
        // And one that stands.
        assert_eq!(steps.settled(time(9004), begin + 4 * HOUR), time(1004));
        assert_eq!(steps.settled(time(9027), begin + 27 * HOUR), time(1027));
        assert_eq!(steps.settled(time(9028), begin + 28 * HOUR), time(9028));
        assert_eq!(steps.ahead(time(9028), begin + 28 * HOUR), None);
    }

    #[test]
    fn a_clock_that_goes_back_is_believed_at_once_and_so_is_its_way_to_where_it_was() {
        let (mut steps, begin) = (Steps::default(), Instant::now());
        assert_eq!(steps.settled(time(1000), begin), time(1000));
        assert_eq!(steps.settled(time(700), begin), time(700));
        assert_eq!(steps.settled(time(1), begin + HOUR), time(1));
        // Somewhere else is a leap; where it was before all of this is none.
        assert_eq!(steps.settled(time(500), begin + 2 * HOUR), time(2));
        assert_eq!(steps.settled(time(1003), begin + 3 * HOUR), time(1003));
        assert_eq!(steps.settled(time(500), begin + 3 * HOUR), time(500));
    }

    #[test]
    fn only_a_start_after_a_long_time_is_doubted() {
        let begin = Instant::now();
        assert_eq!(Steps::since(time(0), time(700), begin).settled(time(700), begin), time(700));
        assert_eq!(Steps::since(time(0), time(800), begin).settled(time(800), begin), time(0));
        assert_eq!(Steps::since(time(800), time(0), begin).settled(time(0), begin), time(0));
        // Set right: a stop of some hours is nothing.
        let mut doubted = Steps::since(time(0), time(800), begin);
        assert_eq!(doubted.settled(time(800), begin), time(0));
        assert_eq!(doubted.settled(time(20), begin), time(20));
        assert_eq!(doubted.ahead(time(20), begin), None);
        assert_eq!(doubted.settled(time(800), begin), time(20));
    }

    proptest::proptest! {
        #[test]
        fn nothing_ages_faster_than_time_passes_within_a_day(walls in proptest::collection::vec(0_u64..1 << 45, 1..40)) {
            let (mut steps, begin) = (Steps::default(), Instant::now());
            let mut newest = steps.settled(Timestamp::from_millis(walls[0]), begin);
            for (n, wall) in walls.iter().enumerate() {
                let now = begin + Duration::from_mins(n as u64);
                let settled = steps.settled(Timestamp::from_millis(*wall), now);
                // What is within the slack may be taken at each look.
                proptest::prop_assert!(settled.since(newest) <= SLACK + Duration::from_mins(1));
                proptest::prop_assert!(settled <= Timestamp::from_millis(*wall));
                newest = newest.max(settled);
            }
        }
    }
}
