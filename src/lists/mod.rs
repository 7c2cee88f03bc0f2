//! What the admin allows and blocks: addresses, domains, clients, hosts of links, files, header fields.
//!
//! Two lists, kept in the database and held in memory, where mail is compared with them: of each thing that
//! is asked about – the client, the reverse-path, the From field – the most specific entry decides (an
//! address before its domain, `@example.org` before `example.org`, that before `org`, a longer network
//! before a shorter one). Where the same entry is on both lists, it blocks. So a wide block has its
//! exceptions on the allow list, and a wide allow its own on the block list. An entry whose time is over
//! matches no more, whether it was swept yet or not. What a hit is worth is the policy's to say.
//!
//! **For whom.** An entry is for all recipients, for those at a domain, or for one ([`Scope`]). What counts for
//! a recipient is what would count if only the entries that take him in were there: first the more specific
//! pattern, of equal patterns the one for fewer recipients, of equal ones of both the block.
//!
//! **Contract.** [`Lists::hits`] and [`Lists::count`] are for the way of the mail: they look into memory
//! alone and never wait for the disk. Everything else blocks. A change is on disk when its call returns
//! `Ok`, and mail is compared with it from then on. An import happens as a whole or not at all, also when the
//! daemon is killed in it. Hit counts are written once a minute and at the stop; a crash loses that minute.
//! Nothing here writes the audit: each change returns what happened, and its caller tells it. Each is written down
//! with what stood there before it is made, has a number, and can be undone by it ([`Lists::undo`]) for 90 days.
//!
//! **An allow is a claim.** Anybody can write any sender, any From and any field. So a hit on the allow list by one of
//! them says for which domain it has to be proven ([`crate::model::ListHit::domain`]), and where it is the exception from a
//! wider block, that block stands beside it ([`crate::model::ListHit::excepted`]): who judges the message knows what SPF and
//! DKIM say, and lets the block count where they do not prove the claim. At RCPT nothing can be proven yet, so
//! a claimed exception is not refused there, but at the end of the message. A client's address needs no proof.
//!
//! **From** is read in two ways. What some mail program may show as an author ([`Asked::from`]) blocks, and the
//! first that is blocked counts. Only who is the author without doubt ([`Asked::authors`]) can be allowed, or
//! excepted from a block, and where there are several each must be.
//!
//! **Failures.** [`ListsError`] for what the disk did not take; the lists in memory are then as before. A
//! damaged record is left out, named in the log at start and in `/readyz`, and goes when its entry is put on
//! the list anew or removed. An entry that cannot be read is an [`EntryError`] with what to write instead.
//!
//! **Links and files.** A block of one blocks the message. An allow is an exception from a wider block of the same
//! kind and lets nothing through by itself: that a link is good says nothing of the rest.
//!
//! Where to find what: settings [`config`], what people write [`entry`] and `content`, what is known of an entry `listed`,
//! look-up `index` and `slot`, what of a message meets which entry `claims`, the disk `kept`, adding, removing and expiry `change`, what was changed `changes`, taking it back `undo`, files `exchange` and `import`,
//! reading `query`, after the database was away `mend`.

mod change;
mod changes;
mod claims;
pub mod config;
mod content;
pub mod entry;
mod exchange;
mod import;
mod index;
mod kept;
mod kind;
mod listed;
mod mend;
mod networks;
mod query;
mod scope;
mod slot;
mod undo;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::model::{List, ListHit, ListHits, Matched, Recipient};
use crate::store::{Store, StoreError};
use crate::telemetry::{Clock, Metrics};
use changes::Log;
use index::Index;
use kept::{Damage, Kept, Loaded};
use listed::Item;

pub use change::{Changed, NewEntry, Removed, Swept};
pub use changes::{Change, Step, What};
pub use config::{Config, Early, Exempted, Terms};
pub use entry::{Entry, EntryError, Pattern};
pub use exchange::{Format, LineFault, Lines, Unreadable, read};
pub use import::{Imported, Mode};
pub use index::Wanted;
pub use kind::Kind;
pub use listed::{Listed, MAX_COMMENT, comment, expiry};
pub use query::{Found, Listing, Query};
pub use scope::Scope;
pub use undo::{Shown, UndoError, Undone};

/// The most entries of one list: they take about half a gigabyte.
const MAX_ENTRIES: usize = 1_000_000;

/// The most entries with a `*` in the value of a field, of both lists together: each of them is held against
/// each such field.
const MAX_GLOBS: usize = 1000;

/// Why a list could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListsError {
    /// The database did not take it, or could not read it. The lists are as before.
    #[error("the lists could not be read or written, nothing was changed: {0}")]
    Store(#[from] StoreError),
    /// It would have more entries than a list may have.
    #[error("the {list} list would have {wanted} entries, and may have {MAX_ENTRIES}; nothing was changed")]
    Full {
        /// Which list.
        list: List,
        /// How many it would have.
        wanted: usize,
    },
    /// There would be more patterns than mail can be compared with in time.
    #[error(
        "the lists would have {wanted} entries with a `*` in the value of a field, and may have {MAX_GLOBS}; \
         nothing was changed"
    )]
    Globs {
        /// How many there would be.
        wanted: usize,
    },
}

/// What is held against the lists.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The connecting client.
    pub client: Option<IpAddr>,
    /// The reverse-path without angle brackets.
    pub sender: Option<&'a str>,
    /// Every address that some mail program may show as the author's.
    pub from: &'a [String],
    /// The authors, where the From field can be read without doubt; else empty.
    pub authors: &'a [String],
    /// For whom. Entries for some recipients only are looked for where these are.
    pub recipients: &'a [Recipient],
    /// The hosts of its links, as [`crate::link::Host`] is written.
    pub hosts: &'a [String],
    /// The SHA-256 of its files, in digits of lower case.
    pub files: &'a [&'a str],
    /// Name, in lower case, and value, by [`field_value`], of its header fields.
    pub fields: &'a [(String, String)],
}

/// The decoded value of a header field in the form in which it is compared.
#[must_use]
pub fn field_value(decoded: &str) -> String {
    content::value(decoded)
}

/// Both lists.
pub struct Lists {
    kept: Kept,
    /// What was changed.
    log: Log,
    /// Locked for a few hash look-ups, for one insertion, or to put another index in its place.
    index: RwLock<Index>,
    /// Held by whoever changes the lists, from reading what is there to the index.
    changing: Mutex<()>,
    /// Entries that were hit since their counters were written.
    hit: Mutex<HashSet<(List, Entry)>>,
    /// Records that could not be read at the start, and were not put right since.
    damaged: Mutex<Vec<Damage>>,
    /// Which opening of the database says what the index says.
    generation: AtomicU64,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl Lists {
    /// Opens the lists in `store` and reads all of them. The notes are for the log: each names a record that
    /// cannot be read. Blocks.
    ///
    /// # Errors
    /// If the database cannot be read. Single records that cannot are notes.
    pub fn open(
        store: &Store,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Result<(Arc<Self>, Vec<String>), ListsError> {
        let (kept, Loaded { entries, damaged }) = Kept::open(store)?;
        let (log, log_notes) = Log::open(store)?;
        let mut index = Index::default();
        let mut authors: HashSet<Arc<str>> = HashSet::new();
        for (list, mut listed) in entries {
            match authors.get(&listed.by) {
                Some(known) => listed.by = Arc::clone(known),
                None => drop(authors.insert(Arc::clone(&listed.by))),
            }
            index.put(list, Arc::new(Item::new(listed)));
        }
        if let Some(note) = log.settle(|list, entry| index.get(list, entry).map(|item| item.now()))? {
            tracing::warn!(note, "lists");
        }
        let notes = damaged
            .iter()
            .map(|damage| {
                format!("an entry is left out: {}; put it on its list anew, or remove it", damage.note)
            })
            .chain(log_notes)
            .collect();
        let lists = Self {
            kept,
            log,
            index: RwLock::new(index),
            changing: Mutex::default(),
            hit: Mutex::default(),
            damaged: Mutex::new(damaged),
            generation: AtomicU64::new(store.generation()),
            clock,
            metrics,
        };
        lists.set_gauges();
        Ok((Arc::new(lists), notes))
    }

    /// The entries that decide about what is asked: of client, sender and From at most one each, and beside
    /// an exception on the allow list the block that it is one from; of links, files and fields a few. Does not
    /// count them. Where entries are for some recipients only, those of different recipients stand side by side:
    /// [`ListHits::for_recipient`].
    #[must_use]
    pub fn hits(&self, asked: &Asked<'_>) -> ListHits {
        claims::hits(&self.index(), asked, self.clock.now())
    }

    /// What of the content of a message is asked about at all.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        self.index().wanted()
    }

    /// How many entries there are for links.
    #[must_use]
    pub fn links(&self) -> usize {
        self.index().links()
    }

    /// Counts the hits of one message, or of one refused transaction. A block that has an exception is not
    /// counted beside it.
    pub fn count(&self, hits: &ListHits) {
        let now = self.clock.now();
        let key = |hit: &ListHit| (hit.list, hit.on, hit.entry.clone(), hit.scope.clone());
        let mut counted = HashSet::new();
        for hit in hits.0.iter().filter(|hit| !hit.excepted) {
            // It may stand there once for all and once for some.
            if hits.is_scoped() && !counted.insert(key(hit)) {
                continue;
            }
            let on = match hit.on {
                Matched::Client => "client",
                Matched::Sender => "sender",
                Matched::From => "from",
                Matched::Url => "url",
                Matched::Attachment => "attachment",
                Matched::Header => "header",
            };
            self.metrics.list_hits.with_label_values(&[hit.list.name(), on]).inc();
            let scope = hit.scope.as_deref().map(str::parse).transpose();
            let (Ok(entry), Ok(scope)) = (Entry::parse(&hit.entry), scope) else { continue };
            let entry = entry.within(scope);
            // Removed in the meantime: nothing is left to count on.
            let first = self.index().get(hit.list, &entry).is_some_and(|item| item.count(now));
            if first {
                self.hit().insert((hit.list, entry));
            }
        }
    }

    /// What does not work as it should, for `/readyz`.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self.damaged().len() {
            0 => None,
            1 => Some("an entry cannot be read and is left out; the log of the start names it".to_owned()),
            n => {
                Some(format!("{n} entries cannot be read and are left out; the log of the start names them"))
            }
        }
    }

    /// Does something while no entry is put on a list or taken off. Mail goes on.
    pub fn while_still<T>(&self, work: impl FnOnce() -> T) -> T {
        let _claim = self.claim();
        work()
    }

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        // Nothing panics between two changes of the index that belong together.
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_index<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        let changed = change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        self.set_gauges();
        changed
    }

    fn hit(&self) -> MutexGuard<'_, HashSet<(List, Entry)>> {
        self.hit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self) -> MutexGuard<'_, Vec<Damage>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_gauges(&self) {
        let index = self.index();
        for list in List::ALL {
            let count = i64::try_from(index.count(list)).unwrap_or(i64::MAX);
            self.metrics.list_entries.with_label_values(&[list.name()]).set(count);
        }
    }
}

impl fmt::Debug for Lists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lists").finish_non_exhaustive()
    }
}
