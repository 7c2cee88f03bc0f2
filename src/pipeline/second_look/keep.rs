//! Keeping a copy, before the answer.

use std::sync::Arc;
use std::time::Duration;

use super::{Config, Keep, SecondLook, names};
use crate::audit::QuarantineEvent;
use crate::model::{Answer, Disposition, MailId, Scanner};
use crate::pipeline::engine::{Judged, Looked};
use crate::pipeline::record;
use crate::quarantine::{self, CopyLimits, NewEntry};

/// How long a message waits for its copy at most.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is kept of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Kept {
    missed: Vec<Scanner>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Copy(quarantine::Kept),
    Keys,
    Nothing(String),
}

impl Kept {
    /// What is not kept, in the words of the audit record.
    pub(in crate::pipeline) fn left_out(&self) -> Option<String> {
        match &self.what {
            What::Nothing(why) => {
                Some(format!("no copy for a second look by {}: {why}", names(&self.missed)))
            }
            What::Copy(_) | What::Keys => None,
        }
    }
}

/// Which of `scanners` failed, if somebody gets the message.
fn missed(scanners: &[Scanner], looked: &Looked, judged: &Judged) -> Vec<Scanner> {
    let failed = looked.seen.coverage.0.iter().filter(|(_, outcome)| outcome.is_failure());
    let missed: Vec<Scanner> = failed.map(|(s, _)| *s).filter(|s| scanners.contains(s)).collect();
    let delivered =
        matches!(judged.plan.answer, Answer::Accept) && judged.plan.recipients.iter().any(is_delivered);
    if delivered { missed } else { Vec::new() }
}

fn is_delivered(disposition: &Disposition) -> bool {
    matches!(disposition, Disposition::Accept | Disposition::Tag)
}

impl SecondLook {
    /// Keeps what is to be kept of a message that is going to be delivered; `None`: nothing of it is. `held`: an entry
    /// with its id is in the quarantine already. Does not fail.
    pub(in crate::pipeline) async fn keep(
        self: &Arc<Self>,
        looked: &Arc<Looked>,
        judged: &Judged,
        held: bool,
    ) -> Option<Kept> {
        let settings = self.settings.load_full();
        if settings.keep == Keep::Off {
            return None;
        }
        let missed = missed(&settings.scanners, looked, judged);
        if missed.is_empty() {
            return None;
        }
        let what = match settings.keep {
            Keep::Off => return None,
            Keep::Keys if self.parts.retro.is_on() => What::Keys,
            Keep::Keys => What::Nothing("[retro] is off, which keeps links and files".to_owned()),
            Keep::Message => self.copy(&settings, looked, judged, missed.clone(), held).await,
        };
        let label = match &what {
            What::Copy(kept) if kept.fresh => "message",
            What::Copy(_) => "again",
            What::Keys => "keys",
            What::Nothing(why) => {
                tracing::warn!(
                    id = %looked.input.id,
                    missed = names(&missed),
                    error = why,
                    "a message is delivered although a scanner failed, and no copy could be kept for a second look"
                );
                "nothing"
            }
        };
        self.parts.metrics.second_look_kept.with_label_values(&[label]).inc();
        Some(Kept { missed, what })
    }

    async fn copy(
        self: &Arc<Self>,
        settings: &Config,
        looked: &Arc<Looked>,
        judged: &Judged,
        missed: Vec<Scanner>,
        held: bool,
    ) -> What {
        let size = looked.input.message.raw().len() as u64;
        if size > settings.max_size.0 {
            let why = format!("it has {size} bytes, more than second_look.max_size ({})", settings.max_size);
            return What::Nothing(why);
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return What::Nothing("the disk does not follow".to_owned());
        };
        let id = if held { self.parts.clock.mail_id().ok() } else { Some(looked.input.id) };
        let Some(id) = id else { return What::Nothing("the machine gives no random numbers".to_owned()) };
        let recipients = judged.plan.recipients.iter().enumerate();
        let recipients: Vec<usize> =
            recipients.filter(|(_, disposition)| is_delivered(disposition)).map(|(i, _)| i).collect();
        let verdict = recipients.iter().find_map(|i| judged.verdicts.get(*i)).cloned();
        let limits = CopyLimits {
            message: settings.max_size.0,
            total: settings.max_total.0,
            messages: u64::from(settings.max_messages),
        };
        let (quarantine, looked) = (Arc::clone(&self.parts.quarantine), Arc::clone(looked));
        let work = move || {
            let _place = place;
            let input = &looked.input;
            let verdict = verdict.as_ref();
            let (from, subject) = (record::field(input, "From"), record::field(input, "Subject"));
            let new = NewEntry {
                id,
                category: verdict.map(|v| v.category).unwrap_or_default(),
                score: verdict.map(|v| v.score).unwrap_or_default(),
                rule: verdict.map(|v| v.rule.as_str()).unwrap_or_default(),
                reason: verdict.map(|v| v.reason.as_str()).unwrap_or_default(),
                session: &input.session,
                envelope: &input.envelope,
                recipients: &recipients,
                message: &input.message,
                from: from.as_deref().unwrap_or_default(),
                subject: subject.as_deref().unwrap_or_default(),
                coverage: &looked.seen.coverage,
                findings: &looked.seen.findings,
                auth_results: looked.auth_results.as_deref(),
            };
            let second_look = quarantine::SecondLook { of: input.id, missed, caught: None };
            quarantine.keep_copy(&new, second_look, limits)
        };
        match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
            Ok(Ok(Ok(kept))) => {
                self.trouble.clear();
                What::Copy(kept)
            }
            Ok(Ok(Err(error))) => {
                self.trouble.set(&error.to_string());
                What::Nothing(error.to_string())
            }
            Ok(Err(error)) => What::Nothing(format!("keeping it panicked: {error}")),
            // It may be there in a moment; then it is looked at like the others.
            Err(_) => What::Nothing(format!("the disk took longer than {} s", PATIENCE.as_secs())),
        }
    }

    /// Its record is written: what is kept stands in the journal, too.
    pub(in crate::pipeline) async fn delivered(&self, id: MailId, kept: Kept) {
        let missed = names(&kept.missed);
        let detail = match kept.what {
            What::Copy(copy) if copy.id == id => format!("{missed} did not look"),
            What::Copy(copy) => format!("{missed} did not look; the copy is {}", copy.id),
            What::Keys => {
                format!(
                    "{missed} did not look, and will not: by its links and files alone, of which feeds are asked"
                )
            }
            What::Nothing(_) => return,
        };
        self.note(id, QuarantineEvent::SecondLookKept, detail).await;
    }

    /// It is not delivered after all.
    pub(in crate::pipeline) async fn take_back(&self, kept: Kept) {
        let What::Copy(quarantine::Kept { id, fresh: true }) = kept.what else { return };
        let quarantine = Arc::clone(&self.parts.quarantine);
        match tokio::task::spawn_blocking(move || quarantine.remove_copy(id)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%id, %error, "a copy of a message that was put off stays"),
            Err(error) => tracing::error!(%id, %error, "removing a copy panicked"),
        }
    }
}
