//! Storing, so that what was answered with 250 is on the disk, once.

use super::maildir::MAX_META;
use super::{Expired, Key, Meta, NewEntry, Quarantine, QuarantineError, Why};
use crate::model::{MailId, Timestamp};

/// What a message takes besides its bytes, at most: its meta file and the rounding up to blocks.
const OVERHEAD: u64 = 64 << 10;
/// Meta, message, and one more of each for whoever stores at the same time.
const MIN_INODES: u64 = 16;

/// What became of a message to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The entry that holds it: its own id, or that of the first attempt.
    pub id: MailId,
    /// How often it was sent by now.
    pub attempts: u32,
    /// It is a new entry, not a further attempt.
    pub fresh: bool,
    /// Entries that had to go for it.
    pub expired: Vec<Expired>,
}

impl Quarantine {
    /// Holds a message, or counts a further attempt if it is held already. When this returns, all is
    /// on the disk. Blocks: four syncs for a new entry, two for a further attempt. While somebody
    /// else stores the same message, it waits for him.
    ///
    /// # Errors
    /// No room, or I/O: nothing is held then, and the sender must be asked to try again.
    pub fn store(&self, new: &NewEntry<'_>) -> Result<Stored, QuarantineError> {
        let key = self.keyer.key(new.message.raw(), &new.envelope.reverse_path, new.diverted());
        let mut expired = Vec::new();
        let mut claim = self.claim(key);
        let now = self.clock.now();
        let joined = self.lock().index.joined_by(key, now);
        if let Some(held) = joined {
            if let Some(attempts) = self.count_attempt(held, new, now)? {
                return Ok(Stored { id: held, attempts, fresh: false, expired });
            }
            // A mail program deleted it, or somebody damaged its meta: what comes now is held anew.
            if self.remove_claimed(held, Why::Gone, None)? {
                expired.push(Expired { id: held, why: Why::Gone });
            }
        }
        self.reserve(new)?;
        claim.storing = Some(new.id);
        let meta = self.write(new, key, now)?;
        let mut inner = self.lock();
        inner.index.insert(&meta);
        inner.pending.remove(&new.id);
        self.set_gauges(&inner);
        drop(inner);
        claim.storing = None;
        drop(claim);
        self.metrics.quarantined.with_label_values(&[meta.category.name()]).inc();
        expired.extend(self.make_room(&mut Vec::new()));
        Ok(Stored { id: new.id, attempts: 1, fresh: true, expired })
    }

    /// Counts an attempt under `id` to the entry `held`, whose key is claimed. `None` if that entry is
    /// not whole any more.
    fn count_attempt(
        &self,
        held: MailId,
        new: &NewEntry<'_>,
        now: Timestamp,
    ) -> Result<Option<u32>, QuarantineError> {
        if !self.maildir.has_message(held)? {
            return Ok(None);
        }
        let mut meta = match self.maildir.read_meta(held) {
            Ok(meta) => meta,
            Err(QuarantineError::NotHeld(_) | QuarantineError::BrokenMeta { .. }) => return Ok(None),
            Err(e) => return Err(e),
        };
        // The caller asks again about the same message: not an attempt of the sender.
        if new.id != held {
            meta.attempts.again(new.id, now);
            // More may be known of it by now; less never makes it milder.
            if new.category > meta.category {
                meta.judged_again(new);
            }
            self.maildir.put_meta(held, &json(&meta)?)?;
            self.lock().index.insert(&meta);
        }
        Ok(Some(meta.attempts.count))
    }

    /// Sees that there is room by all limits, and takes it.
    fn reserve(&self, new: &NewEntry<'_>) -> Result<(), QuarantineError> {
        let config = self.config.load();
        let size = new.message.raw().len() as u64;
        let full = |why: String| Err(QuarantineError::Full { id: new.id, path: config.path.clone(), why });
        let room = self.maildir.room()?;
        if room.bytes < size.saturating_add(OVERHEAD).saturating_add(config.min_free.0) {
            return full(format!(
                "its file system has {} bytes left, the message needs {size} and {} must stay free \
                 (quarantine.min_free); make room there",
                room.bytes, config.min_free
            ));
        }
        if room.inodes.is_some_and(|n| n < MIN_INODES) {
            return full("its file system has no inodes left; remove small files there".to_owned());
        }
        if size > config.max_size.0 {
            return full(format!(
                "the message alone has {size} bytes, more than quarantine.max_size ({})",
                config.max_size
            ));
        }
        let mut inner = self.lock();
        if inner.index.contains(new.id) || inner.pending.contains_key(&new.id) {
            return Err(QuarantineError::IdTaken(new.id));
        }
        let pending = inner.pending.values().sum::<u64>().saturating_add(size);
        let (_, enough) =
            inner.index.too_many(&config, self.clock.settled(), inner.pending.len() + 1, pending);
        if !enough {
            return full(format!(
                "{} entries with {} bytes are held, and all that could go is younger than \
                 quarantine.min_age ({}); raise quarantine.max_size or max_entries, or delete entries",
                inner.index.len(),
                inner.index.bytes(),
                config.min_age
            ));
        }
        inner.pending.insert(new.id, size);
        Ok(())
    }

    fn write(&self, new: &NewEntry<'_>, key: Key, now: Timestamp) -> Result<Meta, QuarantineError> {
        let meta = Meta::new(new, key, now);
        let json = json(&meta)?;
        let written = self
            .maildir
            .put_meta(new.id, &json)
            .and_then(|()| self.maildir.put_message(new.id, new.message.raw()))
            .and_then(|()| self.maildir.publish(new.id));
        match written {
            Ok(()) => Ok(meta),
            Err(e) => {
                self.maildir.take_back(new.id);
                Err(e)
            }
        }
    }
}

pub(super) fn json(meta: &Meta) -> Result<Vec<u8>, QuarantineError> {
    let json = meta.to_json().map_err(|e| QuarantineError::Unwritable { id: meta.id, why: e.to_string() })?;
    if json.len() > MAX_META {
        let why = format!("it would take {} bytes and {MAX_META} are allowed", json.len());
        return Err(QuarantineError::Unwritable { id: meta.id, why });
    }
    Ok(json)
}
