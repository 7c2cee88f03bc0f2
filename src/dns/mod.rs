//! Asking the DNS about mail.
//!
//! **Contract.** One [`Resolver`] for all that asks about mail: our own stub over hickory, with a bounded
//! cache that is keyed by name *and* type, so that what one mail makes us look up can never change the
//! answer for another kind of question. A message asks through an [`Inquiry`], which holds its budget:
//! how many questions, and until when. Names are asked as they are, fully qualified; the search list of
//! the system is never used.
//!
//! **Failures.** That a name or a record does not exist is an answer ([`DnsError::NoName`],
//! [`DnsError::NoRecords`]). Everything else is [`temporary`](DnsError::is_temporary): a server that is
//! silent, refuses or talks nonsense, and a budget that is used up. Nothing temporary is cached.
//!
//! Where to find what: the questions [`inquiry`], the servers [`resolver`], answers from a file [`zone`].

pub mod inquiry;
mod name;
pub mod resolver;
pub mod zone;

#[cfg(test)]
mod tests;

pub use inquiry::{Inquiry, Spent};
pub use name::question;
pub use resolver::{Resolver, Settings};
pub use zone::{Zone, ZoneError};

/// Why there is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name does not exist (NXDOMAIN).
    #[error("the name does not exist")]
    NoName,
    /// The name exists and has no record of that type.
    #[error("there is no such record")]
    NoRecords,
    /// The text is no name that the DNS could have.
    #[error("it is no domain name")]
    NotAName,
    /// No answer came in time.
    #[error("no DNS server answered in time")]
    TimedOut,
    /// The servers answered with an error, or not in the protocol.
    #[error("the DNS servers failed: {0}")]
    Failed(String),
    /// The message has asked as many questions as one message may.
    #[error("the message asks more DNS questions than one message may")]
    TooMany,
}

impl DnsError {
    /// Whether it may be otherwise a little later. That nothing is there is not temporary.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Failed(_) | Self::TooMany)
    }

    /// Whether the answer is that there is nothing: what RFC 7208 §4.6.4 calls a void look-up.
    #[must_use]
    pub const fn is_void(&self) -> bool {
        matches!(self, Self::NoName | Self::NoRecords)
    }

    /// The bounded word for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NoName => "no-name",
            Self::NoRecords => "no-records",
            Self::NotAName => "not-a-name",
            Self::TimedOut => "timeout",
            Self::Failed(_) => "failed",
            Self::TooMany => "budget",
        }
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail servers.
    Mx,
    /// The names of an address.
    Ptr,
    /// Texts.
    Txt,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::A, Self::Aaaa, Self::Mx, Self::Ptr, Self::Txt];

    /// As a zone file writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ptr => "PTR",
            Self::Txt => "TXT",
        }
    }
}

/// One record, without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An IPv4 address.
    A(std::net::Ipv4Addr),
    /// An IPv6 address.
    Aaaa(std::net::Ipv6Addr),
    /// A mail server: preference and name in lower case with its final dot.
    Mx(u16, String),
    /// A name in lower case with its final dot.
    Ptr(String),
    /// A text, its strings joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    Txt(Vec<u8>),
}
