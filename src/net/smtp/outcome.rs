//! How it ended for each recipient.

use std::fmt;

use super::{Reply, SmtpError};

/// How it ended for each recipient, in the order of [`Outgoing::recipients`](super::Outgoing).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// One for each recipient.
    pub outcomes: Vec<Outcome>,
}

/// How it ended for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server took the message for this recipient and answers for it from now on.
    Delivered(Reply),
    /// The server said no; it does not have the message for this recipient.
    Refused {
        /// What it said; 4xx or 5xx.
        reply: Reply,
        /// What it said that to.
        stage: Stage,
    },
    /// The server certainly does not have the message for this recipient, and did not say no either.
    NotSent(SmtpError),
    /// The dot was sent, or the server spoke as if it had been, and no valid reply came: it may have the
    /// message or not. Sending again may deliver it twice.
    Uncertain(SmtpError),
}

impl Outcome {
    /// Whether the server has the message for certain.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered(_))
    }

    /// Whether the server said no for good: a 5xx. Too many recipients at once (552 to RCPT) is not for
    /// good (RFC 5321 §4.5.3.1.10).
    #[must_use]
    pub fn is_refused_for_good(&self) -> bool {
        match self {
            Self::Refused { reply, stage } => {
                reply.code() >= 500 && !(*stage == Stage::Rcpt && reply.code() == 552)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Outcome {
    /// A sentence for people, safe to show, without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered(reply) => write!(f, "delivered: {reply}"),
            Self::Refused { reply, stage } => write!(f, "refused, answering {stage}: {reply}"),
            Self::NotSent(error) => write!(f, "not sent: {error}"),
            Self::Uncertain(error) => {
                write!(f, "perhaps delivered, look into the server's log before sending it again: {error}")
            }
        }
    }
}

impl Delivery {
    /// The same for each of `count` recipients.
    pub(super) fn all(count: usize, outcome: &Outcome) -> Self {
        Self { outcomes: vec![outcome.clone(); count] }
    }
}

/// Where in the transaction something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The server's greeting.
    Greeting,
    /// EHLO, HELO or LHLO.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The message itself, before the dot.
    Content,
    /// The final dot.
    Dot,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "our connection",
            Self::Hello => "EHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Content => "the message, before its end",
            Self::Dot => "the end of the message",
        })
    }
}
