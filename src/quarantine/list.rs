//! Reading: one entry, or many, newest first.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{MessageFile, Meta, Quarantine, QuarantineError, Standing, index};
use crate::model::{Category, MailId, Timestamp};

/// The most entries of one listing.
const MAX_LIMIT: usize = 1000;

/// Which entries are asked for. Texts are found anywhere, in any case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Stored at this time or later.
    pub since: Option<Timestamp>,
    /// Stored before this time.
    pub until: Option<Timestamp>,
    /// Of this class.
    pub category: Option<Category>,
    /// Of which this became. Where it is not said, copies of delivered mail are left out.
    pub state: Option<Standing>,
    /// Those copies as well.
    pub all: bool,
    /// In the reverse-path.
    pub sender: Option<String>,
    /// In one of the diverted recipients.
    pub recipient: Option<String>,
    /// In author, subject, reason, rule, reverse-path or a diverted recipient.
    pub text: Option<String>,
    /// Older than this entry: the last one of the page before.
    pub before: Option<MailId>,
    /// At most so many, 1 to 1000.
    pub limit: usize,
}

/// Entries, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// What is known of each.
    pub entries: Vec<Meta>,
    /// What could not be shown, and why; for people.
    pub notes: Vec<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            category: None,
            state: None,
            all: false,
            sender: None,
            recipient: None,
            text: None,
            before: None,
            limit: 50,
        }
    }
}

impl Query {
    pub(super) fn lowered(&self) -> Self {
        let lower = |text: &Option<String>| text.as_ref().map(|t| t.to_lowercase());
        Self {
            sender: lower(&self.sender),
            recipient: lower(&self.recipient),
            text: lower(&self.text),
            ..self.clone()
        }
    }
}

impl Quarantine {
    /// The entries that are asked for, newest first. Reads the meta files of this page alone. An
    /// entry whose message a mail program deleted is left out.
    #[must_use]
    pub fn list(&self, query: &Query) -> Listing {
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let candidates = self.lock().index.find(query, limit);
        let mut listing = Listing::default();
        for (id, ask_meta) in candidates {
            if listing.entries.len() == limit {
                break;
            }
            match self.maildir.read_meta(id) {
                Ok(meta) if ask_meta && !index::matches(&meta, query) => {}
                Ok(meta) => listing.entries.push(meta),
                // Removed since the look into the index.
                Err(QuarantineError::NotHeld(_)) => {}
                Err(e) => listing.notes.push(e.to_string()),
            }
        }
        if let Err(e) = self.leave_out_deleted(&mut listing.entries) {
            listing.notes.push(e.to_string());
        }
        listing
    }

    /// The ids of all entries that were made at these times, in milliseconds since 1970.
    #[must_use]
    pub fn made(&self, times: std::ops::Range<u64>) -> Vec<MailId> {
        self.lock().index.ids().filter(|id| times.contains(&id.unix_millis())).collect()
    }

    /// What is known of the entry that `id`, or a later attempt under that id, stands for.
    ///
    /// # Errors
    /// If there is none, or its meta file cannot be read.
    pub fn meta(&self, id: MailId) -> Result<Meta, QuarantineError> {
        self.maildir.read_meta(self.resolve(id)?)
    }

    /// The message of an entry, open for reading, wherever a mail program has put it.
    ///
    /// # Errors
    /// If there is none, or it cannot be opened.
    pub fn message(&self, id: MailId) -> Result<MessageFile, QuarantineError> {
        self.maildir.message(self.resolve(id)?)?.ok_or(QuarantineError::NotHeld(id))
    }

    pub(super) fn resolve(&self, id: MailId) -> Result<MailId, QuarantineError> {
        self.lock().index.resolve(id).ok_or(QuarantineError::NotHeld(id))
    }

    /// One walk over the Maildir, however many entries: looking for each alone would read `cur/` anew
    /// every time.
    fn leave_out_deleted(&self, entries: &mut Vec<Meta>) -> Result<(), QuarantineError> {
        let mut missing: HashSet<MailId> = entries.iter().map(|m| m.id).collect();
        // Twice, because a file that is renamed in the middle of a walk may be missed by it.
        for _ in 0..2 {
            if missing.is_empty() {
                return Ok(());
            }
            self.maildir.each_message(|_, id| {
                id.inspect(|id| {
                    missing.remove(id);
                });
            })?;
        }
        entries.retain(|m| !missing.contains(&m.id));
        Ok(())
    }
}
