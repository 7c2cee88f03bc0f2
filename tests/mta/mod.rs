//! Real parts for tests, the demo and the benches: a private Postfix on loopback, private
//! neighbours and ones that misbehave, the mailward daemon, an SMTP client that sends exact bytes, a milter that
//! writes down what it is told.
//!
//! **Contract.** Everything lives in a temporary directory of its own and listens on loopback or on a
//! unix socket in that directory; the machine's own Postfix and its queue are never touched. Each part ends
//! when its handle is dropped, by the process id that was started, and also when the program that
//! started it is killed ([`guard`]). `MAILWARD_KEEP=1` keeps the directories.
//!
//! **Failures.** Every function says what failed and shows the log of the part that failed. Nothing
//! here panics. A test that lacks a program says so through [`not_run`] and is counted as not run.
//!
//! Included by path, so that one copy serves three programs: `tests/integration/main.rs`,
//! `tests/mta/demo.rs`, `benches/postfix.rs`.
#![allow(
    dead_code,
    unused_imports,
    reason = "each program that includes this module uses another part of it"
)]

pub(crate) mod admin;
pub(crate) mod beside;
pub(crate) mod clamd;
pub(crate) mod daemon;
pub(crate) mod delivered;
pub(crate) mod dns;
pub(crate) mod dovecot;
pub(crate) mod faulty;
pub(crate) mod guard;
pub(crate) mod imap;
pub(crate) mod machine;
pub(crate) mod neighbour;
pub(crate) mod not_run;
pub(crate) mod opendkim;
pub(crate) mod package;
pub(crate) mod packet;
pub(crate) mod postfix;
mod postfix_config;
pub(crate) mod probe;
pub(crate) mod rspamd;
pub(crate) mod samples;
pub(crate) mod sendmail;
pub(crate) mod sick;
pub(crate) mod smtp;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::Context as _;

pub(crate) use clamd::Clamd;
pub(crate) use daemon::{Daemon, Site};
pub(crate) use delivered::Delivered;
pub(crate) use dns::Dns;
pub(crate) use dovecot::Dovecot;
pub(crate) use faulty::{Fault, Faulty, Over};
pub(crate) use machine::{Machine, Root};
pub(crate) use neighbour::Plays;
pub(crate) use not_run::not_run;
pub(crate) use opendkim::Opendkim;
pub(crate) use package::Package;
pub(crate) use postfix::{Options, Postfix, Queued, Service};
pub(crate) use probe::Probe;
pub(crate) use rspamd::Rspamd;
pub(crate) use sendmail::Sendmail;
pub(crate) use sick::{Sick, Sickness, Speaks};
pub(crate) use smtp::{Smtp, SmtpReply, Transaction};

/// How long a part may take to do what it was asked, on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `ready` every few milliseconds until it has an answer.
///
/// # Errors
/// When `limit` has passed; the text names `what`.
pub(crate) fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(value) = ready()? {
            return Ok(value);
        }
        if begin.elapsed() > limit {
            anyhow::bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A TCP port on 127.0.0.1 that nobody listened on a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let probe = TcpListener::bind("127.0.0.1:0").context("no free port on 127.0.0.1")?;
    Ok(probe.local_addr()?.port())
}
