//! What the journal holds: one entry a line, as JSON in plain ASCII.

use std::io;

use serde::{Deserialize, Serialize};

use super::caught::Caught;
use super::files::Day;
use super::handed::Handed;
use super::line::LineHash;
use super::record::Record;
use super::reported::Reported;
use crate::model::{MailId, Timestamp};

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Entry {
    /// A message was judged.
    Judged(Box<Record>),
    /// Whether the answer for a message reached the MTA. If there is none, that is not known.
    Answered {
        /// The message.
        id: MailId,
        /// It was written without error; if not, the sender will try again.
        reached: bool,
        /// What was answered in place of what was decided, because nobody has the message; `None`: what was decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead: Option<String>,
        /// When.
        time: Timestamp,
    },
    /// A message was handed on by ourselves (LMTP), and what the next server said.
    Handed(Box<Handed>),
    /// Something happened to a message in quarantine.
    Quarantine {
        /// The entry: the id of the message that was stored.
        id: MailId,
        /// What.
        what: QuarantineEvent,
        /// By whom: an admin's name, or `retention`.
        by: String,
        /// When.
        time: Timestamp,
        /// More about it, for people; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// A message that was accepted turned out to be bad.
    Caught(Box<Caught>),
    /// Somebody said what a delivered message is.
    Reported(Box<Reported>),
    /// Somebody changed something, or was not let in.
    Admin {
        /// What.
        what: AdminEvent,
        /// By whom: `admin socket`, or the name of a token.
        by: String,
        /// When.
        time: Timestamp,
        /// More about it, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// The daemon started.
    Started {
        /// Its version.
        version: String,
        /// When.
        time: Timestamp,
    },
    /// The daemon stopped in order. If a `Started` follows without it, it did not.
    Stopped {
        /// When.
        time: Timestamp,
    },
    /// At start the end of a file was no whole line and was moved to a file of its own.
    Torn {
        /// From which file.
        file: String,
        /// Where it began.
        offset: u64,
        /// How much it was.
        bytes: u64,
        /// The file it was moved to.
        moved_to: String,
        /// When.
        time: Timestamp,
    },
    /// At start the journal was not what it must have been. `verify` reports it ever after.
    Gap {
        /// What is wrong, for people.
        what: String,
        /// When it was seen.
        time: Timestamp,
    },
    /// What stood here was erased on request. The line is as long as it was.
    Erased {
        /// The hash of the line that stood here, by which the chain goes on.
        #[serde(with = "short")]
        hash: LineHash,
        /// Which [`Entry::Erasure`] tells of it.
        act: u64,
        /// What kind of entry it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        what: Option<String>,
        /// The message it was about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MailId>,
        /// When that was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<Timestamp>,
    },
    /// Entries were erased on request. An erased line of which no such entry tells was changed otherwise.
    Erasure {
        /// Its number: a time in milliseconds.
        act: u64,
        /// By whom.
        by: String,
        /// When.
        time: Timestamp,
        /// Of whom, as a keyed hash.
        subject: String,
        /// What was erased.
        days: Vec<ErasedDay>,
    },
    /// Retention removes days from the front.
    Expired {
        /// The first day removed.
        first: Day,
        /// The last day removed.
        last: Day,
        /// The hash of the last line removed: what the anchor says.
        hash: LineHash,
        /// How many bytes.
        bytes: u64,
        /// When.
        time: Timestamp,
    },
}

/// What was erased from the file of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedDay {
    /// Which.
    pub day: Day,
    /// How many lines.
    pub records: u64,
    /// The SHA-256 over the hashes of those lines, in their order.
    pub digest: LineHash,
}

/// A hash in few characters.
mod short {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::LineHash;

    pub(super) fn serialize<S: Serializer>(hash: &LineHash, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hash.short())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<LineHash, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        LineHash::from_short(text.as_bytes()).ok_or_else(|| D::Error::custom("no hash"))
    }
}

/// What an admin, or somebody who is none, did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminEvent {
    /// An entry was put on a list, or changed.
    ListAdded,
    /// An entry was taken off a list.
    ListRemoved,
    /// Many entries at once.
    ListImported,
    /// An entry's time was over.
    ListExpired,
    /// A change of a list was taken back.
    ListUndone,
    /// A token for the TCP door was made.
    TokenCreated,
    /// A token was withdrawn.
    TokenRevoked,
    /// Somebody without a good token, or without the role for it, was refused.
    AccessRefused,
    /// A feed was refreshed by request.
    FeedRefreshed,
    /// rspamd was taught.
    Learned,
    /// A backup was written.
    BackedUp,
    /// What a backup holds was put in place.
    Restored,
    /// What is on record about somebody was written out.
    SubjectExported,
    /// The configuration was read again and is in use.
    Reloaded,
    /// The configuration was read again and refused; the old one stays.
    ReloadRefused,
    /// Another level of the log for a while, or the end of it.
    LogLevel,
}

impl AdminEvent {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListAdded => "list-added",
            Self::ListRemoved => "list-removed",
            Self::ListImported => "list-imported",
            Self::ListExpired => "list-expired",
            Self::ListUndone => "list-undone",
            Self::TokenCreated => "token-created",
            Self::TokenRevoked => "token-revoked",
            Self::AccessRefused => "access-refused",
            Self::FeedRefreshed => "feed-refreshed",
            Self::Learned => "learned",
            Self::BackedUp => "backed-up",
            Self::Restored => "restored",
            Self::SubjectExported => "subject-exported",
            Self::Reloaded => "reloaded",
            Self::ReloadRefused => "reload-refused",
            Self::LogLevel => "log-level",
        }
    }
}

/// What happened to a message in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineEvent {
    /// It was decided to be delivered and could not be handed on, so it is held.
    Held,
    /// The sender tried again and the same entry took it.
    Repeated,
    /// About to be delivered to one of those it was held for.
    Releasing,
    /// Delivered to one of those it was held for.
    Released,
    /// It could not be delivered and is still held.
    ReleaseFailed,
    /// Nobody can say whether it was delivered.
    ReleaseUncertain,
    /// Removed by a person.
    Deleted,
    /// Removed by retention.
    Expired,
    /// Judged again.
    Rescanned,
    /// A message that a scanner missed was delivered, and is kept to be scanned again.
    SecondLookKept,
    /// It was scanned again, and nothing is against it.
    SecondLookClean,
    /// It was not scanned again in time: nobody looked.
    SecondLookExpired,
}

impl QuarantineEvent {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Repeated => "repeated",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::ReleaseFailed => "release-failed",
            Self::ReleaseUncertain => "release-uncertain",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::Rescanned => "rescanned",
            Self::SecondLookKept => "second-look-kept",
            Self::SecondLookClean => "second-look-clean",
            Self::SecondLookExpired => "second-look-expired",
        }
    }
}

impl Entry {
    /// When it was.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Judged(record) => record.time,
            Self::Caught(caught) => caught.time,
            Self::Erased { time, .. } => time.unwrap_or_default(),
            Self::Handed(handed) => handed.time,
            Self::Reported(report) => report.time,
            Self::Answered { time, .. }
            | Self::Erasure { time, .. }
            | Self::Admin { time, .. }
            | Self::Quarantine { time, .. }
            | Self::Started { time, .. }
            | Self::Stopped { time }
            | Self::Torn { time, .. }
            | Self::Gap { time, .. }
            | Self::Expired { time, .. } => *time,
        }
    }

    /// The message it is about.
    #[must_use]
    pub fn id(&self) -> Option<MailId> {
        match self {
            Self::Judged(record) => Some(record.id),
            Self::Caught(caught) => Some(caught.id),
            Self::Handed(handed) => Some(handed.id),
            Self::Reported(report) => report.id,
            Self::Answered { id, .. } | Self::Quarantine { id, .. } => Some(*id),
            Self::Erased { id, .. } => *id,
            Self::Admin { .. }
            | Self::Started { .. }
            | Self::Stopped { .. }
            | Self::Torn { .. }
            | Self::Gap { .. }
            | Self::Erasure { .. }
            | Self::Expired { .. } => None,
        }
    }

    /// The content of a line.
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut out = Vec::with_capacity(2048);
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Ascii))?;
        Ok(out)
    }

    /// Reads the content of a line. An entry of a later version may not be understood.
    pub(super) fn decode(content: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(content)
    }
}

/// JSON in which everything beyond printable ASCII is escaped, so that a journal shown on a terminal
/// does nothing there: JSON itself would let DEL, C1 controls and bidirectional overrides through.
struct Ascii;

impl serde_json::ser::Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, w: &mut W, fragment: &str) -> io::Result<()> {
        let plain = |b: &u8| (0x20..0x7f).contains(b);
        if fragment.as_bytes().iter().all(plain) {
            return w.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if c.is_ascii() && plain(&(c as u8)) {
                w.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(w, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_is_plain_ascii_on_one_line_and_comes_back(what in any::<String>(), millis in 0u64..4_000_000_000_000) {
            let entry = Entry::Gap { what, time: Timestamp::from_millis(millis) };
            let content = entry.encode().unwrap();
            prop_assert!(content.iter().all(|b| (0x20..0x7f).contains(b)), "{:?}", String::from_utf8_lossy(&content));
            prop_assert_eq!(Entry::decode(&content).unwrap(), entry);
        }
    }

    #[test]
    fn nothing_in_a_line_can_act_on_a_terminal() {
        let entry =
            Entry::Gap { what: "\x1b[2J\x7f\u{9b}\u{202e}é😀\n".to_owned(), time: Timestamp::default() };
        let content = String::from_utf8(entry.encode().unwrap()).unwrap();
        assert_eq!(
            content,
            r#"{"gap":{"what":"\u001b[2J\u007f\u009b\u202e\u00e9\ud83d\ude00\n","time":"1970-01-01T00:00:00.000Z"}}"#
        );
    }
}
