//! Looking at a journal before writing to it: where it ends, what a crash left, what is missing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::entry::Entry;
use super::files::{self, Day, Lines};
use super::line::{self, LineHash};
use super::witness::{self, Found, Mark};
use super::{ANCHOR, AuditError, HEAD};
use crate::model::Timestamp;

/// What was found.
pub(super) struct Opening {
    /// The last day that has a file, and how long the file is.
    pub(super) current: Option<(Day, u64)>,
    /// The last line.
    pub(super) last: Mark,
    /// What must be written into the journal about this.
    pub(super) entries: Vec<Entry>,
    /// The same for the log, in sentences.
    pub(super) notes: Vec<String>,
}

/// Makes the directory if need be, cuts off a torn end, and compares with what must be there.
pub(super) fn look(dir: &Path, time: Timestamp) -> Result<Opening, AuditError> {
    let io = |action| move |source| AuditError::Directory { dir: dir.to_owned(), action, source };
    fs::DirBuilder::new().recursive(true).mode(0o750).create(dir).map_err(io("making it"))?;
    let days = files::days(dir).map_err(io("listing it"))?;
    let anchor = witness::read(dir, ANCHOR).map_err(io("reading the anchor"))?;
    let begin = match anchor {
        Found::Mark(mark) => mark.hash,
        Found::Missing | Found::Damaged => LineHash::NONE,
    };
    let nothing = Mark { day: Day::FIRST, start: 0, end: 0, hash: begin };
    let mut opening = Opening { current: None, last: nothing, entries: Vec::new(), notes: Vec::new() };

    let head = match witness::read(dir, HEAD).map_err(io("reading the head"))? {
        Found::Missing if days.is_empty() => {
            // A new journal: from now on there is always a head.
            witness::replace(dir, HEAD, &nothing).map_err(io("writing the head"))?;
            return Ok(opening);
        }
        Found::Missing => {
            opening.gap("the file head is missing, so it cannot be told whether the end was cut off", time);
            None
        }
        Found::Damaged => {
            opening.gap("the file head is damaged, so it cannot be told whether the end was cut off", time);
            None
        }
        Found::Mark(mark) if mark.holds(dir).map_err(io("reading the last line"))? => Some(mark),
        Found::Mark(mark) => {
            opening.gap(
                &format!(
                    "{} must have a line with hash {} at byte {}, and has not: records were cut off or changed",
                    mark.day.file_name(),
                    mark.hash,
                    mark.start
                ),
                time,
            );
            None
        }
    };

    let Some(&last_day) = days.last() else { return Ok(opening) };
    let known = head.filter(|mark| mark.day == last_day && mark.end > 0);
    let tail = Tail::read(dir, last_day, known).map_err(io("reading the last file"))?;
    if tail.length > tail.end {
        let entry = cut(dir, last_day, &tail, time).map_err(io("moving a torn end aside"))?;
        opening.notes.push(format!(
            "{} ended in {} bytes that are no whole line, as a crash leaves them; they were moved aside",
            last_day.file_name(),
            tail.length - tail.end
        ));
        opening.entries.push(entry);
    }
    opening.current = Some((last_day, tail.end));
    if Day::of(time) < last_day.previous() {
        opening.notes.push(format!(
            "the last file of the audit journal is {}, in the future: the clock is or was wrong; records go there until that day is over",
            last_day.file_name()
        ));
    }
    // The link may have to come from an earlier file: one that was just begun is empty.
    let mut last = tail.last;
    for day in days.iter().rev().skip(1) {
        if last.is_some() {
            break;
        }
        last = Tail::read(dir, *day, None).map_err(io("reading a file"))?.last;
    }
    opening.last = last.unwrap_or(nothing);
    Ok(opening)
}

impl Opening {
    fn gap(&mut self, what: &str, time: Timestamp) {
        self.notes.push(format!("the audit journal is not whole: {what}"));
        self.entries.push(Entry::Gap { what: what.to_owned(), time });
    }
}

/// The end of one file.
pub(super) struct Tail {
    /// The last line that is whole.
    pub(super) last: Option<Mark>,
    /// Where it ends.
    pub(super) end: u64,
    /// Bytes of the file.
    pub(super) length: u64,
}

impl Tail {
    /// Reads the file of `day`, from `known` on if that line is known to be good. A damaged line with
    /// a whole one behind it is no torn end: it stays where it is, for `verify` to report.
    pub(super) fn read(dir: &Path, day: Day, known: Option<Mark>) -> io::Result<Self> {
        let path = day.path(dir);
        let length = fs::metadata(&path)?.len();
        let mut last = known;
        let mut lines = Lines::open(&path, known.map_or(0, |m| m.end), Some(length))?;
        while let Some(raw) = lines.next()? {
            if let Ok(line) = line::parse(raw.bytes) {
                let hash = LineHash::in_chain(raw.bytes, line.content);
                last = Some(Mark { day, start: raw.start, end: raw.end, hash });
            }
        }
        Ok(Self { last, end: last.map_or(0, |m| m.end), length })
    }
}

/// Moves what stands behind the last whole line into a file of its own, and only then cuts it off.
fn cut(dir: &Path, day: Day, tail: &Tail, time: Timestamp) -> io::Result<Entry> {
    let (mut moved_to, mut n) = (format!("{}.{}.torn", day.file_name(), tail.end), 2);
    while dir.join(&moved_to).exists() {
        moved_to = format!("{}.{}-{n}.torn", day.file_name(), tail.end);
        n += 1;
    }
    let mut from = File::open(day.path(dir))?;
    from.seek(SeekFrom::Start(tail.end))?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o640).open(dir.join(&moved_to))?;
    io::copy(&mut from.take(tail.length - tail.end), &mut to)?;
    to.flush()?;
    to.sync_all()?;
    let file = OpenOptions::new().write(true).open(day.path(dir))?;
    file.set_len(tail.end)?;
    file.sync_all()?;
    files::sync_dir(dir)?;
    let bytes = tail.length - tail.end;
    Ok(Entry::Torn { file: day.file_name(), offset: tail.end, bytes, moved_to, time })
}
