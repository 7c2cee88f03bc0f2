//! Why a session ended badly.

use std::io;
use std::time::Duration;

use super::frame::MAX_PACKET;

/// Why a session ended badly. What the sentences quote comes from the MTA's side of the wire and is
/// a number or a word of ours, never text of a mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// End of file between two packets, with a message open.
    #[error("the MTA closed the connection in the middle of a message")]
    Gone,
    /// End of file inside a packet.
    #[error("the MTA closed the connection in the middle of a packet")]
    Truncated,
    /// The length field is 0: not even a command byte.
    #[error("the MTA sent a packet without a command; is this port spoken to by something else?")]
    Empty,
    /// The length field is beyond what is taken.
    #[error("the MTA announced a packet of {0} bytes; at most {MAX_PACKET} are taken")]
    TooLarge(u32),
    /// No such command.
    #[error("the MTA sent the unknown command {:?}", char::from(*.0))]
    UnknownCommand(u8),
    /// The packet's content is not what its command needs.
    #[error("the MTA sent a {command:?} packet {why}")]
    Malformed {
        /// The command byte.
        command: char,
        /// What is wrong, as the end of a sentence.
        why: &'static str,
    },
    /// A command at a moment where it has no meaning.
    #[error("the MTA sent {command:?} where it has no meaning ({during})")]
    Order {
        /// The command byte.
        command: char,
        /// Where the session was.
        during: &'static str,
    },
    /// Version 1, or none.
    #[error("the MTA speaks milter version {0}; at least 2 is needed")]
    Version(u32),
    /// Nothing came for too long.
    #[error("the MTA was silent for {} s inside a packet", .0.as_secs())]
    Stalled(Duration),
    /// Nothing came between packets for too long.
    #[error("the MTA was silent for {} s", .0.as_secs())]
    Idle(Duration),
    /// A reply could not be written in time.
    #[error("the MTA took no reply for {} s", .0.as_secs())]
    NotRead(Duration),
    /// The daemon stops and its patience is over.
    #[error("mailward stops, and the message was not at its end by then")]
    Cut,
    /// The socket failed.
    #[error("the connection to the MTA failed: {0}")]
    Io(#[from] io::Error),
}

impl SessionError {
    /// The bounded word for `mailward_milter_errors_total{kind}`.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Truncated => "truncated",
            Self::Empty | Self::TooLarge(_) => "length",
            Self::UnknownCommand(_) => "command",
            Self::Malformed { .. } => "malformed",
            Self::Order { .. } => "order",
            Self::Version(_) => "version",
            Self::Stalled(_) | Self::NotRead(_) => "timeout",
            Self::Idle(_) => "idle",
            Self::Cut => "cut",
            Self::Io(_) => "io",
        }
    }

    /// Whether the MTA can still be told something, and may be waiting for it.
    pub(super) const fn can_answer(&self) -> bool {
        match self {
            Self::Gone | Self::Truncated | Self::Idle(_) | Self::NotRead(_) | Self::Io(_) => false,
            Self::Empty
            | Self::TooLarge(_)
            | Self::UnknownCommand(_)
            | Self::Malformed { .. }
            | Self::Order { .. }
            | Self::Version(_)
            | Self::Stalled(_)
            | Self::Cut => true,
        }
    }
}
