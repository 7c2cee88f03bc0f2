//! What can go wrong with rules.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::text;

/// The most characters of a path that are shown.
const MAX_PATH: usize = 400;

/// A path for people. Rules are often somebody else's, checked out: his file names must not write to a terminal, nor lines
/// into the log.
pub(super) fn shown(path: &Path) -> String {
    text::line(&path.to_string_lossy(), MAX_PATH)
}

/// Why rules could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum YaraError {
    /// A value in `[scanner.yara]` that cannot be meant.
    #[error("{0}")]
    Setting(String),
    /// A configured folder or file, or something in it, cannot be read.
    #[error(
        "{} cannot be read: {source}; create it, correct scanner.yara.rules, or leave `rules` out to use the rules that come with mailward",
        shown(path)
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody who must not can change the rules.
    #[error(
        "{} is refused because {why}: whoever takes over the mail filter could switch its rules off; \
         give it to root and take the permission away (chown root:root, chmod go-w)",
        shown(path)
    )]
    Writable {
        /// The folder or file.
        path: PathBuf,
        /// Who can write it.
        why: String,
    },
    /// More than is sane for rules.
    #[error("{} holds {what}; is this a folder of rules?", shown(path))]
    TooMuch {
        /// The folder or file.
        path: PathBuf,
        /// What there is too much of, with the limit.
        what: String,
    },
    /// Not one rule is left where there were some.
    #[error(
        "not one rule is left in the configured folders; put rules there, leave `rules` out to use those \
         that come with mailward, or switch scanner.yara off"
    )]
    NoRules,
    /// Files that yara-x does not understand.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Broken(Vec<BrokenFile>),
    /// The rules are well formed and could still not be made into a scanner.
    #[error("yara-x could not build the rules: {0}")]
    Build(String),
    /// The operating system gives no threads.
    #[error("no thread could be started for scanning: {0}; look at TasksMax and the limits on processes")]
    Threads(#[source] io::Error),
}

impl YaraError {
    /// The bounded word for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Setting(_) => "setting",
            Self::Unreadable { .. } => "unreadable",
            Self::Writable { .. } => "writable",
            Self::TooMuch { .. } => "too-much",
            Self::NoRules => "no-rules",
            Self::Broken(_) => "broken",
            Self::Build(_) => "build",
            Self::Threads(_) => "threads",
        }
    }
}

/// A rule file that is left out, or that keeps a new set from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenFile {
    /// Where it is, or its name if it comes with mailward.
    pub origin: String,
    /// yara-x's own report, with line and column.
    pub report: String,
}

impl fmt::Display for BrokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule file {} is broken:\n{}", self.origin, self.report.trim_end())
    }
}
