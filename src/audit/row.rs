//! One line of `audit list`: what can be seen and searched without reading the record.

use serde::{Deserialize, Serialize};

use super::files::{Day, Position};
use super::record::Record;
use crate::model::{Category, ClientAddr, Direction, Disposition, MailId, Score, Timestamp};

/// The summary of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Our id.
    pub id: MailId,
    /// When it was decided.
    pub time: Timestamp,
    /// Which way it went.
    #[serde(default)]
    pub direction: Direction,
    /// The client's address; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The client's name as the MTA gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client_name: String,
    /// The reverse-path without angle brackets; empty for bounces.
    #[serde(default)]
    pub sender: String,
    /// The first recipients; the record has all.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// How many recipients there are.
    #[serde(default)]
    pub recipient_count: usize,
    /// The strictest of what happened to them.
    #[serde(default)]
    pub disposition: Disposition,
    /// The worst category.
    #[serde(default)]
    pub category: Category,
    /// The highest score.
    #[serde(default)]
    pub score: Score,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The answer to the MTA: `accept`, `discard`, `reject`, `tempfail`.
    #[serde(default)]
    pub answer: String,
    /// The MTA's queue id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// The Message-ID field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// The quarantine entry that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<MailId>,
    /// Some scanner did not look at all it should have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Whether the answer reached the MTA; `None` is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<bool>,
    /// What was answered in place of what was decided, because the next server took the message for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
    /// Where its line is.
    pub at: Position,
    /// Where the lines are that tell what happened to it later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Position>,
}

/// Recipients kept in a row. More are found by reading the record.
pub(super) const MAX_RECIPIENTS: usize = 16;
/// Characters of a text kept in a row.
const MAX_TEXT: usize = 120;

impl Row {
    /// The summary of a record; its place is filled in when it is known.
    pub(super) fn of(record: &Record) -> Self {
        let Record { session, envelope, message, .. } = record;
        let recipients = envelope.recipients.iter().take(MAX_RECIPIENTS);
        Self {
            id: record.id,
            time: record.time,
            direction: record.direction,
            client: match &session.client.addr {
                ClientAddr::Ip(ip) => ip.to_canonical().to_string(),
                ClientAddr::Unix(path) => format!("unix:{path}"),
                ClientAddr::Unknown => String::new(),
            },
            client_name: session.client.name.clone(),
            sender: envelope.reverse_path.address().to_owned(),
            recipients: recipients.map(|r| r.address().to_owned()).collect(),
            recipient_count: envelope.recipients.len(),
            disposition: record.disposition(),
            category: record.category(),
            score: record.score(),
            reason: record.main_verdict().map(|v| short(&v.reason)).unwrap_or_default(),
            answer: record.plan.answer.label().to_owned(),
            queue_id: envelope.queue_id.clone(),
            message_id: message.message_id.clone(),
            subject: message.subject.as_deref().map(short),
            size: message.size,
            quarantine: record.quarantine,
            incomplete: !record.not_inspected.is_empty() || record.coverage.gaps().next().is_some(),
            answered: None,
            instead: None,
            at: Position { day: Day::FIRST, offset: 0 },
            events: Vec::new(),
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
