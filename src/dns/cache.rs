//! The answers that are kept, within a number of answers and of bytes.
//!
//! Two generations: what is new or asked for is in the young one; when that has its half of the room it
//! becomes the old one, and what nobody asked for since is gone. No answer can push out more than its
//! share, as large ones are not kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::answer::Answer;
use super::{Found, Kind, Record};

/// What a place in the cache takes besides names and texts, about.
const PLACE: usize = 200;
/// The memory of an answer on average, above which fewer are kept.
const AVERAGE: usize = 1024;
/// A larger answer is not kept. What mail needs is far smaller: a 4096-bit key is 800 bytes.
const LARGEST: usize = 16 * 1024;

/// What is asked: a name in lower case with its final dot, and a type. Both, always: what is found under one
/// type never answers for another.
pub(super) type Key = (String, Kind);

/// Answers by what was asked.
#[derive(Debug)]
pub(super) struct Cache {
    /// Half of the answers, half of the bytes; `None` where no answer is kept.
    half: Option<(usize, usize)>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Key, Place>,
    young_bytes: usize,
    old: HashMap<Key, Place>,
}

#[derive(Clone, Debug)]
struct Place {
    found: Found,
    until: Instant,
    bytes: usize,
}

impl Cache {
    /// Room for `answers`, and a KiB for each on average; for none with 0, and for two at least otherwise, one in
    /// each half.
    pub(super) fn new(answers: u64) -> Self {
        let half = usize::try_from(answers).unwrap_or(usize::MAX).max(2) / 2;
        let half = (answers > 0).then(|| (half, half.saturating_mul(AVERAGE)));
        Self { half, kept: Mutex::default() }
    }

    /// What was answered, while it holds.
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Found> {
        let half = self.half?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.young.get(key) {
            return (now < place.until).then(|| place.found.clone());
        }
        let place = kept.old.remove(key).filter(|place| now < place.until)?;
        let found = place.found.clone();
        let gone = kept.keep(key.clone(), place, half);
        drop(kept);
        drop(gone);
        Some(found)
    }

    /// Keeps an answer for as long as it holds, if it holds at all and is not too large.
    pub(super) fn put(&self, key: Key, answer: &Answer, now: Instant) {
        let Some(half) = self.half else { return };
        let bytes = key.0.len() + PLACE + answer.found.as_ref().map_or(0, |records| size(records));
        if answer.keep.is_zero() || bytes > LARGEST {
            return;
        }
        let place = Place { found: answer.found.clone(), until: now + answer.keep, bytes };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = kept.keep(key, place, half);
        drop(kept);
        // Thousands of answers are taken apart without the lock.
        drop(gone);
    }
}

impl Kept {
    /// Returns what is forgotten for it.
    fn keep(&mut self, key: Key, place: Place, (answers, bytes): (usize, usize)) -> HashMap<Key, Place> {
        let mut gone = HashMap::new();
        if self.young.len() >= answers || self.young_bytes + place.bytes > bytes {
            gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.young_bytes = 0;
        }
        self.young_bytes += place.bytes;
        if let Some(before) = self.young.insert(key, place) {
            self.young_bytes -= before.bytes;
        }
        gone
    }
}

fn size(records: &[Record]) -> usize {
    let text = |record: &Record| match record {
        Record::A(_) | Record::Aaaa(_) => 0,
        Record::Mx(_, host) | Record::Ptr(host) => host.len(),
        Record::Txt(text) => text.len(),
    };
    // An allocation has a head and a rounding.
    records.iter().map(|record| size_of::<Record>() + 32 + text(record)).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dns::DnsError;

    fn key(n: usize) -> Key {
        (format!("{n}.example."), Kind::Txt)
    }

    fn answer(length: usize, seconds: u64) -> Answer {
        let text = Record::Txt(vec![b'x'; length]);
        Answer { found: Ok(vec![text].into()), keep: Duration::from_secs(seconds) }
    }

    #[test]
    fn an_answer_is_kept_while_it_holds_and_for_its_own_question_only() {
        let (cache, now) = (Cache::new(10), Instant::now());
        cache.put(key(1), &answer(5, 60), now);
        cache.put(key(2), &answer(5, 0), now);
        let nothing = Answer { found: Err(DnsError::NoName), keep: Duration::from_secs(60) };
        cache.put(key(3), &nothing, now);
        assert_eq!(cache.get(&key(1), now + Duration::from_secs(59)), Some(answer(5, 60).found));
        assert_eq!(cache.get(&key(1), now + Duration::from_secs(60)), None);
        assert_eq!(cache.get(&key(2), now), None, "a TTL of 0 is not kept");
        assert_eq!(cache.get(&key(3), now), Some(Err(DnsError::NoName)));
        assert_eq!(cache.get(&(key(1).0, Kind::A), now), None);
    }

    #[test]
    fn a_cache_for_no_answer_keeps_none() {
        let now = Instant::now();
        for (room, is_kept) in [(0, false), (1, true), (2, true)] {
            let cache = Cache::new(room);
            cache.put(key(1), &answer(5, 60), now);
            assert_eq!(cache.get(&key(1), now).is_some(), is_kept, "{room}");
        }
    }

    #[test]
    fn memory_is_bounded_by_number_and_by_bytes() {
        let (cache, now) = (Cache::new(1000), Instant::now());
        for n in 0..10_000 {
            cache.put(key(n), &answer(if n % 2 == 0 { 10 } else { 15_000 }, 60), now);
        }
        let kept = cache.kept.lock().unwrap();
        let places = || kept.young.values().chain(kept.old.values());
        assert!(places().count() <= 1000);
        assert!(places().map(|place| place.bytes).sum::<usize>() <= 1000 * AVERAGE);
        assert_eq!(kept.young_bytes, kept.young.values().map(|place| place.bytes).sum::<usize>());
        drop(kept);
        cache.put(key(0), &answer(64_000, 60), now);
        assert_eq!(cache.get(&key(0), now), None, "a very large answer is not kept");
    }

    #[test]
    fn what_is_asked_for_stays_and_what_nobody_asks_for_goes() {
        let (cache, now) = (Cache::new(100), Instant::now());
        cache.put(key(0), &answer(5, 60), now);
        cache.put(key(1), &answer(5, 60), now);
        for n in 2..1000 {
            cache.put(key(n), &answer(5, 60), now);
            assert!(cache.get(&key(0), now).is_some(), "{n}");
        }
        assert_eq!(cache.get(&key(1), now), None);
    }
}
