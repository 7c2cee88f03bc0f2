//! Log lines that are told once in a while, however often there is a reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets through the first of many reasons to write the same line, then one in each span of time.
#[derive(Debug)]
pub struct Seldom {
    span: Duration,
    /// When it was told last, and how many reasons there were since.
    told: Mutex<Option<(Instant, u64)>>,
}

impl Seldom {
    /// Once in `span`.
    #[must_use]
    pub const fn once_in(span: Duration) -> Self {
        Self { span, told: Mutex::new(None) }
    }

    /// Whether to tell now: how many reasons went untold since the last time.
    pub fn may_tell(&self) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, untold)) = told.as_mut().filter(|(at, _)| at.elapsed() < self.span) {
            *untold = untold.saturating_add(1);
            return None;
        }
        told.replace((Instant::now(), 0)).map(|(_, untold)| untold).or(Some(0))
    }
}

/// The same for each of many things by its name, so that none hides another. Things beyond a bound share one.
#[derive(Debug)]
pub struct SeldomEach {
    span: Duration,
    each: Mutex<BTreeMap<String, Seldom>>,
}

/// The most names that [`SeldomEach`] knows apart.
const MOST: usize = 1_000;

impl SeldomEach {
    /// Once in `span` for each name.
    #[must_use]
    pub const fn once_in(span: Duration) -> Self {
        Self { span, each: Mutex::new(BTreeMap::new()) }
    }

    /// Whether to tell of `name` now: how many reasons went untold since the last time.
    pub fn may_tell(&self, name: &str) -> Option<u64> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let name = if each.len() < MOST || each.contains_key(name) { name } else { "" };
        if !each.contains_key(name) {
            each.insert(name.to_owned(), Seldom::once_in(self.span));
        }
        each.get(name).and_then(Seldom::may_tell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_told_and_those_beyond_the_bound_share_one() {
        let seldom = SeldomEach::once_in(Duration::from_hours(1));
        assert_eq!(
            [seldom.may_tell("a"), seldom.may_tell("b"), seldom.may_tell("a")],
            [Some(0), Some(0), None]
        );
        for name in 2..MOST {
            assert_eq!(seldom.may_tell(&name.to_string()), Some(0));
        }
        assert_eq!([seldom.may_tell("x"), seldom.may_tell("y"), seldom.may_tell("b")], [Some(0), None, None]);
    }

    #[test]
    fn one_reason_in_a_span_is_told_and_the_others_are_counted() {
        let seldom = Seldom::once_in(Duration::from_hours(1));
        assert_eq!([seldom.may_tell(), seldom.may_tell(), seldom.may_tell()], [Some(0), None, None]);
        let always = Seldom::once_in(Duration::ZERO);
        assert_eq!([always.may_tell(), always.may_tell()], [Some(0), Some(0)]);
    }
}
