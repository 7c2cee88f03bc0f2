//! All feeds in memory.
//!
//! Immutable: a refresh makes a new index, of the old one's keys and those of the one feed, and the owner swaps
//! the `Arc`. Whoever looks up holds the one he began with.
//!
//! Where to find what: the index here, look-up `ask`, what a match is `matching`, the keys of one feed `collect`.

mod ask;
mod collect;
mod matching;

use std::fmt;
use std::sync::Arc;

use super::copy::LastGood;
use super::keys::Keyer;
use super::table::{MAX_FEEDS, Slot, Table};

pub(super) use collect::Collector;
pub use collect::FeedKeys;
use collect::Shape;
pub use matching::{Match, MatchKind, Strength, agreement};

/// A feed that is in the index.
struct Held {
    name: Arc<str>,
    copy: Arc<LastGood>,
    shape: Shape,
    entries: u64,
    keys: usize,
}

/// The index cannot hold so many feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_FEEDS} feeds are in use, and there can be no more; turn off those that you can do without")]
pub struct TooManyFeeds;

/// All feeds.
#[derive(Default)]
pub struct Index {
    keyer: Keyer,
    table: Table,
    /// By their number in the table.
    feeds: Vec<Option<Held>>,
    shape: Shape,
}

impl Index {
    /// Without any feed. All keys must be made by `keyer`.
    #[must_use]
    pub fn new(keyer: Keyer) -> Self {
        Self { keyer, table: Table::default(), feeds: Vec::new(), shape: Shape::default() }
    }

    /// What makes the keys.
    #[must_use]
    pub const fn keyer(&self) -> &Keyer {
        &self.keyer
    }

    /// This index with `keys` as all that is known of the feed `name`. Takes a second of one core for ten
    /// million keys; while it runs, both are in memory.
    ///
    /// # Errors
    /// If there are too many feeds.
    pub fn with(&self, name: &str, keys: &FeedKeys, copy: Arc<LastGood>) -> Result<Self, TooManyFeeds> {
        let at = self.number(name).or_else(|| self.feeds.iter().position(Option::is_none));
        let at = at.unwrap_or(self.feeds.len());
        if at >= MAX_FEEDS {
            return Err(TooManyFeeds);
        }
        let held = Held {
            name: name.into(),
            copy,
            shape: keys.shape,
            entries: keys.entries,
            keys: keys.slots.len(),
        };
        Ok(self.changed(at, &keys.slots, Some(held)))
    }

    /// This index without the feed `name`.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        // A number that no feed has takes nothing away.
        self.changed(self.number(name).unwrap_or(MAX_FEEDS), &[], None)
    }

    fn changed(&self, at: usize, slots: &[Slot], held: Option<Held>) -> Self {
        let mut feeds: Vec<Option<Held>> =
            self.feeds.iter().map(|feed| feed.as_ref().map(Held::again)).collect();
        if held.is_some() && at >= feeds.len() {
            feeds.resize_with(at + 1, || None);
        }
        if let Some(place) = feeds.get_mut(at) {
            *place = held;
        }
        let shapes = feeds.iter().flatten().map(|feed| feed.shape);
        let shape = shapes.fold(Shape::default(), Shape::and);
        Self { keyer: self.keyer.clone(), table: self.table.with(at, slots), feeds, shape }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.feeds.iter().position(|feed| feed.as_ref().is_some_and(|feed| &*feed.name == name))
    }

    /// Name, copy, number of entries and number of keys of each feed.
    pub fn feeds(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<LastGood>, u64, usize)> {
        self.feeds.iter().flatten().map(|feed| (&feed.name, &feed.copy, feed.entries, feed.keys))
    }

    /// Keys of all feeds.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.table.keys()
    }

    /// Bytes of memory that the keys take.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

impl Held {
    fn again(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            copy: Arc::clone(&self.copy),
            shape: self.shape,
            entries: self.entries,
            keys: self.keys,
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("keys", &self.keys()).finish_non_exhaustive()
    }
}
