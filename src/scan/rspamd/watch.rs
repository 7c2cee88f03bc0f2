//! Asks rspamd now and then whether it is there, beside the mail: who starts the daemon in the morning
//! should not have to wait for the first mail to learn that rspamd is down.

use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::Rspamd;
use super::error::AskError;
use super::request;
use crate::telemetry::spawn::supervised;

/// How often.
const EVERY: Duration = Duration::from_secs(60);
/// How often while it does not answer.
const WHILE_SILENT: Duration = Duration::from_secs(15);
/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const MAX_ANSWER: usize = 4096;

/// Starts it; ends soon after `rspamd` is gone.
pub(super) fn start(rspamd: &Arc<Rspamd>) {
    let weak = Arc::downgrade(rspamd);
    supervised("rspamd-watch", &rspamd.metrics, async move {
        while let Some(pause) = round(&weak).await {
            tokio::time::sleep(pause).await;
        }
    });
}

/// Asks once. How long to wait before the next time; `None` when there is nobody to ask for any more.
async fn round(rspamd: &Weak<Rspamd>) -> Option<Duration> {
    let rspamd = rspamd.upgrade()?;
    let endpoint = rspamd.worker.endpoint();
    let deadline = Instant::now() + LIMIT;
    let request = request::ping(endpoint);
    let asking = rspamd.worker.ask(std::slice::from_ref(&request), MAX_ANSWER, deadline);
    let answer = match tokio::time::timeout_at(deadline.into(), asking).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::TimedOut { server: endpoint.to_string() }),
    };
    // A status that is no success is an answer all the same.
    let now = answer.map(|answer| rspamd.remember(answer.server.as_deref())).map_err(|e| e.to_string()).err();
    let pause = if now.is_some() { WHILE_SILENT } else { EVERY };
    let mut silent = rspamd.silent.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*silent, &now) {
        (Some(None), None) | (Some(Some(_)), Some(_)) => {}
        (_, Some(error)) => tracing::warn!(error, "rspamd does not answer"),
        (None | Some(Some(_)), None) => tracing::info!(server = %endpoint, "rspamd is there"),
    }
    *silent = Some(now);
    Some(pause)
}
