//! A copy in use, and the entries in it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::error::{CopyError, failed};
use super::{Header, MAX_LINE, Validators};
use crate::feed::entry::Entry;
use crate::feed::tally::Tally;
use crate::model::Timestamp;

/// A copy that was read or written by this process, kept open: its entries can be read also after another has
/// taken its place.
#[derive(Debug)]
pub struct LastGood {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) tally: Tally,
    pub(super) crc: u32,
    pub(super) checked: Timestamp,
    pub(super) validators: Validators,
}

impl LastGood {
    /// When the body was fetched.
    #[must_use]
    pub const fn fetched(&self) -> Timestamp {
        self.header.fetched
    }

    /// When the publisher last said that this is what there is, as far as was known when it was opened.
    #[must_use]
    pub const fn checked(&self) -> Timestamp {
        self.checked
    }

    /// The share in per cent below which entries were left out.
    #[must_use]
    pub const fn min_confidence(&self) -> u8 {
        self.header.min_confidence
    }

    /// What to ask with whether it has changed.
    #[must_use]
    pub const fn validators(&self) -> &Validators {
        &self.validators
    }

    /// What the body held; without the examples when it was read from disk.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The entry whose line begins at byte `at`. Blocks.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no entry there.
    pub fn entry(&self, at: u64) -> Result<Entry, CopyError> {
        let mut line = vec![0; 1024];
        let mut filled = 0;
        let none = || CopyError::NoEntry { path: self.path.clone(), at };
        let end = loop {
            let space = line.get_mut(filled..).unwrap_or_default();
            let offset = at + u64::try_from(filled).unwrap_or(u64::MAX);
            let read = self.file.read_at(space, offset).map_err(failed("cannot read", &self.path))?;
            let piece = space.get(..read).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', piece) {
                break filled + end;
            }
            filled += read;
            if read == 0 || filled as u64 > MAX_LINE {
                return Err(none());
            }
            line.resize(filled * 2 + 1024, 0);
        };
        let line = line.get(..end).and_then(|line| std::str::from_utf8(line).ok());
        line.and_then(Entry::read).ok_or_else(none)
    }
}
