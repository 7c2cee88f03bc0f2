//! Mail that was decided to be delivered and that the next server can never be handed as it is: held, where to refuse
//! it would be a bounce to a forged sender.

use std::sync::Arc;

use super::process::Process;
use crate::audit::{Entry, QuarantineEvent, Sync};
use crate::mail::header::decode_words;
use crate::model::{Category, Coverage, Envelope, MailId, Message, Score, Session};
use crate::quarantine::{NewEntry, QuarantineError, Stored};

/// Under which rule it is held.
const RULE: &str = "not-handed-on";

/// A message that cannot be handed on, and for whom.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// Under which id it was judged.
    pub id: MailId,
    /// Who sent it.
    pub session: Arc<Session>,
    /// The whole envelope.
    pub envelope: Envelope,
    /// The message, as it came.
    pub message: Message,
    /// Positions in the envelope of those it is to be held for.
    pub recipients: Vec<usize>,
    /// Why it cannot be handed on, for people.
    pub why: String,
}

impl Process {
    /// Holds it. Whether it is held.
    pub(super) async fn hold_stuck(&self, stuck: Stuck) -> bool {
        let (id, shared) = (stuck.id, self.shared());
        let why = format!("it cannot be handed on: {}", stuck.why);
        let Ok(other) = shared.clock.mail_id() else { return false };
        let (quarantine, reason) = (Arc::clone(&shared.quarantine), why.clone());
        let stored = tokio::task::spawn_blocking(move || {
            let field = |name| stuck.message.values(name).next().map(decode_words).unwrap_or_default();
            let (from, subject) = (field("From"), field("Subject"));
            let store = |id| quarantine.store(&stuck.entry(id, &reason, (&from, &subject)));
            match store(id) {
                // It is held for others already, by what was decided.
                Err(QuarantineError::IdTaken(_)) => store(other),
                stored => stored,
            }
        });
        let error = match stored.await {
            Ok(Ok(stored)) => {
                shared.quarantine_trouble.clear();
                tracing::warn!(%id, held_as = %stored.id, "judged and not to be handed on, so it is held: {}", shared.audit.hidden(&why));
                self.note_stuck(id, &stored, why).await;
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => format!("storing it panicked: {error}"),
        };
        tracing::error!(%id, error, "a message that cannot be handed on could not be quarantined; it is put off");
        shared.metrics.quarantine_errors.inc();
        shared.quarantine_trouble.set(&error);
        false
    }

    async fn note_stuck(&self, id: MailId, stored: &Stored, why: String) {
        let time = self.shared().clock.now();
        let detail = if stored.id == id { why } else { format!("entry {}: {why}", stored.id) };
        let held =
            Entry::Quarantine { id, what: QuarantineEvent::Held, by: "mailward".to_owned(), time, detail };
        if let Err(error) = self.shared().audit.append(held, Sync::Now).await {
            tracing::error!(%id, %error, "that a message is held after all could not be noted in the audit journal");
        }
        self.note_stored(id, stored, time).await;
    }
}

impl Stuck {
    fn entry<'a>(&'a self, id: MailId, reason: &'a str, (from, subject): (&'a str, &'a str)) -> NewEntry<'a> {
        NewEntry {
            id,
            category: Category::Suspicious,
            score: Score::default(),
            rule: RULE,
            reason,
            session: &self.session,
            envelope: &self.envelope,
            recipients: &self.recipients,
            message: &self.message,
            from,
            subject,
            // What was looked at and seen is on record under the id.
            coverage: EMPTY,
            findings: &[],
            auth_results: None,
        }
    }
}

const EMPTY: &Coverage = &Coverage(std::collections::BTreeMap::new());
