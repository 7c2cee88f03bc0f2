//! Time of day, and ids made from it. Tests hold it still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::{MailId, Timestamp};

/// Tells the time of day. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Milliseconds since 1970 at which the clock is held, or `None` for the machine's own.
    held: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self { held: None }
    }

    /// A clock that stands still at `at` until [`Self::advance`].
    #[must_use]
    pub fn held(at: Timestamp) -> Self {
        Self { held: Some(Arc::new(AtomicU64::new(at.millis()))) }
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

    /// A new id for a message seen now.
    ///
    /// # Errors
    /// If the machine gives no random numbers.
    pub fn mail_id(&self) -> Result<MailId, getrandom::Error> {
        Ok(MailId::from_parts(self.now().millis(), getrandom::u64()?))
    }
}
