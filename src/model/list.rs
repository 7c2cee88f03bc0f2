//! What the admin's lists say of a message.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Recipient, mailbox};

/// The two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum List {
    /// Mail that is let through. Never malware.
    Allow,
    /// Mail that is refused.
    Block,
}

impl List {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Block];

    /// The word in commands, records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What of a message an entry was held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matched {
    /// The address of the connecting client.
    Client,
    /// The reverse-path (MAIL FROM).
    Sender,
    /// An address in the From field.
    From,
    /// The host of a link.
    Url,
    /// A file, by its content.
    Attachment,
    /// The value of a header field.
    Header,
}

impl Matched {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Sender, Self::From, Self::Url, Self::Attachment, Self::Header];

    /// Whether an entry of the allow list that matched there lets a message through, as far as it is proven.
    /// That a link or a file is known to be good says nothing of the rest of the message.
    #[must_use]
    pub const fn speaks_for_all(self) -> bool {
        matches!(self, Self::Client | Self::Sender | Self::From | Self::Header)
    }

    /// The word in records and in conditions of rules.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Sender => "sender",
            Self::From => "from",
            Self::Url => "url",
            Self::Attachment => "attachment",
            Self::Header => "header",
        }
    }

    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Sender => "sender",
            Self::From => "From",
            Self::Url => "link",
            Self::Attachment => "file",
            Self::Header => "field",
        }
    }
}

/// An entry that matched.
///
/// Anybody can write any sender, any From and any header field. An entry of the allow list that matched there is
/// a claim, which counts where SPF or DKIM proves it; whoever judges has to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListHit {
    /// Of which list.
    pub list: List,
    /// What it was held against.
    pub on: Matched,
    /// What the entry matches, as it is listed: `example.org`, `192.0.2.0/24`, `url:evil.example`.
    pub entry: String,
    /// Why it is on the list, if somebody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The domain of the address that it matched, as an A-label in lower case; `None` for a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// An entry of the block list from which a narrower one of the allow list is the exception: it counts
    /// where that one is not proven.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excepted: bool,
    /// For whom the entry is: `@example.org` or `alice@example.org`; `None`: for all recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// For whom it counts here, where that is not `scope`: an entry for all that stands beside one for a few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

impl ListHit {
    /// An entry for all recipients, of which nothing more is known.
    #[must_use]
    pub fn new(list: List, on: Matched, entry: impl Into<String>) -> Self {
        let entry = entry.into();
        Self { list, on, entry, comment: None, domain: None, excepted: false, scope: None, beside: None }
    }

    /// For whom it counts; `None`: for all of whom nothing narrower says something else.
    #[must_use]
    pub fn counts_for(&self) -> Option<&str> {
        self.beside.as_deref().or(self.scope.as_deref())
    }
}

/// All entries that count for a message: of each thing that was held against the lists, at most the most
/// specific one.
///
/// Where entries are for some recipients only, those for different recipients stand side by side:
/// [`Self::for_recipient`] says what counts for one. What else is asked here is asked of what that gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListHits(pub Vec<ListHit>);

impl ListHits {
    /// Nothing matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether different entries may count for different recipients.
    #[must_use]
    pub fn is_scoped(&self) -> bool {
        self.0.iter().any(|hit| hit.counts_for().is_some())
    }

    /// Which count for one recipient, by their position; `None` where all count for everybody. Of client,
    /// sender, From, links, files and fields each: what was found for that address, else what was found for its
    /// domain, else what was found for all.
    #[must_use]
    pub fn positions_for(&self, recipient: &Recipient) -> Option<Vec<usize>> {
        if !self.is_scoped() {
            return None;
        }
        let scopes = scopes(recipient);
        let rank = |hit: &ListHit| match hit.counts_for() {
            None => Some(0),
            Some(scope) if scopes.domain.as_deref() == Some(scope) => Some(1),
            Some(scope) if scopes.address.as_deref() == Some(scope) => Some(2),
            Some(_) => None,
        };
        let mut narrowest = [None; Matched::ALL.len()];
        for hit in &self.0 {
            let place = &mut narrowest[hit.on as usize];
            *place = rank(hit).max(*place);
        }
        let counts = |hit: &ListHit| rank(hit).is_some() && rank(hit) == narrowest[hit.on as usize];
        Some((0..).zip(&self.0).filter(|(_, hit)| counts(hit)).map(|(at, _)| at).collect())
    }

    /// Those at some positions.
    #[must_use]
    pub fn only(&self, positions: &[usize]) -> Self {
        Self(positions.iter().filter_map(|at| self.0.get(*at)).cloned().collect())
    }

    /// What counts for one recipient: [`Self::positions_for`].
    #[must_use]
    pub fn for_recipient(&self, recipient: &Recipient) -> Self {
        self.positions_for(recipient).map_or_else(|| self.clone(), |positions| self.only(&positions))
    }

    /// The entry that blocks whatever may be proven. Between things that were held against the lists a
    /// block wins: an allowed sender does not open the door to a blocked client.
    #[must_use]
    pub fn block(&self) -> Option<&ListHit> {
        self.0.iter().find(|hit| hit.list == List::Block && !hit.excepted)
    }

    /// The entries that let the message through, as far as they are proven.
    pub fn allows(&self) -> impl Iterator<Item = &ListHit> {
        self.0.iter().filter(|hit| hit.list == List::Allow && hit.on.speaks_for_all())
    }

    /// The entry of the block list from which `allow` is the exception.
    #[must_use]
    pub fn excepted_by(&self, allow: &ListHit) -> Option<&ListHit> {
        self.0.iter().find(|hit| hit.excepted && hit.on == allow.on)
    }
}

impl fmt::Display for ListHit {
    /// `sender example.org on the block list`, and `, with an exception` where it is excepted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excepted = if self.excepted { ", with an exception" } else { "" };
        write!(f, "{} {} on the {} list", self.on.name(), self.entry, self.list)?;
        if let Some(scope) = &self.scope {
            write!(f, " for {scope}")?;
        }
        f.write_str(excepted)
    }
}

/// The scopes that take a recipient in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// `alice@example.org`.
    pub address: Option<String>,
    /// `@example.org`.
    pub domain: Option<String>,
}

/// The scopes that take `recipient` in, in the form in which entries have them. One without a domain, or
/// whose domain is none, is in no scope.
#[must_use]
pub fn scopes(recipient: &Recipient) -> Scopes {
    let Some((local, Some(domain))) = mailbox::taken_apart(recipient.mailbox()) else {
        return Scopes::default();
    };
    Scopes { address: local.map(|local| format!("{local}@{domain}")), domain: Some(format!("@{domain}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(list: List, on: Matched) -> ListHit {
        ListHit::new(list, on, "example.org")
    }

    #[test]
    fn a_block_stands_beside_an_allow() {
        let allow = ListHits(vec![hit(List::Allow, Matched::Sender)]);
        assert_eq!((allow.block(), allow.allows().count()), (None, 1));
        let both = ListHits(vec![hit(List::Allow, Matched::Sender), hit(List::Block, Matched::Client)]);
        assert_eq!(both.block().map(|h| h.on), Some(Matched::Client));
        assert_eq!(both.0[1].to_string(), "client example.org on the block list");
    }

    #[test]
    fn an_excepted_block_is_no_block_yet() {
        let excepted = ListHit { excepted: true, ..hit(List::Block, Matched::Sender) };
        let hits = ListHits(vec![hit(List::Allow, Matched::Sender), excepted.clone()]);
        assert_eq!(hits.block(), None);
        assert_eq!(hits.excepted_by(&hits.0[0]), Some(&excepted));
        assert_eq!(hits.excepted_by(&hit(List::Allow, Matched::From)), None);
        assert_eq!(excepted.to_string(), "sender example.org on the block list, with an exception");
        let json = serde_json::to_string(&excepted).unwrap();
        assert_eq!(serde_json::from_str::<ListHit>(&json).unwrap(), excepted);
        let before = r#"{"list":"block","on":"sender","entry":"example.org"}"#;
        assert_eq!(serde_json::from_str::<ListHit>(before).unwrap(), hit(List::Block, Matched::Sender));
    }

    #[test]
    fn of_each_thing_the_narrowest_that_is_for_a_recipient_counts() {
        let scoped = |scope: &str, hit: ListHit| ListHit { scope: Some(scope.to_owned()), ..hit };
        let (block, allow) = (hit(List::Block, Matched::Sender), hit(List::Allow, Matched::Sender));
        let beside = ListHit { beside: Some("bob@example.org".to_owned()), excepted: true, ..block.clone() };
        let hits = ListHits(vec![
            block.clone(),
            hit(List::Block, Matched::Client),
            scoped("@example.org", block.clone()),
            scoped("bob@example.org", allow.clone()),
            beside.clone(),
        ]);
        let client = || hit(List::Block, Matched::Client);
        for (recipient, counts) in [
            ("<a@other.example>", vec![block.clone(), client()]),
            ("<Postmaster>", vec![block.clone(), client()]),
            ("<>", vec![block.clone(), client()]),
            ("<alice@EXAMPLE.org>", vec![client(), scoped("@example.org", block)]),
            ("<\"Bob\"@example.org.>", vec![client(), scoped("bob@example.org", allow), beside]),
        ] {
            let narrowed = hits.for_recipient(&Recipient::new(recipient));
            assert_eq!(narrowed.0, counts, "{recipient}");
            assert_eq!(narrowed.for_recipient(&Recipient::new(recipient)), narrowed, "{recipient}");
        }
    }

    #[test]
    fn a_known_link_or_file_lets_nothing_through() {
        let hits = ListHits(vec![hit(List::Allow, Matched::Url), hit(List::Allow, Matched::Attachment)]);
        assert_eq!(hits.allows().count(), 0);
        assert_eq!(
            ListHits(vec![hit(List::Block, Matched::Attachment)]).block().map(|h| h.on),
            Some(Matched::Attachment)
        );
    }
}
