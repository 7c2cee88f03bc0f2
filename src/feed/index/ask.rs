//! Look-up: by which keys a thing may stand in the index, and what is found there.

use std::net::IpAddr;
use std::sync::Arc;

use super::matching::of_length;
use super::{Index, Match, MatchKind};
use crate::feed::entry::Asked;
use crate::feed::keys::Of;
use crate::link::{Host, Link, is_whole_only};

/// Links whose keys are fetched from memory at the same time.
const TOGETHER: usize = 32;

/// As many keys as most things have.
const FEW: usize = 8;

impl Index {
    /// What the feeds know of it: each feed at most once, with the strongest of its matches, the strongest
    /// first. Neither waits nor, for what no feed knows, allocates.
    #[must_use]
    pub fn look_up(&self, asked: Asked<'_>) -> Vec<Match> {
        let mut found = Vec::new();
        if self.table.keys() == 0 {
            return found;
        }
        // As below: all keys first, then whether they may be there, then what stands there.
        let mut keys = [(0, How::Is(MatchKind::Exact)); FEW];
        let mut count = 0;
        self.keys_of(asked, &mut |hash, how| {
            match keys.get_mut(count) {
                Some(key) => *key = (hash, how),
                None => self.put(hash, how, &mut found),
            }
            count += 1;
        });
        let held = keys.map(|(hash, _)| hash != 0 && self.table.may_hold(hash));
        for ((hash, how), _) in keys.into_iter().zip(held).filter(|(_, held)| *held) {
            self.put(hash, how, &mut found);
        }
        settled(asked, &mut found);
        found
    }

    /// [`Self::look_up`] of many links at less than half the cost: the places of many keys are fetched from
    /// memory at the same time. `known` gets the number of each link that a feed knows, in their order.
    pub fn look_up_links<'a>(
        &self,
        links: impl Iterator<Item = &'a Link>,
        mut known: impl FnMut(usize, Vec<Match>),
    ) {
        if self.table.keys() == 0 {
            return;
        }
        let mut links = links.enumerate();
        let (mut batch, mut keys, mut held) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            batch.extend(links.by_ref().take(TOGETHER));
            let Some(&(begin, _)) = batch.first() else { return };
            for &(at, link) in &batch {
                self.keys_of(Asked::Link(link), &mut |hash, how| keys.push((hash, at - begin, how)));
            }
            // Nothing but this in one loop: its reads do not wait for one another.
            held.extend(keys.iter().map(|(hash, ..)| self.table.may_hold(*hash)));
            let mut found: Vec<Match> = Vec::new();
            let mut keys_held =
                keys.drain(..).zip(held.drain(..)).filter(|(_, held)| *held).map(|(key, _)| key).peekable();
            while let Some((hash, at, how)) = keys_held.next() {
                self.put(hash, how, &mut found);
                let is_last = keys_held.peek().is_none_or(|(_, next, _)| *next != at);
                if let Some(&(number, link)) = batch.get(at).filter(|_| is_last && !found.is_empty()) {
                    settled(Asked::Link(link), &mut found);
                    if !found.is_empty() {
                        known(number, std::mem::take(&mut found));
                    }
                }
            }
            drop(keys_held);
            batch.clear();
        }
    }

    /// All keys under which what is asked may stand.
    fn keys_of(&self, asked: Asked<'_>, put: &mut impl FnMut(u64, How)) {
        let key = |of, text: &str| self.keyer.hash(of, text.as_bytes());
        match asked {
            Asked::Link(link) => {
                let query = link.query().is_some();
                if query {
                    put(key(Of::Query, link.exact()), How::Is(MatchKind::Exact));
                }
                put(key(Of::Path, link.host_and_path()), How::Path { query });
                match link.ip() {
                    Some(ip) => self.nets(ip, put),
                    None => self.names(link.host_text(), put),
                }
            }
            Asked::Host(Host::Name(name)) => self.names(name, put),
            Asked::Host(Host::Ip(ip)) => self.nets(*ip, put),
            Asked::Ip(ip) => self.nets(ip, put),
            Asked::File(file) => put(self.keyer.file(file), How::Is(MatchKind::File)),
        }
    }

    /// A name, and the names above it that may stand for all below them.
    fn names(&self, name: &str, put: &mut impl FnMut(u64, How)) {
        put(self.keyer.hash(Of::Host, name.as_bytes()), How::Is(MatchKind::Host));
        if self.shape.labels == 0 {
            return;
        }
        // The nearest name first. A stranger's name may have a hundred labels.
        let mut labels = memchr::memchr_iter(b'.', name.as_bytes()).count();
        let mut rest = name;
        while let Some((_, above)) = rest.split_once('.') {
            if labels <= self.shape.labels {
                put(self.keyer.hash(Of::Below, above.as_bytes()), How::Is(MatchKind::Domain));
            }
            (rest, labels) = (above, labels - 1);
        }
    }

    /// An address, and the networks that it may be in.
    fn nets(&self, ip: IpAddr, put: &mut impl FnMut(u64, How)) {
        let mut net = |net: IpAddr, len: u8| put(self.keyer.net(net, len), How::Is(of_length(len, net)));
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                for len in (0..=32_u8).rev().filter(|len| self.shape.v4 >> len & 1 == 1) {
                    let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                    net(IpAddr::V4((ip.to_bits() & mask).into()), len);
                }
            }
            IpAddr::V6(ip) => {
                for len in (1..=128_u8).rev().filter(|len| self.shape.v6 >> (len - 1) & 1 == 1) {
                    let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                    net(IpAddr::V6((ip.to_bits() & mask).into()), len);
                }
            }
        }
    }

    fn put(&self, hash: u64, how: How, found: &mut Vec<Match>) {
        for slot in self.table.get(hash) {
            let Some(Some(feed)) = self.feeds.get(slot.feed()) else { continue };
            let kind = match how {
                How::Is(kind) => kind,
                How::Path { query: false } if !slot.is_part() => MatchKind::Exact,
                How::Path { .. } => MatchKind::HostPath,
            };
            let new = Match {
                feed: Arc::clone(&feed.name),
                kind,
                added: slot.day(),
                confidence: slot.confidence(),
                row: slot.row(),
                copy: Arc::clone(&feed.copy),
            };
            match found.iter_mut().find(|old| Arc::ptr_eq(&old.feed, &feed.name)) {
                Some(old) if old.strength() < new.strength() => *old = new,
                Some(_) => {}
                None => found.push(new),
            }
        }
    }
}

/// What a key says if it is there.
#[derive(Clone, Copy)]
enum How {
    Is(MatchKind),
    /// The key of a link's host and path; the link has a query or none.
    Path {
        query: bool,
    },
}

/// Takes away what does not count, and puts the strongest first.
fn settled(asked: Asked<'_>, found: &mut Vec<Match>) {
    // Most links are known to nobody, so whether their host is shared is asked last.
    let is_near = |found: &Match| found.kind != MatchKind::Exact;
    if let Asked::Link(link) = asked
        && found.iter().any(is_near)
        && link.ip().is_none()
        && is_whole_only(link.host_text())
    {
        found.retain(|found| !is_near(found));
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.strength()));
}
