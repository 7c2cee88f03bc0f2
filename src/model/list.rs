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
    /// An address in the From field. Anybody can write that, so it only ever blocks.
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

    /// The entry that blocks. Between things that were held against the lists a block wins: an address
    /// can be forged, so an allowed sender does not open the door to a blocked client.
    #[must_use]
    pub fn block(&self) -> Option<&ListHit> {
        self.0.iter().find(|hit| hit.list == List::Block)
    }

    /// The entry that allows, where none blocks.
    #[must_use]
    pub fn allow(&self) -> Option<&ListHit> {
        match self.block() {
            Some(_) => None,
            None => self.0.iter().find(|hit| hit.list == List::Allow),
        }
    }
}

impl fmt::Display for ListHit {
    /// `sender example.org on the block list`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on the {} list", self.on.name(), self.entry, self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(list: List, on: Matched) -> ListHit {
        ListHit { list, on, entry: "example.org".to_owned(), comment: None }
    }

    #[test]
    fn a_block_wins_over_an_allow() {
        let allow = ListHits(vec![hit(List::Allow, Matched::Sender)]);
        assert_eq!((allow.block(), allow.allow().map(|h| h.on)), (None, Some(Matched::Sender)));
        let both = ListHits(vec![hit(List::Allow, Matched::Sender), hit(List::Block, Matched::Client)]);
        assert_eq!((both.block().map(|h| h.on), both.allow()), (Some(Matched::Client), None));
        assert_eq!(both.0[1].to_string(), "client example.org on the block list");
    }
}
