//! Which message on record a reported one is.

use crate::audit::{Audit, Record};
use crate::mail::header::decode_words;
use crate::model::{MailId, Message, text};

/// What is known of a reported message.
#[derive(Debug)]
pub(super) enum Identity {
    /// It is this one.
    OnRecord(Box<Record>),
    /// It names none, or one that is not on record here: it came before mailward, or longer ago than
    /// audit.retention, or through another host.
    Unknown,
    /// It claims to be one that it is not, for this reason.
    Doubtful(String),
}

/// Asks the audit about the id in the message. Blocks.
pub(super) fn of(message: &Message, audit: &Audit) -> Identity {
    let mut ids = message.values("X-Mailward-Id");
    let Some(first) = ids.next() else { return Identity::Unknown };
    if ids.next().is_some() {
        return Identity::Doubtful("it has several X-Mailward-Id fields, and mailward writes one".to_owned());
    }
    let shown = || text::line(String::from_utf8_lossy(first).trim(), 40);
    let id = std::str::from_utf8(first).ok().and_then(|id| id.trim().parse::<MailId>().ok());
    let Some(id) = id else {
        return Identity::Doubtful(format!("its X-Mailward-Id is {:?}, which is no id", shown()));
    };
    match audit.find(id) {
        Ok(Some(found)) if is_of(message, &found.record, audit) => Identity::OnRecord(Box::new(found.record)),
        Ok(Some(_)) => Identity::Doubtful(format!(
            "it claims to be {id}, and the message on record under that id has another Message-ID, From or Subject"
        )),
        Ok(None) => Identity::Unknown,
        Err(error) => {
            tracing::warn!(%error, "the message of a report could not be looked up");
            Identity::Unknown
        }
    }
}

/// Whether what is on record of a message agrees with this one: whoever says so must have seen it.
fn is_of(message: &Message, record: &Record, audit: &Audit) -> bool {
    let facts = &record.message;
    let decoded = |name: &str| message.values(name).next().map(decode_words);
    let (from, subject) = (decoded("From"), decoded("Subject"));
    let of_message_id =
        facts.message_id.as_deref().map(|kept| agrees(kept, message.first("Message-ID").as_deref(), str::eq));
    // A tag may stand before the subject.
    let of_subject = facts
        .subject
        .as_deref()
        .map(|kept| agrees(kept, subject.as_deref(), |found, kept| found.ends_with(kept)));
    // Where people are hidden, so is the name in this field.
    let is_hidden = from.as_deref().is_some_and(|from| audit.hidden(from) != from);
    let of_from =
        facts.from.as_deref().filter(|_| !is_hidden).map(|kept| agrees(kept, from.as_deref(), str::eq));
    let said: Vec<bool> = [of_message_id, of_subject, of_from].into_iter().flatten().collect();
    // A message of which nothing is on record is anybody's.
    !said.is_empty() && said.iter().all(|same| *same)
}

/// A text on record may have been cut.
fn agrees(kept: &str, found: Option<&str>, whole: impl Fn(&str, &str) -> bool) -> bool {
    let found = found.unwrap_or_default().trim();
    match kept.trim().strip_suffix('…') {
        Some(start) => found.contains(start),
        None => whole(found, kept.trim()),
    }
}
