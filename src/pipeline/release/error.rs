//! Why an entry was not released, judged again or taught from at all.

use crate::model::MailId;
use crate::quarantine::QuarantineError;

/// Why nothing was done. What became of single copies is in the [`Report`](super::Report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// No such entry, not for that recipient, or it cannot be read.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// Malware, and nobody insisted.
    #[error(
        "{0} is held as malware, and nothing was done; look at it first (mailward quarantine show {0}), and if it must \
         be delivered all the same, release it with --force"
    )]
    Malware(MailId),
    /// A copy of what was delivered.
    #[error(
        "{0} is no held mail: the message was delivered when it came, and this is a copy for a second look; it is never \
         delivered again"
    )]
    Delivered(MailId),
    /// The file is not what was judged.
    #[error(
        "the stored message of {0} is not the one that was judged: something has changed the file in the \
         quarantine's Maildir, a mail program perhaps; it is not released"
    )]
    Changed(MailId),
    /// Too much at once.
    #[error("other held mail is being worked on, and no turn came in {0} s; try again")]
    Busy(u64),
    /// The daemon is going down.
    #[error("mailward is being stopped; try again when it runs")]
    Stopping,
    /// rspamd is not there to be taught.
    #[error("there is nobody to be taught: [scanner.rspamd] is not set up, or off")]
    NoTeacher,
    /// rspamd did not learn.
    #[error("{0}")]
    NotLearned(String),
    /// There is nothing in it.
    #[error("there is no message to learn from: it is empty")]
    Empty,
    /// Something that cannot happen did.
    #[error("the daemon failed inside, see its log: {0}")]
    Inside(String),
}
