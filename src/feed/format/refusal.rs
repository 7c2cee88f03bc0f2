//! Why a body as a whole is not taken. The entries from before stay then.

use std::io;

use crate::model::{ByteSize, causes, text};

use super::Format;

/// Why a body is refused. Each is a sentence for the admin; what it shows of the body is safe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing, or only white space.
    #[error("the body is empty")]
    Empty,
    /// A web page: mostly an error that comes with status 200.
    #[error(
        "the answer is a web page and no list, it begins {start:?}; look whether the address is right and \
         whether a key is asked for"
    )]
    WebPage {
        /// How it begins.
        start: String,
    },
    /// JSON without a row: the publisher's way to say no.
    #[error("the publisher answers {said:?} instead of a list; look whether a key is asked for")]
    ErrorAnswer {
        /// The answer.
        said: String,
    },
    /// It ends in the middle.
    #[error("the body is cut off: {what}")]
    CutOff {
        /// How that shows.
        what: String,
    },
    /// Not one row beside the comments.
    #[error("the body has {lines} lines of comments and no row")]
    OnlyComments {
        /// How many.
        lines: u64,
    },
    /// Rows, of which none can be used.
    #[error("none of the {rows} rows can be used{}", because(.why))]
    NothingUsable {
        /// How many.
        rows: u64,
        /// What is wrong with the first of them.
        why: Option<String>,
    },
    /// More rows are wrong than right, so it is probably written otherwise than told.
    #[error("more rows are wrong than right: {complaint}; is it of the format {format}?")]
    MostlyWrong {
        /// What is wrong with the first of them.
        complaint: String,
        /// What it was read as.
        format: Format,
    },
    /// More bytes or rows than allowed.
    #[error("{what}, and {limit} are allowed; max_size of the feed says how large a body may be")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: String,
    },
    /// Not UTF-8.
    #[error("the body is {what} and not UTF-8 text, it begins {start:?}")]
    WrongEncoding {
        /// What it is.
        what: &'static str,
        /// How it begins.
        start: String,
    },
    /// Something else than the configured format.
    #[error("the body is not of the format {format}: {why}; it begins {start:?}")]
    OtherFormat {
        /// What it was read as.
        format: Format,
        /// What it looks like.
        why: String,
        /// How it begins.
        start: String,
    },
    /// A zip or gzip that cannot be unpacked.
    #[error("the body is {kind}, and it cannot be unpacked: {why}")]
    Packed {
        /// `a zip archive`, `gzip`.
        kind: &'static str,
        /// Why.
        why: String,
    },
    /// Far fewer entries than before.
    #[error(
        "the list has shrunk from {before} entries to {after}, which is more than max_shrink = {max_shrink} \
         (per cent) allows; if that is right, refresh it by hand with force"
    )]
    Shrunk {
        /// Entries of the set that stays.
        before: u64,
        /// Entries of the body.
        after: u64,
        /// The limit in per cent.
        max_shrink: u8,
    },
    /// The body could not be read from where it was put.
    #[error("the body could not be read: {}", causes(.0))]
    Read(#[source] io::Error),
    /// The entries could not be written down.
    #[error("the entries could not be written: {}; look at the disk of state_dir", causes(.0))]
    Write(#[source] io::Error),
}

fn because(why: &Option<String>) -> String {
    why.as_ref().map_or_else(String::new, |why| format!(": {why}"))
}

impl Refusal {
    pub(super) fn too_many_bytes(what: &'static str, limit: u64) -> Self {
        Self::TooLarge { what, limit: ByteSize(limit).to_string() }
    }

    pub(super) fn other(format: Format, why: impl Into<String>, start: &[u8]) -> Self {
        Self::OtherFormat { format, why: why.into(), start: beginning(start) }
    }
}

/// The first bytes of a body, made safe.
pub(super) fn beginning(bytes: &[u8]) -> String {
    let bytes = bytes.get(..bytes.len().min(240)).unwrap_or_default();
    text::line(String::from_utf8_lossy(bytes).trim(), 60)
}
