//! Gauges that say how things stand, for alerts: limits, room on disks, the clock.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Config;
use crate::model::Timestamp;
use crate::telemetry::Metrics;

fn gauge(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// What may be used of everything: some of it as it was at the start, because a reload cannot change it.
pub(super) fn limits(metrics: &Metrics, at_start: &Config, now: &Config) {
    metrics.messages_limit.set(gauge(at_start.limits.messages));
    metrics.message_bytes_limit.set(gauge(at_start.limits.held.0));
    metrics.deadline_seconds.set(now.limits.deadline.duration().as_secs_f64());
    let of = |name: &str| metrics.quarantine_limit.with_label_values(&[name]);
    of("entries").set(i64::from(now.quarantine.max_entries));
    of("bytes").set(gauge(now.quarantine.max_size.0));
}

/// The time of this machine; who collects it can tell how far it is off.
pub(super) fn clock(metrics: &Metrics, now: Timestamp) {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^52")]
    metrics.clock_seconds.set(now.millis() as f64 / 1000.0);
}

/// Room on the file systems of these places. Asking blocks where one is on the network.
pub(super) async fn disks(metrics: Arc<Metrics>, places: [(&'static str, PathBuf); 2]) {
    let asked = tokio::task::spawn_blocking(move || {
        for (name, path) in places {
            match nix::sys::statvfs::statvfs(&path) {
                Ok(found) => {
                    let unit = found.fragment_size();
                    metrics.disk_free.with_label_values(&[name]).set(gauge(found.blocks_available() * unit));
                    metrics.disk_size.with_label_values(&[name]).set(gauge(found.blocks() * unit));
                }
                Err(error) => {
                    tracing::debug!(path = %path.display(), %error, "how much room a disk has cannot be seen");
                }
            }
        }
    });
    if let Err(error) = asked.await {
        tracing::warn!(%error, "looking how much room there is panicked");
    }
}
