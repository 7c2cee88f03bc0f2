//! Copies that rules want, remembered while the message comes again for those who could not have it yet.
//!
//! A message that some recipient is put off for is handed over again, for him alone, until he has it; without a memory
//! each time somebody gets it would bring the archive one more copy. Only such messages are remembered, in memory: a
//! restart meanwhile costs one copy too many, never one too few.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Copies remembered; 32 bytes each, twice.
const MOST: usize = 20_000;

/// One message of one sender, as it goes to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Of the message as it came.
    pub(super) fn of(raw: &[u8], sender: &[u8], address: &[u8]) -> Self {
        let mut hash = Sha256::new();
        for part in [address, sender, raw] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

/// The copies that were delivered of messages that will come again. The oldest are forgotten first.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<(VecDeque<Key>, HashSet<Key>)>);

impl Copies {
    /// Whether that one is there already.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.contains(key)
    }

    /// It is there, and the message comes again.
    pub(super) fn remember(&self, key: Key) {
        let (order, known) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.insert(key) {
            return;
        }
        order.push_back(key);
        if order.len() > MOST
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_known_by_message_sender_and_address_and_the_oldest_is_forgotten() {
        let copies = Copies::default();
        let key = |n: usize| Key::of(n.to_string().as_bytes(), b"a@x", b"archive@x");
        copies.remember(key(0));
        assert!(copies.has(&key(0)) && !copies.has(&key(1)));
        assert!(!copies.has(&Key::of(b"0", b"a@", b"xarchive@x")));
        (1..=MOST).for_each(|n| copies.remember(key(n)));
        assert!(!copies.has(&key(0)) && copies.has(&key(1)));
        assert_eq!(copies.0.lock().unwrap().1.len(), MOST);
    }
}
