//! Much, and for long: connections that say nothing, sessions that say a lot beside them, and a million messages while
//! everything that can be changed is changed. What is held to is memory, descriptors, threads and disk, and that each
//! answer is the expected one. `make test` does a little of each; `make soak` all of it
//! ([`super::mta::effort`]).
//!
//! What was measured is printed, and shown with `--no-capture`. `MAILWARD_SOAK_MESSAGES` is another number than a million.

#![expect(clippy::print_stdout, reason = "figures for people")]

mod changes;
mod crowd;
mod figures;
mod files;
mod idle;
mod large;
mod letters;
mod lmtp;
mod million;
mod milter;
mod sending;

const KB: u64 = 1_000;
const MIB: u64 = 1 << 20;
