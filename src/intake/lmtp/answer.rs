//! The end of a message: it is judged, handed on, and answered by what became of it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::command::Verb;
use super::copies::Key;
use super::dialogue::{Arrived, Dialogue};
use super::error::SessionError;
use super::handing::Handing;
use super::onward::for_all;
use super::received::{self, Hop, With};
use super::rewrite;
use super::said::Said;
use super::serve::{Service, Shared, Snapshot};
use super::stuck::{self, Rest};
use super::wire::Wire;
use crate::intake::accept::{Origin, Phase, over};
use crate::intake::judging::Judging;
use crate::intake::listener::Peer;
use crate::model::{Answer, Client, ClientAddr, Envelope, MailId, Message, Plan, Recipient, SmtpReply, text};
use crate::net::smtp::{Outcome, Outgoing};
use crate::pipeline::transaction::Fault;
use crate::pipeline::{Decision, HandedTo, Judge, Received, Stuck};

/// What is said where the judge said nothing.
const NO_JUDGEMENT: &str = "the mail filter failed on this message, try again later";

/// Recipients of one message that are named in the log when they did not get it.
const NAMED: usize = 20;

/// What became of a message.
struct Ending {
    /// One for each recipient, in the envelope's order.
    replies: Vec<Said>,
    /// What was decided, if anything was.
    id: Option<MailId>,
    /// It was judged before, and how that was answered is on record.
    is_known: bool,
    /// It was decided to take it.
    accepts: bool,
}

/// What the next server said.
struct Handled {
    /// Of each for whom the message was judged.
    outcomes: Vec<Outcome>,
    /// Of each copy that it was handed.
    copies: Vec<(Recipient, Outcome)>,
}

/// Has the message judged, hands it on, and tells the client.
///
/// # Errors
/// If the client was not reached. The judge has been told so.
pub(super) async fn answer(
    wire: &mut Wire,
    dialogue: &Dialogue,
    origin: &Origin,
    shared: &Arc<Shared>,
    phase: &mut watch::Receiver<Phase>,
    arrived: Arrived,
) -> Result<(), SessionError> {
    let snapshot = Arc::clone(dialogue.snapshot());
    let lmtp = arrived.verb == Verb::Lhlo;
    let metrics = &shared.service.metrics;
    metrics.lmtp_messages.with_label_values(&[if lmtp { "lmtp" } else { "smtp" }]).inc();
    let message = Handover { snapshot: &snapshot, shared, origin, name: dialogue.client_name(), lmtp };
    let Ending { mut replies, id, is_known, accepts } = message.run(wire, phase, arrived).await;
    if !lmtp {
        replies = vec![one_for_all(&replies, id)];
    }
    for said in &replies {
        let class = match said.code() / 100 {
            2 => "2xx",
            4 => "4xx",
            _ => "5xx",
        };
        metrics.lmtp_replies.with_label_values(&[class]).inc();
        wire.out.say(said.code(), said.text());
    }
    let written = wire.flush(shared.patience.data).await;
    if let Some(id) = id.filter(|_| !is_known) {
        let judge: &dyn Judge = &*snapshot.intake.judge;
        if accepts && replies.iter().all(|said| said.code() >= 400) {
            let first = replies.first().map(Said::to_string).unwrap_or_default();
            judge.undelivered(id, written.is_ok(), &first);
        } else {
            judge.answered(id, written.is_ok());
        }
    }
    written
}

/// The one answer of SMTP.
fn one_for_all(replies: &[Said], id: Option<MailId>) -> Said {
    match (id, replies.first()) {
        (None, Some(first)) => first.clone(),
        (None, None) => Said::from(&SmtpReply::tempfail(NO_JUDGEMENT)),
        (Some(id), _) => for_all(replies, id),
    }
}

/// One message on its way through us.
struct Handover<'a> {
    snapshot: &'a Arc<Snapshot>,
    shared: &'a Arc<Shared>,
    origin: &'a Origin,
    /// What the client calls itself.
    name: Option<&'a str>,
    lmtp: bool,
}

impl Handover<'_> {
    async fn run(&self, wire: &mut Wire, phase: &mut watch::Receiver<Phase>, arrived: Arrived) -> Ending {
        let Arrived { mut received, utf8, .. } = arrived;
        // Room for the message until it is handed on: the judge gives back what it is lent when it is done.
        let held = received.share.split(received.message.raw().len());
        let (envelope, message, fault) =
            (received.envelope.clone(), received.message.clone(), received.fault);
        let session = Arc::clone(&received.session);
        let all = |reply: &SmtpReply| vec![Said::from(reply); envelope.recipients.len()];
        if let Some(reply) = received::in_circles(&message, self.snapshot.terms.refuses) {
            let queue_id = shown_id(&envelope);
            tracing::error!(queue_id, peer = %self.origin.peer, "a message goes in circles and is not taken: {reply}");
            return Ending { replies: all(&reply), id: None, is_known: false, accepts: false };
        }
        let Some(decision) = self.judged(received, phase).await else {
            let reply = SmtpReply::new(451, (4, 3, 0), NO_JUDGEMENT);
            let reply = reply.unwrap_or_else(|_| SmtpReply::tempfail(NO_JUDGEMENT));
            return Ending { replies: all(&reply), id: None, is_known: false, accepts: false };
        };
        let (id, is_known) = (Some(decision.id), decision.is_known);
        let accepts = !matches!(decision.plan.answer, Answer::Reject(_) | Answer::Tempfail(_));
        if let Some(fault) = fault {
            let refuses = self.snapshot.terms.refuses;
            if let Fault::TooLarge(limit) = fault {
                self.shared.too_large(envelope.queue_id.as_deref(), limit, refuses);
            }
            // Where it was decided not to take it that is said, below.
            if let Some(reply) = accepts.then(|| not_here(fault, decision.id, refuses)).flatten() {
                return Ending { replies: all(&reply), id, is_known, accepts };
            }
        }
        let handing = Handing::of(&decision.plan, &envelope);
        if handing.to.is_empty() {
            return Ending { replies: handing.replies(decision.id, &[]), id, is_known, accepts };
        }
        if wire.is_gone() {
            // It comes again, and nobody shall get it twice.
            let queue_id = shown_id(&envelope);
            tracing::warn!(id = %decision.id, queue_id, "the client hung up before its message was handed on; it is not");
            let reply = SmtpReply::tempfail("you hung up");
            return Ending { replies: all(&reply), id, is_known, accepts };
        }
        let pieces = self.pieces(&decision, &envelope, &message, utf8);
        let handled = self.hand_on_all(&envelope, &message, &handing, &pieces, phase).await;
        self.tell(decision.id, &envelope, &handing, &handled);
        let said: Vec<Said> = handled.outcomes.iter().map(|outcome| Said::of(outcome, decision.id)).collect();
        let mut replies = handing.replies(decision.id, &said);
        let rest = Rest::of(&handing, &handled.outcomes, self.lmtp);
        if let Some(rest) = rest.filter(|_| stuck::is_held(self.snapshot.terms.refuses, &envelope)) {
            let (recipients, why) = (rest.recipients.clone(), rest.why.clone());
            let stuck = Stuck { id: decision.id, session, envelope, message, recipients, why };
            let is_held = self.snapshot.intake.judge.hold(stuck).await;
            rest.answer(is_held, decision.id, &mut replies);
        }
        drop(held);
        Ending { replies, id, is_known, accepts }
    }

    async fn judged(&self, received: Received, phase: &mut watch::Receiver<Phase>) -> Option<Decision> {
        let mut judging = Judging::begin(received, &self.snapshot.intake);
        let end = match judging.at_once() {
            Some(end) => end,
            None => judging.wait(phase).await,
        };
        let metrics = &self.shared.service.metrics;
        judging.end(end, &metrics.lmtp_errors, metrics)
    }

    /// The message as it is handed on.
    fn pieces(&self, decision: &Decision, envelope: &Envelope, message: &Message, utf8: bool) -> Vec<Bytes> {
        let Decision { id, plan: Plan { actions, .. }, .. } = decision;
        let addr = match &self.origin.peer {
            Peer::Unix => ClientAddr::Unix(self.origin.endpoint.to_string()),
            Peer::Tcp(ip) => ClientAddr::Ip(*ip),
        };
        let field = received::field(&Hop {
            helo: self.name,
            peer: &Client { name: String::new(), addr },
            by: &self.snapshot.terms.name,
            with: match (self.lmtp, utf8) {
                (true, false) => With::Lmtp,
                (true, true) => With::Utf8Lmtp,
                (false, false) => With::Esmtp,
                (false, true) => With::Utf8Smtp,
            },
            id: *id,
            recipients: &envelope.recipients,
            at: self.shared.service.clock.now(),
        });
        rewrite::edited(message, &field, actions)
    }

    /// Hands the message to those for whom it was judged, then, when one of them has it, the copies that rules want:
    /// what nobody has comes again, and so would its copies.
    async fn hand_on_all(
        &self,
        envelope: &Envelope,
        message: &Message,
        handing: &Handing,
        pieces: &[Bytes],
        phase: &mut watch::Receiver<Phase>,
    ) -> Handled {
        let (judged, copies) = handing.parts();
        let outcomes = match judged {
            [] => Vec::new(),
            _ => self.hand_on(envelope, judged, pieces, phase).await,
        };
        if copies.is_empty() || !judged.is_empty() && !outcomes.iter().any(Outcome::is_delivered) {
            return Handled { outcomes, copies: Vec::new() };
        }
        let sender = envelope.reverse_path.address().as_bytes();
        let key = |copy: &Recipient| Key::of(message.raw(), sender, copy.address().as_bytes());
        let missing: Vec<Recipient> =
            copies.iter().filter(|copy| !self.shared.copies.has(&key(copy))).cloned().collect();
        if missing.is_empty() {
            return Handled { outcomes, copies: Vec::new() };
        }
        let copied = self.hand_on(envelope, &missing, pieces, phase).await;
        let copies: Vec<(Recipient, Outcome)> = missing.into_iter().zip(copied).collect();
        // Whoever does not have it makes it come again.
        if outcomes.iter().any(|outcome| !outcome.is_delivered()) {
            let there = copies.iter().filter(|(_, outcome)| outcome.is_delivered());
            there.for_each(|(copy, _)| self.shared.copies.remember(key(copy)));
        }
        Handled { outcomes, copies }
    }

    /// Hands the message to the next server. When the daemon is out of time that is broken off, and nobody knows.
    async fn hand_on(
        &self,
        envelope: &Envelope,
        to: &[Recipient],
        pieces: &[Bytes],
        phase: &mut watch::Receiver<Phase>,
    ) -> Vec<Outcome> {
        let outgoing = Outgoing {
            reverse_path: &envelope.reverse_path,
            parameters: &envelope.parameters,
            recipients: to,
            pieces,
        };
        let onward = self.snapshot.terms.onward(self.lmtp);
        let outcomes = tokio::select! {
            biased;
            outcomes = onward.hand_over(&outgoing) => outcomes,
            () = over(phase) => {
                let error = crate::net::smtp::SmtpError::Withdrawn("mailward had to stop".to_owned());
                vec![Outcome::Uncertain(error); to.len()]
            }
        };
        let Service { standing, clock, .. } = &self.shared.service;
        standing.saw(&onward.server().to_string(), &outcomes, clock.now());
        outcomes
    }

    /// Counts what became of it, and names in the log who did not get it.
    fn tell(&self, id: MailId, envelope: &Envelope, handing: &Handing, handled: &Handled) {
        let metrics = &self.shared.service.metrics;
        let judge: &dyn Judge = &*self.snapshot.intake.judge;
        let (queue_id, server) = (shown_id(envelope), self.snapshot.terms.onward(self.lmtp).server());
        let judged =
            handing.parts().0.iter().zip(&handled.outcomes).map(|(to, outcome)| (to, outcome, false));
        let copies = handled.copies.iter().map(|(to, outcome)| (to, outcome, true));
        let all: Vec<(&Recipient, &Outcome, bool)> = judged.chain(copies).collect();
        let each = all.iter().map(|(recipient, outcome, _)| HandedTo {
            to: recipient.address().to_owned(),
            delivered: outcome.is_delivered(),
            said: outcome.to_string(),
        });
        judge.handed(id, &server.to_string(), each.collect());
        let mut failed = 0;
        for (recipient, outcome, is_copy) in all {
            metrics.lmtp_handed_on.with_label_values(&[label(outcome)]).inc();
            if outcome.is_delivered() {
                continue;
            }
            let to = judge.shown(recipient.address());
            let error = judge.shown_text(&outcome.to_string());
            if is_copy {
                tracing::error!(%id, queue_id, %server, to, error, "a copy that a rule wants is lost");
                continue;
            }
            failed += 1;
            if failed <= NAMED {
                tracing::warn!(%id, queue_id, %server, to, error, "judged, and not taken by the next server");
            }
        }
        if failed > NAMED {
            tracing::warn!(%id, queue_id, failed, "more recipients were not taken by the next server");
        }
        let taken = handled.outcomes.len() - failed;
        if !self.lmtp && taken > 0 && failed > 0 {
            tracing::error!(
                %id, queue_id, %server, taken, failed,
                "the next server took a message for some of its recipients only; it is put off for all, so that those \
                 who have it get it again"
            );
        }
    }
}

/// The bounded word for `mailward_lmtp_handed_on_total{outcome}`.
fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Refused { .. } if outcome.is_refused_for_good() => "refused",
        Outcome::Refused { .. } => "put-off",
        Outcome::NotSent(_) => "not-sent",
        Outcome::Uncertain(_) => "uncertain",
    }
}

/// The answer to a message that could not be taken in whole and that was decided to be taken all the same (a dry run):
/// there is nothing to hand on or to keep. What will never fit is refused for good where refusals may be.
fn not_here(fault: Fault, id: MailId, refuses: bool) -> Option<SmtpReply> {
    let (code, status, what) = match (fault, refuses) {
        (Fault::TooLarge(limit), true) => (552, (5, 3, 4), format!("more than {limit} bytes are not taken")),
        (Fault::TooLarge(limit), false) => (452, (4, 3, 4), format!("more than {limit} bytes are not taken")),
        (Fault::TooManyFields, true) => (554, (5, 6, 0), "too many header fields".to_owned()),
        (Fault::TooManyFields, false) => (451, (4, 6, 0), "too many header fields".to_owned()),
        (Fault::NoMemory, _) => (452, (4, 3, 1), "no room for this message now, try again later".to_owned()),
    };
    SmtpReply::new(code, status, &format!("{what} (id {id})")).ok()
}

fn shown_id(envelope: &Envelope) -> String {
    text::line(envelope.queue_id.as_deref().unwrap_or("none"), 100)
}
