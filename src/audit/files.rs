//! The files of a journal directory: one a day, read line by line in bounded memory.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::line::MAX_LINE;
use crate::model::Timestamp;

const MILLIS_A_DAY: u64 = 86_400_000;

/// A day in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

impl Day {
    /// 1970-01-01.
    pub(super) const FIRST: Self = Self(0);

    /// The day of a moment.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        Self(u32::try_from(time.millis() / MILLIS_A_DAY).unwrap_or(u32::MAX))
    }

    /// When it begins.
    #[must_use]
    pub fn begin(self) -> Timestamp {
        Timestamp::from_millis(u64::from(self.0) * MILLIS_A_DAY)
    }

    /// When it ends: the beginning of the next.
    #[must_use]
    pub fn end(self) -> Timestamp {
        Timestamp::from_millis((u64::from(self.0) + 1) * MILLIS_A_DAY)
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The name of its file.
    pub(super) fn file_name(self) -> String {
        format!("{self}.log")
    }

    pub(super) fn path(self, dir: &Path) -> PathBuf {
        dir.join(self.file_name())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.begin().day())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Day {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is no day; it is written YYYY-MM-DD");
        if text.len() != 10 {
            return Err(refused());
        }
        Timestamp::parse(&format!("{text}T00:00:00Z")).map(Self::of).ok_or_else(refused)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Which file.
    pub day: Day,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// The days that have a file, in order. Other files are not looked at.
pub(super) fn days(dir: &Path) -> io::Result<Vec<Day>> {
    let mut days = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|n| n.strip_suffix(".log")).and_then(|n| n.parse::<Day>().ok());
        days.extend(day);
    }
    days.sort_unstable();
    Ok(days)
}

/// Makes the names in a directory survive a power failure.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Reads lines from a place on, up to another. Memory is bounded by the longest line allowed.
pub(super) struct Lines<R = File> {
    inner: BufReader<Take<R>>,
    buffer: Vec<u8>,
    offset: u64,
}

/// One raw line: where it stands and its bytes, line break included. A line that is longer than any
/// may be comes without its end, and so does not parse.
pub(super) struct RawLine<'a> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) bytes: &'a [u8],
}

impl Lines {
    /// The lines of `path` from the byte `from` up to the byte `to`, or the end.
    pub(super) fn open(path: &Path, from: u64, to: Option<u64>) -> io::Result<Self> {
        Self::of(File::open(path)?, from, to)
    }
}

impl<R: Read + Seek> Lines<R> {
    /// The same of a file that is open.
    pub(super) fn of(mut file: R, from: u64, to: Option<u64>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(from))?;
        let most = to.map_or(u64::MAX, |to| to.saturating_sub(from));
        let inner = BufReader::with_capacity(64 * 1024, file.take(most));
        Ok(Self { inner, buffer: Vec::new(), offset: from })
    }

    /// The next line, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.buffer.clear();
        let start = self.offset;
        let n = (&mut self.inner).take(MAX_LINE as u64).read_until(b'\n', &mut self.buffer)?;
        if n == 0 {
            return Ok(None);
        }
        self.offset += n as u64;
        if n == MAX_LINE && !self.buffer.ends_with(b"\n") {
            self.skip_line()?;
        }
        Ok(Some(RawLine { start, end: self.offset, bytes: &self.buffer }))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.inner.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            let (n, found) = match memchr::memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            self.inner.consume(n);
            self.offset += n as u64;
            if found {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names_and_sort() {
        let day: Day = "2026-11-20".parse().unwrap();
        assert_eq!(day.to_string(), "2026-11-20");
        assert_eq!(day.next().to_string(), "2026-11-21");
        assert_eq!(day.previous().to_string(), "2026-11-19");
        assert_eq!(Day::of(Timestamp::from_millis(1_795_210_591_042)), day);
        assert_eq!(Day::of(day.begin()), day);
        assert_eq!(day.end(), day.next().begin());
        assert!("2026-11-31".parse::<Day>().is_err());
        assert!("2026-11-2".parse::<Day>().is_err());
    }

    #[test]
    fn an_endless_line_costs_bounded_memory_and_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut bytes = vec![b'a'; 3 * MAX_LINE];
        bytes.extend_from_slice(b"\nnext\ncut");
        fs::write(&path, &bytes).unwrap();
        let mut lines = Lines::open(&path, 0, None).unwrap();
        let long = lines.next().unwrap().unwrap();
        assert_eq!((long.start, long.end, long.bytes.len()), (0, 3 * MAX_LINE as u64 + 1, MAX_LINE));
        assert_eq!(lines.next().unwrap().unwrap().bytes, b"next\n");
        assert_eq!(lines.next().unwrap().unwrap().bytes, b"cut");
        assert!(lines.next().unwrap().is_none());
        assert!(lines.buffer.capacity() < 3 * MAX_LINE);
    }
}
