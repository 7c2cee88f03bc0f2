//! The life of one message: the only place that knows the order of things.
//!
//! **Contract.** [`transaction`] collects what the MTA sends into one message under byte budgets.
//! [`Judge::judge`] looks, judges, plans and does the effects – quarantine, then audit – before it
//! returns the [`Decision`]. Nothing is accepted that was not secured first.
//!
//! **Failures.** Whatever goes wrong inside ends in a tempfail decision and a log line, never in a
//! lost message.

use crate::model::{Envelope, MailId, Plan, Recipient, Session, SmtpReply};
use crate::scan::BoxFuture;

pub use crate::audit::HandedTo;

mod afterwards;
pub mod again;
mod announcing;
mod besides;
pub mod budget;
pub mod changed;
mod early;
pub mod engine;
mod hints;
mod listed;
mod naming;
pub mod pass;
mod process;
pub mod record;
pub mod rehearsal;
pub mod release;
mod repeat;
pub mod reports;
pub mod second_look;
mod split;
pub mod story;
mod stuck;
mod telling;
pub mod transaction;
mod trial;
mod trouble;

pub use again::{Past, Terms};
pub use budget::Budget;
pub use early::Refusals;
pub use engine::Engine;
pub use process::{Process, Shared};
pub use rehearsal::Rehearsal;
pub use release::Releases;
pub use repeat::Repeats;
pub use reports::Reports;
pub use second_look::SecondLook;
pub use stuck::Stuck;
pub use transaction::{Received, Transaction};
pub use trial::Trial;
pub use trouble::Trouble;

/// What was decided about a message, with all effects done.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Our id of the message.
    pub id: MailId,
    /// Edits and answer.
    pub plan: Plan,
    /// It was judged before, under this id, and not again: how that was answered is on record.
    pub is_known: bool,
}

/// A sender or recipient that was refused before the message was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Under which it is on record; `None` where it is not, and is therefore no refusal for good.
    pub id: Option<MailId>,
    /// What the sending server is told.
    pub reply: SmtpReply,
}

/// Judges messages. The engine is one; tests of the intake bring their own.
pub trait Judge: Send + Sync {
    /// Judges one message and does what must be done before the answer. Does not fail: an error
    /// inside is a tempfail decision.
    fn judge(&self, received: Received) -> BoxFuture<'_, Decision>;

    /// The answer at MAIL, where the sender is refused before anything is sent. Asked when it is known
    /// who is logged in. Must not block. Refuses nobody unless a judge says otherwise.
    fn sender(&self, _session: &Session, _envelope: &Envelope) -> Option<Refusal> {
        None
    }

    /// The answer at RCPT, where this recipient is refused before anything is sent. `envelope` holds
    /// those who were taken so far, `earlier` is the last refusal in this transaction: further ones are told
    /// under its id. Must not block. Refuses nobody unless a judge says otherwise.
    fn recipient(
        &self,
        _session: &Session,
        _envelope: &Envelope,
        _recipient: &Recipient,
        _earlier: Option<&Refusal>,
    ) -> Option<Refusal> {
        None
    }

    /// Records whether the answer reached the MTA (`answered` or `answer-lost`).
    fn answered(&self, id: MailId, reached: bool);

    /// Records that what was decided to be delivered was delivered to nobody, because the next server did not take it.
    /// Whoever handed it over has been told `instead`, if that `reached` him.
    fn undelivered(&self, _id: MailId, _reached: bool, _instead: &str) {}

    /// Holds a message that was decided to be delivered and that the next server can never be handed. Whether it is
    /// held; else it comes again. A default judge holds nothing.
    fn hold(&self, _stuck: Stuck) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    /// Records what the next server said of a message that was handed on. A default judge keeps no record.
    fn handed(&self, _id: MailId, _server: &str, _each: Vec<HandedTo>) {}

    /// What another server said as it may stand in a log line: people are hidden where the configuration wants that.
    fn shown_text(&self, text: &str) -> String {
        text.to_owned()
    }

    /// An address as it may stand in a log line: safe to be shown, and hidden where the configuration
    /// wants people hidden.
    fn shown(&self, address: &str) -> String {
        telling::safe(address)
    }
}
