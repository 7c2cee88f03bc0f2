//! Asks clamd now and then which signatures it has, beside the mail.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::Clamd;
use super::error::AskError;
use super::reply::shown;
use super::version::Version;
use crate::model::Span;
use crate::telemetry::spawn::supervised;

/// How often.
const EVERY: Duration = Duration::from_secs(300);
/// How often while it does not answer.
const WHILE_SILENT: Duration = Duration::from_secs(15);
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts it, if there is a runtime; ends with `clamd`.
pub(super) fn start(clamd: &Arc<Clamd>) {
    if tokio::runtime::Handle::try_current().is_err() {
        return;
    }
    let (weak, known) = (Arc::downgrade(clamd), Arc::clone(&clamd.known));
    supervised("clamd-watch", &clamd.metrics, async move {
        while let Some(pause) = round(&weak).await {
            drop(tokio::time::timeout(pause, known.wake.notified()).await);
        }
    });
}

/// Asks once. How long to wait before the next time; `None` when there is nobody to ask for any more.
async fn round(clamd: &Weak<Clamd>) -> Option<Duration> {
    let clamd = clamd.upgrade()?;
    let deadline = Instant::now() + LIMIT;
    let asking = clamd.command(b"zVERSION\0", deadline);
    let answer = tokio::time::timeout_at(deadline.into(), asking).await;
    let version = answer
        .unwrap_or(Err(AskError::Silent(Span(LIMIT))))
        .and_then(|reply| Version::parse(&reply).ok_or_else(|| AskError::Unknown(shown(&reply))));
    match version {
        Ok(version) => {
            clamd.known.learns(version);
            Some(EVERY)
        }
        Err(error) => {
            clamd.known.fails(&error);
            Some(WHILE_SILENT)
        }
    }
}
