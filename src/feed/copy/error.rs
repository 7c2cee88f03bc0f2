//! Why a copy could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a copy could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The disk.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is not as it was written.
    #[error(
        "the copy of the feed {feed} is damaged ({why}); it was put aside as {}, and the feed has no entries \
         until it is fetched again", aside.display()
    )]
    Damaged {
        /// Which feed.
        feed: String,
        /// How that shows.
        why: String,
        /// Where it is now.
        aside: PathBuf,
    },
    /// It is not as it was written, and was left where it is.
    #[error("the copy of the feed {feed}, {}, is damaged ({why}); the daemon fetches it again", path.display())]
    Broken {
        /// Which feed.
        feed: String,
        /// How that shows.
        why: String,
        /// Where it is.
        path: PathBuf,
    },
    /// The index points to where no entry stands.
    #[error("the copy {} has no entry at byte {at}", path.display())]
    NoEntry {
        /// The copy.
        path: PathBuf,
        /// Where.
        at: u64,
    },
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    move |source| CopyError::Io { what, path: path.to_owned(), source }
}
