//! What the task of one feed does: loads its copy, waits, fetches, reads, swaps.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Ask, Feed, Feeds, Settings};
use crate::feed::copy::{LastGood, Validators};
use crate::feed::fetch::{Answer, FetchError, Fetcher};
use crate::feed::index::{FeedKeys, Index};
use crate::feed::refresh::{Fetched, take_in};
use crate::feed::standing::{Outcome, Told};
use crate::feed::wait;
use crate::model::{Timestamp, causes};
use crate::telemetry::background::in_background;
use crate::telemetry::spawn::supervised;

/// How often, and after which time each, it is looked whether an index that was replaced is still held.
const HELD: u32 = 600;
const HELD_FOR: Duration = Duration::from_millis(100);

impl Feeds {
    /// The life of one feed.
    pub(super) async fn attend(self: Arc<Self>, feed: Arc<Feed>, mut asks: mpsc::Receiver<Ask>) {
        let (feeds, loaded) = (Arc::clone(&self), Arc::clone(&feed));
        // A panic in there costs the copy and not the feed.
        if let Err(error) = in_background("feed-load", move || feeds.load(&loaded)).await {
            tracing::error!(feed = feed.name, %error, "the last good copy of a feed was not loaded");
        }
        feed.loading.store(false, Ordering::Relaxed);
        self.loaded.notify_waiters();
        let mut next = wait::first(feed.known().checked, self.clock.now(), feed.settings.refresh);
        loop {
            feed.known().next = Some(next);
            let ask = tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => Some(ask),
                    None => return,
                },
                () = tokio::time::sleep(next.since(self.clock.now())) => None,
            };
            let force = ask.as_ref().is_some_and(|ask| ask.force);
            let (told, later) = self.refreshed(&feed, force).await;
            let now = self.clock.now();
            let failures = {
                let mut known = feed.known();
                known.failures = if told.outcome.is_good() { 0 } else { known.failures.saturating_add(1) };
                known.last = Some((now, told.clone()));
                known.failures
            };
            self.metrics.feed_refreshes.with_label_values(&[&feed.name, told.outcome.name()]).inc();
            match told.outcome {
                Outcome::New => tracing::info!(feed = feed.name, "the feed was refreshed: {}", told.message),
                Outcome::Same => tracing::debug!(feed = feed.name, "{}", told.message),
                Outcome::Refused | Outcome::Failed => {
                    tracing::warn!(
                        feed = feed.name,
                        failures,
                        "the feed was not refreshed: {}",
                        told.message
                    );
                }
            }
            if let Some(ask) = ask {
                // Whoever asked may have gone.
                drop(ask.told.send(told));
            }
            next = wait::after(now, feed.settings.refresh, failures, later);
        }
    }

    /// Loads the last good copy. Blocks.
    fn load(&self, feed: &Arc<Feed>) {
        let index = self.index();
        match self.folder.load(&feed.source, index.keyer()) {
            Ok(Some((copy, keys))) => {
                let told = self.install(feed, copy, &keys);
                tracing::info!(feed = feed.name, "the last good copy is loaded: {}", told.message);
            }
            Ok(None) => {
                tracing::info!(feed = feed.name, "there is no copy of the feed yet; it will be fetched");
                // After a reload: what came from elsewhere is not this feed's.
                self.take_away(std::slice::from_ref(&feed.name), Some(feed));
            }
            Err(error) => tracing::error!(feed = feed.name, "{}", causes(&error)),
        }
    }

    async fn refreshed(self: &Arc<Self>, feed: &Arc<Feed>, force: bool) -> (Told, Option<u64>) {
        let failed = |message: String| Told { outcome: Outcome::Failed, message };
        let Settings { url, auth_key, terms, .. } = &feed.settings;
        let fetcher = match Fetcher::new(url, auth_key.clone()) {
            Ok(fetcher) => fetcher,
            Err(error) => return (failed(error.to_string()), None),
        };
        let (folder, name) = (self.folder.clone(), feed.name.clone());
        let file = match tokio::task::spawn_blocking(move || folder.body(&name)).await {
            Ok(Ok(file)) => file,
            Ok(Err(error)) => return (failed(causes(&error)), None),
            Err(error) => return (failed(error.to_string()), None),
        };
        let validators = {
            let known = feed.known();
            let same_terms =
                known.copy.as_ref().is_some_and(|copy| copy.min_confidence() == terms.min_confidence);
            if same_terms && !force { known.validators.clone() } else { Validators::default() }
        };
        match fetcher.fetch(&validators, file, terms.max_size).await {
            Err(error) => {
                let later = match &error {
                    FetchError::Later { after, .. } => *after,
                    _ => None,
                };
                (failed(error.to_string()), later)
            }
            Ok(answer) => {
                let (feeds, feed) = (Arc::clone(self), Arc::clone(feed));
                let work = move || feeds.settled(&feed, answer, &validators, force);
                let told = in_background("feed-read", work).await;
                (told.unwrap_or_else(|error| failed(format!("it was not read: {error}"))), None)
            }
        }
    }

    /// Makes of an answer what it says. Blocks.
    fn settled(&self, feed: &Arc<Feed>, answer: Answer, asked: &Validators, force: bool) -> Told {
        let now = self.clock.now();
        let (body, validators) = match answer {
            Answer::Same => return self.confirmed(feed, asked, now),
            Answer::Body(body, validators) => (body, validators),
        };
        let standing = {
            let known = feed.known();
            (known.copy.is_some() && !force).then_some(known.entries)
        };
        let one_at_a_time = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_current(feed) {
            return Told {
                outcome: Outcome::Failed,
                message: "its configuration has changed meanwhile".to_owned(),
            };
        }
        let index = self.index();
        let fetched = Fetched { at: now, validators };
        let both = (&self.folder, index.keyer());
        let fresh = take_in(body, &feed.source, &feed.settings.terms, fetched, standing, both);
        drop(one_at_a_time);
        match fresh {
            Ok(fresh) => self.install(feed, fresh.copy, &fresh.keys),
            Err(error) => Told { outcome: error.outcome(), message: causes(&error) },
        }
    }

    fn confirmed(&self, feed: &Arc<Feed>, validators: &Validators, now: Timestamp) -> Told {
        let copy = {
            let mut known = feed.known();
            known.checked = Some(now);
            known.copy.clone()
        };
        if let Some(copy) = copy
            && let Err(error) = self.folder.confirm(&copy, now, validators)
        {
            tracing::warn!(
                feed = feed.name,
                "that nothing has changed could not be kept: {}",
                causes(&error)
            );
        }
        Told { outcome: Outcome::Same, message: "nothing has changed since the last time".to_owned() }
    }

    /// Puts the keys of a feed in the place of those before. Blocks.
    fn install(&self, feed: &Arc<Feed>, copy: LastGood, keys: &FeedKeys) -> Told {
        let swap = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_current(feed) {
            return Told {
                outcome: Outcome::Failed,
                message: "its configuration has changed meanwhile".to_owned(),
            };
        }
        let copy = Arc::new(copy);
        let next = match self.index().with(&feed.name, keys, Arc::clone(&copy)) {
            Ok(next) => next,
            Err(error) => return Told { outcome: Outcome::Failed, message: error.to_string() },
        };
        self.swap(next);
        drop(swap);
        let mut message = match keys.entries() {
            1 => "1 entry".to_owned(),
            entries => format!("{entries} entries"),
        };
        if let Some(complaint) = copy.tally().complaint() {
            message.push_str(&format!("; {complaint}"));
        }
        {
            let mut known = feed.known();
            known.entries = keys.entries();
            known.checked = Some(copy.checked());
            known.validators = copy.validators().clone();
            known.copy = Some(copy);
        }
        self.changes.send_modify(|count| *count += 1);
        Told { outcome: Outcome::New, message }
    }

    /// Puts an index in the place of the one before. That one is kept until no message holds it any more: giving
    /// a hundred megabytes back takes some milliseconds, and a message is not to wait for it.
    fn swap(&self, next: Index) {
        let old = self.index.swap(Arc::new(next));
        if old.keys() == 0 {
            return;
        }
        supervised("feed-old", &self.metrics, async move {
            for _ in 0..HELD {
                if Arc::strong_count(&old) == 1 {
                    break;
                }
                tokio::time::sleep(HELD_FOR).await;
            }
            drop(in_background("feed-old", move || drop(old)).await);
        });
    }

    /// Takes feeds out of the index that are not configured any more, or whose entries came from elsewhere than
    /// `now` says. Blocks.
    pub(super) fn take_away(&self, names: &[String], now: Option<&Arc<Feed>>) {
        let _swap = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = |name: &String| match now {
            Some(feed) => self.is_current(feed),
            None => !self.running().contains_key(name),
        };
        let index = self.index();
        let there = |name: &String| index.feeds().any(|(held, ..)| **held == **name);
        let gone: Vec<_> = names.iter().filter(|name| there(name) && is_free(name)).collect();
        if gone.is_empty() {
            return;
        }
        for name in gone {
            self.swap(self.index().without(name));
        }
        self.changes.send_modify(|count| *count += 1);
    }
}
