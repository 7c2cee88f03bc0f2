//! Where the links of a message lead, and what is known of that and of its files.
//!
//! **Contract.** All links that [`crate::mail::links`] finds, and the SHA-256 of each file, are looked up in the
//! feeds as they were when the look began: one [`Index`] for one message. Each feed that knows something gives a
//! finding `FEED_NAME` with the match, its age and what the publisher says of it. [`Seen`] has every link with
//! what it was taken for, for records and for whoever looks again later. The net is asked
//! only where the configuration turns that on ([`asks`]).
//!
//! Reading links is work for the processor: small messages are read where they are, others, and PDF files, which are
//! unpacked, on the blocking pool, no more of them at once than there are cores. Pictures come after that, there too, and have places of their
//! own: few bytes can be many pixels, and whoever sends such must not hold up the links of anybody. What is known
//! of a message's texts counts whatever becomes of its pictures. They are told to stop while there is time left
//! to say so.
//!
//! **Failures.**
//!
//! | what | coverage |
//! |---|---|
//! | the message is over `max_size`: its texts and pages are read, nothing else | `ok(degraded)`, `found(degraded)` |
//! | the same, and it has none | `skipped(too-large)` |
//! | its text is over `max_text`: the rest of it is not read | `ok(degraded)`, `found(degraded)` |
//! | too many links or pictures, a picture too large, an address too long, pages too deep within pages | the same |
//! | pictures that cost more than their bytes allow, or no time left for them | the same |
//! | parts that nobody could read | the same |
//! | short links not followed, block lists that did not answer | the same |
//! | reading a part failed inside | `failed(unreadable)` |
//! | no time left for texts | `timeout` |
//!
//! Without any feed links are read all the same; their judgement is `not-looked-up` where no block list answers
//! either, and [`Scan::version`] says that there is no feed.
//!
//! Where to find what: the scanner here, its configuration `config` and `lookups`, what it takes of that
//! `settings`; reading a message `read`, what matched `listed`, what that is worth [`weigh`], what records show
//! of it `seen`; signs that need nobody [`signs`], look-ups on the net [`asks`], what they add `asked`.

mod asked;
pub mod asks;
mod config;
mod listed;
mod lookups;
mod read;
mod seen;
mod settings;
pub mod signs;
#[cfg(test)]
mod tests;
pub mod weigh;
mod weights;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;

pub use config::{Config, Weights};
pub use lookups::Lookups;
pub use seen::{Hit, OnList, Seen};
pub use settings::Settings;
pub use weights::weights;

use self::asks::{Asks, Followed, Listed, Spared, Written};
use self::listed::Strongest;
use self::read::Looked;
use super::{BoxFuture, Health, Report, Scan, ScanInput};
use crate::feed::{Day, Feeds, Index};
use crate::mail::links::kind::Kind;
use crate::mail::links::{Links, Pictures, Skipped, Stop};
use crate::model::{Outcome, Scanner};
use crate::telemetry::{Clock, Metrics};

/// Messages up to this size are read on the thread that asks, but for their pictures and PDF files.
const READ_IN_PLACE: usize = 128 * 1024;

/// Where what is known comes from.
#[derive(Clone, Debug)]
pub enum Known {
    /// The feeds of the daemon, which change.
    Feeds(Arc<Feeds>),
    /// What was on the disk when the look began.
    Still(Arc<Index>),
}

impl Known {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index().keys() == 0
    }

    fn index(&self) -> Arc<Index> {
        match self {
            Self::Feeds(feeds) => feeds.index(),
            Self::Still(index) => Arc::clone(index),
        }
    }
}

/// The scanner of links.
pub struct Urls {
    settings: Arc<Settings>,
    known: Known,
    clock: Clock,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    /// For pictures alone.
    picture_slots: Arc<Semaphore>,
    /// `None`: nobody is asked.
    asks: Option<Arc<Asks>>,
}

impl Urls {
    /// A scanner that looks links up in `known`.
    #[must_use]
    pub fn new(settings: Settings, known: Known, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let [slots, picture_slots] = [cores; 2].map(|places| Arc::new(Semaphore::new(places)));
        Self { settings: Arc::new(settings), known, clock, metrics, slots, picture_slots, asks: None }
    }

    /// The same, that asks on the net as well.
    #[must_use]
    pub fn asking(self, asks: Option<Arc<Asks>>) -> Self {
        Self { asks, ..self }
    }

    async fn look(&self, input: Arc<ScanInput>, deadline: Instant) -> Report {
        let began = Instant::now();
        let today = Day::of(self.clock.now());
        let (index, settings) = (self.known.index(), Arc::clone(&self.settings));
        let (reading, known) = (Arc::clone(&input), Arc::clone(&index));
        let timed_out = || Report::new(Outcome::TimedOut(deadline.saturating_duration_since(began)));
        // A few bytes of a PDF file can be many megabytes of objects.
        let is_packed = input.parts.list.iter().flat_map(Kind::of).any(|kind| kind == Kind::Pdf);
        let (mut looked, pictures) = if input.message.raw().len() <= READ_IN_PLACE && !is_packed {
            read::read(&reading, &known, &settings, today)
        } else {
            let work = move || read::read(&reading, &known, &settings, today);
            match self.aside(&self.slots, work, deadline).await {
                Ok(Some(read)) => read,
                Ok(None) => return timed_out(),
                Err(outcome) => return Report::new(outcome),
            }
        };
        if let Some(pictures) = pictures {
            let codes = self.codes(pictures, deadline).await;
            if !codes.list.is_empty() || !codes.not_inspected.is_empty() {
                let mut links = looked.links();
                links.add(codes);
                looked = self.again(looked, links, (&input, &index, today), deadline).await;
            }
        }
        let (mut followed, mut listed) = (Followed::default(), Listed::default());
        if let Some(asks) = &self.asks {
            // What is known without the net must not be lost to it.
            let left = deadline.saturating_duration_since(Instant::now());
            let until = deadline - left / 8;
            let mut spared = Spared::of(&input.message);
            if asks.follows()
                && let Some(written) = Written::of(&looked.seen.links)
            {
                let reading = Arc::clone(&input);
                match self.aside(&self.slots, move || written.beside(&reading), until).await {
                    Ok(Some(beside)) => spared = spared.and(beside),
                    // By then nobody is asked any more.
                    Ok(None) => {}
                    Err(outcome) => return Report::new(outcome),
                }
            }
            followed = asks.follow(&looked.seen.links, &spared, until).await;
            let targets = asked::targets(&followed.steps, &looked.seen.links);
            if !targets.is_empty() {
                let mut links = looked.links();
                links.list.extend(targets);
                looked = self.again(looked, links, (&input, &index, today), deadline).await;
            }
            let (hosts, ips) = asked::names(&looked.seen);
            listed = asks.listed(&hosts, &ips, until).await;
            asked::note(&listed, &mut looked.seen, &self.settings);
        }
        let Looked { seen, strongest, signs, not_inspected, .. } = looked;
        let gaps = asked::gaps(&followed.unasked, &listed.unasked);
        let mut findings = asked::findings(&listed.listings, &seen, &input.parts, &self.settings);
        self.count(&seen, &strongest, &not_inspected);
        if !strongest.is_empty() {
            let settings = Arc::clone(&self.settings);
            let words = move || listed::findings(strongest, &settings, today);
            match self.aside(&self.slots, words, deadline).await {
                Ok(Some(listed)) => findings.extend(listed),
                Ok(None) => return Report { urls: Some(Arc::new(seen)), ..timed_out() },
                Err(outcome) => return Report { urls: Some(Arc::new(seen)), ..Report::new(outcome) },
            }
        }
        listed::rank(&mut findings, &self.settings);
        findings.extend(signs);
        let outcome = read::outcome(&input, &not_inspected, gaps, &findings);
        Report { findings, urls: Some(Arc::new(seen)), ..Report::new(outcome) }
    }

    /// The codes in the pictures of a message, as far as there is time. Some of it is left for what follows.
    async fn codes(&self, pictures: Pictures, deadline: Instant) -> Links {
        let (stop, now) = (Stop::default(), Instant::now());
        let left = deadline.saturating_duration_since(now);
        let until = now + if self.asks.is_some() { left / 2 } else { left / 4 * 3 };
        let told = stop.clone();
        let look = move || pictures.look(&told);
        let look = self.aside(&self.picture_slots, look, until + left / 8);
        tokio::pin!(look);
        let done = match tokio::time::timeout_at(until.into(), &mut look).await {
            Ok(done) => done,
            // It stops soon, unless it has not begun yet, and tells what it has found.
            Err(_) => {
                stop.set();
                look.await
            }
        };
        let missing = match done {
            Ok(Some(codes)) => return codes,
            Ok(None) => Skipped::Late,
            Err(_) => Skipped::Unreadable,
        };
        Links { not_inspected: vec![missing], ..Links::default() }
    }

    /// Judges a message anew, with more `links` than before. What was known of it stays if there is no time.
    async fn again(
        &self,
        mut looked: Looked,
        links: Links,
        (input, index, today): (&Arc<ScanInput>, &Arc<Index>, Day),
        deadline: Instant,
    ) -> Looked {
        let (reading, index, settings) = (Arc::clone(input), Arc::clone(index), Arc::clone(&self.settings));
        let work = move || read::judge(links, &reading, &index, &settings, today);
        if input.message.raw().len() <= READ_IN_PLACE {
            return work();
        }
        let missing = match self.aside(&self.slots, work, deadline).await {
            Ok(Some(again)) => return again,
            Ok(None) => Skipped::Late,
            Err(_) => Skipped::Unreadable,
        };
        looked.not_inspected.push(missing);
        looked
    }

    /// Work that blocks or computes for long, in one of the `slots`; `None`: not within the time.
    async fn aside<T: Send + 'static>(
        &self,
        slots: &Arc<Semaphore>,
        work: impl FnOnce() -> T + Send + 'static,
        deadline: Instant,
    ) -> Result<Option<T>, Outcome> {
        let slots = Arc::clone(slots);
        let done = async move {
            let permit = slots.acquire_owned().await.ok();
            // The permit goes with the work, which goes on although nobody may wait for it any more.
            let work = move || {
                let _permit = permit;
                work()
            };
            tokio::task::spawn_blocking(work).await
        };
        match tokio::time::timeout_at(deadline.into(), done).await {
            Ok(Ok(done)) => Ok(Some(done)),
            Ok(Err(error)) => Err(Outcome::failed("panic", format!("reading the links panicked: {error}"))),
            Err(_) => Ok(None),
        }
    }

    fn count(&self, seen: &Seen, strongest: &[Strongest], not_inspected: &[Skipped]) {
        self.metrics.urls.inc_by(seen.links.len() as u64);
        for why in not_inspected {
            self.metrics.urls_not_inspected.with_label_values(&[why.label()]).inc();
        }
        for one in strongest {
            self.metrics.feed_matches.with_label_values(&[one.feed()]).inc();
        }
    }
}

impl Scan for Urls {
    fn scanner(&self) -> Scanner {
        Scanner::Urls
    }

    fn scan(&self, input: Arc<ScanInput>, deadline: Instant) -> BoxFuture<'_, Report> {
        Box::pin(self.look(input, deadline))
    }

    fn health(&self) -> Health {
        self.asks.as_ref().map_or(Health::Up, |asks| asks.health())
    }

    fn version(&self) -> String {
        let index = self.known.index();
        let (mut feeds, mut entries, mut newest) = (0_usize, 0_u64, None);
        for (_, copy, count, _) in index.feeds() {
            feeds += 1;
            entries += count;
            newest = newest.max(Some(copy.checked()));
        }
        match newest {
            None => NO_FEED.to_owned(),
            Some(newest) => {
                let plural = if feeds == 1 { "" } else { "s" };
                let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
                format!("{feeds} feed{plural}, {entries}, the newest of {newest}")
            }
        }
    }
}

/// What [`Scan::version`] says where no feed is loaded.
pub const NO_FEED: &str = "no feed is loaded";

impl std::fmt::Debug for Urls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Urls").field("settings", &self.settings).finish_non_exhaustive()
    }
}
