//! What is written now, and for how long.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::Filter;
use crate::model::Timestamp;

/// Changes what is written while the daemon runs. What somebody asked for ends by itself, at the latest with the
/// next reload: nobody finds a disk full of a forgotten `debug`.
#[derive(Debug)]
pub struct Levels {
    handle: reload::Handle<EnvFilter, Registry>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    configured: Filter,
    passing: Option<Passing>,
}

/// A filter that holds for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// What was asked for.
    pub asked: Filter,
    /// When it ends.
    pub until: Timestamp,
    /// Who asked.
    pub by: String,
}

/// What is written now, for people and machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What `log.level` says.
    pub configured: String,
    /// The filter in use.
    pub level: String,
    /// Until when, if it is not the one of the configuration.
    pub until: Option<Timestamp>,
    /// Who asked for it, likewise.
    pub by: Option<String>,
}

/// The logging that this belonged to has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("logging has ended, its level cannot be changed any more")]
pub struct Gone;

impl Levels {
    /// With the filter of the configuration, and the layer that filters by it.
    pub(super) fn new(configured: Filter) -> (Self, reload::Layer<EnvFilter, Registry>) {
        let (layer, handle) = reload::Layer::new(configured.compiled());
        (Self { handle, state: Mutex::new(State { configured, passing: None }) }, layer)
    }

    /// For tests: levels that no process-wide logging hangs on, and what keeps them alive.
    #[cfg(test)]
    pub(crate) fn on_trial(level: &str) -> (Self, reload::Layer<EnvFilter, Registry>) {
        Self::new(level.parse().unwrap())
    }

    /// What is written now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.lock();
        let passing = state.passing.as_ref();
        Standing {
            configured: state.configured.to_string(),
            level: state.in_use().to_string(),
            until: passing.map(|passing| passing.until),
            by: passing.map(|passing| passing.by.clone()),
        }
    }

    /// Takes another filter for a while, in place of one that somebody asked for before.
    ///
    /// # Errors
    /// If logging has ended.
    pub fn pass(&self, passing: Passing) -> Result<Standing, Gone> {
        self.change(|state| state.passing = Some(passing))?;
        Ok(self.standing())
    }

    /// Goes back to the configuration now; whether that was another one.
    ///
    /// # Errors
    /// If logging has ended.
    pub fn reset(&self) -> Result<bool, Gone> {
        self.change(|state| state.passing.take().is_some())
    }

    /// What a reload does: another filter of the configuration, and what was asked for in passing ends.
    ///
    /// # Errors
    /// If logging has ended.
    pub fn configure(&self, configured: Filter) -> Result<(), Gone> {
        self.change(|state| *state = State { configured, passing: None })
    }

    /// Goes back to the configuration when the time is over; what ended by that.
    pub fn expire(&self, now: Timestamp) -> Option<Passing> {
        let over = |passing: &mut Passing| passing.until <= now;
        self.change(|state| state.passing.take_if(over)).ok().flatten()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Gone> {
        let mut state = self.lock();
        let before = state.in_use();
        let changed = change(&mut state);
        let filter = state.in_use();
        // Every line's place in the code is asked anew after a change: only where there is one.
        if filter != before {
            self.handle.reload(filter.compiled()).map_err(|_| Gone)?;
        }
        Ok(changed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn in_use(&self) -> Filter {
        match &self.passing {
            Some(passing) => passing.asked.over(&self.configured),
            None => self.configured.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn now(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_176_000_000 + seconds * 1000)
    }

    fn passing(filter: &str, until: u64) -> Passing {
        Passing { asked: filter.parse().unwrap(), until: now(until), by: "admin socket".to_owned() }
    }

    #[test]
    fn lines_come_while_they_are_asked_for_and_then_no_more() {
        let (levels, layer) = Levels::new("info".parse().unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let debug = || tracing::enabled!(target: "mailward::dns", tracing::Level::DEBUG);
            let codec = || tracing::enabled!(target: "indymilter::message", tracing::Level::TRACE);
            let other = || tracing::enabled!(target: "hickory_proto", tracing::Level::DEBUG);
            assert!(!debug());
            levels.pass(passing("mailward::dns=debug", 600)).unwrap();
            assert!(debug());
            assert!(!tracing::enabled!(target: "mailward::scan", tracing::Level::DEBUG));
            assert_eq!(levels.expire(now(599)), None);
            assert!(debug());
            assert_eq!(levels.expire(now(600)), Some(passing("mailward::dns=debug", 600)));
            assert!(!debug());
            levels.pass(passing("trace", 600)).unwrap();
            assert!(debug() && !codec() && !other());
            assert_eq!(levels.reset(), Ok(true));
            assert_eq!(levels.reset(), Ok(false));
            assert!(!debug());
        });
        assert_eq!(levels.pass(passing("debug", 1)), Err(Gone));
    }

    #[test]
    fn a_reload_ends_what_was_asked_for_and_takes_what_is_configured() {
        let (levels, _layer) = Levels::new("info".parse().unwrap());
        levels.pass(passing("mailward::dns=debug", 600)).unwrap();
        let standing = Standing {
            configured: "info".to_owned(),
            level: "info,mailward::dns=debug".to_owned(),
            until: Some(now(600)),
            by: Some("admin socket".to_owned()),
        };
        assert_eq!(levels.standing(), standing);
        levels.configure("warn".parse().unwrap()).unwrap();
        let level = "warn".to_owned();
        let plain = Standing { configured: level.clone(), level, until: None, by: None };
        assert_eq!(levels.standing(), plain);
    }
}
