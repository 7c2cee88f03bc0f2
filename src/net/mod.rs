//! Speaking to other servers: addresses, connections, and what keeps a sick one from making us sick.
//!
//! **Contract.** Everything that leaves this machine or a socket of it goes through here. A call has a
//! deadline. A [`Breaker`] leaves a server alone that keeps failing; a [`Gate`] bounds how many of our
//! messages ask it at once. [`connect()`] opens a byte stream to a [`Server`](address::Server).
//!
//! **Failures.** An error names the server and says what happened; whoever called decides what that is
//! worth. Nothing here tries again by itself.

pub mod address;
mod breaker;
pub mod cidr;
mod connect;
mod gate;
pub mod secret;
pub mod smtp;
mod special;

pub use breaker::{Breaker, Open, Pass, Standing};
pub use connect::{Stream, connect};
pub use gate::{Gate, Permit};
pub use special::is_public;
