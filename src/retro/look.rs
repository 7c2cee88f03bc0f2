//! Looking accepted messages up again.

use super::kept::{Found, Kept};
use super::segment::SegmentError;
use super::things::{Thing, Things};
use super::{Accepted, rank};
use crate::audit::{Caught, CaughtBy};
use crate::feed::{Asked, Entry, FileHash, Index, Match};
use crate::link::Link;
use crate::model::{Category, Timestamp, causes, text};
use crate::store::StoreError;

/// The most that is told in one round; the rest comes with the next one.
pub(super) const MAX_FOUND: usize = 1_000;
/// The most characters of what a publisher says.
const MAX_SAYS: usize = 200;

/// What feeds are of.
pub(super) type CategoryOf<'a> = dyn Fn(&str) -> Category + 'a;

/// What came of a round.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// What is new.
    pub(super) found: Vec<Found>,
    /// There is more than is told in one round.
    pub(super) more: bool,
    /// Messages that could not be read.
    pub(super) damaged: u64,
}

/// Looks all of them up. Blocks, for some seconds where there are many.
pub(super) fn round(
    kept: &Kept,
    messages: impl Iterator<Item = Result<Accepted, SegmentError>>,
    index: &Index,
    category: &CategoryOf<'_>,
    now: Timestamp,
) -> Result<Round, StoreError> {
    let mut round = Round::default();
    for message in messages {
        let message = match message {
            Ok(message) => message,
            Err(SegmentError::Damaged(_)) => {
                round.damaged += 1;
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "some accepted mail was not looked up again; the rest was");
                continue;
            }
        };
        for (thing, matches) in known(index, &message.things) {
            let Some((matched, entry)) = strongest(thing, matches) else { continue };
            let strength = rank(Some(matched.strength()));
            if kept.told(message.id, thing.text())?.is_some_and(|told| told >= strength) {
                continue;
            }
            if round.found.len() >= MAX_FOUND {
                round.more = true;
                return Ok(round);
            }
            let caught = Caught {
                by: CaughtBy::Feed,
                id: message.id,
                time: now,
                accepted: message.time,
                what: thing.text().to_owned(),
                feed: matched.feed.to_string(),
                kind: matched.kind.name().to_owned(),
                category: category(&matched.feed),
                says: entry.map(|entry| says(&entry)).unwrap_or_default(),
                findings: Vec::new(),
            };
            round.found.push(Found { strength, caught });
        }
    }
    Ok(round)
}

/// What of a message feeds know, in its order.
fn known<'a>(index: &Index, things: &'a Things) -> Vec<(Thing<'a>, Vec<Match>)> {
    let mut known: Vec<(usize, Vec<Match>)> = Vec::new();
    let (mut links, mut places) = (Vec::new(), Vec::new());
    let things: Vec<Thing<'_>> = things.iter().collect();
    for (place, thing) in things.iter().enumerate() {
        match thing {
            Thing::Link(text, _) => {
                links.extend(link(text));
                places.resize(links.len(), place);
            }
            Thing::File(hash, _) => {
                let found = FileHash::parse("sha256", hash).map(|file| index.look_up(Asked::File(&file)));
                known.extend(found.filter(|found| !found.is_empty()).map(|found| (place, found)));
            }
        }
    }
    index.look_up_links(links.iter(), |number, found| {
        known.extend(places.get(number).map(|place| (*place, found)));
    });
    known.sort_by_key(|(place, _)| *place);
    known.into_iter().filter_map(|(place, found)| Some((*things.get(place)?, found))).collect()
}

/// A link that was written down.
fn link(text: &str) -> Option<Link> {
    Link::from_normal(text).or_else(|| Link::parse(text).ok())
}

/// The strongest match of a thing, if it is stronger than what was known when the message was judged.
fn strongest(thing: Thing<'_>, matches: Vec<Match>) -> Option<(Match, Option<Entry>)> {
    let (read, file);
    let (asked, known) = match thing {
        Thing::Link(text, known) => {
            read = link(text)?;
            (Asked::Link(&read), known)
        }
        Thing::File(hash, known) => {
            file = FileHash::parse("sha256", hash)?;
            (Asked::File(&file), known)
        }
    };
    // The strongest stands first.
    let stronger = matches.into_iter().filter(|found| rank(Some(found.strength())) > known);
    stronger.into_iter().find_map(|found| match found.confirmed(asked) {
        Ok(Some(entry)) => Some((found, Some(entry))),
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(
                feed = &*found.feed,
                "what a feed says of an entry is not known: {}",
                causes(&error)
            );
            Some((found, None))
        }
    })
}

fn says(entry: &Entry) -> String {
    let words = [&entry.threat, &entry.tags, &entry.reference];
    let words: Vec<&str> = words.into_iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
    text::line(&words.join("; "), MAX_SAYS)
}
