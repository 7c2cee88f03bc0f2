//! What of a message meets which entry, and which domain has to be proven for it.

use std::sync::Arc;

use super::Asked;
use super::entry::taken_apart;
use super::index::Index;
use super::listed::{Item, Listed};
use crate::model::{List, ListHit, ListHits, Matched, Timestamp};

/// Addresses of From that are looked at. An honest message has one; whoever writes more than these has
/// nothing else on his mind.
const MAX_FROM: usize = 256;

/// See [`Lists::hits`](super::Lists::hits).
pub(super) fn hits(index: &Index, asked: &Asked<'_>, now: Timestamp) -> ListHits {
    let mut hits = Vec::new();
    if let Some((list, item)) = asked.client.and_then(|ip| index.client(ip, now)) {
        hits.push(hit(list, Matched::Client, item, None));
    }
    if let Some(sender) = asked.sender
        && let Some((list, item)) = index.address(sender, now)
    {
        hits.push(hit(list, Matched::Sender, item, Some(sender)));
        if list == List::Allow {
            let block = index.excepted_by(item, now);
            hits.extend(block.map(|block| excepted(Matched::Sender, block, sender)));
        }
    }
    from(index, asked, now, &mut hits);
    ListHits(hits)
}

/// An author who is allowed.
#[derive(Clone, Copy)]
struct Claim<'a> {
    item: &'a Arc<Item>,
    /// From which this is the exception.
    block: Option<&'a Arc<Item>>,
    author: &'a str,
}

fn from(index: &Index, asked: &Asked<'_>, now: Timestamp, hits: &mut Vec<ListHit>) {
    let mut blocked = |item, address| hits.push(hit(List::Block, Matched::From, item, Some(address)));
    for address in asked.from.iter().take(MAX_FROM) {
        match index.address(address, now) {
            Some((List::Block, item)) => return blocked(item, address),
            // What some program shows is not whom an exception is for.
            Some((List::Allow, item)) => match index.excepted_by(item, now) {
                Some(block) if !is_author(asked, address) => return blocked(block, address),
                _ => {}
            },
            None => {}
        }
    }
    // The entry for the first author, or for the first whose entry is an exception.
    let mut claim: Option<Claim<'_>> = None;
    let mut each_is_allowed = true;
    for author in asked.authors {
        match index.address(author, now) {
            Some((List::Block, item)) => return blocked(item, author),
            Some((List::Allow, item)) => {
                let block = index.excepted_by(item, now);
                if claim.is_none_or(|other| other.block.is_none() && block.is_some()) {
                    claim = Some(Claim { item, block, author });
                }
            }
            None => each_is_allowed = false,
        }
    }
    match claim {
        Some(Claim { item, block, author }) if each_is_allowed => {
            hits.push(hit(List::Allow, Matched::From, item, Some(author)));
            hits.extend(block.map(|block| excepted(Matched::From, block, author)));
        }
        Some(Claim { block: Some(block), author, .. }) => blocked(block, author),
        _ => {}
    }
}

/// Whether a loosely read address is one of the authors without doubt.
fn is_author(asked: &Asked<'_>, address: &str) -> bool {
    let address = taken_apart(address);
    asked.authors.iter().any(|author| taken_apart(author) == address)
}

fn hit(list: List, on: Matched, item: &Arc<Item>, address: Option<&str>) -> ListHit {
    let Listed { entry, comment, .. } = item.kept();
    let domain = address.and_then(taken_apart).and_then(|(_, domain)| domain);
    let comment = comment.as_deref().map(str::to_owned);
    ListHit { list, on, entry: entry.to_string(), comment, domain, excepted: false }
}

fn excepted(on: Matched, block: &Arc<Item>, address: &str) -> ListHit {
    ListHit { excepted: true, ..hit(List::Block, on, block, Some(address)) }
}
