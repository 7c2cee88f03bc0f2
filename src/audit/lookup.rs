//! Finding messages: by id through the index or without it, and by what is known of them.

use std::io;
use std::ops::Bound;

use memchr::memmem;
use serde::Serialize;

use super::entry::Entry;
use super::files::{Day, Lines, Position};
use super::line;
use super::query::{DEFAULT_LIMIT, Filter, Listing, MAX_LIMIT, MAX_LOOKED_AT, Match, Query};
use super::record::Record;
use super::row::Row;
use super::{Audit, AuditError, PATIENCE};
use crate::model::{MailId, Timestamp};

/// All that is known of one message.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// What was seen and decided.
    #[serde(flatten)]
    pub record: Record,
    /// Whether the answer reached the MTA; `None` is not known.
    pub answered: Option<bool>,
    /// What was answered in place of what was decided, because the next server took the message for nobody.
    pub instead: Option<String>,
    /// What happened to it later, in order.
    pub events: Vec<Entry>,
    /// What could not be read of that, as sentences.
    pub problems: Vec<String>,
}

impl Audit {
    /// What is known of the message `id`. Blocks.
    ///
    /// # Errors
    /// If its line is damaged or its file cannot be read.
    pub fn find(&self, id: MailId) -> Result<Option<Explained>, AuditError> {
        let behind = self.journal.end().map(drop).map_err(|e| e.to_string());
        let behind = behind.and_then(|()| self.index.catch_up(PATIENCE)).err();
        let row = self.index.rows.get(id.as_str().as_bytes());
        match row {
            Ok(Some(row)) => self.explain(&row).map(Some),
            Ok(None) if behind.is_none() => Ok(None),
            Ok(None) => self.search(id),
            Err(_) => {
                self.index.rebuild();
                self.search(id)
            }
        }
    }

    /// Whether there is a record of the message `id`; `None` while the index cannot say. Blocks.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn is_on_record(&self, id: MailId) -> Result<Option<bool>, AuditError> {
        if self.catch_up().is_some() {
            return Ok(None);
        }
        let known = self.index.rows.contains(id.as_str().as_bytes()).map_err(AuditError::Index)?;
        Ok(Some(known))
    }

    pub(super) fn explain(&self, row: &Row) -> Result<Explained, AuditError> {
        let record = match self.read(row.at)? {
            Entry::Judged(record) if record.id == row.id => *record,
            _ => {
                return Err(AuditError::Damaged {
                    file: row.at.day.file_name(),
                    offset: row.at.offset,
                    what: format!("the index says that it is about {}, and it is not", row.id),
                });
            }
        };
        let mut places = row.events.clone();
        // What happens in quarantine happens to the entry; an earlier attempt may have made it.
        if let Some(held_by) = record.quarantine.filter(|q| *q != row.id)
            && let Ok(Some(first)) = self.index.rows.get(held_by.as_str().as_bytes())
        {
            places.extend(first.events);
        }
        let (answered, instead) = (row.answered, row.instead.clone());
        let mut explained = Explained { record, answered, instead, events: vec![], problems: vec![] };
        for at in places {
            match self.read(at) {
                Ok(entry) => explained.events.push(entry),
                Err(error) => explained.problems.push(error.to_string()),
            }
        }
        Ok(explained)
    }

    /// The entry at a place, its checksum compared.
    fn read(&self, at: Position) -> Result<Entry, AuditError> {
        let damaged =
            |what: String| AuditError::Damaged { file: at.day.file_name(), offset: at.offset, what };
        let mut lines = Lines::open(&at.day.path(&self.dir), at.offset, None)
            .map_err(|e| damaged(format!("the file cannot be opened: {e}")))?;
        let raw = lines.next().map_err(|e| damaged(format!("it cannot be read: {e}")))?;
        let raw = raw.ok_or_else(|| damaged("the file ends before it".to_owned()))?;
        let line = line::parse(raw.bytes).map_err(|e| damaged(e.to_string()))?;
        Entry::decode(line.content).map_err(|e| damaged(e.to_string()))
    }

    /// Without the index: reads the files of the day the id was made and the next, and the newest, where records of
    /// a clock that leaps are. What happened to the message on later days is not seen.
    fn search(&self, id: MailId) -> Result<Option<Explained>, AuditError> {
        let mut explained: Option<Explained> = None;
        let (mut answered, mut instead, mut events) = (None, None, Vec::new());
        let day = Day::of(Timestamp::from_millis(id.unix_millis()));
        let newest = self.journal.written_end().map(|end| end.day);
        for day in
            [day, day.next()].into_iter().chain(newest.filter(|newest| ![day, day.next()].contains(newest)))
        {
            let failed =
                |source| AuditError::Directory { dir: self.dir.clone(), action: "reading it", source };
            let mut lines = match Lines::open(&day.path(&self.dir), 0, None) {
                Ok(lines) => lines,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(failed(e)),
            };
            let id_text = memmem::Finder::new(id.as_str());
            while let Some(raw) = lines.next().map_err(failed)? {
                if id_text.find(raw.bytes).is_none() {
                    continue;
                }
                let Ok(line) = line::parse(raw.bytes) else { continue };
                match Entry::decode(line.content) {
                    Ok(Entry::Judged(record)) if record.id == id => {
                        explained = Some(Explained {
                            record: *record,
                            answered: None,
                            instead: None,
                            events: vec![],
                            problems: vec![
                                "the index cannot be used now; what happened on later days is not shown"
                                    .to_owned(),
                            ],
                        });
                    }
                    Ok(Entry::Answered { id: of, reached, instead: said, .. }) if of == id => {
                        (answered, instead) = (Some(reached), said);
                    }
                    Ok(entry) if entry.id() == Some(id) => events.push(entry),
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(explained.map(|found| Explained { answered, instead, events, ..found }))
    }

    /// Messages, newest first. Blocks; looks at half a million at most, then says where to go on.
    ///
    /// # Errors
    /// If a record that must be read is damaged.
    pub fn list(&self, query: &Query) -> Result<Listing, AuditError> {
        let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit.min(MAX_LIMIT) };
        let mut listing = Listing { incomplete: self.catch_up(), ..Listing::default() };
        let mut last = None;
        let (filter, mut looked_at) = (self.filter(query), 0);
        for item in self.rows(query) {
            let row = match item {
                Ok((_, row)) => row,
                Err(error) => {
                    self.index.rebuild();
                    listing.incomplete =
                        Some(format!("{error}; the index is made again from the journal, try again later"));
                    break;
                }
            };
            if listing.rows.len() == limit || looked_at == MAX_LOOKED_AT {
                listing.next = last;
                break;
            }
            looked_at += 1;
            last = Some(row.id);
            if self.matches(&filter, &row)? {
                listing.rows.push(row);
            }
        }
        Ok(listing)
    }

    /// Writes what is lazy, waits for the index; what is missing then, as a sentence.
    pub(super) fn catch_up(&self) -> Option<String> {
        // A journal that cannot be written now can still be read.
        let written = self.journal.end().map(drop).map_err(|e| e.to_string());
        written.and_then(|()| self.index.catch_up(PATIENCE)).err()
    }

    pub(super) fn filter(&self, query: &Query) -> Filter {
        Filter::new(query, self.pseudonyms.as_deref())
    }

    /// The rows within the query's times, newest first.
    pub(super) fn rows(
        &self,
        query: &Query,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Row), crate::store::StoreError>> {
        let first_of = |time: Timestamp| MailId::from_parts(time.millis(), 0);
        let since = query.since.map(first_of);
        let until = query.until.map(first_of).into_iter().chain(query.before).min();
        let from = since.as_ref().map_or(Bound::Unbounded, |id| Bound::Included(id.as_str().as_bytes()));
        let to = until.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str().as_bytes()));
        self.index.rows.range((from, to)).rev()
    }

    pub(super) fn matches(&self, filter: &Filter, row: &Row) -> Result<bool, AuditError> {
        Ok(match filter.matches(row) {
            Match::Yes => true,
            Match::No => false,
            Match::AskRecord => match self.read(row.at)? {
                Entry::Judged(record) => {
                    filter.matches_recipient(record.envelope.recipients.iter().map(|r| r.address()))
                }
                _ => false,
            },
        })
    }
}
