//! `[backup]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[backup]` in the configuration: the daily export. A reload changes all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether lists, tokens and other small things are written out each day.
    pub daily: bool,
    /// How many of these exports are kept.
    pub keep: u32,
    /// The folder they are written to. Left out: `backup` in state_dir.
    pub path: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self { daily: true, keep: 7, path: PathBuf::from("/var/lib/mailward/backup") }
    }
}
