//! `X-Mailward-Pass`: mail that the milter has judged, known again when it comes by LMTP.
//!
//! ```text
//! X-Mailward-Pass: v2; id=01m7xn1s0d16n15np8; t=1795210591; kid=6f1d2a90; to=<16 hexadecimal digits>, …;
//!         bh=<64 hexadecimal digits>; mac=<64 hexadecimal digits>
//! ```
//!
//! **Contract.** Where `[lmtp]` is on, a message that the milter lets through gets one, unless it has more than
//! `MOST_RECIPIENTS`. By LMTP it is known if a trusted peer hands it over, the Pass is alone, not older than
//! `LIFETIME` and not used more often than for one hand-over to each recipient and some retries, and fields, body and
//! reverse-path are those that the milter left, and each recipient is one of those for whom it was let through. Then
//! the message keeps its fields and is not judged again, and the Pass goes. In every other case it is worth nothing, is
//! counted by reason, and the message is judged like any other, without whatever claims to be ours. Mail by milter
//! is never known by a Pass.
//!
//! Covered are all fields, byte for byte and in their order, but for those that an MTA puts on top on the way
//! (`cover`); and the body byte for byte, as Postfix hands it over: it breaks lines of more than 998 bytes. Whatever
//! else an MTA changes between milter and LMTP – alias expansion, SRS, another milter's field, a signature – costs a
//! second look at the message; it never costs the message.
//!
//! Whoever reads the fields does not see for how many the mail is: marks of nobody are among those of the recipients.
//!
//! Mail of an own user says so in its Pass (`own=`), over body, author and what the body is (`Content-…`), no more:
//! XFORWARD does not tell who logged in. Where nothing else of such a Pass is good any more the message is judged
//! again, but as outbound mail; so often as aliases may need it (`uses`), for whoever got the mail can send it again. A
//! Pass that leaves with such mail opens nothing: not by milter, not from a peer that is not trusted.

mod cover;
mod stamp;
#[cfg(test)]
mod tests;
mod uses;

use std::time::Duration;

use bytes::Bytes;

use crate::model::{
    Action, Also, Answer, Direction, Disposition, Envelope, Handover, HeaderValue, MailId, Message, Plan,
    Recipient, Session, Timestamp,
};
use cover::Cover;
use stamp::{Passing, Stamp};

pub(in crate::pipeline) use cover::sent_hash;
pub use stamp::PassKey;
pub use uses::Uses;

/// The name of the field. It is of the family that is removed from every message ([`crate::mail::strip`]).
pub const FIELD: &str = "X-Mailward-Pass";
/// What waits longer in the queue is judged again.
const LIFETIME: Duration = Duration::from_secs(86_400);
/// How far the clocks of two hosts may be apart.
const SKEW: Duration = Duration::from_secs(300);
/// A message for more people gets no Pass.
const MOST_RECIPIENTS: usize = 50;
/// Bodies up to this size are hashed on the thread that received them.
const HASH_IN_PLACE: usize = 128 * 1024;

/// Why a Pass is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worthless {
    /// It did not come by LMTP: whoever sends mail can write one.
    NotHere,
    /// Who handed it over is not trusted.
    Untrusted,
    /// There are two or more.
    Several,
    /// It is none of this version.
    Malformed,
    /// Made under another key.
    OtherKey,
    /// Older than it may be.
    TooOld,
    /// Its time is yet to come.
    Future,
    /// The body is another one.
    Body,
    /// Fields or reverse-path are not those that were left, or it is forged.
    Fields,
    /// It is for somebody for whom it was not let through.
    Recipients,
    /// It was used too often.
    UsedUp,
}

/// What a message is known as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It carries no Pass.
    Not,
    /// Judged already, under this id.
    Judged(MailId),
    /// Sent by an own user; to be judged again.
    Own,
}

impl Worthless {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::NotHere,
        Self::Untrusted,
        Self::Several,
        Self::Malformed,
        Self::OtherKey,
        Self::TooOld,
        Self::Future,
        Self::Body,
        Self::Fields,
        Self::Recipients,
        Self::UsedUp,
    ];

    /// The label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotHere => "not-by-lmtp",
            Self::Untrusted => "untrusted",
            Self::Several => "several",
            Self::Malformed => "malformed",
            Self::OtherKey => "other-key",
            Self::TooOld => "too-old",
            Self::Future => "future",
            Self::Body => "body",
            Self::Fields => "fields",
            Self::Recipients => "recipients",
            Self::UsedUp => "used-up",
        }
    }
}

/// What of a message is needed to look at its Pass.
#[derive(Clone, Copy, Debug)]
pub struct Carrier<'a> {
    /// By which way it came.
    pub session: &'a Session,
    /// From whom and for whom.
    pub envelope: &'a Envelope,
    /// The message.
    pub message: &'a Message,
    /// Now.
    pub now: Timestamp,
}

/// What the message is known as.
///
/// # Errors
/// If it carries a Pass that is worth nothing.
pub async fn known(key: &PassKey, uses: &Uses, carrier: Carrier<'_>) -> Result<Known, Worthless> {
    let Carrier { session, envelope, message, now } = carrier;
    let mut values = message.values(FIELD);
    let Some(value) = values.next() else { return Ok(Known::Not) };
    if session.handover == Handover::Milter {
        return Err(Worthless::NotHere);
    }
    if !session.peer_is_trusted {
        return Err(Worthless::Untrusted);
    }
    if values.next().is_some() {
        return Err(Worthless::Several);
    }
    let stamp = Stamp::read(value).ok_or(Worthless::Malformed)?;
    if !key.is_of(&stamp) {
        return Err(Worthless::OtherKey);
    }
    let made = Timestamp::from_millis(stamp.time.saturating_mul(1000));
    if now.since(made) > LIFETIME {
        return Err(Worthless::TooOld);
    }
    if made.since(now) > SKEW {
        return Err(Worthless::Future);
    }
    // Cheap first: nobody makes us hash by sending what is forged.
    let cover = Cover::of(message, &[]);
    let passing = Passing { cover: &cover, reverse_path: envelope.reverse_path.address().as_bytes() };
    let is_named = |recipient: &Recipient| stamp.recipients.contains(&key.mark(stamp.id, recipient));
    let judged = if !cover::is_all_fields(message) || !key.is_good(&stamp, passing) {
        Err(Worthless::Fields)
    } else if !envelope.recipients.iter().all(is_named) {
        Err(Worthless::Recipients)
    } else {
        Ok(Known::Judged(stamp.id))
    };
    let otherwise = |why| key.is_own(&stamp, &cover).then_some(Known::Own).ok_or(why);
    let known = judged.or_else(otherwise)?;
    let body = message.raw().slice(message.body_offset()..);
    if hash(body, cover::body_hash).await != Some(stamp.body) {
        return Err(Worthless::Body);
    }
    let known = match known {
        Known::Judged(id) if !uses.count(id, key.count(&stamp)) => otherwise(Worthless::UsedUp)?,
        known => known,
    };
    match known {
        Known::Own if !uses.count_own(stamp.id) => Err(Worthless::UsedUp),
        known => Ok(known),
    }
}

/// What was let through.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    /// Under which id it was judged.
    pub id: MailId,
    /// Now.
    pub now: Timestamp,
    /// Which way it goes.
    pub direction: Direction,
    /// From whom and for whom.
    pub envelope: &'a Envelope,
    /// The message.
    pub message: &'a Message,
}

/// Adds a Pass to a message that is let through; to no other.
pub async fn add(key: &PassKey, passed: Passed<'_>, plan: &mut Plan) {
    let Passed { id, now, direction, envelope, message } = passed;
    if plan.answer != Answer::Accept || plan.also.held_by_mta {
        return;
    }
    let recipients = who_gets_it(envelope, plan);
    if recipients.is_empty() || recipients.len() > MOST_RECIPIENTS {
        return;
    }
    let replaced = plan.actions.iter().rev().find_map(|action| match action {
        Action::ReplaceBody(body) => Some(body.clone()),
        _ => None,
    });
    let body = replaced.unwrap_or_else(|| message.raw().slice(message.body_offset()..));
    let Some(body) = hash(body, sent_hash).await else { return };
    let cover = Cover::of(message, &plan.actions);
    let passing = Passing { cover: &cover, reverse_path: envelope.reverse_path.address().as_bytes() };
    let marks = key.marks(id, &recipients);
    let own = direction == Direction::Outbound;
    let stamp = key.make((id, now.seconds()), marks, body, passing, own);
    let value = HeaderValue::new(FIELD, &stamp.to_string());
    plan.actions.push(Action::InsertHeader { index: 0, name: FIELD.to_owned(), value });
}

/// Those whom the MTA delivers to.
fn who_gets_it(envelope: &Envelope, plan: &Plan) -> Vec<Recipient> {
    let mut recipients = envelope.recipients.clone();
    for action in &plan.actions {
        match action {
            Action::DeleteRecipient(path) => recipients.retain(|recipient| recipient.removal() != *path),
            Action::AddRecipient(address) => recipients.push(Recipient::new(format!("<{address}>"))),
            _ => {}
        }
    }
    recipients
}

/// The hash of a body. Without one, which a panic alone could bring about, there is no Pass, and the message is judged
/// once more.
async fn hash(body: Bytes, hash: fn(&[u8]) -> [u8; 32]) -> Option<[u8; 32]> {
    if body.len() <= HASH_IN_PLACE {
        return Some(hash(&body));
    }
    tokio::task::spawn_blocking(move || hash(&body)).await.ok()
}

/// What is done with a message that is known: it goes on as it is, without its Pass.
#[must_use]
pub fn plan(envelope: &Envelope) -> Plan {
    Plan {
        quarantine: None,
        actions: vec![Action::DeleteHeader { name: FIELD.to_owned(), index: 1 }],
        answer: Answer::Accept,
        refusals: Default::default(),
        recipients: vec![Disposition::Accept; envelope.recipients.len()],
        banner: None,
        also: Also::default(),
    }
}
