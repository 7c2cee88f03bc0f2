//! The life of one message in the daemon: look, judge, then the effects in their order, then the
//! answer. The order is the promise: quarantine, audit, metrics, log line, answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::afterwards::Chosen;
use super::again::NOT_SECURED;
use super::budget::Short;
use super::engine::{Engine, Judged, Looked, Subject};
use super::pass::{self, Carrier, Known, Passed, Uses};
use super::release::{Recognised, Releases};
use super::repeat::Repeats;
use super::reports::Reports;
use super::transaction::Fault;
use super::trouble::Trouble;
use super::{
    Decision, Judge, Received, Refusal, Refusals, SecondLook, Stuck, afterwards, announcing, besides, hints,
    listed, naming, record, second_look, telling,
};
use crate::audit::{Audit, Entry, Handed, HandedTo, Pseudonyms, QuarantineEvent, Sync};
use crate::lists::Lists;
use crate::model::{
    Also, Answer, Direction, Disposition, Envelope, Handover, ListHits, MailId, Message, Plan, Recipient,
    Session, SmtpReply, Step, Timestamp, Verdict,
};
use crate::notify::Notifier;
use crate::policy::name;
use crate::quarantine::{NewEntry, Quarantine, Stored};
use crate::retro::Retro;
use crate::scan::BoxFuture;
use crate::telemetry::{Clock, Metrics};

/// What stays the same when the configuration is read again.
#[derive(Debug)]
pub struct Shared {
    /// The record of what was judged.
    pub audit: Arc<Audit>,
    /// What was held.
    pub quarantine: Arc<Quarantine>,
    /// Whom the admin allows and blocks.
    pub lists: Arc<Lists>,
    /// Writes the records of those who were refused at MAIL or RCPT.
    pub refusals: Refusals,
    /// Accepted mail, looked up again when feeds know more.
    pub retro: Arc<Retro>,
    /// Mail that was delivered although a scanner failed, scanned again.
    pub second_look: Arc<SecondLook>,
    /// Who is told.
    pub notify: Arc<Notifier>,
    /// Held mail that is delivered after all.
    pub releases: Arc<Releases>,
    /// What users say of the mail they got.
    pub reports: Arc<Reports>,
    /// Passes that were used.
    pub uses: Uses,
    /// Messages that failed before.
    pub repeats: Repeats,
    /// The time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Hides people in log lines, where that is asked for.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
    /// Messages whose answer is not the one on record, until they are answered.
    pub unrecorded: Mutex<HashSet<MailId>>,
    /// Messages that are held, and were put off because that could not be put on record.
    pub held_unrecorded: Mutex<Vec<MailId>>,
    /// Why the quarantine could not be written last.
    pub quarantine_trouble: Trouble,
    /// Why the audit journal could not be written last.
    pub audit_trouble: Trouble,
}

/// Judges messages under one configuration and does the effects.
#[derive(Debug)]
pub struct Process {
    engine: Engine,
    shared: Arc<Shared>,
}

impl Process {
    /// Judges by `engine`; secures in `shared`.
    #[must_use]
    pub const fn new(engine: Engine, shared: Arc<Shared>) -> Self {
        Self { engine, shared }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What the lists say of a message that was looked at. Its hits are counted.
    fn look_up(&self, looked: &Looked) -> ListHits {
        let hits = listed::hits(&self.shared.lists, looked);
        self.shared.lists.count(&hits);
        hits
    }

    async fn process(&self, received: Received) -> Decision {
        let started = Instant::now();
        let time = self.shared.clock.now();
        let Received { session, envelope, message, fault, share } = received;
        let Ok(id) = self.shared.clock.mail_id() else {
            tracing::error!("the machine gives no random numbers; mail is put off");
            let id = MailId::from_parts(time.millis(), 0);
            return Decision { id, plan: not_now(id, "no id can be made", &envelope), is_known: false };
        };
        let direction = match self.passed(id, &session, &envelope, &message).await {
            Known::Judged(first) => {
                return Decision { id: first, plan: pass::plan(&envelope), is_known: true };
            }
            Known::Own => Direction::Outbound,
            Known::Not => self.engine.direction(&session),
        };
        let terms = &self.engine.settings().lists;
        let exempt = envelope.recipients.iter().map(|recipient| terms.exempt(recipient)).collect();
        let recognised = self.shared.releases.recognise(id, &envelope, &message).await;
        let (released, auth_results) =
            recognised.map(|Recognised { entry, auth_results }| (entry, auth_results)).unzip();
        let subject = Subject {
            id,
            time,
            session,
            envelope,
            message,
            fault,
            direction,
            exempt,
            released,
            auth_results: auth_results.flatten(),
            share: Some(share),
        };
        let mut looked = self.engine.look(subject).await;
        looked.lists = Some(self.look_up(&looked));
        let looked = Arc::new(looked);
        if looked.fault == Some(Fault::NoMemory) {
            self.shared.metrics.overload.with_label_values(&[Short::Bytes.label()]).inc();
        }
        let mut judged = self.judge(&looked).await;
        besides::put_banner(&looked, &mut judged).await;
        let mut secured = self.secure(id, time, &looked, judged).await;
        self.give_pass(id, &looked, &mut secured).await;
        telling::tell(&self.shared, &looked, &secured, started.elapsed());
        besides::tell(&self.shared.metrics, id, &secured.judged.plan.also);
        announcing::announce(&self.shared, time, &looked, &secured);
        naming::count(&self.shared.metrics, &self.engine, &secured.judged.plan);
        naming::tell(&self.engine, &looked, &secured.judged.plan);
        hints::tell(&self.engine, &looked, &secured.judged.verdicts);
        Decision { id, plan: secured.judged.plan, is_known: false }
    }

    /// What is known by its Pass of this message, `id` now.
    async fn passed(&self, id: MailId, session: &Session, envelope: &Envelope, message: &Message) -> Known {
        let Some(key) = self.engine.pass() else { return Known::Not };
        let carrier = Carrier { session, envelope, message, now: self.shared.clock.now() };
        let (result, known) = match pass::known(key, &self.shared.uses, carrier).await {
            Ok(Known::Not) => return Known::Not,
            Ok(Known::Own) => {
                tracing::info!(%id, "mail of an own user, changed since the milter judged it; it is judged again as outbound");
                ("own", Known::Own)
            }
            Ok(Known::Judged(first)) => {
                let queue_id = envelope.queue_id.as_deref();
                tracing::info!(id = %first, queue_id, "judged before, by milter; handed on as it is");
                ("good", Known::Judged(first))
            }
            Err(why) => {
                // Whoever writes mail can write one: no louder.
                tracing::info!(%id, why = why.label(), "a message came with a Pass that is worth nothing; it is judged");
                (why.label(), Known::Not)
            }
        };
        self.shared.metrics.passes.with_label_values(&[result]).inc();
        known
    }

    /// Gives a message that an MTA delivers its Pass, where it may come again by LMTP.
    async fn give_pass(&self, id: MailId, looked: &Looked, secured: &mut Secured) {
        let input = &looked.input;
        let by_milter = input.session.handover == Handover::Milter;
        let Some(key) = self.engine.pass().filter(|_| by_milter && looked.fault.is_none()) else { return };
        let passed = Passed {
            id,
            now: self.shared.clock.now(),
            direction: looked.direction,
            envelope: &input.envelope,
            message: &input.message,
        };
        pass::add(key, passed, &mut secured.judged.plan).await;
    }

    /// Judges; a message that would be put off is counted, and judged again knowing how often.
    async fn judge(&self, looked: &Arc<Looked>) -> Judged {
        let judged = self.engine.judge(looked, 0);
        // Only what failed is counted: a rate limit is meant to be tried again.
        let failed = |v: &Verdict| v.disposition == Disposition::Tempfail && name::is_for_a_failure(&v.rule);
        let put_off = judged.verdicts.iter().any(failed);
        if !put_off || looked.fault.is_some() {
            return judged;
        }
        let (shared, failed) = (Arc::clone(&self.shared), Arc::clone(looked));
        let counted = tokio::task::spawn_blocking(move || {
            let input = &failed.input;
            // By scanner: one that ran out of time at first and was busy then has failed twice.
            let gaps = failed.seen.coverage.gaps();
            let failures = gaps.map(|(scanner, _)| format!("{scanner};")).collect::<String>();
            shared.repeats.count(input.message.raw(), &input.envelope, &failures, shared.clock.now())
        });
        match counted.await {
            Ok(Ok(times)) => self.engine.judge(looked, times),
            Ok(Err(error)) => {
                tracing::error!(id = %looked.input.id, %error, "a failed message could not be counted");
                judged
            }
            Err(error) => {
                tracing::error!(id = %looked.input.id, %error, "counting a failed message panicked");
                judged
            }
        }
    }

    /// Quarantine, then audit. If either cannot be written, nothing was promised: tempfail.
    async fn secure(&self, id: MailId, time: Timestamp, looked: &Arc<Looked>, mut judged: Judged) -> Secured {
        let mut held: Option<Stored> = None;
        if judged.plan.quarantine.is_some() {
            match self.hold(id, looked, &judged).await {
                Ok(stored) => {
                    self.shared.quarantine_trouble.clear();
                    held = Some(stored);
                }
                Err(error) => {
                    tracing::error!(%id, error, "a message could not be quarantined; it is put off");
                    self.shared.metrics.quarantine_errors.inc();
                    self.shared.quarantine_trouble.set(&error);
                    put_off(id, "the quarantine cannot be written", &error, looked, &mut judged);
                }
            }
        }
        let held_by_mta = judged.plan.also.held_by_mta;
        let told = !matches!(judged.plan.answer, Answer::Accept) || held.is_some() || held_by_mta;
        let mut record = record::of(id, time, looked, &judged, held.as_ref(), &self.engine);
        let watched = afterwards::choose(&self.shared.retro, time, looked, &judged.plan);
        let kept = self.shared.second_look.keep(looked, &judged, held.is_some()).await;
        record.left_out.extend(kept.as_ref().and_then(second_look::Kept::left_out));
        record.left_out.extend(watched.as_ref().and_then(Chosen::left_out));
        // An id that somebody is told must be found again, whatever happens to the machine.
        let sync = if told { Sync::Now } else { Sync::Soon };
        match self.shared.audit.append(Entry::Judged(Box::new(record)), sync).await {
            Ok(()) => {
                self.shared.audit_trouble.clear();
                watched.into_iter().for_each(|watched| watched.keep(&self.shared.retro));
                if let Some(kept) = kept {
                    self.shared.second_look.delivered(id, kept).await;
                }
                if let Some(stored) = &held {
                    self.note_stored(id, stored, time).await;
                }
            }
            Err(error) => {
                tracing::error!(%id, %error, "the audit journal cannot be written; mail is put off");
                self.shared.audit_trouble.set(&error.to_string());
                // The record may be there all the same: it must not say that its answer was given.
                self.shared.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                if held.as_ref().is_some_and(|stored| stored.fresh) {
                    self.shared.held_unrecorded.lock().unwrap_or_else(PoisonError::into_inner).push(id);
                }
                put_off(id, "the audit journal cannot be written", &error.to_string(), looked, &mut judged);
                if let Some(kept) = kept {
                    self.shared.second_look.take_back(kept).await;
                }
            }
        }
        Secured { judged, held: held.map(|stored| stored.id) }
    }

    /// Stores the copy that the plan asks for.
    async fn hold(&self, id: MailId, looked: &Arc<Looked>, judged: &Judged) -> Result<Stored, String> {
        let Some(order) = judged.plan.quarantine.clone() else {
            return Err("nothing is to be held".to_owned());
        };
        let verdict = order.recipients.iter().find_map(|i| judged.verdicts.get(*i)).cloned();
        let Some(verdict) = verdict else {
            return Err("the plan names no recipient to hold it for".to_owned());
        };
        let (quarantine, looked) = (Arc::clone(&self.shared.quarantine), Arc::clone(looked));
        let stored = tokio::task::spawn_blocking(move || {
            let input = &looked.input;
            let (from, subject) = (record::field(input, "From"), record::field(input, "Subject"));
            quarantine.store(&NewEntry {
                id,
                category: order.category,
                score: verdict.score,
                rule: &verdict.rule,
                reason: &order.reason,
                session: &input.session,
                envelope: &input.envelope,
                recipients: &order.recipients,
                message: &input.message,
                from: from.as_deref().unwrap_or_default(),
                subject: subject.as_deref().unwrap_or_default(),
                coverage: &looked.seen.coverage,
                findings: &looked.seen.findings,
                auth_results: looked.auth_results.as_deref(),
            })
        });
        match stored.await {
            Ok(Ok(stored)) => Ok(stored),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(format!("storing it panicked: {error}")),
        }
    }

    /// Lines of their own for what storing did to other entries: a message that came again belongs to
    /// the entry that holds it already, and older ones may have had to go.
    pub(super) async fn note_stored(&self, id: MailId, stored: &Stored, time: Timestamp) {
        let mut entries = Vec::new();
        if !stored.fresh {
            entries.push(Entry::Quarantine {
                id: stored.id,
                what: QuarantineEvent::Repeated,
                by: "sender".to_owned(),
                time,
                detail: format!("attempt {} came as {id}", stored.attempts),
            });
        }
        entries.extend(stored.expired.iter().map(|gone| Entry::Quarantine {
            id: gone.id,
            what: QuarantineEvent::Expired,
            by: "retention".to_owned(),
            time,
            detail: gone.why.name().to_owned(),
        }));
        for entry in entries {
            if let Err(error) = self.shared.audit.append(entry, Sync::Soon).await {
                // The message's own record says where it is held; these lines are for convenience.
                tracing::warn!(%id, %error, "what storing a message did could not be noted in the audit journal");
            }
        }
    }
}

impl Judge for Process {
    fn judge(&self, received: Received) -> BoxFuture<'_, Decision> {
        Box::pin(self.process(received))
    }

    fn sender(&self, session: &Session, envelope: &Envelope) -> Option<Refusal> {
        self.refuse_early(session, envelope, None, None)
    }

    fn recipient(
        &self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
        earlier: Option<&Refusal>,
    ) -> Option<Refusal> {
        self.refuse_early(session, envelope, Some(recipient), earlier)
            .or_else(|| self.split(session, envelope, recipient))
    }

    fn answered(&self, id: MailId, reached: bool) {
        if !reached {
            self.shared.metrics.answers_lost.inc();
            tracing::warn!(%id, "the MTA was gone before it had the answer; the sender will try again");
        }
        let unrecorded = self.shared.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.shared.audit.note_answered(id, reached && !unrecorded);
    }

    fn undelivered(&self, id: MailId, reached: bool, instead: &str) {
        let unrecorded = self.shared.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.shared.audit.note_undelivered(id, reached && !unrecorded, instead);
    }

    fn hold(&self, stuck: Stuck) -> BoxFuture<'_, bool> {
        Box::pin(self.hold_stuck(stuck))
    }

    fn handed(&self, id: MailId, server: &str, each: Vec<HandedTo>) {
        self.shared.audit.note_handed(Handed::new(id, self.shared.clock.now(), server, each));
    }

    fn shown_text(&self, text: &str) -> String {
        self.shared.audit.hidden(text)
    }

    fn shown(&self, address: &str) -> String {
        telling::address(&self.shared, address)
    }
}

/// A judgement whose effects are done.
pub(super) struct Secured {
    /// What was decided in the end.
    pub(super) judged: Judged,
    /// The quarantine entry that holds the message.
    pub(super) held: Option<MailId>,
}

/// Puts a message off that could not be secured, and says so in each verdict.
fn put_off(id: MailId, what: &str, error: &str, looked: &Looked, judged: &mut Judged) {
    judged.plan = not_now(id, what, &looked.input.envelope);
    for verdict in &mut judged.verdicts {
        let steps = Arc::make_mut(&mut verdict.explanation.0);
        steps.iter_mut().for_each(|step| step.decided = false);
        steps.push(Step {
            rule: NOT_SECURED.to_owned(),
            saw: format!("{what}: {error}"),
            wants: Some(Disposition::Tempfail),
            decided: true,
            ..Step::default()
        });
        verdict.disposition = Disposition::Tempfail;
        verdict.rule = NOT_SECURED.to_owned();
        verdict.reason = what.to_owned();
    }
}

/// Not now, and nothing was kept.
fn not_now(id: MailId, why: &str, envelope: &Envelope) -> Plan {
    Plan {
        quarantine: None,
        actions: Vec::new(),
        answer: Answer::Tempfail(SmtpReply::tempfail(&format!("{why}, please try again later (id {id})"))),
        recipients: vec![Disposition::Tempfail; envelope.recipients.len()],
        refusals: Default::default(),
        banner: None,
        also: Also::default(),
    }
}
