//! The vocabulary: one type per idea, used by every other module.
//!
//! **Contract.** Plain data. No I/O, no clock, no configuration, no tokio. A value that exists is
//! valid: a [`SmtpReply`] cannot hold a line break, a [`Score`] is finite, a [`MailId`] is safe in a
//! file name. Everything that goes into a record is `Serialize`/`Deserialize` under stable names.
//!
//! **Failures.** Constructors that can refuse return an error that says what was wrong; nothing here
//! panics.
//!
//! Where to find what: who connected [`session`], for whom [`envelope`], what was sent [`message`],
//! what a file is called [`file_name`], what was seen [`finding`], how each scanner ended [`outcome`], what the
//! admin's lists say [`list`], addresses compared [`mailbox`], what another filter would do [`advice`], its links
//! [`url`], who really sent it [`authentication`], what was decided [`verdict`], what is done besides [`also`], what
//! the MTA is told [`action`] and [`reply`], made safe for people [`text`], why something failed
//! [`causes()`].

pub mod action;
pub mod advice;
pub mod also;
pub mod authentication;
pub mod authserv;
mod causes;
pub mod envelope;
pub mod file_name;
pub mod finding;
pub mod id;
pub mod list;
pub mod mailbox;
pub mod message;
pub mod outcome;
pub mod part;
pub mod reply;
pub mod secret;
pub mod session;
pub mod size;
mod socket_mode;
pub mod span;
pub mod text;
pub mod time;
pub mod url;
pub mod verdict;

#[cfg(test)]
mod properties;

pub use action::{Action, Answer, HeaderValue, Plan, QuarantineOrder, RemovedFields};
pub use advice::{Advice, AdvisedAction, FieldWish, RemovalWish};
pub use also::{Abilities, Also, Extra, LeftOut, Redirected};
pub use authentication::{AuthResult, Authentication, Author, DmarcPolicy};
pub use authserv::{AuthservId, OwnId};
pub use causes::{causes, system_says};
pub use envelope::{Envelope, Recipient, ReversePath};
pub use finding::{Category, Finding, Scanner, Score, Severity};
pub use id::MailId;
pub use list::{List, ListHit, ListHits, Matched};
pub use message::{Field, Message};
pub use outcome::{Coverage, Failure, Outcome, Skip};
pub use part::{Attachment, Part, Parts};
pub use reply::SmtpReply;
pub use secret::SecretText;
pub use session::{Client, ClientAddr, Direction, Handover, Session};
pub use size::ByteSize;
pub use socket_mode::SocketMode;
pub use span::Span;
pub use time::Timestamp;
pub use url::{Judgement, SeenUrl};
pub use verdict::{Disposition, Explanation, Step, Treatment, Verdict};
