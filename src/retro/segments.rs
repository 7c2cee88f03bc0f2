//! All accepted messages on disk: the folder `state_dir/retro` and its segments.
//!
//! One is appended to until it has [`MAX_BYTES`] or is [`MAX_AGE`] old; what is too old or too much goes by whole
//! segments. So mail costs one write for many messages, and nothing is ever written anew. After a start a new
//! segment is begun, and those from before are counted in the background. Who reads takes the list and then
//! file after file: that one is removed or grows meanwhile is no error.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Accepted;
use super::segment::{self, Held, Reader, SegmentError, Writer, failed};
use crate::model::Timestamp;

/// A segment that has as many bytes is closed.
pub(super) const MAX_BYTES: u64 = 4 << 20;
/// One that was begun so long ago is closed.
pub(super) const MAX_AGE: Duration = Duration::from_secs(3600);

/// How much may stand on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// A segment that stands on disk.
#[derive(Clone, Copy, Debug)]
struct Segment {
    begin: Timestamp,
    bytes: u64,
    /// `None`: it was not counted yet.
    held: Option<Held>,
}

/// The folder. Every call blocks but for [`Self::count`].
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    /// The one that is written. Locked before `standing`, and while the disk works.
    open: Mutex<Option<Writer>>,
    /// All of them, the oldest first; the open one is among them. Locked for a moment only.
    standing: Mutex<Vec<Segment>>,
}

impl Segments {
    /// The folder at `dir`; nothing is made or read.
    pub(super) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Mutex::default(), standing: Mutex::default() }
    }

    /// Makes the folder where it is missing, and finds the segments that an earlier process left. Once, before
    /// anything is written.
    pub(super) fn find(&self) -> Result<(), SegmentError> {
        self.make()?;
        let read = fs::read_dir(&self.dir).map_err(failed("cannot read the folder", &self.dir))?;
        let mut found = Vec::new();
        for file in read {
            let file = file.map_err(failed("cannot read the folder", &self.dir))?;
            let Some(begin) = file.file_name().to_str().and_then(segment::begin) else { continue };
            let bytes = file.metadata().map_or(0, |found| found.len());
            found.push(Segment { begin, bytes, held: None });
        }
        found.sort_unstable_by_key(|segment| segment.begin);
        *lock(&self.standing) = found;
        Ok(())
    }

    /// Makes the folder for us alone.
    fn make(&self) -> Result<(), SegmentError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(failed("cannot make the folder", &self.dir))?;
        let found =
            fs::symlink_metadata(&self.dir).map_err(failed("cannot look at the folder", &self.dir))?;
        if found.is_symlink() {
            let why = "it is a symbolic link; put a directory here";
            return Err(failed("cannot use the folder", &self.dir)(io::Error::other(why)));
        }
        Ok(())
    }

    /// How many messages stand in what was counted.
    pub(super) fn count(&self) -> u64 {
        lock(&self.standing).iter().filter_map(|segment| segment.held).map(|held| held.messages).sum()
    }

    /// Counts what an earlier process left, until `is_stopping`. What cannot be read is told, and counted as
    /// nothing.
    pub(super) fn count_found(&self, is_stopping: impl Fn() -> bool) {
        let found: Vec<_> =
            lock(&self.standing).iter().filter(|s| s.held.is_none()).map(|s| s.begin).collect();
        for begin in found {
            if is_stopping() {
                return;
            }
            let reader = Reader::open(self.path(begin));
            let held = reader.and_then(|reader| reader.map(|reader| reader.count(begin)).transpose());
            let held = held.unwrap_or_else(|error| {
                tracing::error!(%error, "accepted mail of earlier is not looked up again");
                None
            });
            let held = held.unwrap_or(Held { messages: 0, newest: begin });
            lock(&self.standing).iter_mut().filter(|s| s.begin == begin).for_each(|s| s.held = Some(held));
        }
    }

    /// Writes messages down, all of them or none.
    pub(super) fn write(&self, messages: &[Accepted], now: Timestamp) -> Result<(), SegmentError> {
        let Some(newest) = messages.iter().map(|message| message.time).max() else { return Ok(()) };
        let mut lines = Vec::new();
        messages.iter().for_each(|message| segment::encode(message, &mut lines));
        let mut open = lock(&self.open);
        close_if(&mut open, |writer| now.since(writer.begin) >= MAX_AGE);
        let mut writer = match open.take() {
            Some(writer) => writer,
            None => self.begin(now)?,
        };
        let is_new = writer.bytes == 0;
        if let Err(error) = writer.append(&lines) {
            // Nobody reads an empty one, and one that is written no more is synced as far as it goes.
            if is_new {
                drop(fs::remove_file(self.path(writer.begin)));
            } else {
                drop(writer.sync());
            }
            return Err(error);
        }
        let mut standing = lock(&self.standing);
        if is_new {
            let held = Some(Held { messages: 0, newest });
            standing.push(Segment { begin: writer.begin, bytes: 0, held });
        }
        if let Some(Segment { held: Some(held), bytes, .. }) = standing.last_mut() {
            *bytes = writer.bytes;
            held.messages += messages.len() as u64;
            held.newest = held.newest.max(newest);
        }
        drop(standing);
        *open = Some(writer);
        close_if(&mut open, |writer| writer.bytes >= MAX_BYTES);
        Ok(())
    }

    /// Begins a segment. No two have one name, also when the clock stands or goes back.
    fn begin(&self, now: Timestamp) -> Result<Writer, SegmentError> {
        self.make()?;
        let last = lock(&self.standing).last().map_or(0, |last| last.begin.millis() + 1);
        Writer::create(&self.dir, now.max(Timestamp::from_millis(last)))
    }

    /// Closes the segment that is written.
    pub(super) fn close(&self) {
        close_if(&mut lock(&self.open), |_| true);
    }

    /// Removes the segments with nothing younger than `keep`, and the oldest ones while the rest holds `most`
    /// messages or more, or all of them together more bytes; the newest stays. How many messages went before
    /// their time, as far as they were counted. One that cannot be removed is told, and tried again after the
    /// next start.
    pub(super) fn trim(&self, now: Timestamp, keep: Duration, most: Most) -> u64 {
        let oldest = now.before(keep);
        let mut open = lock(&self.open);
        let mut standing = lock(&self.standing);
        let is_old = |segment: &Segment| segment.held.is_some_and(|held| held.newest < oldest);
        let newest = standing.last().map(|last| (last.begin, is_old(last)));
        let last_is_old = newest.is_some_and(|(_, is_old)| is_old);
        let held = |segment: &Segment| segment.held.map_or(0, |held| held.messages);
        let (mut messages, mut bytes) =
            standing.iter().fold((0, 0), |(m, b), segment| (m + held(segment), b + segment.bytes));
        let mut is_first = true;
        let mut gone = Vec::new();
        let mut early = 0;
        standing.retain(|segment| {
            let is_newest = newest.is_some_and(|(begin, _)| begin == segment.begin);
            let is_more = segment.held.is_some() && messages - held(segment) >= most.messages;
            let is_surplus = is_first && (is_more || bytes > most.bytes && !is_newest);
            let goes = is_old(segment) || is_surplus;
            is_first &= goes;
            if goes {
                messages -= held(segment);
                bytes -= segment.bytes;
                early += if is_old(segment) { 0 } else { held(segment) };
                gone.push(segment.begin);
            }
            !goes
        });
        drop(standing);
        close_if(&mut open, |writer| {
            last_is_old || now.since(writer.begin) >= MAX_AGE || gone.contains(&writer.begin)
        });
        for begin in gone {
            match fs::remove_file(self.path(begin)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let error = failed("cannot remove", &self.path(begin))(error);
                    tracing::error!(%error, "links of old mail stay on the disk until the next start at least");
                }
                _ => {}
            }
        }
        early
    }

    /// All messages that were judged at `since` or later, the oldest segment first.
    pub(super) fn messages(&self, since: Timestamp) -> impl Iterator<Item = Result<Accepted, SegmentError>> {
        let all = lock(&self.standing).clone();
        let young = all.into_iter().filter(move |s| s.held.is_none_or(|held| held.newest >= since));
        let mut paths = young.map(|segment| self.path(segment.begin));
        let mut reader: Option<Reader> = None;
        std::iter::from_fn(move || {
            loop {
                let Some(reading) = &mut reader else {
                    match Reader::open(paths.next()?) {
                        Ok(opened) => reader = opened,
                        Err(error) => return Some(Err(error)),
                    }
                    continue;
                };
                let next = reading.next(since).transpose();
                if !matches!(next, Some(Ok(_) | Err(SegmentError::Damaged(_)))) {
                    reader = None;
                }
                if next.is_some() {
                    return next;
                }
            }
        })
    }

    #[cfg(test)]
    pub(super) fn break_open(&self) {
        lock(&self.open).as_mut().unwrap().break_off();
    }

    fn path(&self, begin: Timestamp) -> PathBuf {
        self.dir.join(segment::name(begin))
    }
}

/// Closes the segment that is written if it is time. Its messages were written, so no error of the sync is
/// theirs.
fn close_if(open: &mut Option<Writer>, is_time: impl Fn(&Writer) -> bool) {
    let Some(writer) = open.take_if(|writer| is_time(writer)) else { return };
    if let Err(error) = writer.sync() {
        tracing::warn!(%error, "links of accepted mail may be lost if the power fails");
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
