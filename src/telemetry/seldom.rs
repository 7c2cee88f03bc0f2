//! Log lines that are told once in a while, however often there is a reason.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_in_a_span_is_told_and_the_others_are_counted() {
        let seldom = Seldom::once_in(Duration::from_hours(1));
        assert_eq!([seldom.may_tell(), seldom.may_tell(), seldom.may_tell()], [Some(0), None, None]);
        let always = Seldom::once_in(Duration::ZERO);
        assert_eq!([always.may_tell(), always.may_tell()], [Some(0), Some(0)]);
    }
}
