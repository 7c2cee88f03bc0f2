//! What is done every hour: retention of quarantine and audit.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Entry, QuarantineEvent, Sync};
use crate::pipeline::Shared;

/// Between two rounds.
pub(super) const EVERY: Duration = Duration::from_secs(3600);

/// One round. Blocks; what fails is logged and tried again the next time.
pub(super) async fn round(shared: &Arc<Shared>) {
    let blocking = Arc::clone(shared);
    let swept = tokio::task::spawn_blocking(move || {
        let swept = blocking.quarantine.expire();
        if let Err(error) = blocking.repeats.expire(blocking.clock.now()) {
            tracing::warn!(%error, "the count of failed messages could not be cleaned up");
        }
        match blocking.audit.expire() {
            Ok(gone) if gone.days.is_empty() => {}
            Ok(gone) => tracing::info!(
                days = gone.days.len(),
                bytes = gone.bytes,
                "old days of the audit journal are removed"
            ),
            Err(error) => tracing::error!(%error, "audit retention failed; it is tried again in an hour"),
        }
        swept
    });
    let Ok(swept) = swept.await else {
        tracing::error!("the hourly upkeep panicked; it is tried again in an hour");
        return;
    };
    for note in &swept.notes {
        tracing::warn!(note, "quarantine");
    }
    for gone in swept.expired {
        let entry = Entry::Quarantine {
            id: gone.id,
            what: QuarantineEvent::Expired,
            by: "retention".to_owned(),
            time: shared.clock.now(),
            detail: gone.why.name().to_owned(),
        };
        if let Err(error) = shared.audit.append(entry, Sync::Soon).await {
            tracing::warn!(id = %gone.id, %error, "the end of a quarantine entry could not be noted");
        }
    }
}
