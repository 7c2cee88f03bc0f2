//! What of a message meets which entry, and which domain has to be proven for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Asked;
use super::index::Index;
use super::listed::{Item, Listed};
use super::scope::Scope;
use super::slot::{For, Slot};
use crate::model::list::scopes;
use crate::model::mailbox::taken_apart;
use crate::model::{List, ListHit, ListHits, Matched, Recipient, Timestamp};

/// Addresses of From that are looked at. An honest message has one; whoever writes more than these has
/// nothing else on his mind.
const MAX_FROM: usize = 256;
/// Entries that are named of links, of files and of fields each. Blocks come first.
const MAX_NAMED: usize = 8;

/// See [`Lists::hits`](super::Lists::hits).
pub(super) fn hits(index: &Index, asked: &Asked<'_>, now: Timestamp) -> ListHits {
    let content = Content::of(index, asked);
    let look = |whom: For<'_>| one(index, asked, &content, now, whom);
    let for_all = look(For::default());
    if index.is_for_all() || asked.recipients.is_empty() {
        return ListHits(for_all);
    }
    let mut views = Views { for_all, narrower: BTreeMap::new() };
    for recipient in asked.recipients {
        let scopes = scopes(recipient);
        let known = |scope: Option<String>| scope.and_then(|scope| index.known(Scope::of(scope)));
        let (domain, address) = (known(scopes.domain), known(scopes.address));
        if let Some(domain) = &domain {
            views.add(domain, None, || look(For { recipient: None, domain: Some(domain) }));
        }
        if let Some(address) = &address {
            let whom = For { recipient: Some(address), domain: domain.as_ref() };
            views.add(address, domain.as_ref(), || look(whom));
        }
    }
    views.together(asked.recipients)
}

/// What was found for those of whom nothing particular is said, and for whom something is.
struct Views {
    for_all: Vec<ListHit>,
    /// As far as it is not what was found for more recipients.
    narrower: BTreeMap<Scope, Vec<ListHit>>,
}

impl Views {
    /// Looks for whom `scope` takes in, unless that was done. `wider` are all at the domain, where
    /// something is said of them.
    fn add(&mut self, scope: &Scope, wider: Option<&Scope>, look: impl FnOnce() -> Vec<ListHit>) {
        if self.narrower.contains_key(scope) {
            return;
        }
        let mut found = look();
        let differs = |on: Matched| {
            let of = |hits: &[ListHit]| {
                let same = |h: &&ListHit| h.on == on;
                hits.iter().filter(same).map(|h| ListHit { beside: None, ..h.clone() }).collect::<Vec<_>>()
            };
            let at_domain = wider.and_then(|wider| self.narrower.get(wider)).map(|hits| of(hits));
            let before = at_domain.filter(|hits| !hits.is_empty()).unwrap_or_else(|| of(&self.for_all));
            of(&found) != before
        };
        let differing = Matched::ALL.map(differs);
        found.retain(|hit| differing[hit.on as usize]);
        for hit in &mut found {
            if hit.scope.as_deref() != Some(scope.as_str()) {
                hit.beside = Some(scope.as_str().to_owned());
            }
        }
        self.narrower.insert(scope.clone(), found);
    }

    /// All that counts for anybody.
    fn together(self, recipients: &[Recipient]) -> ListHits {
        let all = ListHits(self.for_all.into_iter().chain(self.narrower.into_values().flatten()).collect());
        if !all.is_scoped() {
            return all;
        }
        let mut counts = vec![false; all.0.len()];
        for at in recipients.iter().filter_map(|recipient| all.positions_for(recipient)).flatten() {
            counts[at] = true;
        }
        let mut counts = counts.into_iter();
        let mut hits = all.0;
        hits.retain(|_| counts.next().unwrap_or(true));
        ListHits(hits)
    }
}

/// What a message holds, as far as there is any entry for it.
#[derive(Default)]
struct Content<'a> {
    hosts: Vec<&'a str>,
    files: Vec<&'a str>,
    /// The entries that describe each field, the narrowest first.
    fields: Vec<Vec<&'a Slot>>,
}

impl<'a> Content<'a> {
    fn of(index: &'a Index, asked: &Asked<'a>) -> Self {
        let hosts = asked.hosts.iter().map(String::as_str).filter(|host| index.has_url(host));
        let fields = asked.fields.iter().map(|(name, value)| index.field(name, value));
        Self {
            hosts: hosts.collect(),
            files: asked.files.to_vec(),
            fields: fields.filter(|slots| !slots.is_empty()).collect(),
        }
    }
}

/// What counts for some.
fn one(
    index: &Index,
    asked: &Asked<'_>,
    content: &Content<'_>,
    now: Timestamp,
    whom: For<'_>,
) -> Vec<ListHit> {
    let mut hits = Vec::new();
    if let Some((list, item)) = asked.client.and_then(|ip| index.client(ip, now, whom)) {
        hits.push(hit(list, Matched::Client, item, None));
    }
    if let Some(sender) = asked.sender
        && let Some((list, item)) = index.address(sender, now, whom)
    {
        hits.push(hit(list, Matched::Sender, item, Some(sender)));
        if list == List::Allow {
            let block = index.excepted_by(item, now, whom);
            hits.extend(block.map(|block| excepted(Matched::Sender, block, Some(sender))));
        }
    }
    from(index, asked, now, whom, &mut hits);
    let urls = content.hosts.iter().filter_map(|host| index.url(host, now, whom));
    named(Matched::Url, urls, &mut hits);
    let files = content.files.iter().filter_map(|digits| index.file(digits, now, whom));
    named(Matched::Attachment, files, &mut hits);
    fields(content, now, whom, &mut hits);
    hits
}

/// The entries for links or files. They are what they are, so an exception needs no proof.
fn named<'i>(on: Matched, found: impl Iterator<Item = (List, &'i Arc<Item>)>, hits: &mut Vec<ListHit>) {
    some(found.map(|(list, item)| hit(list, on, item, None)), hits);
}

/// Takes each entry once, blocks first, and no more than a few.
fn some(found: impl Iterator<Item = ListHit>, hits: &mut Vec<ListHit>) {
    let mut all: Vec<ListHit> = Vec::new();
    for hit in found {
        if !all.contains(&hit) {
            all.push(hit);
        }
    }
    // What needs an exception stands before the exceptions, so that it is never left out alone.
    all.sort_by_key(|hit| (hit.list == List::Allow, hit.excepted));
    hits.extend(all.into_iter().take(MAX_NAMED));
}

/// The entries for header fields. Anybody can write them, so an exception is a claim.
fn fields(content: &Content<'_>, now: Timestamp, whom: For<'_>, hits: &mut Vec<ListHit>) {
    let mut found = Vec::new();
    for slots in &content.fields {
        let Some((list, item)) = slots.iter().find_map(|slot| slot.holding(now, whom)) else { continue };
        found.push(hit(list, Matched::Header, item, None));
        if list == List::Allow {
            let block = slots.iter().find_map(|slot| block_of(slot, now, whom));
            found.extend(block.map(|block| excepted(Matched::Header, block, None)));
        }
    }
    some(found.into_iter(), hits);
}

/// The entry of the block list with a pattern, whatever allows the same for fewer recipients.
fn block_of<'s>(slot: &'s Slot, now: Timestamp, mut whom: For<'_>) -> Option<&'s Arc<Item>> {
    loop {
        match slot.holding(now, whom)? {
            (List::Block, item) => return Some(item),
            (List::Allow, item) => whom = whom.wider_than(item.kept().entry.scope.as_ref()?),
        }
    }
}

/// An author who is allowed.
#[derive(Clone, Copy)]
struct Claim<'a> {
    item: &'a Arc<Item>,
    /// From which this is the exception.
    block: Option<&'a Arc<Item>>,
    author: &'a str,
}

fn from(index: &Index, asked: &Asked<'_>, now: Timestamp, whom: For<'_>, hits: &mut Vec<ListHit>) {
    let mut blocked = |item, address| hits.push(hit(List::Block, Matched::From, item, Some(address)));
    for address in asked.from.iter().take(MAX_FROM) {
        match index.address(address, now, whom) {
            Some((List::Block, item)) => return blocked(item, address),
            // What some program shows is not whom an exception is for.
            Some((List::Allow, item)) => match index.excepted_by(item, now, whom) {
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
        match index.address(author, now, whom) {
            Some((List::Block, item)) => return blocked(item, author),
            Some((List::Allow, item)) => {
                let block = index.excepted_by(item, now, whom);
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
            hits.extend(block.map(|block| excepted(Matched::From, block, Some(author))));
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
    ListHit {
        comment: comment.as_deref().map(str::to_owned),
        domain: address.and_then(taken_apart).and_then(|(_, domain)| domain),
        scope: entry.scope.as_ref().map(|scope| scope.as_str().to_owned()),
        ..ListHit::new(list, on, entry.pattern.to_string())
    }
}

fn excepted(on: Matched, block: &Arc<Item>, address: Option<&str>) -> ListHit {
    ListHit { excepted: true, ..hit(List::Block, on, block, address) }
}
