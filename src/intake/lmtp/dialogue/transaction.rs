//! From MAIL to the end of a message.

use std::sync::Arc;

use super::{Arrived, Dialogue, Mail, Mode, Step, order};
use crate::intake::lmtp::command::{Fault, Verb};
use crate::intake::lmtp::parameters::{self, Declared};
use crate::intake::lmtp::reply::Replies;
use crate::intake::lmtp::unstuff::Unstuff;
use crate::model::{ClientAddr, Recipient, ReversePath, Session};
use crate::pipeline::Transaction;

impl Dialogue {
    pub(super) fn mail(&mut self, path: &[u8], parameters: &[&str], out: &mut Replies) -> Result<(), Fault> {
        if self.greeted.is_none() {
            return Err(order("5.5.1 say LHLO or EHLO first"));
        }
        if self.mail.is_some() {
            return Err(order("5.5.1 a mail transaction is under way"));
        }
        let declared = parameters::declared(parameters)?;
        foreign(path, declared)?;
        let intake = &self.snapshot.intake;
        if declared.size.is_some_and(|size| size > intake.max_message.0) {
            // Behind a queue 552 would be a bounce, to a sender who may be forged.
            let refuses = self.snapshot.terms.refuses;
            let queue_id = self.xforward.as_ref().and_then(|said| said.ident.as_deref());
            self.shared.too_large(queue_id, intake.max_message.0, refuses);
            let (code, status) = if refuses { (552, "5.3.4") } else { (452, "4.3.4") };
            out.say(code, &format!("{status} more than {} bytes are not taken", intake.max_message.0));
            return Ok(());
        }
        let service = &self.shared.service;
        let share = match service.budget.admit() {
            Ok(share) => share,
            Err(short) => {
                self.shared.overloaded(short.label());
                out.say(452, "4.3.1 too many messages are being looked at, try again later");
                return Ok(());
            }
        };
        let mut transaction = Transaction::new(
            Arc::new(self.session()),
            ReversePath(Recipient::new(path)),
            parameters.iter().map(|parameter| (*parameter).to_owned()).collect(),
            share,
            intake.max_message,
        );
        if let Some(id) = self.xforward.as_ref().and_then(|said| said.ident.as_deref()) {
            transaction.queue_id(id);
        }
        let early = self
            .refuses_early(transaction.session())
            .then(|| intake.judge.sender(transaction.session(), transaction.envelope()));
        if let Some(refusal) = early.flatten() {
            out.say(refusal.reply.code(), &format!("{} {}", refusal.reply.enhanced(), refusal.reply.text()));
            return Ok(());
        }
        self.mail = Some(Mail { transaction, declared, refused: None, chunked: false });
        out.say(250, "2.1.0 Ok");
        Ok(())
    }

    pub(super) fn rcpt(&mut self, path: &[u8], out: &mut Replies) -> Result<(), Fault> {
        let (judge, terms) = (Arc::clone(&self.snapshot.intake.judge), &self.snapshot.terms);
        let most = terms.max_recipients as usize;
        let early = self.mail.as_ref().is_some_and(|mail| self.refuses_early(mail.transaction.session()));
        let mail = self.mail.as_mut().filter(|mail| !mail.chunked).ok_or(order("5.5.1 say MAIL first"))?;
        foreign(path, mail.declared)?;
        let recipient = Recipient::new(path);
        let (session, envelope) = (mail.transaction.session(), mail.transaction.envelope());
        if envelope.recipients.len() >= most {
            out.say(452, "4.5.3 too many recipients for one message");
            return Ok(());
        }
        if early && let Some(refusal) = judge.recipient(session, envelope, &recipient, mail.refused.as_ref())
        {
            out.say(refusal.reply.code(), &format!("{} {}", refusal.reply.enhanced(), refusal.reply.text()));
            if refusal.id.is_some() || mail.refused.is_none() {
                mail.refused = Some(refusal);
            }
            return Ok(());
        }
        match mail.transaction.recipient(recipient) {
            Ok(()) => out.say(250, "2.1.5 Ok"),
            Err(_) => {
                self.shared.overloaded("recipients");
                out.say(452, "4.3.1 no room for one more recipient, try again later");
            }
        }
        Ok(())
    }

    pub(super) fn data(&mut self, out: &mut Replies) -> Result<(), Fault> {
        let mail = self.mail.as_ref().ok_or(order("5.5.1 say MAIL first"))?;
        if mail.chunked {
            return Err(order("5.5.1 a message that began with BDAT ends with BDAT"));
        }
        if mail.transaction.envelope().recipients.is_empty() {
            return Err(order("5.5.1 no recipient was taken"));
        }
        out.say(354, "end with a dot on a line of its own");
        self.mode = Mode::Data(Unstuff::default());
        Ok(())
    }

    pub(super) fn bdat(&mut self, size: u64, last: bool, out: &mut Replies) -> Step {
        let refused = match &mut self.mail {
            None => Some("5.5.1 say MAIL first"),
            Some(mail) if mail.transaction.envelope().recipients.is_empty() => {
                Some("5.5.1 no recipient was taken")
            }
            Some(mail) => {
                mail.chunked = true;
                None
            }
        };
        // The bytes come whatever we think of them (RFC 3030 §2).
        self.mode = Mode::Chunk { left: size, last, refused };
        if size == 0 { self.end_of_chunk(last, refused, out) } else { Step::More }
    }

    pub(super) fn end_of_chunk(
        &mut self,
        last: bool,
        refused: Option<&'static str>,
        out: &mut Replies,
    ) -> Step {
        self.mode = Mode::Commands;
        match refused {
            Some(text) => self.fault(order(text), out),
            None if last => self.end_of_message(),
            None => {
                out.say(250, "2.0.0 Ok");
                Step::More
            }
        }
    }

    pub(super) fn end_of_message(&mut self) -> Step {
        self.mode = Mode::Commands;
        let verb = self.greeted.as_ref().map_or(Verb::Ehlo, |(verb, _)| *verb);
        let Some(mail) = self.mail.take() else { return Step::More };
        self.end_transaction();
        let utf8 = mail.declared.utf8;
        Step::Judge(Box::new(Arrived { received: mail.transaction.finish_content(), verb, utf8 }))
    }

    fn refuses_early(&self, session: &Session) -> bool {
        self.snapshot.terms.refuses && session.client.addr != ClientAddr::Unknown
    }
}

/// An address that is not ASCII needs SMTPUTF8 (RFC 6531 §3.5).
fn foreign(path: &[u8], declared: Declared) -> Result<(), Fault> {
    if path.is_ascii() || declared.utf8 {
        return Ok(());
    }
    Err(Fault { code: 553, text: "5.6.7 an address that is not ASCII needs SMTPUTF8", fatal: false })
}
