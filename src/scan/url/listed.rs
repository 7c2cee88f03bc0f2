//! What the feeds know of a message's links and files, and the findings that come of it.
//!
//! A feed gives one finding for links and one for files, however many of them it knows: a message with a
//! thousand links to one bad host is no worse than one with two. The strongest match speaks, and counts whole;
//! further feeds add little, because they copy from one another.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Settings;
use super::seen::{Hit, Seen};
use super::weigh::{strength, weigh};
use crate::feed::{Asked, Day, Entry, FileHash, Index, Match, Strength};
use crate::link::Link;
use crate::mail::links::{Found, Place};
use crate::model::{Attachment, Category, Finding, Parts, Scanner, Score, Severity, causes, text};

/// The most bytes of an address in a finding.
const MAX_URL: usize = 300;
/// The most bytes of what a publisher says of an entry.
const MAX_WORDS: usize = 200;

/// What was looked up.
enum What {
    Link(Link),
    File(FileHash, String),
}

/// The strongest match of one feed, of links or of files.
pub(super) struct Strongest {
    matched: Match,
    category: Category,
    strength: Strength,
    what: What,
    location: String,
    /// How many others of the message the feed knows.
    more: usize,
}

impl Strongest {
    /// Whose match it is.
    pub(super) fn feed(&self) -> &str {
        &self.matched.feed
    }
}

/// Looks everything up. Memory alone is read.
pub(super) fn look_up(
    index: &Index,
    links: Vec<Found>,
    (parts, files): (&Parts, &[Attachment]),
    settings: &Settings,
    today: Day,
) -> (Seen, Vec<Strongest>) {
    let looked_up = index.keys() > 0;
    let mut seen = Seen { looked_up, today: Some(today), ..Seen::default() };
    // By feed, files apart from links.
    let mut strongest: BTreeMap<(Arc<str>, bool), Strongest> = BTreeMap::new();
    let old_after = settings.old_after;
    let mut take = |matched: Match, what: &dyn Fn() -> (What, String), is_file: bool| {
        let category = settings.category(&matched.feed);
        let strength = strength(matched.kind, matched.added, today, old_after);
        match strongest.get_mut(&(Arc::clone(&matched.feed), is_file)) {
            Some(old) if old.strength >= strength => old.more += 1,
            Some(old) => {
                let (what, location) = what();
                *old = Strongest { matched, category, strength, what, location, more: old.more + 1 };
            }
            None => {
                let key = (Arc::clone(&matched.feed), is_file);
                let (what, location) = what();
                strongest.insert(key, Strongest { matched, category, strength, what, location, more: 0 });
            }
        }
    };
    let exempt = |found: &Found| !settings.exempt.is_empty() && settings.is_exempt(&found.link);
    seen.exempt = (0..).zip(&links).filter(|(_, found)| exempt(found)).map(|(at, _)| at).collect();
    let asked: Vec<(usize, &Found)> =
        links.iter().enumerate().filter(|(at, _)| seen.exempt.binary_search(at).is_err()).collect();
    index.look_up_links(asked.iter().map(|(_, found)| &found.link), |number, matches| {
        let Some(&(at, found)) = asked.get(number) else { return };
        let hits = matches.iter().map(|matched| Hit::new(matched, settings.category(&matched.feed)));
        seen.hits.insert(at, hits.collect());
        for matched in matches {
            take(matched, &|| (What::Link(found.link.clone()), place(found.place, parts)), false);
        }
    });
    for file in files.iter().filter(|_| looked_up) {
        let Some(hash) = FileHash::parse("sha256", &file.sha256) else { continue };
        let matches = index.look_up(Asked::File(&hash));
        if !matches.is_empty() {
            seen.files.push(file.sha256.clone());
        }
        for matched in matches {
            take(matched, &|| (What::File(hash, file.name.clone()), file.path.join(" > ")), true);
        }
    }
    seen.links = links;
    (seen, strongest.into_values().collect())
}

/// `part 2 (page.html)`, `header Subject`, `header List-Unsubscribe`.
pub(super) fn place(place: Place, parts: &Parts) -> String {
    match place {
        Place::Subject => "header Subject".to_owned(),
        Place::Header(name) => format!("header {name}"),
        Place::Part(index) => {
            parts.list.get(index).map_or_else(|| format!("part {}", index + 1), |p| p.label())
        }
    }
}

/// The findings, the publisher's words for the entries read from the copies on disk, not ranked yet. Blocks if there are any.
pub(super) fn findings(strongest: Vec<Strongest>, settings: &Settings, today: Day) -> Vec<Finding> {
    strongest.into_iter().filter_map(|one| finding(one, settings, today)).collect()
}

/// How many publishers besides the strongest add to the score: however many know it, that alone refuses nothing.
pub(super) const FURTHER: usize = 3;

/// The strongest first; the others add little, as publishers copy from one another.
pub(super) fn rank(findings: &mut [Finding], settings: &Settings) {
    findings.sort_by(|a, b| {
        let rank = |f: &Finding| (f.severity, f.category);
        rank(b).cmp(&rank(a)).then(b.score.value().total_cmp(&a.score.value())).then(a.symbol.cmp(&b.symbol))
    });
    let again = settings.weight.again.value();
    for (at, further) in findings.iter_mut().enumerate().skip(1) {
        if further.severity < Severity::Critical {
            let most = if at <= FURTHER { again } else { 0.0 };
            further.score = Score::new(further.score.value().min(most));
        }
    }
}

fn finding(one: Strongest, settings: &Settings, today: Day) -> Option<Finding> {
    let Strongest { matched, category, strength, what, location, more } = one;
    let (asked, named) = match &what {
        What::Link(link) => (Asked::Link(link), text::line(link.as_str(), MAX_URL)),
        What::File(hash, name) if name.is_empty() => (Asked::File(hash), format!("the file {hash}")),
        What::File(hash, name) => (Asked::File(hash), format!("the file {} ({hash})", text::line(name, 80))),
    };
    let words = match matched.confirmed(asked) {
        Ok(Some(entry)) => words(&entry),
        // Two things with one key: the feed knows another.
        Ok(None) => return None,
        Err(error) => {
            tracing::warn!(
                feed = &*matched.feed,
                "what a feed says of an entry is not known: {}",
                causes(&error)
            );
            String::new()
        }
    };
    let age = match matched.added {
        Some(day) => format!(", since {day}, {} days", day.until(today)),
        None => String::new(),
    };
    let sure = matched.confidence.map(|sure| format!(", {sure} % sure")).unwrap_or_default();
    let more = match more {
        0 => String::new(),
        1 => "; it knows one more in this message".to_owned(),
        n => format!("; it knows {n} more in this message"),
    };
    let (severity, score) = weigh(matched.kind, strength, category, &settings.weight);
    Some(Finding {
        scanner: Scanner::Urls,
        symbol: symbol(&matched.feed),
        severity,
        category,
        score,
        text: format!(
            "{named} is listed by {} ({}{age}{sure}){words}{more}",
            matched.feed,
            matched.kind.name()
        ),
        location: Some(location),
    })
}

/// What the publisher says of it: `: malware_download; elf, mirai`.
fn words(entry: &Entry) -> String {
    let words: Vec<&str> =
        [&entry.threat, &entry.tags].into_iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
    if words.is_empty() { String::new() } else { format!(": {}", text::line(&words.join("; "), MAX_WORDS)) }
}

/// `FEED_URLHAUS`.
pub(super) fn symbol(feed: &str) -> String {
    let name = feed
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b.to_ascii_uppercase()) } else { '_' });
    "FEED_".chars().chain(name).collect()
}
