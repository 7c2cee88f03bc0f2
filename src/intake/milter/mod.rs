//! Milter: how Postfix and Sendmail hand us mail during SMTP.
//!
//! Our own session on indymilter's codec. [`serve()`] takes connections,
//! a session per connection reads packets (`frame`), keeps what they say (`dialogue`: connection and
//! message are two types) and, at the end of a message, has it judged and answers (`eom`, `edits`).
//!
//! **Contract.** Protocol version 6 where the MTA speaks it, 2 to 5 where not. The message reaches
//! the [`Judge`](crate::pipeline::Judge) byte for byte as the MTA has it. Nothing is decided at
//! CONNECT, HELO, DATA or while content comes: those stages carry no reply where the MTA allows that.
//! All edits and the final reply leave in one write; a new body
//! (SMFIR_REPLBODY) last of the edits. An MTA that lets mail through when its filter breaks off may keep the old body
//! then, so no verdict relies on a new one. A connection keeps the [`Snapshot`](super::Snapshot) that it
//! began with; a reload is for those that come after. No message between MAIL and its answer is cut
//! by [`Running::drain`](super::Running::drain) before its deadline. Before it,
//! [`Running::wind_down`](super::Running::wind_down) lets sessions end by themselves where new ones can wait.
//!
//! **Failures.** Whatever is wrong with one connection ends or tempfails that one alone, with a log
//! line and `mailward_milter_errors_total{kind}`:
//!
//! | what | the MTA sees |
//! |---|---|
//! | no place or no memory for a message | 452 at MAIL, or at the RCPT that did not fit |
//! | a packet that cannot be read inside a message | 451 at EOM, or at the RCPT itself |
//! | an unknown command, a length of 0 or above 1 MiB, silence inside a packet | tempfail, then the connection closes |
//! | the judge panics, or is not done long after its deadline | 451 at EOM |
//! | the daemon stops, and the drain's deadline is over | 451; the connection closes a second later |
//! | the plan needs an edit that this MTA did not offer | 451 at EOM; of edits that only rules ask for, the judge knows beforehand (`Session::abilities`) |
//! | a TCP peer that is not allowed | the connection closes |
//! | no more file descriptors, or all connections in use | waits in the listen queue |
//!
//! **Known inexactness.** An MTA without `SMFIP_HDR_LEADSPC` takes one space off each header value;
//! it is put back, so a field written without any space gains one. Postfix takes white space off
//! between a field's name and its colon before we see it. What a recipient refused by a milter
//! *after* us was, we are not told: it stays in the envelope. Who does not read for a second after a
//! drain's deadline – Postfix between DATA and the final dot – finds the connection closed, and its
//! `milter_default_action` decides.

mod arrived;
mod command;
pub mod config;
mod connection;
mod dialogue;
mod edits;
mod eom;
mod error;
mod farewell;
mod frame;
mod macros;
mod negotiate;
mod serve;
mod session;

pub use arrived::{Told, arrived};
pub use config::{Cidr, Config, Endpoint, SocketMode};
pub use serve::serve;

#[cfg(test)]
mod tests;
