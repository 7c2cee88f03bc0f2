//! Two small files beside the journal that say where it must begin and how far it must reach.
//!
//! A chain of hashes shows that nothing in the middle was changed. It cannot show that lines at the
//! end were cut off, nor tell days that retention removed from days that somebody removed. So:
//!
//! * `head` names the last line that is known to be on disk. It is written after each sync, never
//!   before, so a power failure cannot leave it ahead of the journal.
//! * `anchor` names the last line of the last day that retention removed. The chain goes on from there.
//!
//! Each is one line: `mailward-audit-head 1 DAY START END HASH CRC`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::files::{self, Day};
use super::line::{self, LineHash};

/// A line of the journal, by place and hash. `end` 0 means that there is none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) day: Day,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) hash: LineHash,
}

/// The hash of a whole line in the chain.
fn chained(bytes: &[u8]) -> Option<LineHash> {
    line::parse(bytes).ok().map(|line| LineHash::in_chain(bytes, line.content))
}

/// What was found under a witness' name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    Damaged,
    Mark(Mark),
}

/// Bytes of a head: what is longer was not written by us.
const LENGTH: u64 = 141;

impl Mark {
    pub(super) fn encode(&self, name: &str) -> String {
        let Self { day, start, end, hash } = self;
        let text = format!("mailward-audit-{name} 1 {day} {start:016x} {end:016x} {hash}");
        let crc = crc32fast::hash(text.as_bytes());
        format!("{text} {crc:08x}\n")
    }

    fn decode(name: &str, text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [_, _, day, start, end, hash, _] = words[..] else { return None };
        let mark = Self {
            day: day.parse().ok()?,
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            hash: hash.parse().ok()?,
        };
        // One mark has one spelling, checksum included.
        (mark.encode(name) == text).then_some(mark)
    }

    /// Whether the journal in `dir` has this very line at this very place.
    pub(super) fn holds(&self, dir: &Path) -> io::Result<bool> {
        if self.end == 0 {
            return Ok(true);
        }
        let mut lines = match files::Lines::open(&self.day.path(dir), self.start, Some(self.end)) {
            Ok(lines) => lines,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        };
        let line = lines.next()?;
        Ok(line.is_some_and(|l| l.end == self.end && chained(l.bytes) == Some(self.hash)))
    }
}

/// Reads the witness `name`.
pub(super) fn read(dir: &Path, name: &str) -> io::Result<Found> {
    match fs::read(dir.join(name)) {
        Ok(bytes) => {
            let mark = str::from_utf8(&bytes).ok().and_then(|text| Mark::decode(name, text));
            Ok(mark.map_or(Found::Damaged, Found::Mark))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(e) => Err(e),
    }
}

/// Writes a witness so that it is whole and on disk, or the old one still is.
pub(super) fn replace(dir: &Path, name: &str, mark: &Mark) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&temporary)?;
    file.write_all(mark.encode(name).as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    files::sync_dir(dir)
}

/// The head, kept open: overwritten in place, always with the same number of bytes.
///
/// It is not synced. An old head only means that less is known to be there.
#[derive(Debug)]
pub(super) struct Head(File);

impl Head {
    /// Opens it, or makes an empty one, which counts as damaged until it is written.
    pub(super) fn open(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(path)?;
        if file.metadata()?.len() > LENGTH {
            file.set_len(LENGTH)?;
        }
        Ok(Self(file))
    }

    pub(super) fn write(&self, mark: &Mark) -> io::Result<()> {
        self.0.write_all_at(mark.encode("head").as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_comes_back_and_a_changed_one_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let day: Day = "2026-11-20".parse().unwrap();
        let mark = Mark { day, start: 7, end: 90, hash: LineHash::of(b"x") };
        assert_eq!(read(dir.path(), "head").unwrap(), Found::Missing);
        replace(dir.path(), "head", &mark).unwrap();
        assert_eq!(read(dir.path(), "head").unwrap(), Found::Mark(mark));
        let later = Mark { end: u64::MAX, ..mark };
        Head::open(dir.path(), "head").unwrap().write(&later).unwrap();
        assert_eq!(read(dir.path(), "head").unwrap(), Found::Mark(later));
        let good = fs::read(dir.path().join("head")).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(dir.path().join("head"), bad).unwrap();
            assert_eq!(read(dir.path(), "head").unwrap(), Found::Damaged, "byte {at}");
        }
        fs::write(dir.path().join("head"), vec![b'x'; 1000]).unwrap();
        Head::open(dir.path(), "head").unwrap().write(&later).unwrap();
        assert_eq!(read(dir.path(), "head").unwrap(), Found::Mark(later));
        // An anchor is no head.
        fs::write(dir.path().join("anchor"), good).unwrap();
        assert_eq!(read(dir.path(), "anchor").unwrap(), Found::Damaged);
    }
}
