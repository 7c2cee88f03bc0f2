//! Asking for messages.

use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::pseudonym::Pseudonyms;
use super::row::Row;
use crate::model::{Category, Disposition, MailId, Timestamp};

/// Which messages. What is not given does not restrict. Upper and lower case are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Whose ids were made at this moment or later.
    pub since: Option<Timestamp>,
    /// Whose ids were made before this moment.
    pub until: Option<Timestamp>,
    /// The reverse-path: an address, a domain (`example.org` or `@example.org`), or `<>` for bounces.
    pub sender: Option<String>,
    /// A recipient: an address or a domain.
    pub recipient: Option<String>,
    /// The client: an address, a network, or a part of its name.
    pub client: Option<String>,
    /// The strictest of what happened to its recipients.
    pub disposition: Option<Disposition>,
    /// The worst category.
    pub category: Option<Category>,
    /// The MTA's queue id.
    pub queue_id: Option<String>,
    /// The Message-ID, with or without angle brackets.
    pub message_id: Option<String>,
    /// A part of subject, sender, the first recipients, client name, Message-ID or reason.
    pub text: Option<String>,
    /// At most so many; 0 is 100.
    pub limit: usize,
    /// Only what is older than this id: to go on where a listing ended.
    pub before: Option<MailId>,
}

/// What was found, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// One for each message.
    pub rows: Vec<Row>,
    /// There may be more: ask again with this as [`Query::before`].
    pub next: Option<MailId>,
    /// What may be missing, as a sentence.
    pub incomplete: Option<String>,
}

/// Rows given if the query says nothing.
pub(super) const DEFAULT_LIMIT: usize = 100;
/// Rows given at most in one listing.
pub(super) const MAX_LIMIT: usize = 10_000;
/// Rows looked at in one listing: about two seconds.
pub(super) const MAX_LOOKED_AT: usize = 500_000;

/// What a row says about a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// The record must be asked: it has more recipients than the row.
    AskRecord,
}

/// A query, read.
pub(super) struct Filter {
    senders: Vec<AddressPattern>,
    recipients: Vec<AddressPattern>,
    client: Option<ClientPattern>,
    disposition: Option<Disposition>,
    category: Option<Category>,
    queue_id: Option<String>,
    message_id: Option<String>,
    text: Option<String>,
}

impl Filter {
    /// With pseudonyms an address is looked for as it was given and as its pseudonym.
    pub(super) fn new(query: &Query, pseudonyms: Option<&Pseudonyms>) -> Self {
        let addresses = |text: &Option<String>| -> Vec<AddressPattern> {
            let Some(plain) = text.as_deref().map(AddressPattern::new) else { return Vec::new() };
            let hidden = match (&plain, pseudonyms) {
                (AddressPattern::Address(a), Some(p)) => Some(AddressPattern::Address(p.address(a))),
                _ => None,
            };
            std::iter::once(plain).chain(hidden).collect()
        };
        Self {
            senders: addresses(&query.sender),
            recipients: addresses(&query.recipient),
            client: query.client.as_deref().map(ClientPattern::new),
            disposition: query.disposition,
            category: query.category,
            queue_id: query.queue_id.clone(),
            message_id: query.message_id.as_deref().map(bare),
            text: query.text.as_deref().map(str::to_lowercase),
        }
    }

    pub(super) fn matches(&self, row: &Row) -> Match {
        let same = |wanted: &Option<String>, found: &Option<String>| {
            wanted.as_deref().is_none_or(|w| found.as_deref().is_some_and(|f| f.eq_ignore_ascii_case(w)))
        };
        let id = row.message_id.as_deref().map(bare);
        let rest = self.disposition.is_none_or(|d| d == row.disposition)
            && self.category.is_none_or(|c| c == row.category)
            && same(&self.queue_id, &row.queue_id)
            && same(&self.message_id, &id)
            && (self.senders.is_empty() || self.senders.iter().any(|p| p.matches(&row.sender)))
            && self.client.as_ref().is_none_or(|c| c.matches(row))
            && self.text.as_deref().is_none_or(|t| has_text(row, t));
        match rest {
            false => Match::No,
            true if self.matches_recipient(row.recipients.iter().map(String::as_str)) => Match::Yes,
            true if row.recipient_count > row.recipients.len() => Match::AskRecord,
            true => Match::No,
        }
    }

    pub(super) fn matches_recipient<'a>(&self, mut recipients: impl Iterator<Item = &'a str>) -> bool {
        self.recipients.is_empty() || recipients.any(|r| self.recipients.iter().any(|p| p.matches(r)))
    }
}

enum AddressPattern {
    Address(String),
    Domain(String),
}

impl AddressPattern {
    fn new(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
        match text.strip_prefix('@') {
            Some(domain) => Self::Domain(domain.to_lowercase()),
            None if text.is_empty() || text.contains('@') => Self::Address(text.to_lowercase()),
            None => Self::Domain(text.to_lowercase()),
        }
    }

    fn matches(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        match self {
            Self::Address(wanted) => *wanted == address,
            // A word without @ may also be an address without a domain: `root`.
            Self::Domain(wanted) => {
                address.rsplit_once('@').map_or(address.as_str(), |(_, domain)| domain) == wanted
            }
        }
    }
}

enum ClientPattern {
    Net(IpNet),
    Name(String),
}

impl ClientPattern {
    fn new(text: &str) -> Self {
        let text = text.trim();
        let address = || text.parse().ok().map(|ip: std::net::IpAddr| IpNet::from(ip.to_canonical()));
        match IpNet::from_str(text).ok().or_else(address) {
            Some(net) => Self::Net(net),
            None => Self::Name(text.to_lowercase()),
        }
    }

    fn matches(&self, row: &Row) -> bool {
        match self {
            Self::Net(net) => row.client.parse::<std::net::IpAddr>().is_ok_and(|ip| net.contains(&ip)),
            Self::Name(part) => {
                row.client_name.to_lowercase().contains(part) || row.client.to_lowercase() == *part
            }
        }
    }
}

fn bare(message_id: &str) -> String {
    message_id.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}

fn has_text(row: &Row, text: &str) -> bool {
    let words = [row.subject.as_deref(), row.message_id.as_deref()];
    let fixed = [row.sender.as_str(), &row.client_name, &row.reason];
    let mut all = words.into_iter().flatten().chain(fixed).chain(row.recipients.iter().map(String::as_str));
    all.any(|word| word.to_lowercase().contains(text))
}
