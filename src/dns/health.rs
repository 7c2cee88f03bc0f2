//! Whether the DNS answers at all.
//!
//! That one foreign domain does not answer says nothing: its servers may be dead, or lie. So a question
//! that failed only makes us suspicious, and a probe (see [`super::servers`]) tells: if that fails as well
//! and no answer to any other question came for a while, the DNS is down. Any answer brings it back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::DnsError;

/// A probe that fails counts only if nothing was answered for so long: a resolver that is busy with dead
/// domains may be slow for a moment.
const SETTLED: Duration = Duration::from_secs(30);

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When a server last answered a question.
    answered: Option<Instant>,
    /// Somebody finds out.
    probing: bool,
    /// Why nothing is answered.
    down: Option<String>,
}

impl Health {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is answered; `None` while something is.
    pub(super) fn down(&self) -> Option<String> {
        self.known().down.clone()
    }

    /// A question was answered. Whether that is news.
    pub(super) fn answered(&self, now: Instant) -> bool {
        let mut known = self.known();
        known.answered = Some(now);
        known.down.take().is_some()
    }

    /// A question failed. Whether the caller should find out, and nobody does yet.
    pub(super) fn suspect(&self) -> bool {
        !std::mem::replace(&mut self.known().probing, true)
    }

    /// A probe failed. Whether it is news that the DNS is down.
    pub(super) fn failed(&self, error: &DnsError, now: Instant) -> bool {
        let mut known = self.known();
        let recent = known.answered.is_some_and(|at| now.saturating_duration_since(at) < SETTLED);
        if recent {
            return false;
        }
        known.down.replace(error.to_string()).is_none()
    }

    /// Whether who finds out is done: something was answered since `begun`. Then the next question that fails
    /// makes suspicious again.
    pub(super) fn is_settled(&self, begun: Instant) -> bool {
        let mut known = self.known();
        let settled = known.answered.is_some_and(|at| at >= begun);
        known.probing = !settled;
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn at_the_start_the_first_probe_tells() {
        let (health, begin) = (Health::default(), Instant::now());
        assert!(health.suspect());
        assert!(!health.suspect(), "one finds out, not many");
        assert!(health.failed(&DnsError::TimedOut, begin), "it is news");
        assert_eq!(health.down().as_deref(), Some("no DNS server answered in time"));
        assert!(!health.is_settled(begin), "probing goes on");
        assert!(!health.failed(&DnsError::TimedOut, begin + SECOND), "and is told once");
        assert!(health.answered(begin + 2 * SECOND), "it is news");
        assert_eq!(health.down(), None);
        assert!(health.is_settled(begin));
        assert!(health.suspect(), "and the next failure is looked into again");
    }

    #[test]
    fn one_dead_domain_is_not_a_dead_dns() {
        let (health, begin) = (Health::default(), Instant::now());
        health.answered(begin);
        assert!(health.suspect());
        assert!(!health.failed(&DnsError::TimedOut, begin + 29 * SECOND), "something was answered just now");
        assert_eq!(health.down(), None);
        assert!(!health.is_settled(begin + SECOND), "but it is looked into");
        assert!(health.failed(&DnsError::TimedOut, begin + 30 * SECOND));
        assert!(health.down().is_some());
    }
}
