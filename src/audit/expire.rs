//! Retention: whole days are removed from the front, so that the chain still begins somewhere known.

use std::fs;
use std::io;

use super::entry::Entry;
use super::feed::Item;
use super::files::{self, Day};
use super::journal::Pending;
use super::line::LineHash;
use super::opening::Tail;
use super::witness::{self, Found, Mark};
use super::{ANCHOR, Audit, AuditError};

/// What retention removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiry {
    /// The days, in order.
    pub days: Vec<Day>,
    /// Bytes of their files.
    pub bytes: u64,
    /// Rows of the index.
    pub rows: u64,
}

impl Audit {
    /// Removes the days that are older than the retention, and the oldest ones while the journal is
    /// larger than it may be; never the one that is written to. Blocks: reads the last day that goes.
    ///
    /// Order: an entry that says so, synced; the anchor; the files; the index. A crash anywhere in
    /// between leaves a journal that verifies, and the next call goes on.
    ///
    /// # Errors
    /// If files cannot be read or removed, or the journal cannot be written.
    pub fn expire(&self) -> Result<Expiry, AuditError> {
        // A backup reads, or something is erased: the days go an hour later.
        let Ok(_files) = self.files.try_write() else { return Ok(Expiry::default()) };
        let io = |action| move |source| AuditError::Directory { dir: self.dir.clone(), action, source };
        let leaving = self.leaving().map_err(io("looking for old days"))?;
        let (Some(&(first, _)), Some(&(last, _))) = (leaving.first(), leaving.last()) else {
            return Ok(Expiry::default());
        };
        let bytes = leaving.iter().map(|(_, size)| size).sum();
        let hash = self.last_line(&leaving).map_err(io("reading the days to remove"))?;
        let begun = match witness::read(&self.dir, ANCHOR).map_err(io("reading the anchor"))? {
            Found::Mark(mark) => mark.day >= last,
            Found::Missing | Found::Damaged => false,
        };
        if !begun {
            let time = self.clock.now();
            let entry = Entry::Expired { first, last, hash, bytes, time };
            self.journal.append(Pending::new(entry, Item::Other)?, false)?;
            self.journal.sync()?;
            let mark = Mark { day: last, start: 0, end: 0, hash };
            witness::replace(&self.dir, ANCHOR, &mark).map_err(io("writing the anchor"))?;
        }
        for (day, _) in &leaving {
            fs::remove_file(day.path(&self.dir)).map_err(io("removing an old day"))?;
        }
        self.remove_torn(last).map_err(io("removing what crashes left"))?;
        files::sync_dir(&self.dir).map_err(io("syncing it"))?;
        let rows = self.index.expire(last);
        Ok(Expiry { days: leaving.into_iter().map(|(day, _)| day).collect(), bytes, rows })
    }

    /// The days to remove, with their sizes: always the first ones.
    fn leaving(&self) -> io::Result<Vec<(Day, u64)>> {
        let current = self.journal.written_end().map(|p| p.day);
        let mut days = Vec::new();
        for day in files::days(&self.dir)? {
            days.push((day, fs::metadata(day.path(&self.dir))?.len()));
        }
        let mut total: u64 = days.iter().map(|(_, size)| size).sum();
        let oldest = self.clock.settled().before(self.config.retention.duration());
        let begun = match witness::read(&self.dir, ANCHOR)? {
            Found::Mark(mark) => Some(mark.day),
            Found::Missing | Found::Damaged => None,
        };
        let mut n = 0;
        for (day, size) in &days {
            let old = day.end() <= oldest || begun.is_some_and(|begun| *day <= begun);
            if Some(*day) == current || !(old || total > self.config.max_size.0) {
                break;
            }
            total -= size;
            n += 1;
        }
        days.truncate(n);
        Ok(days)
    }

    /// The hash of the last line of the days that go, or of what was before them if they have none.
    fn last_line(&self, leaving: &[(Day, u64)]) -> io::Result<LineHash> {
        for (day, _) in leaving.iter().rev() {
            if let Some(mark) = Tail::read(&self.dir, *day, None)?.last {
                return Ok(mark.hash);
            }
        }
        Ok(match witness::read(&self.dir, ANCHOR)? {
            Found::Mark(mark) => mark.hash,
            Found::Missing | Found::Damaged => LineHash::NONE,
        })
    }

    fn remove_torn(&self, last: Day) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let day =
                name.strip_suffix(".torn").and_then(|n| n.get(..10)).and_then(|d| d.parse::<Day>().ok());
            if day.is_some_and(|day| day <= last) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}
