//! All entries in memory, and finding the most specific one.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::content;
use super::entry::{Bits, Entry, Pattern};
use super::listed::Item;
use super::networks::{ByLength, at, made, mask_v4, mask_v6, tidied};
use super::scope::Scope;
use super::slot::{For, Slot};
use crate::model::{List, Timestamp, mailbox};

/// Entries by what they match. Cheap to clone compared with reading them: the entries themselves are shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Addresses and domains by their text: `a@example.org`, `@example.org`, `example.org`.
    names: HashMap<Arc<str>, Slot>,
    /// Networks by their length, the longest first.
    v4: ByLength<u32>,
    v6: ByLength<u128>,
    /// Hosts of links.
    urls: HashMap<Arc<str>, Slot>,
    /// Files by the digits of their hash.
    files: HashMap<Arc<str>, Slot>,
    /// Fields by name.
    fields: HashMap<Arc<str>, Fields>,
    /// The most labels that a domain with sub-domains, or a host of links, has, or had: longer names are not looked for.
    labels: usize,
    /// How many are on the allow and on the block list.
    counts: [usize; 2],
    /// For whom there are entries that are not for all, and how many.
    scopes: HashMap<Scope, usize>,
    /// How many entries have a `*` in the value of a field.
    globs: usize,
}

/// The entries for one field, by `name:value`.
#[derive(Clone, Debug, Default)]
struct Fields {
    exact: HashMap<Arc<str>, Slot>,
    globs: HashMap<Arc<str>, Slot>,
}

impl Fields {
    fn of(&self, field: &str) -> &HashMap<Arc<str>, Slot> {
        if is_glob(field) { &self.globs } else { &self.exact }
    }

    fn of_mut(&mut self, field: &str) -> &mut HashMap<Arc<str>, Slot> {
        if is_glob(field) { &mut self.globs } else { &mut self.exact }
    }
}

/// Which of what a message holds is asked about at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Hosts of links.
    pub urls: bool,
    /// Hashes of files.
    pub files: bool,
    /// Fields with these names, in lower case.
    pub fields: BTreeSet<Arc<str>>,
}

impl Index {
    /// How many entries there are on `list`.
    pub(super) const fn count(&self, list: List) -> usize {
        self.counts[list as usize]
    }

    /// How many entries for links there are.
    pub(super) fn links(&self) -> usize {
        self.urls.values().flat_map(|slot| List::ALL.into_iter().map(|list| slot.all(list).count())).sum()
    }

    /// How many entries have a `*` in the value of a field.
    pub(super) const fn globs(&self) -> usize {
        self.globs
    }

    /// What of the content of a message is asked about.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            urls: !self.urls.is_empty(),
            files: !self.files.is_empty(),
            fields: self.fields.keys().cloned().collect(),
        }
    }

    /// The scope, if there are entries for it.
    pub(super) fn known(&self, scope: Scope) -> Option<Scope> {
        self.scopes.contains_key(&scope).then_some(scope)
    }

    /// Whether all entries are for all recipients.
    pub(super) fn is_for_all(&self) -> bool {
        self.scopes.is_empty()
    }

    fn slot(&self, pattern: &Pattern) -> Option<&Slot> {
        match pattern {
            Pattern::Address(text) | Pattern::Domain(text) => self.names.get(text),
            Pattern::Network(IpNet::V4(net)) => at(&self.v4, net.prefix_len())?.get(&net.network().to_bits()),
            Pattern::Network(IpNet::V6(net)) => at(&self.v6, net.prefix_len())?.get(&net.network().to_bits()),
            Pattern::Url(host) => self.urls.get(host),
            Pattern::Attachment(digits) => self.files.get(digits),
            Pattern::Header(field) => self.fields.get(named(field))?.of(field).get(field),
        }
    }

    fn slot_mut(&mut self, pattern: &Pattern) -> &mut Slot {
        match pattern {
            Pattern::Address(text) | Pattern::Domain(text) => self.names.entry(Arc::clone(text)).or_default(),
            Pattern::Network(IpNet::V4(net)) => {
                made(&mut self.v4, net.prefix_len()).entry(net.network().to_bits()).or_default()
            }
            Pattern::Network(IpNet::V6(net)) => {
                made(&mut self.v6, net.prefix_len()).entry(net.network().to_bits()).or_default()
            }
            Pattern::Url(host) => self.urls.entry(Arc::clone(host)).or_default(),
            Pattern::Attachment(digits) => self.files.entry(Arc::clone(digits)).or_default(),
            Pattern::Header(field) => {
                let fields = self.fields.entry(named(field).into()).or_default();
                fields.of_mut(field).entry(Arc::clone(field)).or_default()
            }
        }
    }

    /// Takes the place away in which no entry is left.
    fn tidy(&mut self, pattern: &Pattern) {
        if self.slot(pattern).is_none_or(|slot| !slot.is_empty()) {
            return;
        }
        match pattern {
            Pattern::Address(text) | Pattern::Domain(text) => drop(self.names.remove(text)),
            Pattern::Network(IpNet::V4(net)) => {
                tidied(&mut self.v4, net.prefix_len(), &net.network().to_bits());
            }
            Pattern::Network(IpNet::V6(net)) => {
                tidied(&mut self.v6, net.prefix_len(), &net.network().to_bits());
            }
            Pattern::Url(host) => drop(self.urls.remove(host)),
            Pattern::Attachment(digits) => drop(self.files.remove(digits)),
            Pattern::Header(field) => {
                let name = named(field);
                if let Some(fields) = self.fields.get_mut(name) {
                    fields.of_mut(field).remove(field);
                    if fields.exact.is_empty() && fields.globs.is_empty() {
                        self.fields.remove(name);
                    }
                }
            }
        }
    }

    /// This very entry.
    pub(super) fn get(&self, list: List, entry: &Entry) -> Option<&Arc<Item>> {
        self.slot(&entry.pattern)?.on(list, entry.scope.as_ref())
    }

    /// Puts an entry there, in the place of the same one, whose counters it takes over.
    pub(super) fn put(&mut self, list: List, item: Arc<Item>) {
        let entry = &item.kept().entry;
        if let Pattern::Domain(text) | Pattern::Url(text) = &entry.pattern {
            self.labels = self.labels.max(text.split('.').count());
        }
        match self.slot_mut(&entry.pattern).put(list, &item) {
            Some(old) => item.follow(&old),
            None => {
                self.counts[list as usize] += 1;
                self.globs += usize::from(has_glob(&entry.pattern));
                if let Some(scope) = &entry.scope {
                    *self.scopes.entry(scope.clone()).or_default() += 1;
                }
            }
        }
    }

    /// Takes an entry away.
    pub(super) fn take(&mut self, list: List, entry: &Entry) -> Option<Arc<Item>> {
        self.get(list, entry)?;
        let taken = self.slot_mut(&entry.pattern).take(list, entry.scope.as_ref())?;
        self.tidy(&entry.pattern);
        self.counts[list as usize] -= 1;
        self.globs -= usize::from(has_glob(&entry.pattern));
        if let Some(scope) = &entry.scope
            && let Some(count) = self.scopes.get_mut(scope)
        {
            *count -= 1;
            if *count == 0 {
                self.scopes.remove(scope);
            }
        }
        Some(taken)
    }

    /// The entry that decides about a client.
    pub(super) fn client(&self, ip: IpAddr, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        match Bits::of(ip) {
            Bits::V4(bits) => self.v4.iter().find_map(|(len, nets)| {
                nets.get(&(bits & mask_v4(*len))).and_then(|slot| slot.holding(now, whom))
            }),
            Bits::V6(bits) => self.v6.iter().find_map(|(len, nets)| {
                nets.get(&(bits & mask_v6(*len))).and_then(|slot| slot.holding(now, whom))
            }),
        }
    }

    /// The entry that decides about an address.
    pub(super) fn address(&self, address: &str, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        if self.names.is_empty() {
            return None;
        }
        let (local, domain) = mailbox::taken_apart(address)?;
        let domain = domain?;
        let holding = |name: &str| self.names.get(name).and_then(|slot| slot.holding(now, whom));
        // One buffer for the address and, from its `@` on, for the domain alone.
        let local = local.unwrap_or_default();
        let whole = format!("{local}@{domain}");
        let address = if local.is_empty() { None } else { holding(&whole) };
        address
            .or_else(|| holding(&whole[local.len()..]))
            .or_else(|| self.above(&self.names, &domain, now, whom))
    }

    /// The entry that decides about links to a host.
    pub(super) fn url(&self, host: &str, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        self.above(&self.urls, host, now, whom)
    }

    /// Whether there is any entry, for whom ever, for links to a host.
    pub(super) fn has_url(&self, host: &str) -> bool {
        let mut rest = host;
        loop {
            if self.urls.contains_key(rest) {
                return true;
            }
            match rest.split_once('.') {
                Some((_, above)) => rest = above,
                None => return false,
            }
        }
    }

    /// The entry that decides about a file.
    pub(super) fn file(&self, digits: &str, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        self.files.get(digits)?.holding(now, whom)
    }

    /// Which entries describe a field, the narrowest first; `value` in the form of [`content::value`].
    pub(super) fn field(&self, name: &str, value: &str) -> Vec<&Slot> {
        let Some(fields) = self.fields.get(name) else { return Vec::new() };
        let exact = fields.exact.get(format!("{name}:{value}").as_str());
        let described = |(field, _): &(&Arc<str>, &Slot)| content::matches(&field[name.len() + 1..], value);
        let mut globs: Vec<(&Arc<str>, &Slot)> = fields.globs.iter().filter(described).collect();
        globs.sort_by(|(a, _), (b, _)| {
            let narrowness = |field: &str| content::narrowness(&field[name.len() + 1..]);
            narrowness(b).cmp(&narrowness(a)).then_with(|| a.cmp(b))
        });
        exact.into_iter().chain(globs.into_iter().map(|(_, slot)| slot)).collect()
    }

    /// The entry that decides about a domain, as far as entries with sub-domains go.
    fn above<'i>(
        &self,
        names: &'i HashMap<Arc<str>, Slot>,
        domain: &str,
        now: Timestamp,
        whom: For<'_>,
    ) -> Option<(List, &'i Arc<Item>)> {
        // A stranger's name may have a hundred labels, and each suffix would cost a look-up.
        let mut dots = memchr::memrchr_iter(b'.', domain.as_bytes());
        let surplus = self.labels.checked_sub(1).and_then(|last| dots.nth(last));
        let mut rest = surplus.map_or(domain, |dot| &domain[dot + 1..]);
        loop {
            if let Some(found) = names.get(rest).and_then(|slot| slot.holding(now, whom)) {
                return Some(found);
            }
            (_, rest) = rest.split_once('.')?;
        }
    }

    /// All entries of a list, in no order.
    pub(super) fn all(&self, list: List) -> impl Iterator<Item = &Arc<Item>> {
        let v4 = self.v4.iter().flat_map(|(_, nets)| nets.values());
        let v6 = self.v6.iter().flat_map(|(_, nets)| nets.values());
        let fields =
            self.fields.values().flat_map(|fields| fields.exact.values().chain(fields.globs.values()));
        let content = self.urls.values().chain(self.files.values()).chain(fields);
        self.names.values().chain(v4).chain(v6).chain(content).flat_map(move |slot| slot.all(list))
    }

    /// The entry of the block list from which `allow` is the exception. Wider ones of the allow list between
    /// them would have to be proven in the same way.
    pub(super) fn excepted_by(&self, allow: &Item, now: Timestamp, whom: For<'_>) -> Option<&Arc<Item>> {
        let mut entry = &allow.kept().entry;
        loop {
            match self.wider(entry, now, whom)? {
                (List::Block, item) => return Some(item),
                (List::Allow, item) => entry = &item.kept().entry,
            }
        }
    }

    /// The entry that decides about what `entry` matches, where `entry` itself is on no list: the same for
    /// more recipients, then one that matches more.
    pub(super) fn wider(&self, entry: &Entry, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        let same = entry.scope.as_ref().and_then(|scope| {
            self.slot(&entry.pattern).and_then(|slot| slot.holding(now, whom.wider_than(scope)))
        });
        same.or_else(|| self.beyond(&entry.pattern, now, whom))
    }

    fn beyond(&self, pattern: &Pattern, now: Timestamp, whom: For<'_>) -> Option<(List, &Arc<Item>)> {
        let over = |names, domain: &str| {
            domain.split_once('.').and_then(|(_, rest)| self.above(names, rest, now, whom))
        };
        match pattern {
            Pattern::Address(text) => {
                let (_, domain) = text.rsplit_once('@')?;
                let alone = self.names.get(&text[text.len() - domain.len() - 1..]);
                alone
                    .and_then(|slot| slot.holding(now, whom))
                    .or_else(|| self.above(&self.names, domain, now, whom))
            }
            Pattern::Domain(text) => match text.strip_prefix('@') {
                Some(domain) => self.above(&self.names, domain, now, whom),
                None => over(&self.names, text),
            },
            Pattern::Network(net) => (1..net.prefix_len()).rev().find_map(|len| {
                let wider = IpNet::new(net.addr(), len).ok()?.trunc();
                let slot = match wider {
                    IpNet::V4(net) => at(&self.v4, len)?.get(&net.network().to_bits()),
                    IpNet::V6(net) => at(&self.v6, len)?.get(&net.network().to_bits()),
                };
                slot?.holding(now, whom)
            }),
            // The parts of an IPv4 address are no names; no entry is like their ends.
            Pattern::Url(host) => over(&self.urls, host),
            // Of patterns with `*` the field says which is wider, see [`Self::field`].
            Pattern::Attachment(_) | Pattern::Header(_) => None,
        }
    }
}

/// The name of `name:value`.
fn named(field: &str) -> &str {
    field.split_once(':').map_or(field, |(name, _)| name)
}

/// Whether the value of `name:value` has a `*`.
fn is_glob(field: &str) -> bool {
    field.split_once(':').is_some_and(|(_, value)| value.contains('*'))
}

fn has_glob(pattern: &Pattern) -> bool {
    matches!(pattern, Pattern::Header(field) if is_glob(field))
}
