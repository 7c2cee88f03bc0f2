//! The daily export: made with the hourly upkeep where today has none.

use std::sync::Arc;

use super::control::Daemon;
use crate::admin::Places;
use crate::backup::{Source, daily};
use crate::notify::{Kind, Sight};
use crate::pipeline::{Shared, Trouble};
use crate::store::Store;

/// Where things of a backup are.
pub(super) fn source(shared: &Shared, store: &Store, places: &Places) -> Source {
    Source {
        store: store.clone(),
        audit: Arc::clone(&shared.audit),
        lists: Arc::clone(&shared.lists),
        state_dir: places.state_dir.clone(),
        quarantine: shared.quarantine.root(),
        config_files: places.config_files.clone(),
        host: places.host.clone(),
    }
}

/// Makes today's export if it is due.
pub(super) async fn round(daemon: &Daemon, shared: &Arc<Shared>, store: &Store) {
    let (config, places) = daemon.backup();
    // A file of a day that is far ahead would be the newest for ever.
    let now = shared.clock.settled();
    let folder = places.exports.clone();
    if !config.daily {
        // What is not made does not become old.
        shared.metrics.backup_last_success_seconds.set(0.0);
        return daemon.export_trouble().clear();
    }
    if !daily::is_due(&folder, now) {
        return;
    }
    let source = source(shared, store, &places);
    let made = tokio::task::spawn_blocking(move || daily::make(&source, &folder, config.keep, now)).await;
    let metrics = &shared.metrics;
    match made {
        Ok(Ok(path)) => {
            daemon.export_trouble().clear();
            metrics.backup_last_success_seconds.set(now.seconds() as f64);
            tracing::info!(path = %path.display(), "the daily export is written");
        }
        Ok(Err(error)) => {
            metrics.backup_failures.inc();
            daemon.export_trouble().set(&format!("the daily export could not be written: {error}"));
            tracing::error!(%error, "the daily export could not be written; it is tried again in an hour");
        }
        Err(error) => {
            metrics.backup_failures.inc();
            daemon.export_trouble().set("the daily export panicked: see the log");
            tracing::error!(%error, "the daily export panicked; it is tried again in an hour");
        }
    }
}

/// Whether the last one failed.
pub(super) fn sight(trouble: &Trouble) -> Sight {
    Sight { kind: Kind::DaemonTrouble, about: "backup".to_owned(), trouble: trouble.sentence() }
}

/// When the newest one was made, for the gauge of a daemon that has just started. Blocks.
pub(super) fn newest(folder: &std::path::Path) -> Option<f64> {
    let (_, path) = daily::exports(folder).ok()?.into_iter().next()?;
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs_f64())
}
