//! All entries in memory, and finding the most specific one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::entry::{self, Bits, Entry};
use super::listed::Item;
use crate::model::{List, Timestamp};

/// Entries by what they match. Cheap to clone compared with reading them: the entries themselves are shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Addresses and domains by their text: `a@example.org`, `@example.org`, `example.org`.
    names: HashMap<Arc<str>, Slot>,
    /// Networks by their length, the longest first.
    v4: Vec<(u8, HashMap<u32, Slot>)>,
    v6: Vec<(u8, HashMap<u128, Slot>)>,
    /// The most labels that a domain with sub-domains has, or had: longer names are not looked for.
    labels: usize,
    /// How many are on the allow and on the block list.
    counts: [usize; 2],
}

/// The same entry on each list.
#[derive(Clone, Debug, Default)]
struct Slot {
    allow: Option<Arc<Item>>,
    block: Option<Arc<Item>>,
}

impl Slot {
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

impl Index {
    /// How many entries there are on `list`.
    pub(super) const fn count(&self, list: List) -> usize {
        self.counts[list as usize]
    }

    /// This very entry.
    pub(super) fn get(&self, list: List, entry: &Entry) -> Option<&Arc<Item>> {
        let slot = match entry {
            Entry::Address(text) | Entry::Domain(text) => self.names.get(text),
            Entry::Network(IpNet::V4(net)) => at(&self.v4, net.prefix_len())?.get(&net.network().to_bits()),
            Entry::Network(IpNet::V6(net)) => at(&self.v6, net.prefix_len())?.get(&net.network().to_bits()),
        };
        slot?.on(list)
    }

    /// Puts an entry there, in the place of the same one, whose counters it takes over.
    pub(super) fn put(&mut self, list: List, item: Arc<Item>) {
        if let Entry::Domain(text) = &item.kept().entry {
            self.labels = self.labels.max(text.split('.').count());
        }
        let slot = match &item.kept().entry {
            Entry::Address(text) | Entry::Domain(text) => self.names.entry(Arc::clone(text)).or_default(),
            Entry::Network(IpNet::V4(net)) => {
                made(&mut self.v4, net.prefix_len()).entry(net.network().to_bits()).or_default()
            }
            Entry::Network(IpNet::V6(net)) => {
                made(&mut self.v6, net.prefix_len()).entry(net.network().to_bits()).or_default()
            }
        };
        match slot.place(list).replace(Arc::clone(&item)) {
            Some(old) => item.follow(&old),
            None => self.counts[list as usize] += 1,
        }
    }

    /// Takes an entry away.
    pub(super) fn take(&mut self, list: List, entry: &Entry) -> Option<Arc<Item>> {
        let taken = match entry {
            Entry::Address(text) | Entry::Domain(text) => taken(&mut self.names, text, list),
            Entry::Network(IpNet::V4(net)) => {
                taken_at(&mut self.v4, net.prefix_len(), &net.network().to_bits(), list)
            }
            Entry::Network(IpNet::V6(net)) => {
                taken_at(&mut self.v6, net.prefix_len(), &net.network().to_bits(), list)
            }
        };
        if taken.is_some() {
            self.counts[list as usize] -= 1;
        }
        taken
    }

    /// The entry that decides about a client.
    pub(super) fn client(&self, ip: IpAddr, now: Timestamp) -> Option<(List, &Arc<Item>)> {
        match Bits::of(ip) {
            Bits::V4(bits) => self
                .v4
                .iter()
                .find_map(|(len, nets)| nets.get(&(bits & mask_v4(*len))).and_then(|slot| slot.holding(now))),
            Bits::V6(bits) => self
                .v6
                .iter()
                .find_map(|(len, nets)| nets.get(&(bits & mask_v6(*len))).and_then(|slot| slot.holding(now))),
        }
    }

    /// The entry that decides about an address.
    pub(super) fn address(&self, address: &str, now: Timestamp) -> Option<(List, &Arc<Item>)> {
        if self.names.is_empty() {
            return None;
        }
        let (local, domain) = entry::taken_apart(address)?;
        let domain = domain?;
        let holding = |name: &str| self.names.get(name).and_then(|slot| slot.holding(now));
        // One buffer for the address and, from its `@` on, for the domain alone.
        let local = local.unwrap_or_default();
        let whole = format!("{local}@{domain}");
        let address = if local.is_empty() { None } else { holding(&whole) };
        address.or_else(|| holding(&whole[local.len()..])).or_else(|| self.domain(&domain, now))
    }

    /// The entry that decides about a domain, as far as entries with sub-domains go.
    pub(super) fn domain(&self, domain: &str, now: Timestamp) -> Option<(List, &Arc<Item>)> {
        // A stranger's name may have a hundred labels, and each suffix would cost a look-up.
        let mut dots = memchr::memrchr_iter(b'.', domain.as_bytes());
        let surplus = self.labels.checked_sub(1).and_then(|last| dots.nth(last));
        let mut rest = surplus.map_or(domain, |dot| &domain[dot + 1..]);
        loop {
            if let Some(found) = self.names.get(rest).and_then(|slot| slot.holding(now)) {
                return Some(found);
            }
            (_, rest) = rest.split_once('.')?;
        }
    }

    /// All entries of a list, in no order.
    pub(super) fn all(&self, list: List) -> impl Iterator<Item = &Arc<Item>> {
        let v4 = self.v4.iter().flat_map(|(_, nets)| nets.values());
        let v6 = self.v6.iter().flat_map(|(_, nets)| nets.values());
        self.names.values().chain(v4).chain(v6).filter_map(move |slot| slot.on(list))
    }
}

const fn mask_v4(len: u8) -> u32 {
    match len {
        0 => 0,
        len => u32::MAX << (32 - len),
    }
}

const fn mask_v6(len: u8) -> u128 {
    match len {
        0 => 0,
        len => u128::MAX << (128 - len),
    }
}

type ByLength<K> = Vec<(u8, HashMap<K, Slot>)>;

fn at<K>(all: &ByLength<K>, len: u8) -> Option<&HashMap<K, Slot>> {
    all.iter().find(|(l, _)| *l == len).map(|(_, nets)| nets)
}

fn made<K>(all: &mut ByLength<K>, len: u8) -> &mut HashMap<K, Slot> {
    let place = all.partition_point(|(l, _)| *l > len);
    if all.get(place).is_none_or(|(l, _)| *l != len) {
        all.insert(place, (len, HashMap::new()));
    }
    &mut all[place].1
}

fn taken<K, Q>(slots: &mut HashMap<K, Slot>, key: &Q, list: List) -> Option<Arc<Item>>
where
    K: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    let slot = slots.get_mut(key)?;
    let item = slot.place(list).take();
    if slot.is_empty() {
        slots.remove(key);
    }
    item
}

fn taken_at<K: Eq + std::hash::Hash>(
    all: &mut ByLength<K>,
    len: u8,
    key: &K,
    list: List,
) -> Option<Arc<Item>> {
    let place = all.iter().position(|(l, _)| *l == len)?;
    let item = taken(&mut all[place].1, key, list);
    if all[place].1.is_empty() {
        all.remove(place);
    }
    item
}

impl Index {
    /// The entry of the block list from which `allow` is the exception. Wider ones of the allow list between
    /// them would have to be proven in the same way.
    pub(super) fn excepted_by(&self, allow: &Item, now: Timestamp) -> Option<&Arc<Item>> {
        let mut entry = &allow.kept().entry;
        loop {
            match self.wider(entry, now)? {
                (List::Block, item) => return Some(item),
                (List::Allow, item) => entry = &item.kept().entry,
            }
        }
    }

    /// The entry that decides about what `entry` matches, where `entry` itself is on no list.
    pub(super) fn wider(&self, entry: &Entry, now: Timestamp) -> Option<(List, &Arc<Item>)> {
        let above = |domain: &str| domain.split_once('.').and_then(|(_, rest)| self.domain(rest, now));
        match entry {
            Entry::Address(text) => {
                let (_, domain) = text.rsplit_once('@')?;
                let alone = self.names.get(&text[text.len() - domain.len() - 1..]);
                alone.and_then(|slot| slot.holding(now)).or_else(|| self.domain(domain, now))
            }
            Entry::Domain(text) => match text.strip_prefix('@') {
                Some(domain) => self.domain(domain, now),
                None => above(text),
            },
            Entry::Network(net) => (1..net.prefix_len()).rev().find_map(|len| {
                let wider = IpNet::new(net.addr(), len).ok()?.trunc();
                let slot = match wider {
                    IpNet::V4(net) => at(&self.v4, len)?.get(&net.network().to_bits()),
                    IpNet::V6(net) => at(&self.v6, len)?.get(&net.network().to_bits()),
                };
                slot?.holding(now)
            }),
        }
    }
}
