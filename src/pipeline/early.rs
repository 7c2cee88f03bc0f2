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
    Also, Answer, Category, Coverage, Direction, Disposition, Envelope, Explanation, ListHit, ListHits,
    MailId, Matched, Recipient, ReversePath, Score, Session, SmtpReply, Step, Timestamp, Verdict, text,
};
use crate::policy::{self, Facts, name};
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
        // Behind a queue a refusal is a bounce; what is to be refused is held at the end of the message.
        if !session.handover.refuses() {
            return None;
        }
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
        // Who was refused at MAIL and goes on all the same is refused again; rules are asked at RCPT only.
        let nobody_to_ask = spared && recipient.is_none();
        let engine = self.engine();
        if nobody_to_ask || engine.policy().is_dry_run() || engine.direction(session) == Direction::Outbound {
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
            // At MAIL nobody is known, so entries for some only do not count.
            recipients: recipient.map(std::slice::from_ref).unwrap_or_default(),
            ..Asked::default()
        };
        let hits = shared.lists.hits(&asked);
        let hits = recipient.map_or_else(|| hits.clone(), |recipient| hits.for_recipient(recipient));
        // Who claims to be an exception from a block is not refused here: only the end of the message shows
        // whether SPF or DKIM proves it, and the block counts there where they do not.
        let on_list = (!spared).then(|| hits.block().cloned()).flatten();
        let now = shared.clock.now();
        let ruled = match (&on_list, recipient) {
            (None, Some(recipient)) => self.ruled(session, envelope, recipient, &hits, now),
            _ => None,
        };
        if on_list.is_none() && ruled.is_none() {
            return None;
        }
        shared.metrics.early_refusals.with_label_values(&[command]).inc();
        if let Some(earlier) = earlier.filter(|earlier| earlier.id.is_some() && ruled.is_none()) {
            return Some(earlier.clone());
        }
        let Ok(id) = shared.clock.mail_id() else {
            return Some(not_now("no id can be made"));
        };
        let (verdict, reply) = match (&on_list, ruled) {
            (Some(hit), _) => (listed(hit), self.refusal(hit, id)),
            (None, Some(verdict)) => {
                let reply = policy::early_reply(self.engine().policy(), id, &verdict);
                (verdict, reply)
            }
            (None, None) => return None,
        };
        let envelope = short(envelope, recipient);
        let rule = verdict.rule.clone();
        let record =
            self.early_record(id, now, stage, session, envelope.clone(), verdict, hits.clone(), &reply);
        if !shared.refusals.take(record, now) {
            shared.metrics.overload.with_label_values(&["refusals"]).inc();
            return Some(not_now("too much mail is being refused at once"));
        }
        shared.lists.count(&hits);
        tell(
            shared,
            session,
            &Told { id, envelope: &envelope, on_list: on_list.as_ref(), command, reply: &reply },
            &rule,
        );
        Some(Refusal { id: Some(id), reply })
    }

    /// What the admin's early rules say of this recipient. Whoever is exempt from the block list stays reachable.
    fn ruled(
        &self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
        hits: &ListHits,
        now: Timestamp,
    ) -> Option<Verdict> {
        let engine = self.engine();
        if session.local_submission || engine.settings().lists.exempt(recipient) {
            return None;
        }
        let (coverage, on_failure) = (Coverage::default(), BTreeMap::new());
        let facts = Facts {
            id: MailId::from_parts(now.millis(), 0),
            direction: Direction::Inbound,
            time: now,
            session,
            envelope,
            coverage: &coverage,
            findings: &[],
            message: None,
            attachments: &[],
            urls: &[],
            advice: None,
            authentication: None,
            lists: Some(hits),
            exempt: &[],
            released: None,
            auth_results: None,
            recorded: None,
            received_spf: None,
            on_failure: &on_failure,
            failures: 0,
            subject: None,
            fault: None,
        };
        policy::early(engine.policy(), &facts, recipient)
    }

    /// Says what is listed and no more: neither the entry nor why it is there.
    fn refusal(&self, hit: &ListHit, id: MailId) -> SmtpReply {
        let what = match hit.on {
            Matched::Client => "client",
            Matched::Sender | Matched::From => "sender",
            // Not known yet.
            Matched::Url | Matched::Attachment | Matched::Header => "message",
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
        verdict: Verdict,
        lists: ListHits,
        reply: &SmtpReply,
    ) -> Record {
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
                answer: match verdict.disposition {
                    Disposition::Tempfail => Answer::Tempfail(reply.clone()),
                    _ => Answer::Reject(reply.clone()),
                },
                dispositions: vec![verdict.disposition; recipients.len()],
                headers: Vec::new(),
                removed: Vec::new(),
                also: Also::default(),
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

/// The verdict on who is on the block list.
fn listed(hit: &ListHit) -> Verdict {
    let saw = match &hit.comment {
        Some(comment) => format!("{hit}: {comment}"),
        None => hit.to_string(),
    };
    let rule = name::BLOCK_LIST.to_owned();
    let wants = Some(Disposition::Reject);
    let step = Step { rule: rule.clone(), saw, wants, decided: true, ..Step::default() };
    Verdict {
        disposition: Disposition::Reject,
        category: Category::Suspicious,
        score: Score::default(),
        rule,
        reason: hit.to_string(),
        explanation: Explanation(Arc::new(vec![step])),
        treatment: None,
    }
}

/// What the log says of a refused transaction.
struct Told<'t> {
    id: MailId,
    envelope: &'t Envelope,
    on_list: Option<&'t ListHit>,
    command: &'t str,
    reply: &'t SmtpReply,
}

/// The one log line of a refused transaction.
fn tell(shared: &Shared, session: &Session, told: &Told<'_>, rule: &str) {
    let entry = told.on_list.map(|hit| match &shared.pseudonyms {
        Some(pseudonyms) => pseudonyms.text(&hit.entry),
        None => hit.entry.clone(),
    });
    let envelope = told.envelope;
    tracing::info!(
        id = %told.id,
        command = told.command,
        client = telling::client(session),
        from = telling::address(shared, envelope.reverse_path.address()),
        to = envelope.recipients.first().map(|r| telling::address(shared, r.address())),
        answer = "refused",
        reply = told.reply.to_string(),
        rule,
        on = told.on_list.map(|hit| hit.on.name()),
        entry = entry.map(|entry| text::line(&entry, 330)),
        "refused before the message was sent"
    );
}

#[cfg(test)]
mod tests;
