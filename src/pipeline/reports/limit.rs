//! How many reports are taken: of each user, and of all together.
//!
//! A name is what the mail server says, and whoever holds the token can say any: so there is a limit of all
//! together, and a number of names that are remembered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Config;

const HOUR: f64 = 3600.0;
/// Names remembered. Who is not among them shares one allowance with all the others.
const NAMES: usize = 10_000;
/// The most bytes of a name by which users are told apart.
const NAME: usize = 200;
/// One line in the log in this time.
const TELL: Duration = Duration::from_secs(60);

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    User,
    All,
}

/// An allowance that fills up within an hour.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn full(most: u32, now: Instant) -> Self {
        Self { left: f64::from(most), at: now }
    }

    fn fill(&mut self, most: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let most = f64::from(most);
        self.left = (self.left + passed * most / HOUR).min(most);
        self.at = now;
    }
}

/// What is left of the limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    users: HashMap<String, Allowance>,
    all: Option<Allowance>,
    told: Option<Instant>,
    silent: u64,
}

impl Limits {
    /// Takes one report of `user`, if there is one left.
    pub(super) fn take(&mut self, user: &str, config: &Config, now: Instant) -> Result<(), Beyond> {
        let all = self.all.get_or_insert_with(|| Allowance::full(config.in_all, now));
        all.fill(config.in_all, now);
        if all.left < 1.0 {
            return Err(Beyond::All);
        }
        let name = user.get(..user.floor_char_boundary(NAME)).unwrap_or_default().to_lowercase();
        if self.users.len() >= NAMES && !self.users.contains_key(&name) {
            // Whose allowance is full again needs not be remembered.
            self.users.retain(|_, kept| {
                kept.fill(config.per_user, now);
                kept.left + 0.5 < f64::from(config.per_user)
            });
        }
        let name =
            if self.users.len() >= NAMES && !self.users.contains_key(&name) { String::new() } else { name };
        let user = self.users.entry(name).or_insert_with(|| Allowance::full(config.per_user, now));
        user.fill(config.per_user, now);
        if user.left < 1.0 {
            return Err(Beyond::User);
        }
        user.left -= 1.0;
        if let Some(all) = &mut self.all {
            all.left -= 1.0;
        }
        Ok(())
    }

    /// Whether it is time for a line in the log, and how many went without one.
    pub(super) fn may_tell(&mut self, now: Instant) -> Option<u64> {
        if self.told.is_some_and(|at| now.saturating_duration_since(at) < TELL) {
            self.silent += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config { teach: true, per_user: 10, in_all: 25 };

    fn taken(limits: &mut Limits, user: &str, now: Instant) -> usize {
        (0..100).filter(|_| limits.take(user, &CONFIG, now).is_ok()).count()
    }

    #[test]
    fn one_user_cannot_use_up_what_is_there_for_all() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert_eq!(taken(&mut limits, "alice", now), 10);
        assert_eq!(
            limits.take("ALICE", &CONFIG, now),
            Err(Beyond::User),
            "letters are the same in both cases"
        );
        assert_eq!(taken(&mut limits, "bob", now), 10);
        // Whoever makes up names comes to the limit of all.
        assert_eq!(taken(&mut limits, "carol", now), 5);
        assert_eq!(limits.take("dave", &CONFIG, now), Err(Beyond::All));
    }

    #[test]
    fn an_allowance_fills_up_within_an_hour_and_no_further() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert_eq!(taken(&mut limits, "alice", now), 10);
        assert_eq!(taken(&mut limits, "alice", now + Duration::from_secs(720)), 2);
        assert_eq!(taken(&mut limits, "alice", now + Duration::from_secs(100_000)), 10);
    }

    #[test]
    fn made_up_names_take_no_memory_without_end() {
        let config = Config { in_all: u32::MAX, ..CONFIG };
        let (mut limits, now) = (Limits::default(), Instant::now());
        let taken =
            (0..NAMES + 100).filter(|n| limits.take(&format!("user{n}"), &config, now).is_ok()).count();
        // Those beyond share one allowance.
        assert_eq!(taken, NAMES + 10);
        assert!(limits.users.len() <= NAMES + 1);
        assert!(limits.take("late", &config, now + Duration::from_secs(3600)).is_ok());
        assert_eq!(limits.users.len(), 1, "those that are full again are forgotten");
    }

    #[test]
    fn a_flood_is_told_once_a_minute() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert_eq!(limits.may_tell(now), Some(0));
        assert_eq!(limits.may_tell(now), None);
        assert_eq!(limits.may_tell(now + TELL), Some(1));
    }
}
