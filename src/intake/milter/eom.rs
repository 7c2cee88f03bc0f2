//! The end of a message: it is judged while the MTA is kept waiting, then answered in one write.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use indymilter::message::reply::Reply;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::connection::shown;
use super::edits::{batch, reply_code};
use super::error::SessionError;
use super::frame::Wire;
use super::negotiate::Terms;
use super::serve::{Phase, Shared, Snapshot, over};
use crate::model::{Envelope, MailId, ReversePath, Session, SmtpReply, text};
use crate::pipeline::{Decision, Judge, Received};
use crate::telemetry::spawn::{panic_text, supervised};

/// PROGRESS is five bytes. An MTA that does not take them is gone.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(1);

type Work = Pin<Box<dyn Future<Output = Result<Decision, Box<dyn std::any::Any + Send>>> + Send>>;

/// How the wait for a judge ended.
#[expect(clippy::large_enum_variant, reason = "there is one for a moment, and nearly always the large one")]
enum End {
    Done(<Work as Future>::Output),
    /// It was not waited for any longer.
    Late(Late),
}

/// Why a judge was not waited for any longer.
#[derive(Clone, Copy, Debug)]
enum Late {
    /// It is far beyond its deadline.
    Hung,
    /// The daemon stops.
    Cut,
}

impl Late {
    /// The bounded word for `mailward_milter_errors_total{kind}`.
    const fn label(self) -> &'static str {
        match self {
            Self::Hung => "hung",
            Self::Cut => "cut",
        }
    }
}

/// What a message without an id of ours is named by, because its judge never gave one. Only kept while it
/// is judged; made into text when there is something to be told.
struct Named {
    queue_id: Option<String>,
    reverse_path: ReversePath,
    session: Arc<Session>,
}

impl Named {
    fn of(received: &Received) -> Self {
        let Envelope { queue_id, reverse_path, .. } = &received.envelope;
        let (queue_id, reverse_path) = (queue_id.clone(), reverse_path.clone());
        Self { queue_id, reverse_path, session: Arc::clone(&received.session) }
    }

    /// Queue id, sender and client for a log line.
    fn told(&self, judge: &dyn Judge) -> (String, String, String) {
        let queue_id = text::line(self.queue_id.as_deref().unwrap_or("none"), MAX_SHOWN);
        (queue_id, judge.shown(self.reverse_path.address()), shown(&self.session.client))
    }
}

/// Longest foreign text in a log line, in characters.
const MAX_SHOWN: usize = 200;

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
    let named = Named::of(&received);
    let judge = Arc::clone(&snapshot.judge);
    let mut work: Work =
        Box::pin(AssertUnwindSafe(async move { judge.judge(received).await }).catch_unwind());
    let (end, gone) = wait(wire, &mut work, snapshot, shared, phase).await;
    let decision = match end {
        End::Done(Ok(decision)) => Some(decision),
        End::Done(Err(cause)) => {
            shared.service.metrics.panics.with_label_values(&["judge"]).inc();
            let (queue_id, sender, client) = named.told(&*snapshot.judge);
            let cause = panic_text(&*cause);
            tracing::error!(queue_id, sender, client, cause, "judging a message panicked; it is tempfailed");
            None
        }
        End::Late(why) => {
            hand_over(work, why, &named, snapshot, shared);
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
    phase: &mut watch::Receiver<Phase>,
) -> (End, Option<SessionError>) {
    // Most messages are judged without any wait, and then no timer is set.
    if let Some(done) = work.as_mut().now_or_never() {
        return (End::Done(done), None);
    }
    let hung = sleep(snapshot.hung_after);
    tokio::pin!(hung);
    let mut progress = interval_at(Instant::now() + shared.progress, shared.progress);
    progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut gone = None;
    loop {
        tokio::select! {
            biased;
            done = &mut *work => return (End::Done(done), gone),
            () = &mut hung => return (End::Late(Late::Hung), gone),
            () = over(phase) => return (End::Late(Late::Cut), gone),
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

/// A judge that is not waited for is let be: should it come to an end, it is told that nobody heard
/// it.
fn hand_over(work: Work, why: Late, named: &Named, snapshot: &Arc<Snapshot>, shared: &Arc<Shared>) {
    let (queue_id, sender, client) = named.told(&*snapshot.judge);
    shared.service.metrics.milter_errors.with_label_values(&[why.label()]).inc();
    match why {
        Late::Hung => tracing::error!(
            queue_id,
            sender,
            client,
            after_ms = snapshot.hung_after.as_millis(),
            "judging a message hangs beyond its deadline; it is tempfailed"
        ),
        Late::Cut => tracing::error!(
            queue_id,
            sender,
            client,
            "a message was not judged when mailward had to stop; it is tempfailed"
        ),
    }
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
