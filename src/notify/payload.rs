//! What is sent: a JSON object whose fields stay what they are (`docs/notifications.md`), and a title and a text
//! for people. All of it is safe to show.

use serde::Serialize;

use super::event::{Alarm, Digest, Event, Kind, Mail, What};
use super::redact::Redact;
use super::words;
use crate::audit::Caught;
use crate::model::{MailId, Timestamp, text};

/// The most characters of a foreign text.
const MAX: usize = 300;

/// One notification, ready to be sent.
#[derive(Clone, Debug, Serialize)]
pub struct Payload {
    /// Of this form; another number when a field changes its meaning.
    pub version: u32,
    /// What happened; of several the most urgent.
    pub event: Kind,
    /// All that it is and that this section is told of.
    pub events: Vec<Kind>,
    /// Of this notification; the same at each attempt.
    pub delivery: String,
    /// When it happened.
    pub time: Timestamp,
    /// The host that tells it.
    pub host: String,
    /// The section.
    pub section: String,
    /// A line for people.
    pub title: String,
    /// Some lines for people.
    pub text: String,
    /// People are hidden.
    pub redacted: bool,
    /// The message, if it is about one that was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The catch, if it is about a message that was accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caught: Option<CaughtLater>,
    /// The state, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// What was not told one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Counts>,
}

/// A judged message.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// `mailward explain ID` says why.
    pub id: MailId,
    /// The quarantine entry that holds it.
    pub held_as: Option<MailId>,
    /// `reject`, `quarantine`, …
    pub disposition: &'static str,
    /// `malware`, `phish`, …
    pub verdict: &'static str,
    /// The score.
    pub score: f64,
    /// The rule that decided.
    pub rule: String,
    /// Why, in a few words.
    pub reason: String,
    /// `inbound` or `outbound`.
    pub direction: &'static str,
    /// Address of the client; left out of outbound mail where people are hidden.
    pub client: Option<String>,
    /// Envelope sender; empty for bounces.
    pub sender: String,
    /// The first recipients.
    pub recipients: Vec<String>,
    /// How many there are.
    pub recipient_count: usize,
    /// From field.
    pub from: String,
    /// Subject; left out where people are hidden.
    pub subject: Option<String>,
}

/// A catch.
#[derive(Clone, Debug, Serialize)]
pub struct CaughtLater {
    /// The message.
    pub id: MailId,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The feed.
    pub feed: String,
    /// How its entry agrees: `exact`, `host`, `hash`, …
    #[serde(rename = "match")]
    pub kind: String,
    /// What the feed is of.
    pub verdict: &'static str,
    /// The link, or the SHA-256 of the file.
    pub what: String,
}

/// A state.
#[derive(Clone, Debug, Serialize)]
pub struct State {
    /// What has it.
    pub about: String,
    /// What is wrong; when it is over, what was.
    pub trouble: String,
    /// Since when.
    pub since: Timestamp,
    /// It is over.
    pub over: bool,
}

/// What was not told one by one.
#[derive(Clone, Debug, Serialize)]
pub struct Counts {
    /// Since when.
    pub since: Timestamp,
    /// More than may be told in a time.
    pub limited: Vec<Count>,
    /// They could not be delivered.
    pub lost: Vec<Count>,
}

/// How many of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct Count {
    /// The kind.
    pub event: Kind,
    /// How many.
    pub count: u64,
}

/// For whom and by whom.
pub(super) struct Frame<'a> {
    pub(super) section: &'a str,
    pub(super) host: &'a str,
    pub(super) delivery: &'a str,
    /// What of the event this section is told of.
    pub(super) kinds: &'a [Kind],
}

impl Payload {
    pub(super) fn new(event: &Event, frame: &Frame<'_>, redact: Redact<'_>) -> Self {
        let kind = frame.kinds.first().copied().unwrap_or(Kind::Test);
        let mut payload = Self {
            version: 1,
            event: kind,
            events: frame.kinds.to_vec(),
            delivery: frame.delivery.to_owned(),
            time: event.time,
            host: text::line(frame.host, 100),
            section: frame.section.to_owned(),
            title: String::new(),
            text: String::new(),
            redacted: redact.is_on(),
            message: None,
            caught: None,
            state: None,
            digest: None,
        };
        match &event.what {
            What::Mail(mail) => payload.message = Some(message(mail, redact)),
            What::Caught(caught) => payload.caught = Some(caught_later(caught, redact)),
            What::Alarm(alarm) => payload.state = Some(state(alarm, redact)),
            What::Digest(digest) => payload.digest = Some(counts(digest)),
            What::Test => {}
        }
        payload.title = text::line(&words::title(&payload), 120);
        payload.text = words::text(&payload);
        payload
    }
}

fn message(mail: &Mail, redact: Redact<'_>) -> Message {
    let line = |of: String| text::line(&of, MAX);
    Message {
        id: mail.id,
        held_as: mail.held_as,
        disposition: mail.disposition.name(),
        verdict: mail.category.name(),
        score: mail.score.value(),
        rule: text::line(&mail.rule, 80),
        reason: line(redact.text(&mail.reason)),
        direction: if mail.outbound { "outbound" } else { "inbound" },
        // Of outbound mail it is one person's machine.
        client: if mail.outbound { redact.unless_hidden(&mail.client) } else { Some(mail.client.clone()) },
        sender: line(redact.address(&mail.sender)),
        recipients: mail.recipients.iter().map(|to| line(redact.address(to))).collect(),
        recipient_count: mail.recipient_count,
        from: line(redact.from(&mail.from)),
        subject: redact.unless_hidden(&mail.subject).map(line),
    }
}

fn caught_later(caught: &Caught, redact: Redact<'_>) -> CaughtLater {
    CaughtLater {
        id: caught.id,
        accepted: caught.accepted,
        feed: text::line(&caught.feed, 80),
        kind: text::line(&caught.kind, 40),
        verdict: caught.category.name(),
        what: text::line(&redact.text(&caught.what), MAX),
    }
}

fn state(alarm: &Alarm, redact: Redact<'_>) -> State {
    State {
        about: text::line(&alarm.about, 80),
        trouble: text::line(&redact.text(&alarm.trouble), MAX),
        since: alarm.since,
        over: alarm.over,
    }
}

fn counts(digest: &Digest) -> Counts {
    let counts =
        |of: &[(Kind, u64)]| of.iter().map(|(event, count)| Count { event: *event, count: *count }).collect();
    Counts { since: digest.since, limited: counts(&digest.limited), lost: counts(&digest.lost) }
}
