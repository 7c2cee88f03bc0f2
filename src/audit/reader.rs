//! Reading what was judged, day by day, straight from the journal's files: without the database, without the
//! daemon, in bounded memory, and while it is written.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use nix::unistd::{Uid, User};

use super::entry::Entry;
use super::files::{self, Day, Lines};
use super::line;
use super::record::Record;
use super::verify::time_of;
use crate::model::Timestamp;

/// How a line begins that holds the record of a message.
const JUDGED: &[u8] = b"{\"judged\":";

/// Goes through the records of a span of time, oldest first.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    days: IntoIter<Day>,
    last: Option<Day>,
    open: Option<Open>,
}

struct Open {
    day: Day,
    lines: Lines,
    number: u64,
}

/// What stands next in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// The record of a message, not taken apart yet.
    Judged(Raw),
    /// A line that is not what was written.
    Damaged(Damaged),
}

/// A record as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    day: Day,
    number: u64,
    content: Vec<u8>,
}

/// A line of the journal that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The file, by name.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong, for people.
    pub what: String,
}

/// The journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is none.
    #[error("there is no audit journal in {0}: is state_dir right, and has the daemon run?")]
    Missing(PathBuf),
    /// Somebody else may.
    #[error("the audit journal {path} may not be read; run this as the user {owner}, to whom it belongs")]
    NotAllowed {
        /// What.
        path: PathBuf,
        /// Whose.
        owner: String,
    },
    /// Anything else.
    #[error("the audit journal {path} cannot be read: {source}")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Raw {
    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Whether there is nothing in it; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// The record.
    ///
    /// # Errors
    /// If it is not understood, with its place.
    pub fn record(&self) -> Result<Box<Record>, Damaged> {
        let damaged = |what: String| Damaged { file: self.day.file_name(), line: self.number, what };
        match Entry::decode(&self.content) {
            Ok(Entry::Judged(record)) => Ok(record),
            Ok(_) => Err(damaged("it is no record of a message".to_owned())),
            Err(e) => Err(damaged(format!("it is not understood: {e}"))),
        }
    }
}

impl Reader {
    /// The records of the journal in `dir` from `since` on, before `until`.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn open(dir: &Path, since: Option<Timestamp>, until: Option<Timestamp>) -> Result<Self, ReadError> {
        let all = files::days(dir).map_err(|source| error(dir, source))?;
        let last = all.last().copied();
        // A record that waited for its turn at midnight stands in the next day's file.
        let first = since.map(|since| Day::of(since).previous());
        let beyond = until.map(|until| Day::of(until).next());
        let wanted = |day: &Day| first.is_none_or(|f| *day >= f) && beyond.is_none_or(|b| *day <= b);
        let days: Vec<Day> = all.into_iter().filter(wanted).collect();
        Ok(Self { dir: dir.to_owned(), since, until, days: days.into_iter(), last, open: None })
    }

    /// The next record, or line that is damaged; `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn next_read(&mut self) -> Result<Option<Read>, ReadError> {
        loop {
            if self.open.is_none() {
                let Some(day) = self.days.next() else { return Ok(None) };
                let path = day.path(&self.dir);
                let lines = match Lines::open(&path, 0, None) {
                    Ok(lines) => lines,
                    // Retention may remove a day meanwhile.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    Err(source) => return Err(error(&path, source)),
                };
                self.open = Some(Open { day, lines, number: 0 });
            }
            let Some(open) = &mut self.open else { continue };
            let day = open.day;
            let raw = match open.lines.next() {
                Ok(Some(raw)) => raw,
                Ok(None) => {
                    self.open = None;
                    continue;
                }
                Err(source) => return Err(error(&day.path(&self.dir), source)),
            };
            open.number += 1;
            let number = open.number;
            let is_being_written = self.last == Some(day) && !raw.bytes.ends_with(b"\n");
            let line = match line::parse(raw.bytes) {
                Ok(line) => line,
                Err(_) if is_being_written => continue,
                Err(damage) => {
                    let damaged = Damaged { file: day.file_name(), line: number, what: damage.to_string() };
                    return Ok(Some(Read::Damaged(damaged)));
                }
            };
            if !line.content.starts_with(JUDGED) {
                continue;
            }
            let time = time_of(line.content);
            let is_early = self.since.is_some_and(|since| time.is_some_and(|time| time < since));
            let is_late = self.until.is_some_and(|until| time.is_some_and(|time| time >= until));
            if is_early || is_late {
                continue;
            }
            return Ok(Some(Read::Judged(Raw { day, number, content: line.content.to_vec() })));
        }
    }
}

fn error(path: &Path, source: io::Error) -> ReadError {
    match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        io::ErrorKind::PermissionDenied => {
            ReadError::NotAllowed { path: path.to_owned(), owner: owner(path) }
        }
        _ => ReadError::Unreadable { path: path.to_owned(), source },
    }
}

/// The user to whom `path` belongs, or as much of the way to it as can be looked at.
fn owner(path: &Path) -> String {
    let uid = path.ancestors().find_map(|path| fs::metadata(path).ok()).map(|meta| meta.uid());
    let Some(uid) = uid else { return "that runs mailward".to_owned() };
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("day", &self.day).field("line", &self.number).finish_non_exhaustive()
    }
}
