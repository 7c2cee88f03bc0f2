//! Refusing whom the block list names before the message is sent, and the record of it.
//!
//! The answer is given at once, out of memory. Its record is written behind it, also where `audit.sync` is
//! "always": a bounded number of them may wait, and where no more may, or the last could not be written, the
//! answer is 4xx without an id. So the ids that are told and not on record are those of the moment in which
//! the machine or the journal failed, and nothing was taken or lost under them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};

use super::process::{Process, Shared};
use super::{Refusal, telling};
use crate::audit::{Audit, Entry, MessageFacts, PlanSummary, Record, SharedVerdict, Stage, Sync};
use crate::lists::{Asked, Early};
use crate::model::{
    Answer, Category, Coverage, Direction, Disposition, Envelope, Explanation, ListHit, ListHits, MailId,
    Matched, Recipient, ReversePath, Score, Session, SmtpReply, Step, Timestamp, Verdict, text,
};
use crate::telemetry::Metrics;
use crate::telemetry::spawn::supervised;

/// Records that may wait to be written.
const WAITING: usize = 1024;
/// Records that are written with one sync.
const AT_ONCE: usize = 64;
/// Longest path or parameter in a record that waits, in bytes.
const MAX_TEXT: usize = 1024;
/// The most parameters of MAIL in such a record.
const MAX_PARAMETERS: usize = 16;
/// The rule that stands in the verdict.
const RULE: &str = "block-list";
/// Between two warnings that refusals cannot be recorded fast enough, in milliseconds.
const WARN_EVERY: u64 = 60_000;

enum Job {
    Write(Box<Record>),
    End(oneshot::Sender<()>),
}

/// Writes the records of early refusals, behind the answers.
#[derive(Debug)]
pub struct Refusals {
    queue: mpsc::Sender<Job>,
    /// The last record could not be written.
    failing: Arc<AtomicBool>,
    /// When it was last said that the queue is full, in milliseconds.
    warned: AtomicU64,
}

impl Refusals {
    /// Starts writing to `audit`. Needs a runtime.
    #[must_use]
    pub fn start(audit: Arc<Audit>, metrics: &Metrics) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING);
        let failing = Arc::new(AtomicBool::new(false));
        supervised("early-refusals", metrics, write(jobs, audit, Arc::clone(&failing)));
        Self { queue, failing, warned: AtomicU64::new(0) }
    }

    /// Writes what waits and lets the audit go. Nothing is recorded after it.
    pub async fn close(&self) {
        let (told, ended) = oneshot::channel();
        if self.queue.send(Job::End(told)).await.is_ok() {
            // If the task panicked there is nothing to wait for.
            ended.await.ok();
        }
    }

    /// Whether the record will be written, as far as can be known. While records cannot be written it is
    /// tried with each, and nobody is told an id.
    fn take(&self, record: Record, now: Timestamp) -> bool {
        let failing = self.failing.load(Ordering::Relaxed);
        let taken = self.queue.try_send(Job::Write(Box::new(record))).is_ok();
        if failing {
            return false;
        }
        if !taken {
            let last = self.warned.load(Ordering::Relaxed);
            let due = last == 0 || now.millis().saturating_sub(last) >= WARN_EVERY;
            if due && self.warned.swap(now.millis(), Ordering::Relaxed) == last {
                tracing::warn!(
                    "refusals come faster than they can be recorded; the surplus is answered 4xx until they can"
                );
            }
        }
        taken
    }
}

async fn write(mut jobs: mpsc::Receiver<Job>, audit: Arc<Audit>, failing: Arc<AtomicBool>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while jobs.recv_many(&mut batch, AT_ONCE).await > 0 {
        let mut end = None;
        let mut records = Vec::with_capacity(batch.len());
        for job in batch.drain(..) {
            match job {
                Job::Write(record) => records.push(record),
                Job::End(told) => end = Some(told),
            }
        }
        let each = records.into_iter().map(|record| {
            let (audit, failing, id) = (&audit, &failing, record.id);
            async move {
                match audit.append(Entry::Judged(record), Sync::Now).await {
                    Ok(()) => {
                        failing.store(false, Ordering::Relaxed);
                        audit.note_answered(id, true);
                    }
                    Err(error) => {
                        failing.store(true, Ordering::Relaxed);
                        tracing::error!(%id, %error, "an early refusal could not be recorded; until one can, such mail is put off");
                    }
                }
            }
        });
        join_all(each).await;
        if let Some(told) = end {
            drop(audit);
            // Who asked for the end may be gone already.
            told.send(()).ok();
            return;
        }
    }
}

impl Process {
    /// The answer at MAIL (`recipient` is `None`) or RCPT, where the client or the sender is blocked.
    pub(super) fn refuse_early(
        &self,
        session: &Session,
        envelope: &Envelope,
        recipient: Option<&Recipient>,
        earlier: Option<&Refusal>,
    ) -> Option<Refusal> {
        let terms = &self.engine().settings().lists;
        let (stage, command) = match recipient {
            None => (Stage::Mail, "mail"),
            Some(_) => (Stage::Rcpt, "rcpt"),
        };
        let spared = match (terms.early, recipient) {
            (Early::Off, _) | (Early::Rcpt, None) => true,
            (Early::Rcpt, Some(recipient)) => terms.exempt(recipient),
            // Who was refused at MAIL and goes on all the same is refused again.
            (Early::Mail, _) => false,
        };
        if spared || self.engine().direction(session) == Direction::Outbound {
            return None;
        }
        let shared = self.shared();
        // What a person lets out of quarantine comes from the same sender, and is on its way.
        if shared.releases.expects(&envelope.reverse_path, recipient) {
            return None;
        }
        let asked = Asked {
            client: session.client.addr.ip(),
            sender: Some(envelope.reverse_path.address()),
            ..Asked::default()
        };
        let hits = shared.lists.hits(&asked);
        // Who claims to be an exception from a block is not refused here: only the end of the message shows
        // whether SPF or DKIM proves it, and the block counts there where they do not.
        let hit = hits.block()?.clone();
        shared.metrics.early_refusals.with_label_values(&[command]).inc();
        if let Some(earlier) = earlier.filter(|earlier| earlier.id.is_some()) {
            return Some(earlier.clone());
        }
        let now = shared.clock.now();
        let Ok(id) = shared.clock.mail_id() else {
            return Some(not_now("no id can be made"));
        };
        let reply = self.refusal(&hit, id);
        let envelope = short(envelope, recipient);
        let record = self.early_record(id, now, stage, session, envelope.clone(), &hit, hits.clone(), &reply);
        if !shared.refusals.take(record, now) {
            shared.metrics.overload.with_label_values(&["refusals"]).inc();
            return Some(not_now("too much mail is being refused at once"));
        }
        shared.lists.count(&hits);
        tell(shared, session, &envelope, &hit, command, id, &reply);
        Some(Refusal { id: Some(id), reply })
    }

    /// Says what is listed and no more: neither the entry nor why it is there.
    fn refusal(&self, hit: &ListHit, id: MailId) -> SmtpReply {
        let what = match hit.on {
            Matched::Client => "client",
            Matched::Sender | Matched::From => "sender",
        };
        let postmaster = self.engine().policy().postmaster();
        SmtpReply::reject(&format!(
            "refused: the {what} is on the block list (id {id}); contact {postmaster}"
        ))
    }

    #[expect(clippy::too_many_arguments, reason = "a record is made of that many things")]
    fn early_record(
        &self,
        id: MailId,
        time: Timestamp,
        stage: Stage,
        session: &Session,
        envelope: Envelope,
        hit: &ListHit,
        lists: ListHits,
        reply: &SmtpReply,
    ) -> Record {
        let saw = match &hit.comment {
            Some(comment) => format!("{hit}: {comment}"),
            None => hit.to_string(),
        };
        let step = Step { rule: RULE.to_owned(), saw, wants: Some(Disposition::Reject), decided: true };
        let verdict = Verdict {
            disposition: Disposition::Reject,
            category: Category::Suspicious,
            score: Score::default(),
            rule: RULE.to_owned(),
            reason: hit.to_string(),
            explanation: Explanation(Arc::new(vec![step])),
        };
        let recipients: Vec<usize> = (0..envelope.recipients.len()).collect();
        Record {
            id,
            time,
            direction: Direction::Inbound,
            stage,
            session: session.clone(),
            message: MessageFacts::default(),
            attachments: Vec::new(),
            urls: Vec::new(),
            not_inspected: Vec::new(),
            coverage: Coverage::default(),
            elapsed_ms: Default::default(),
            findings: Vec::new(),
            advice: None,
            authentication: None,
            lists,
            released: None,
            plan: PlanSummary {
                answer: Answer::Reject(reply.clone()),
                dispositions: vec![Disposition::Reject; recipients.len()],
                headers: Vec::new(),
                removed: Vec::new(),
            },
            verdicts: vec![SharedVerdict { recipients, verdict }],
            envelope,
            quarantine: None,
            policy: self.engine().settings().fingerprint.clone(),
            rules: String::new(),
            versions: BTreeMap::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            left_out: Vec::new(),
        }
    }
}

/// Nothing is on record, so nothing is decided for good.
fn not_now(why: &str) -> Refusal {
    Refusal { id: None, reply: SmtpReply::tempfail(&format!("{why}, please try again later")) }
}

/// The envelope with the recipient who is refused, and nothing in it that takes much room while it waits.
fn short(envelope: &Envelope, recipient: Option<&Recipient>) -> Envelope {
    let path = |path: &Recipient| match path.argument().get(..MAX_TEXT) {
        Some(beginning) if path.argument().len() > MAX_TEXT => Recipient::new(beginning),
        _ => path.clone(),
    };
    Envelope {
        reverse_path: ReversePath(path(&envelope.reverse_path.0)),
        parameters: envelope
            .parameters
            .iter()
            .take(MAX_PARAMETERS)
            .map(|parameter| parameter.chars().take(MAX_TEXT / 4).collect())
            .collect(),
        recipients: recipient.map(path).into_iter().collect(),
        queue_id: envelope.queue_id.clone(),
    }
}

/// The one log line of a refused transaction.
fn tell(
    shared: &Shared,
    session: &Session,
    envelope: &Envelope,
    hit: &ListHit,
    command: &str,
    id: MailId,
    reply: &SmtpReply,
) {
    let entry = match &shared.pseudonyms {
        Some(pseudonyms) => pseudonyms.text(&hit.entry),
        None => hit.entry.clone(),
    };
    tracing::info!(
        %id,
        command,
        client = telling::client(session),
        from = telling::address(shared, envelope.reverse_path.address()),
        to = envelope.recipients.first().map(|r| telling::address(shared, r.address())),
        answer = "refused",
        reply = reply.to_string(),
        rule = RULE,
        on = hit.on.name(),
        entry = text::line(&entry, 330),
        "refused before the message was sent"
    );
}

#[cfg(test)]
mod tests;
