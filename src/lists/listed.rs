//! What is known of an entry: why it is there, since when, until when, and whether it is of any use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::model::{Span, Timestamp, text};

/// Longest comment, in characters.
pub const MAX_COMMENT: usize = 300;
/// Longest name of an author, in characters.
const MAX_BY: usize = 100;

/// An entry with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What is listed.
    pub entry: Entry,
    /// Why, for people: one line of at most [`MAX_COMMENT`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Box<str>>,
    /// Who put it there, or changed it last.
    pub by: Arc<str>,
    /// Since when it is there.
    pub created: Timestamp,
    /// From then on it matches no more. `None`: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// How many messages and refused transactions it matched.
    #[serde(default)]
    pub hits: u64,
    /// When it matched last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_hit: Option<Timestamp>,
}

impl Listed {
    /// Whether its time is over.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// `example.org (spam since May; expires 2026-12-24T00:00:00.000Z)`: for the audit.
    #[must_use]
    pub fn told(&self) -> String {
        let expires = self.expires.map(|end| format!("expires {end}"));
        let more: Vec<&str> = self.comment.as_deref().into_iter().chain(expires.as_deref()).collect();
        if more.is_empty() { self.entry.to_string() } else { format!("{} ({})", self.entry, more.join("; ")) }
    }
}

/// A comment as it is kept; `None` for an empty one.
///
/// # Errors
/// If it is too long, as a sentence.
pub fn comment(text: &str) -> Result<Option<Box<str>>, String> {
    let count = text.trim().chars().count();
    if count > MAX_COMMENT {
        return Err(format!("the comment has {count} characters, and may have {MAX_COMMENT}"));
    }
    let safe = text::line(text.trim(), MAX_COMMENT);
    let safe = safe.trim();
    Ok((!safe.is_empty()).then(|| safe.into()))
}

/// An author's name as it is kept.
pub(super) fn author(text: &str) -> Arc<str> {
    text::line(text.trim(), MAX_BY).trim().into()
}

/// When an entry expires, as people write it: `30d` from `now`, a day (its beginning, UTC), a time, or
/// `never`.
///
/// # Errors
/// If it is none of these, or over already, as a sentence.
pub fn expiry(written: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let written = written.trim();
    if written == "never" {
        return Ok(None);
    }
    let shown = text::line(written, 60);
    let end = match written.parse::<Span>() {
        Ok(span) => u64::try_from(span.duration().as_millis())
            .ok()
            .and_then(|millis| now.millis().checked_add(millis))
            .map(Timestamp::from_millis)
            .filter(|end| *end < END_OF_TIME)
            .ok_or_else(|| format!("{shown:?} is longer than there are years; write never"))?,
        Err(_) => Timestamp::parse(written)
            .or_else(|| Timestamp::parse(&format!("{written}T00:00:00Z")))
            .ok_or_else(|| {
                format!(
                    "{shown:?} is no end; write how long from now (30d, 12h), a day (2026-12-24), a time \
                     (2026-12-24T12:00:00Z) or never"
                )
            })?,
    };
    if end <= now {
        return Err(format!("{shown:?} is over already: it is {now}"));
    }
    Ok(Some(end))
}

/// 9999-12-31: later moments cannot be written as RFC 3339.
const END_OF_TIME: Timestamp = Timestamp::from_millis(253_402_214_400_000);

/// An entry in memory, with counters that change while mail passes.
#[derive(Debug)]
pub(super) struct Item {
    kept: Listed,
    hits: AtomicU64,
    /// In milliseconds; 0: never.
    last_hit: AtomicU64,
    /// It was hit since it was written.
    hit: AtomicBool,
}

impl Item {
    pub(super) fn new(kept: Listed) -> Self {
        let last_hit = kept.last_hit.map_or(0, Timestamp::millis).into();
        Self { hits: kept.hits.into(), last_hit, hit: false.into(), kept }
    }

    /// What it is, without what changes.
    pub(super) const fn kept(&self) -> &Listed {
        &self.kept
    }

    /// Everything, with the counters as they are now.
    pub(super) fn now(&self) -> Listed {
        let last = self.last_hit.load(Ordering::Relaxed);
        Listed {
            hits: self.hits.load(Ordering::Relaxed),
            last_hit: (last > 0).then(|| Timestamp::from_millis(last)),
            ..self.kept.clone()
        }
    }

    /// Counts; whether it is the first time since [`Self::written`].
    pub(super) fn count(&self, now: Timestamp) -> bool {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.last_hit.fetch_max(now.millis(), Ordering::Relaxed);
        !self.hit.swap(true, Ordering::Relaxed)
    }

    /// Its counters are about to be written.
    pub(super) fn written(&self) {
        self.hit.store(false, Ordering::Relaxed);
    }

    /// Takes over what the item that it replaces has counted.
    pub(super) fn follow(&self, old: &Self) {
        self.hits.fetch_max(old.hits.load(Ordering::Relaxed), Ordering::Relaxed);
        self.last_hit.fetch_max(old.last_hit.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
