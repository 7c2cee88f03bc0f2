//! The journal as it is at one moment, for a copy of it while it is written on.

use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::RwLockReadGuard;

use super::files::{self, Day, Position};
use super::line::LineHash;
use super::{ANCHOR, Audit, AuditError, HEAD};

/// The files of the journal up to the line that was the last one. Nothing is removed or erased from them while
/// this lives; what is appended meanwhile is not part of it.
#[derive(Debug)]
pub struct Snapshot<'a> {
    audit: &'a Audit,
    end: Option<Position>,
    /// The hash of the last line.
    pub head: LineHash,
    head_file: String,
    _files: RwLockReadGuard<'a, ()>,
}

/// One file of a snapshot.
pub type SnapshotFile = (String, u64, Box<dyn Read + Send>);

impl Audit {
    /// The journal as it is now. Blocks for as long as something is being erased.
    ///
    /// # Errors
    /// If what waits to be written cannot be.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, AuditError> {
        let files = self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (end, mark) = self.journal.end_and_last()?;
        Ok(Snapshot { audit: self, end, head: mark.hash, head_file: mark.encode(HEAD), _files: files })
    }
}

impl Snapshot<'_> {
    /// Bytes of all days.
    ///
    /// # Errors
    /// If the files cannot be looked at.
    pub fn size(&self) -> io::Result<u64> {
        self.days()?.into_iter().map(|day| self.length(day)).sum()
    }

    fn days(&self) -> io::Result<Vec<Day>> {
        let last = self.end.map(|end| end.day);
        Ok(files::days(&self.audit.dir)?.into_iter().filter(|day| Some(*day) <= last).collect())
    }

    fn length(&self, day: Day) -> io::Result<u64> {
        match self.end.filter(|end| end.day == day) {
            Some(end) => Ok(end.offset),
            None => Ok(fs::metadata(day.path(&self.audit.dir))?.len()),
        }
    }

    /// Gives each file with its name and length to `take`, one after the other.
    ///
    /// # Errors
    /// If a file cannot be read, or `take` fails.
    pub fn each(&self, mut take: impl FnMut(SnapshotFile) -> io::Result<()>) -> io::Result<()> {
        let dir = &self.audit.dir;
        for day in self.days()? {
            let length = self.length(day)?;
            let file = File::open(day.path(dir))?.take(length);
            take((day.file_name(), length, Box::new(file)))?;
        }
        let head = self.head_file.clone().into_bytes();
        take((HEAD.to_owned(), head.len() as u64, Box::new(io::Cursor::new(head))))?;
        let anchor = dir.join(ANCHOR);
        if anchor.exists() {
            let bytes = fs::read(anchor)?;
            take((ANCHOR.to_owned(), bytes.len() as u64, Box::new(io::Cursor::new(bytes))))?;
        }
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".torn") {
                let file = File::open(entry.path())?;
                let length = file.metadata()?.len();
                take((name, length, Box::new(file)))?;
            }
        }
        Ok(())
    }
}
