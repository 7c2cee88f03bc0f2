//! `[retro]`.

use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, Span};

/// `[retro]` in the configuration: accepted mail that turns out to be bad when feeds learn more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether links of accepted mail are kept and looked up again.
    pub enabled: bool,
    /// For how long. They are removed from the disk within about an hour after that.
    pub keep: Span,
    /// Of how many messages. The oldest go first, in files of some 4 MiB, so that there may be more by one file.
    pub max_messages: u64,
    /// How much room they may take on the disk. The oldest files go first; the newest stays.
    pub max_size: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            keep: Span::seconds(3 * 86_400),
            max_messages: 200_000,
            max_size: ByteSize(1 << 30),
        }
    }
}
