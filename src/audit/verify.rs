//! Following the chain through all files, in bounded memory, with or without a daemon.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::erasing::Erasures;
use super::files::{self, Day, Lines, Position};
use super::line::{self, LineHash};
use super::witness::{self, Found, Mark};
use super::{ANCHOR, HEAD};
use crate::model::Timestamp;

/// What following the chain showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Files read.
    pub files: u64,
    /// Good lines.
    pub records: u64,
    /// Time of the first.
    pub first: Option<Timestamp>,
    /// Time of the last.
    pub last: Option<Timestamp>,
    /// Hash of the last line. Kept elsewhere, it shows later that nothing before it was changed.
    pub head: Option<LineHash>,
    /// What is wrong. None: the journal is whole.
    pub problems: Vec<Problem>,
    /// How many more problems there are that are not listed.
    pub more_problems: u64,
    /// What is not wrong and worth knowing: ends torn by a crash, days removed by retention.
    pub notes: Vec<String>,
}

/// One thing that is wrong with the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, by name.
    pub file: String,
    /// The line in it, from 1; 0 for the file itself.
    pub line: u64,
    /// Where the line begins, in bytes.
    pub offset: u64,
    /// What is wrong, for people.
    pub what: String,
}

/// Problems and notes listed at most; the rest is counted.
const MAX_LISTED: usize = 200;

impl VerifyReport {
    /// Nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Verifies the journal in `dir`. The daemon need not run; if it does, ask it instead, because here a
/// line that is just being written looks cut off.
///
/// # Errors
/// If the directory or a file cannot be read. What is wrong *in* the files is in the report.
pub fn verify_dir(dir: &Path) -> io::Result<VerifyReport> {
    verify(dir, None)
}

/// The same up to `end`.
pub(super) fn verify(dir: &Path, end: Option<Position>) -> io::Result<VerifyReport> {
    // The head is read first: it must be in what is read afterwards, however far that has grown.
    let head = witness::read(dir, HEAD)?;
    let anchor = witness::read(dir, ANCHOR)?;
    let days = files::days(dir)?;
    let mut walk = Walk::new(&head, &anchor);
    if let (Found::Mark(mark), Some(first)) = (&anchor, days.first()) {
        // Retention may have been stopped between writing the anchor and removing the days.
        walk.expected = (*first > mark.day).then_some(mark.hash);
    }
    for &day in &days {
        if end.is_some_and(|end| day > end.day) {
            break;
        }
        let to = end.filter(|end| end.day == day).map(|end| end.offset);
        walk.file(dir, day, to)?;
    }
    Ok(walk.finish(&days))
}

struct Walk {
    report: VerifyReport,
    /// What the next line must link to; `None` after damage, when it cannot be known.
    expected: Option<LineHash>,
    /// The head still to be met.
    head: Option<Mark>,
    anchor: Option<Mark>,
    /// An entry of the journal says what the anchor says.
    anchor_confirmed: bool,
    erasures: Erasures,
}

impl Walk {
    fn new(head: &Found, anchor: &Found) -> Self {
        let mut walk = Self {
            report: VerifyReport::default(),
            expected: Some(LineHash::NONE),
            head: None,
            anchor: None,
            anchor_confirmed: false,
            erasures: Erasures::default(),
        };
        match head {
            Found::Mark(mark) => walk.head = Some(*mark).filter(|m| m.end > 0),
            Found::Missing => walk.problem(
                HEAD,
                0,
                0,
                "it is missing: whether the end of the journal was cut off cannot be told",
            ),
            Found::Damaged => walk.problem(
                HEAD,
                0,
                0,
                "it is damaged: whether the end of the journal was cut off cannot be told",
            ),
        }
        match anchor {
            Found::Mark(mark) => walk.anchor = Some(*mark),
            Found::Missing => {}
            Found::Damaged => {
                walk.problem(
                    ANCHOR,
                    0,
                    0,
                    "it is damaged: whether days were removed by retention cannot be told",
                );
                walk.expected = None;
            }
        }
        walk
    }

    fn file(&mut self, dir: &Path, day: Day, to: Option<u64>) -> io::Result<()> {
        let name = day.file_name();
        self.report.files += 1;
        let mut lines = Lines::open(&day.path(dir), 0, to)?;
        let mut number = 0;
        while let Some(raw) = lines.next()? {
            number += 1;
            let line = match line::parse(raw.bytes) {
                Ok(line) => line,
                Err(damage) => {
                    self.problem(&name, number, raw.start, &format!("the line is damaged: {damage}"));
                    self.expected = None;
                    continue;
                }
            };
            if self.expected.is_some_and(|expected| expected != line.link) {
                let what = if self.report.records == 0 {
                    "the journal begins with a line that follows another one, which is not here"
                } else {
                    "the line does not follow the one before it: lines are missing, were changed or moved"
                };
                self.problem(&name, number, raw.start, what);
            }
            let hash = LineHash::in_chain(raw.bytes, line.content);
            self.expected = Some(hash);
            self.report.head = Some(hash);
            self.report.records += 1;
            let mark = Mark { day, start: raw.start, end: raw.end, hash };
            if self.head == Some(mark) {
                self.head = None;
            }
            if line.content.starts_with(line::ERASED) {
                self.erasures.met(day, line.content, hash);
            }
            self.entry(&name, number, raw.start, line.content);
        }
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.day == day)
            && self.expected.is_some_and(|hash| hash != anchor.hash)
        {
            self.problem(&name, 0, 0, "it does not end with the line that the anchor names");
        }
        Ok(())
    }

    /// Only what `verify` must know is read further: most lines are messages.
    fn entry(&mut self, file: &str, number: u64, offset: u64, content: &[u8]) {
        let time = time_of(content);
        self.report.first = self.report.first.or(time);
        self.report.last = time.or(self.report.last);
        let special = [&b"{\"gap\""[..], b"{\"torn\"", b"{\"expired\"", b"{\"erasure\""];
        if !special.iter().any(|s| content.starts_with(s)) {
            return;
        }
        match Entry::decode(content) {
            Ok(Entry::Gap { what, time }) => {
                self.problem(
                    file,
                    number,
                    offset,
                    &format!("at the start of {time} it was found that {what}"),
                );
            }
            Ok(Entry::Torn { file, bytes, moved_to, time, .. }) => {
                self.note(format!("at the start of {time} {bytes} bytes at the end of {file} were no whole line, as a crash leaves them; they are in {moved_to}"));
            }
            Ok(Entry::Expired { first, last, hash, time, .. }) => {
                self.note(format!("on {} retention removed the days from {first} to {last}", time.day()));
                self.anchor_confirmed |= self.anchor.is_some_and(|a| a.hash == hash && a.day == last);
            }
            Ok(Entry::Erasure { act, by, time, days, .. }) => self.erasures.told(act, by, time, days),
            Ok(_) => {}
            Err(e) => self.problem(file, number, offset, &format!("the line is not understood: {e}")),
        }
    }

    fn finish(mut self, days: &[Day]) -> VerifyReport {
        if let Some(head) = self.head {
            let what = format!(
                "the end of the journal was cut off or changed: the line at byte {} with hash {} is not there",
                head.start, head.hash
            );
            self.problem(&head.day.file_name(), 0, head.start, &what);
        }
        if self.anchor.is_some() && !self.anchor_confirmed {
            let what = "no entry of the journal says what it says: days at the beginning were removed otherwise than by retention";
            // Without any file there is nothing left to tell it by.
            if !days.is_empty() {
                self.problem(ANCHOR, 0, 0, what);
            }
        }
        let (problems, notes) = std::mem::take(&mut self.erasures).compare(days.first().copied());
        problems.iter().for_each(|(day, what)| self.problem(&day.file_name(), 0, 0, what));
        notes.into_iter().for_each(|note| self.note(note));
        self.report
    }

    fn problem(&mut self, file: &str, line: u64, offset: u64, what: &str) {
        if self.report.problems.len() >= MAX_LISTED {
            self.report.more_problems += 1;
        } else {
            let what = what.to_owned();
            self.report.problems.push(Problem { file: file.to_owned(), line, offset, what });
        }
    }

    fn note(&mut self, note: String) {
        if self.report.notes.len() < MAX_LISTED {
            self.report.notes.push(note);
        }
    }
}

/// The time of an entry, without reading all of it: a text field called `time`, wherever it stands,
/// cannot stand inside another text, where its quotes would be escaped.
pub(super) fn time_of(content: &[u8]) -> Option<Timestamp> {
    let key = b"\"time\":\"";
    let at = memchr::memmem::find(content, key)? + key.len();
    let text = str::from_utf8(content.get(at..at + 24)?).ok()?;
    Timestamp::parse(text)
}
