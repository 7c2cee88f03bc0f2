//! The end of a message: it is judged while the MTA is kept waiting, then answered in one write.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use indymilter::message::reply::Reply;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::edits::{batch, reply_code};
use super::error::SessionError;
use super::frame::Wire;
use super::negotiate::Terms;
use super::serve::{Shared, Snapshot};
use crate::model::{MailId, SmtpReply};
use crate::pipeline::{Decision, Judge, Received};
use crate::telemetry::spawn::{panic_text, supervised};

/// PROGRESS is five bytes. An MTA that does not take them is gone.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(1);

type Work = Pin<Box<dyn Future<Output = Result<Decision, Box<dyn std::any::Any + Send>>> + Send>>;

/// Has `received` judged and tells the MTA.
///
/// # Errors
/// If the MTA was not reached. The judge has been told so.
pub(super) async fn answer(
    wire: &mut Wire,
    terms: Terms,
    snapshot: &Arc<Snapshot>,
    shared: &Arc<Shared>,
    received: Received,
) -> Result<(), SessionError> {
    let judge = Arc::clone(&snapshot.judge);
    let mut work: Work =
        Box::pin(AssertUnwindSafe(async move { judge.judge(received).await }).catch_unwind());
    let (decision, gone) = wait(wire, &mut work, snapshot, shared).await;
    let decision = match decision {
        Some(Ok(decision)) => Some(decision),
        Some(Err(cause)) => {
            shared.service.metrics.panics.with_label_values(&["judge"]).inc();
            tracing::error!(cause = panic_text(&*cause), "judging a message panicked; it is tempfailed");
            None
        }
        None => {
            hand_over(work, snapshot, shared);
            None
        }
    };
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
    work: &mut Work,
    snapshot: &Snapshot,
    shared: &Shared,
) -> (Option<<Work as Future>::Output>, Option<SessionError>) {
    // Most messages are judged without any wait, and then no timer is set.
    if let Some(done) = work.as_mut().now_or_never() {
        return (Some(done), None);
    }
    let hung = sleep(snapshot.hung_after);
    tokio::pin!(hung);
    let mut progress = interval_at(Instant::now() + shared.progress, shared.progress);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gone = None;
    loop {
        tokio::select! {
            biased;
            done = &mut *work => return (Some(done), gone),
            () = &mut hung => return (None, gone),
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

/// A judge that hangs is let be: should it come to an end, it is told that nobody heard it.
fn hand_over(work: Work, snapshot: &Arc<Snapshot>, shared: &Arc<Shared>) {
    shared.service.metrics.milter_errors.with_label_values(&["hung"]).inc();
    tracing::error!(
        after_ms = snapshot.hung_after.as_millis(),
        "judging a message hangs beyond its deadline; it is tempfailed"
    );
    let snapshot = Arc::clone(snapshot);
    supervised("late-judge", &shared.service.metrics, async move {
        if let Ok(decision) = work.await {
            report(&snapshot, decision.id, false);
        }
    });
}

fn report(snapshot: &Snapshot, id: MailId, reached: bool) {
    let judge: &dyn Judge = &*snapshot.judge;
    judge.answered(id, reached);
}
