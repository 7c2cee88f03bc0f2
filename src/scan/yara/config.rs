//! `[scanner.yara]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{ByteSize, Span};
use crate::policy::Worth;

/// `[scanner.yara]` in the configuration: YARA rules on the raw message and on each decoded part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether YARA looks at mail at all.
    pub enabled: bool,
    /// Folders with `.yar` and `.yara` files, searched with all that is below them, or single files.
    /// Each must exist, and neither the service user nor everybody may be able to write it. Empty:
    /// the rules that come with mailward.
    pub rules: Vec<PathBuf>,
    /// Use the rules that come with mailward beside those of `rules`.
    pub bundled: bool,
    /// How long one message may take.
    pub timeout: Span,
    /// What it is worth when it could not look: `ignore`, `tag`, `tempfail`, `quarantine`, `reject`.
    pub on_failure: Worth,
    /// A raw message larger than this is not looked at: `skipped(too-large)` in coverage.
    pub max_size: ByteSize,
    /// Messages scanned at the same time; 0 is the number of processor cores.
    pub threads: u32,
    /// At most this many matches of one pattern are remembered in one part.
    pub max_matches: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            rules: Vec::new(),
            bundled: false,
            timeout: Span::seconds(8),
            on_failure: Worth::Tempfail,
            max_size: ByteSize(50 << 20),
            threads: 0,
            max_matches: 100,
        }
    }
}

impl Config {
    /// The most threads that may be asked for.
    const MAX_THREADS: u32 = 256;

    /// Whether the rules that come with mailward are in use.
    #[must_use]
    pub fn uses_bundled(&self) -> bool {
        self.bundled || self.rules.is_empty()
    }

    /// How many messages are scanned at the same time.
    #[must_use]
    pub fn slots(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n.min(Self::MAX_THREADS) as usize,
        }
    }

    /// What cannot be meant, as sentences.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.timeout.duration().is_zero() {
            faults.push("scanner.yara.timeout is 0, so that every message would time out".to_owned());
        }
        if self.threads > Self::MAX_THREADS {
            faults.push(format!(
                "scanner.yara.threads is {}; at most {} make sense",
                self.threads,
                Self::MAX_THREADS
            ));
        }
        if self.max_matches == 0 {
            faults.push("scanner.yara.max_matches is 0, so that no pattern would match".to_owned());
        }
        faults
    }
}
