//! Recipients who cannot share a message get one each: the second class is put off at RCPT, and the sending server
//! delivers to it in a transaction of its own (RFC 5321 §4.5.3.1.10 has it do so for 452).

use super::Refusal;
use super::process::Process;
use crate::model::{Direction, Envelope, Recipient, Session, SmtpReply};

impl Process {
    /// The class of a recipient: those of one class are judged alike by everything that asks for whom a mail is.
    fn class(&self, recipient: &Recipient) -> (bool, Vec<String>) {
        let engine = self.engine();
        (engine.settings().lists.exempt(recipient), engine.policy().rules().groups_of(recipient))
    }

    /// Puts a recipient off who is of another class than the first one of this message, where `policy.split` is
    /// set. Never for mail that goes out: what hands that in is a mail program or sendmail(1), which does not try
    /// again by itself. Nothing is on record of it, because the mail is not refused.
    pub(super) fn split(
        &self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> Option<Refusal> {
        if !self.engine().policy().splits() || self.engine().direction(session) == Direction::Outbound {
            return None;
        }
        let first = envelope.recipients.first()?;
        if self.class(first) == self.class(recipient) {
            return None;
        }
        // What a person lets out of quarantine must not wait.
        if self.shared().releases.expects(&envelope.reverse_path, Some(recipient)) {
            return None;
        }
        self.shared().metrics.split_recipients.inc();
        Some(put_off())
    }
}

/// `452 4.5.3`: too many recipients, as far as this one is concerned.
fn put_off() -> Refusal {
    let text = "this recipient's mail is handled apart, please send it in a transaction of its own";
    let reply = SmtpReply::new(452, (4, 5, 3), text).unwrap_or_else(|_| SmtpReply::overloaded(text));
    Refusal { id: None, reply }
}
