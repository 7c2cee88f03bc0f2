//! What of the links of a message is kept, where not all of it can be: a message must not cost much more than
//! what was sent, and must not hide a link behind a long query or behind many others.
//!
//! Links are taken whole, in the order they come in, up to [`MAX_THINGS`] and as many bytes as
//! [`room`] gives. Of one with more than [`MAX_LINK`] bytes the query is left away. Where that does not do,
//! the front page of its host stands for it, once for each host of which nothing else is kept, in half as much
//! room again: a feed that lists the host still catches it. Files come last, up to twice the room for all.

use std::collections::HashSet;

use super::things::{Things, front_page, without_query};
use super::{MAX_LINK, MAX_THINGS};
use crate::link::Link;

/// Links of a small message may take so many bytes.
const LEAST_ROOM: usize = 8_000;
/// Those of a larger one, so many times its size: a short one may be written in fewer bytes than it has.
const TIMES: usize = 2;
/// Those of any message.
const MOST_ROOM: usize = MAX_THINGS * (MAX_LINK + 3);
/// And all of a message.
pub(super) const MOST: usize = 2 * MOST_ROOM;
/// Messages have few links, each of some 100 bytes.
const FIRST_ROOM: usize = 100;

/// Bytes for the links of a message of this size.
fn room(size: usize) -> usize {
    size.saturating_mul(TIMES).clamp(LEAST_ROOM, MOST_ROOM)
}

/// How many things of a message are not kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Of its links.
    pub links: usize,
    /// Of its files.
    pub files: usize,
}

/// Links are handed in, those that somebody opens first.
#[derive(Debug)]
pub struct Choice<'a> {
    things: Things,
    /// Bytes for links; see [`room`].
    room: usize,
    links: HashSet<&'a str>,
    /// Of those that were cut.
    pages: HashSet<&'a str>,
    taken: usize,
    /// What found no room.
    rest: Vec<(&'a Link, u8)>,
    cut: Cut,
}

impl<'a> Choice<'a> {
    /// For a message of `size` bytes with about so many links.
    #[must_use]
    pub fn new(size: usize, links: usize) -> Self {
        let room = room(size);
        Self {
            things: Things::with_room(room.min(links.saturating_mul(FIRST_ROOM))),
            room,
            links: HashSet::with_capacity(links),
            pages: HashSet::new(),
            taken: 0,
            rest: Vec::new(),
            cut: Cut::default(),
        }
    }

    /// Takes a link, and how strongly feeds know it.
    pub fn link(&mut self, link: &'a Link, known: u8) {
        if !self.links.insert(link.as_str()) {
            return;
        }
        let mut text = link.as_str();
        if text.len() > MAX_LINK {
            self.cut.links += 1;
            text = without_query(link);
            if self.pages.contains(text) {
                return;
            }
        }
        let fits = text.len() <= MAX_LINK && self.things.size() + Things::cost(text) <= self.room;
        if self.taken >= MAX_THINGS || !fits {
            self.cut.links += usize::from(link.as_str().len() <= MAX_LINK);
            self.rest.push((link, known));
            return;
        }
        if text.len() < link.as_str().len() {
            self.pages.insert(text);
        }
        self.things.push_link(text, known);
        self.taken += 1;
    }

    /// What is kept, with these files and how strongly feeds know each; and how much is not kept as it is.
    #[must_use]
    pub fn finish<'f>(mut self, files: impl Iterator<Item = (&'f str, u8)>) -> (Things, Cut) {
        if !self.rest.is_empty() {
            self.front_pages();
        }
        for (at, (file, known)) in files.enumerate() {
            if at < MAX_THINGS && self.things.size() + Things::cost(file) <= 2 * self.room {
                self.things.push_file(file, known);
            } else {
                self.cut.files += 1;
            }
        }
        (self.things, self.cut)
    }

    /// Of the hosts of what found no room.
    fn front_pages(&mut self) {
        let whole = self.things.clone();
        let mut hosts: HashSet<&str> = whole.iter().filter_map(|thing| host(thing.text())).collect();
        for (link, known) in std::mem::take(&mut self.rest) {
            let page = front_page(link);
            let fits = self.things.size() + Things::cost(page) <= self.room + self.room / 2;
            if fits && host(page).is_some_and(|host| hosts.insert(host)) {
                self.things.push_link(page, known);
            }
        }
    }
}

/// Host and port of a link in normal form.
fn host(link: &str) -> Option<&str> {
    link.split('/').nth(2)
}
