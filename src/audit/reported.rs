//! What somebody says of mail that they got.

use serde::{Deserialize, Serialize};

use super::Pseudonyms;
use crate::model::{MailId, Timestamp};

/// A delivered message that somebody called spam, or said was none: by moving it into or out of Junk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// What they say it is.
    pub kind: ReportKind,
    /// The message, where it is on record and this is it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MailId>,
    /// When.
    pub time: Timestamp,
    /// Whose mailbox it is, as the mail server says. Foreign text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The mailbox that it was moved into. Foreign text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mailbox: String,
    /// Through whom the report came: `token NAME` or `admin socket`.
    pub by: String,
    /// Its Message-ID field, where it is not known which message it is. Foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Whether rspamd was taught, and why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What somebody says that a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

impl ReportKind {
    /// The words for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spam => "reported-spam",
            Self::Ham => "reported-ham",
        }
    }
}

impl Reported {
    /// Who it was, for people; holds foreign text.
    #[must_use]
    pub fn who(&self) -> String {
        if self.user.is_empty() { self.by.clone() } else { format!("{} ({})", self.user, self.by) }
    }

    /// What there is to say of it, for people; holds foreign text.
    #[must_use]
    pub fn told(&self) -> String {
        let moved = (!self.mailbox.is_empty()).then(|| format!("moved to {}", self.mailbox));
        let named = self.message_id.as_ref().map(|id| format!("Message-ID {id}"));
        let said = Some(self.detail.clone()).filter(|detail| !detail.is_empty());
        [moved, named, said].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Hides the people in it.
    pub(super) fn hide(&mut self, pseudonyms: &Pseudonyms) {
        if !self.user.is_empty() {
            self.user = pseudonyms.address(&self.user);
        }
        self.mailbox = pseudonyms.text(&self.mailbox);
        self.detail = pseudonyms.text(&self.detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Reported {
        Reported {
            kind: ReportKind::Spam,
            id: None,
            time: Timestamp::from_millis(0),
            user: "alice@example.org".to_owned(),
            mailbox: "Junk".to_owned(),
            by: "token dovecot".to_owned(),
            message_id: Some("<1@sender.example>".to_owned()),
            detail: "learned as spam".to_owned(),
        }
    }

    #[test]
    fn a_report_says_who_and_what() {
        let mut report = report();
        assert_eq!(report.who(), "alice@example.org (token dovecot)");
        assert_eq!(report.told(), "moved to Junk; Message-ID <1@sender.example>; learned as spam");
        (report.user, report.mailbox, report.message_id) = (String::new(), String::new(), None);
        assert_eq!((report.who().as_str(), report.told().as_str()), ("token dovecot", "learned as spam"));
    }

    #[test]
    fn whose_mailbox_it_is_can_be_hidden() {
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        let mut report = report();
        report.hide(&pseudonyms);
        assert_eq!(report.user, pseudonyms.address("alice@example.org"));
        report.user = "alice".to_owned();
        report.hide(&pseudonyms);
        assert_eq!(report.user, pseudonyms.word("alice"));
    }
}
