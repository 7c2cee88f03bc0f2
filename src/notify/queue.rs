//! What waits to be told by one section: bounded, alarms before mail, and what is not told one by one counted for
//! the digest.
//!
//! A window of time begins with the first event after the one before it. Within it so many are let in; the rest
//! is counted. When it ends with something counted, a digest is due. Mail and alarms have a window each, so that
//! a flood of the one does not hide the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{Digest, Event, Kind, What};
use crate::model::Timestamp;

/// Notifications on mail that wait.
const MAX_MAIL: usize = 256;
/// Alarms that wait.
const MAX_ALARMS: usize = 64;

/// One notification.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) event: Arc<Event>,
    /// What of it this section is told of.
    pub(super) kinds: Vec<Kind>,
    /// Names it, at each attempt.
    pub(super) delivery: String,
    pub(super) taken: Instant,
    /// Attempts so far.
    pub(super) tries: u32,
}

impl Note {
    pub(super) fn kind(&self) -> Kind {
        self.kinds.first().copied().unwrap_or(Kind::Test)
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits.
    Waits,
    /// It waits, and the oldest has lost its place.
    InPlaceOf(Kind),
    /// It is counted for the digest.
    Counted,
}

/// How many are told one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) most: u32,
    pub(super) within: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    mail: VecDeque<Note>,
    alarms: VecDeque<Note>,
    window: Option<Window>,
    alarm_window: Option<Window>,
    untold: Untold,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Instant,
    taken: u32,
}

#[derive(Debug, Default)]
struct Untold {
    limited: BTreeMap<Kind, u64>,
    lost: BTreeMap<Kind, u64>,
    since: Option<Timestamp>,
    due: Option<Instant>,
}

impl Untold {
    fn begin(&mut self, since: Timestamp, due: Instant) {
        self.since = Some(self.since.map_or(since, |before| before.min(since)));
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }
}

impl Queue {
    /// Takes an event, or counts it.
    pub(super) fn push(&mut self, note: Note, limit: Limit, now: Instant) -> Taken {
        let (kind, time) = (note.kind(), note.event.time);
        let window = if kind.is_alarm() { &mut self.alarm_window } else { &mut self.window };
        let fresh = Window { ends: now + limit.within, taken: 0 };
        let window = match window {
            Some(window) if now < window.ends => window,
            window => window.insert(fresh),
        };
        if window.taken >= limit.most {
            let ends = window.ends;
            *self.untold.limited.entry(kind).or_default() += 1;
            self.untold.begin(time, ends);
            return Taken::Counted;
        }
        window.taken += 1;
        let (waiting, most) =
            if kind.is_alarm() { (&mut self.alarms, MAX_ALARMS) } else { (&mut self.mail, MAX_MAIL) };
        let oldest = if waiting.len() >= most { waiting.pop_front() } else { None };
        waiting.push_back(note);
        match oldest {
            Some(oldest) => {
                self.lose(&oldest, now + limit.within);
                Taken::InPlaceOf(oldest.kind())
            }
            None => Taken::Waits,
        }
    }

    /// Counts what is not told; what a digest held is counted again.
    pub(super) fn lose(&mut self, note: &Note, due: Instant) {
        self.untold.begin(note.event.time, due);
        if let What::Digest(digest) = &note.event.what {
            self.untold.begin(digest.since, due);
            for (counts, again) in
                [(&mut self.untold.limited, &digest.limited), (&mut self.untold.lost, &digest.lost)]
            {
                again.iter().for_each(|(kind, count)| *counts.entry(*kind).or_default() += count);
            }
        } else {
            *self.untold.lost.entry(note.kind()).or_default() += 1;
        }
    }

    /// The next one, alarms first.
    pub(super) fn next(&mut self) -> Option<Note> {
        self.alarms.pop_front().or_else(|| self.mail.pop_front())
    }

    /// The digest, if it is due; with `at_once` also before that.
    pub(super) fn digest(&mut self, now: Instant, at_once: bool) -> Option<Digest> {
        let due = self.untold.due?;
        if now < due && !at_once {
            return None;
        }
        let Untold { limited, lost, since, .. } = std::mem::take(&mut self.untold);
        let list = |counts: BTreeMap<Kind, u64>| counts.into_iter().collect();
        Some(Digest { since: since.unwrap_or_default(), limited: list(limited), lost: list(lost) })
    }

    /// When the digest is due.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.untold.due
    }

    pub(super) fn len(&self) -> usize {
        self.mail.len() + self.alarms.len()
    }

    /// How many will be told in the digest.
    pub(super) fn untold(&self) -> u64 {
        self.untold.limited.values().chain(self.untold.lost.values()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::event::Alarm;

    const LIMIT: Limit = Limit { most: 3, within: Duration::from_secs(3600) };

    fn note(kind: Kind, n: u64) -> Note {
        let time = Timestamp::from_millis(n);
        let what = match kind.is_alarm() {
            true => {
                What::Alarm(Alarm { about: n.to_string(), trouble: String::new(), since: time, over: false })
            }
            false => What::Test,
        };
        let event = Arc::new(Event { kinds: vec![kind], time, what });
        Note { event, kinds: vec![kind], delivery: n.to_string(), taken: Instant::now(), tries: 0 }
    }

    fn told(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.next()).map(|note| note.delivery).collect()
    }

    #[test]
    fn what_is_too_much_is_counted_and_told_once_when_the_window_ends() {
        let (mut queue, begin) = (Queue::default(), Instant::now());
        for n in 0..315 {
            let kind = if n % 3 == 0 { Kind::Rejected } else { Kind::Quarantined };
            let expected = if n < 3 { Taken::Waits } else { Taken::Counted };
            assert_eq!(queue.push(note(kind, n), LIMIT, begin), expected);
        }
        assert_eq!((queue.len(), queue.untold(), queue.due()), (3, 312, Some(begin + LIMIT.within)));
        assert_eq!(queue.digest(begin + LIMIT.within / 2, false), None);
        let digest = queue.digest(begin + LIMIT.within, false).unwrap();
        let expected = Digest {
            since: Timestamp::from_millis(3),
            limited: vec![(Kind::Rejected, 104), (Kind::Quarantined, 208)],
            lost: vec![],
        };
        assert_eq!(digest, expected);
        assert_eq!((queue.untold(), queue.due()), (0, None));
        // Another window, another three.
        let later = begin + LIMIT.within;
        assert_eq!(queue.push(note(Kind::Rejected, 400), LIMIT, later), Taken::Waits);
    }

    #[test]
    fn a_flood_of_mail_hides_no_alarm() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for n in 0..10 {
            queue.push(note(Kind::Quarantined, n), LIMIT, now);
        }
        assert_eq!(queue.push(note(Kind::EngineDown, 10), LIMIT, now), Taken::Waits);
        assert_eq!(told(&mut queue), ["10", "0", "1", "2"]);
    }

    #[test]
    fn the_oldest_goes_and_is_counted_when_there_is_no_room() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let many = Limit { most: 1_000_000, ..LIMIT };
        for n in 0..256 {
            assert_eq!(queue.push(note(Kind::Rejected, n), many, now), Taken::Waits);
        }
        assert_eq!(queue.push(note(Kind::Malware, 256), many, now), Taken::InPlaceOf(Kind::Rejected));
        assert_eq!((queue.len(), queue.untold()), (256, 1));
        assert_eq!(queue.digest(now, true).unwrap().lost, [(Kind::Rejected, 1)]);
    }

    #[test]
    fn a_digest_that_cannot_be_delivered_is_counted_into_the_next() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for n in 5..9 {
            queue.push(note(Kind::Rejected, n), LIMIT, now);
        }
        let lost = queue.next().unwrap();
        queue.lose(&lost, now);
        let digest = queue.digest(now, false).unwrap();
        assert_eq!(
            (digest.limited.as_slice(), digest.lost.as_slice()),
            (&[(Kind::Rejected, 1)][..], &[(Kind::Rejected, 1)][..])
        );
        let event = Event {
            kinds: vec![Kind::Digest],
            time: Timestamp::from_millis(99),
            what: What::Digest(digest.clone()),
        };
        let note = Note { event: Arc::new(event), kinds: vec![Kind::Digest], ..lost };
        queue.lose(&note, now);
        assert_eq!(queue.digest(now, false), Some(digest));
    }
}
