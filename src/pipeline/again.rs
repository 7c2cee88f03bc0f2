//! A message that was judged, judged again from the record of it.
//!
//! A record holds everything that judges but the message itself. What a rule asks of that is not known, and said
//! so: see [`Lacks`].

use std::collections::BTreeMap;

use super::engine::Engine;
use crate::audit::{Record, Stage};
use crate::lists;
use crate::model::{Author, Direction, Message, Recipient, Scanner, Verdict};
use crate::policy::{Change, Facts, Lacks, Policy, Recorded, Worth, name, what_if};

/// The rule that stands in a verdict where quarantine or audit could not be written.
pub(super) const NOT_SECURED: &str = "not-secured";

/// By what is judged.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Settings and rules.
    pub policy: Policy,
    /// What it is worth that a scanner failed.
    pub on_failure: BTreeMap<Scanner, Worth>,
    /// Whom the block list does not keep mail from.
    pub lists: lists::Terms,
    /// Stands for all this in records.
    pub fingerprint: String,
}

impl Terms {
    /// Those that `engine` judges by.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let settings = engine.settings();
        Self {
            policy: engine.policy().clone(),
            on_failure: settings.on_failure.clone(),
            lists: settings.lists.clone(),
            fingerprint: settings.fingerprint.clone(),
        }
    }
}

/// Why a record cannot be judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotAgain {
    /// It was refused at MAIL or RCPT: there was no message.
    Early,
    /// The message was too large, or there was no memory for it.
    NotCollected,
    /// Nothing was decided: quarantine or journal could not be written.
    NotSecured,
    /// The record names no recipient, or no verdict for any.
    NoVerdict,
}

impl NotAgain {
    /// In a few words, behind a number of messages.
    #[must_use]
    pub const fn told(self) -> &'static str {
        match self {
            Self::Early => "refused before the message was sent",
            Self::NotCollected => "not collected, as too large",
            Self::NotSecured => "put off, as quarantine or journal could not be written",
            Self::NoVerdict => "without a verdict on record",
        }
    }

    /// In machine-readable results.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Early => "refused-early",
            Self::NotCollected => "not-collected",
            Self::NotSecured => "not-secured",
            Self::NoVerdict => "no-verdict",
        }
    }
}

/// What would have changed the verdict of a record.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The recipient it is about, by position.
    pub position: Option<usize>,
    /// The verdict on it by the terms in use.
    pub verdict: Verdict,
    /// What would have changed it.
    pub list: Vec<Change>,
}

/// A record made ready to be judged again.
#[derive(Debug)]
pub struct Past<'r> {
    record: &'r Record,
    exempt: Vec<bool>,
    subject: Option<Vec<u8>>,
    failures: u32,
}

impl<'r> Past<'r> {
    /// Of this record.
    ///
    /// # Errors
    /// If it cannot be judged again.
    pub fn of(record: &'r Record, lists: &lists::Terms) -> Result<Self, NotAgain> {
        if record.stage != Stage::End {
            return Err(NotAgain::Early);
        }
        let mut rules = record.verdicts.iter().map(|shared| shared.verdict.rule.as_str());
        if rules.clone().any(|rule| rule == NOT_SECURED) {
            return Err(NotAgain::NotSecured);
        }
        if rules.clone().any(|rule| rule == name::NOT_COLLECTED) || was_not_collected(record) {
            return Err(NotAgain::NotCollected);
        }
        if rules.next().is_none() || record.envelope.recipients.is_empty() {
            return Err(NotAgain::NoVerdict);
        }
        let subject = record.message.subject.as_ref();
        Ok(Self {
            record,
            exempt: record.envelope.recipients.iter().map(|recipient| lists.exempt(recipient)).collect(),
            subject: subject.map(|subject| format!(" {subject}").into_bytes()),
            failures: failures(record),
        })
    }

    /// The facts, as far as the record knows them. With the message, where it is at hand, they are all.
    #[must_use]
    pub fn facts<'f>(
        &'f self,
        on_failure: &'f BTreeMap<Scanner, Worth>,
        message: Option<&'f Message>,
    ) -> Facts<'f> {
        let record = self.record;
        let subject = match message {
            Some(message) => message.values("Subject").next(),
            None => self.subject.as_deref(),
        };
        Facts {
            id: record.id,
            direction: record.direction,
            time: record.time,
            session: &record.session,
            envelope: &record.envelope,
            coverage: &record.coverage,
            findings: &record.findings,
            message,
            recorded: message.is_none().then(|| self.recorded()),
            attachments: &record.attachments,
            urls: &record.urls,
            advice: record.advice.as_ref(),
            authentication: record.authentication.as_ref(),
            lists: Some(&record.lists),
            exempt: &self.exempt,
            released: record.released,
            auth_results: None,
            received_spf: None,
            on_failure,
            failures: self.failures,
            subject,
            fault: None,
        }
    }

    /// What is known of the message itself.
    fn recorded(&self) -> Recorded<'_> {
        let message = &self.record.message;
        let id = message.message_id.as_deref().unwrap_or_default();
        let author = self.record.authentication.as_ref().map(|seen| &seen.author);
        let from_domain = match author {
            Some(Author::Domain(domain)) => Some(domain.as_str()),
            Some(Author::Missing | Author::SeveralDomains(_)) => Some(""),
            // Those who read it without much ado may see a domain all the same.
            Some(Author::SeveralFields(_) | Author::Unreadable(_)) | None => None,
        };
        Recorded {
            // There is no message without a byte.
            size: Some(message.size).filter(|size| *size > 0),
            // One whose end is left out is not known.
            message_id: (message.size > 0 && !id.ends_with('…')).then_some(id),
            from_domain,
        }
    }

    /// What the record lacks of its message.
    #[must_use]
    pub fn lacks(&self) -> Lacks {
        let left_out = |what: &str| self.record.left_out.iter().any(|left| left.ends_with(what));
        let people = is_hidden(self.record);
        let is_ours = self.record.session.user.is_some() || self.record.direction == Direction::Outbound;
        Lacks {
            urls: left_out(" links"),
            attachments: left_out(" attachments"),
            people,
            client: people && is_ours,
        }
    }

    /// What would have changed the verdict that weighs most, by `terms`.
    #[must_use]
    pub fn changes(&self, terms: &Terms, message: Option<&Message>) -> Changes {
        let facts = self.facts(&terms.on_failure, message);
        let main = self.record.main_verdict();
        let shared = self.record.verdicts.iter().find(|shared| Some(&shared.verdict) == main);
        let position = shared.and_then(|shared| shared.recipients.first().copied());
        let (verdict, list) = what_if(&terms.policy, &facts, position);
        Changes { position, verdict, list }
    }
}

/// Before other rules were asked it was known that the message is not here.
fn was_not_collected(record: &Record) -> bool {
    let steps = record.verdicts.iter().flat_map(|shared| shared.verdict.explanation.0.iter());
    steps.into_iter().any(|step| step.rule == name::NOT_COLLECTED && step.wants.is_some())
}

/// How often it was put off before for the same failure: the circumstance `repeat` has told it.
fn failures(record: &Record) -> u32 {
    let steps = record.verdicts.iter().flat_map(|shared| shared.verdict.explanation.0.iter());
    let attempt = |saw: &str| -> Option<u32> {
        let (number, _) = saw.strip_prefix("attempt ")?.split_once(' ')?;
        number.parse().ok()
    };
    let attempts = steps.filter(|step| step.rule == name::REPEAT).filter_map(|step| attempt(&step.saw));
    attempts.max().unwrap_or(1).saturating_sub(1)
}

/// Whether pseudonyms stand in place of people's addresses.
#[must_use]
pub fn is_hidden(record: &Record) -> bool {
    let paths = std::iter::once(&record.envelope.reverse_path.0).chain(&record.envelope.recipients);
    let mut people = paths.map(Recipient::address).filter(|address| !address.is_empty()).peekable();
    people.peek().is_some() && people.all(is_pseudonym)
}

/// `p-` and ten letters or digits, as the journal writes them.
fn is_pseudonym(address: &str) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let is_of_base32 = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
    local.strip_prefix("p-").is_some_and(|hash| hash.len() == 10 && hash.bytes().all(is_of_base32))
}

#[cfg(test)]
pub(super) mod tests;
