//! How much of the machine messages may hold at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A process-wide limit on messages in work and on the bytes they hold.
#[derive(Debug)]
pub struct Budget {
    messages: AtomicU64,
    bytes: AtomicU64,
    max_messages: u64,
    max_bytes: u64,
}

/// What most messages fit into. Where less is left, MAIL is the better place to say so than the end of the message.
const USUAL: u64 = 64 * 1024;

/// What ran short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// Too many messages in work.
    Messages,
    /// Too many bytes held.
    Bytes,
}

impl Short {
    /// The bounded word for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }
}

impl Budget {
    /// At most `max_messages` at once, holding at most `max_bytes` together.
    #[must_use]
    pub fn new(max_messages: u64, max_bytes: u64) -> Arc<Self> {
        Arc::new(Self { messages: 0.into(), bytes: 0.into(), max_messages, max_bytes })
    }

    /// A place for one message.
    ///
    /// # Errors
    /// If no place is free, or so few bytes are left that a message would likely not fit.
    pub fn admit(self: &Arc<Self>) -> Result<Share, Short> {
        let needs = USUAL.min(self.max_bytes / 8).max(1);
        if self.bytes.load(Ordering::Relaxed).saturating_add(needs) > self.max_bytes {
            return Err(Short::Bytes);
        }
        take(&self.messages, 1, self.max_messages).ok_or(Short::Messages)?;
        Ok(Share { budget: Arc::clone(self), bytes: 0, places: 1 })
    }

    /// So much mail is in work that what can wait should.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.messages() > self.max_messages / 4 || self.bytes() > self.max_bytes / 4
    }

    /// Messages in work now.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn take(counter: &AtomicU64, n: u64, max: u64) -> Option<u64> {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(n).filter(|sum| *sum <= max)
        })
        .ok()
}

/// One message's share; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
    /// 1, or 0 where the place went with a part of it.
    places: u64,
}

impl Share {
    /// Takes `n` more bytes.
    ///
    /// # Errors
    /// If the process holds too much already; the share keeps what it had.
    pub fn take(&mut self, n: usize) -> Result<(), Short> {
        let n = n as u64;
        take(&self.budget.bytes, n, self.budget.max_bytes).ok_or(Short::Bytes)?;
        self.bytes += n;
        Ok(())
    }

    /// Takes the place and up to `n` of the bytes out of it, for who needs them longer.
    #[must_use]
    pub fn split(&mut self, n: usize) -> Self {
        let bytes = self.bytes.min(n as u64);
        self.bytes -= bytes;
        Self { budget: Arc::clone(&self.budget), bytes, places: std::mem::take(&mut self.places) }
    }

    /// Gives all bytes back and keeps the place.
    pub fn give_back_bytes(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back_bytes();
        self.budget.messages.fetch_sub(self.places, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_when_its_message_ends() {
        let budget = Budget::new(1, 10);
        let mut share = budget.admit().unwrap();
        assert_eq!(share.take(8), Ok(()));
        assert_eq!(share.take(8), Err(Short::Bytes));
        assert_eq!(budget.admit().unwrap_err(), Short::Messages);
        drop(share);
        assert_eq!((budget.messages(), budget.bytes()), (0, 0));
        assert!(budget.admit().is_ok());
    }

    #[test]
    fn nobody_is_let_in_where_a_usual_message_would_not_fit() {
        let budget = Budget::new(9, 1 << 20);
        let mut share = budget.admit().unwrap();
        share.take((1 << 20) - 64 * 1024).unwrap();
        assert!(budget.admit().is_ok());
        share.take(1).unwrap();
        assert_eq!(budget.admit().unwrap_err(), Short::Bytes);
    }

    #[test]
    fn a_part_of_a_share_may_be_held_for_longer() {
        let budget = Budget::new(1, 10);
        let mut share = budget.admit().unwrap();
        share.take(8).unwrap();
        let kept = share.split(5);
        drop(share);
        assert_eq!((budget.messages(), budget.bytes()), (1, 5));
        drop(kept);
        assert_eq!((budget.messages(), budget.bytes()), (0, 0));
    }
}
