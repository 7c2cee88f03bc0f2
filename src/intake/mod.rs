//! Where mail comes in.
//!
//! Two protocols, [`milter`] and [`lmtp`], and what both need: sockets (`listener`, `stream`, [`endpoint`]),
//! taking connections and letting them end (`accept`), and waiting for the judge (`judging`).

pub mod endpoint;
pub mod lmtp;
pub mod milter;

mod accept;
mod client;
mod judging;
mod listener;
mod sparing;
mod stream;

pub use accept::{Drained, Running, Service, Snapshot};
pub use listener::{Access, BindError, Listener};
