//! Erasing what is on record about somebody, on request, and reading it out.
//!
//! A line that names the address gives way to one as long, which holds the old line's hash, what kind of entry it
//! was, the message's id and its time; so the chain goes on and nothing moves. An entry of its own tells how many
//! that were on which day and by whom, and not of whom ([`Subject::pseudonym`]).

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::erasing::{self, Done, JUDGED, Target};
use super::feed::Item;
use super::files::{self, Day, Lines};
use super::journal::Pending;
use super::line::{self, ERASED, LineHash};
use super::subject::Subject;
use super::verify::time_of;
use super::{Audit, AuditError};
use crate::model::MailId;

/// What was erased, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Lines of the journal.
    pub records: u64,
    /// The messages among them.
    pub messages: Vec<MailId>,
    /// The first and the last day of which there are some.
    pub days: Option<(Day, Day)>,
}

/// The most lines that are erased at once.
const MOST: usize = 1_000_000;

impl Audit {
    /// Erases every line that names `subject`, up to now. Reads the whole journal; appends go on meanwhile. With
    /// `dry_run` only says how much that is. Blocks. On return it is on disk, and the index knows it no more.
    ///
    /// # Errors
    /// [`AuditError::Busy`] while a backup is made; if the journal cannot be read or written. What was begun and
    /// could not be finished is finished at the next start.
    pub fn erase(&self, subject: &Subject, by: &str, dry_run: bool) -> Result<Erased, AuditError> {
        let failed =
            |source| AuditError::Directory { dir: self.dir.clone(), action: "erasing from it", source };
        let _files = self.files.try_write().map_err(|_| AuditError::Busy)?;
        if erasing::is_unfinished(&self.dir)
            && let Some(done) = erasing::resume(&self.dir).map_err(failed)?
        {
            self.finish(done)?;
        }
        let mut targets = Vec::new();
        self.about(subject, |target, _| {
            targets.push(target);
            Ok(())
        })?;
        let judged = targets.iter().filter(|target| target.what == JUDGED);
        let erased = Erased {
            records: targets.len() as u64,
            messages: judged.filter_map(|target| target.id).collect(),
            days: targets.first().zip(targets.last()).map(|(first, last)| (first.day, last.day)),
        };
        if dry_run || targets.is_empty() {
            return Ok(erased);
        }
        let time = self.clock.now();
        let act = time.millis();
        if let Some(target) = targets.iter().find(|target| target.erased(act).is_none()) {
            return Err(AuditError::NoRoom { file: target.day.file_name(), offset: target.offset });
        }
        self.flush()?;
        let days = erasing::days(&targets);
        let subject = subject.pseudonym().to_owned();
        let erasure = Entry::Erasure { act, by: by.to_owned(), time, subject, days };
        erasing::plan(&self.dir, &erasure, act, &targets).map_err(failed)?;
        drop(targets);
        let told = Pending::new(erasure, Item::Other).and_then(|entry| self.journal.append(entry, false));
        if let Err(error) = told {
            // Nothing is erased that the journal does not tell of.
            erasing::finished(&self.dir).map_err(failed)?;
            return Err(error);
        }
        // Where this fails the entry may be there all the same: what it tells is done at the next start.
        self.journal.sync()?;
        if let Some(done) = erasing::resume(&self.dir).map_err(failed)? {
            self.finish(done)?;
        }
        Ok(erased)
    }

    /// What comes after the lines are written over.
    pub(super) fn finish(&self, done: Done) -> Result<(), AuditError> {
        let failed =
            |source| AuditError::Directory { dir: self.dir.clone(), action: "erasing from it", source };
        if let Some(entry) = done.missing {
            self.journal.append(Pending::new(entry, Item::Other)?, false)?;
            self.journal.sync()?;
        }
        self.index.forget(done.ids);
        erasing::finished(&self.dir).map_err(failed)
    }

    /// Gives every entry that names `subject`, oldest first, to `take`. Blocks; reads the whole journal.
    ///
    /// # Errors
    /// If the journal cannot be read, or `take` fails.
    pub fn read_about(
        &self,
        subject: &Subject,
        mut take: impl FnMut(Entry) -> std::io::Result<()>,
    ) -> Result<(), AuditError> {
        let _files = self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.about(subject, |_, content| match Entry::decode(content) {
            Ok(entry) => take(entry),
            // A later version wrote it; it is said, and not left out.
            Err(error) => Err(std::io::Error::other(error)),
        })
    }

    pub(super) fn about(
        &self,
        subject: &Subject,
        mut take: impl FnMut(Target, &[u8]) -> std::io::Result<()>,
    ) -> Result<(), AuditError> {
        let failed = |source| AuditError::Directory { dir: self.dir.clone(), action: "reading it", source };
        let Some(end) = self.journal.end()? else { return Ok(()) };
        let mut found = 0;
        for day in files::days(&self.dir).map_err(failed)?.into_iter().filter(|day| *day <= end.day) {
            let to = (day == end.day).then_some(end.offset);
            let mut lines = Lines::open(&day.path(&self.dir), 0, to).map_err(failed)?;
            while let Some(raw) = lines.next().map_err(failed)? {
                // A damaged line is what it is: `verify` reports it.
                let Ok(line) = line::parse(raw.bytes) else { continue };
                if line.content.starts_with(ERASED) || !subject.is_in_json(line.content) {
                    continue;
                }
                let entry = Entry::decode(line.content).ok();
                let target = Target {
                    day,
                    offset: raw.start,
                    length: line.content.len(),
                    link: line.link,
                    hash: LineHash::of(raw.bytes),
                    what: kind(line.content),
                    id: entry.as_ref().and_then(Entry::id),
                    time: time_of(line.content),
                };
                found += 1;
                if found > MOST {
                    return Err(failed(std::io::Error::other(format!("there are more than {MOST} entries"))));
                }
                take(target, line.content).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// The name that an entry begins with.
fn kind(content: &[u8]) -> String {
    let name =
        content.get(2..).unwrap_or_default().iter().take_while(|b| b.is_ascii_lowercase() || **b == b'-');
    name.take(20).map(|b| char::from(*b)).collect()
}
