//! What became of the copy of each recipient, and changing it.

use serde::{Deserialize, Serialize};

use super::{Meta, NewEntry, Quarantine, QuarantineError, store};
use crate::model::{Category, Disposition, MailId, Recipient, Score, Timestamp, text};

/// The most characters of a server's answer that are kept.
const MAX_REPLY: usize = 500;

/// What became of one recipient's copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Still here.
    #[default]
    Held,
    /// Handed over, and no answer yet: written before the last dot is sent. Found after a start, it means
    /// what [`State::Uncertain`] says.
    Sending {
        /// When.
        at: Timestamp,
        /// Who asked for it.
        by: String,
    },
    /// Handed over, and nobody can say whether it was delivered.
    Uncertain {
        /// When it was handed over.
        at: Timestamp,
        /// Who asked for it.
        by: String,
        /// What happened, for people.
        why: String,
    },
    /// Delivered after all.
    Released {
        /// When.
        at: Timestamp,
        /// Who asked for it.
        by: String,
        /// What the server said that took it.
        #[serde(default)]
        reply: String,
    },
    /// Delivered when it came: this is a copy for a second look, and is never handed over.
    Delivered,
}

/// The last attempt to release a copy that is still held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// The server's answer, or why there was none.
    pub why: String,
}

/// The last time that an entry was judged again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescan {
    /// When.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// What would be done with it today.
    pub disposition: Disposition,
    /// What kind of mail it is today.
    pub category: Category,
    /// The sum of the findings' scores.
    pub score: Score,
    /// The rule that decided.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
    /// How each scanner ended, as in `X-Mailward-Coverage`.
    pub coverage: String,
}

/// An entry in one word, from the states of all its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// At least one copy is still here, and of none it is uncertain.
    Held,
    /// Of at least one copy nobody can say whether it was delivered.
    Uncertain,
    /// All were delivered.
    Released,
    /// Nothing is held: it was delivered when it came, and a copy waits to be scanned again.
    SecondLook,
    /// Nothing is held: it was delivered when it came, and the second look found it bad.
    Caught,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Held, Self::Uncertain, Self::Released, Self::SecondLook, Self::Caught];

    /// Whether it is the copy of a message that was delivered when it came, and not held mail.
    #[must_use]
    pub const fn is_copy(self) -> bool {
        matches!(self, Self::SecondLook | Self::Caught)
    }

    /// The word in lists and queries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Uncertain => "uncertain",
            Self::Released => "released",
            Self::SecondLook => "second-look",
            Self::Caught => "caught",
        }
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Standing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|s| s.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of {}", names()))
    }
}

/// What a copy that was being handed over becomes when the daemon starts again.
const STOPPED: &str = "mailward was stopped while the mail was being handed over; look for its Message-ID in the \
                       log of the MTA";

impl Meta {
    /// The entry in one word.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if let Some(second_look) = &self.second_look {
            return if second_look.caught.is_some() { Standing::Caught } else { Standing::SecondLook };
        }
        let mut standing = Standing::Released;
        for state in self.recipients.values() {
            match state {
                State::Sending { .. } | State::Uncertain { .. } => return Standing::Uncertain,
                State::Held => standing = Standing::Held,
                State::Released { .. } | State::Delivered => {}
            }
        }
        standing
    }

    /// What became of the copy of `recipient`; `None` if it is not held for him.
    #[must_use]
    pub fn state(&self, recipient: &Recipient) -> Option<&State> {
        self.recipients.get(&recipient.to_record())
    }

    /// Turns what was being handed over into what nobody can say; whom that concerns.
    fn stop(&mut self) -> Vec<Recipient> {
        let mut concerned = Vec::new();
        for (record, state) in &mut self.recipients {
            if let State::Sending { at, by } = state {
                *state = State::Uncertain { at: *at, by: std::mem::take(by), why: STOPPED.to_owned() };
                concerned.push(Recipient::from_record(record));
            }
        }
        concerned
    }
}

impl Quarantine {
    /// Writes down what became of the copy of `recipient`. When this returns, it is on the disk. Blocks: two
    /// syncs.
    ///
    /// # Errors
    /// If there is no such entry (any more), it is not held for `recipient`, or I/O.
    pub fn set_state(
        &self,
        id: MailId,
        recipient: &Recipient,
        state: State,
    ) -> Result<Meta, QuarantineError> {
        self.change(id, |meta| {
            let place = place(meta, recipient)?;
            meta.failed.remove(&recipient.to_record());
            *place_of(meta, place) = bounded(state);
            Ok(())
        })
    }

    /// Writes down that the copy of `recipient` could not be released and is again what it was `before`:
    /// a second attempt that failed says nothing of the first.
    ///
    /// # Errors
    /// As [`Self::set_state`].
    pub fn set_failed(
        &self,
        id: MailId,
        recipient: &Recipient,
        before: State,
        failure: Failure,
    ) -> Result<Meta, QuarantineError> {
        self.change(id, |meta| {
            let record = place(meta, recipient)?;
            *place_of(meta, record.clone()) = before;
            let why = text::line(&failure.why, MAX_REPLY);
            meta.failed.insert(record, Failure { why, ..failure });
            Ok(())
        })
    }

    /// Writes down how an entry was judged again; the worse kind of mail stands. Does not release or remove
    /// anything.
    ///
    /// # Errors
    /// As [`Self::set_state`].
    pub fn set_rescanned(&self, new: &NewEntry<'_>, rescan: Rescan) -> Result<Meta, QuarantineError> {
        self.change(new.id, |meta| {
            if new.category > meta.category {
                meta.judged_again(new);
            }
            meta.rescanned = Some(rescan);
            Ok(())
        })
    }

    /// At start: copies that were being handed over when mailward stopped become uncertain. Whom that
    /// concerns. Blocks.
    ///
    /// # Errors
    /// If a meta file cannot be read or written; the others are left for the next start.
    pub fn stopped_in_between(&self) -> Result<Vec<(MailId, Recipient)>, QuarantineError> {
        let ids = self.lock().index.uncertain();
        let mut all = Vec::new();
        for id in ids {
            if !self.maildir.read_meta(id)?.stop().is_empty() {
                let mut concerned = Vec::new();
                self.change(id, |meta| {
                    concerned = meta.stop();
                    Ok(())
                })?;
                all.extend(concerned.into_iter().map(|recipient| (id, recipient)));
            }
        }
        Ok(all)
    }

    /// Changes the meta file of an entry, while nobody else does.
    pub(super) fn change(
        &self,
        id: MailId,
        change: impl FnOnce(&mut Meta) -> Result<(), QuarantineError>,
    ) -> Result<Meta, QuarantineError> {
        let held = self.resolve(id)?;
        let key = self.lock().index.key_of(held).ok_or(QuarantineError::NotHeld(id))?;
        let claim = self.claim(key);
        if !self.lock().index.contains(held) {
            return Err(QuarantineError::NotHeld(id));
        }
        let mut meta = self.maildir.read_meta(held)?;
        change(&mut meta)?;
        self.maildir.put_meta(held, &store::json(&meta)?)?;
        self.lock().index.insert(&meta);
        drop(claim);
        Ok(meta)
    }
}

/// The key of `recipient` among the states.
fn place(meta: &Meta, recipient: &Recipient) -> Result<String, QuarantineError> {
    let record = recipient.to_record();
    if meta.recipients.contains_key(&record) {
        return Ok(record);
    }
    Err(QuarantineError::NotFor { id: meta.id, recipient: text::line(recipient.address(), 200) })
}

fn place_of(meta: &mut Meta, record: String) -> &mut State {
    meta.recipients.entry(record).or_default()
}

fn bounded(state: State) -> State {
    match state {
        State::Uncertain { at, by, why } => State::Uncertain { at, by, why: text::line(&why, MAX_REPLY) },
        State::Released { at, by, reply } => State::Released { at, by, reply: text::line(&reply, MAX_REPLY) },
        other => other,
    }
}
