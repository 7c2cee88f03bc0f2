//! Hash and value of every key, in one array with gaps.
//!
//! Sixteen bytes a key. An entry stands at the place that its hash names as a share of the array, or as near
//! behind it as there is room: so the array is sorted, a look-up reads one or two cache lines, and the table of
//! a refreshed feed is merged with all the others in one pass, without their texts. At four fifths full that is
//! 20 bytes a key. Against the alternatives: a table for each feed would cost a look-up for each (a newsletter
//! has a thousand keys to ask, and a site a dozen feeds), a `HashMap` of the same content takes 27 to 54 bytes.

use super::entry::Day;
use super::keys::Hashed;

/// Feeds that one table can tell apart.
pub const MAX_FEEDS: usize = 64;

/// One key. A hash of zero is an empty place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) hash: u64,
    value: u64,
}

// The value, from the lowest bit: 32 row, 16 day, 6 feed, 7 confidence, 1 part, 1 second.
const DAY: u32 = 32;
const FEED: u32 = 48;
const SURE: u32 = 54;
const PART: u32 = 61;
const SECOND: u32 = 62;
const NO_CONFIDENCE: u64 = 0x7f;

impl Slot {
    /// `row`: where in the copy on disk the entry stands. Without a day it gets day 0.
    pub(super) fn new(key: Hashed, row: u32, day: Option<Day>, confidence: Option<u8>) -> Self {
        let sure = confidence.map_or(NO_CONFIDENCE, |c| u64::from(c.min(100)));
        let value = u64::from(row)
            | u64::from(day.map_or(0, |day| day.0)) << DAY
            | sure << SURE
            | u64::from(!key.whole) << PART
            | u64::from(!key.primary) << SECOND;
        Self { hash: key.hash, value }
    }

    pub(super) const fn row(self) -> u64 {
        self.value & 0xffff_ffff
    }

    pub(super) fn day(self) -> Option<Day> {
        u16::try_from(self.value >> DAY & 0xffff).ok().filter(|day| *day != 0).map(Day)
    }

    pub(super) const fn feed(self) -> usize {
        // Six bits.
        (self.value >> FEED & 0x3f) as usize
    }

    pub(super) fn confidence(self) -> Option<u8> {
        u8::try_from(self.value >> SURE & 0x7f).ok().filter(|c| *c <= 100)
    }

    /// Whether the entry is more than what the key was made of: a link with a query, under host and path.
    pub(super) const fn is_part(self) -> bool {
        self.value >> PART & 1 == 1
    }

    const fn is_primary(self) -> bool {
        self.value >> SECOND & 1 == 0
    }

    const fn of_feed(self, feed: usize) -> Self {
        let cleared = self.value & !(0x3f << FEED);
        Self { hash: self.hash, value: cleared | (feed as u64 & 0x3f) << FEED }
    }
}

/// Sorts the keys of one feed and drops those that are there twice; of several the whole entry stays, and of
/// these the one that comes first in the feed. Returns how many different entries there are.
pub(super) fn sorted(slots: &mut Vec<Slot>) -> u64 {
    // The bits that say "part" and "second" stand above the others but for the empty ones, the row lowest.
    slots.sort_unstable_by_key(|slot| (slot.hash, slot.is_part(), slot.row()));
    let mut entries = 0;
    let mut counted = 0;
    for slot in slots.iter() {
        if slot.is_primary() && slot.hash != counted {
            entries += 1;
            counted = slot.hash;
        }
    }
    slots.dedup_by_key(|slot| slot.hash);
    slots.shrink_to_fit();
    entries
}

/// The keys of all feeds.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    /// Places that hashes name; a few more follow them.
    places: u64,
    keys: usize,
}

impl Table {
    /// This table without the keys of `feed`, and with `new` ones for it, which are [`sorted`].
    pub(super) fn with(&self, feed: usize, new: &[Slot]) -> Self {
        let old = || self.slots.iter().filter(|slot| slot.hash != 0 && slot.feed() != feed);
        let keys = old().count() + new.len();
        let places = keys + keys / 4 + 16;
        let mut table = Self { slots: vec![Slot::default(); places], places: places as u64, keys };
        let mut new = new.iter().map(|slot| slot.of_feed(feed)).peekable();
        let mut at = 0;
        for slot in old() {
            while let Some(first) = new.next_if(|new| new.hash < slot.hash) {
                at = table.place(at, first);
            }
            at = table.place(at, *slot);
        }
        for slot in new {
            at = table.place(at, slot);
        }
        table.slots.shrink_to_fit();
        table
    }

    /// Puts a slot where it belongs, but not before `free`; returns the next place.
    fn place(&mut self, free: usize, slot: Slot) -> usize {
        let at = self.ideal(slot.hash).max(free);
        match self.slots.get_mut(at) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        at + 1
    }

    /// The place that a hash names: as far into the array as the hash is into its numbers.
    fn ideal(&self, hash: u64) -> usize {
        let at = (u128::from(hash) * u128::from(self.places)) >> 64;
        usize::try_from(at).unwrap_or(0)
    }

    /// Whether the hash may be there. Asked of several, and nothing else between, before [`Self::get`], their
    /// places are fetched from memory at the same time.
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        // The empty place becomes the largest number.
        self.slots.get(self.ideal(hash)).is_some_and(|first| first.hash.wrapping_sub(1) < hash)
    }

    /// All slots of a hash; one for each feed at most.
    pub(super) fn get(&self, hash: u64) -> impl Iterator<Item = Slot> {
        let rest = self.slots.get(self.ideal(hash)..).unwrap_or_default().iter();
        // An empty place is smaller than every hash; beyond it the hash cannot stand.
        rest.take_while(move |slot| slot.hash != 0 && slot.hash <= hash)
            .filter(move |slot| slot.hash == hash)
            .copied()
    }

    /// How many keys there are.
    pub(super) const fn keys(&self) -> usize {
        self.keys
    }

    /// Bytes that it takes.
    pub(super) const fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }
}
