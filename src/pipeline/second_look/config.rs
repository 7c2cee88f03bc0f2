//! `[second_look]`.

use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, Scanner, Span};

/// What is kept of a message that is delivered although a scanner failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Nothing.
    Off,
    /// The links and files that `[retro]` keeps: feeds are asked again, the scanner that failed is not.
    Keys,
    /// A copy, which is scanned again.
    #[default]
    Message,
}

/// `[second_look]` in the configuration: mail that was delivered although a scanner failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is kept of it. For how long stands in `[quarantine.keep]`.
    pub keep: Keep,
    /// Whose failure counts.
    pub scanners: Vec<Scanner>,
    /// Of a larger message no copy is kept.
    pub max_size: ByteSize,
    /// How much room copies may take together.
    pub max_total: ByteSize,
    /// How many there may be.
    pub max_messages: u32,
    /// How long it is waited at least before the same message, or a scanner that still fails, is tried again.
    pub retry: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keep: Keep::Message,
            scanners: vec![Scanner::Clamd, Scanner::Rspamd, Scanner::Yara, Scanner::Urls],
            max_size: ByteSize(25 << 20),
            max_total: ByteSize(1 << 30),
            max_messages: 20_000,
            retry: Span::seconds(60),
        }
    }
}
