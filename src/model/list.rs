//! What the admin's lists say of a message.

use std::fmt;

use serde::{Deserialize, Serialize};

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
}

impl Matched {
    /// The word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Sender => "sender",
            Self::From => "From",
        }
    }
}

/// An entry that matched.
///
/// Anybody can write any sender and any From. An entry of the allow list that matched there is a claim, which
/// counts where SPF or DKIM proves it; whoever judges has to look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListHit {
    /// Of which list.
    pub list: List,
    /// What it was held against.
    pub on: Matched,
    /// The entry, as it is listed: `example.org`, `192.0.2.0/24`.
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
}

/// All entries that count for a message: of each thing that was held against the lists, at most the most
/// specific one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListHits(pub Vec<ListHit>);

impl ListHits {
    /// Nothing matched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry that blocks whatever may be proven. Between things that were held against the lists a
    /// block wins: an allowed sender does not open the door to a blocked client.
    #[must_use]
    pub fn block(&self) -> Option<&ListHit> {
        self.0.iter().find(|hit| hit.list == List::Block && !hit.excepted)
    }

    /// The entries that allow, as far as they are proven.
    pub fn allows(&self) -> impl Iterator<Item = &ListHit> {
        self.0.iter().filter(|hit| hit.list == List::Allow)
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
        write!(f, "{} {} on the {} list{excepted}", self.on.name(), self.entry, self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(list: List, on: Matched) -> ListHit {
        let entry = "example.org".to_owned();
        ListHit { list, on, entry, comment: None, domain: None, excepted: false }
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
}
