//! A start that takes long, told to systemd.

use std::time::Duration;

use tokio::task::AbortHandle;

use super::notify;
use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(20);
/// What each time is asked for.
const MORE: Duration = Duration::from_secs(60);
/// How many times: a start that never ends is not one. An hour recovers a journal of tens of gigabytes.
const TIMES: u32 = 180;

/// Asks systemd for more time until the daemon is up: a big journal is replayed, a database recovered.
///
/// It shows that the process runs, not that it comes on; hence the bound.
pub(super) struct Starting(AbortHandle);

impl Starting {
    pub(super) fn begin(metrics: &Metrics) -> Self {
        let telling = async {
            for _ in 0..TIMES {
                notify::starting(MORE);
                tokio::time::sleep(EVERY).await;
            }
            tracing::error!("the start does not come to an end; systemd is asked for no more time");
        };
        Self(supervised("starting", metrics, telling).abort_handle())
    }

    /// It is up.
    pub(super) fn end(self) {
        drop(self);
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
