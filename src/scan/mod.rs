//! Scanners: each looks at a message and returns data. None acts.
//!
//! **Contract.** A scanner is given an [`Arc<ScanInput>`](ScanInput) and a deadline and returns a
//! [`Report`]: how it ended and what it found. It never edits, stores, notifies or decides.
//! [`run`] asks all of them at once.
//!
//! **Failures.** A scanner that fails, panics or runs out of time is an [`Outcome`] of its own, never
//! an absence; what that is worth is the admin's `on_failure`, applied by `policy`.

pub mod auth;
pub mod clamd;
pub mod mime;
pub mod rspamd;
pub mod run;
pub mod url;
pub mod weight;
pub mod yara;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::model::{
    Advice, Attachment, Authentication, Direction, Envelope, Finding, MailId, Message, Outcome, Parts,
    Scanner, Session,
};

/// What every scanner is given: the message as it came, and what was read from it once.
#[derive(Debug)]
pub struct ScanInput {
    /// Our id of the message.
    pub id: MailId,
    /// Who sent it.
    pub session: Arc<Session>,
    /// For whom.
    pub envelope: Envelope,
    /// Which way it goes.
    pub direction: Direction,
    /// The raw message.
    pub message: Message,
    /// Its decoded parts.
    pub parts: Parts,
    /// Its files, with hashes.
    pub attachments: Vec<Attachment>,
    /// What the message may hold of the process's memory; given back when the last scanner, however late,
    /// lets go of the message.
    pub share: Option<Box<dyn std::fmt::Debug + Send + Sync>>,
}

/// How one scanner ended and what it found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it ended. `Clean` only if all that should be looked at was.
    pub outcome: Outcome,
    /// What it found; may hold something even if the scanner did not get to the end.
    pub findings: Vec<Finding>,
    /// What it would do with the message, if it is a filter of its own.
    pub advice: Option<Advice>,
    /// What was verified of who sent it.
    pub authentication: Option<Arc<Authentication>>,
    /// Its links, and what feeds know of them.
    pub urls: Option<Arc<url::Seen>>,
}

impl Report {
    /// An ending, and nothing besides.
    #[must_use]
    pub const fn new(outcome: Outcome) -> Self {
        Self { outcome, findings: Vec::new(), advice: None, authentication: None, urls: None }
    }
}

/// Whether a scanner works as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// All in order.
    Up,
    /// It works in part; the sentence says what is missing.
    Degraded(String),
}

/// A future on the heap, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One source of evidence.
pub trait Scan: Send + Sync {
    /// Which one.
    fn scanner(&self) -> Scanner;

    /// Looks at a message. Should end by `deadline`; the caller stops waiting then and records a
    /// time-out.
    fn scan(&self, input: Arc<ScanInput>, deadline: Instant) -> BoxFuture<'_, Report>;

    /// Which data it works with – the fingerprint of its rules, the age of its database – for audit
    /// records; empty if that does not apply.
    fn version(&self) -> String {
        String::new()
    }

    /// Whether it works as configured, for `/readyz` and `status`.
    fn health(&self) -> Health {
        Health::Up
    }
}
