//! Retention and deletion.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{Quarantine, QuarantineError};
use crate::model::MailId;

/// As many removals as are done without looking for all files at once.
const FEW: usize = 8;

/// An entry that is not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Which.
    pub id: MailId,
    /// Why.
    pub why: Why,
}

/// Why an entry is not held any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Its class is not kept longer.
    Age,
    /// Room was needed for younger ones.
    Size,
    /// A mail program deleted its message.
    Gone,
    /// A meta without message was found: left by a crash before anything was answered, or the message
    /// was deleted while mailward did not run.
    Orphan,
}

impl Why {
    /// The bounded word for metrics and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
            Self::Gone => "gone",
            Self::Orphan => "orphan",
        }
    }
}

/// What a sweep did and saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// What is not held any more.
    pub expired: Vec<Expired>,
    /// What is odd or failed, for the log. Foreign files are named when their number changes.
    pub notes: Vec<String>,
}

impl Quarantine {
    /// Deletes an entry at an admin's wish.
    ///
    /// # Errors
    /// If there is none, or it cannot be removed.
    pub fn delete(&self, id: MailId) -> Result<(), QuarantineError> {
        let held = self.resolve(id)?;
        let key = self.lock().index.key_of(held).ok_or(QuarantineError::NotHeld(id))?;
        let claim = self.claim(key);
        if !self.lock().index.contains(held) {
            return Err(QuarantineError::NotHeld(id));
        }
        self.maildir.remove(held, None)?;
        let mut inner = self.lock();
        inner.index.remove(held);
        self.set_gauges(&inner);
        drop(inner);
        drop(claim);
        self.maildir.sync_removals()
    }

    /// Removes what is gone, too old, or too much, in this order. What fails is in the notes and is
    /// tried again next time.
    #[must_use]
    pub fn expire(&self) -> Swept {
        let mut swept = Swept::default();
        if let Err(e) = self.sweep(&mut swept) {
            swept.notes.push(e.to_string());
        }
        let now = self.clock.settled();
        let mut inner = self.lock();
        inner.index.forget_keys(now);
        let too_old = inner.index.too_old(&self.config.load(), now);
        drop(inner);
        let Swept { expired, notes } = &mut swept;
        self.remove_all(&too_old, Why::Age, expired, notes);
        expired.extend(self.make_room(notes));
        if !expired.is_empty()
            && let Err(e) = self.maildir.sync_removals()
        {
            notes.push(e.to_string());
        }
        swept
    }

    /// Removes as much as the limits ask for.
    pub(super) fn make_room(&self, notes: &mut Vec<String>) -> Vec<Expired> {
        let (too_many, enough) = self.lock().index.too_many(&self.config.load(), self.clock.settled(), 0, 0);
        if !enough {
            notes.push(
                "the quarantine holds more than quarantine.max_size or max_entries allows, and what is left \
                 is younger than quarantine.min_age: mail to be held is refused for now"
                    .to_owned(),
            );
        }
        let mut expired = Vec::new();
        self.remove_all(&too_many, Why::Size, &mut expired, notes);
        expired
    }

    /// Removes these entries, as far as nobody else does.
    pub(super) fn remove_all(
        &self,
        ids: &[MailId],
        why: Why,
        expired: &mut Vec<Expired>,
        notes: &mut Vec<String>,
    ) {
        let mut places = if ids.len() > FEW { self.maildir.places(ids) } else { HashMap::new() };
        for id in ids.iter().copied() {
            let Some(key) = self.lock().index.key_of(id) else { continue };
            let _claim = self.claim(key);
            match self.remove_claimed(id, why, places.remove(&id)) {
                Ok(true) => expired.push(Expired { id, why }),
                Ok(false) => {}
                Err(e) => notes.push(e.to_string()),
            }
        }
    }

    /// Removes an entry whose key is claimed; `false` if somebody else had already. `hint` is where
    /// its message was seen last.
    pub(super) fn remove_claimed(
        &self,
        id: MailId,
        why: Why,
        hint: Option<PathBuf>,
    ) -> Result<bool, QuarantineError> {
        if !self.lock().index.contains(id) {
            return Ok(false);
        }
        match why {
            Why::Age | Why::Size => self.maildir.remove(id, hint)?,
            // A message that is there after all stays: the sweep reports it, nothing deletes it.
            Why::Gone | Why::Orphan => self.maildir.remove_meta(id)?,
        }
        let mut inner = self.lock();
        inner.index.remove(id);
        self.set_gauges(&inner);
        drop(inner);
        self.metrics.quarantine_expired.with_label_values(&[why.name()]).inc();
        Ok(true)
    }
}
