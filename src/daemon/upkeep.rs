//! What is done every hour: retention of quarantine and audit, entries of the lists whose time is over. And every
//! minute: what the lists counted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::audit::{AdminEvent, Caught, Entry, QuarantineEvent, Sync};
use crate::lists::{Listed, Lists, Swept};
use crate::notify::{Event, Kind, Notifier, What};
use crate::pipeline::Shared;

/// Between two rounds.
pub(super) const EVERY: Duration = Duration::from_secs(3600);

/// How often the hit counts of the lists are written down.
pub(super) const WRITE_HITS_EVERY: Duration = Duration::from_secs(60);

/// Expired entries of one list that are noted one by one in a round.
const NAMED: usize = 100;

/// Writes the hit counts of the lists down. Its blocking part has a thread of its own.
pub(super) async fn write_hits(lists: Arc<Lists>) {
    match tokio::task::spawn_blocking(move || lists.write_hits()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the hit counts of the lists are written later"),
        Err(error) => tracing::error!(%error, "writing the hit counts of the lists panicked"),
    }
}

/// Tells what was caught afterwards, until the daemon stops.
pub(super) async fn tell_catches(mut catches: broadcast::Receiver<Caught>, notify: Arc<Notifier>) {
    loop {
        match catches.recv().await {
            Ok(caught) => {
                let time = caught.time;
                let event = Event { kinds: vec![Kind::Retro], time, what: What::Caught(Box::new(caught)) };
                notify.tell(event, None);
            }
            Err(RecvError::Lagged(missed)) => tracing::warn!(
                missed,
                "too much was caught afterwards at once for notifications; `mailward retro list` has all of it"
            ),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Takes away what expired on the lists.
async fn sweep_lists(shared: &Arc<Shared>) {
    let lists = Arc::clone(&shared.lists);
    let over = match tokio::task::spawn_blocking(move || lists.sweep()).await {
        Ok(Ok(over)) => over,
        Ok(Err(error)) => {
            return tracing::warn!(%error, "expired entries of the lists are removed later; they match no more");
        }
        Err(error) => {
            return tracing::error!(%error, "sweeping the lists panicked; it is tried again in an hour");
        }
    };
    for Swept { list, entries, change } in over {
        let mut told: Vec<String> = entries.iter().map(Listed::told).collect();
        let more = told.len().saturating_sub(NAMED);
        told.truncate(NAMED);
        if more > 0 {
            told.push(format!("{more} more entries"));
        }
        for gone in told {
            let entry = Entry::Admin {
                what: AdminEvent::ListExpired,
                by: "expiry".to_owned(),
                time: shared.clock.now(),
                detail: format!("change {change}, {list} list: {gone}"),
            };
            if let Err(error) = shared.audit.append(entry, Sync::Soon).await {
                tracing::warn!(%list, gone, %error, "the end of an entry of the lists could not be noted");
            }
        }
    }
}

/// One round. Blocks; what fails is logged and tried again the next time.
pub(super) async fn round(shared: &Arc<Shared>) {
    let blocking = Arc::clone(shared);
    let swept = tokio::task::spawn_blocking(move || {
        let swept = blocking.quarantine.expire();
        if let Err(error) = blocking.repeats.expire(blocking.clock.settled()) {
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
    sweep_lists(shared).await;
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
