//! What became of a damaged database, told until somebody has read it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DaemonError;
use crate::backup::refill;
use crate::config::Config;
use crate::lists::Lists;
use crate::model::text;
use crate::notify::{Kind, Sight};
use crate::store::{Recovery, Store};
use crate::telemetry::{Clock, Metrics};

/// Stands in state_dir until somebody removes it.
const NOTE: &str = "RECOVERED.txt";

/// Fills a store that had to begin anew, and says so loudly. Blocks.
pub(super) fn attend(
    store: &Store,
    recoveries: &[Recovery],
    config: &Config,
    metrics: &Metrics,
) -> Result<(), DaemonError> {
    metrics.database_recoveries.set(i64::try_from(recoveries.len()).unwrap_or(i64::MAX));
    let mut told: Vec<String> = Vec::new();
    for recovery in recoveries {
        told.push(recovery.to_string());
        if let Some(aside) = recovery.aside() {
            told.extend(refill::refill(store, aside, &config.backup.path, &config.store)?);
        }
    }
    for sentence in &told {
        tracing::error!("the database had to be recovered: {sentence}");
    }
    if !told.is_empty() {
        // Without it nobody would know at the next start; with it what was filled in is not filled in again.
        let path = path(&config.state_dir);
        note(&path, &told).map_err(|source| DaemonError::State { path, source })?;
        store.recovered()?;
    }
    Ok(())
}

fn note(path: &Path, told: &[String]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let now = Clock::system().now();
    for sentence in told {
        writeln!(file, "{now} {}", text::line(sentence, 2000))?;
    }
    file.sync_all()
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NOTE)
}

/// Opens a database again that takes nothing more, because the disk was full, as soon as it can be written.
pub(super) async fn mend(lists: Arc<Lists>) {
    let mended = tokio::task::spawn_blocking(move || lists.mend()).await;
    match mended {
        Ok(Ok(())) => {}
        // `/readyz` says it until then.
        Ok(Err(error)) => tracing::debug!(%error, "the database is still not to be used"),
        Err(error) => tracing::error!(%error, "opening the database again panicked; it is tried again"),
    }
}

/// Degraded while it cannot be written, and until the note is read and removed.
pub(super) fn sight(state_dir: &Path, store: &Store) -> Sight {
    let path = path(state_dir);
    let begin = || fs::metadata(&path).ok()?.modified().ok();
    let note = begin().map(|_| {
        format!(
            "the database was damaged and recovered at a start; read {} for what may be lost, then remove that file",
            path.display()
        )
    });
    let trouble = store.trouble().or(note);
    Sight { kind: Kind::DaemonTrouble, about: "database".to_owned(), trouble }
}
