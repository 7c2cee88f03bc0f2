//! The state of what can be in trouble, told when it changes and not in between.
//!
//! A state is told when it has been seen in two looks one after the other, so that what comes and goes between
//! two looks does not. Something that is not looked at any more – a reload took it out – is forgotten in silence.

use std::collections::BTreeMap;

use super::event::{Alarm, Event, Kind, What};
use crate::model::Timestamp;

/// What one look saw of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What kind of alarm it is: [`Kind::EngineDown`] stands for its end as well.
    pub kind: Kind,
    /// What it is: a scanner, a feed, a part of the daemon, a section.
    pub about: String,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct Alarms {
    known: BTreeMap<(Kind, String), Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What was told, and since when it was so.
    told: Option<(String, Timestamp)>,
    /// The trouble that the last look saw, since when it is there.
    seen: Option<(String, Timestamp)>,
    /// The last look saw none.
    was_good: bool,
}

impl Alarms {
    /// What of this look has to be told.
    pub fn look(&mut self, sights: Vec<Sight>, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let mut known = BTreeMap::new();
        for Sight { kind, about, trouble } in sights {
            let key = (kind, about);
            let mut one = self.known.remove(&key).unwrap_or_default();
            if let Some(alarm) = one.look(&key.1, trouble, now) {
                let kind = if alarm.over && kind == Kind::EngineDown { Kind::EngineUp } else { kind };
                events.push(Event { kinds: vec![kind], time: now, what: What::Alarm(alarm) });
            }
            known.insert(key, one);
        }
        self.known = known;
        events
    }

    /// Whether something is told to be in trouble: for what ends at another mark than it begins.
    #[must_use]
    pub fn is_told(&self, kind: Kind, about: &str) -> bool {
        self.known.get(&(kind, about.to_owned())).is_some_and(|one| one.told.is_some())
    }
}

impl Known {
    fn look(&mut self, about: &str, trouble: Option<String>, now: Timestamp) -> Option<Alarm> {
        let alarm = |(trouble, since): (String, Timestamp), over| Alarm {
            about: about.to_owned(),
            trouble,
            since,
            over,
        };
        match trouble {
            Some(trouble) => {
                self.was_good = false;
                let before = self.seen.take();
                let since = before.as_ref().map_or(now, |(_, since)| *since);
                self.seen = Some((trouble.clone(), since));
                if self.told.is_some() || before.is_none() {
                    return None;
                }
                self.told = Some((trouble.clone(), since));
                Some(alarm((trouble, since), false))
            }
            None => {
                let was_good = std::mem::replace(&mut self.was_good, true);
                if !was_good {
                    return None;
                }
                self.seen = None;
                self.told.take().map(|told| alarm(told, true))
            }
        }
    }
}

/// Whether a fill is worth telling: from `most` on, and until it has gone below nine tenths of it.
#[must_use]
pub fn is_much(now: u64, most: u64, told: bool) -> bool {
    let least = if told { most - most / 10 } else { most };
    most > 0 && now >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(alarms: &mut Alarms, second: u64, trouble: Option<&str>) -> Vec<(Kind, Alarm)> {
        let sight =
            Sight { kind: Kind::EngineDown, about: "clamd".to_owned(), trouble: trouble.map(str::to_owned) };
        let told = alarms.look(vec![sight], Timestamp::from_millis(second * 1000));
        let one = |event: Event| match event.what {
            What::Alarm(alarm) => (event.kinds[0], alarm),
            other => panic!("{other:?}"),
        };
        told.into_iter().map(one).collect()
    }

    fn alarm(trouble: &str, since: u64, over: bool) -> Alarm {
        Alarm {
            about: "clamd".into(),
            trouble: trouble.into(),
            since: Timestamp::from_millis(since * 1000),
            over,
        }
    }

    #[test]
    fn a_state_is_told_once_when_it_lasts_and_once_when_it_is_over() {
        let mut alarms = Alarms::default();
        assert_eq!(look(&mut alarms, 0, None), []);
        assert_eq!(look(&mut alarms, 5, Some("silent")), []);
        assert_eq!(look(&mut alarms, 10, Some("silent")), [(Kind::EngineDown, alarm("silent", 5, false))]);
        assert_eq!(look(&mut alarms, 15, Some("left alone")), []);
        assert!(alarms.is_told(Kind::EngineDown, "clamd"));
        assert_eq!(look(&mut alarms, 20, None), []);
        assert_eq!(look(&mut alarms, 25, Some("silent")), [], "it came back too soon to have been well");
        assert_eq!(look(&mut alarms, 30, None), []);
        assert_eq!(look(&mut alarms, 35, None), [(Kind::EngineUp, alarm("silent", 5, true))]);
        assert_eq!(look(&mut alarms, 40, None), []);
    }

    #[test]
    fn what_comes_and_goes_between_two_looks_is_not_told() {
        let mut alarms = Alarms::default();
        for second in 0..20 {
            let trouble = (second % 3 == 0).then_some("silent");
            assert_eq!(look(&mut alarms, second, trouble), [], "{second}");
        }
    }

    #[test]
    fn what_is_not_looked_at_any_more_is_forgotten() {
        let mut alarms = Alarms::default();
        look(&mut alarms, 0, Some("silent"));
        assert_eq!(look(&mut alarms, 1, Some("silent")).len(), 1);
        assert_eq!(alarms.look(Vec::new(), Timestamp::from_millis(2)), []);
        look(&mut alarms, 3, None);
        assert_eq!(look(&mut alarms, 4, None), [], "it ended with the scanner");
    }

    #[test]
    fn a_fill_is_told_at_the_mark_and_over_well_below_it() {
        let much: Vec<bool> = [99, 100, 95, 90, 89].into_iter().map(|n| is_much(n, 100, n < 100)).collect();
        assert_eq!(much, [true, true, true, true, false]);
        assert!(!is_much(99, 100, false) && !is_much(5, 0, false));
    }
}
