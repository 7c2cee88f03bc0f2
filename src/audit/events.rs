//! What people and the daemon itself did, read from the journal: the index keeps messages only.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, QuarantineEvent};
use super::files::{self, Day, Lines};
use super::line::{self, HEADER};
use super::{Audit, AuditError};
use crate::model::Timestamp;

/// How far back is looked where nothing is said.
const DEFAULT_SPAN: Duration = Duration::from_secs(7 * 86_400);
const DEFAULT_LIMIT: usize = 100;
/// The most entries beyond a page that are given because they are of the same moment as its last.
const SAME_MOMENT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// Bytes of the journal that one question may read.
const MAX_READ: u64 = 4 << 30;
/// What the lines of messages begin with; nearly all lines are such.
const OF_MESSAGES: [&[u8]; 3] = [b"{\"judged\"", b"{\"answered\"", b"{\"handed\""];

/// Which events are asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventQuery {
    /// From this moment on; a week ago if it is not said.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Text in who did it: `token ci`.
    pub by: Option<String>,
    /// Only what people said of mail they got.
    pub reports: bool,
    /// At most so many, up to 1000; 0 is 100.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// Newest first: entries about lists, tokens, refusals, reloads, what people did to held messages,
    /// starts and stops, and whatever was wrong with the journal.
    pub events: Vec<Entry>,
    /// There are older ones within the time asked for; ask for those before the last one here.
    pub more: bool,
    /// What could not be read, as a sentence.
    pub incomplete: Option<String>,
}

impl Audit {
    /// What was done and by whom, newest first. Reads files, newest first, no more than it must. Blocks.
    ///
    /// # Errors
    /// If the directory or a file cannot be read. A damaged line is left out and said.
    pub fn events(&self, query: &EventQuery) -> Result<Events, AuditError> {
        let failed = |source| AuditError::Directory { dir: self.dir.clone(), action: "reading it", source };
        let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit.min(MAX_LIMIT) };
        let since = query.since.unwrap_or_else(|| self.clock.now().before(DEFAULT_SPAN));
        let until = query.until.unwrap_or(Timestamp::from_millis(u64::MAX));
        let by = query.by.as_deref().unwrap_or_default().to_lowercase();
        let wanted = |entry: &Entry| {
            let time = entry.time();
            since <= time
                && time < until
                && is_event(entry)
                && (!query.reports || matches!(entry, Entry::Reported(_)))
                && author(entry).to_lowercase().contains(&by)
        };
        let mut found = Events::default();
        let (mut read, mut damaged) = (0, 0_u64);
        // What happened just before midnight may stand in the file of the next day.
        let days = files::days(&self.dir).map_err(failed)?.into_iter().rev();
        for day in days.filter(|day| *day >= Day::of(since) && day.previous().begin() < until) {
            if read > MAX_READ {
                found.incomplete =
                    Some(format!("{day} and the days before it were not looked at; ask for less time"));
                break;
            }
            // One more than is asked for tells whether there are more; a page ends between two moments.
            let room = limit + 1 + SAME_MOMENT - found.events.len();
            let mut newest: VecDeque<Entry> = VecDeque::new();
            let mut lines = match Lines::open(&day.path(&self.dir), 0, None) {
                Ok(lines) => lines,
                // Retention has just removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            while let Some(raw) = lines.next().map_err(failed)? {
                read += raw.bytes.len() as u64;
                let content = raw.bytes.get(HEADER..).unwrap_or_default();
                if OF_MESSAGES.iter().any(|of| content.starts_with(of)) {
                    continue;
                }
                match line::parse(raw.bytes).map(|line| Entry::decode(line.content)) {
                    Ok(Ok(entry)) if wanted(&entry) => {
                        newest.push_back(entry);
                        if newest.len() > room {
                            newest.pop_front();
                        }
                    }
                    Ok(Ok(_)) => {}
                    // The last line may just be being written; it has no end yet.
                    Err(_) if !raw.bytes.ends_with(b"\n") => {}
                    Ok(Err(_)) | Err(_) => damaged += 1,
                }
            }
            found.events.extend(newest.into_iter().rev());
            if found.events.len() > limit + SAME_MOMENT {
                break;
            }
        }
        let last = found.events.get(limit - 1).map(Entry::time);
        let rest = found.events.iter().skip(limit).take(SAME_MOMENT);
        let end = limit + rest.take_while(|entry| Some(entry.time()) == last).count();
        found.more = found.events.len() > end;
        found.events.truncate(end);
        if damaged > 0 {
            found.incomplete =
                Some(format!("damaged lines were left out: {damaged}; run `mailward audit verify`"));
        }
        Ok(found)
    }
}

/// Whether it is what somebody did, or what happened to the daemon; not what mail brings with it.
fn is_event(entry: &Entry) -> bool {
    match entry {
        Entry::Judged(_) | Entry::Answered { .. } | Entry::Handed(_) | Entry::Erased { .. } => false,
        Entry::Quarantine { what, .. } => {
            !matches!(what, QuarantineEvent::Repeated | QuarantineEvent::Expired)
        }
        _ => true,
    }
}

/// Who did it; empty where it was nobody.
fn author(entry: &Entry) -> &str {
    match entry {
        Entry::Admin { by, .. } | Entry::Quarantine { by, .. } | Entry::Erasure { by, .. } => by,
        Entry::Caught(caught) => caught.by.name(),
        Entry::Reported(report) if report.user.is_empty() => &report.by,
        Entry::Reported(report) => &report.user,
        _ => "",
    }
}
