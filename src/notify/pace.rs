//! When a destination that failed is tried again: ever later, never at one time with others.

use std::time::Duration;

/// How long it is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

/// Each failure makes the next wait so many times longer.
const FACTOR: u32 = 4;

impl Pace {
    /// 5 s, 20 s, 80 s, 320 s, then each 15 min.
    pub const USUAL: Self = Self { first: Duration::from_secs(5), longest: Duration::from_secs(900) };

    /// The wait after so many failures in a row (1 or more). `random` is any number: half of the wait is by
    /// chance, so that many hosts that lost one destination do not come back to it together.
    #[must_use]
    pub fn wait(&self, failures: u32, random: u64) -> Duration {
        let steps = failures.saturating_sub(1).min(16);
        let whole = self.first.saturating_mul(FACTOR.saturating_pow(steps)).min(self.longest);
        let half = whole / 2;
        let share = (random % 1001) as u32;
        half + half.saturating_mul(share) / 1000
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wait_grows_up_to_a_bound() {
        let least: Vec<u128> = (1..=7).map(|n| Pace::USUAL.wait(n, 0).as_millis()).collect();
        assert_eq!(least, [2_500, 10_000, 40_000, 160_000, 450_000, 450_000, 450_000]);
        let longest: Vec<u128> = (1..=7).map(|n| Pace::USUAL.wait(n, 1000).as_millis()).collect();
        assert_eq!(longest, [5_000, 20_000, 80_000, 320_000, 900_000, 900_000, 900_000]);
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_half_or_longer_than_the_bound(failures: u32, random: u64) {
            let wait = Pace::USUAL.wait(failures, random);
            let most = Pace::USUAL.wait(failures, 1000);
            prop_assert!(wait >= most / 2 && wait <= most && most <= Pace::USUAL.longest);
        }
    }
}
