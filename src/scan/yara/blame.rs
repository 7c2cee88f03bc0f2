//! Finds the rule file that made a message time out.
//!
//! yara-x does not say which rule was slow. So the stretch of the message at which a worker got stuck
//! is scanned again, off the mail's path, with one rule file at a time: a file that needs half of the
//! message's time for itself is to blame. Where no single file does, the machine or the sum of all was
//! too slow, and nobody is blamed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::compile;
use super::look;
use super::source::Source;
use super::{Inner, YaraError};
use crate::scan::ScanInput;

/// Cases that may wait; each keeps its message in memory.
const MAX_CASES: usize = 3;
/// The longest search for one case.
const MAX_SEARCH: Duration = Duration::from_secs(120);
/// Bounds of the time that a single file may need before it is to blame.
const LIMIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// A message that timed out and where.
pub(super) struct Case {
    pub(super) input: Arc<ScanInput>,
    /// Which buffer the worker was at.
    pub(super) buffer: usize,
    /// The time the message was given.
    pub(super) given: Duration,
}

/// Cases to look into. One thread at most does so.
#[derive(Default)]
pub(super) struct Cases(Mutex<Docket>);

#[derive(Default)]
struct Docket {
    waiting: VecDeque<Case>,
    is_open: bool,
}

impl Cases {
    /// Looks into a case on a thread of its own; lets it go if enough are waiting.
    pub(super) fn open(&self, case: Case, inner: &Arc<Inner>) {
        let mut docket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if docket.waiting.len() >= MAX_CASES {
            tracing::debug!("too many time-outs at once to look into this one");
            return;
        }
        docket.waiting.push_back(case);
        if docket.is_open {
            return;
        }
        let weak = Arc::downgrade(inner);
        let thread = std::thread::Builder::new().name("yara-blame".to_owned()).spawn(move || search(&weak));
        match thread {
            Ok(_) => docket.is_open = true,
            Err(error) => {
                docket.waiting.clear();
                tracing::warn!(%error, "the rule file that timed out cannot be searched for");
            }
        }
    }

    fn next(&self) -> Option<Case> {
        let mut docket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let case = docket.waiting.pop_front();
        docket.is_open = case.is_some();
        case
    }
}

fn search(inner: &Weak<Inner>) {
    while let Some(inner) = inner.upgrade() {
        let Some(case) = inner.cases.next() else {
            return;
        };
        let found = catch_unwind(AssertUnwindSafe(|| culprit(&inner, &case)));
        match found {
            Ok(Some(source)) => inner.timed_out(&source),
            Ok(None) => tracing::warn!(
                id = %case.input.id,
                "a message timed out in YARA and no single rule file is to blame"
            ),
            Err(_) => inner.metrics.panics.with_label_values(&["yara"]).inc(),
        }
    }
}

/// The first file that alone needs half of the time given. Files with time-outs already come first.
fn culprit(inner: &Inner, case: &Case) -> Option<Arc<Source>> {
    let mut sources = inner.pool.set().sources.clone();
    {
        let library = inner.library();
        sources.sort_by_key(|s| std::cmp::Reverse(library.time_outs(s)));
    }
    let limit = (case.given / 2).clamp(LIMIT.0, LIMIT.1);
    let began = Instant::now();
    sources.into_iter().take_while(|_| began.elapsed() < MAX_SEARCH).find(|source| {
        is_slow(source, case, limit, inner.config.max_matches).unwrap_or_else(|error| {
            tracing::warn!(file = source.origin, %error, "a rule file does not compile alone");
            false
        })
    })
}

fn is_slow(source: &Arc<Source>, case: &Case, limit: Duration, max_matches: u32) -> Result<bool, YaraError> {
    let set = compile::all(std::slice::from_ref(source))?;
    let mut scanners = look::scanners(&set, max_matches);
    let Some(buffer) = look::buffers(&case.input).find(|b| b.index == case.buffer) else {
        return Ok(false);
    };
    let began = Instant::now();
    let result = look::scan(&mut scanners, &buffer, limit, |_, _| ());
    Ok(matches!(result, Err(yara_x::ScanError::Timeout)) || began.elapsed() >= limit)
}
