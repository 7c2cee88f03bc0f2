//! mailward: a mail filter for Postfix and Sendmail.
//!
//! The library exists so that tests, benches and the one binary share it. It is not a stable API.
//!
//! # Where to find what
//!
//! A module imports only modules of a strictly lower rank; `tests/integration/layering.rs` holds this.
//!
//! | rank | module | what it is |
//! |---|---|---|
//! | 9 | [`cli`] | the commands; `scan` works offline, the rest asks the daemon |
//! | 8 | [`daemon`] | start order, reload, signals, drain |
//! | 7 | [`config`] | `mailward.toml`: every error at once, with line and caret |
//! | 6 | [`intake`] | the milter and the LMTP session |
//! | 6 | [`admin`] | HTTP on the admin socket |
//! | 5 | [`pipeline`] | the life of one message; the only place that knows the order of things |
//! | 4 | [`scan`] | scanners: each returns data, none acts |
//! | 4 | [`retro`] | accepted mail, looked up again when feeds know more |
//! | 4 | [`backup`] | backups while mail flows, daily exports, restoring |
//! | 3 | [`policy`] | the judgement and the plan; pure |
//! | 3 | [`quarantine`] | the Maildir of what was held |
//! | 3 | [`lists`] | what the admin allows and blocks |
//! | 3 | [`feed`] | lists of what is known to be bad: formats, copies on disk, index |
//! | 3 | [`notify`] | telling the admin: webhook, ntfy, mail |
//! | 2 | [`audit`] | the journal, its index, search, verify |
//! | 1 | [`dns`] | asking the DNS, under a budget for each message |
//! | 1 | [`mail`] | header, limits, MIME walk |
//! | 1 | [`net`] | other servers: addresses, connections, breaker |
//! | 1 | [`store`] | sled behind typed trees |
//! | 0 | [`link`] | what a link leads to: normal form, owner, shared hosts |
//! | 0 | [`model`] | the vocabulary |
//! | 0 | [`named_file`] | opening what a setting names, without waiting for it |
//! | 0.5 | [`telemetry`] | logs, metrics, clock, tasks |

pub mod admin;
pub mod audit;
pub mod backup;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dns;
pub mod feed;
pub mod intake;
pub mod link;
pub mod lists;
pub mod mail;
pub mod model;
#[cfg(test)]
mod mutation;
pub mod named_file;
pub mod net;
pub mod notify;
pub mod pipeline;
pub mod policy;
pub mod quarantine;
pub mod retro;
pub mod scan;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
