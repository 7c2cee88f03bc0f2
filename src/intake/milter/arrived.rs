//! What MTAs have told and offered since the start, for `mailward doctor`: a macro that never comes is a setting of
//! the MTA that somebody changed.
//!
//! A few bits and counters of the process, written once for each message and read at a glance.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use super::macros::Macros;
use super::negotiate::Terms;

/// The macros that are needed, by the names that MTAs give them.
const NAMES: [&str; 8] =
    ["i", "j", "v", "{daemon_name}", "{client_connections}", "{tls_version}", "{auth_type}", "{auth_authen}"];

/// Of all connections of this process.
pub(super) static ALL: Arrived = Arrived::new();

/// What arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Messages whose end was seen.
    messages: AtomicU64,
    /// Of these, over connections on which we could not ask for macros (SMFIF_SETSYMLIST).
    unasked: AtomicU64,
    /// Of these, over connections that do not offer an edit that is needed.
    short: AtomicU64,
    /// A bit for each of [`NAMES`].
    macros: AtomicU64,
}

/// What MTAs have told and offered since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Messages whose end was seen.
    pub messages: u64,
    /// Of these, over connections on which macros could not be asked for (SMFIF_SETSYMLIST).
    pub macros_not_asked: u64,
    /// Of these, over connections that do not offer an edit that is needed.
    pub edits_missing: u64,
    /// The macros that came at least once.
    pub macros: Vec<&'static str>,
    /// Those that never did.
    pub macros_missing: Vec<&'static str>,
}

impl Arrived {
    const fn new() -> Self {
        Self {
            messages: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
            short: AtomicU64::new(0),
            macros: AtomicU64::new(0),
        }
    }

    /// At the end of a message, while its macros are still known.
    pub(super) fn note(&self, macros: &Macros, terms: Option<Terms>) {
        let came = [
            macros.queue_id.is_some(),
            macros.mta.is_some(),
            macros.version.is_some(),
            macros.daemon.is_some(),
            macros.counted,
            macros.tls_version.is_some(),
            macros.auth_type.is_some(),
            macros.auth_authen.is_some(),
        ];
        let bits = came.iter().enumerate().fold(0, |bits, (at, came)| bits | u64::from(*came) << at);
        // Mostly nothing is new, and then nothing is written that other processors hold.
        if self.macros.load(Relaxed) | bits != self.macros.load(Relaxed) {
            self.macros.fetch_or(bits, Relaxed);
        }
        self.messages.fetch_add(1, Relaxed);
        if terms.is_some_and(|terms| !terms.macros_asked()) {
            self.unasked.fetch_add(1, Relaxed);
        }
        if terms.is_some_and(|terms| !terms.missing().is_empty()) {
            self.short.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn told(&self) -> Told {
        let bits = self.macros.load(Relaxed);
        let of = |came: bool| {
            let names = NAMES.into_iter().enumerate().filter(move |(at, _)| (bits >> at & 1 == 1) == came);
            names.map(|(_, name)| name).collect()
        };
        Told {
            messages: self.messages.load(Relaxed),
            macros_not_asked: self.unasked.load(Relaxed),
            edits_missing: self.short.load(Relaxed),
            macros: of(true),
            macros_missing: of(false),
        }
    }
}

/// What MTAs have told and offered this process so far.
#[must_use]
pub fn arrived() -> Told {
    ALL.told()
}

#[cfg(test)]
mod tests {
    use indymilter::{Actions, ProtoOpts};

    use super::*;

    #[test]
    fn what_came_once_is_remembered_and_the_rest_is_missing() {
        let arrived = Arrived::new();
        assert_eq!((arrived.told().messages, arrived.told().macros_missing), (0, NAMES.to_vec()));
        let all = Terms { actions: Actions::all(), opts: ProtoOpts::empty() };
        let few = Terms { actions: Actions::ADD_HEADER, opts: ProtoOpts::empty() };
        let text = |s: &str| Some(s.to_owned());
        let first = Macros { queue_id: text("A1"), mta: text("mx"), counted: true, ..Macros::default() };
        arrived.note(&first, Some(all));
        let second = Macros { queue_id: text("A2"), version: text("8.17"), ..Macros::default() };
        arrived.note(&second, Some(few));
        let expected = Told {
            messages: 2,
            macros_not_asked: 1,
            edits_missing: 1,
            macros: vec!["i", "j", "v", "{client_connections}"],
            macros_missing: vec!["{daemon_name}", "{tls_version}", "{auth_type}", "{auth_authen}"],
        };
        assert_eq!(arrived.told(), expected);
    }
}
