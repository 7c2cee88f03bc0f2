//! `[lists]` in the configuration, and who is written to whatever the lists say.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Pattern};
use crate::model::{Recipient, mailbox};

/// `[lists]` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where a sender or client on the block list is answered.
    pub early: Early,
    /// Who gets mail from those on the block list as well: a local part (at any domain) or an address.
    pub exempt_recipients: Vec<Exempted>,
}

/// Where a sender or client on the block list is answered. Whatever is not refused there is refused at the
/// end of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Early {
    /// At RCPT, for each recipient who is not exempt.
    #[default]
    Rcpt,
    /// At MAIL. No recipient is known there, so none is exempt.
    Mail,
    /// At the end of the message.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        let named = |local: &str| Exempted::Local(local.to_owned());
        Self { early: Early::default(), exempt_recipients: vec![named("postmaster"), named("abuse")] }
    }
}

/// One of `exempt_recipients`, upper and lower case alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Exempted {
    /// This local part at any domain, and without one (RFC 5321 §4.5.1: `<Postmaster>`).
    Local(String),
    /// This address alone.
    Address(String),
}

impl FromStr for Exempted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is neither a local part such as \"postmaster\" nor an address such as \
                 \"postmaster@example.org\""
            )
        };
        if text.contains('@') {
            return match Entry::parse(text) {
                Ok(Entry { pattern: Pattern::Address(address), scope: None }) => {
                    Ok(Self::Address(address.to_string()))
                }
                _ => Err(wrong()),
            };
        }
        mailbox::local_part(text).map(Self::Local).ok_or_else(wrong)
    }
}

impl fmt::Display for Exempted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(text) | Self::Address(text) => f.pad(text),
        }
    }
}

impl Serialize for Exempted {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exempted {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The configuration made ready for use with each message.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Where those on the block list are answered.
    pub early: Early,
    exempted: HashSet<Exempted>,
}

impl Terms {
    /// From the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self { early: config.early, exempted: config.exempt_recipients.iter().cloned().collect() }
    }

    /// Whether this recipient gets mail from those on the block list as well.
    #[must_use]
    pub fn exempt(&self, recipient: &Recipient) -> bool {
        let Some((local, domain)) = mailbox::taken_apart(recipient.mailbox()) else { return false };
        let Some(local) = local else { return false };
        let address = domain.map(|domain| Exempted::Address(format!("{local}@{domain}")));
        address.is_some_and(|address| self.exempted.contains(&address))
            || self.exempted.contains(&Exempted::Local(local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exempt(list: &[&str], recipient: &str) -> bool {
        let exempt_recipients = list.iter().map(|text| text.parse().unwrap()).collect();
        Terms::new(&Config { exempt_recipients, ..Config::default() }).exempt(&Recipient::new(recipient))
    }

    #[test]
    fn a_local_part_is_exempt_at_any_domain_and_an_address_alone() {
        for postmaster in [
            "<postmaster@example.org>",
            "<PostMaster@other.example>",
            "<Postmaster>",
            "<\"postmaster\"@x.example>",
        ] {
            assert!(exempt(&["postmaster"], postmaster), "{postmaster}");
        }
        for other in ["<postmaster.x@example.org>", "<a@postmaster>", "<a@postmaster.example>", "<>", "<@>"] {
            assert!(!exempt(&["postmaster"], other), "{other}");
        }
        assert!(exempt(&["Help@Example.ORG"], "<help@example.org>"));
        assert!(!exempt(&["help@example.org"], "<help@other.example>"));
        assert!(!exempt(&[], "<postmaster@example.org>"));
    }

    #[test]
    fn what_is_no_recipient_is_refused() {
        for bad in ["", "@example.org", "a b", "a@b c", "a@", "<postmaster>"] {
            assert!(bad.parse::<Exempted>().is_err(), "{bad}");
        }
    }
}
