//! The end of a message: it is judged while the MTA is kept waiting, then answered in one write.

use std::sync::Arc;
use std::time::Duration;

use indymilter::message::reply::Reply;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::edits::{batch, reply_code};
use super::error::SessionError;
use super::frame::Wire;
use super::negotiate::Terms;
use super::serve::Shared;
use crate::intake::Snapshot;
use crate::intake::accept::Phase;
use crate::intake::judging::{End, Judging, report};
use crate::model::SmtpReply;
use crate::pipeline::{Decision, Received};

/// PROGRESS is five bytes. An MTA that does not take them is gone.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(1);

/// Has `received` judged and tells the MTA.
///
/// # Errors
/// If the MTA was not reached. The judge has been told so.
pub(super) async fn answer(
    wire: &mut Wire,
    terms: Terms,
    snapshot: &Arc<Snapshot>,
    shared: &Arc<Shared>,
    phase: &mut watch::Receiver<Phase>,
    received: Received,
) -> Result<(), SessionError> {
    let mut judging = Judging::begin(received, snapshot);
    let (end, gone) = match judging.at_once() {
        Some(end) => (end, None),
        None => wait(wire, &mut judging, shared, phase).await,
    };
    let metrics = &shared.service.metrics;
    let decision = judging.end(end, &metrics.milter_errors, metrics);
    let id = decision.as_ref().map(|decision| decision.id);
    let told = prepare(wire, terms, decision.as_ref(), shared);
    let written = match gone {
        Some(error) => Err(error),
        None => wire.flush(shared.patience.packet).await,
    };
    if let Some(id) = id {
        report(snapshot, id, told && written.is_ok());
    }
    written
}

/// Waits for the judge and tells the MTA meanwhile that somebody is at work. If the MTA goes away the
/// judge still finishes: what it does is recorded as not answered.
async fn wait(
    wire: &mut Wire,
    judging: &mut Judging,
    shared: &Shared,
    phase: &mut watch::Receiver<Phase>,
) -> (End, Option<SessionError>) {
    let mut progress = interval_at(Instant::now() + shared.progress, shared.progress);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gone = None;
    loop {
        tokio::select! {
            biased;
            end = judging.wait(phase) => return (end, gone),
            _ = progress.tick(), if gone.is_none() => {
                wire.push(Reply::Progress);
                gone = wire.flush(PROGRESS_PATIENCE).await.err();
            }
        }
    }
}

/// Pushes the answer. `false` if it is not the one that was decided.
fn prepare(wire: &mut Wire, terms: Terms, decision: Option<&Decision>, shared: &Shared) -> bool {
    let Some(decision) = decision else {
        wire.push(reply_code(&SmtpReply::tempfail(
            "the mail filter failed on this message, try again later",
        )));
        return false;
    };
    match batch(&decision.plan, terms) {
        Ok(replies) => {
            replies.into_iter().for_each(|reply| wire.push(reply));
            true
        }
        Err(error) => {
            shared.service.metrics.milter_errors.with_label_values(&["edits"]).inc();
            tracing::error!(id = %decision.id, %error, "a message could not be edited as decided; it is tempfailed");
            wire.push(reply_code(&SmtpReply::tempfail(
                "the mail filter could not edit this message, try again later",
            )));
            false
        }
    }
}
