//! Counts how often the very same message was put off, so that one that can never be judged is held
//! in quarantine at last instead of being put off until its sender gives up.

use std::collections::BTreeSet;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::model::{Envelope, Recipient, Timestamp};
use crate::store::{Store, StoreError, Tree};

/// MTAs give up after five days (RFC 5321 §4.5.4.1).
const REMEMBERED: Duration = Duration::from_secs(5 * 86_400);
/// More attempts than these are remembered at once only under attack; the oldest then go.
const MAX_ENTRIES: usize = 100_000;

/// Remembers failed messages by a keyed hash.
#[derive(Debug)]
pub struct Repeats {
    tree: Tree<Failures>,
    key: [u8; 32],
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Failures {
    count: u32,
    first: Timestamp,
}

impl Repeats {
    /// Kept in the tree `repeats` of `store`, under hashes made with `key`.
    ///
    /// # Errors
    /// If the tree cannot be opened.
    pub fn open(store: &Store, key: [u8; 32]) -> Result<Self, StoreError> {
        Ok(Self { tree: store.tree("repeats")?, key })
    }

    /// Counts one more failure of this message for these recipients; returns how often it had failed before
    /// in the same way (`failures`). Blocks.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn count(
        &self,
        raw: &[u8],
        envelope: &Envelope,
        failures: &str,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let counted = self.tree.update(&self.hash(raw, envelope, failures), |old| match old {
            Some(old) if now.since(old.first) < REMEMBERED => {
                Some(Failures { count: old.count.saturating_add(1), ..old })
            }
            _ => Some(Failures { count: 1, first: now }),
        })?;
        Ok(counted.map_or(0, |f| f.count - 1))
    }

    /// Forgets what is older than five days, and the oldest beyond a fixed number. Blocks.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub fn expire(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut kept = Vec::new();
        for entry in self.tree.iter() {
            let (key, failures) = entry?;
            if now.since(failures.first) >= REMEMBERED {
                self.tree.remove(&key)?;
            } else {
                kept.push((failures.first, key));
            }
        }
        kept.sort();
        for (_, key) in kept.iter().take(kept.len().saturating_sub(MAX_ENTRIES)) {
            self.tree.remove(key)?;
        }
        Ok(())
    }

    fn hash(&self, raw: &[u8], envelope: &Envelope, failures: &str) -> Vec<u8> {
        // HMAC takes keys of any length, so this cannot fail; without a key it would only be guessable.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return Vec::new() };
        // A sender may name them in another order when it tries again.
        let recipients: BTreeSet<&[u8]> = envelope.recipients.iter().map(Recipient::argument).collect();
        let parts = [raw, failures.as_bytes(), envelope.reverse_path.0.argument()];
        for part in parts.into_iter().chain(recipients) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_is_counted_and_forgotten_after_five_days() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), &crate::store::Config::default()).unwrap();
        let repeats = Repeats::open(&store, [1; 32]).unwrap();
        let one = Envelope { recipients: vec![Recipient::new(*b"<a@b>")], ..Envelope::default() };
        let other = Envelope::default();
        let at = |days: u64| Timestamp::from_millis(days * 86_400_000);
        assert_eq!(repeats.count(b"x", &one, "yara=timeout;", at(1)).unwrap(), 0);
        assert_eq!(repeats.count(b"x", &one, "yara=timeout;", at(2)).unwrap(), 1);
        assert_eq!(repeats.count(b"y", &one, "yara=timeout;", at(2)).unwrap(), 0);
        assert_eq!(repeats.count(b"x", &one, "yara=timeout;", at(3)).unwrap(), 2);
        assert_eq!(repeats.count(b"x", &one, "yara=timeout;", at(7)).unwrap(), 0);
        assert_eq!(repeats.count(b"x", &other, "yara=timeout;", at(7)).unwrap(), 0);
        assert_eq!(repeats.count(b"x", &one, "clamd=timeout;", at(7)).unwrap(), 0);
        repeats.expire(at(30)).unwrap();
        assert_eq!(repeats.tree.iter().count(), 0);
    }
}
