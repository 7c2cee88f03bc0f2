//! The text shown for a link, where it names a domain.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::table::{LINK_TEXT_MISMATCH, LINK_TEXT_PROTECTED, Sign, TRACKED};
use super::tally::Tally;
use super::{Context, Protected, is_of_author, owner, services};
use crate::link::{Link, Registry, public_suffix, registrable};
use crate::mail::links::{Found, Links, Place, Source};

/// Most words of the text shown that are read.
const WORDS: usize = 64;
/// Most bytes of a word within a sentence that may be an address.
const NAME: usize = 512;

/// What browsers read as the dot in a name, besides that.
const DOTS: [char; 3] = ['\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Links of one host with one text in one part: whatever one of them wraps, the others do.
type Group<'l> = (Place, &'l str, &'l str);

/// Whether there may be a name in it.
fn may_name(shown: &str) -> bool {
    // The first bytes of the others; most texts have none of them.
    memchr::memchr3(b'.', 0xe3, 0xef, shown.as_bytes()).is_some()
        && (shown.contains('.') || shown.contains(DOTS))
}

/// The links that show what may be a name: the first of each group, and the hosts of what any of it wraps.
fn groups(links: &Links) -> BTreeMap<Group<'_>, (&Found, BTreeSet<&str>)> {
    let mut groups: BTreeMap<Group<'_>, (&Found, BTreeSet<&str>)> = BTreeMap::new();
    let mut wrapper: Option<Group<'_>> = None;
    for found in links.list.iter().filter(|found| may_name(&found.shown)) {
        match found.source {
            Source::Href | Source::Svg | Source::Formaction => {
                let group = (found.place, found.shown.as_str(), found.link.host_text());
                groups.entry(group).or_insert_with(|| (found, BTreeSet::new()));
                wrapper = Some(group);
            }
            // What was unwrapped follows its wrapper.
            Source::Wrapped => {
                let own = wrapper.filter(|(place, shown, _)| *place == found.place && *shown == found.shown);
                if let Some((_, within)) = own.and_then(|group| groups.get_mut(&group)) {
                    within.insert(found.link.host_text());
                }
            }
            // What another kind of link wraps says nothing of the text of those before it.
            _ => wrapper = None,
        }
    }
    groups
}

/// Compares what is shown with where it leads.
pub(super) fn look(links: &Links, context: &Context<'_>, protected: [&Protected; 2], tally: &mut Tally) {
    let groups = groups(links);
    let trackers = if context.is_newsletter && !groups.is_empty() { busiest(links) } else { BTreeSet::new() };
    let mut seen: Vec<(&Sign, Place, String)> = Vec::new();
    let mut last: (&str, Vec<String>) = ("", Vec::new());
    for (found, within) in groups.values() {
        // Groups with one text stand beside one another.
        if last.0 != found.shown {
            last = (&found.shown, named(&found.shown, protected));
        }
        let shown = &last.1;
        let Some(first) = shown.first() else { continue };
        let host = found.link.host_text();
        let is_rewriter = services::is_rewriter(host);
        // What a filter wrapped stands for itself; what anybody wrapped is one more place it may lead to.
        let hosts: Vec<&str> = match is_rewriter && !within.is_empty() {
            true => within.iter().copied().collect(),
            false => std::iter::once(host).chain(within.iter().copied()).collect(),
        };
        let places = || hosts.iter().map(|host| owner(host));
        let target = hosts.first().map_or(host, |host| owner(host));
        let is_newsletters_own =
            context.is_newsletter && (trackers.contains(target) || is_of_author(context, host));
        if is_rewriter && within.is_empty()
            || is_newsletters_own
            || services::is_tracker(target)
            || protected.iter().any(|set| set.has(target))
        {
            continue;
        }
        let name = shown.iter().find(|name| protected.iter().any(|set| set.has(name)));
        let sign = match name {
            Some(name) if services::is_known_relative(name, target) => continue,
            // Anybody can put another address into his own, and some filters do.
            Some(name) if places().any(|place| place == *name) => &LINK_TEXT_MISMATCH,
            Some(_) => &LINK_TEXT_PROTECTED,
            None if places().any(|p| shown.iter().any(|n| services::is_same_organisation(n, p))) => continue,
            None if hosts.iter().any(|host| is_of_author(context, host)) => continue,
            None => &LINK_TEXT_MISMATCH,
        };
        let name = name.unwrap_or(first);
        seen.push((sign, found.place, format!("{name} leads to {target}")));
    }
    // One of the two: who counts clicks without being known here counts those on all that is shown.
    let is_protected = |sign: &Sign| sign.symbol == LINK_TEXT_PROTECTED.symbol;
    let strongest = seen.iter().any(|(sign, ..)| is_protected(sign));
    for (sign, place, what) in seen.iter().filter(|(sign, ..)| is_protected(sign) == strongest) {
        tally.add(sign, *place, what);
    }
}

/// The domains behind most links that are clicked and behind many different texts.
fn busiest(links: &Links) -> BTreeSet<&str> {
    let mut by_host: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut all = 0_usize;
    for found in links.list.iter().filter(|found| found.source == Source::Href && !found.shown.is_empty()) {
        all += 1;
        by_host.entry(found.link.host_text()).or_default().push(&found.shown);
    }
    let mut texts: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (host, shown) in by_host {
        texts.entry(owner(host)).or_default().extend(shown);
    }
    let is_busy = |texts: &HashSet<&str>| texts.len() >= TRACKED && texts.len().saturating_mul(2) >= all;
    texts.into_iter().filter(|(_, texts)| is_busy(texts)).map(|(owner, _)| owner).collect()
}

/// The registrable domains that a text names as addresses. A name without scheme or `www.` counts only where it
/// is the whole text: `Booking.com` in a sentence is a company, `readme.md` a file. A protected one counts
/// wherever it stands.
fn named(shown: &str, protected: [&Protected; 2]) -> Vec<String> {
    let is_alone = !shown.contains(char::is_whitespace);
    let mut out: Vec<String> = Vec::new();
    let mut add = |owner: &str| {
        if !out.iter().any(|known| known == owner) {
            out.push(owner.to_owned());
        }
    };
    for word in shown.split_whitespace().take(WORDS) {
        let word = word.trim_matches(|c: char| {
            !c.is_alphanumeric() && !matches!(c, '/' | '-' | '_' | '=' | '&' | '%' | '~' | '#')
        });
        let scheme = ["http://", "https://", "ftp://"]
            .iter()
            .find(|scheme| word.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
        let is_www = word.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("www."));
        if word.contains('@') && scheme.is_none() {
            continue;
        }
        if scheme.is_none() && !is_www {
            word.split(is_between).filter_map(|piece| among(piece, protected)).for_each(|owner| add(&owner));
            if !is_alone {
                continue;
            }
        }
        let Some(link) = read(word, scheme.map_or(0, |scheme| scheme.len())) else { continue };
        if link.ip().is_some() || !services::is_known_ending(link.host_text()) {
            continue;
        }
        if scheme.is_none() && !is_www && may_be_file(&link) {
            continue;
        }
        if let Some(owner) = registrable(link.host_text()) {
            add(owner);
        }
    }
    out
}

/// The protected domain that a piece of a sentence names. Services call a customer by his domain (`Renew
/// our-company.org`): that of a recipient counts where it is a host or a page of his, and not by itself.
fn among(piece: &str, [configured, own]: [&Protected; 2]) -> Option<String> {
    if !may_name(piece) || piece.len() > NAME {
        return None;
    }
    let link = read(piece, 0)?;
    let host = link.host_text();
    let owner = registrable(host)?;
    let is_own_page = || own.has(owner) && (host != owner || piece.contains('/'));
    (configured.has(owner) || is_own_page()).then(|| owner.to_owned())
}

/// What stands between a name and the next word where there is no white space.
const fn is_between(c: char) -> bool {
    matches!(
        c,
        '|' | ','
            | ';'
            | '!'
            | '?'
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '<'
            | '>'
            | '"'
            | '\''
            | '*'
            | '+'
            | '\u{ab}'
            | '\u{bb}'
            | '\u{b7}'
            | '\u{2010}'..='\u{2027}' | '\u{2039}' | '\u{203a}'
    )
}

/// Where an address with a scheme of so many bytes leads. Most hosts are plain: those take a tenth of the time.
fn read(word: &str, scheme: usize) -> Option<Link> {
    let name = word.get(scheme..)?.split('/').next().unwrap_or_default();
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    match name.contains('.') && name.bytes().all(is_plain) {
        true => Link::parse(&format!("https://{name}/")).ok(),
        false => Link::parse(word).ok(),
    }
}

/// Endings of names on the net that those of files, or short words of a language, have as well. Sorted.
pub(super) const FILE_ENDINGS: [&str; 22] = [
    "ai", "app", "as", "cc", "do", "ec", "in", "is", "it", "map", "md", "mov", "pl", "pm", "ps", "py", "rs",
    "sc", "sh", "so", "st", "zip",
];

/// Whether a name without scheme may be that of a file, a product or a word behind a missing space.
fn may_be_file(link: &Link) -> bool {
    const PRODUCTS: [&str; 5] = ["asp.net", "ado.net", "vb.net", "paint.net", "ml.net"];
    let host = link.host_text();
    public_suffix(host).is_none_or(|(suffix, registry)| {
        registry == Registry::Icann && FILE_ENDINGS.binary_search(&suffix).is_ok()
    }) || PRODUCTS.contains(&host)
}
