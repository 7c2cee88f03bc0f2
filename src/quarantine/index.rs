//! The summary of all entries in memory: what look-ups and retention need without reading files.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use super::{Config, Copies, Key, Meta, Query, Standing, Totals, Waiting};
use crate::model::{Category, MailId, Recipient, Scanner, Timestamp};

/// How long the same message is the same entry: as long as a sender's queue usually keeps it.
pub(super) const RETRY_WINDOW: Duration = Duration::from_hours(5 * 24);
/// Who goes first when room is short: see the module's head.
const FIRST_TO_GO: [Category; 5] =
    [Category::Spam, Category::Malware, Category::Phish, Category::Suspicious, Category::Clean];
/// The most recipients of an entry that are kept in memory; of more, the meta file is asked.
const MAX_RECIPIENTS: usize = 32;

/// The classes of held mail, those of [`Category::ALL`].
const HELD: usize = 5;
/// The class of copies that wait for a second look.
const SECOND_LOOK: usize = 5;
/// The class of copies that were found bad by it.
const CAUGHT: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<MailId, Summary>,
    /// Oldest first, by class in the order of [`Category::ALL`], then copies of delivered mail.
    ages: [BTreeSet<(Timestamp, MailId)>; 7],
    /// Bytes by class.
    bytes: [u64; 7],
    /// The entry that a later attempt joins.
    keys: HashMap<Key, MailId>,
    /// Ids of later attempts, and the entry that they joined.
    attempts: HashMap<MailId, MailId>,
}

#[derive(Debug)]
struct Summary {
    key: Key,
    time: Timestamp,
    /// When it was taken last: what was promised today is not old because it was first sent last week.
    last: Timestamp,
    category: Category,
    standing: Standing,
    /// Of a copy: of which message, and who did not look at it.
    copy: Option<Box<(MailId, Vec<Scanner>)>>,
    size: u64,
    /// Lower case.
    sender: Box<str>,
    /// Lower case, a line each.
    recipients: Box<str>,
    /// There are more recipients than stand here.
    has_more: bool,
    /// Author, subject, reason, rule in lower case, a line each.
    text: Box<str>,
    attempts: Vec<MailId>,
}

/// Whether an entry is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    No,
    Yes,
    /// Only the meta file can tell.
    AskMeta,
}

impl Index {
    /// How many are held. Copies of delivered mail are not.
    pub(super) fn len(&self) -> usize {
        self.ages.iter().take(HELD).map(BTreeSet::len).sum()
    }

    /// Bytes of those.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.iter().take(HELD).sum()
    }

    /// The copies of delivered mail.
    pub(super) fn copies(&self) -> Copies {
        let of = |class: usize| self.ages.get(class).map_or(0, |ages| ages.len() as u64);
        let oldest = self.ages.get(SECOND_LOOK).and_then(BTreeSet::first).map(|(time, _)| *time);
        let bytes = self.bytes.iter().skip(HELD).sum();
        Copies { waiting: of(SECOND_LOOK), oldest, caught: of(CAUGHT), bytes }
    }

    /// The copies that wait for a second look, the oldest first.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let ages = self.ages.get(SECOND_LOOK).into_iter().flatten();
        let waiting = ages.filter_map(|(time, id)| {
            let (of, missed) = self.entries.get(id)?.copy.as_deref()?;
            Some(Waiting { id: *id, of: *of, time: *time, missed: missed.clone() })
        });
        waiting.collect()
    }

    /// The oldest of those that were found bad.
    pub(super) fn oldest_caught(&self) -> Option<MailId> {
        self.ages.get(CAUGHT).and_then(BTreeSet::first).map(|(_, id)| *id)
    }

    pub(super) fn contains(&self, id: MailId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = MailId> {
        self.entries.keys().copied()
    }

    /// The entries of which a copy may or may not have been delivered.
    pub(super) fn uncertain(&self) -> Vec<MailId> {
        let uncertain = self.entries.iter().filter(|(_, s)| s.standing == Standing::Uncertain);
        uncertain.map(|(id, _)| *id).collect()
    }

    /// The key of an entry.
    pub(super) fn key_of(&self, id: MailId) -> Option<Key> {
        self.entries.get(&id).map(|s| s.key)
    }

    /// The entry that a message with `key` joins now.
    pub(super) fn joined_by(&self, key: Key, now: Timestamp) -> Option<MailId> {
        let id = *self.keys.get(&key)?;
        let time = self.entries.get(&id)?.time;
        (now.since(time) <= RETRY_WINDOW).then_some(id)
    }

    /// The entry of `id`, which may be that of a later attempt.
    pub(super) fn resolve(&self, id: MailId) -> Option<MailId> {
        if self.contains(id) { Some(id) } else { self.attempts.get(&id).copied() }
    }

    /// Puts an entry in, or again after its attempts grew.
    pub(super) fn insert(&mut self, meta: &Meta) {
        self.remove(meta.id);
        let class = class(meta.category, meta.standing());
        self.ages[class].insert((meta.attempts.last, meta.id));
        self.bytes[class] += meta.size;
        // Of two entries with one key the later counts: the earlier is out of the window.
        let joined = self.keys.entry(meta.key).or_insert(meta.id);
        *joined = meta.id.max(*joined);
        self.attempts.extend(meta.attempts.ids.iter().map(|later| (*later, meta.id)));
        self.entries.insert(meta.id, Summary::new(meta));
    }

    pub(super) fn remove(&mut self, id: MailId) -> bool {
        let Some(summary) = self.entries.remove(&id) else { return false };
        let class = class(summary.category, summary.standing);
        self.ages[class].remove(&(summary.last, id));
        self.bytes[class] = self.bytes[class].saturating_sub(summary.size);
        if self.keys.get(&summary.key) == Some(&id) {
            self.keys.remove(&summary.key);
        }
        for later in summary.attempts {
            self.attempts.remove(&later);
        }
        true
    }

    /// Forgets the keys that nothing can join any more.
    pub(super) fn forget_keys(&mut self, now: Timestamp) {
        let entries = &self.entries;
        self.keys.retain(|_, id| entries.get(id).is_some_and(|s| now.since(s.time) <= RETRY_WINDOW));
        self.keys.shrink_to(self.keys.len() * 2);
    }

    /// The entries whose time is over.
    pub(super) fn too_old(&self, config: &Config, now: Timestamp) -> Vec<MailId> {
        let classes = Category::ALL.into_iter().zip(&self.ages);
        let held = classes.map(|(category, ages)| (config.keep.of(category), ages));
        // Those that wait for a second look go by the hand of who looks: that is an event of its own.
        let caught = self.ages.get(CAUGHT).map(|ages| (config.keep.caught, ages));
        held.chain(caught)
            .flat_map(|(keep, ages)| {
                let keep = keep.duration();
                ages.iter().take_while(move |(time, _)| now.since(*time) > keep).map(|(_, id)| *id)
            })
            .collect()
    }

    /// Who has to go so that `more` messages with `size` bytes together fit in, in the order in which
    /// they go. The flag is false if even that is not enough.
    pub(super) fn too_many(
        &self,
        config: &Config,
        now: Timestamp,
        more: usize,
        size: u64,
    ) -> (Vec<MailId>, bool) {
        let mut bytes = self.bytes().saturating_add(size).saturating_sub(config.max_size.0);
        let mut entries = (self.len() + more).saturating_sub(config.max_entries as usize);
        let mut out = Vec::new();
        for class in FIRST_TO_GO {
            for (time, id) in &self.ages[class as usize] {
                if bytes == 0 && entries == 0 {
                    return (out, true);
                }
                if now.since(*time) < config.min_age.duration() {
                    break;
                }
                let size = self.entries.get(id).map_or(0, |s| s.size);
                bytes = bytes.saturating_sub(size);
                entries = entries.saturating_sub(1);
                out.push(*id);
            }
        }
        (out, bytes == 0 && entries == 0)
    }

    pub(super) fn totals(&self) -> Totals {
        let by_category = Category::ALL.into_iter().zip(self.ages.iter().zip(&self.bytes));
        let by_category = by_category
            .filter(|(_, (ages, _))| !ages.is_empty())
            .map(|(category, (ages, bytes))| (category, (ages.len() as u64, *bytes)))
            .collect();
        Totals { entries: self.len() as u64, bytes: self.bytes(), by_category }
    }

    /// The ids that are asked for, newest first, at most `limit` that are certain; `true` marks those
    /// of which the meta file must be asked.
    pub(super) fn find(&self, query: &Query, limit: usize) -> Vec<(MailId, bool)> {
        let query = query.lowered();
        let mut certain = 0;
        let mut out = Vec::new();
        let upto = query.before.map_or(Bound::Unbounded, Bound::Excluded);
        for (id, summary) in self.entries.range((Bound::Unbounded, upto)).rev() {
            match summary.matches(&query) {
                Match::No => {}
                Match::AskMeta => out.push((*id, true)),
                Match::Yes => {
                    out.push((*id, false));
                    certain += 1;
                    if certain == limit {
                        break;
                    }
                }
            }
        }
        out
    }
}

/// Whose age and bytes count together.
const fn class(category: Category, standing: Standing) -> usize {
    match standing {
        Standing::SecondLook => SECOND_LOOK,
        Standing::Caught => CAUGHT,
        Standing::Held | Standing::Uncertain | Standing::Released => category as usize,
    }
}

impl Summary {
    fn new(meta: &Meta) -> Self {
        let all = &meta.envelope.recipients;
        let recipients: Vec<&str> = all.iter().take(MAX_RECIPIENTS).map(Recipient::address).collect();
        let text = [&*meta.from, &*meta.subject, &*meta.reason, &*meta.rule].join("\n");
        Self {
            key: meta.key,
            time: meta.time,
            last: meta.attempts.last,
            category: meta.category,
            standing: meta.standing(),
            copy: meta.second_look.as_ref().map(|look| Box::new((look.of, look.missed.clone()))),
            size: meta.size,
            sender: meta.envelope.reverse_path.address().to_lowercase().into(),
            recipients: recipients.join("\n").to_lowercase().into(),
            has_more: all.len() > MAX_RECIPIENTS,
            text: text.to_lowercase().into(),
            attempts: meta.attempts.ids.clone(),
        }
    }

    /// `query` is in lower case.
    fn matches(&self, query: &Query) -> Match {
        let certain = query.since.is_none_or(|t| self.time >= t)
            && query.until.is_none_or(|t| self.time < t)
            && query.category.is_none_or(|c| self.category == c)
            && query.state.map_or(query.all || !self.standing.is_copy(), |s| self.standing == s)
            && query.sender.as_deref().is_none_or(|s| self.sender.contains(s));
        if !certain {
            return Match::No;
        }
        let recipient = query.recipient.as_deref().is_none_or(|r| self.recipients.contains(r));
        let text = query
            .text
            .as_deref()
            .is_none_or(|t| self.text.contains(t) || self.sender.contains(t) || self.recipients.contains(t));
        match (recipient && text, self.has_more) {
            (true, _) => Match::Yes,
            (false, true) => Match::AskMeta,
            (false, false) => Match::No,
        }
    }
}

/// Whether an entry is asked for, from its whole meta file.
pub(super) fn matches(meta: &Meta, query: &Query) -> bool {
    let mut summary = Summary::new(meta);
    let all: Vec<&str> = meta.envelope.recipients.iter().map(Recipient::address).collect();
    summary.recipients = all.join("\n").to_lowercase().into();
    summary.has_more = false;
    summary.matches(&query.lowered()) == Match::Yes
}
