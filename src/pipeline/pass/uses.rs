//! How often each Pass was used.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::MailId;

/// Messages that are remembered.
const MOST: usize = 20_000;
/// Hand-overs of one message besides one for each recipient: an MTA tries again while the next server is down.
const RETRIES: usize = 20;

/// Hand-overs of one message of an own user that is not as it was any more, or for others: one for each whom an alias
/// stands for, and retries.
const OWN: usize = 200;

/// The uses of each Pass since the daemon's start. Bounded: of the messages that are too many the oldest are
/// forgotten, and no Pass as old as those is good any more.
#[derive(Debug, Default)]
pub struct Uses(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    of: BTreeMap<MailId, Count>,
    forgotten: Option<MailId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    judged: usize,
    own: usize,
}

impl Uses {
    /// Counts one more use of the Pass of this message, which was made for so many `recipients`. Whether it may be.
    pub(super) fn count(&self, id: MailId, recipients: usize) -> bool {
        self.add(id, recipients.saturating_add(RETRIES), |count| &mut count.judged)
    }

    /// Counts one more use of the Pass of this message for no more than that an own user sent it. Whether it may be.
    pub(super) fn count_own(&self, id: MailId) -> bool {
        self.add(id, OWN, |count| &mut count.own)
    }

    fn add(&self, id: MailId, most: usize, which: fn(&mut Count) -> &mut usize) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.forgotten.is_some_and(|last| id <= last) {
            return false;
        }
        let uses = which(memory.of.entry(id).or_default());
        *uses = uses.saturating_add(1);
        let is_good = *uses <= most;
        if memory.of.len() > MOST {
            memory.forgotten = memory.of.pop_first().map(|(oldest, _)| oldest);
        }
        is_good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> MailId {
        MailId::from_parts(n, 0)
    }

    #[test]
    fn a_pass_is_good_once_for_each_recipient_and_for_some_retries() {
        let uses = Uses::default();
        let good = (0..50).filter(|_| uses.count(id(1), 3)).count();
        assert_eq!(good, 3 + RETRIES);
        assert!(uses.count(id(2), 1));
        let own = (0..2 * OWN).filter(|_| uses.count_own(id(1))).count();
        assert_eq!(own, OWN, "counted by itself");
    }

    #[test]
    fn what_was_forgotten_is_not_good_again() {
        let uses = Uses::default();
        (0..=MOST as u64).for_each(|n| assert!(uses.count(id(n), 1)));
        assert_eq!(uses.0.lock().unwrap().of.len(), MOST);
        assert!(!uses.count(id(0), 1), "its count is lost");
        assert!(uses.count(id(1), 1));
    }
}
