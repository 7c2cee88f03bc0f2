//! How many of our messages ask one server at once.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets at most a fixed number through at once; the others wait in order.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

/// A place inside; given back when dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Gate {
    /// A gate for `places` at once, at least one.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place until `deadline`; `None` if none came free.
    pub async fn enter(&self, deadline: Instant) -> Option<Permit> {
        if let Ok(permit) = Arc::clone(&self.0).try_acquire_owned() {
            return Some(Permit(permit));
        }
        let waiting = Arc::clone(&self.0).acquire_owned();
        let permit = tokio::time::timeout_at(deadline.into(), waiting).await.ok()?.ok()?;
        Some(Permit(permit))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_waits_until_the_deadline_or_until_one_comes_free() {
        let gate = Gate::new(1);
        let soon = || Instant::now() + Duration::from_millis(20);
        let first = gate.enter(soon()).await;
        assert!(first.is_some());
        assert!(gate.enter(soon()).await.is_none());
        drop(first);
        assert!(gate.enter(soon()).await.is_some());
    }
}
