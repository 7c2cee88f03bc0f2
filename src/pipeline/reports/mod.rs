//! What users say of the mail they got: moved into Junk it is spam, moved out of it, it is none.
//!
//! **Contract.** [`Reports::admit`] counts against the limits, [`Reports::room`] keeps what waits within
//! [`ROOM`], [`Reports::take`] returns at once: a mail program waits while its user moves mail. Behind that a task
//! finds the message on record, has rspamd taught by what the sender wrote – without the fields that mailward and
//! the delivery put on top – and writes one entry into the audit journal: who said what of which message, and
//! what came of it.
//!
//! A user can put any message into their mailbox, with any field. So an `X-Mailward-Id` counts only where the
//! record of that id agrees (`identify`); one that does not agree teaches nothing, and is told.
//!
//! **Failures.** [`ReportError`] when a report is not taken: it is counted, and is gone. Whatever goes wrong later
//! stands in the entry. At the daemon's stop, reports that wait are put on record and teach nothing.

mod config;
mod identify;
mod limit;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, RwLock, Semaphore};

use super::release::{Class, Learned, ReleaseError, Releases, sentence};
use crate::audit::{Entry, ReportKind, Reported, Sync};
use crate::mail;
use crate::model::{Message, Session, text};
use crate::telemetry::spawn::supervised;
pub use config::Config;
use identify::Identity;
use limit::Limits;

/// The most bytes of a message that is reported. Of a larger one its head is enough to put it on record.
pub const LARGEST: usize = 8 << 20;
/// The most bytes of all reports that wait or are worked on.
pub const ROOM: usize = 64 << 20;
/// Reports worked on at once.
const PLACES: usize = 2;
/// How long a report waits for its turn to teach.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long one waits for room.
const WAIT: Duration = Duration::from_secs(2);
/// The most characters of a user's or a mailbox's name.
const MAX_NAME: usize = 200;

/// A report.
#[derive(Clone, Debug)]
pub struct Said {
    /// What the message is said to be.
    pub class: Class,
    /// Whose mailbox it is, as the mail server says; may be empty.
    pub user: String,
    /// Into which mailbox it was moved; may be empty.
    pub mailbox: String,
    /// Through whom it came.
    pub by: String,
    /// Only the beginning of the message is here.
    pub cut: bool,
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// This user, or all of them.
    #[error(
        "too many reports {of} in the last hour; this one is left out (see [report] in the configuration)"
    )]
    TooMany {
        /// Of whom.
        of: String,
    },
    /// There is no room.
    #[error("too many reports wait for rspamd to be taught; this one is left out")]
    NoRoom,
    /// There is nothing in it.
    #[error("there is no message in this report: it is empty")]
    Empty,
    /// The daemon is going down.
    #[error("mailward is being stopped; try again when it runs")]
    Stopping,
}

/// Room for one report; given back when dropped.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// As much as both together.
    pub fn and(&mut self, more: Self) {
        self.0.merge(more.0);
    }
}

/// Takes reports.
pub struct Reports {
    releases: Arc<Releases>,
    config: ArcSwap<Config>,
    limits: Mutex<Limits>,
    room: Arc<Semaphore>,
    turns: Semaphore,
    /// Read by whatever is worked on, written at the stop.
    work: Arc<RwLock<()>>,
}

/// What came of a report, as the metric has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Learned,
    Known,
    Failed,
    NotTaught,
    Limited,
    NoRoom,
}

impl Came {
    const ALL: [Self; 6] =
        [Self::Learned, Self::Known, Self::Failed, Self::NotTaught, Self::Limited, Self::NoRoom];

    const fn label(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Known => "known",
            Self::Failed => "failed",
            Self::NotTaught => "not-taught",
            Self::Limited => "limited",
            Self::NoRoom => "no-room",
        }
    }
}

impl Reports {
    /// Teaches through `releases`.
    #[must_use]
    pub fn new(releases: Arc<Releases>, config: Config) -> Arc<Self> {
        for class in [Class::Spam, Class::Ham] {
            for came in Came::ALL {
                releases.parts().metrics.reports.with_label_values(&[class.name(), came.label()]);
            }
        }
        Arc::new(Self {
            releases,
            config: ArcSwap::from_pointee(config),
            limits: Mutex::default(),
            room: Arc::new(Semaphore::new(ROOM)),
            turns: Semaphore::new(PLACES),
            work: Arc::default(),
        })
    }

    /// Takes new settings.
    pub fn configure(&self, config: Config) {
        self.config.store(Arc::new(config));
    }

    /// Counts one report of `user`.
    ///
    /// # Errors
    /// If there were too many lately.
    pub fn admit(&self, class: Class, user: &str) -> Result<(), ReportError> {
        let config = self.config.load();
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(beyond) = limits.take(user, &config, Instant::now()) else { return Ok(()) };
        let tell = limits.may_tell(Instant::now());
        drop(limits);
        self.count(class, Came::Limited);
        let user = text::line(user, MAX_NAME);
        let of = match beyond {
            limit::Beyond::User if !user.is_empty() => format!("of {user}"),
            _ => "of all users".to_owned(),
        };
        if let Some(silent) = tell {
            let of = self.releases.parts().audit.hidden(&of);
            tracing::warn!(
                what = of,
                untold = silent,
                "too many reports of spam or ham in an hour; those beyond are left out"
            );
        }
        Err(ReportError::TooMany { of })
    }

    /// Room for a report of so many bytes; for one that is larger than may be, as much as that.
    ///
    /// # Errors
    /// If none comes free soon.
    pub async fn room(&self, class: Class, bytes: u64) -> Result<Room, ReportError> {
        let bytes = u32::try_from(bytes.clamp(1, LARGEST as u64)).unwrap_or(u32::MAX);
        let waiting = Arc::clone(&self.room).acquire_many_owned(bytes);
        match tokio::time::timeout(WAIT, waiting).await {
            Ok(Ok(room)) => Ok(Room(room)),
            Ok(Err(_)) => Err(ReportError::Stopping),
            Err(_) => {
                self.count(class, Came::NoRoom);
                Err(ReportError::NoRoom)
            }
        }
    }

    /// Takes a report; what is done about it is done behind the caller's back.
    ///
    /// # Errors
    /// If there is nothing in it, or the daemon stops.
    pub fn take(self: &Arc<Self>, said: Said, message: Bytes, room: Room) -> Result<(), ReportError> {
        if message.trim_ascii().is_empty() {
            return Err(ReportError::Empty);
        }
        let work = Arc::clone(&self.work).try_read_owned().map_err(|_| ReportError::Stopping)?;
        let own = Arc::clone(self);
        supervised("report", &self.releases.parts().metrics, async move {
            let (_work, _room) = (work, room);
            own.done(said, message).await;
        });
        Ok(())
    }

    /// At the stop: takes no new ones, lets those that wait go without teaching, and waits until all are on record, at most
    /// `limit`.
    pub async fn finish(&self, limit: Duration) {
        self.room.close();
        self.turns.close();
        if tokio::time::timeout(limit, self.work.write()).await.is_err() {
            tracing::warn!(
                "rspamd was still learning from a report at the stop; that report is not on record"
            );
        }
    }

    async fn done(&self, said: Said, raw: Bytes) {
        let audit = Arc::clone(&self.releases.parts().audit);
        // Lines that end in a bare LF, as a pipe has them, are those of a mail again.
        let work = move || {
            let message = mail::header::parse(raw);
            let identity = identify::of(&message, &audit);
            (message, identity)
        };
        let (message, identity) = match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a report of spam or ham could not be looked into");
                return;
            }
        };
        let (came, detail) = self.taught(&said, &message, &identity).await;
        self.count(said.class, came);
        let record = match &identity {
            Identity::OnRecord(record) => Some(record),
            _ => None,
        };
        let report = Reported {
            kind: match said.class {
                Class::Spam => ReportKind::Spam,
                Class::Ham => ReportKind::Ham,
            },
            id: record.map(|record| record.id),
            time: self.releases.parts().clock.now(),
            user: text::line(&said.user, MAX_NAME),
            mailbox: text::line(&said.mailbox, MAX_NAME),
            by: said.by,
            message_id: match record {
                Some(_) => None,
                None => message.first("Message-ID").map(|id| text::line(&id, MAX_NAME)),
            },
            detail,
        };
        // Its text is safe; of foreign fields there is only the Message-ID.
        let entry = Entry::Reported(Box::new(report));
        if let Err(error) = self.releases.parts().audit.append(entry, Sync::Soon).await {
            tracing::error!(%error, "a report of spam or ham could not be noted in the audit journal");
        }
    }

    /// Has rspamd taught, if it may be; what came of it, and that in words.
    async fn taught(&self, said: &Said, message: &Message, identity: &Identity) -> (Came, String) {
        let not = |why: &str| (Came::NotTaught, format!("rspamd was not taught: {why}"));
        let unknown = match identity {
            Identity::Doubtful(why) => return not(why),
            Identity::OnRecord(_) => "",
            Identity::Unknown => "; it is not on record here",
        };
        if !self.config.load().teach {
            return not(&format!("report.teach is off{unknown}"));
        }
        if said.cut {
            return not(&format!("the message is larger than {} MiB{unknown}", LARGEST >> 20));
        }
        let _turn = match tokio::time::timeout(PATIENCE, self.turns.acquire()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return not(&format!("mailward was being stopped{unknown}")),
            Err(_) => return not(&format!("its turn did not come in {} s{unknown}", PATIENCE.as_secs())),
        };
        let session = match identity {
            Identity::OnRecord(record) => record.session.clone(),
            _ => Session::default(),
        };
        let content = self.releases.as_sent(message.raw(), &session);
        match self.releases.lesson(said.class, content).await {
            Ok(learned) => {
                let came = if learned == Learned::Learned { Came::Learned } else { Came::Known };
                (came, format!("{}{unknown}", sentence(learned, said.class)))
            }
            Err(error @ ReleaseError::NoTeacher) => not(&format!("{error}{unknown}")),
            Err(error) => {
                let error = text::line(&error.to_string(), 300);
                tracing::warn!(error, "rspamd did not learn from a report of spam or ham");
                (Came::Failed, format!("rspamd did not learn it: {error}{unknown}"))
            }
        }
    }

    fn count(&self, class: Class, came: Came) {
        self.releases.parts().metrics.reports.with_label_values(&[class.name(), came.label()]).inc();
    }
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").field("config", &self.config.load()).finish_non_exhaustive()
    }
}
