//! Teaching rspamd what is spam and what is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::content::Entry;
use super::{ReleaseError, Releases, blocking, ended};
use crate::audit::{AdminEvent, Entry as Line, Sync};
use crate::mail::{cut, received_spf};
use crate::model::{AuthservId, MailId, Session};
use crate::scan::BoxFuture;
use crate::telemetry::spawn::supervised;

/// How long one lesson may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What there is to be learned from.
#[derive(Clone, Debug)]
pub enum Lesson {
    /// A held message.
    Entry(MailId),
    /// A raw message from elsewhere.
    Message(Bytes),
}

/// What a message is to be learned as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

impl Class {
    /// The word in commands, routes and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Ham => "ham",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Class {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Spam, Self::Ham].into_iter().find(|class| class.name() == text);
        found.ok_or_else(|| format!("{text:?} is neither spam nor ham"))
    }
}

/// What a lesson came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learned {
    /// It was new.
    Learned,
    /// It was known as that already.
    Known,
}

/// Who learns: rspamd's controller.
pub trait Teacher: Send + std::marker::Sync {
    /// Has one raw message learned, by `deadline`. Counts it in the metrics.
    ///
    /// # Errors
    /// A sentence: what happened, and what to do.
    fn teach(
        &self,
        class: Class,
        message: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Learned, String>>;
}

/// What a lesson came to, for people.
#[must_use]
pub fn sentence(learned: Learned, class: Class) -> String {
    match learned {
        Learned::Learned => format!("learned as {class}"),
        Learned::Known => format!("known as {class} already"),
    }
}

impl Releases {
    /// Teaches rspamd, and puts that on record.
    ///
    /// # Errors
    /// If there is no such entry, rspamd is not set up, or it refuses.
    pub async fn learn(
        self: &Arc<Self>,
        class: Class,
        lesson: Lesson,
        by: String,
    ) -> Result<Learned, ReleaseError> {
        let (own, work) = (Arc::clone(self), self.at_work()?);
        let task = supervised("learn", &self.parts.metrics, async move {
            let _work = work;
            let _place = own.place().await?;
            let (message, id) = match lesson {
                Lesson::Message(message) => (message, None),
                Lesson::Entry(id) => {
                    let quarantine = Arc::clone(&own.parts.quarantine);
                    let entry = blocking(move || Entry::read(&quarantine, id)).await??;
                    (entry.raw, Some(entry.meta.id))
                }
            };
            own.teach(class, message, id, &by).await
        });
        ended(task.await)?
    }

    pub(super) async fn teach(
        &self,
        class: Class,
        message: Bytes,
        id: Option<MailId>,
        by: &str,
    ) -> Result<Learned, ReleaseError> {
        let learned = self.lesson(class, message).await?;
        let what = id.map_or_else(|| "a message from outside".to_owned(), |id| id.to_string());
        let line = Line::Admin {
            what: AdminEvent::Learned,
            by: by.to_owned(),
            time: self.parts.clock.now(),
            detail: format!("{what}: {}", sentence(learned, class)),
        };
        if let Err(error) = self.parts.audit.append(line, Sync::Soon).await {
            tracing::warn!(%error, "what rspamd learned could not be noted in the audit journal");
        }
        Ok(learned)
    }

    /// Teaches rspamd; nothing is put on record.
    pub(in crate::pipeline) async fn lesson(
        &self,
        class: Class,
        message: Bytes,
    ) -> Result<Learned, ReleaseError> {
        if message.is_empty() {
            return Err(ReleaseError::Empty);
        }
        let settings = self.settings.load_full();
        let teacher = settings.teacher.as_ref().ok_or(ReleaseError::NoTeacher)?;
        let learned = teacher.teach(class, message, Instant::now() + PATIENCE).await;
        learned.map_err(ReleaseError::NotLearned)
    }

    /// A delivered message as its sender wrote it: without the fields that mailward and the delivery put on top.
    pub(in crate::pipeline) fn as_sent(&self, raw: &Bytes, session: &Session) -> Bytes {
        let settings = self.settings.load();
        let ours: Vec<AuthservId> = settings.own_id.of(session).into_iter().collect();
        let mut others = vec!["Return-Path", "Delivered-To", "X-Original-To"];
        if settings.received_spf {
            others.push(received_spf::NAME);
        }
        let cuts = cut::forged(raw, &ours, &others);
        let mut content = BytesMut::with_capacity(raw.len());
        let mut from = 0;
        for cut in cuts {
            content.extend_from_slice(raw.get(from..cut.start).unwrap_or_default());
            from = cut.end;
        }
        content.extend_from_slice(raw.get(from..).unwrap_or_default());
        content.freeze()
    }
}
