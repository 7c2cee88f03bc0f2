//! One day's file while it is written to or not yet synced. All that a write or a sync of it needs is open from its
//! beginning: a process that has no descriptor left writes and syncs on, and only a new day needs one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::files::{Day, Lines};
use super::line;

/// One file being written, or written and not yet synced.
pub(super) struct Segment {
    pub(super) day: Day,
    pub(super) files: Arc<Files>,
    /// Bytes known to be on disk.
    pub(super) synced: u64,
    /// Bytes written.
    pub(super) end: u64,
}

/// The same file, open twice.
pub(super) struct Files {
    /// Every write goes to the end.
    append: File,
    /// To read back and write over; with `O_APPEND` that cannot be done. Only the syncer moves its place.
    again: File,
}

impl Files {
    /// Opens the file, or makes it; then it must not be there.
    pub(super) fn open(path: &Path, new: bool) -> io::Result<Self> {
        let append = OpenOptions::new().append(true).create_new(new).mode(0o640).open(path)?;
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(again) => Ok(Self { append, again }),
            Err(error) => {
                if new {
                    // It is empty, and in the way of the next attempt.
                    fs::remove_file(path)?;
                }
                Err(error)
            }
        }
    }

    /// All of it at the end, in one call, or an error.
    pub(super) fn append(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match (&self.append).write(bytes) {
                Ok(n) if n == bytes.len() => return Ok(()),
                Ok(n) => {
                    return Err(io::Error::new(
                        io::ErrorKind::StorageFull,
                        format!("only {n} of {} bytes could be written; the disk is full", bytes.len()),
                    ));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Leaves the first `end` bytes.
    pub(super) fn cut(&self, end: u64) -> io::Result<()> {
        self.append.set_len(end)
    }

    /// What was written is on disk when it returns.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.append.sync_data()
    }

    /// Writes the same bytes once more. After a failed sync Linux holds the pages for clean: another sync
    /// would succeed without having written anything. What cannot be read back whole is not written, and
    /// the failure stays.
    pub(super) fn write_again(&self, from: u64, to: u64) -> io::Result<()> {
        let mut lines = Lines::of(&self.again, from, Some(to))?;
        while let Some(raw) = lines.next()? {
            line::parse(raw.bytes).map_err(|damage| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "the line at byte {} was lost by the failed sync ({damage}); restart mailward",
                        raw.start
                    ),
                )
            })?;
            self.again.write_all_at(raw.bytes, raw.start)?;
        }
        Ok(())
    }
}
