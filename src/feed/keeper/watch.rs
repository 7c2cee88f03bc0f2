//! What nobody asks about: feeds that have become stale, and files of feeds that are configured no more.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Feeds;
use crate::feed::copy::{CopyError, KEPT, Leftover};
use crate::model::{Span, Timestamp, causes};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(600);
/// How often it is said that a feed is stale.
const SAY_AGAIN: Duration = Duration::from_secs(86_400);

/// When it was last said of which feeds that they are stale.
pub(in crate::feed) type Said = BTreeMap<String, Timestamp>;

/// What is to be said of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) enum News {
    /// It is stale, and this is why.
    Stale(String),
    /// Its name; it is not stale any more.
    Fresh(String),
}

impl Feeds {
    /// Looks from time to time, for ever.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut said = Said::new();
        loop {
            tokio::time::sleep(EVERY).await;
            for news in self.news(&mut said) {
                match news {
                    News::Stale(trouble) => {
                        tracing::error!("{trouble}; what is listed since then is not found in mail");
                    }
                    News::Fresh(name) => tracing::info!(feed = name, "the feed is not stale any more"),
                }
            }
            let feeds = Arc::clone(&self);
            // A panic in there is logged, and the next round comes.
            drop(tokio::task::spawn_blocking(move || feeds.tidy()).await);
        }
    }

    /// What has changed since it was `said`: a feed that is stale is news once a day.
    pub(in crate::feed) fn news(&self, said: &mut Said) -> Vec<News> {
        let (now, standing) = (self.clock.now(), self.standing());
        let mut news = Vec::new();
        for feed in standing.iter().filter(|feed| !feed.loading) {
            let before = said.get(&feed.name).copied();
            match (feed.stale.then(|| feed.trouble()).flatten(), before) {
                (Some(trouble), before) if before.is_none_or(|at| now.since(at) >= SAY_AGAIN) => {
                    said.insert(feed.name.clone(), now);
                    news.push(News::Stale(trouble));
                }
                (None, Some(_)) => {
                    said.remove(&feed.name);
                    news.push(News::Fresh(feed.name.clone()));
                }
                _ => {}
            }
        }
        said.retain(|name, _| standing.iter().any(|feed| feed.name == *name));
        news
    }

    /// Removes the files of feeds that went from the configuration long ago. Blocks.
    pub(super) fn tidy(&self) {
        // No copy is written meanwhile.
        let alone = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.folder.tidy(&|name| self.running().contains_key(name), self.clock.settled());
        drop(alone);
        match done {
            Ok(forgotten) => forgotten.iter().for_each(|feed| {
                let kept = Span::seconds(KEPT.as_secs());
                tracing::info!(feed, "the feed is not configured since {kept}; its copy was removed");
            }),
            Err(error) => tracing::warn!("files of feeds that are gone: {}", causes(&error)),
        }
    }

    /// Feeds that have files and are not configured. Blocks.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn leftovers(&self) -> Result<Vec<Leftover>, CopyError> {
        self.folder.leftovers(&|name| self.running().contains_key(name))
    }
}
