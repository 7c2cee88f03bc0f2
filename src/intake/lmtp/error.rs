//! Why a session ended badly.

use std::io;
use std::time::Duration;

/// Why a session ended badly. What the sentences quote is a number or a word of ours, never text of a mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// End of file where more had to come.
    #[error("the client closed the connection in the middle of a message")]
    Gone,
    /// Nothing came for too long.
    #[error("the client was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// A message trickles.
    #[error("the client did not come to the end of its message within {} s", .0.as_secs())]
    Slow(Duration),
    /// A reply could not be written in time.
    #[error("the client took no reply for {} s", .0.as_secs())]
    NotRead(Duration),
    /// Too much that is no command.
    #[error("the client sent too much that is no command; is this port spoken to by something else?")]
    Commands,
    /// The daemon stops and its patience is over.
    #[error("mailward stops, and the message was not at its end by then")]
    Cut,
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

impl SessionError {
    /// The bounded word for `mailward_lmtp_errors_total{kind}`.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Silent(_) | Self::Slow(_) | Self::NotRead(_) => "timeout",
            Self::Commands => "commands",
            Self::Cut => "cut",
            Self::Io(_) => "io",
        }
    }

    /// The last reply, where one can be read.
    pub(super) const fn last_word(&self) -> Option<&'static str> {
        match self {
            Self::Silent(_) | Self::Slow(_) => Some("4.4.2 waited too long, closing"),
            Self::Cut => Some("4.3.2 mailward is being stopped, try again later"),
            Self::Commands | Self::Gone | Self::NotRead(_) | Self::Io(_) => None,
        }
    }
}
