//! What can be told, and what there is to say of it.

use serde::{Deserialize, Serialize};

use crate::audit::Caught;
use crate::model::{Category, Disposition, MailId, Score, Timestamp};

/// What happened, in the words of the configuration (`on`) and of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A scanner does not work as it should.
    EngineDown,
    /// It works again.
    EngineUp,
    /// Something that answers rest on does not work as it should, or works again.
    DaemonTrouble,
    /// A condition of a rule could not be evaluated.
    PolicyError,
    /// The same message failed the same way too often, and is held.
    TempfailRepeat,
    /// The quarantine fills up, or does so no more.
    QuarantineGrowing,
    /// A feed is too old, or fresh again.
    FeedStale,
    /// A message was accepted, and a feed says now that it was bad.
    Retro,
    /// A message of the category malware.
    Malware,
    /// A message of the category phish.
    Phish,
    /// A message was dropped.
    Discarded,
    /// A message was refused for good.
    Rejected,
    /// A message is held.
    Quarantined,
    /// In `on` alone: all that is about this installation.
    Alarms,
    /// A rule asks for it by the name of the section; never in `on`.
    #[serde(skip_deserializing)]
    Rule,
    /// How much was not told one by one; never in `on`.
    #[serde(skip_deserializing)]
    Digest,
    /// An admin tries the section out; never in `on`.
    #[serde(skip_deserializing)]
    Test,
}

impl Kind {
    /// What can happen, the most urgent first.
    pub const CHOICE: [Self; 13] = [
        Self::EngineDown,
        Self::EngineUp,
        Self::DaemonTrouble,
        Self::PolicyError,
        Self::TempfailRepeat,
        Self::QuarantineGrowing,
        Self::FeedStale,
        Self::Retro,
        Self::Malware,
        Self::Phish,
        Self::Discarded,
        Self::Rejected,
        Self::Quarantined,
    ];

    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EngineDown => "engine-down",
            Self::EngineUp => "engine-up",
            Self::DaemonTrouble => "daemon-trouble",
            Self::PolicyError => "policy-error",
            Self::TempfailRepeat => "tempfail-repeat",
            Self::QuarantineGrowing => "quarantine-growing",
            Self::FeedStale => "feed-stale",
            Self::Retro => "retro",
            Self::Malware => "malware",
            Self::Phish => "phish",
            Self::Discarded => "discarded",
            Self::Rejected => "rejected",
            Self::Quarantined => "quarantined",
            Self::Alarms => "alarms",
            Self::Rule => "rule",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }

    /// Whether it is about this installation and not about one message of many: those must not hide it.
    #[must_use]
    pub const fn is_alarm(self) -> bool {
        matches!(
            self,
            Self::EngineDown
                | Self::EngineUp
                | Self::DaemonTrouble
                | Self::PolicyError
                | Self::TempfailRepeat
                | Self::QuarantineGrowing
                | Self::FeedStale
        )
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is; of several the most urgent first.
    pub kinds: Vec<Kind>,
    /// When it happened.
    pub time: Timestamp,
    /// What there is to say.
    pub what: What,
}

/// What there is to say.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A judged message.
    Mail(Box<Mail>),
    /// What was caught afterwards.
    Caught(Box<Caught>),
    /// The state of something.
    Alarm(Alarm),
    /// What was not told one by one.
    Digest(Digest),
    /// An admin tries the section out.
    Test,
}

/// A judged message, as far as it is told of. Foreign text is as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// The quarantine entry that holds it.
    pub held_as: Option<MailId>,
    /// What happened to it; the strictest where recipients differ.
    pub disposition: Disposition,
    /// What kind of mail it is.
    pub category: Category,
    /// The score of the verdict that weighs most.
    pub score: Score,
    /// Its rule.
    pub rule: String,
    /// Its reason.
    pub reason: String,
    /// It comes from one of our users.
    pub outbound: bool,
    /// Address of the client.
    pub client: String,
    /// Envelope sender.
    pub sender: String,
    /// Recipients, the first few of them.
    pub recipients: Vec<String>,
    /// How many there are.
    pub recipient_count: usize,
    /// From field.
    pub from: String,
    /// Subject field.
    pub subject: String,
    /// Sections that a rule names.
    pub named: Vec<String>,
}

/// The most recipients that are named.
pub const MAX_RECIPIENTS: usize = 10;

/// The state of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What: a scanner, a feed, a part of the daemon, a rule.
    pub about: String,
    /// What is wrong with it; when it is over, what was.
    pub trouble: String,
    /// Since when.
    pub since: Timestamp,
    /// It is over.
    pub over: bool,
}

/// What was not told one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Since when.
    pub since: Timestamp,
    /// More than may be told in a time.
    pub limited: Vec<(Kind, u64)>,
    /// They had no room in the queue, or the destination could not be reached for too long.
    pub lost: Vec<(Kind, u64)>,
}
