//! One file of accepted messages, `MILLIS.kept`: appended to for a while, and never changed afterwards.
//!
//! ```text
//! 5f3c9a01 019a8f3c2b10 01kaz… 0https://news.example/ f0e3b0c442…\n
//! ^CRC-32  ^time        ^id    ^links and files, see `things`
//! ```
//!
//! Numbers are lower-case hex of fixed width, the time in milliseconds. The CRC covers everything after its own
//! space up to, not including, the line break. A last line without a break was cut off by a crash, or is being
//! written: it is no damage. The file's name is the moment when it was begun.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::choice::MOST;
use super::{Accepted, Things};
use crate::model::Timestamp;

/// A line is shorter: of the longest links and all hashes that are kept it has half of this.
pub(super) const MAX_LINE: usize = 512 << 10;
/// Bytes of a line before its links, and its break.
const HEAD: usize = 64;
const _: () = assert!(MOST + HEAD < MAX_LINE / 2);
/// What is read at once.
const BUFFER: usize = 64 << 10;

/// Why messages could not be kept or read again.
#[derive(Debug, thiserror::Error)]
pub(super) enum SegmentError {
    /// The disk, or what stands in the way.
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// One message is not as it was written.
    #[error("a line of {} is damaged", .0.display())]
    Damaged(PathBuf),
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SegmentError {
    move |source| SegmentError::Io { what, path: path.to_owned(), source }
}

/// The name of the segment that was begun then.
pub(super) fn name(begin: Timestamp) -> String {
    format!("{:013}.kept", begin.millis())
}

/// When the segment of this name was begun; `None`: it is no segment's.
pub(super) fn begin(file_name: &str) -> Option<Timestamp> {
    let begin = Timestamp::from_millis(file_name.strip_suffix(".kept")?.parse().ok()?);
    (name(begin) == file_name).then_some(begin)
}

/// Appends a message's line.
pub(super) fn encode(message: &Accepted, out: &mut Vec<u8>) {
    let begin = out.len();
    let (time, id, things) = (message.time.millis(), message.id, message.things.as_str());
    out.reserve(HEAD + things.len());
    out.extend_from_slice(format!("00000000 {time:012x} {id}").as_bytes());
    out.extend_from_slice(things.as_bytes());
    let crc = crc32fast::hash(out.get(begin + 9..).unwrap_or_default());
    if let Some(place) = out.get_mut(begin..begin + 8) {
        place.copy_from_slice(format!("{crc:08x}").as_bytes());
    }
    out.push(b'\n');
}

/// Time of a line without its break, and what follows; `None`: it is damaged.
fn decode(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (crc, covered) = line.split_at_checked(8)?;
    let covered = covered.strip_prefix(b" ")?;
    if hex(crc)? != u64::from(crc32fast::hash(covered)) {
        return None;
    }
    let (time, rest) = covered.split_at_checked(12)?;
    Some((Timestamp::from_millis(hex(time)?), rest.strip_prefix(b" ")?))
}

/// The message of such a line.
fn message(time: Timestamp, rest: &[u8]) -> Option<Accepted> {
    let rest = std::str::from_utf8(rest).ok()?;
    let (id, things) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    Some(Accepted { id: id.parse().ok()?, time, things: Things::read(things)? })
}

fn hex(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) messages: u64,
    /// When its newest message was judged; where it has none, when it was begun.
    pub(super) newest: Timestamp,
}

/// A segment that is appended to.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    pub(super) begin: Timestamp,
    /// Bytes of whole lines.
    pub(super) bytes: u64,
}

impl Writer {
    /// Makes a file that nobody else can read.
    pub(super) fn create(dir: &Path, begin: Timestamp) -> Result<Self, SegmentError> {
        let path = dir.join(name(begin));
        let made = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = made.map_err(failed("cannot make", &path))?;
        Ok(Self { file, path, begin, bytes: 0 })
    }

    /// Appends lines in one go. After an error nothing more may be appended, as half a line may stand there.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), SegmentError> {
        self.file.write_all(lines).map_err(|error| {
            // What is left of the lines is no harm if it cannot be cut off: nothing comes behind it.
            drop(self.file.set_len(self.bytes));
            failed("cannot write to", &self.path)(error)
        })?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// From now on nothing can be written.
    #[cfg(test)]
    pub(super) fn break_off(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }

    /// Makes what was appended survive a power failure.
    pub(super) fn sync(&self) -> Result<(), SegmentError> {
        let synced = self.file.sync_data().and_then(|()| match self.path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        });
        synced.map_err(failed("cannot sync", &self.path))
    }
}

/// A segment that is read, one line in memory at a time.
#[derive(Debug)]
pub(super) struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    line: Vec<u8>,
}

impl Reader {
    /// `None`: it was removed meanwhile.
    pub(super) fn open(path: PathBuf) -> Result<Option<Self>, SegmentError> {
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot open", &path)(error)),
        };
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(failed("cannot read", &path)(io::Error::other("it is no file")));
        }
        Ok(Some(Self { file: BufReader::with_capacity(BUFFER, file), path, line: Vec::new() }))
    }

    /// The next message that was judged at `since` or later. After an error of the disk there is none.
    pub(super) fn next(&mut self, since: Timestamp) -> Result<Option<Accepted>, SegmentError> {
        while self.advance()? {
            match decode(&self.line) {
                Some((time, _)) if time < since => {}
                Some((time, rest)) => {
                    let read = message(time, rest).map(Some);
                    return read.ok_or_else(|| SegmentError::Damaged(self.path.clone()));
                }
                None => return Err(SegmentError::Damaged(self.path.clone())),
            }
        }
        Ok(None)
    }

    /// Counts the messages from here on.
    pub(super) fn count(mut self, begin: Timestamp) -> Result<Held, SegmentError> {
        let mut held = Held { messages: 0, newest: begin };
        while self.advance()? {
            let Some((time, _)) = decode(&self.line) else { continue };
            held.newest = if held.messages == 0 { time } else { held.newest.max(time) };
            held.messages += 1;
        }
        Ok(held)
    }

    /// Takes the next line without its break; of one that is too long, its beginning. `false` at the end.
    fn advance(&mut self) -> Result<bool, SegmentError> {
        self.line.clear();
        let read = (&mut self.file).take(MAX_LINE as u64).read_until(b'\n', &mut self.line);
        let is_line = read.and_then(|read| {
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                return Ok(true);
            }
            // One that is too long is damaged, unless it is the last: a crash leaves zeros, too.
            Ok(read == MAX_LINE && self.file.skip_until(b'\n')? > 0 && !self.file.fill_buf()?.is_empty())
        });
        is_line.map_err(failed("cannot read", &self.path))
    }
}
