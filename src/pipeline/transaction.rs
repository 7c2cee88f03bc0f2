//! Collects one transaction: envelope and message, byte-exact, under budgets.

use std::sync::Arc;

use bytes::Bytes;

use super::budget::{Share, Short};
use crate::mail::header;
use crate::model::{ByteSize, Envelope, Field, Message, Recipient, ReversePath, Session, text};

/// The most characters of a queue id that are kept. Postfix has 20 at most, Sendmail 14, Exim 23.
const MAX_QUEUE_ID: usize = 100;

/// The most header fields of a message that is taken at all: a table of millions would weigh more than
/// the message, and forged fields beyond the end of a table could not be removed.
pub const MAX_FIELDS: usize = 65_536;

/// What holding one recipient costs beside two copies of its bytes.
const RECIPIENT_COST: usize = 96;

/// One transaction while the MTA is still sending it.
#[derive(Debug)]
pub struct Transaction {
    session: Arc<Session>,
    envelope: Envelope,
    share: Share,
    /// Bytes of the share that are held for recipients.
    recipient_bytes: usize,
    max: usize,
    raw: Vec<u8>,
    fields: Vec<Field>,
    body: Option<usize>,
    fault: Option<Fault>,
}

/// Why a message could not be collected whole. What was collected is let go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Larger than `limits.message`; the limit in bytes.
    TooLarge(u64),
    /// More than [`MAX_FIELDS`] header fields.
    TooManyFields,
    /// The process holds as many bytes of mail as it may.
    NoMemory,
}

/// A transaction that the MTA has sent to its end.
#[derive(Debug)]
pub struct Received {
    /// Who sent it.
    pub session: Arc<Session>,
    /// For whom.
    pub envelope: Envelope,
    /// What; empty where there is a fault.
    pub message: Message,
    /// Why the message is not here.
    pub fault: Option<Fault>,
    /// Held until the message is answered.
    pub share: Share,
}

impl Transaction {
    /// Starts with MAIL. `max` is the most that one message may hold.
    #[must_use]
    pub fn new(
        session: Arc<Session>,
        reverse_path: ReversePath,
        parameters: Vec<String>,
        share: Share,
        max: ByteSize,
    ) -> Self {
        Self {
            session,
            envelope: Envelope { reverse_path, parameters, ..Envelope::default() },
            share,
            recipient_bytes: 0,
            max: max.bytes().min(u32::MAX as usize),
            raw: Vec::new(),
            fields: Vec::new(),
            body: None,
            fault: None,
        }
    }

    /// Who sends it.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The envelope so far.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// RCPT.
    ///
    /// # Errors
    /// If recipients take more memory than a message may have, or than is left. This one is not in
    /// the envelope then, so the MTA must be told not to take it (RFC 5321 §4.5.3.1.10).
    pub fn recipient(&mut self, recipient: Recipient) -> Result<(), Short> {
        let cost = 2 * recipient.argument().len() + RECIPIENT_COST;
        if self.recipient_bytes + cost > self.max {
            return Err(Short::Bytes);
        }
        self.share.take(cost)?;
        self.recipient_bytes += cost;
        self.envelope.recipients.push(recipient);
        Ok(())
    }

    /// The queue id, when the MTA knows it; made safe, as it stands in logs and is read by people. Over LMTP it may be a
    /// stranger's word.
    pub fn queue_id(&mut self, id: &str) {
        self.envelope.queue_id = Some(text::line(id, MAX_QUEUE_ID));
    }

    /// One header field. `value` is everything after the colon, leading space kept, folds as LF or
    /// CRLF; the message gets CRLF.
    pub fn header(&mut self, name: &[u8], value: &[u8]) {
        let start = self.raw.len();
        if !self.make_room(name.len() + 3 + value.len() + count_bare_lf(value)) {
            return;
        }
        self.raw.extend_from_slice(name);
        let name_end = self.raw.len();
        self.raw.push(b':');
        let value_start = self.raw.len();
        push_crlf(&mut self.raw, value);
        let value_end = self.raw.len();
        self.raw.extend_from_slice(b"\r\n");
        if self.fields.len() == MAX_FIELDS {
            return self.let_go(Fault::TooManyFields);
        }
        self.fields.push(Field { name: range(start, name_end), value: range(value_start, value_end) });
    }

    /// The empty line after the header.
    pub fn end_of_header(&mut self) {
        if self.body.is_none() && self.make_room(2) {
            self.raw.extend_from_slice(b"\r\n");
            self.body = Some(self.raw.len());
        }
    }

    /// A piece of the body, as it came.
    pub fn body(&mut self, chunk: &[u8]) {
        // An MTA that sends a body without saying EOH still gets its empty line.
        self.end_of_header();
        if self.make_room(chunk.len()) {
            self.raw.extend_from_slice(chunk);
        }
    }

    /// A piece of header and body, as it came over the wire. The whole message comes like this, or nothing of it.
    pub fn content(&mut self, chunk: &[u8]) {
        if self.make_room(chunk.len()) {
            self.raw.extend_from_slice(chunk);
        }
    }

    /// The end of a message that came by [`Self::content`]: its header is read here. Line ends become CRLF, as an MTA
    /// makes them that keeps mail in lines: nobody behind us can read a bare LF as another one does.
    #[must_use]
    pub fn finish_content(mut self) -> Received {
        if fields_in(&self.raw) > MAX_FIELDS {
            self.let_go(Fault::TooManyFields);
        }
        // A CR for each LF that has none, and an empty line that is missing.
        if self.fault.is_none() && self.share.take(count_bare_lf(&self.raw) + 2) == Err(Short::Bytes) {
            self.let_go(Fault::NoMemory);
        }
        Received {
            session: self.session,
            envelope: self.envelope,
            message: header::parse(self.raw),
            fault: self.fault,
            share: self.share,
        }
    }

    /// The end of the message.
    #[must_use]
    pub fn finish(mut self) -> Received {
        self.end_of_header();
        let body = self.body.unwrap_or(self.raw.len());
        Received {
            session: self.session,
            envelope: self.envelope,
            message: Message::new(Bytes::from(self.raw), self.fields, body),
            fault: self.fault,
            share: self.share,
        }
    }

    /// Grows the buffer for `n` more bytes, or lets everything go and remembers why.
    fn make_room(&mut self, n: usize) -> bool {
        if self.fault.is_some() {
            return false;
        }
        let wanted = self.raw.len() + n;
        if wanted > self.max {
            self.let_go(Fault::TooLarge(self.max as u64));
            return false;
        }
        if wanted > self.raw.capacity() {
            // A quarter more than needed, not twice: large messages grow by remapping pages, and
            // what is reserved is what the budget is charged.
            let target = wanted.max(16 * 1024).saturating_add(wanted / 4).min(self.max);
            if self.share.take(target - self.raw.capacity()) == Err(Short::Bytes) {
                self.let_go(Fault::NoMemory);
                return false;
            }
            self.raw.reserve_exact(target - self.raw.len());
        }
        true
    }

    fn let_go(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.raw = Vec::new();
        self.fields = Vec::new();
        self.body = Some(0);
        self.share.give_back_bytes();
        // The recipients stay. Should others have taken the room in between, they are few bytes.
        self.share.take(self.recipient_bytes).ok();
    }
}

fn range(start: usize, end: usize) -> std::ops::Range<u32> {
    // `max` keeps every offset below 4 GiB.
    u32::try_from(start).unwrap_or(u32::MAX)..u32::try_from(end).unwrap_or(u32::MAX)
}

/// No fewer than the header has fields, counted up to one more than a message may have.
fn fields_in(raw: &[u8]) -> usize {
    let ends = memchr::memchr_iter(b'\n', raw).map(|at| raw.get(at + 1..).unwrap_or_default());
    let lines = std::iter::once(raw).chain(ends);
    let header =
        lines.take_while(|rest| !rest.is_empty() && !rest.starts_with(b"\r\n") && !rest.starts_with(b"\n"));
    header.filter(|rest| !rest.starts_with(b" ") && !rest.starts_with(b"\t")).take(MAX_FIELDS + 1).count()
}

fn count_bare_lf(value: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', value).filter(|i| *i == 0 || value[i - 1] != b'\r').count()
}

/// Appends `value` with each line break as CRLF: MTAs hand folds over as LF.
fn push_crlf(raw: &mut Vec<u8>, value: &[u8]) {
    let mut from = 0;
    for at in memchr::memchr_iter(b'\n', value) {
        raw.extend_from_slice(&value[from..at]);
        if raw.last() != Some(&b'\r') || at == 0 {
            raw.push(b'\r');
        }
        raw.push(b'\n');
        from = at + 1;
    }
    raw.extend_from_slice(&value[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Budget;

    fn transaction(max: u64) -> Transaction {
        let share = Budget::new(1, 1 << 30).admit().unwrap();
        Transaction::new(Arc::default(), ReversePath::default(), vec![], share, ByteSize(max))
    }

    #[test]
    fn the_message_is_put_together_as_it_was_sent() {
        let mut t = transaction(1000);
        t.header(b"Subject", b" one\n\ttwo");
        t.header(b"X-Odd", b"no space");
        t.end_of_header();
        t.body(b"line\r\nli");
        t.body(b"ne\r\n");
        let received = t.finish();
        assert_eq!(
            received.message.raw().as_ref(),
            b"Subject: one\r\n\ttwo\r\nX-Odd:no space\r\n\r\nline\r\nline\r\n".as_slice()
        );
        assert_eq!(received.message.body(), b"line\r\nline\r\n");
        assert_eq!(received.message.first("subject").as_deref(), Some("one\ttwo"));
        assert_eq!(received.fault, None);
    }

    #[test]
    fn content_is_read_at_its_end_and_lines_end_in_crlf() {
        let mut t = transaction(1000);
        t.content(b"Subject: one\r\n\ttwo\r\nX: y\n\r");
        t.content(b"\nbody\n.\nmore");
        let received = t.finish_content();
        assert_eq!(
            received.message.raw().as_ref(),
            b"Subject: one\r\n\ttwo\r\nX: y\r\n\r\nbody\r\n.\r\nmore".as_slice()
        );
        assert_eq!((received.message.body(), received.fault), (b"body\r\n.\r\nmore".as_slice(), None));
        let mut flood = transaction(1 << 24);
        flood.content(&b"a:\n".repeat(MAX_FIELDS + 1));
        let received = flood.finish_content();
        assert_eq!((received.fault, received.message.field_count()), (Some(Fault::TooManyFields), 0));
        let mut many = transaction(1 << 24);
        many.content(&[b"a:\n b\n".repeat(MAX_FIELDS), b"\n".repeat(9)].concat());
        assert_eq!(many.finish_content().fault, None);
    }

    #[test]
    fn room_for_line_ends_is_asked_for() {
        let budget = Budget::new(1, 40 * 1024);
        let new =
            |share| Transaction::new(Arc::default(), ReversePath::default(), vec![], share, ByteSize(30_000));
        let mut t = new(budget.admit().unwrap());
        t.content(&b"\n".repeat(29_000));
        assert_eq!(t.finish_content().fault, Some(Fault::NoMemory));
        assert_eq!((budget.messages(), budget.bytes()), (0, 0));
    }

    #[test]
    fn recipients_are_refused_one_by_one_when_they_hold_too_much() {
        let mut t = transaction(1000);
        let long = Recipient::new(vec![b'x'; 300]);
        assert_eq!(t.recipient(long.clone()), Ok(()));
        assert_eq!(t.recipient(long.clone()), Err(Short::Bytes));
        assert_eq!(t.recipient(Recipient::new(*b"<a@b>")), Ok(()));
        assert_eq!(t.finish().envelope.recipients, [long, Recipient::new(*b"<a@b>")]);
    }

    #[test]
    fn a_flood_of_fields_is_let_go() {
        let mut t = transaction(1 << 24);
        for _ in 0..MAX_FIELDS + 10 {
            t.header(b"a", b"");
        }
        let received = t.finish();
        assert_eq!(received.fault, Some(Fault::TooManyFields));
        assert_eq!(received.message.field_count(), 0);
    }

    #[test]
    fn a_message_over_the_limit_is_let_go() {
        let mut t = transaction(100);
        t.body(&[b'x'; 90]);
        t.body(&[b'x'; 90]);
        t.body(&[b'x'; 5]);
        let received = t.finish();
        assert_eq!(received.fault, Some(Fault::TooLarge(100)));
        assert!(received.message.raw().is_empty());
    }
}
