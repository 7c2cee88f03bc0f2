//! The entries with one and the same pattern: on each list, for all recipients and for some.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::listed::Item;
use super::scope::Scope;
use crate::model::{List, Timestamp};

/// For whom is asked: the scopes that take one recipient in. The default is nobody in particular, for whom
/// only what is for all counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct For<'a> {
    /// The recipient's own.
    pub(super) recipient: Option<&'a Scope>,
    /// That of the domain.
    pub(super) domain: Option<&'a Scope>,
}

impl For<'_> {
    /// Without `scope` and what is narrower.
    pub(super) fn wider_than(self, scope: &Scope) -> Self {
        let of_recipient = self.recipient == Some(scope);
        Self { recipient: None, domain: self.domain.filter(|_| of_recipient) }
    }
}

/// The same entry on each list.
#[derive(Clone, Debug, Default)]
struct Pair {
    allow: Option<Arc<Item>>,
    block: Option<Arc<Item>>,
}

impl Pair {
    const fn on(&self, list: List) -> Option<&Arc<Item>> {
        match list {
            List::Allow => self.allow.as_ref(),
            List::Block => self.block.as_ref(),
        }
    }

    const fn place(&mut self, list: List) -> &mut Option<Arc<Item>> {
        match list {
            List::Allow => &mut self.allow,
            List::Block => &mut self.block,
        }
    }

    const fn is_empty(&self) -> bool {
        self.allow.is_none() && self.block.is_none()
    }

    /// The entry that holds now: of two the one that blocks.
    fn holding(&self, now: Timestamp) -> Option<(List, &Arc<Item>)> {
        let holds = |list| Some((list, self.on(list).filter(|item| !item.kept().is_over(now))?));
        holds(List::Block).or_else(|| holds(List::Allow))
    }
}

/// All entries with one pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    for_all: Pair,
    #[expect(clippy::box_collection, reason = "most places have none, and there may be a million places")]
    scoped: Option<Box<BTreeMap<Scope, Pair>>>,
}

impl Slot {
    fn pair(&self, scope: Option<&Scope>) -> Option<&Pair> {
        match scope {
            None => Some(&self.for_all),
            Some(scope) => self.scoped.as_ref()?.get(scope),
        }
    }

    /// This very entry.
    pub(super) fn on(&self, list: List, scope: Option<&Scope>) -> Option<&Arc<Item>> {
        self.pair(scope)?.on(list)
    }

    /// Puts an entry there; the one that was.
    pub(super) fn put(&mut self, list: List, item: &Arc<Item>) -> Option<Arc<Item>> {
        let pair = match &item.kept().entry.scope {
            None => &mut self.for_all,
            Some(scope) => self.scoped.get_or_insert_default().entry(scope.clone()).or_default(),
        };
        pair.place(list).replace(Arc::clone(item))
    }

    /// Takes an entry away.
    pub(super) fn take(&mut self, list: List, scope: Option<&Scope>) -> Option<Arc<Item>> {
        let Some(scope) = scope else { return self.for_all.place(list).take() };
        let scoped = self.scoped.as_mut()?;
        let pair = scoped.get_mut(scope)?;
        let taken = pair.place(list).take();
        if pair.is_empty() {
            scoped.remove(scope);
        }
        if scoped.is_empty() {
            self.scoped = None;
        }
        taken
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.for_all.is_empty() && self.scoped.is_none()
    }

    /// The entry that holds now for whom is asked: the one for fewer recipients before the one for more.
    pub(super) fn holding(&self, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        let scoped = self.scoped.as_ref().and_then(|scoped| {
            let of = |scope| scoped.get(scope).and_then(|pair| pair.holding(now));
            whom.recipient.and_then(of).or_else(|| whom.domain.and_then(of))
        });
        scoped.or_else(|| self.for_all.holding(now))
    }

    /// Its entries on a list.
    pub(super) fn all(&self, list: List) -> impl Iterator<Item = &Arc<Item>> {
        let scoped = self.scoped.iter().flat_map(|scoped| scoped.values());
        std::iter::once(&self.for_all).chain(scoped).filter_map(move |pair| pair.on(list))
    }
}
