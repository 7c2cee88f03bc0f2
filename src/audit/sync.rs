//! The syncer: one thread that makes what was written survive a power failure, for many at once.
//!
//! A sync that starts serves every write before it. Who wants one *now* starts one at once or joins
//! the next if one is under way; for the rest one runs within a second.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::files::Day;
use super::journal::{Inner, Shared};
use super::segment::Files;
use super::witness::Head;
use crate::telemetry::spawn::panic_text;

/// How far syncing has come, in numbers of writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) synced: u64,
    pub(super) failed_at: u64,
    pub(super) why: String,
}

/// The longest that something written waits for its sync to begin; with the sync itself it stays
/// below a second on a disk that works.
const PERIOD: Duration = Duration::from_millis(800);

/// Starts the thread.
pub(super) fn start(
    shared: Arc<Shared>,
    head: Head,
    progress: watch::Sender<Progress>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("audit-sync".to_owned()).spawn(move || {
        let mut go_on = true;
        while go_on {
            let round = std::panic::catch_unwind(AssertUnwindSafe(|| round(&shared, &head, &progress)));
            go_on = round.unwrap_or_else(|cause| {
                shared.metrics.panics.with_label_values(&["audit-sync"]).inc();
                let why = format!("the thread that syncs panicked: {}", panic_text(&*cause));
                let mut inner = shared.lock();
                let seq = inner.written;
                fail(&shared, &mut inner, seq, why, &progress);
                !inner.stopping
            });
        }
    })
}

/// One wait and one sync. False when it was the last.
fn round(shared: &Shared, head: &Head, progress: &watch::Sender<Progress>) -> bool {
    let mut inner = wait(shared);
    let stopping = inner.stopping;
    // Lazy entries whose second is over. A failure was counted; they stay for the next round.
    let lazily = if inner.failed.is_none() { shared.write(&mut inner, None) } else { Ok(()) };
    if let Err(error) = &lazily {
        tracing::error!(%error, "the audit journal cannot be written");
    }
    let work = Work::of(&mut inner);
    let Some(work) = work else {
        inner.since = lazily.is_err().then(Instant::now);
        return !stopping;
    };
    inner.since = None;
    drop(inner);

    let began = Instant::now();
    let result = work.sync(shared, head);
    shared.metrics.audit_sync_seconds.observe(began.elapsed().as_secs_f64());

    let mut inner = shared.lock();
    match result {
        Ok(()) => {
            if inner.failed.take().is_some() {
                tracing::warn!("the audit journal can be synced again");
            }
            work.done(&mut inner);
            inner.synced_at = Some(shared.clock.now());
            let synced = inner.synced;
            progress.send_modify(|p| p.synced = synced);
            shared.done.notify_all();
            if lazily.is_err() {
                inner.since.get_or_insert_with(Instant::now);
            }
        }
        Err(error) => {
            inner.new_file |= work.new_file;
            fail(shared, &mut inner, work.seq, error.to_string(), progress);
        }
    }
    !stopping
}

fn wait(shared: &Shared) -> std::sync::MutexGuard<'_, Inner> {
    let mut inner = shared.lock();
    loop {
        if inner.stopping || (inner.wanted > inner.synced && inner.failed.is_none()) {
            return inner;
        }
        let Some(since) = inner.since else {
            inner = shared.wake.wait(inner).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let Some(left) = PERIOD.checked_sub(since.elapsed()).filter(|d| !d.is_zero()) else { return inner };
        inner = shared.wake.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn fail(shared: &Shared, inner: &mut Inner, seq: u64, why: String, progress: &watch::Sender<Progress>) {
    shared.metrics.audit_errors.with_label_values(&["sync"]).inc();
    tracing::error!(why, "the audit journal could not be synced; mail is refused for now until it can");
    inner.failed_at = inner.failed_at.max(seq);
    // Tried again in a while.
    inner.since = Some(Instant::now());
    progress.send_modify(|p| {
        p.failed_at = p.failed_at.max(seq);
        p.why.clone_from(&why);
    });
    inner.failed = Some(why);
    shared.done.notify_all();
}

/// What one sync covers.
struct Work {
    seq: u64,
    parts: Vec<Part>,
    mark: super::witness::Mark,
    new_file: bool,
    /// The last sync failed.
    again: bool,
}

struct Part {
    day: Day,
    files: Arc<Files>,
    from: u64,
    to: u64,
}

impl Work {
    fn of(inner: &mut Inner) -> Option<Self> {
        if inner.synced == inner.written && inner.failed.is_none() {
            return None;
        }
        let parts = inner.segments.iter().map(|s| Part {
            day: s.day,
            files: Arc::clone(&s.files),
            from: s.synced,
            to: s.end,
        });
        Some(Self {
            seq: inner.written,
            parts: parts.filter(|p| p.from < p.to).collect(),
            mark: inner.last,
            new_file: std::mem::take(&mut inner.new_file),
            again: inner.failed.is_some(),
        })
    }

    /// Opens nothing: whoever has no descriptor left can still make sure of what was written.
    fn sync(&self, shared: &Shared, head: &Head) -> io::Result<()> {
        #[cfg(test)]
        if shared.fail_syncs.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::Error::other("a test wants it"));
        }
        for part in &self.parts {
            if self.again {
                part.files.write_again(part.from, part.to)?;
            }
            part.files.sync()?;
        }
        if self.new_file {
            shared.folder.sync_all()?;
        }
        head.write(&self.mark)
    }

    fn done(&self, inner: &mut Inner) {
        inner.synced = self.seq;
        for part in &self.parts {
            if let Some(segment) = inner.segments.iter_mut().find(|s| s.day == part.day) {
                segment.synced = part.to;
            }
        }
        let current = inner.segments.last().map(|s| s.day);
        inner.segments.retain(|s| s.synced < s.end || Some(s.day) == current);
    }
}
