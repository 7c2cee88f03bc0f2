//! Copies of delivered mail that a scanner missed, kept until it was scanned again.

use serde::{Deserialize, Serialize};

use super::{Meta, NewEntry, Quarantine, QuarantineError, Rescan, store};
use crate::model::{MailId, Scanner, Timestamp};

/// What a message takes besides its bytes, at most.
const OVERHEAD: u64 = 64 << 10;

/// What makes an entry a copy of what was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondLook {
    /// Our id of the message that was delivered.
    pub of: MailId,
    /// Who failed to look at it.
    pub missed: Vec<Scanner>,
    /// When it was found bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caught: Option<Timestamp>,
}

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct CopyLimits {
    /// Bytes of one message.
    pub message: u64,
    /// Bytes of all.
    pub total: u64,
    /// Messages.
    pub messages: u64,
}

/// A copy that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The entry: its own id, or that of an earlier attempt.
    pub id: MailId,
    /// It is a new entry.
    pub fresh: bool,
}

/// A copy that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The entry.
    pub id: MailId,
    /// The message that was delivered.
    pub of: MailId,
    /// When it came last.
    pub time: Timestamp,
    /// Who failed to look at it.
    pub missed: Vec<Scanner>,
}

/// How many copies there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Those that wait for a second look.
    pub waiting: u64,
    /// When the oldest of them came.
    pub oldest: Option<Timestamp>,
    /// Those that were found bad.
    pub caught: u64,
    /// Bytes of all their messages.
    pub bytes: u64,
}

impl CopyLimits {
    /// Whether there is room for one more, of `size` bytes.
    const fn leave(&self, copies: Copies, size: u64) -> bool {
        copies.waiting + copies.caught < self.messages && copies.bytes.saturating_add(size) <= self.total
    }
}

impl Quarantine {
    /// Keeps a copy of a message that is delivered to `new.recipients`, and that `second_look.missed` did not
    /// look at. The same message from the same sender to the same recipients is kept once. Nothing is synced.
    /// Blocks.
    ///
    /// # Errors
    /// No room, or I/O: nothing is kept then.
    pub fn keep_copy(
        &self,
        new: &NewEntry<'_>,
        second_look: SecondLook,
        limits: CopyLimits,
    ) -> Result<Kept, QuarantineError> {
        let key = self.keyer.copy_key(new.message.raw(), &new.envelope.reverse_path, new.diverted());
        // Before the claim: it takes others.
        self.make_room_for_copy(new.message.raw().len() as u64, limits);
        let mut claim = self.claim(key);
        let now = self.clock.now();
        let joined = self.lock().index.joined_by(key, now);
        if let Some(kept) = joined
            && self.join_copy(kept, new, &second_look, now)?
        {
            return Ok(Kept { id: kept, fresh: false });
        }
        self.reserve_copy(new, limits)?;
        claim.storing = Some(new.id);
        let meta = Meta::of_delivered(new, second_look, key, now);
        let json = store::json(&meta)?;
        if let Err(error) = self.maildir.put_unsynced(new.id, &json, new.message.raw()) {
            self.maildir.take_back(new.id);
            return Err(error);
        }
        let mut inner = self.lock();
        inner.index.insert(&meta);
        inner.pending.remove(&new.id);
        drop(inner);
        claim.storing = None;
        Ok(Kept { id: new.id, fresh: true })
    }

    /// Counts an attempt to the copy `kept`, whose key is claimed; `false` if it is not whole any more.
    fn join_copy(
        &self,
        kept: MailId,
        new: &NewEntry<'_>,
        second_look: &SecondLook,
        now: Timestamp,
    ) -> Result<bool, QuarantineError> {
        let whole = self.maildir.has_message(kept)?;
        let Ok(mut meta) = self.maildir.read_meta(kept) else { return Ok(false) };
        let Some(mut look) = meta.second_look.take().filter(|_| whole) else { return Ok(false) };
        for scanner in &second_look.missed {
            if !look.missed.contains(scanner) {
                look.missed.push(*scanner);
            }
        }
        meta.second_look = Some(look);
        meta.attempts.again(new.id, now);
        self.maildir.put_meta_unsynced(kept, &store::json(&meta)?)?;
        self.lock().index.insert(&meta);
        Ok(true)
    }

    /// Sees that there is room, and takes it. Held mail comes first: twice `min_free` must stay free.
    fn reserve_copy(&self, new: &NewEntry<'_>, limits: CopyLimits) -> Result<(), QuarantineError> {
        let config = self.config.load();
        let size = new.message.raw().len() as u64;
        let full = |why: String| Err(QuarantineError::Full { id: new.id, path: config.path.clone(), why });
        if size > limits.message {
            return full(format!("it has {size} bytes, more than second_look.max_size"));
        }
        let room = self.maildir.room()?;
        if room.bytes < size.saturating_add(OVERHEAD).saturating_add(config.min_free.0.saturating_mul(2)) {
            return full(format!(
                "its file system has {} bytes left, and twice quarantine.min_free is left to mail that is held",
                room.bytes
            ));
        }
        let mut inner = self.lock();
        if inner.index.contains(new.id) || inner.pending.contains_key(&new.id) {
            return Err(QuarantineError::IdTaken(new.id));
        }
        let copies = inner.index.copies();
        if !limits.leave(copies, size) {
            return full(format!(
                "{} messages wait for a second look already (second_look.max_total, max_messages)",
                copies.waiting
            ));
        }
        inner.pending.insert(new.id, size);
        Ok(())
    }

    /// What was found bad is told already, and goes first. What waits is not pushed out by what comes later.
    fn make_room_for_copy(&self, size: u64, limits: CopyLimits) {
        loop {
            let inner = self.lock();
            if limits.leave(inner.index.copies(), size) {
                return;
            }
            let Some(oldest) = inner.index.oldest_caught() else { return };
            drop(inner);
            if !matches!(self.remove_copy(oldest), Ok(true)) {
                return;
            }
        }
    }

    /// How many copies there are.
    #[must_use]
    pub fn copies(&self) -> Copies {
        self.lock().index.copies()
    }

    /// The copies that wait, the oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        self.lock().index.waiting()
    }

    /// Whether a copy waited as long as `quarantine.keep.second_look` lets it.
    #[must_use]
    pub fn is_overdue(&self, waiting: &Waiting) -> bool {
        self.clock.settled().since(waiting.time) > self.config.load().keep.second_look.duration()
    }

    /// Removes a copy; `false` if it is gone already, or is no copy. Blocks.
    ///
    /// # Errors
    /// I/O.
    pub fn remove_copy(&self, id: MailId) -> Result<bool, QuarantineError> {
        let Some(key) = self.lock().index.key_of(id) else { return Ok(false) };
        let _claim = self.claim(key);
        match self.maildir.read_meta(id) {
            Ok(meta) if meta.second_look.is_none() => return Ok(false),
            Err(QuarantineError::NotHeld(_)) => return Ok(false),
            Ok(_) | Err(QuarantineError::BrokenMeta { .. }) => {}
            Err(error) => return Err(error),
        }
        if !self.lock().index.contains(id) {
            return Ok(false);
        }
        self.maildir.remove(id, None)?;
        self.lock().index.remove(id);
        Ok(true)
    }

    /// Writes down that a copy was found bad, and how it was judged. It stays as long as
    /// `quarantine.keep.caught` says. Blocks.
    ///
    /// # Errors
    /// If there is no such entry (any more), or I/O.
    pub fn set_caught(&self, new: &NewEntry<'_>, rescan: Rescan) -> Result<Meta, QuarantineError> {
        self.change(new.id, |meta| {
            let Some(look) = meta.second_look.as_mut() else { return Err(QuarantineError::NotHeld(new.id)) };
            look.caught = Some(rescan.at);
            meta.judged_again(new);
            meta.rescanned = Some(rescan);
            Ok(())
        })
    }
}
