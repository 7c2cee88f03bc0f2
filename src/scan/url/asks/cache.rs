//! Answers that are kept for a while, so that a thousand copies of one mail ask once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::link::Link;
use crate::model::Timestamp;

/// Most answers that are kept.
const MAX_ENTRIES: usize = 4096;
/// A longer address, in bytes, is not kept: with the three of an answer all of it stays below 13 MB.
const MAX_BYTES: usize = 1024;
/// Where a link leads may be changed by who made it.
const LEADS: Duration = Duration::from_mins(30);
/// That a link leads nowhere: it may be made later.
const NOWHERE: Duration = Duration::from_mins(5);

/// What a shortener said of one of its links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It leads there.
    To {
        /// Where.
        link: Link,
        /// The address as the shortener wrote it, unless that was a relative one.
        written: String,
    },
    /// It does not lead on: the status of the answer.
    Nowhere(u16),
}

/// Bounded in number, size and age. Its clock may be moved: what seems to come from the future has expired.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<Link, (Timestamp, Answer)>>,
}

impl Cache {
    /// What was said of `link`, if that still holds at `now`.
    pub(super) fn get(&self, link: &Link, now: Timestamp) -> Option<Answer> {
        self.lock().get(link).filter(|(at, answer)| holds(*at, answer, now)).map(|(_, answer)| answer.clone())
    }

    /// Keeps what was said at `now`.
    pub(super) fn put(&self, link: &Link, answer: &Answer, now: Timestamp) {
        let bytes = match answer {
            Answer::To { link, written } => link.as_str().len().max(written.len()),
            Answer::Nowhere(_) => 0,
        };
        if link.as_str().len().max(bytes) > MAX_BYTES {
            return;
        }
        let mut entries = self.lock();
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(link) {
            entries.retain(|_, (at, answer)| holds(*at, answer, now));
        }
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(link) {
            // Half of them at once, so that a flood of links does not look through all for each.
            let mut ages: Vec<_> = entries.values().map(|(at, _)| *at).collect();
            let middle = ages.len() / 2;
            let (_, middle, _) = ages.select_nth_unstable(middle);
            let middle = *middle;
            let mut room = MAX_ENTRIES / 2;
            entries.retain(|_, (at, _)| {
                let keep = *at >= middle && room > 0;
                room -= usize::from(keep);
                keep
            });
        }
        entries.insert(link.clone(), (now, answer.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Link, (Timestamp, Answer)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holds(at: Timestamp, answer: &Answer, now: Timestamp) -> bool {
    let lasts = match answer {
        Answer::To { .. } => LEADS,
        Answer::Nowhere(_) => NOWHERE,
    };
    at <= now && now.since(at) < lasts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(n: usize) -> Link {
        Link::parse(&format!("http://bit.ly/{n}")).unwrap()
    }

    #[test]
    fn answers_hold_for_a_while_and_dead_ends_for_less() {
        let (cache, now) = (Cache::default(), Timestamp::from_millis(10_000_000));
        let later = |minutes: u64| Timestamp::from_millis(now.millis() + minutes * 60_000);
        let to = Answer::To { link: link(9), written: link(9).to_string() };
        cache.put(&link(1), &to, now);
        cache.put(&link(2), &Answer::Nowhere(404), now);
        assert_eq!(cache.get(&link(1), later(29)), Some(to));
        assert_eq!(cache.get(&link(1), later(30)), None);
        assert_eq!(cache.get(&link(2), later(4)), Some(Answer::Nowhere(404)));
        assert_eq!(cache.get(&link(2), later(5)), None);
        assert_eq!(cache.get(&link(1), Timestamp::from_millis(1)), None, "the clock was set back");
        assert_eq!(cache.get(&link(3), now), None);
    }

    #[test]
    fn it_never_holds_more_than_its_bound() {
        let (cache, answer) = (Cache::default(), Answer::Nowhere(200));
        let at = |n: usize| Timestamp::from_millis(n as u64);
        for n in 0..3 * MAX_ENTRIES {
            cache.put(&link(n), &answer, at(n));
            assert!(cache.lock().len() <= MAX_ENTRIES);
        }
        let last = 3 * MAX_ENTRIES - 1;
        assert_eq!(cache.get(&link(last), at(last)), Some(answer.clone()), "the newest stay");
        assert_eq!(cache.get(&link(0), at(last)), None);
        // All of one age, and none of them over.
        for n in 0..2 * MAX_ENTRIES {
            cache.put(&link(n), &answer, at(last));
        }
        assert!(cache.lock().len() <= MAX_ENTRIES);
        let long = Link::parse(&format!("http://bit.ly/{}", "a".repeat(MAX_BYTES))).unwrap();
        cache.put(&long, &answer, at(last));
        assert_eq!(cache.get(&long, at(last)), None);
    }
}
