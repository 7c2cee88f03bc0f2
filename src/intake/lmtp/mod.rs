//! LMTP (RFC 2033), and SMTP behind a queue: how mail reaches us that an MTA has taken already.
//!
//! [`serve()`] takes connections; a session on each reads lines and content (`wire`, `command`, `unstuff`), keeps what
//! they say (`dialogue`, `speaks_for`) and, at the end of a message, has it judged, hands it to the next server and
//! answers by what that said (`answer`). LHLO gets an answer for each recipient, EHLO and HELO one for all. Handing on:
//! who gets it (`handing`, `copies`), as what (`rewrite`, `received`), to whom (`onward`, `standing`), and what is answered then (`said`, `stuck`).
//!
//! **Contract.** Who hands mail over is not its client: for whom it speaks is known by XFORWARD or XCLIENT from a
//! trusted peer, else by nothing, and then nothing is judged by a client. 250 is said only of what the next server
//! has taken, or what is in quarantine or was to be dropped. A message ends at CRLF.CRLF and at nothing else; line ends
//! become CRLF, so that nobody behind us can read it otherwise. A connection keeps the [`Snapshot`] that it began with.
//! A message holds its room until it is handed on. The order is the promise: judge, secure, hand on, answer.
//!
//! **Failures.** Whatever is wrong with one connection ends it alone, with a log line and
//! `mailward_lmtp_errors_total{kind}`:
//!
//! | what | the client sees |
//! |---|---|
//! | no room for a message, or for a recipient | 452 at MAIL, or at RCPT |
//! | larger than `limits.message` | 552 at MAIL where SIZE says so, else at the end; 452 and a line in the log behind a queue |
//! | too many errors, an unreadable BDAT, silence | a reply, then the connection closes |
//! | the judge panics, or is not done long after its deadline | 451 |
//! | the next server is down, slow, or answers nonsense | 451 for each whom that concerns |
//! | the next server refuses | its reply, for each whom it concerns |
//! | the mail cannot be handed on as it is (a line that servers read differently, an extension that is missing) | 250 and held in quarantine, or 55x where refusals may be |
//! | with SMTP: it refuses some at RCPT and takes others | nothing is sent; 451, and a line in the log |
//! | a message that goes in circles | 451, or 554 where refusals may be |
//! | the client is gone when the message is judged | nothing is handed on: it will come again |
//! | the daemon stops | who is between messages: 421; who is in one: to its end, at the drain's deadline 421 or 451 |
//!
//! **Known inexactness.** With SMTP the next server may take a message at its dot for all and lose it for some: that
//! is its own matter. With LMTP behind an SMTP client it may answer the dot with yes for some and no for others; then
//! all are answered 451, and those who have it get it again. A copy that a rule wants is handed on when a recipient
//! has the mail, in a transaction of its own; nobody would be told that it was not taken: it is an error in the log.

mod answer;
mod command;
pub mod config;
mod copies;
mod dialogue;
mod error;
mod handing;
mod onward;
mod parameters;
mod received;
mod reply;
mod rewrite;
mod said;
mod serve;
mod session;
mod speaks_for;
mod standing;
mod stuck;
mod unstuff;
mod wire;

pub use config::{Config, Protocol, Reject};
pub use serve::{Service, Snapshot, Terms, serve};
pub use standing::Standing;

#[cfg(test)]
mod tests;
