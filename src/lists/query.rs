//! Reading the lists, for people and for files.

use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Lists;
use super::change::whom;
use super::entry::Entry;
use super::exchange::{Format, write_head, write_line};
use super::kind::Kind;
use super::listed::{Item, Listed};
use super::scope::Scope;
use crate::model::List;

/// Rows that are given at once at most.
const MOST: usize = 10_000;
/// Rows that are given unless more are asked for.
const USUAL: usize = 50;

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// With this text in entry, comment or author, upper and lower case alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For these recipients alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// At most so many; 0 is 50, and never more than 10000.
    pub limit: usize,
    /// Behind this entry: to go on where a listing ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Entry>,
}

/// Entries by kind, then text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The entries.
    pub entries: Vec<Listed>,
    /// There is more behind this one.
    pub next: Option<Entry>,
    /// How many are on the list in all.
    pub total: usize,
    /// What cannot be read: a sentence each.
    pub notes: Vec<String>,
}

/// What is known of an entry that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It is on the list.
    Listed(Box<Listed>),
    /// It is not, and this wider one is, and decides about it.
    Within {
        /// On which list.
        list: List,
        /// The wider one.
        listed: Box<Listed>,
    },
    /// Nothing that would match it is on any list.
    Nothing,
}

impl Lists {
    /// A part of a list. Takes some ten milliseconds where it is long.
    #[must_use]
    pub fn list(&self, list: List, query: &Query) -> Listing {
        let limit = if query.limit == 0 { USUAL } else { query.limit.min(MOST) };
        let wanted = query.text.as_deref().map(str::to_lowercase);
        let (total, all) = self.snapshot(list);
        let mut wanted = all
            .iter()
            .filter(|item| query.kind.is_none_or(|kind| item.kept().entry.kind() == kind))
            .filter(|item| query.scope.is_none() || item.kept().entry.scope == query.scope)
            .filter(|item| query.after.as_ref().is_none_or(|after| item.kept().entry.in_order(after).is_gt()))
            .filter(|item| wanted.as_deref().is_none_or(|text| holds(item.kept(), text)));
        let entries: Vec<Listed> = wanted.by_ref().take(limit).map(|item| item.now()).collect();
        let next = wanted.next().and(entries.last()).map(|last| last.entry.clone());
        let notes = self.damaged().iter().map(|damage| damage.note.clone()).collect();
        Listing { entries, next, total, notes }
    }

    /// Looks for one entry, and for what decides in its place where it is not there. Never blocks.
    #[must_use]
    pub fn find(&self, list: List, entry: &Entry) -> Found {
        let index = self.index();
        if let Some(item) = index.get(list, entry) {
            return Found::Listed(Box::new(item.now()));
        }
        let domain = entry.scope.as_ref().and_then(Scope::wider);
        match index.wider(entry, self.clock.now(), whom(entry, domain.as_ref())) {
            Some((list, item)) => Found::Within { list, listed: Box::new(item.now()) },
            None => Found::Nothing,
        }
    }

    /// Writes a whole list out as it is at this moment. Blocks on `to`.
    ///
    /// # Errors
    /// If `to` cannot be written.
    pub fn export(&self, list: List, format: Format, to: &mut dyn Write) -> io::Result<()> {
        write_head(format, to)?;
        for item in self.snapshot(list).1 {
            write_line(&item.now(), format, to)?;
        }
        to.flush()
    }

    /// The entries of a list in order, and how many there are.
    fn snapshot(&self, list: List) -> (usize, Vec<Arc<Item>>) {
        let index = self.index();
        let mut all: Vec<Arc<Item>> = index.all(list).cloned().collect();
        drop(index);
        all.sort_by(|a, b| a.kept().entry.in_order(&b.kept().entry));
        (all.len(), all)
    }
}

fn holds(listed: &Listed, text: &str) -> bool {
    let in_it = |found: &str| found.to_lowercase().contains(text);
    in_it(&listed.entry.to_string())
        || in_it(&listed.by)
        || listed.comment.as_deref().is_some_and(in_it)
        || listed.entry.in_unicode().is_some_and(|name| in_it(&name))
}
