//! Counting, limits and doubles: what every reader hands its addresses to.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};

use bytes::Bytes;

use super::found::{Found, Limits, Links, Place, Seen, Skipped, Source};
use super::pictures::{Pictures, Waiting};
use super::qr::Size;
use super::{long, wrapped};
use crate::link::{Link, NotALink};

/// For each link that may be kept, so many addresses are tried: most of a text full of rubbish is none.
const TRIES: usize = 32;

/// For what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.0 = self.0 << 8 | u64::from(*b));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What is counted over a whole message, its pictures included.
pub(super) struct Spent {
    /// Hashes under a key of this message's own, so that nobody can make two collide.
    known: HashSet<u64, BuildHasherDefault<Hashed>>,
    hasher: RandomState,
    tries: usize,
    /// Links that were found.
    kept: usize,
}

/// The links of one message as they are found.
pub(super) struct Collector<'l> {
    pub(super) limits: &'l Limits,
    place: Place,
    list: Vec<Found>,
    seen: Vec<Seen>,
    skipped: BTreeSet<Skipped>,
    spent: Spent,
    taken: usize,
    text_left: usize,
    images_left: usize,
    pixels_left: u64,
    unpacked_left: usize,
    waiting: Vec<Waiting>,
    costly: Option<Place>,
}

impl<'l> Collector<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        let (known, hasher) = (HashSet::default(), RandomState::new());
        let tries = limits.urls.saturating_mul(TRIES);
        Self::resumed(limits, Spent { known, hasher, tries, kept: 0 })
    }

    /// Goes on with a message of which something was read already.
    pub(super) const fn resumed(limits: &'l Limits, spent: Spent) -> Self {
        Self {
            limits,
            place: Place::Subject,
            list: Vec::new(),
            seen: Vec::new(),
            skipped: BTreeSet::new(),
            spent,
            taken: 0,
            text_left: limits.text,
            images_left: limits.images,
            pixels_left: limits.images_pixels,
            unpacked_left: limits.unpacked,
            waiting: Vec::new(),
            costly: None,
        }
    }

    /// What follows stands in `place`.
    pub(super) const fn enter(&mut self, place: Place) {
        self.place = place;
    }

    /// As much of `text` as may be looked at, or nothing.
    pub(super) fn allow<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let mut end = text.len();
        if end > self.text_left {
            self.skip(Skipped::TooMuchText);
            end = text.floor_char_boundary(self.text_left);
        }
        self.text_left = self.text_left.saturating_sub(end);
        text.get(..end).filter(|text| !text.is_empty())
    }

    /// Whether one more picture may be looked at, one of so many pixels.
    pub(super) fn allow_image(&mut self, pixels: u64) -> bool {
        let left = self.images_left.checked_sub(1).zip(self.pixels_left.checked_sub(pixels));
        match left {
            Some(left) => (self.images_left, self.pixels_left) = left,
            None => self.skip(Skipped::TooManyImages),
        }
        left.is_some()
    }

    /// How many bytes of files may still be unpacked.
    pub(super) const fn unpacked_left(&self) -> usize {
        self.unpacked_left
    }

    /// So many were.
    pub(super) const fn unpacked(&mut self, bytes: usize) {
        self.unpacked_left = self.unpacked_left.saturating_sub(bytes);
    }

    /// Looks at a picture once everything else was read.
    pub(super) fn wait(&mut self, bytes: Bytes, size: Size) {
        self.waiting.push(Waiting { place: self.place, bytes, size });
    }

    /// Gives up the picture that is looked at.
    pub(super) fn give_up(&mut self) {
        self.skip(Skipped::PicturesCostly);
        self.costly = self.costly.into_iter().chain([self.place]).min();
    }

    pub(super) fn skip(&mut self, why: Skipped) {
        self.skipped.insert(why);
    }

    /// Whether a data: address of a picture was not looked at before in this part.
    pub(super) fn is_first(&mut self, address: &str) -> bool {
        let key = self.key(address, Source::Qr, "");
        self.spent.known.insert(key)
    }

    /// The part that is being read.
    pub(super) const fn part(&self) -> usize {
        match self.place {
            Place::Subject | Place::Header(_) => 0,
            Place::Part(index) => index,
        }
    }

    pub(super) fn saw(&mut self, seen: Seen) {
        self.seen.push(seen);
    }

    /// Whether there was more than can be kept. Readers need not ask; it spares them time.
    pub(super) fn is_over(&self) -> bool {
        self.skipped.contains(&Skipped::TooManyUrls)
            && (self.spent.tries == 0 || self.spent.kept >= self.limits.urls)
    }

    /// How many addresses were links so far, doubles included.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    /// Takes an address, as far as it is one of the web. Says whether it is.
    pub(super) fn add(&mut self, written: &str, source: Source, shown: &str) -> bool {
        let written = written.trim_matches(|c: char| c <= ' ');
        let short = match written.len() > self.limits.url_bytes {
            false => Cow::Borrowed(written),
            true => Cow::Owned(long::shortened(written, self.limits.url_bytes)),
        };
        let cut = short.get(..short.floor_char_boundary(self.limits.url_bytes)).unwrap_or_default();
        let key = self.key(cut, source, shown);
        if cut.is_empty() {
            return false;
        }
        if self.spent.known.contains(&key) {
            self.taken += 1;
            return true;
        }
        if self.spent.tries == 0 {
            self.skip(Skipped::TooManyUrls);
            return false;
        }
        self.spent.tries -= 1;
        let parsed = Link::parse(cut);
        if cut.len() < short.len() && !matches!(parsed, Err(NotALink::Scheme)) {
            self.skip(Skipped::UrlTooLong);
        }
        let Ok(link) = parsed else { return false };
        self.taken += 1;
        if self.spent.kept >= self.limits.urls {
            self.skip(Skipped::TooManyUrls);
            return true;
        }
        self.spent.known.insert(key);
        // Another spelling of what is known.
        if link.as_str() != cut && !self.spent.known.insert(self.key(link.as_str(), source, shown)) {
            return true;
        }
        let wrapped = wrapped::unwrap(&link);
        self.keep(link, source, shown, cut);
        self.unwrapped(wrapped, shown, self.limits.unwrap);
        true
    }

    /// What makes a link one of its own. Of a long text shown, the beginning says enough.
    pub(super) fn key(&self, address: &str, source: Source, shown: &str) -> u64 {
        let begin = shown.as_bytes().get(..shown.len().min(64)).unwrap_or_default();
        let place = match self.place {
            Place::Subject => 0,
            Place::Part(index) => index as u64 + 1,
            Place::Header(_) => u64::MAX,
        };
        // Few long writes: each short one costs as much as forty bytes.
        let numbers = [place, source as u64, address.len() as u64, shown.len() as u64];
        let mut hasher = self.spent.hasher.build_hasher();
        hasher.write(address.as_bytes());
        hasher.write(begin);
        if let Place::Header(name) = self.place {
            hasher.write(name.as_bytes());
        }
        hasher.write(numbers.map(u64::to_ne_bytes).as_flattened());
        hasher.finish()
    }

    /// What was wrapped, and what is wrapped in that.
    fn unwrapped(&mut self, wrapped: Vec<String>, shown: &str, depth: usize) {
        for written in wrapped {
            let key = self.key(&written, Source::Wrapped, shown);
            if depth == 0 || !self.spent.known.insert(key) {
                continue;
            }
            if self.spent.tries == 0 || self.spent.kept >= self.limits.urls {
                self.skip(Skipped::TooManyUrls);
                return;
            }
            self.spent.tries -= 1;
            let Ok(link) = Link::parse(&written) else { continue };
            let within = wrapped::unwrap(&link);
            self.keep(link, Source::Wrapped, shown, &written);
            self.unwrapped(within, shown, depth - 1);
        }
    }

    fn keep(&mut self, link: Link, source: Source, shown: &str, written: &str) {
        let bounded = |text: &str| {
            text.get(..text.floor_char_boundary(self.limits.kept_bytes)).unwrap_or_default().to_owned()
        };
        let found =
            Found { link, place: self.place, source, shown: bounded(shown), written: bounded(written) };
        self.list.push(found);
        self.spent.kept += 1;
    }

    /// What was found, and the pictures that wait.
    pub(super) fn finish(self) -> (Links, Pictures) {
        let not_inspected = self.skipped.into_iter().collect();
        let links = Links { list: self.list, seen: self.seen, costly: self.costly, not_inspected };
        (links, Pictures::new(*self.limits, self.waiting, self.spent))
    }
}
