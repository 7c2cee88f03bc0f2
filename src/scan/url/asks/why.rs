//! Why something was not asked, or asked in vain.

use std::net::Ipv4Addr;

use super::{Refused, WebError};
use crate::dns::DnsError;
use crate::net::Open;

/// Why the net does not know, or was not asked. The sentence is for an admin; [`Self::label`] for records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// A link to unsubscribe by.
    #[error("it is a link to unsubscribe by")]
    Unsubscribe,
    /// It holds a token of the recipient.
    #[error("it holds what identifies the recipient in List-Unsubscribe")]
    Personal,
    /// The host belongs to many, so that a list says nothing of this link.
    #[error("strangers share the host")]
    Shared,
    /// The address belongs to no public net.
    #[error("the address is not public")]
    NotPublic,
    /// The guard does not let anybody connect there.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// More links or names than the budget.
    #[error("the message asks for more than one message may")]
    Budget,
    /// It leads from shortener to shortener.
    #[error("it leads on through more shorteners than are followed")]
    Hops,
    /// It leads back to where it was.
    #[error("it leads in a circle")]
    Circle,
    /// The server answered, and not with a redirect.
    #[error("the shortener answers {0} and does not say where it leads")]
    NoRedirect(u16),
    /// Time was over.
    #[error("there was no time left")]
    NoTime,
    /// Who is asked keeps failing.
    #[error(transparent)]
    LeftAlone(#[from] Open),
    /// The shortener could not be asked.
    #[error(transparent)]
    Web(WebError),
    /// The list's servers gave no answer.
    #[error("the block list could not be asked: {0}")]
    Dns(#[from] DnsError),
    /// The list does not let us ask.
    #[error("the block list does not let us ask")]
    Forbidden,
    /// The list answers what it should not.
    #[error("the block list answered {0}, which it has no meaning for")]
    Nonsense(Ipv4Addr),
    /// The list lists what must never be listed.
    #[error("the block list lists everything")]
    ListsAll,
}

impl Why {
    /// The bounded word for metrics and coverage.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unsubscribe => "unsubscribe",
            Self::Personal => "personal",
            Self::Shared => "shared",
            Self::NotPublic => "not-public",
            Self::Refused(_) => "guarded",
            Self::Budget => "budget",
            Self::Hops => "hops",
            Self::Circle => "circle",
            Self::NoRedirect(_) => "no-redirect",
            Self::NoTime => "timeout",
            Self::LeftAlone(_) => "left-alone",
            Self::Web(error) => error.label(),
            Self::Dns(DnsError::TimedOut) => "timeout",
            Self::Dns(_) => "failed",
            Self::Forbidden => "forbidden",
            Self::Nonsense(_) => "nonsense",
            Self::ListsAll => "lists-all",
        }
    }

    /// Whether something that was to be known is not: a failure, a refusal, or a budget that is used up. The rest
    /// is left out on purpose, or known to lead nowhere. Who refuses the question (400, 403) may well redirect a
    /// browser.
    #[must_use]
    pub const fn is_gap(&self) -> bool {
        matches!(self, Self::NoRedirect(400 | 403))
            || !matches!(
                self,
                Self::Unsubscribe
                    | Self::Personal
                    | Self::Shared
                    | Self::NotPublic
                    | Self::Circle
                    | Self::NoRedirect(_)
            )
    }
}
