//! Watches the rule folders and loads them anew when they changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::source;
use super::{Inner, Yara};

/// How often the folders are looked at. A change is loaded once it looks the same twice, so that a
/// half-copied set is not read.
const EVERY: Duration = Duration::from_secs(2);

/// Runs until the scanner is dropped.
pub(super) async fn run(inner: Weak<Inner>, every: Option<Duration>) {
    let mut last = None;
    loop {
        tokio::time::sleep(every.unwrap_or(EVERY)).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let look = Arc::clone(&inner);
        let seen = tokio::task::spawn_blocking(move || {
            let (roots, trust) = look.library().watched();
            let now = source::fingerprint(&roots, &trust);
            (now, look.library().changed(now))
        });
        let Ok((now, is_changed)) = seen.await else {
            tracing::error!("looking at the YARA rule folders panicked; trying again");
            continue;
        };
        let is_settled = last.replace(now) == Some(now);
        if is_changed && is_settled {
            let load = Arc::clone(&inner);
            // The outcome is logged and counted where it happens.
            let loaded = tokio::task::spawn_blocking(move || Yara::load_anew(&load).is_ok()).await;
            if loaded.is_err() {
                tracing::error!("loading the YARA rules panicked; the rules in use stay");
            }
        }
    }
}
