//! How the journal is doing, at a glance.

use serde::Serialize;

use super::Audit;
use crate::model::Timestamp;

/// How the journal is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// When what was written was last forced to disk; `None`: nothing was since the start.
    pub last_sync: Option<Timestamp>,
    /// Writes that wait for their sync. More than a second's worth means a slow disk.
    pub unsynced: u64,
    /// Why nothing is taken now; no mail is accepted while there is a reason.
    pub failed: Option<String>,
    /// Records that are in the journal and not yet in the index.
    pub index_lag: u64,
}

impl Audit {
    /// How the journal is doing. Waits for a lock for a moment only.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let inner = self.journal.shared.lock();
        Standing {
            last_sync: inner.synced_at,
            unsynced: inner.written.saturating_sub(inner.synced),
            failed: inner.failed.clone(),
            index_lag: u64::try_from(self.journal.shared.metrics.audit_index_lag.get()).unwrap_or(0),
        }
    }
}
