//! What was seen of the links of one message, and how records show it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::asks::{List, What};
use crate::feed::{Day, Match, MatchKind, Strength};
use crate::mail::links::{Found, Place};
use crate::model::url::Listed;
use crate::model::{Category, Judgement, SeenUrl};
use crate::policy::Urls;

/// How a block list and a link agree, in the place of [`MatchKind::name`].
const DNSBL: &str = "dnsbl";

/// That a feed knows a thing of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The feed's name in the configuration.
    pub feed: Arc<str>,
    /// What the feed is of.
    pub category: Category,
    /// How link and entry agree.
    pub kind: MatchKind,
    /// Since when the publisher knows it.
    pub added: Option<Day>,
    /// How sure the publisher is, in per cent.
    pub confidence: Option<u8>,
}

impl Hit {
    pub(super) fn new(found: &Match, category: Category) -> Self {
        let Match { feed, kind, added, confidence, .. } = found;
        Self { feed: Arc::clone(feed), category, kind: *kind, added: *added, confidence: *confidence }
    }
}

/// That a DNS block list has the host of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnList {
    /// Which list.
    pub list: List,
    /// What for.
    pub whats: Vec<What>,
    /// What that makes of it.
    pub category: Category,
}

/// The links of one message, and what feeds and block lists know of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The links, in order of appearance.
    pub links: Vec<Found>,
    /// What feeds know, by the position in `links`.
    pub hits: BTreeMap<usize, Vec<Hit>>,
    /// What block lists have, by the position in `links`.
    pub on_lists: BTreeMap<usize, Vec<OnList>>,
    /// Positions of which a block list says that it does not have them.
    pub on_no_list: BTreeSet<usize>,
    /// The SHA-256 of files that a feed knows, in hex.
    pub files: Vec<String>,
    /// Positions that the configuration exempts; sorted.
    pub exempt: Vec<usize>,
    /// Whether any feed was there to be asked.
    pub looked_up: bool,
    /// The day of the look.
    pub today: Option<Day>,
}

impl Seen {
    /// How strongly any feed knows the link at `position`.
    #[must_use]
    pub fn strength(&self, position: usize) -> Option<Strength> {
        self.hits.get(&position)?.iter().map(|hit| hit.kind.strength()).max()
    }

    /// The links as records show them, at most `most`: those that a feed or a block list knows before the others.
    /// And how many were left out.
    #[must_use]
    pub fn shown(&self, most: usize) -> (Vec<SeenUrl>, usize) {
        let left_out = self.links.len().saturating_sub(most);
        if left_out == 0 {
            return (self.links.iter().enumerate().map(|(at, found)| self.one(at, found)).collect(), 0);
        }
        let known: BTreeSet<usize> = self.hits.keys().chain(self.on_lists.keys()).copied().collect();
        let mut chosen: Vec<usize> = known.iter().copied().take(most).collect();
        let others = (0..self.links.len()).filter(|at| !known.contains(at));
        chosen.extend(others.take(most - chosen.len()));
        chosen.sort_unstable();
        let shown = chosen.into_iter().filter_map(|at| Some(self.one(at, self.links.get(at)?)));
        (shown.collect(), left_out)
    }

    fn one(&self, at: usize, found: &Found) -> SeenUrl {
        let hits = self.hits.get(&at).map(Vec::as_slice).unwrap_or_default();
        let on_lists = self.on_lists.get(&at).map(Vec::as_slice).unwrap_or_default();
        let categories = hits.iter().map(|hit| hit.category).chain(on_lists.iter().map(|on| on.category));
        let judgement = match categories.max() {
            Some(category) => category.into(),
            None if self.exempt.binary_search(&at).is_ok() => Judgement::Exempt,
            None if self.looked_up || self.on_no_list.contains(&at) => Judgement::Unknown,
            None => Judgement::NotLookedUp,
        };
        SeenUrl {
            url: found.link.to_string(),
            source: found.source.label().to_owned(),
            shown: found.shown.clone(),
            part: match found.place {
                Place::Subject | Place::Header(_) => None,
                Place::Part(index) => Some(index + 1),
            },
            judgement,
            listed: hits.iter().map(|hit| self.listed(hit)).chain(on_lists.iter().map(on_list)).collect(),
        }
    }

    fn listed(&self, hit: &Hit) -> Listed {
        Listed {
            feed: hit.feed.to_string(),
            kind: hit.kind.name().to_owned(),
            added: hit.added.map(|day| day.to_string()),
            age_days: hit.added.zip(self.today).map(|(added, today)| added.until(today)),
            confidence: hit.confidence,
            what: None,
        }
    }
}

impl Urls for Seen {
    fn count(&self) -> usize {
        self.links.len()
    }

    fn get(&self, position: usize) -> Option<Cow<'_, SeenUrl>> {
        self.links.get(position).map(|found| Cow::Owned(self.one(position, found)))
    }
}

fn on_list(on: &OnList) -> Listed {
    let whats: Vec<&str> = on.whats.iter().map(|what| what.label()).collect();
    Listed {
        feed: on.list.name().to_owned(),
        kind: DNSBL.to_owned(),
        added: None,
        age_days: None,
        confidence: None,
        what: Some(whats.join(", ")),
    }
}
