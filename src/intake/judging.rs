//! Waiting for the judge at the end of a message, and for no longer than is good.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use prometheus::IntCounterVec;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Snapshot;
use super::accept::{Phase, over};
use super::client::shown;
use crate::model::{Envelope, MailId, ReversePath, Session, text};
use crate::pipeline::{Decision, Judge, Received};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::{panic_text, supervised};

type Work = Pin<Box<dyn Future<Output = Result<Decision, Box<dyn std::any::Any + Send>>> + Send>>;

/// A message that is being judged.
pub(super) struct Judging {
    work: Work,
    hung: Instant,
    named: Named,
    snapshot: Arc<Snapshot>,
}

/// How the wait for a judge ended.
#[expect(clippy::large_enum_variant, reason = "there is one for a moment, and nearly always the large one")]
pub(super) enum End {
    /// It is done, or panicked.
    Done(<Work as Future>::Output),
    /// It was not waited for any longer.
    Late(Late),
}

/// Why a judge was not waited for any longer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Late {
    /// It is far beyond its deadline.
    Hung,
    /// The daemon stops.
    Cut,
}

impl Late {
    /// The bounded word for counts of errors by kind.
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

impl Judging {
    /// Has `received` judged as soon as it is waited for.
    pub(super) fn begin(received: Received, snapshot: &Arc<Snapshot>) -> Self {
        let named = Named::of(&received);
        let judge = Arc::clone(&snapshot.judge);
        let work = Box::pin(AssertUnwindSafe(async move { judge.judge(received).await }).catch_unwind());
        let hung = Instant::now() + snapshot.hung_after;
        Self { work, hung, named, snapshot: Arc::clone(snapshot) }
    }

    /// The end, if it is here without any wait: so it is with most messages, and then no timer is set.
    pub(super) fn at_once(&mut self) -> Option<End> {
        self.work.as_mut().now_or_never().map(End::Done)
    }

    /// Waits until it is judged, the judge is taken for hung, or the daemon is out of time.
    ///
    /// # Cancel safety
    /// Whoever stops waiting can wait again, until there was an end.
    pub(super) async fn wait(&mut self, phase: &mut watch::Receiver<Phase>) -> End {
        tokio::select! {
            biased;
            done = &mut self.work => End::Done(done),
            () = sleep_until(self.hung) => End::Late(Late::Hung),
            () = over(phase) => End::Late(Late::Cut),
        }
    }

    /// What was decided. `None` where nothing was: that is told here and counted in `errors`, and a judge that is
    /// not waited for is let be: should it come to an end, it is told that nobody heard it.
    pub(super) fn end(self, end: End, errors: &IntCounterVec, metrics: &Metrics) -> Option<Decision> {
        let told = || self.named.told(&*self.snapshot.judge);
        let why = match end {
            End::Done(Ok(decision)) => return Some(decision),
            End::Done(Err(cause)) => {
                metrics.panics.with_label_values(&["judge"]).inc();
                let (queue_id, sender, client) = told();
                let cause = panic_text(&*cause);
                tracing::error!(
                    queue_id,
                    from = sender,
                    client,
                    cause,
                    "judging a message panicked; it is tempfailed"
                );
                return None;
            }
            End::Late(why) => why,
        };
        let (queue_id, sender, client) = told();
        errors.with_label_values(&[why.label()]).inc();
        match why {
            Late::Hung => tracing::error!(
                queue_id,
                from = sender,
                client,
                after_ms = self.snapshot.hung_after.as_millis(),
                "judging a message hangs beyond its deadline; it is tempfailed"
            ),
            Late::Cut => tracing::error!(
                queue_id,
                from = sender,
                client,
                "a message was not judged when mailward had to stop; it is tempfailed"
            ),
        }
        let Self { work, snapshot, .. } = self;
        supervised("late-judge", metrics, async move {
            if let Ok(decision) = work.await {
                report(&snapshot, decision.id, false);
            }
        });
        None
    }
}

/// Tells the judge whether the MTA has the answer.
pub(super) fn report(snapshot: &Snapshot, id: MailId, reached: bool) {
    let judge: &dyn Judge = &*snapshot.judge;
    judge.answered(id, reached);
}
