//! What is known of an entry: `meta/<id>.json`.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Failure, Key, Rescan, SecondLook, State};
use crate::model::{
    Category, Coverage, Envelope, Finding, MailId, Message, Recipient, Score, Session, Timestamp, text,
};

/// The most characters of a subject, reason or other line.
const MAX_LINE: usize = 500;
/// The most characters of a finding's sentence.
const MAX_FINDING: usize = 1000;
/// The most findings that are kept.
const MAX_FINDINGS: usize = 256;
/// The most ids of later attempts that are kept; the count goes on.
const MAX_ATTEMPT_IDS: usize = 50;

/// A message to be held.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// Our id of the message: the name of its file.
    pub id: MailId,
    /// The class that decides how long it is kept.
    pub category: Category,
    /// The sum of the findings' scores.
    pub score: Score,
    /// The rule that decided.
    pub rule: &'a str,
    /// Why, for people.
    pub reason: &'a str,
    /// Who sent it.
    pub session: &'a Session,
    /// The whole envelope of the transaction; only the diverted recipients are kept of it.
    pub envelope: &'a Envelope,
    /// Positions of the diverted recipients in the envelope.
    pub recipients: &'a [usize],
    /// The message.
    pub message: &'a Message,
    /// The author as a mail program shows it, decoded.
    pub from: &'a str,
    /// The subject, decoded.
    pub subject: &'a str,
    /// What was looked at.
    pub coverage: &'a Coverage,
    /// What was seen. Must not name recipients.
    pub findings: &'a [Finding],
    /// Our Authentication-Results, which a released copy gets.
    pub auth_results: Option<&'a str>,
}

/// What is known of an entry. Names no recipient but those for whom the message is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The form of this record, from 1.
    pub version: u32,
    /// Our id of the message: the name of its file.
    pub id: MailId,
    /// When it was stored.
    pub time: Timestamp,
    /// What makes a later attempt the same message.
    pub key: Key,
    /// The class that decides how long it is kept.
    pub category: Category,
    /// The sum of the findings' scores.
    pub score: Score,
    /// The rule that decided.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
    /// The author, decoded, one line.
    pub from: String,
    /// The subject, decoded, one line.
    pub subject: String,
    /// Bytes of the whole message.
    pub size: u64,
    /// SHA-256 of the body in lower-case hex: what a released copy is known by.
    pub body_sha256: String,
    /// Who sent it.
    pub session: Session,
    /// The envelope with the diverted recipients alone.
    pub envelope: Envelope,
    /// What became of the copy of each diverted recipient, by [`Recipient::to_record`].
    pub recipients: BTreeMap<String, State>,
    /// Why those that are still held could not be released last, by recipient as above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, Failure>,
    /// How it was judged again last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescanned: Option<Rescan>,
    /// The Authentication-Results that it would have been delivered with, without the field's name: a
    /// released copy gets them, because it comes from this host and proves nothing by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_results: Option<String>,
    /// It was delivered when it came, and this is a copy for a second look; `None`: it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_look: Option<SecondLook>,
    /// How often it was sent.
    pub attempts: Attempts,
    /// What was looked at.
    pub coverage: Coverage,
    /// What was seen.
    pub findings: Vec<Finding>,
}

/// How often the same message was sent: a sender who did not hear our answer tries again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// All of them, the first included.
    pub count: u32,
    /// When the first was stored.
    pub first: Timestamp,
    /// When the latest came.
    pub last: Timestamp,
    /// Our ids of the later ones, oldest first; of many, the latest fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<MailId>,
}

impl NewEntry<'_> {
    /// The recipients for whom it is held, in the envelope's order.
    pub(super) fn diverted(&self) -> impl Iterator<Item = &Recipient> {
        self.recipients.iter().filter_map(|i| self.envelope.recipients.get(*i))
    }
}

impl Meta {
    /// The form of what is held.
    const VERSION: u32 = 1;
    /// That of copies for a second look: an earlier mailward, which would take them for held mail and
    /// deliver them again, must not read them.
    const VERSION_OF_COPIES: u32 = 2;

    pub(super) fn new(new: &NewEntry<'_>, key: Key, now: Timestamp) -> Self {
        let envelope = Envelope {
            reverse_path: new.envelope.reverse_path.clone(),
            parameters: new.envelope.parameters.clone(),
            recipients: new.diverted().cloned().collect(),
            queue_id: new.envelope.queue_id.clone(),
        };
        let recipients = new.diverted().map(|r| (argument(r), State::Held)).collect();
        Self {
            version: Self::VERSION,
            id: new.id,
            time: now,
            key,
            category: new.category,
            score: new.score,
            rule: text::line(new.rule, MAX_LINE),
            reason: text::line(new.reason, MAX_LINE),
            from: text::line(new.from, MAX_LINE),
            subject: text::line(new.subject, MAX_LINE),
            size: new.message.raw().len() as u64,
            body_sha256: HEXLOWER.encode(&Sha256::digest(new.message.body())),
            session: new.session.clone(),
            envelope,
            recipients,
            failed: BTreeMap::new(),
            rescanned: None,
            auth_results: new.auth_results.map(str::to_owned),
            second_look: None,
            attempts: Attempts { count: 1, first: now, last: now, ids: Vec::new() },
            coverage: new.coverage.clone(),
            findings: new.findings.iter().take(MAX_FINDINGS).map(bounded).collect(),
        }
    }

    /// A copy of what was delivered.
    pub(super) fn of_delivered(
        new: &NewEntry<'_>,
        second_look: SecondLook,
        key: Key,
        now: Timestamp,
    ) -> Self {
        let mut meta = Self::new(new, key, now);
        meta.version = Self::VERSION_OF_COPIES;
        meta.second_look = Some(second_look);
        meta.recipients.values_mut().for_each(|state| *state = State::Delivered);
        meta
    }

    /// Takes over a later judgement.
    pub(super) fn judged_again(&mut self, new: &NewEntry<'_>) {
        let later = Self::new(new, self.key, self.time);
        self.category = later.category;
        self.score = later.score;
        self.rule = later.rule;
        self.reason = later.reason;
        self.coverage = later.coverage;
        self.findings = later.findings;
    }

    /// The record as it stands in its file.
    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// From the text of a file; the error is a sentence.
    pub(super) fn from_json(id: MailId, json: &[u8]) -> Result<Self, String> {
        let meta: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if meta.version > Self::VERSION_OF_COPIES {
            return Err(format!("it was written by a later mailward (form {})", meta.version));
        }
        if meta.id != id {
            return Err(format!("it speaks of {}, not of {id}", meta.id));
        }
        Ok(meta)
    }
}

impl Attempts {
    /// One more, seen under `id`.
    pub(super) fn again(&mut self, id: MailId, now: Timestamp) {
        self.count = self.count.saturating_add(1);
        self.last = now;
        if self.ids.len() >= MAX_ATTEMPT_IDS {
            self.ids.remove(0);
        }
        self.ids.push(id);
    }
}

fn argument(recipient: &Recipient) -> String {
    recipient.to_record()
}

fn bounded(finding: &Finding) -> Finding {
    Finding {
        symbol: text::line(&finding.symbol, MAX_LINE),
        text: text::line(&finding.text, MAX_FINDING),
        location: finding.location.as_deref().map(|l| text::line(l, MAX_LINE)),
        ..*finding
    }
}
