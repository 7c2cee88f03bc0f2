//! Leaves a server alone that keeps failing.
//!
//! After a number of failures in a row nobody asks it for a while; then one message tries it again. If
//! that fails too, the next rest is twice as long, up to a bound. One success forgets everything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::telemetry::Metrics;

/// Failures in a row after which a server is left alone.
const FAILURES: u32 = 5;
/// The first rest.
const REST: Duration = Duration::from_secs(5);
/// The longest rest.
const LONGEST: Duration = Duration::from_secs(60);

/// Counts how one server does. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub struct Breaker {
    remote: &'static str,
    metrics: Arc<Metrics>,
    state: Arc<Mutex<State>>,
    _gauge: Arc<Gauge>,
}

/// Closes the gauge when the last of them goes: a server that is asked no more is not left alone.
#[derive(Debug)]
struct Gauge {
    remote: &'static str,
    metrics: Arc<Metrics>,
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.metrics.breaker_open.with_label_values(&[self.remote]).set(0);
    }
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// Until when it is left alone.
    rests_until: Option<Instant>,
    /// How long the last rest was.
    rest: Duration,
    /// One message is trying it after a rest.
    trying: bool,
    /// What went wrong last; a sentence.
    last: Option<String>,
}

/// Why a server is not asked now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("left alone after {failures} failures in a row, the last: {last}")]
pub struct Open {
    /// How many in a row.
    pub failures: u32,
    /// The last of them.
    pub last: String,
}

/// How a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its last answer was good, or it was never asked.
    Good,
    /// It failed lately and is asked all the same.
    Failing(Open),
    /// It is left alone.
    LeftAlone(Open),
}

/// One question that was let through. Dropped without a word it counts as failed: that is what happens
/// when its time runs out.
#[derive(Debug)]
pub struct Pass {
    breaker: Breaker,
    open: bool,
    /// It tries the server after a rest.
    trial: bool,
}

impl Breaker {
    /// A breaker for the server called `remote` in metrics.
    #[must_use]
    pub fn new(remote: &'static str, metrics: Arc<Metrics>) -> Self {
        metrics.breaker_open.with_label_values(&[remote]).set(0);
        let gauge = Arc::new(Gauge { remote, metrics: Arc::clone(&metrics) });
        Self { remote, metrics, state: Arc::default(), _gauge: gauge }
    }

    /// Leave to ask the server now.
    ///
    /// # Errors
    /// If it is left alone for now, and why.
    pub fn pass(&self) -> Result<Pass, Open> {
        let mut state = self.lock();
        if state.is_resting() {
            return Err(state.why());
        }
        let trial = state.rests_until.is_some();
        state.trying = trial;
        Ok(Pass { breaker: self.clone(), open: true, trial })
    }

    /// Why [`Self::pass`] would be refused now; takes no leave. For those who would wait for something else
    /// before they ask.
    #[must_use]
    pub fn resting(&self) -> Option<Open> {
        let state = self.lock();
        state.is_resting().then(|| state.why())
    }

    /// How the server does.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.lock();
        match (state.failures, state.rests_until) {
            (0, _) => Standing::Good,
            (_, None) => Standing::Failing(state.why()),
            (_, Some(_)) => Standing::LeftAlone(state.why()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good(&self) {
        let mut state = self.lock();
        if state.rests_until.is_some() {
            tracing::info!(remote = self.remote, failures = state.failures, "answers again");
        }
        *state = State::default();
        self.metrics.breaker_open.with_label_values(&[self.remote]).set(0);
    }

    fn bad(&self, what: &str, trial: bool) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.last = Some(what.to_owned());
        // Who was let through before the rest began says nothing new about it.
        let resting = state.rests_until.is_some() && !trial;
        if resting || state.failures < FAILURES {
            return;
        }
        state.trying = false;
        state.rest = if state.rest.is_zero() { REST } else { (state.rest * 2).min(LONGEST) };
        state.rests_until = Some(Instant::now() + state.rest);
        self.metrics.breaker_open.with_label_values(&[self.remote]).set(1);
        self.metrics.breaker_opened.with_label_values(&[self.remote]).inc();
        tracing::error!(
            remote = self.remote,
            failures = state.failures,
            seconds = state.rest.as_secs(),
            error = what,
            "keeps failing and is left alone for a while"
        );
    }
}

impl State {
    /// Nobody else is let through: its rest is not over, or one message tries it.
    fn is_resting(&self) -> bool {
        self.rests_until.is_some_and(|until| self.trying || Instant::now() < until)
    }

    fn why(&self) -> Open {
        Open { failures: self.failures, last: self.last.clone().unwrap_or_default() }
    }
}

impl Pass {
    /// The server did what it should.
    pub fn good(mut self) {
        self.open = false;
        self.breaker.good();
    }

    /// The server failed; `what` is a sentence for people.
    pub fn bad(mut self, what: &str) {
        self.open = false;
        self.breaker.bad(what, self.trial);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.open {
            self.breaker.bad("it gave no answer in time", self.trial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new("rspamd", Arc::new(Metrics::new()))
    }

    /// Ends the rest as if its time were over.
    fn rested(breaker: &Breaker) {
        breaker.lock().rests_until = Some(Instant::now());
    }

    #[test]
    fn a_server_that_keeps_failing_is_left_alone_and_tried_by_one_at_a_time() {
        let breaker = breaker();
        for i in 1..=4 {
            breaker.pass().unwrap().bad("refused");
            let failing = Open { failures: i, last: "refused".to_owned() };
            assert_eq!(breaker.standing(), Standing::Failing(failing));
        }
        // What is dropped unanswered has failed as well.
        drop(breaker.pass().unwrap());
        let open = breaker.pass().unwrap_err();
        assert_eq!(
            open.to_string(),
            "left alone after 5 failures in a row, the last: it gave no answer in time"
        );
        assert_eq!(breaker.standing(), Standing::LeftAlone(open));
        assert_eq!(breaker.resting(), breaker.pass().err());
        rested(&breaker);
        assert_eq!(breaker.resting(), None, "asking so takes no leave");
        let trying = breaker.pass().unwrap();
        assert!(breaker.pass().is_err(), "one is enough to see whether it answers again");
        assert!(breaker.resting().is_some());
        trying.bad("refused");
        assert_eq!(breaker.lock().rest, REST * 2);
        rested(&breaker);
        breaker.pass().unwrap().good();
        assert_eq!(breaker.standing(), Standing::Good);
        assert!(breaker.pass().is_ok() && breaker.pass().is_ok());
    }

    #[test]
    fn a_rest_does_not_grow_because_of_questions_asked_before_it() {
        let breaker = breaker();
        let passes: Vec<_> = (0..20).map(|_| breaker.pass().unwrap()).collect();
        passes.into_iter().for_each(|pass| pass.bad("refused"));
        assert_eq!(breaker.lock().rest, REST);
        // Also not while one tries the server again.
        let late = Pass { breaker: breaker.clone(), open: true, trial: false };
        rested(&breaker);
        let trying = breaker.pass().unwrap();
        late.bad("refused");
        assert!(breaker.pass().is_err());
        trying.bad("refused");
        assert_eq!(breaker.lock().rest, REST * 2);
        for _ in 0..10 {
            rested(&breaker);
            breaker.pass().unwrap().bad("refused");
        }
        assert_eq!(breaker.lock().rest, LONGEST);
    }
}
