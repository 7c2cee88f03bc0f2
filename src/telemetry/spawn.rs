//! Starting tasks so that a panic is never silent.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::task::JoinHandle;

use super::Metrics;

/// Starts `task` under `name`. A panic ends that task alone; it is logged and counted as
/// `mailward_panics_total{task}`.
#[expect(clippy::disallowed_methods, reason = "this is the supervised spawn that others must use")]
pub fn supervised<F>(name: &'static str, metrics: &Metrics, task: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let panics = metrics.panics.with_label_values(&[name]);
    tokio::spawn(async move {
        match AssertUnwindSafe(task).catch_unwind().await {
            Ok(value) => Some(value),
            Err(cause) => {
                panics.inc();
                tracing::error!(
                    task = name,
                    cause = panic_text(&*cause),
                    "a task panicked; the daemon goes on"
                );
                None
            }
        }
    })
}

/// What a caught panic said.
#[must_use]
pub fn panic_text(cause: &(dyn std::any::Any + Send)) -> &str {
    cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
