//! The way from the journal to the index: a bounded queue that may lose, because the journal does not.
//!
//! Each thing carries the place of its line. The index sees from it when something is missing – at
//! start, or because the queue was full – and reads that from the journal.

use std::sync::mpsc;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::files::{Day, Position};
use super::row::Row;
use crate::model::MailId;

/// What the index must know of one line.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Judged(Box<Row>),
    Answered { id: MailId, reached: bool, instead: Option<String> },
    Event { id: MailId },
    Other,
}

/// A line of the journal: where it begins and ends, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) at: Position,
    pub(super) end: u64,
    pub(super) item: Item,
}

/// Something asked of the index thread, answered when all that was fed before is done.
pub(super) enum Request {
    /// Answer, no more.
    Barrier(mpsc::Sender<()>),
    /// Forget all up to and with this day; the answer is how many rows that were.
    Expire(Day, mpsc::Sender<u64>),
    /// Forget these messages.
    Forget(Vec<MailId>, mpsc::Sender<()>),
    /// Make all of it again from the journal.
    Rebuild,
}

#[derive(Default)]
struct State {
    items: Vec<Placed>,
    requests: Vec<Request>,
    stopping: bool,
}

/// What the index thread takes in one go.
pub(super) struct Batch {
    pub(super) items: Vec<Placed>,
    pub(super) requests: Vec<Request>,
    pub(super) stopping: bool,
}

#[derive(Default)]
pub(super) struct Feed {
    state: Mutex<State>,
    wake: Condvar,
}

/// Beyond this many waiting lines all but the last are dropped: some MB.
const CAPACITY: usize = 8192;
/// So many lines are worth waking for at once.
const ENOUGH: usize = 1024;
/// How long lines are gathered, so that one wake-up serves many messages.
const GATHER: Duration = Duration::from_millis(250);

impl Feed {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is a list; no half-done change of it can do harm.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never waits.
    pub(super) fn push(&self, placed: impl Iterator<Item = Placed>) {
        let mut state = self.lock();
        let before = state.items.len();
        state.items.extend(placed);
        if state.items.len() > CAPACITY {
            // The last one stays: it tells how far the journal goes.
            let newest = state.items.len() - 1;
            state.items.drain(..newest);
        }
        if before == 0 || state.items.len() >= ENOUGH {
            self.wake.notify_one();
        }
    }

    pub(super) fn ask(&self, request: Request) {
        self.lock().requests.push(request);
        self.wake.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_one();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().items.len()
    }

    /// Waits for something to do and takes all of it.
    pub(super) fn take(&self) -> Batch {
        let mut state = self.lock();
        let mut gathering: Option<Instant> = None;
        loop {
            if state.stopping || !state.requests.is_empty() || state.items.len() >= ENOUGH {
                break;
            }
            let began = *gathering.get_or_insert_with(Instant::now);
            if state.items.is_empty() {
                gathering = None;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let Some(left) = GATHER.checked_sub(began.elapsed()).filter(|d| !d.is_zero()) else { break };
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.take()
    }
}

impl State {
    fn take(&mut self) -> Batch {
        Batch {
            items: std::mem::take(&mut self.items),
            requests: std::mem::take(&mut self.requests),
            stopping: self.stopping,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_runs_over_keeps_the_newest() {
        let feed = Feed::default();
        let place = |offset| {
            let at = Position { day: Day::FIRST, offset };
            std::iter::once(Placed { at, end: offset + 1, item: Item::Other })
        };
        for offset in 0..=CAPACITY as u64 {
            feed.push(place(offset));
        }
        let ends: Vec<_> = feed.lock().take().items.iter().map(|p| p.end).collect();
        assert_eq!(ends, [CAPACITY as u64 + 1]);
        assert_eq!(feed.waiting(), 0);
    }
}
