//! Asking the DNS about mail.
//!
//! **Contract.** One [`Resolver`] for all that asks about mail: a stub of our own over hickory's messages. A
//! message asks through an [`Inquiry`], which holds its budget: how many questions, how many at once, and
//! until when. Names are asked as they are, fully qualified; the system's search list, its `options` and its
//! hosts file are never used.
//!
//! What one mail makes us look up cannot change what another is told: the cache is keyed by name *and* type,
//! and of a reply only the records of the name and type that were asked for are taken. Everything has a
//! limit: the questions in the air, the time of each, the bytes of the cache. Equal questions are asked once.
//!
//! **Failures.** That a name or a record does not exist is an answer ([`DnsError::NoName`],
//! [`DnsError::NoRecords`]). Everything else is [`temporary`](DnsError::is_temporary): a server that is
//! silent, refuses or talks nonsense, and a budget that is used up. Nothing temporary is cached. Where
//! nothing answers at all, [`Resolver::down`] says so until something does.
//!
//! Where to find what: the questions of a message [`inquiry`], who answers [`resolver`], all questions to
//! servers `live`, which server `servers`, over the wire `transport`, what a reply says `answer`, what is
//! kept `cache`, whether the DNS works `health`, answers from a file [`zone`].

mod answer;
mod cache;
mod health;
pub mod inquiry;
mod live;
#[cfg(test)]
mod malformed;
mod name;
pub mod resolver;
mod servers;
mod transport;
pub mod zone;

#[cfg(test)]
mod tests;

pub use inquiry::{Inquiry, Spent, backwards};
pub use name::question;
pub use resolver::{Resolver, Settings};
pub use zone::{Zone, ZoneError};

/// The most aliases (CNAME) that lead from a name to its records; BIND follows as many.
const MAX_ALIASES: usize = 16;

/// What a question found. Cheap to clone.
type Found = Result<std::sync::Arc<[Record]>, DnsError>;

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
