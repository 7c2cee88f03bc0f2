//! The keys of one feed, gathered while its entries pass by.

use crate::feed::entry::{Entry, Fields, Key};
use crate::feed::keys::Keyer;
use crate::feed::table::{Slot, sorted};

/// The keys of one feed, on their way into the index.
#[derive(Debug, Default)]
pub struct FeedKeys {
    pub(super) slots: Vec<Slot>,
    pub(super) shape: Shape,
    pub(super) entries: u64,
}

impl FeedKeys {
    /// How many different entries the feed has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// How many keys they are looked up by.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.slots.len()
    }
}

/// Collects the keys of one feed.
#[derive(Debug)]
pub(in crate::feed) struct Collector<'a> {
    keyer: &'a Keyer,
    found: FeedKeys,
}

impl<'a> Collector<'a> {
    pub(in crate::feed) fn new(keyer: &'a Keyer) -> Self {
        Self { keyer, found: FeedKeys::default() }
    }

    /// An entry whose line begins at `row` of the copy.
    pub(in crate::feed) fn add(&mut self, entry: &Entry, row: u32) {
        let FeedKeys { slots, shape, .. } = &mut self.found;
        shape.note(&entry.key);
        self.keyer.of_entry(&entry.key, &mut |hashed| {
            slots.push(Slot::new(hashed, row, entry.added, entry.confidence));
        });
    }

    /// A line of the copy; `None` if it is none. Links, which are most, are not read anew: they were written
    /// in normal form.
    pub(in crate::feed) fn add_line(&mut self, line: &str, row: u32) -> Option<()> {
        let fields = Fields::of(line)?;
        let (added, confidence) = (fields.added, fields.confidence);
        let FeedKeys { slots, shape, .. } = &mut self.found;
        let mut put = |hashed| slots.push(Slot::new(hashed, row, added, confidence));
        if fields.kind == "url" {
            let (_, exact) = fields.text.split_once("://")?;
            self.keyer.of_link(exact, &mut put);
        } else {
            let key = fields.key()?;
            shape.note(&key);
            self.keyer.of_entry(&key, &mut put);
        }
        Some(())
    }

    /// All keys, ready to be put into an index.
    pub(in crate::feed) fn done(mut self) -> FeedKeys {
        self.found.entries = sorted(&mut self.found.slots);
        self.found
    }
}

/// What there is to look for beside links and hosts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Lengths of networks: bit n for `/n`.
    pub(super) v4: u64,
    /// Bit n for `/(n+1)`.
    pub(super) v6: u128,
    /// The most labels of a name that stands for all below it.
    pub(super) labels: usize,
}

impl Shape {
    fn note(&mut self, key: &Key) {
        match key {
            Key::Net(net) if net.addr().is_ipv4() => self.v4 |= 1 << net.prefix_len(),
            Key::Net(net) => self.v6 |= 1 << net.prefix_len().saturating_sub(1),
            Key::Domain(name) | Key::Below(name) => {
                self.labels = self.labels.max(memchr::memchr_iter(b'.', name.as_bytes()).count() + 1);
            }
            Key::Link(_) | Key::Host(_) | Key::File(_) => {}
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { v4: self.v4 | other.v4, v6: self.v6 | other.v6, labels: self.labels.max(other.labels) }
    }
}
