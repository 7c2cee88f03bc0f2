//! The kinds of entries.

use serde::{Deserialize, Serialize};

/// The kinds of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An address.
    Address,
    /// A domain, with or without sub-domains.
    Domain,
    /// A client's address or network.
    Network,
    /// The host of a link.
    Url,
    /// The content of a file.
    Attachment,
    /// The value of a header field.
    Header,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Address, Self::Domain, Self::Network, Self::Url, Self::Attachment, Self::Header];

    /// The word in commands and keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Domain => "domain",
            Self::Network => "network",
            Self::Url => "url",
            Self::Attachment => "attachment",
            Self::Header => "header",
        }
    }
}
