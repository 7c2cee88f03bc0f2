//! The queue: which copy is looked at next, and when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::look::End;
use super::{SecondLook, names};
use crate::model::{MailId, Scanner};
use crate::pipeline::{Budget, Process};
use crate::quarantine::Waiting;
use crate::scan::Health;
use crate::telemetry::spawn::supervised;

/// How often it is seen whether there is something to do.
const TICK: Duration = Duration::from_secs(2);
/// The shortest pause between two looks; it is as long as the look before it.
const REST: Duration = Duration::from_millis(20);
/// The longest pause before a message is tried again.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The process of the configuration in use.
pub type Current = Box<dyn Fn() -> Arc<Process> + Send + Sync>;

/// What is known of tries. In memory alone: after a start everything is tried at once.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// How often a message was tried in vain, and when it may be tried again.
    messages: HashMap<MailId, (u32, Instant)>,
    /// Until when scanners that failed are left alone.
    resting: BTreeMap<Scanner, Instant>,
    /// Who said that it was well.
    up: BTreeSet<Scanner>,
}

impl Tries {
    /// The oldest that may be tried now.
    pub(super) fn next<'w>(&self, waiting: &'w [Waiting], now: Instant) -> Option<&'w Waiting> {
        let rests = |scanner: &Scanner| self.resting.get(scanner).is_some_and(|until| *until > now);
        let is_due = |id: &MailId| self.messages.get(id).is_none_or(|(_, at)| *at <= now);
        waiting.iter().find(|one| is_due(&one.id) && !one.missed.iter().any(rests))
    }

    /// These still fail on it.
    pub(super) fn in_vain(&mut self, one: &Waiting, still: &[Scanner], now: Instant, retry: Duration) {
        let (tries, at) = self.messages.entry(one.id).or_insert((0, now));
        let pause = retry.saturating_mul(1 << (*tries).min(16)).min(LONGEST.max(retry));
        *tries = tries.saturating_add(1);
        *at = now + pause;
        for scanner in still {
            self.resting.insert(*scanner, now + retry);
        }
    }

    /// These have looked: what they missed is tried at once, all of it.
    pub(super) fn answered(&mut self, scanners: &[Scanner], waiting: &[Waiting], now: Instant) {
        let back = scanners.iter().filter(|scanner| self.resting.remove(scanner).is_some());
        let back: Vec<Scanner> = back.copied().collect();
        for one in waiting.iter().filter(|one| one.missed.iter().any(|s| back.contains(s))) {
            if let Some((_, at)) = self.messages.get_mut(&one.id) {
                *at = now;
            }
        }
    }

    /// Who is well now. Those who were not before have answered.
    pub(super) fn well(&mut self, up: BTreeSet<Scanner>, waiting: &[Waiting], now: Instant) {
        let back: Vec<Scanner> = up.difference(&self.up).copied().collect();
        self.up = up;
        self.answered(&back, waiting, now);
    }

    /// Forgets those that wait no more.
    fn forget(&mut self, waiting: &[Waiting]) {
        if self.messages.len() > 2 * waiting.len() {
            let there: BTreeSet<MailId> = waiting.iter().map(|one| one.id).collect();
            self.messages.retain(|id, _| there.contains(id));
        }
    }
}

impl SecondLook {
    /// Starts the task, with the process of the configuration in use. It ends when it is aborted: what it has not
    /// written down is done again after the next start. Must be called within the runtime, once.
    pub fn attend(self: &Arc<Self>, current: Current, budget: Arc<Budget>) -> JoinHandle<Option<()>> {
        let own = Arc::clone(self);
        supervised("second-look", &self.parts.metrics, async move { own.work(&current, &budget).await })
    }

    async fn work(&self, current: &Current, budget: &Arc<Budget>) {
        let mut tries = Tries::default();
        loop {
            let waiting = self.overdue().await;
            self.count();
            tries.forget(&waiting);
            let rest = match self.one(&mut tries, &waiting, current, budget).await {
                Some(took) => took.max(REST),
                None => TICK,
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Gives up what waited too long; the others.
    async fn overdue(&self) -> Vec<Waiting> {
        let all = self.parts.quarantine.waiting();
        let (over, waiting): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| self.parts.quarantine.is_overdue(one));
        for one in &over {
            self.give_up(one, "its time was over (quarantine.keep.second_look)").await;
        }
        waiting
    }

    /// Looks at one, if one may be looked at now; how long that took.
    async fn one(
        &self,
        tries: &mut Tries,
        waiting: &[Waiting],
        current: &Current,
        budget: &Arc<Budget>,
    ) -> Option<Duration> {
        if waiting.is_empty() || budget.is_busy() {
            return None;
        }
        let process = current();
        let scanners = process.engine().scanners().iter();
        let up = scanners.filter(|asked| asked.scan.health() == Health::Up).map(|asked| asked.scan.scanner());
        tries.well(up.collect(), waiting, Instant::now());
        let next = tries.next(waiting, Instant::now())?.clone();
        let share = budget.admit().ok()?;
        let began = Instant::now();
        match self.look(&process, &next, share).await {
            End::Done => {
                // There is room again, and the folder can be written to.
                self.trouble.clear();
                tries.answered(&next.missed, waiting, Instant::now());
            }
            End::Busy => return None,
            End::Again(still) => {
                let retry = self.settings.load().retry.duration();
                let have: Vec<Scanner> = next.missed.iter().filter(|s| !still.contains(s)).copied().collect();
                if !still.is_empty() {
                    tries.answered(&have, waiting, Instant::now());
                }
                tracing::debug!(id = %next.of, still = names(&still), "a second look comes later");
                tries.in_vain(&next, &still, Instant::now(), retry);
            }
        }
        Some(began.elapsed())
    }
}
