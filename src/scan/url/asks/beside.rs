//! What stands beside a short link in its part: the words by which people unsubscribe.
//!
//! A part is read twice: as it is, with its markup, and, if it is a page, as the text that is shown of it. In one of
//! them a word stands within [`NEAR`] characters of the address. Time is linear in the parts that have short
//! links, which are those that links were found in, and in the number of links, which is bounded.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use memchr::memmem;

use super::Why;
use super::follow::{is_followed, shortener};
use super::spared::{Folded, WORDS};
use crate::link::Link;
use crate::mail;
use crate::mail::links::kind::Kind;
use crate::mail::links::{Found, Place, Source, resolved};
use crate::model::Part;
use crate::scan::ScanInput;

/// So many characters before and behind an address are beside it.
const NEAR: usize = 100;
/// They have at most so many bytes.
const NEAR_BYTES: usize = 4 * NEAR;
/// Most addresses that are looked for. A link beyond is not asked for: nobody can say what stands beside it.
const MAX_ADDRESSES: usize = 100;
/// Most bytes of an address that are looked for.
const MAX_ADDRESS: usize = 256;

/// The short links of a message, each with how it is written where.
#[derive(Debug, Default)]
pub struct Written {
    /// By place and address, which is [`Folded`] and has neither scheme nor query.
    links: BTreeMap<Place, BTreeMap<String, BTreeSet<Link>>>,
    beyond: BTreeSet<Link>,
}

impl Written {
    /// Those of `found` that are followed; `None` if there is none.
    #[must_use]
    pub fn of(found: &[Found]) -> Option<Self> {
        let mut written = Self::default();
        let mut count = 0;
        let mut wrapper = None;
        for found in found {
            // What is wrapped is not written anywhere; its wrapper, which comes before it, is.
            if found.source != Source::Wrapped {
                wrapper = Some(found);
            }
            if !is_followed(found.source) || shortener(&found.link).is_none() {
                continue;
            }
            let here = wrapper.filter(|wrapper| wrapper.place == found.place).unwrap_or(found);
            let addresses = written.links.entry(found.place).or_default();
            let address = address(&here.written);
            if count < MAX_ADDRESSES || addresses.contains_key(&address) {
                count += usize::from(!addresses.contains_key(&address));
                addresses.entry(address).or_default().insert(found.link.clone());
            } else {
                written.beyond.insert(found.link.clone());
            }
        }
        (!written.links.is_empty()).then_some(written)
    }

    /// The links that must not be asked for because of what stands beside them in the message, each with why.
    #[must_use]
    pub fn beside(self, input: &ScanInput) -> BTreeMap<Link, Why> {
        let mut spared: BTreeMap<Link, Why> =
            self.beyond.into_iter().map(|link| (link, Why::Budget)).collect();
        for (place, addresses) in self.links {
            let mut said = BTreeSet::new();
            match place {
                Place::Subject => {
                    for subject in input.message.values("Subject").take(4) {
                        Reading::of(&mail::header::decode_words(subject), false).look(&addresses, &mut said);
                    }
                }
                // Those are not followed.
                Place::Header(_) => {}
                Place::Part(at) => {
                    if let Some(part) = input.parts.list.get(at) {
                        read(part, &addresses, &mut said);
                    }
                }
            }
            spared.extend(said.into_iter().map(|link| (link, Why::Unsubscribe)));
        }
        spared
    }
}

/// How an address is looked for: without scheme, and without query where its path says enough.
fn address(written: &str) -> String {
    let rest = written.split_once("//").map_or(written, |(_, rest)| rest);
    let path = rest.split(['?', '#', '&']).next().unwrap_or_default();
    let says_enough = path.split_once('/').is_some_and(|(_, path)| !path.is_empty());
    let address = if says_enough { path } else { rest.split('&').next().unwrap_or_default() };
    let end = address.floor_char_boundary(MAX_ADDRESS);
    Folded::of(address.get(..end).unwrap_or_default()).0
}

fn read(part: &Part, addresses: &BTreeMap<String, BTreeSet<Link>>, said: &mut BTreeSet<Link>) {
    let kinds: Vec<Kind> = Kind::of(part).collect();
    if kinds.contains(&Kind::Archive) {
        let message = mail::header::parse(part.content.clone());
        for part in &mail::walk(&message, &mail::Limits::default()).list {
            if !Kind::of(part).any(|kind| kind == Kind::Archive) {
                read(part, addresses, said);
            }
        }
    }
    let mut text = String::from_utf8_lossy(&part.content);
    if kinds.contains(&Kind::Calendar) {
        // Lines put together again (RFC 5545 §3.1).
        text = Cow::Owned(text.replace("\r\n ", "").replace("\n ", "").replace("\\n", "\n"));
    }
    Reading::of(&text, kinds.contains(&Kind::Html)).look(addresses, said);
}

/// A text in both readings.
#[derive(Default)]
struct Reading {
    /// With its markup.
    raw: Folded,
    /// Without.
    shown: Folded,
    /// Where a stretch of `raw` begins, where in `shown` that is, and whether it is a tag. In order.
    stretches: Vec<(usize, usize, bool)>,
}

impl Reading {
    fn of(text: &str, is_page: bool) -> Self {
        let mut reading = Self::default();
        let mut rest = text;
        while is_page && let Some(begin) = memchr::memchr(b'<', rest.as_bytes()) {
            let (before, tag) = rest.split_at(begin);
            let Some(length) = memchr::memchr(b'>', tag.as_bytes()) else { break };
            let (tag, behind) = tag.split_at(length + 1);
            reading.push(&resolved(before, false), false);
            reading.push(&resolved(tag, true), true);
            rest = behind;
        }
        let last = if is_page { resolved(rest, false) } else { Cow::Borrowed(rest) };
        reading.push(&last, false);
        reading
    }

    fn push(&mut self, text: &str, is_tag: bool) {
        self.stretches.push((self.raw.0.len(), self.shown.0.len(), is_tag));
        self.raw.push(text);
        self.shown.push(if is_tag { " " } else { text });
    }

    /// Adds those links to `said` whose addresses have a word beside them.
    fn look(&self, addresses: &BTreeMap<String, BTreeSet<Link>>, said: &mut BTreeSet<Link>) {
        let raw = Words::of(&self.raw.0);
        let shown = Words::of(&self.shown.0);
        if raw.at.is_empty() && shown.at.is_empty() {
            return;
        }
        for (address, links) in addresses.iter().filter(|(address, _)| !address.is_empty()) {
            let is_said = memmem::find_iter(self.raw.0.as_bytes(), address.as_bytes()).any(|begin| {
                let end = begin + address.len();
                let is_letter = |at: Option<char>| at.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
                // It is part of another.
                if is_letter(self.raw.0.get(end..).and_then(|rest| rest.chars().next())) {
                    return false;
                }
                let stretch = self.stretches.partition_point(|(from, ..)| *from <= begin);
                let stretch = stretch.checked_sub(1).and_then(|at| self.stretches.get(at));
                let (from, shown_from, is_tag) = stretch.copied().unwrap_or_default();
                let shown_at = shown_from + if is_tag { 0 } else { begin - from };
                let shown_end = shown_at + if is_tag { 0 } else { address.len() };
                raw.is_near(begin, end) || shown.is_near(shown_at, shown_end)
            });
            if is_said {
                said.extend(links.iter().cloned());
            }
        }
    }
}

/// A text and where in it there are words for unsubscribing.
struct Words<'t> {
    text: &'t str,
    /// Begin and end of each, in order.
    at: Vec<(usize, usize)>,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        let all = WORDS.iter().flat_map(|word| {
            memmem::find_iter(text.as_bytes(), word.as_bytes()).map(|at| (at, at + word.len()))
        });
        let mut at: Vec<(usize, usize)> = all.collect();
        at.sort_unstable();
        Self { text, at }
    }

    /// Whether one stands near the stretch of text from `begin` to `end`.
    fn is_near(&self, begin: usize, end: usize) -> bool {
        let next = self.at.partition_point(|(from, _)| *from < begin);
        let before = next.checked_sub(1).and_then(|at| self.at.get(at)).map(|(_, to)| (*to, begin));
        let behind = self.at.get(next).map(|(from, _)| (end, *from));
        [before, behind].into_iter().flatten().any(|(from, to)| self.is_short(from, to))
    }

    /// Whether so little text is between the two that they are beside one another.
    fn is_short(&self, from: usize, to: usize) -> bool {
        if to.saturating_sub(from) > NEAR_BYTES {
            return false;
        }
        // Where it begins in the middle of a letter it is read a little longer.
        let from = self.text.floor_char_boundary(from);
        let to = self.text.floor_char_boundary(to);
        self.text.get(from..to).is_none_or(|between| between.chars().count() <= NEAR)
    }
}
