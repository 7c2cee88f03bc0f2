//! What the MTA says, kept as connection and message. No I/O: a packet goes in, a [`Step`] comes out.

use std::sync::Arc;

use bytes::Bytes;
use indymilter::ProtoOpts;
use indymilter::message::command::{CommandKind, HeloPayload};
use indymilter::message::reply::Reply;

use super::connection::Connection;
use super::edits::reply_code;
use super::error::SessionError;
use super::macros::lossy;
use super::negotiate::{Terms, negotiate};
use super::serve::Shared;
use super::{arrived, command};
use crate::intake::Snapshot;
use crate::intake::accept::Origin;
use crate::model::{Recipient, ReversePath, SmtpReply};
use crate::pipeline::{Received, Refusal, Transaction};

/// What is to be done after a packet.
#[derive(Debug)]
pub(super) enum Step {
    /// Read on.
    Nothing,
    /// Send this.
    Reply(Reply),
    /// The message is here: judge it and answer.
    Judge(Box<Received>),
    /// The MTA is done with this connection.
    End,
}

/// One milter connection: what was agreed, who is connected, and the message that may be under way.
#[derive(Debug)]
pub(super) struct Dialogue {
    shared: Arc<Shared>,
    origin: Origin,
    snapshot: Arc<Snapshot>,
    terms: Option<Terms>,
    connection: Connection,
    message: Option<Incoming>,
}

/// One message while it comes in: from MAIL to EOM or ABORT.
#[derive(Debug)]
struct Incoming {
    stage: Stage,
    /// `None` once something of it could not be read: nothing less than all of it is judged, so it is
    /// tempfailed wherever a reply is due.
    transaction: Option<Transaction>,
    /// How it was refused, if it was: one id for all refusals of one transaction.
    refused: Option<Refusal>,
}

/// How far a message has come. Commands of an earlier stage are out of order then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Envelope,
    Header,
    Body,
}

impl Dialogue {
    pub(super) fn new(shared: Arc<Shared>, origin: Origin) -> Self {
        let snapshot = shared.service.snapshots.load_full();
        Self { shared, origin, snapshot, terms: None, connection: Connection::default(), message: None }
    }

    /// No message is under way.
    pub(super) const fn is_idle(&self) -> bool {
        self.message.is_none()
    }

    /// What was agreed; nothing can be judged before.
    pub(super) const fn terms(&self) -> Option<Terms> {
        self.terms
    }

    /// The configuration that this connection began with.
    pub(super) const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Takes one packet.
    ///
    /// # Errors
    /// If the session cannot go on. What only spoils a message, or nothing, is counted and logged
    /// here and is no error.
    pub(super) fn take(&mut self, command: u8, payload: &[u8]) -> Result<Step, SessionError> {
        let kind = CommandKind::try_from(command).map_err(|_| SessionError::UnknownCommand(command))?;
        if self.terms.is_none() && !matches!(kind, CommandKind::OptNeg | CommandKind::Quit) {
            return Err(SessionError::Order { command: char::from(command), during: "before negotiation" });
        }
        Ok(match kind {
            CommandKind::OptNeg => self.negotiate(payload)?,
            CommandKind::DefMacros => self.macros(payload),
            CommandKind::ConnInfo => self.connect(payload),
            CommandKind::Helo => self.helo(payload),
            CommandKind::Mail => self.mail(payload),
            CommandKind::Rcpt => self.rcpt(payload),
            CommandKind::Data => self.stage_reply('T', ProtoOpts::NOREPLY_DATA),
            CommandKind::Header => self.header(payload),
            CommandKind::Eoh => self.end_of_header(),
            CommandKind::BodyChunk => self.body(payload),
            CommandKind::BodyEnd => self.end_of_message(payload),
            CommandKind::Abort => {
                self.drop_message();
                Step::Nothing
            }
            CommandKind::Quit => Step::End,
            CommandKind::QuitNc => self.quit_nc(),
            // Says nothing about the message that may be under way. Where NO_UNKNOWN was agreed it
            // does not come; where it comes all the same, the MTA waits for a reply.
            CommandKind::Unknown => Step::Reply(Reply::Continue),
        })
    }

    fn negotiate(&mut self, payload: &[u8]) -> Result<Step, SessionError> {
        if self.message.is_some() {
            return Err(SessionError::Order { command: 'O', during: "inside a message" });
        }
        let (terms, reply) = negotiate(payload)?;
        if !terms.missing().is_empty()
            && let Some(held_back) = self.shared.quiet.terms.pass()
        {
            tracing::error!(
                missing = ?terms.missing(), untold = held_back,
                "the MTA does not offer edits that are needed; messages that need them are tempfailed"
            );
        }
        self.terms = Some(terms);
        self.connection.macros_asked = terms.macros_asked();
        self.connection.abilities = terms.abilities();
        Ok(Step::Reply(reply))
    }

    fn macros(&mut self, payload: &[u8]) -> Step {
        if let Err(why) = self.connection.macros.define(payload) {
            self.note(&SessionError::Malformed { command: 'D', why });
        }
        Step::Nothing
    }

    fn connect(&mut self, payload: &[u8]) -> Step {
        if self.message.is_some() {
            self.note(&SessionError::Order { command: 'C', during: "inside a message" });
            self.drop_message();
        }
        self.connection.helo = None;
        match command::connect(payload) {
            Ok((client, port)) => {
                self.connection.client = client;
                self.connection.port = port;
            }
            // The client stays unknown; that is for the policy to weigh, not a reason to refuse here.
            Err(why) => {
                self.connection.client = crate::model::Client::default();
                self.connection.port = 0;
                self.note(&SessionError::Malformed { command: 'C', why });
            }
        }
        self.agreed(ProtoOpts::NOREPLY_CONNECT)
    }

    fn helo(&mut self, payload: &[u8]) -> Step {
        // RFC 5321 §4.1.4: HELO and EHLO clear all buffers as RSET does.
        self.drop_message();
        match HeloPayload::parse_buffer(Bytes::copy_from_slice(payload)) {
            Ok(helo) => self.connection.helo = Some(lossy(helo.hostname.as_bytes(), command::MAX_NAME)),
            Err(_) => {
                self.connection.helo = None;
                self.note(&SessionError::Malformed { command: 'H', why: "whose name does not end" });
            }
        }
        self.agreed(ProtoOpts::NOREPLY_HELO)
    }

    fn mail(&mut self, payload: &[u8]) -> Step {
        // A second MAIL without ABORT: another milter, or the MTA itself, refused the first.
        self.message = None;
        let (path, parameters) = match command::path(payload) {
            Ok(read) => read,
            Err(why) => {
                self.note(&SessionError::Malformed { command: 'M', why });
                return tempfail_unreadable();
            }
        };
        let share = match self.shared.service.budget.admit() {
            Ok(share) => share,
            Err(short) => {
                self.shared.service.metrics.overload.with_label_values(&[short.label()]).inc();
                if let Some(held_back) = self.shared.quiet.overload.pass() {
                    tracing::warn!(
                        short = short.label(),
                        untold = held_back,
                        "no room for one more message; tempfailed at MAIL"
                    );
                }
                return Step::Reply(reply_code(&SmtpReply::overloaded(
                    "too many messages are being looked at, try again later",
                )));
            }
        };
        let parameters = parameters.map(|p| String::from_utf8_lossy(p).into_owned()).collect();
        let transaction = Transaction::new(
            Arc::new(self.connection.session()),
            ReversePath(Recipient::new(path)),
            parameters,
            share,
            self.snapshot.max_message,
        );
        let early = self.snapshot.judge.sender(transaction.session(), transaction.envelope());
        let reply = early.as_ref().map_or(Reply::Continue, |refusal| reply_code(&refusal.reply));
        self.message =
            Some(Incoming { stage: Stage::Envelope, transaction: Some(transaction), refused: early });
        Step::Reply(reply)
    }

    fn rcpt(&mut self, payload: &[u8]) -> Step {
        let path = match command::path(payload) {
            Ok((path, _)) => path,
            Err(why) => {
                // The MTA is told not to take this one, so the message is whole without it.
                self.note(&SessionError::Malformed { command: 'R', why });
                return tempfail_unreadable();
            }
        };
        // We do not ask for recipients that the MTA refuses. An MTA that sends them all the same
        // marks them so.
        let refused = self.connection.macros.rcpt_refused;
        let resolved = self.connection.macros.rcpt_addr.clone();
        let judge = Arc::clone(&self.snapshot.judge);
        let earlier = self.message.as_ref().and_then(|incoming| incoming.refused.clone());
        let Some(transaction) = self.transaction('R', Stage::Envelope) else { return tempfail_unreadable() };
        if refused {
            return Step::Reply(Reply::Continue);
        }
        let recipient = match resolved {
            Some(address) => Recipient::new(path).resolved(&address),
            None => Recipient::new(path),
        };
        let (session, envelope) = (transaction.session(), transaction.envelope());
        if let Some(refusal) = judge.recipient(session, envelope, &recipient, earlier.as_ref()) {
            let reply = reply_code(&refusal.reply);
            // One without an id must not hide the id that others of this transaction are told.
            if let Some(incoming) = &mut self.message
                && (refusal.id.is_some() || incoming.refused.is_none())
            {
                incoming.refused = Some(refusal);
            }
            return Step::Reply(reply);
        }
        if transaction.recipient(recipient).is_ok() {
            return Step::Reply(Reply::Continue);
        }
        self.shared.service.metrics.overload.with_label_values(&["recipients"]).inc();
        Step::Reply(match SmtpReply::new(452, (4, 5, 3), "too many recipients for one message") {
            Ok(reply) => reply_code(&reply),
            Err(_) => Reply::Tempfail,
        })
    }

    fn header(&mut self, payload: &[u8]) -> Step {
        let leading_space = self.terms.is_some_and(Terms::leading_space);
        match command::header(payload) {
            Ok((name, value)) => {
                if let Some(transaction) = self.transaction('L', Stage::Header) {
                    if leading_space || value.starts_with(b"\t") {
                        transaction.header(name, value);
                    } else {
                        // One space was taken off, if there was one; nearly always there is.
                        transaction.header(name, &[b" ", value].concat());
                    }
                }
            }
            Err(why) => self.spoil(&SessionError::Malformed { command: 'L', why }),
        }
        self.stage_reply('L', ProtoOpts::NOREPLY_HEADER)
    }

    fn end_of_header(&mut self) -> Step {
        if let Some(transaction) = self.transaction('N', Stage::Body) {
            transaction.end_of_header();
        }
        self.stage_reply('N', ProtoOpts::NOREPLY_EOH)
    }

    fn body(&mut self, payload: &[u8]) -> Step {
        if let Some(transaction) = self.transaction('B', Stage::Body) {
            transaction.body(payload);
        }
        self.stage_reply('B', ProtoOpts::NOREPLY_BODY)
    }

    fn end_of_message(&mut self, payload: &[u8]) -> Step {
        // EOM may carry the last piece of the body.
        if let Some(transaction) = self.transaction('E', Stage::Body)
            && !payload.is_empty()
        {
            transaction.body(payload);
        }
        // Postfix knows the queue id only after the first recipient, so it is read here.
        arrived::ALL.note(&self.connection.macros, self.terms);
        let queue_id = self.connection.macros.queue_id.take();
        self.connection.macros.end_message();
        let Some(mut transaction) = self.message.take().and_then(|incoming| incoming.transaction) else {
            return tempfail_unreadable();
        };
        if let Some(id) = queue_id {
            transaction.queue_id(&id);
        }
        Step::Judge(Box::new(transaction.finish()))
    }

    /// The same socket serves another SMTP connection, under the configuration of today.
    fn quit_nc(&mut self) -> Step {
        let Connection { macros_asked, abilities, .. } = self.connection;
        self.message = None;
        self.connection = Connection { macros_asked, abilities, ..Connection::default() };
        self.snapshot = self.shared.service.snapshots.load_full();
        Step::Nothing
    }

    fn drop_message(&mut self) {
        self.message = None;
        self.connection.macros.end_message();
    }

    /// The message under way, if it is whole and `command` may come now.
    fn transaction(&mut self, command: char, stage: Stage) -> Option<&mut Transaction> {
        let Some(incoming) = &self.message else {
            self.note(&SessionError::Order { command, during: "without a message" });
            return None;
        };
        if stage < incoming.stage {
            self.spoil(&SessionError::Order { command, during: "too late in a message" });
            return None;
        }
        let incoming = self.message.as_mut()?;
        incoming.stage = stage;
        incoming.transaction.as_mut()
    }

    /// The reply of a stage that decides nothing, if one is due: whether a message is spoiled can be
    /// told at once then.
    fn stage_reply(&self, command: char, no_reply: ProtoOpts) -> Step {
        let whole = self.message.as_ref().is_some_and(|incoming| incoming.transaction.is_some());
        match self.agreed(no_reply) {
            Step::Reply(_) if !whole => {
                if self.message.is_none() && command == 'T' {
                    self.note(&SessionError::Order { command, during: "without a message" });
                }
                tempfail_unreadable()
            }
            step => step,
        }
    }

    /// Continue, unless it was agreed that this stage has no reply.
    fn agreed(&self, no_reply: ProtoOpts) -> Step {
        match self.terms {
            Some(terms) if terms.opts.contains(no_reply) => Step::Nothing,
            _ => Step::Reply(Reply::Continue),
        }
    }

    /// Something of the message is lost: it is let go and will be tempfailed.
    fn spoil(&mut self, error: &SessionError) {
        self.note(error);
        if let Some(incoming) = &mut self.message {
            incoming.transaction = None;
        }
    }

    /// Counts and logs what went wrong, with all that is known of where.
    pub(super) fn note(&self, error: &SessionError) {
        self.shared.note(error, &self.origin, &self.connection);
    }
}

/// `451 4.3.0`: the message must come again, because some of it could not be read.
fn tempfail_unreadable() -> Step {
    let reply =
        SmtpReply::new(451, (4, 3, 0), "the mail filter could not follow this message, try again later");
    Step::Reply(reply.map_or(Reply::Tempfail, |reply| reply_code(&reply)))
}
