//! Everything around mailward fails, one thing at a time: nothing is lost, nothing is judged silently incomplete, and each
//! fault is told. `make test` does a few of each; `make faults` all of them, at length ([`super::mta::effort`]).
//!
//! # Which remote is held where
//!
//! Each is refused, hangs, trickles, sends garbage, closes its side half way, has no end.
//!
//! | remote | where |
//! |---|---|
//! | rspamd, clamd, each `on_failure`, TCP and unix sockets | `neighbours::matrix`; left alone and asked again: `neighbours::breaker` |
//! | DNS, what a lookup is told | `dns`, `dns_servers`, `dns_mail` |
//! | DNS for SPF, DKIM, DMARC | `auth_outage`; each fault with each `on_failure`: [`names`] |
//! | DNS block lists (reputation) | `lookups`; each fault: [`names`] |
//! | short links | `short_links`; each fault: [`short`] |
//! | feeds over HTTP | redirects and TLS: `feeds_net`, `feeds_tls`; each fault: [`web_out`] |
//! | webhook, ntfy | `notified`; each fault: [`web_out`] |
//! | notifications by mail | `notified`; each fault at each stage: [`mail_out`] |
//! | the server that releases go to | refusals and lost connections: `release::failing`; each fault at each stage: [`mail_out`] |
//! | the server that LMTP hands on to | down: `lmtp`; each fault at each stage: [`mail_out`] |
//! | clients of the admin's door | `admin_door`; the door as our own command meets it: [`web_out`] |
//! | a sample through a real Postfix | `neighbour_rspamd_faults`, `neighbour_clamd`, `auth_outage`; [`through_postfix`] |
//!
//! And of the machine itself: file descriptors ([`descriptors`]), memory ([`memory`]), the time of day ([`clock`]), disks that are full or may not be written ([`disk`]),
//! kill -9 at any moment ([`kill`]), a database whose files are damaged ([`database`]).

#![expect(clippy::print_stdout, reason = "figures for people")]

mod clock;
mod database;
mod descriptors;
mod disk;
mod kill;
mod mail_out;
mod memory;
mod names;
mod promises;
mod random;
mod short;
mod through_postfix;
mod web_out;
