//! What comes from outside, mutated: mail, packets, replies, feeds, settings, requests, archives. A million of them with
//! `make malformed`, some thousands in `make test`; readers that only their own module can reach have the like beside
//! them (`malformed::` in the unit tests). See [`mutation`] for how one failure is run again.

#[path = "../../../src/mutation/mod.rs"]
mod mutation;

mod archives;
mod corpus;
mod feeds;
mod growth;
mod judged;
mod mail;
mod neighbours;
mod parts;
mod served;
mod settings;

use super::mta::{Daemon, Site, not_run::effort};
