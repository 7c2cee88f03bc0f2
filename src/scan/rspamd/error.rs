//! What goes wrong between rspamd and us.

/// The scanner cannot be made as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RspamdError {
    /// The address is https.
    #[error(
        "{0} asks for TLS, which mailward does not speak to rspamd; use \"unix:/path\", or http:// on this machine \
         or through a tunnel"
    )]
    Tls(String),
    /// The address cannot be used.
    #[error("{url} is no address of rspamd: {why}")]
    Address {
        /// As it is configured.
        url: String,
        /// A sentence.
        why: &'static str,
    },
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("rspamd does not take connections at {server} ({cause}); is it running?")]
    Refused {
        /// Where.
        server: String,
        /// What the system said.
        cause: String,
    },
    /// There is no way there.
    #[error("rspamd cannot be reached at {server}: {cause}")]
    Unreachable {
        /// Where.
        server: String,
        /// What the system said.
        cause: String,
    },
    /// The connection ended before the reply did.
    #[error("rspamd at {server} hung up in the middle: {cause}; its log may say why")]
    Reset {
        /// Where.
        server: String,
        /// What happened.
        cause: String,
    },
    /// The reply is not one of rspamd's.
    #[error("what answered at {server} does not speak as rspamd does: {cause}")]
    Protocol {
        /// Where.
        server: String,
        /// What is wrong.
        cause: String,
    },
    /// The reply is larger than is read.
    #[error("rspamd's reply at {server} is larger than max_reply ({limit} bytes)")]
    TooLarge {
        /// Where.
        server: String,
        /// How much is read.
        limit: usize,
    },
    /// rspamd refused the question.
    #[error("rspamd at {server} answered {status} {text}")]
    Status {
        /// Where.
        server: String,
        /// The status of HTTP.
        status: u16,
        /// What rspamd said, made safe.
        text: String,
    },
    /// The time was over.
    #[error("rspamd at {server} gave no answer in time")]
    TimedOut {
        /// Where.
        server: String,
    },
}

impl AskError {
    /// One bounded word for coverage and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::Reset { .. } => "reset",
            Self::Protocol { .. } => "protocol",
            Self::TooLarge { .. } => "reply-too-large",
            Self::Status { status: 300..=399, .. } => "http-3xx",
            Self::Status { status: 400..=499, .. } => "http-4xx",
            Self::Status { status: 500..=599, .. } => "http-5xx",
            Self::Status { .. } => "http-other",
            Self::TimedOut { .. } => "timeout",
        }
    }

    /// Whether it says that the server is sick. A 4xx does not: it works, and did not like the question. Nor
    /// does a reply that is too large: it repeats what the sender wrote, so that a sender could have rspamd
    /// left alone for everybody's mail.
    #[must_use]
    pub const fn is_servers_fault(&self) -> bool {
        !matches!(self, Self::Status { status: 400..=499, .. } | Self::TooLarge { .. })
    }
}
