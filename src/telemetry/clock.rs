//! Time of day, and ids made from it. Tests hold it still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::steps::{Ahead, Steps};

use crate::model::{MailId, Timestamp};

/// Tells the time of day. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds since 1970 at which the clock is held, or `None` for the machine's own.
    held: Option<Arc<AtomicU64>>,
    /// What is known of its steps; the same for all clones.
    steps: Arc<Mutex<Steps>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, of which `last` is the last that was seen before the start: see [`Steps::since`].
    #[must_use]
    pub fn system_since(last: Timestamp) -> Self {
        let clock = Self::default();
        let steps = Steps::since(last, clock.now(), Instant::now());
        *clock.steps.lock().unwrap_or_else(PoisonError::into_inner) = steps;
        clock
    }

    /// A clock that stands still at `at` until [`Self::advance`].
    #[must_use]
    pub fn held(at: Timestamp) -> Self {
        Self { held: Some(Arc::new(AtomicU64::new(at.millis()))), steps: Arc::default() }
    }

    /// Moves a held clock forward; the machine's own is left alone.
    pub fn advance(&self, by: Duration) {
        if let Some(held) = &self.held {
            held.fetch_add(u64::try_from(by.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
    pub fn now(&self) -> Timestamp {
        match &self.held {
            Some(held) => Timestamp::from_millis(held.load(Ordering::Relaxed)),
            None => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }
        }
    }

    /// Now, as far as it is believed: what is removed for its age goes by this, and in which day's file a record is.
    /// A clock that leaps ahead must not empty the quarantine; see [`Steps`].
    #[must_use]
    pub fn settled(&self) -> Timestamp {
        let now = self.now();
        if self.held.is_some() {
            return now;
        }
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).settled(now, Instant::now())
    }

    /// How far the time of day leapt ahead, while that is not believed yet.
    #[must_use]
    pub fn ahead(&self) -> Option<Ahead> {
        if self.held.is_some() {
            return None;
        }
        let (wall, now) = (self.now(), Instant::now());
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.settled(wall, now);
        steps.ahead(wall, now)
    }

    /// A new id for a message seen now.
    ///
    /// # Errors
    /// If the machine gives no random numbers.
    pub fn mail_id(&self) -> Result<MailId, getrandom::Error> {
        Ok(MailId::from_parts(self.now().millis(), getrandom::u64()?))
    }
}
