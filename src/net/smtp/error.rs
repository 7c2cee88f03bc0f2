//! What can go wrong besides a refusal.

use super::Stage;

/// Why a message was not sent, or why nobody knows. All foreign text in it is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpError {
    /// No connection.
    #[error("no connection to the mail server {server}: {error}; see that it runs and listens there")]
    Connect {
        /// The server's address.
        server: String,
        /// What the system says.
        error: String,
    },
    /// The connection broke.
    #[error("the mail server {server} hung up at {stage} ({error}); its log says why")]
    Lost {
        /// The server's address.
        server: String,
        /// When.
        stage: Stage,
        /// What the system says.
        error: String,
    },
    /// Time ran out.
    #[error("the mail server {server} gave no answer to {stage} within {seconds} s; its log says why")]
    Silent {
        /// The server's address.
        server: String,
        /// To what.
        stage: Stage,
        /// How long we waited, in whole seconds.
        seconds: u64,
    },
    /// It does not speak the protocol.
    #[error(
        "the mail server {server} answered {stage} with what is no valid reply: {what}; is it a mail server?"
    )]
    Garbage {
        /// The server's address.
        server: String,
        /// To what.
        stage: Stage,
        /// What is wrong with the answer.
        what: String,
    },
    /// An extension that this message needs is not offered.
    #[error("the mail server {server} does not offer {extension}, and {why}; it would have to be changed")]
    Lacks {
        /// The server's address.
        server: String,
        /// The keyword of the extension.
        extension: &'static str,
        /// What needs it.
        why: &'static str,
    },
    /// An address that cannot be sent.
    #[error("the address {address:?} cannot be put into an SMTP command: {why}")]
    Path {
        /// The address, made safe.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Our own name cannot be sent.
    #[error("{name:?} cannot be our name in EHLO; give a host name")]
    Helo {
        /// The name, made safe.
        name: String,
    },
    /// A dot that servers do not read alike.
    #[error(
        "a dot follows a line break that is not CRLF, {offset} bytes into the message; some servers would take the \
         message to end there and the rest to be commands, so it is not sent"
    )]
    Hazard {
        /// Where the dot is, in bytes from the start of the message.
        offset: usize,
    },
    /// It was to go to all recipients or to nobody.
    #[error("it was not taken for each of its recipients, so it was sent to none of them")]
    NotForAll,
    /// The time for all of it ran out.
    #[error("the time ran out before the end of the message could be sent, so it was withdrawn")]
    Late,
    /// `before_dot` said no.
    #[error("the sending was not written down, so the message was withdrawn: {0}")]
    Withdrawn(String),
}

impl SmtpError {
    /// Whether it lies in the message or its envelope, or in what they need of the server: to try again does not help.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        matches!(self, Self::Lacks { .. } | Self::Path { .. } | Self::Hazard { .. })
    }
}
