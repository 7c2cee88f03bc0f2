//! Handing a message to a mail server: SMTP (RFC 5321) or LMTP (RFC 2033), over TCP or a unix socket.
//!
//! One call, one connection, one transaction. Used to give released mail back to the MTA.
//!
//! **Contract.** [`deliver`] says of every recipient, in the caller's order, how it ended
//! ([`Outcome`]). The server takes a message over at the final dot, so:
//!
//! - Whatever fails before the dot is [`Outcome::NotSent`] or [`Outcome::Refused`]: the server has no
//!   such message, sending it again doubles nothing.
//! - From the first byte of the dot on only the server's reply counts. Without a whole, well-formed
//!   reply it is [`Outcome::Uncertain`]: nobody knows, and sending again may deliver twice.
//!
//! `before_dot` runs when all but the dot is with the system; the caller writes "sending" to disk there.
//! If it fails the connection is cut and the server discards the message (RFC 5321 §4.1.1.4). It is
//! never cut short by a deadline, so that what it writes cannot land after what the caller writes next.
//! A caller who drops the future itself must assume the uncertain case once `before_dot` has begun.
//!
//! **Exactness.** Envelope and message go out byte for byte, or not at all:
//!
//! - A message that does not end in CRLF gets one, because the dot must stand on a line of its own.
//! - 8-bit content without 8BITMIME, a non-ASCII address without SMTPUTF8, a `REQUIRETLS` that the
//!   server does not know: told, never converted. Which parameters of MAIL go along: see `parameters`.
//! - A dot at the start of a line is doubled (RFC 5321 §4.5.2). *Start of a line* is after CRLF alone.
//!   After a bare LF, a bare CR or NULs servers disagree: a strict one keeps each byte there, a lenient
//!   one removes the dot, or takes the message to end and what follows to be commands (SMTP smuggling,
//!   CVE-2023-51764; Postfix is lenient to `$mynetworks`, that is, to us). Doubling would change the
//!   message for the strict, leaving it alone opens the lenient, so such a message is not sent
//!   ([`SmtpError::Hazard`]). Bare CR and LF without a dot behind them cannot end a message and go out
//!   as they are; whether it takes them is the server's choice (RFC 5321 §2.3.8).
//! - To whoever is accepted ([`deliver`]), or to all or nobody ([`deliver_to_all`]).
//! - An address that could be read as more than an address (controls, a space outside quotes, `<` or
//!   `>` inside) is not sent; the other recipients are served.
//!
//! **Bounds.** Each step has its time, all together `total`. A reply has at most 64 lines of 8 KiB.
//! Of the message at most 64 KiB at a time are copied.
//!
//! **Failures.** [`SmtpError`], inside the outcomes. Nothing is tried again here and nothing is logged
//! louder than debug: what an outcome is worth is the caller's business.
//!
//! Where to find what: the order of commands `transaction`, what happens at the dot `dot`, bytes and
//! deadlines `wire`, replies `reply`, dots and 8-bit `content`, addresses `path`.

mod content;
mod dot;
mod error;
mod extensions;
#[cfg(test)]
mod malformed;
mod outcome;
mod parameters;
mod path;
mod reply;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::model::{Recipient, ReversePath};
use crate::net::{address::Server, connect};

pub use error::SmtpError;
pub use outcome::{Delivery, Outcome, Stage};
pub use path::is_helo;
#[cfg(test)]
pub(crate) use path::is_path;
pub use reply::Reply;

/// Whom we speak to and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: Server,
    /// Our name in EHLO: a host name, or an address literal in brackets.
    pub helo: String,
    /// Which of the two protocols the server speaks.
    pub protocol: Protocol,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// The protocol. They differ in the greeting and in what answers the dot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321: one reply to the dot, for all recipients.
    #[default]
    Smtp,
    /// RFC 2033: a reply to the dot for each accepted recipient.
    Lmtp,
}

/// How long each step may take. The default is what RFC 5321 §4.5.3.2 asks a client to wait at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, and again until the greeting.
    pub connect: Duration,
    /// For the reply to EHLO, MAIL and each RCPT.
    pub command: Duration,
    /// For the reply to DATA, and for each block of the message to be taken.
    pub data: Duration,
    /// For the reply to the dot; with LMTP for each of them.
    pub dot: Duration,
    /// For all of it. A quarter (or [`Self::dot`], if that is less) is kept for the reply to the dot: when
    /// the rest is used up the dot is not sent any more, rather than sent and not waited for.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            connect: minutes(5),
            command: minutes(5),
            data: minutes(3),
            dot: minutes(10),
            total: minutes(20),
        }
    }
}

/// Longer times count as this.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Timeouts {
    /// From now: when the dot must be on its way, and when all must be over.
    fn ends(&self) -> (Instant, Instant) {
        let total = self.total.min(LONGEST);
        let now = Instant::now();
        (now + (total - self.dot.min(total / 4)), now + total)
    }

    /// The RFC's times, none longer than `total`, which all of it may take.
    #[must_use]
    pub fn within(total: Duration) -> Self {
        let rfc = Self::default();
        Self {
            connect: rfc.connect.min(total),
            command: rfc.command.min(total),
            data: rfc.data.min(total),
            dot: rfc.dot.min(total),
            total,
        }
    }
}

/// One message and its envelope.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// MAIL FROM, `<>` included.
    pub reverse_path: &'a ReversePath,
    /// The parameters of the MAIL command it came with (`SIZE=…`, `BODY=8BITMIME`, `SMTPUTF8`).
    pub parameters: &'a [String],
    /// For whom, in order.
    pub recipients: &'a [Recipient],
    /// The message in CRLF form, cut anywhere.
    pub pieces: &'a [Bytes],
}

/// Hands `outgoing` to the server. See the head of this module for what `before_dot` is for.
pub async fn deliver<F>(settings: &Settings, outgoing: &Outgoing<'_>, before_dot: F) -> Delivery
where
    F: AsyncFnOnce() -> Result<(), String>,
{
    hand_over(settings, outgoing, Whom::Any, before_dot).await
}

/// The same, but to all recipients or to none: for who has one answer to give for all of them. As long as a server
/// answers for each recipient before the dot (SMTP), one whom it refuses keeps the message from the others
/// ([`SmtpError::NotForAll`]); what it says to the dot counts as it does with [`deliver`].
pub async fn deliver_to_all<F>(settings: &Settings, outgoing: &Outgoing<'_>, before_dot: F) -> Delivery
where
    F: AsyncFnOnce() -> Result<(), String>,
{
    hand_over(settings, outgoing, Whom::All, before_dot).await
}

/// For whom a message may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    /// For those who are accepted, if there is one.
    Any,
    /// For all of them only.
    All,
}

async fn hand_over<F>(settings: &Settings, outgoing: &Outgoing<'_>, whom: Whom, before_dot: F) -> Delivery
where
    F: AsyncFnOnce() -> Result<(), String>,
{
    let (until, end) = settings.timeouts.ends();
    let plan = match transaction::Plan::new(settings, outgoing, whom).await {
        Ok(plan) if plan.anybody() => plan,
        Ok(plan) => return plan.unsent(),
        Err(error) => return Delivery::all(outgoing.recipients.len(), &Outcome::NotSent(error)),
    };
    let by = until.min(Instant::now() + settings.timeouts.connect.min(LONGEST));
    match connect(&settings.server, by).await {
        Ok(stream) => {
            let wire = wire::Wire::new(stream, &settings.server, until, end);
            Box::pin(plan.run(wire, before_dot)).await
        }
        Err(error) => {
            plan.failed(SmtpError::Connect { server: settings.server.to_string(), error: error.to_string() })
        }
    }
}
