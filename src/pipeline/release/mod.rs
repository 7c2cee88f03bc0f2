//! Held mail that comes through after all: release, and what goes with it – judging again, and teaching
//! rspamd.
//!
//! **Contract.** [`Releases::release`] hands an entry's copies to the configured server, one transaction for each
//! recipient, with the envelope it came with and byte for byte the message that was judged, but for our own
//! fields. What becomes of each copy stands in the entry before the next thing happens:
//!
//! | state | written |
//! |---|---|
//! | sending | before the last dot goes out; found after a start, it is uncertain |
//! | released | when the server's 250 is here |
//! | held, with the server's words | when it said no: shown, never bounced |
//! | uncertain | when the dot was sent and no answer came |
//!
//! What is released or uncertain is not sent again unless somebody says so. One copy is sent by one
//! caller at a time; while it is under way no lock of the quarantine is held. Malware needs `force`.
//!
//! With `release.filtered` the server hands the copy to this mailward again, where [`Releases::recognise`] knows
//! it by its [token], while it is under way and at no other time: a token is used up with the 250, and not
//! before, so that a 4xx and another try judge nothing anew. Where mail comes by LMTP as well it is good for as long as
//! `release.valid` says, because the copy comes out of the server's queue, after the 250, and so often as a server tries
//! again. Who sees it there can show the same body to the same recipient in another header, and nothing else; a field
//! that says what the body is is covered. A token that is worth nothing leaves the
//! message to be judged like any other. It is taken out in every case, as all fields of our family are.
//!
//! **Who tries again.** A sender who did not hear our answer, and sends what was released meanwhile, joins the
//! entry and is told 250: those for whom it was released have it already, the others wait on.
//!
//! **Failures.** [`ReleaseError`] when nothing was done at all, [`End`] for each copy. A caller who goes away
//! stops nothing: what was begun ends as a task of the daemon, which at its stop waits for it
//! ([`Releases::finish`]). What cannot be written down before the dot is not sent.
//!
//! Where to find what: settings [`config`], the token [`token`], what is under way `flights`, the bytes
//! `content`, one copy `copy`, the in-line part `recognise`, judging again `rescan`, teaching `learn`.

pub mod config;
mod content;
mod copy;
mod error;
mod flights;
mod learn;
#[cfg(test)]
mod malformed;
mod recognise;
mod report;
mod rescan;
mod teacher;
pub mod token;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::audit::{Audit, Entry as Line, Pseudonyms, QuarantineEvent, Sync};
use crate::model::{Category, MailId, OwnId, Recipient, ReversePath, text};
use crate::net::Gate;
use crate::quarantine::{Meta, Quarantine, QuarantineError};
use crate::telemetry::spawn::supervised;
use crate::telemetry::{Clock, Metrics};
pub(super) use content::Entry;
use flights::Flights;

pub use config::Config;
pub use error::ReleaseError;
pub use learn::{Class, Learned, Lesson, Teacher, sentence};
pub use recognise::Recognised;
pub use report::{End, Judgement, OneCopy, Order, Report, Rescanned};
pub(super) use rescan::{entry_of, rescan_of, subject_of};
pub use token::TokenKey;

/// Entries worked on at once: each is held in memory whole.
const PLACES: usize = 2;
/// How long somebody waits for a place.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most characters of an address in a line for people.
const MAX_ADDRESS: usize = 200;

/// What a reload may change.
#[derive(Clone)]
pub struct Settings {
    /// `[release]`.
    pub config: Config,
    /// The name under which our Authentication-Results are trusted.
    pub own_id: OwnId,
    /// Received-SPF fields are ours, so that those which came with a mail go.
    pub received_spf: bool,
    /// Mail comes to us by LMTP too, out of a queue: so does what is released, after the server has taken it.
    pub behind_queue: bool,
    /// Who learns.
    pub teacher: Option<Arc<dyn Teacher>>,
}

/// What it works on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What was held.
    pub quarantine: Arc<Quarantine>,
    /// The record of what happens.
    pub audit: Arc<Audit>,
    /// The time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Hides people in log lines, where that is asked for.
    pub pseudonyms: Option<Arc<Pseudonyms>>,
}

/// Releases held mail, and knows it when it comes by.
pub struct Releases {
    parts: Parts,
    key: TokenKey,
    settings: ArcSwap<Settings>,
    flights: Arc<Flights>,
    gate: Gate,
    /// Read by whoever is at work, written at the stop.
    work: Arc<RwLock<()>>,
    /// When a worthless token was last told of in the log, and how many were not told of since.
    told: Mutex<Option<Instant>>,
    untold: AtomicU64,
}

impl Releases {
    /// With this key, which must stay the same while copies are under way.
    #[must_use]
    pub fn new(parts: Parts, key: TokenKey, settings: Settings) -> Arc<Self> {
        for result in End::ASKED {
            // From the start, so that `rate()` sees the first one.
            parts.metrics.releases.with_label_values(&[result]);
        }
        Arc::new(Self {
            parts,
            key,
            settings: ArcSwap::from_pointee(settings),
            flights: Arc::default(),
            gate: Gate::new(PLACES),
            work: Arc::default(),
            told: Mutex::default(),
            untold: AtomicU64::default(),
        })
    }

    /// Takes new settings; copies under way go on with the old ones.
    pub fn reconfigure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// At start: what was being handed over when mailward stopped is uncertain from now on, in the entries, the
    /// audit and the log.
    ///
    /// # Errors
    /// If an entry cannot be read or written; it is told, and tried again at the next start.
    pub async fn begin(&self) -> Result<(), ReleaseError> {
        let quarantine = Arc::clone(&self.parts.quarantine);
        for (id, recipient) in blocking(move || quarantine.stopped_in_between()).await?? {
            tracing::warn!(
                %id,
                recipient = self.shown(&recipient),
                "mailward was stopped while a held mail was handed over: see the MTA's log whether it has it, and \
                 release it with --again if not"
            );
            let detail = format!("{}: mailward was stopped in between", address(&recipient));
            if let Err(error) =
                self.note(id, QuarantineEvent::ReleaseUncertain, "mailward", detail, Sync::Soon).await
            {
                tracing::warn!(%id, %error, "an uncertain release could not be noted in the audit journal");
            }
        }
        Ok(())
    }

    /// At the stop: takes no new work and waits for what was begun, at most `limit`. Mail must still be taken
    /// meanwhile, because what is released may come through the filter.
    pub async fn finish(&self, limit: Duration) {
        if tokio::time::timeout(limit, self.work.write()).await.is_err() {
            tracing::error!(
                "a held mail was still being handed over at the end of limits.drain; it is uncertain now"
            );
        }
    }

    /// Whether a released copy from `reverse_path` – to `recipient`, if one is given – is under way right now.
    /// Whoever refuses senders or recipients before the message is there must let such a transaction pass: what
    /// it is can only be told by its token.
    #[must_use]
    pub fn expects(&self, reverse_path: &ReversePath, recipient: Option<&Recipient>) -> bool {
        self.flights.expects(reverse_path, recipient)
    }

    /// Hands the copies of the entry `id` over, one after the other.
    ///
    /// # Errors
    /// If there is no such entry, it is malware, or it is not what was judged. What becomes of each copy is
    /// in the report.
    pub async fn release(
        self: &Arc<Self>,
        id: MailId,
        order: Order,
        by: String,
    ) -> Result<Report, ReleaseError> {
        let (own, work) = (Arc::clone(self), self.at_work()?);
        // A task of its own: who asked may go away, and nothing may end between the dot and its answer.
        let task = supervised("release", &self.parts.metrics, async move {
            let _work = work;
            own.all_copies(id, &order, &by).await
        });
        ended(task.await)?
    }

    async fn all_copies(&self, id: MailId, order: &Order, by: &str) -> Result<Report, ReleaseError> {
        let _place = self.place().await?;
        let settings = self.settings.load_full();
        let entry = self.entry(id).await?;
        if entry.meta.second_look.is_some() {
            return Err(ReleaseError::Delivered(entry.meta.id));
        }
        if entry.meta.category == Category::Malware && !order.force {
            return Err(ReleaseError::Malware(entry.meta.id));
        }
        let mut copies = Vec::new();
        let mut unreachable = None;
        for recipient in wanted(&entry.meta, order.recipient.as_deref())? {
            let copy = match &unreachable {
                None => self.copy(&entry, &recipient, order.again, by, &settings, &mut unreachable).await?,
                Some(why) => OneCopy {
                    recipient: recipient.address().to_owned(),
                    end: End::NotSent {
                        why: format!("not tried, because the one before was not sent: {why}"),
                    },
                    warning: None,
                },
            };
            copies.push(copy);
        }
        let released = copies.iter().any(|copy| copy.end.is_released());
        let mut report = Report { id: entry.meta.id, copies, learned: None };
        if order.learn_ham && released {
            let taught = self.teach(Class::Ham, entry.raw.clone(), Some(entry.meta.id), by).await;
            report.learned =
                Some(taught.map_or_else(|e| e.to_string(), |learned| sentence(learned, Class::Ham)));
        }
        Ok(report)
    }

    async fn entry(&self, id: MailId) -> Result<Entry, ReleaseError> {
        let quarantine = Arc::clone(&self.parts.quarantine);
        blocking(move || Entry::read(&quarantine, id)).await?
    }

    /// What it works on.
    pub(in crate::pipeline) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The right to work until the daemon stops.
    fn at_work(&self) -> Result<OwnedRwLockReadGuard<()>, ReleaseError> {
        Arc::clone(&self.work).try_read_owned().map_err(|_| ReleaseError::Stopping)
    }

    /// One of the places for those who hold a message in memory.
    async fn place(&self) -> Result<crate::net::Permit, ReleaseError> {
        let permit = self.gate.enter(Instant::now() + PATIENCE).await;
        permit.ok_or(ReleaseError::Busy(PATIENCE.as_secs()))
    }

    /// A line in the audit journal.
    async fn note(
        &self,
        id: MailId,
        what: QuarantineEvent,
        by: &str,
        detail: String,
        sync: Sync,
    ) -> Result<(), crate::audit::AuditError> {
        let time = self.parts.clock.now();
        self.parts.audit.append(Line::Quarantine { id, what, by: by.to_owned(), time, detail }, sync).await
    }

    /// An address for a log line.
    fn shown(&self, recipient: &Recipient) -> String {
        let address = address(recipient);
        self.parts.pseudonyms.as_ref().map_or(address.clone(), |p| p.address(&address))
    }

    /// Whether it is time for another log line about worthless tokens, and how many were passed over.
    fn may_tell(&self) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| at.elapsed() < Duration::from_secs(10)) {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *told = Some(Instant::now());
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Releases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Releases")
            .field("key", &self.key)
            .field("flights", &self.flights)
            .finish_non_exhaustive()
    }
}

/// Those to whom it is to be released, in the envelope's order.
fn wanted(meta: &Meta, only: Option<&str>) -> Result<Vec<Recipient>, QuarantineError> {
    let mut all: Vec<Recipient> = Vec::new();
    for recipient in &meta.envelope.recipients {
        let asked = only.is_none_or(|only| is_called(recipient, only));
        if asked && meta.state(recipient).is_some() && !all.contains(recipient) {
            all.push(recipient.clone());
        }
    }
    match (all.is_empty(), only) {
        (true, Some(only)) => {
            Err(QuarantineError::NotFor { id: meta.id, recipient: text::line(only, MAX_ADDRESS) })
        }
        _ => Ok(all),
    }
}

/// As an address or as it stands in the record, upper and lower case alike.
fn is_called(recipient: &Recipient, name: &str) -> bool {
    let name = name.trim();
    recipient.to_record().eq_ignore_ascii_case(name) || recipient.address().eq_ignore_ascii_case(name)
}

/// An address on one line.
fn address(recipient: &Recipient) -> String {
    text::line(recipient.address(), MAX_ADDRESS)
}

/// Files block: such work leaves the runtime's threads alone.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReleaseError> {
    ended(tokio::task::spawn_blocking(work).await.map(Some))
}

/// What a task returned; a panic is told.
fn ended<T>(task: Result<Option<T>, tokio::task::JoinError>) -> Result<T, ReleaseError> {
    match task {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(ReleaseError::Inside("a task panicked".to_owned())),
        Err(error) => Err(ReleaseError::Inside(error.to_string())),
    }
}
