//! What the MTA is told: edits, then one answer.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Also, Category, Disposition, SmtpReply, text};

/// One edit of the message. Edits are sent in one batch, in order, before the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Remove the `index`-th field called `name`, counted from 1 over the fields of that name as
    /// the MTA gave them. A plan removes from the highest index down, because removing shifts.
    DeleteHeader {
        /// Field name as it stands in the message.
        name: String,
        /// From 1.
        index: u32,
    },
    /// Insert a field so that it stands at `index` from the top; 0 is above the MTA's own Received.
    InsertHeader {
        /// From 0.
        index: u32,
        /// Field name.
        name: String,
        /// Field value.
        value: HeaderValue,
    },
    /// Replace the `index`-th field called `name`.
    ChangeHeader {
        /// Field name.
        name: String,
        /// From 1.
        index: u32,
        /// New value.
        value: HeaderValue,
    },
    /// Take this recipient off the envelope: the exact bytes of its RCPT argument.
    DeleteRecipient(
        /// The argument of RCPT, byte for byte.
        Vec<u8>,
    ),
    /// Put this address on the envelope.
    AddRecipient(
        /// The address, without angle brackets.
        String,
    ),
    /// Put this in the place of the whole body.
    ReplaceBody(
        /// Lines end in CRLF.
        #[serde(skip)]
        Bytes,
    ),
    /// The MTA keeps the message in its hold queue, for all its recipients.
    Hold(
        /// Why: one line of at most 100 bytes of ASCII.
        String,
    ),
}

/// A header value that cannot break out of its field: printable ASCII in folded lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeaderValue(String);

impl HeaderValue {
    /// RFC 5322 §2.1.1: a line should have at most 78 characters.
    const FOLD_AT: usize = 78;
    /// No value of ours needs more.
    const MAX: usize = 4096;

    /// RFC 5322 §2.1.1: a line must not have more than 998 characters. A longer word is broken; the
    /// rest of the line is for the field's name and what stands before the word.
    const MAX_WORD: usize = 800;
    /// More spaces in a row than this are cut: a line cannot be folded among them, because a line of
    /// nothing but white space ends the header for some readers.
    const MAX_SPACES: usize = 40;

    /// From any text: made one line of printable ASCII, then folded at spaces for a field called
    /// `name`. Folds are a bare LF and a tab, as milter wants them.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        let safe = text::ascii_line(value, Self::MAX);
        let mut out = String::with_capacity(safe.len() + 16);
        let mut column = name.len() + 2;
        let mut spaces = 0;
        for (i, word) in safe.split(' ').enumerate() {
            if i > 0 {
                if column + 1 + word.len() > Self::FOLD_AT && !word.is_empty() {
                    out.push_str("\n\t");
                    column = 8;
                } else if spaces < Self::MAX_SPACES {
                    out.push(' ');
                    column += 1;
                }
                spaces += 1;
            }
            let mut rest = word;
            while let Some((piece, more)) = rest.split_at_checked(Self::MAX_WORD) {
                out.push_str(piece);
                column += piece.len();
                rest = more;
                if !rest.is_empty() {
                    out.push_str("\n\t");
                    column = 8;
                }
            }
            out.push_str(rest);
            column += rest.len();
            if !word.is_empty() {
                spaces = 0;
            }
        }
        Self(out)
    }

    /// The value with LF folds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value on one line, as a mail program reads it.
    #[must_use]
    pub fn unfolded(&self) -> String {
        self.0.replace("\n\t", " ")
    }
}

/// The last word to the MTA about a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Let it through, with the edits.
    Accept,
    /// Take it and deliver it to nobody: it is in quarantine, or an admin asked for it.
    Discard,
    /// 5xx.
    Reject(SmtpReply),
    /// 4xx.
    Tempfail(SmtpReply),
}

impl Answer {
    /// The bounded word for logs and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Discard => "discard",
            Self::Reject(_) => "reject",
            Self::Tempfail(_) => "tempfail",
        }
    }
}

/// What is done about a message: first the effects, then edits, then the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// A copy to store before anything is answered.
    pub quarantine: Option<QuarantineOrder>,
    /// Edits in order; empty unless the answer is [`Answer::Accept`].
    pub actions: Vec<Action>,
    /// The answer for the whole message (milter).
    pub answer: Answer,
    /// The answer for single recipients, by their position in the envelope, where each has one of his own and it is
    /// no ([`Handover::Lmtp`](super::Handover)). Empty where there is one answer for all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refusals: BTreeMap<usize, SmtpReply>,
    /// What happens to each recipient in the end, in the envelope's order: after the plan's rules,
    /// so a Reject beside an Accept reads Quarantine here, unless he is refused alone.
    pub recipients: Vec<Disposition>,
    /// A text to be put in front of the body. Whoever carries the plan out makes it
    /// [`Action::ReplaceBody`], or says why not.
    pub banner: Option<String>,
    /// What is done besides.
    pub also: Also,
}

/// Header fields of one name that were taken out of a message before it was handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedFields {
    /// Their name, in the case of the lowest of them. Foreign text.
    pub name: String,
    /// How many.
    pub count: usize,
    /// In whose name they were given, where that is the reason (Authentication-Results).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
}

impl Plan {
    /// The fields that are removed, by name: names compared without case, in the order of the edits.
    #[must_use]
    pub fn removed(&self) -> Vec<RemovedFields> {
        let mut removed: Vec<RemovedFields> = Vec::new();
        for action in &self.actions {
            let Action::DeleteHeader { name, .. } = action else { continue };
            match removed.iter_mut().find(|fields| fields.name.eq_ignore_ascii_case(name)) {
                Some(fields) => fields.count += 1,
                None => removed.push(RemovedFields { name: name.clone(), count: 1, claimed: None }),
            }
        }
        removed
    }
}

/// One copy to keep, for these recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineOrder {
    /// Positions in the envelope's recipients.
    pub recipients: Vec<usize>,
    /// The class that decides how long it is kept.
    pub category: Category,
    /// Why, for people.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_value_is_folded_and_cannot_carry_a_second_field() {
        let v = HeaderValue::new("X-Mailward-Reason", "a\r\nBcc: x@example.org");
        assert_eq!(v.as_str(), "a  Bcc: x@example.org");
        let long = HeaderValue::new("X-Mailward-Reason", &"word ".repeat(40));
        assert!(long.as_str().lines().all(|l| l.len() <= 78));
        assert_eq!(long.unfolded(), "word ".repeat(40));
    }
}
