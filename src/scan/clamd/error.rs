//! What can go wrong between us and clamd.

use std::io;

use crate::model::Span;
use crate::net::address::Server;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody is there, or clamd is about to start or to load signatures.
    #[error("clamd at {server} takes no connection ({source}); does it run, and is this its address?")]
    Refused {
        /// Where.
        server: Server,
        /// What the system says.
        source: io::Error,
    },
    /// The permissions of its socket.
    #[error("clamd's socket {server} may not be used ({source}); add the user mailward to its group")]
    Denied {
        /// Where.
        server: Server,
        /// What the system says.
        source: io::Error,
    },
    /// No way there.
    #[error("clamd at {server} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        server: Server,
        /// What the system says.
        source: io::Error,
    },
    /// The connection ended and nothing had been said.
    #[error("clamd hung up without an answer; did it stop or crash? Its log knows more")]
    HungUp,
    /// The connection ended within an answer.
    #[error("clamd hung up in the middle of its answer, after {0:?}")]
    Cut(String),
    /// Longer than any answer of clamd's.
    #[error("the answer has more than {0} bytes; is it clamd that listens there?")]
    TooLong(usize),
    /// Something else than clamd says.
    #[error("the answer {0:?} is none of clamd's; is it clamd that listens there?")]
    Unknown(String),
    /// A judgement on a part of the message.
    #[error("clamd said OK before it had the whole message")]
    Early,
    /// `… ERROR` about the message.
    #[error("clamd could not look at it: {0}")]
    Said(String),
    /// `… ERROR` about the question. clamd 1.4 was seen to say so of a stream that was in order, among reloads and
    /// restarts: "PROTOCOL ERROR: ancillary data sent without FILDES."
    #[error("clamd did not take the message: {0}")]
    NotTaken(String),
    /// The time was over.
    #[error("clamd gave no answer within {0}")]
    Silent(Span),
}

impl AskError {
    /// From a connection that was not taken.
    pub(super) fn connecting(server: &Server, source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let server = server.clone();
        match source.kind() {
            // NotFound: the socket is made anew at a start. WouldBlock: its queue is full.
            Kind::ConnectionRefused | Kind::ConnectionReset | Kind::NotFound | Kind::WouldBlock => {
                Self::Refused { server, source }
            }
            Kind::PermissionDenied => Self::Denied { server, source },
            _ => Self::Unreachable { server, source },
        }
    }

    /// The bounded word for coverage.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Denied { .. } => "denied",
            Self::Unreachable { .. } => "unreachable",
            Self::HungUp | Self::Cut(_) => "reset",
            Self::TooLong(_) | Self::Unknown(_) | Self::Early => "protocol",
            Self::Said(_) | Self::NotTaken(_) => "error",
            Self::Silent(_) => "timeout",
        }
    }

    /// Whether there was a connection at all.
    pub(super) const fn is_connected(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::Denied { .. } | Self::Unreachable { .. })
    }

    /// Whether it is what a reload or restart looks like from here.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Refused { .. }) || self.after_sending()
    }

    /// The same, of a clamd that had the message in its hands.
    pub(super) const fn after_sending(&self) -> bool {
        matches!(self, Self::HungUp | Self::NotTaken(_))
    }
}
