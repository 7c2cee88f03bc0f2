//! The tasks: one counts what is kept, one writes down what was accepted, one looks again when feeds have changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::kept::Found;
use super::look::{self, Round};
use super::segment::SegmentError;
use super::segments::Most;
use super::{Accepted, Config, Retro, rank};
use crate::audit::{Audit, AuditError, Caught, CaughtBy, Entry, Sync};
use crate::feed::{Feeds, Strength};
use crate::model::{Category, Timestamp, text};
use crate::store::StoreError;
use crate::telemetry::background::in_background;

/// Messages written in one go.
const AT_ONCE: usize = 256;
/// How long messages are gathered: on a busy site one thread is woken and one write made for many of them.
const GATHER: Duration = Duration::from_millis(50);
/// As many bytes of them are not gathered any further.
const ENOUGH: usize = super::QUEUE_BYTES / 4;
/// Feeds seldom change alone, and at the start one after the other: how long it is waited for the next.
const SETTLE: Duration = Duration::from_secs(3);
/// A pause is so many times as long as the round before it.
const REST: u32 = 20;
/// A message that was looked up so shortly before a change of feeds may have met those from before.
const SLACK: Duration = Duration::from_secs(2);
/// How often what is too old is removed, and a segment closed, though no mail comes.
const TIDY: Duration = Duration::from_secs(3600);

impl Retro {
    /// Counts what is kept from before the start; new messages do not wait for that.
    pub(super) async fn count(self: Arc<Self>) {
        let counting = move || {
            self.kept.count_found(|| self.is_stopping());
            self.tidy();
        };
        if let Err(error) = tokio::task::spawn_blocking(counting).await {
            tracing::error!(%error, "counting the accepted mail that is kept panicked");
        }
    }

    /// Writes down what was accepted.
    pub(super) async fn write(
        self: Arc<Self>,
        mut waiting: mpsc::Receiver<Accepted>,
        feeds: Arc<Feeds>,
        audit: Arc<Audit>,
    ) {
        let mut tidy = tokio::time::interval(TIDY);
        loop {
            let mut messages = Vec::new();
            tokio::select! {
                count = waiting.recv_many(&mut messages, AT_ONCE) => if count == 0 { return },
                _ = tidy.tick() => {}
            }
            if !messages.is_empty()
                && !self.is_stopping()
                && self.pending_bytes.load(Ordering::Relaxed) < ENOUGH
            {
                tokio::time::sleep(GATHER).await;
                let room = AT_ONCE - messages.len();
                let more = std::iter::from_fn(|| waiting.try_recv().ok()).take(room);
                messages.extend(more);
            }
            let count = messages.len() as u64;
            let bytes = messages.iter().map(Accepted::size).sum();
            let (retro, feeds) = (Arc::clone(&self), Arc::clone(&feeds));
            let done = tokio::task::spawn_blocking(move || retro.written(messages, &feeds)).await;
            self.no_longer_pending(usize::try_from(count).unwrap_or(0), bytes);
            let (written, round) = match done {
                Ok((written, round)) => (written.map_err(|error| error.to_string()), round),
                Err(error) => (Err(error.to_string()), Ok(Round::default())),
            };
            match written {
                Ok(()) if count == 0 => {}
                Ok(()) => self.set_trouble(None),
                Err(error) => {
                    self.metrics.retro_left_out.with_label_values(&["store"]).inc_by(count);
                    // Told once, until it works again: the file that it names is another one each time.
                    if self.trouble().is_none() {
                        tracing::error!(
                            error,
                            "links of accepted mail cannot be kept; they are not looked up again"
                        );
                    }
                    self.set_trouble(Some(error));
                }
            }
            match round {
                Ok(round) => self.tell(round, &audit).await,
                Err(error) => tracing::error!(%error, "accepted mail could not be looked up again at once"),
            }
        }
    }

    /// Writes messages, removes what is too old, and looks up at once what was judged by feeds that have changed
    /// since. Blocks.
    fn written(
        &self,
        messages: Vec<Accepted>,
        feeds: &Feeds,
    ) -> (Result<(), SegmentError>, Result<Round, StoreError>) {
        let written = self.kept.write(&messages, self.clock.now());
        self.tidy();
        let changed = Timestamp::from_millis(self.changed.load(Ordering::Relaxed));
        let late = messages.into_iter().filter(|message| message.time.before(SLACK) <= changed).map(Ok);
        (written, self.round(late, feeds))
    }

    /// Removes what is too old.
    fn tidy(&self) {
        let Config { keep, max_messages: messages, max_size, .. } = self.settings.load().config;
        let most = Most { messages, bytes: max_size.0 };
        let early = self.kept.trim(self.clock.settled(), keep.duration(), most);
        self.metrics.retro_left_out.with_label_values(&["limit"]).inc_by(early);
        self.metrics.retro_kept.set(i64::try_from(self.kept.count()).unwrap_or(i64::MAX));
    }

    /// Looks again whenever feeds have changed.
    pub(super) async fn watch(self: Arc<Self>, feeds: Arc<Feeds>, audit: Arc<Audit>) {
        let mut changes = feeds.changes();
        changes.mark_changed();
        let mut more = false;
        loop {
            if !more && changes.changed().await.is_err() {
                return;
            }
            self.changed.store(self.clock.now().millis(), Ordering::Relaxed);
            tokio::time::sleep(SETTLE).await;
            changes.mark_unchanged();
            self.changed.store(self.clock.now().millis(), Ordering::Relaxed);
            let began = Instant::now();
            let (retro, feeds) = (Arc::clone(&self), Arc::clone(&feeds));
            let work = move || {
                let now = retro.clock.settled();
                retro.kept.forget(now)?;
                let since = now.before(retro.settings.load().config.keep.duration());
                retro.round(retro.kept.messages(since), &feeds)
            };
            match in_background("retro-look", work).await {
                Ok(Ok(round)) => {
                    more = round.more;
                    self.tell(round, &audit).await;
                }
                Ok(Err(error)) => {
                    more = false;
                    tracing::error!(%error, "accepted mail could not be looked up again; that is tried at the next change of feeds");
                }
                Err(error) => {
                    more = false;
                    tracing::error!(%error, "accepted mail was not looked up again");
                }
            }
            tokio::time::sleep(began.elapsed() * REST).await;
        }
    }

    pub(super) fn round(
        &self,
        messages: impl Iterator<Item = Result<Accepted, SegmentError>>,
        feeds: &Feeds,
    ) -> Result<Round, StoreError> {
        let (index, settings) = (feeds.index(), self.settings.load_full());
        if index.keys() == 0 || !settings.config.enabled {
            return Ok(Round::default());
        }
        let category = |feed: &str| settings.categories.get(feed).copied().unwrap_or(Category::Suspicious);
        let messages = messages.take_while(|_| !self.is_stopping());
        let round = look::round(&self.kept, messages, &index, &category, self.clock.now())?;
        Ok(if self.is_stopping() { Round::default() } else { round })
    }

    /// Tells what was caught: every catch passes here.
    async fn tell(self: &Arc<Self>, round: Round, audit: &Audit) {
        if round.damaged > 0 {
            tracing::warn!(messages = round.damaged, "damaged records of accepted mail were passed over");
        }
        if round.more {
            tracing::warn!(
                told = round.found.len(),
                "feeds now know links of very many accepted messages; the rest is told later. Is an entry too wide?"
            );
        }
        // So it is with nearly every message that is written down.
        if round.found.is_empty() {
            return;
        }
        // Two rounds may meet: what the other one has told meanwhile is told no more.
        let _one_at_a_time = self.telling.lock().await;
        let retro = Arc::clone(self);
        let news = move || round.found.into_iter().filter(|found| retro.is_news(found)).collect::<Vec<_>>();
        let Ok(news) = tokio::task::spawn_blocking(news).await else { return };
        for found in news {
            if self.is_stopping() {
                return;
            }
            if let Err(error) = self.announce(&found, audit).await {
                tracing::error!(id = %found.caught.id, %error, "what was caught afterwards could not be noted");
            }
        }
    }

    /// Tells what a second look found, unless it was told before. What could not be told must be tried again.
    ///
    /// # Errors
    /// If it cannot be written into the journal.
    pub async fn caught(self: &Arc<Self>, caught: Caught, audit: &Audit) -> Result<(), AuditError> {
        let found = Found { strength: rank(Some(Strength::Same)), caught };
        let _one_at_a_time = self.telling.lock().await;
        let retro = Arc::clone(self);
        let news = tokio::task::spawn_blocking(move || retro.is_news(&found).then_some(found)).await;
        match news {
            Ok(Some(found)) => self.announce(&found, audit).await,
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "reading what was told panicked");
                Ok(())
            }
        }
    }

    /// Every catch passes here. The journal first: what is not in it is told once more.
    async fn announce(self: &Arc<Self>, found: &Found, audit: &Audit) -> Result<(), AuditError> {
        let caught = &found.caught;
        audit.append(Entry::Caught(Box::new(caught.clone())), Sync::Soon).await?;
        self.metrics.retro_caught.with_label_values(&[caught.category.name()]).inc();
        tracing::warn!(
            id = %caught.id,
            accepted = %caught.accepted,
            by = caught.by.name(),
            feed = caught.feed,
            matched = caught.kind,
            verdict = %caught.category,
            what = text::line(&audit.hidden(&caught.what), 300),
            "{}",
            match caught.by {
                CaughtBy::Feed =>
                    "caught afterwards: a message was accepted, and a feed now knows what is in it",
                CaughtBy::SecondLook =>
                    "caught afterwards: a message was accepted while a scanner failed, and the second look \
                     found it bad",
            }
        );
        // Nobody may listen.
        drop(self.catches.send(caught.clone()));
        let (retro, found) = (Arc::clone(self), found.clone());
        match tokio::task::spawn_blocking(move || retro.remember(&found)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what was caught will be told again"),
            Err(error) => tracing::error!(%error, "remembering what was caught panicked"),
        }
        Ok(())
    }

    /// Whether it was not told yet, as far as that can be read.
    fn is_news(&self, found: &Found) -> bool {
        let Found { strength, caught } = found;
        !matches!(self.kept.told(caught.id, &caught.what), Ok(Some(told)) if told >= *strength)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn remember(&self, found: &Found) -> Result<(), StoreError> {
        self.kept.tell(found)
    }
}
