//! How a section is doing, for people and their programs.

use serde::Serialize;

use super::config::By;
use super::event::Kind;
use crate::model::{Span, Timestamp};

/// How a section is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// How it tells.
    pub kind: By,
    /// Whom; of a URL the origin alone.
    pub to: String,
    /// Of what.
    pub on: Vec<Kind>,
    /// People are hidden.
    pub redact: bool,
    /// So many within `within`.
    pub most: u32,
    /// See `most`.
    pub within: Span,
    /// Notifications that wait.
    pub waiting: u64,
    /// What the next digest will count.
    pub untold: u64,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// The last attempt since the start.
    pub last: Option<Last>,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Last {
    /// When it ended.
    pub at: Timestamp,
    /// It was taken.
    pub arrived: bool,
    /// What the destination said, or what went wrong.
    pub said: String,
}
