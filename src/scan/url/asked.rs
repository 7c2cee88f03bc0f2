//! What look-ups on the net add to what is known of a message: targets of short links, findings, gaps.
//!
//! The target of a short link counts as a link of the message, in the place of the short one. A block list gives
//! one finding, as a feed does, however many names of the message it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::asks::{List, Listed, Listing, NotAsked, NotFollowed, Step, What};
use super::listed::place;
use super::seen::{OnList, Seen};
use super::signs::is_opened;
use super::{Settings, weigh};
use crate::link::{Host, sharing};
use crate::mail::links::{Found, Source};
use crate::model::{Finding, Parts, Scanner, text};

/// The most bytes of a name in a finding.
const MAX_NAME: usize = 253;

/// Where short links lead, as links of the message; none that it has anyway.
pub(super) fn targets(steps: &[Step], links: &[Found]) -> Vec<Found> {
    let mut targets: Vec<Found> = Vec::new();
    for Step { from, to, written } in steps {
        let all = || links.iter().chain(&targets);
        let Some(short) = all().find(|found| found.link == *from) else { continue };
        if all().any(|found| found.link == *to) {
            continue;
        }
        let (place, shown) = (short.place, short.shown.clone());
        targets.push(Found {
            link: to.clone(),
            place,
            source: Source::Redirect,
            shown,
            written: written.clone(),
        });
    }
    targets
}

/// What block lists are asked about: first where short links lead, then what somebody may open, then what a page
/// loads.
pub(super) fn names(seen: &Seen) -> (Vec<String>, Vec<IpAddr>) {
    let (mut hosts, mut ips) = (Vec::new(), Vec::new());
    let (mut known_hosts, mut known_ips) = (BTreeSet::new(), BTreeSet::new());
    let rank = |found: &Found| match found.source {
        Source::Redirect => 0,
        _ if is_opened(found) => 1,
        _ => 2,
    };
    for wanted in 0..=2 {
        let links = seen.links.iter().enumerate();
        for (_, found) in
            links.filter(|(at, found)| rank(found) == wanted && seen.exempt.binary_search(at).is_err())
        {
            match found.link.host() {
                Host::Name(name) if known_hosts.insert(name.clone()) => hosts.push(name),
                Host::Ip(ip) if known_ips.insert(ip) => ips.push(ip),
                _ => {}
            }
        }
    }
    (hosts, ips)
}

/// Notes at each link what the lists say of its host. Those that nobody asked about are passed over.
pub(super) fn note(listed: &Listed, seen: &mut Seen, settings: &Settings) {
    let asked = |at: usize, found: &Found| {
        seen.exempt.binary_search(&at).is_err() && sharing(found.link.host_text()).is_none()
    };
    for (at, found) in seen.links.iter().enumerate().filter(|(at, found)| asked(*at, found)) {
        let mut whats: BTreeMap<List, BTreeSet<What>> = BTreeMap::new();
        for listing in listed.listings.iter().filter(|listing| is_of(found, &listing.name)) {
            whats.entry(listing.list).or_default().insert(listing.what);
        }
        if whats.is_empty() {
            if listed.unlisted.iter().any(|name| is_of(found, name)) {
                seen.on_no_list.insert(at);
            }
            continue;
        }
        let on_list = |(list, whats): (List, BTreeSet<What>)| {
            let whats: Vec<What> = whats.into_iter().collect();
            OnList { list, category: weigh::listing(&whats, &settings.weight).1, whats }
        };
        seen.on_lists.insert(at, whats.into_iter().map(on_list).collect());
    }
}

/// A finding for each list that has anything.
pub(super) fn findings(
    listings: &[Listing],
    seen: &Seen,
    parts: &Parts,
    settings: &Settings,
) -> Vec<Finding> {
    // By list and name, what for.
    let mut names: BTreeMap<List, BTreeMap<&str, Vec<&Listing>>> = BTreeMap::new();
    for listing in listings {
        names.entry(listing.list).or_default().entry(&listing.name).or_default().push(listing);
    }
    let of_list = |(list, names): (List, BTreeMap<&str, Vec<&Listing>>)| {
        let more = names.len().saturating_sub(1);
        let weighed = names.into_iter().map(|(name, listings)| {
            let whats: Vec<What> = listings.iter().map(|listing| listing.what).collect();
            (weigh::listing(&whats, &settings.weight), name, listings)
        });
        let ((severity, category, score), name, listings) = weighed.max_by(|(a, ..), (b, ..)| {
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.value().total_cmp(&b.2.value()))
        })?;
        let whats: Vec<&str> = listings.iter().map(|listing| listing.what.label()).collect();
        let codes: BTreeSet<String> = listings.iter().map(|listing| listing.code.to_string()).collect();
        let codes: Vec<String> = codes.into_iter().collect();
        let more = match more {
            0 => String::new(),
            1 => "; it has one more of this message".to_owned(),
            n => format!("; it has {n} more of this message"),
        };
        Some(Finding {
            scanner: Scanner::Urls,
            symbol: format!("DNSBL_{}", list.name().to_ascii_uppercase()),
            severity,
            category,
            score,
            text: format!(
                "{} is on the block list {} for {} ({}){more}",
                text::line(name, MAX_NAME),
                list.name(),
                whats.join(", "),
                codes.join(", ")
            ),
            location: seen
                .links
                .iter()
                .find(|found| is_of(found, name))
                .map(|found| place(found.place, parts)),
        })
    };
    names.into_iter().filter_map(of_list).collect()
}

fn is_of(found: &Found, name: &str) -> bool {
    let host = found.link.host_text();
    match found.link.ip() {
        Some(ip) => ip.to_string() == name,
        None => host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
    }
}

/// What is missing, for coverage: how many of what, and why.
pub(super) fn gaps(short_links: &[NotFollowed], listed: &[NotAsked]) -> Vec<String> {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let mut links: BTreeMap<&str, usize> = BTreeMap::new();
    for end in short_links.iter().filter(|end| end.why.is_gap()) {
        *links.entry(end.why.label()).or_default() += 1;
    }
    // One sentence for all lists that fail alike: records have little room.
    let mut names: BTreeMap<&str, (BTreeSet<List>, BTreeSet<&str>)> = BTreeMap::new();
    for end in listed.iter().filter(|end| end.why.is_gap()) {
        let Some(list) = end.list else { continue };
        let (lists, names) = names.entry(end.why.label()).or_default();
        lists.insert(list);
        names.insert(&end.name);
    }
    let links = links.into_iter().map(|(why, n)| format!("{n} short link{} not followed ({why})", plural(n)));
    let names = names.into_iter().map(|(why, (lists, names))| {
        let lists: Vec<&str> = lists.into_iter().map(List::name).collect();
        let n = names.len();
        format!("{} not asked about {n} name{} ({why})", lists.join(", "), plural(n))
    });
    links.chain(names).collect()
}
