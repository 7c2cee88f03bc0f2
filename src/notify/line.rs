//! One section at work: its queue, and the task that empties it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::common::Common;
use super::event::{Event, Kind, What};
use super::payload::{Frame, Payload};
use super::queue::{Limit, Note, Queue, Taken};
use super::redact::Redact;
use super::send::{self, Http, SendError};
use super::settings::Settings;
use super::standing::{Last, Standing};
use crate::model::Span;
use crate::telemetry::seldom::Seldom;
use crate::telemetry::spawn::supervised;

/// One section.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    tools: ArcSwap<Tools>,
    queue: Mutex<Queue>,
    /// Something waits.
    wake: Notify,
    /// What is waited for before the next attempt is over: other settings, the end, a test that went well.
    hurry: Notify,
    closing: AtomicBool,
    state: Mutex<State>,
    dropped: Seldom,
    common: Arc<Common>,
}

/// Settings, and what was made of them.
#[derive(Debug)]
struct Tools {
    settings: Settings,
    http: Result<Http, String>,
}

#[derive(Debug, Default)]
struct State {
    /// Attempts in a row that failed.
    failures: u32,
    last: Option<Last>,
    /// One is being sent.
    busy: bool,
}

/// One that waits, until this is dropped.
struct Waits<'a>(&'a Common);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting(-1);
    }
}

impl Tools {
    fn new(settings: Settings) -> Self {
        let http = Http::new(settings.channel.allow_private);
        Self { settings, http }
    }
}

impl Line {
    /// A section that begins to work. Must be called within the runtime.
    pub(super) fn start(name: &str, settings: Settings, common: &Arc<Common>) -> Arc<Self> {
        let line = Arc::new(Self {
            name: name.to_owned(),
            tools: ArcSwap::from_pointee(Tools::new(settings)),
            queue: Mutex::default(),
            wake: Notify::new(),
            hurry: Notify::new(),
            closing: AtomicBool::new(false),
            state: Mutex::default(),
            dropped: Seldom::once_in(Duration::from_secs(60)),
            common: Arc::clone(common),
        });
        // A counter that appears with its first event hides that event from rate().
        let by = line.tools.load().settings.channel.to.by().name();
        for result in ["sent", "failed", "given-up", "limited", "dropped"] {
            common.metrics.notifications.with_label_values(&[by, result]);
        }
        let at_work = Arc::clone(&line);
        supervised("notify", &common.metrics, async move {
            // A panic costs the one that was being sent, not the section.
            loop {
                let work = supervised("notify-worker", &at_work.common.metrics, Arc::clone(&at_work).work());
                if matches!(work.await, Ok(Some(()))) {
                    return;
                }
                at_work.state().busy = false;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        line
    }

    /// From now on these hold, also for what waits.
    pub(super) fn set(&self, settings: Settings) {
        if self.tools.load().settings != settings {
            self.tools.store(Arc::new(Tools::new(settings)));
            self.hurry.notify_one();
            self.wake.notify_one();
        }
    }

    /// What waits is tried once more, and then it ends.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.hurry.notify_one();
        self.wake.notify_one();
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Nothing waits and nothing is being sent.
    pub(super) fn is_idle(&self) -> bool {
        let queue = self.queue();
        queue.len() == 0 && queue.untold() == 0 && !self.state().busy
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &str) {
        let by = self.tools.load().settings.channel.to.by();
        self.common.metrics.notifications.with_label_values(&[by.name(), result]).inc();
    }

    /// Takes an event, if this section is told of it. Never waits.
    pub(super) fn offer(&self, event: &Arc<Event>) {
        let tools = self.tools.load();
        let on = &tools.settings.on;
        let mut kinds: Vec<Kind> = event.kinds.iter().copied().filter(|kind| on.contains(kind)).collect();
        if matches!(&event.what, What::Mail(mail) if mail.named.contains(&self.name)) {
            kinds.push(Kind::Rule);
        }
        let Some(kind) = kinds.first().copied() else { return };
        let limit = Limit { most: tools.settings.most, within: tools.settings.within };
        let taken = self.queue().push(self.note(event, kinds), limit, Instant::now());
        match taken {
            Taken::Waits => self.common.waiting(1),
            Taken::Counted => self.count("limited"),
            Taken::InPlaceOf(oldest) => {
                self.count("dropped");
                if let Some(untold) = self.dropped.may_tell() {
                    tracing::warn!(
                        section = self.name,
                        event = oldest.name(),
                        untold,
                        "too many notifications wait: the oldest is dropped, and counted in the next digest"
                    );
                }
            }
        }
        tracing::debug!(section = self.name, event = kind.name(), ?taken, "a notification");
        self.wake.notify_one();
    }

    fn note(&self, event: &Arc<Event>, kinds: Vec<Kind>) -> Note {
        let (event, delivery) = (Arc::clone(event), self.common.delivery());
        Note { event, kinds, delivery, taken: Instant::now(), tries: 0 }
    }

    /// The next to be sent: what waits, or the digest when it is due.
    fn next(&self) -> Option<Note> {
        let mut queue = self.queue();
        let digest = queue.digest(Instant::now(), self.is_closing());
        if let Some(digest) = digest {
            let event = Event {
                kinds: vec![Kind::Digest],
                time: self.common.clock.now(),
                what: What::Digest(digest),
            };
            return Some(self.note(&Arc::new(event), vec![Kind::Digest]));
        }
        queue.next()
    }

    async fn work(self: Arc<Self>) {
        loop {
            self.state().busy = true;
            if let Some(note) = self.next() {
                self.deliver(note).await;
                continue;
            }
            self.state().busy = false;
            if self.is_closing() {
                return;
            }
            let due = self.queue().due();
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                () = due => {}
            }
        }
    }

    /// Tries until it is taken, or given up.
    async fn deliver(&self, mut note: Note) {
        // It waits until then, however often it is tried. A digest was never counted.
        let _waits = (note.kind() != Kind::Digest).then(|| Waits(&self.common));
        let mut wanted = None;
        if self.state().failures > 0 && self.is_too_old(&note) {
            return self.give_up(&note, "the destination has not been reached for too long");
        }
        loop {
            let failures = self.state().failures;
            if failures > 0 && !self.is_closing() {
                let wait = self.common.pace.wait(failures, getrandom::u64().unwrap_or(500));
                let wait = wanted.map_or(wait, |after: Duration| after.max(wait));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.hurry.notified() => {}
                }
            }
            note.tries += 1;
            let Err(error) = self.attempt(&note.event, &note.kinds, &note.delivery).await else {
                return self.count("sent");
            };
            if error.is_for_good() || self.is_too_old(&note) || self.is_closing() {
                return self.give_up(&note, &error.to_string());
            }
            self.count("failed");
            wanted = error.after();
        }
    }

    fn is_too_old(&self, note: &Note) -> bool {
        note.taken.elapsed() >= self.tools.load().settings.give_up
    }

    fn give_up(&self, note: &Note, error: &str) {
        self.count("given-up");
        tracing::error!(
            section = self.name,
            event = note.kind().name(),
            delivery = note.delivery,
            attempts = note.tries,
            error,
            "a notification is given up; the next that arrives says how many were"
        );
        // Not before the destination is likely to take it.
        let due = Instant::now() + self.common.pace.longest;
        self.queue().lose(note, due);
    }

    /// One attempt, written down.
    async fn attempt(&self, event: &Event, kinds: &[Kind], delivery: &str) -> Result<String, SendError> {
        let result = self.send(event, kinds, delivery).await;
        let (at, mut state) = (self.common.clock.now(), self.state());
        match &result {
            Ok(said) => {
                if state.failures > 0 {
                    tracing::info!(
                        section = self.name,
                        failures = state.failures,
                        "notifications arrive again"
                    );
                }
                state.failures = 0;
                state.last = Some(Last { at, arrived: true, said: said.clone() });
            }
            Err(error) => {
                if state.failures == 0 {
                    tracing::warn!(section = self.name, %error, "a notification does not arrive");
                }
                state.failures = state.failures.saturating_add(1);
                state.last = Some(Last { at, arrived: false, said: error.to_string() });
            }
        }
        result
    }

    async fn send(&self, event: &Event, kinds: &[Kind], delivery: &str) -> Result<String, SendError> {
        let tools = self.tools.load_full();
        let Settings { channel, redact, host, .. } = &tools.settings;
        let http = tools.http.as_ref().map_err(|why| SendError::Unusable(why.clone()))?;
        let frame = Frame { section: &self.name, host, delivery, kinds };
        let payload = Payload::new(event, &frame, Redact(redact.then_some(&self.common.pseudonyms)));
        self.common.sends(delivery);
        send::send(channel, http, &payload, self.common.clock.now().seconds()).await
    }

    /// Sends a test at once, past the queue; what the destination said.
    pub(super) async fn test(&self) -> Result<String, SendError> {
        let event = Event { kinds: vec![Kind::Test], time: self.common.clock.now(), what: What::Test };
        let said = self.attempt(&event, &[Kind::Test], &self.common.delivery()).await?;
        self.hurry.notify_one();
        Ok(said)
    }

    /// What was not told when time was over; it is told to nobody now.
    pub(super) fn left(&self) -> u64 {
        let queue = self.queue();
        queue.len() as u64 + queue.untold() + u64::from(self.state().busy)
    }

    pub(super) fn standing(&self) -> Standing {
        let (tools, queue, state) = (self.tools.load(), self.queue(), self.state());
        let Settings { channel, on, redact, most, within, .. } = &tools.settings;
        Standing {
            name: self.name.clone(),
            kind: channel.to.by(),
            to: channel.to.shown(),
            on: on.clone(),
            redact: *redact,
            most: *most,
            within: Span(*within),
            waiting: queue.len() as u64 + u64::from(state.busy),
            untold: queue.untold(),
            failures: state.failures,
            last: state.last.clone(),
        }
    }
}
