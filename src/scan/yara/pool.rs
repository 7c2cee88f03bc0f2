//! The worker threads: a queue, scanners that live long, and replacements for those that are stuck.
//!
//! Each worker holds its set of rules on its own stack and scanners over it, because making a scanner
//! costs more than scanning a small mail. When a new set is put to use, it wakes, lets both go and
//! begins anew.
//!
//! A worker whose message has run out of time counts as stuck: its caller is told so, and another
//! thread takes its place, as long as there are fewer than four times as many threads as slots. When
//! a stuck one comes back after all, it ends if it has been replaced.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::compile::RuleSet;
use super::job::{End, Entry, Job};
use super::look;
use crate::telemetry::Metrics;
use crate::telemetry::spawn::panic_text;

/// Threads for each slot, stuck ones included.
pub(super) const THREADS_PER_SLOT: usize = 4;
/// Messages that may wait. The pipeline admits fewer; this only bounds a mistake there.
const MAX_WAITING: usize = 4_096;
/// A scanner that cannot be made is not tried again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// The workers and what they share.
pub(super) struct Pool {
    set: ArcSwap<RuleSet>,
    shop: Mutex<Shop>,
    ready: Condvar,
    slots: usize,
    max_matches: u32,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct Shop {
    waiting: VecDeque<Entry>,
    /// The generation that workers should hold.
    generation: u64,
    live: usize,
    stuck: usize,
    /// Threads started so far, for their names.
    started: usize,
    closed: bool,
}

/// What a worker does next.
enum Next {
    Look(Entry),
    Renew,
    End,
}

impl Pool {
    /// Starts one worker for each slot.
    ///
    /// # Errors
    /// If the system gives not even one thread.
    pub(super) fn start(
        set: RuleSet,
        slots: usize,
        max_matches: u32,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Arc<Self>> {
        let slots = slots.max(1);
        let shop = Mutex::new(Shop { generation: set.generation, ..Shop::default() });
        let set = ArcSwap::from_pointee(set);
        let pool = Arc::new(Self { set, shop, ready: Condvar::new(), slots, max_matches, metrics });
        let mut shop = pool.shop();
        for _ in 0..slots {
            if let Err(error) = pool.hire(&mut shop) {
                if shop.live == 0 {
                    return Err(error);
                }
                tracing::warn!(%error, threads = shop.live, slots, "fewer YARA threads than wanted");
                break;
            }
        }
        drop(shop);
        Ok(pool)
    }

    /// The set in use.
    pub(super) fn set(&self) -> Arc<RuleSet> {
        self.set.load_full()
    }

    /// Puts a new set to use; idle workers change over at once, busy ones after their message.
    pub(super) fn swap(&self, mut set: RuleSet) {
        let mut shop = self.shop();
        set.generation = shop.generation + 1;
        shop.generation = set.generation;
        self.set.store(Arc::new(set));
        drop(shop);
        self.ready.notify_all();
    }

    /// Puts a message in the queue; gives it back if nobody could ever take it.
    pub(super) fn push(&self, entry: Entry) -> Result<(), Busy> {
        let mut shop = self.shop();
        if shop.closed || shop.waiting.len() >= MAX_WAITING || shop.live == shop.stuck {
            return Err(Busy { stuck: shop.stuck, waiting: shop.waiting.len() });
        }
        shop.waiting.push_back(entry);
        drop(shop);
        self.ready.notify_one();
        Ok(())
    }

    /// Nobody waits for this message any more, and its time is over: if a worker is still at it, it
    /// counts as stuck.
    pub(super) fn overdue(self: &Arc<Self>, job: &Arc<Job>) {
        let mut shop = self.shop();
        if !job.is_overdue_now() {
            return;
        }
        shop.stuck += 1;
        let (stuck, live) = (shop.stuck, shop.live);
        if shop.live < self.slots * THREADS_PER_SLOT {
            match self.hire(&mut shop) {
                Ok(()) => {
                    self.metrics.yara_workers_replaced.inc();
                    tracing::warn!(stuck, live, id = %job.input.id, "a YARA worker is stuck and was replaced");
                }
                Err(error) => tracing::error!(%error, stuck, "a stuck YARA worker could not be replaced"),
            }
        } else {
            tracing::error!(stuck, live, "a YARA worker is stuck and no more may be started");
        }
    }

    /// Takes a message that nobody waits for out of the queue; false if a worker has begun.
    pub(super) fn withdraw(&self, job: &Arc<Job>) -> bool {
        let mut shop = self.shop();
        let waiting = job.give_up();
        if waiting {
            shop.waiting.retain(|e| !Arc::ptr_eq(&e.job, job));
        }
        waiting
    }

    /// Threads that are stuck, and threads in all.
    pub(super) fn crew(&self) -> (usize, usize) {
        let shop = self.shop();
        (shop.stuck, shop.live)
    }

    /// Workers end when the queue is empty.
    pub(super) fn close(&self) {
        self.shop().closed = true;
        self.ready.notify_all();
    }

    fn shop(&self) -> MutexGuard<'_, Shop> {
        self.shop.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hire(self: &Arc<Self>, shop: &mut Shop) -> std::io::Result<()> {
        let name = format!("yara-{}", shop.started + 1);
        let pool = Arc::clone(self);
        std::thread::Builder::new().name(name).spawn(move || pool.work())?;
        shop.started += 1;
        shop.live += 1;
        Ok(())
    }

    /// The life of a worker thread.
    fn work(self: &Arc<Self>) {
        // What is being looked at, where a panic cannot take it along.
        let held = RefCell::new(None);
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.serve(&held))) {
                Ok(true) => {}
                Ok(false) => return,
                Err(cause) => {
                    self.metrics.panics.with_label_values(&["yara"]).inc();
                    let cause = panic_text(&*cause).to_owned();
                    tracing::error!(cause, "a YARA worker panicked; it goes on with a new scanner");
                    if let Some(entry) = held.take() {
                        if !self.finish(entry, End::Failed("panic", cause)) {
                            return;
                        }
                    } else {
                        std::thread::sleep(PAUSE);
                    }
                }
            }
        }
    }

    /// Serves with one set of rules and its scanners. Returns whether to go on with another.
    fn serve(&self, held: &RefCell<Option<Entry>>) -> bool {
        let set = self.set();
        let mut scanners = look::scanners(&set, self.max_matches);
        loop {
            let entry = match self.next(set.generation) {
                Next::Look(entry) => entry,
                Next::Renew => return true,
                Next::End => return false,
            };
            if !entry.job.begin() {
                continue;
            }
            let job = Arc::clone(&entry.job);
            held.replace(Some(entry));
            let end = look::look(&mut scanners, &set, &job);
            let is_scanner_sound = matches!(end, End::Done { .. });
            if let Some(entry) = held.take()
                && !self.finish(entry, end)
            {
                return false;
            }
            if !is_scanner_sound {
                return true;
            }
        }
    }

    fn next(&self, generation: u64) -> Next {
        let mut shop = self.shop();
        loop {
            if shop.generation != generation {
                return Next::Renew;
            }
            if let Some(entry) = shop.waiting.pop_front() {
                return Next::Look(entry);
            }
            if shop.closed {
                shop.live -= 1;
                return Next::End;
            }
            shop = self.ready.wait(shop).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers the caller. Returns whether this thread is still needed.
    fn finish(&self, entry: Entry, end: End) -> bool {
        if !entry.job.end() {
            // Only fails if the caller went away in this moment.
            drop(entry.reply.send(end));
            return true;
        }
        let mut shop = self.shop();
        shop.stuck -= 1;
        let needed = shop.live - shop.stuck <= self.slots;
        if !needed {
            shop.live -= 1;
        }
        needed
    }
}

/// Why no worker can take a message.
#[derive(Debug)]
pub(super) struct Busy {
    pub(super) stuck: usize,
    pub(super) waiting: usize,
}
