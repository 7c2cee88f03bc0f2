//! Domains that nobody may imitate, and what looks like them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use super::glyphs::{self, Kind};
use super::table::{
    LOOKALIKE_GLYPHS, LOOKALIKE_HOMOGRAPH, LOOKALIKE_SUBDOMAIN, LOOKALIKE_TLD, LOOKALIKE_TYPO,
    LOOKALIKE_WORDS, SHORTEST, Sign, TYPO_ANY, TYPO_NEAR,
};
use super::tally::{At, Tally};
use super::{Context, services};
use crate::link::{Host, registrable};
use crate::mail::links::Place;

/// Most labels of a protected domain.
const LABELS: usize = 6;

/// Words that names of trust are made of, as they look, and whether the word alone says enough.
static WORDS: LazyLock<HashMap<String, bool>> = LazyLock::new(|| {
    let fold = |word: &&str| glyphs::look(word).folded;
    let fillers = services::FILLERS.iter().map(|word| (fold(word), false));
    fillers.chain(services::TRUST.iter().map(|word| (fold(word), true))).collect()
});

/// The length of the longest of them.
static LONGEST_WORD: LazyLock<usize> = LazyLock::new(|| WORDS.keys().map(String::len).max().unwrap_or(0));

/// A set of domains that nobody may imitate.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    names: Vec<Name>,
    domains: HashSet<String>,
    /// Positions in `names`, by how the name looks.
    by_look: HashMap<String, Vec<usize>>,
    /// The same, by how it looks and by that with one letter left out.
    by_part: HashMap<String, Vec<usize>>,
    /// How many letters the names have as they look; most hosts are told by that alone.
    lengths: BTreeSet<usize>,
    /// How many bytes the domains have, a bit for each; see [`size`].
    sizes: u128,
}

/// The name in a domain: what stands before the public suffix.
#[derive(Clone, Debug)]
struct Name {
    domain: String,
    label: String,
    look: glyphs::Look,
}

impl PartialEq for Protected {
    fn eq(&self, other: &Self) -> bool {
        // All else follows from them.
        self.domains == other.domains
    }
}

impl Protected {
    /// From domains in any spelling; of a host, the domain that it belongs to. What nobody can register is
    /// left out.
    pub fn new<'a>(domains: impl IntoIterator<Item = &'a str>) -> Self {
        let domains: BTreeSet<String> = domains
            .into_iter()
            .filter_map(|domain| match Host::parse(domain.trim_end_matches('.')) {
                Ok(Host::Name(name)) => registrable(&name).map(str::to_owned),
                _ => None,
            })
            .collect();
        let mut protected = Self::default();
        for domain in domains {
            let label = label(&domain).into_owned();
            let look = glyphs::look(&label);
            let at = protected.names.len();
            let length = look.folded.chars().count();
            if length >= TYPO_NEAR {
                each_part(&look.folded, |part| {
                    protected.by_part.entry(part.to_owned()).or_default().push(at);
                });
            }
            protected.lengths.insert(length);
            protected.sizes |= size(domain.len());
            protected.by_look.entry(look.folded.clone()).or_default().push(at);
            protected.domains.insert(domain.clone());
            protected.names.push(Name { domain, label, look });
        }
        protected
    }

    /// Whether `owner`, a registrable domain in normal form, is one of them.
    #[must_use]
    pub fn has(&self, owner: &str) -> bool {
        self.domains.contains(owner)
    }

    /// Which of them the name `label`, which is none of them, imitates, and how.
    fn imitated(&self, label: &str, look: &glyphs::Look) -> Option<(&'static Sign, &str)> {
        self.alike(label, look)
            .or_else(|| self.with_words(&look.folded).map(|name| (&LOOKALIKE_WORDS, name)))
            .or_else(|| self.mistyped(&look.folded).map(|name| (&LOOKALIKE_TYPO, name)))
    }

    /// The whole name looks the same.
    fn alike(&self, label: &str, look: &glyphs::Look) -> Option<(&'static Sign, &str)> {
        let names = self.names(self.by_look.get(&look.folded));
        let sign = |name: &Name| match (look.kind, name.look.kind) {
            _ if name.label == label => &LOOKALIKE_TLD,
            (Kind::Foreign, _) => &LOOKALIKE_HOMOGRAPH,
            (Kind::Plain, Kind::Plain) => &LOOKALIKE_GLYPHS,
            _ => &LOOKALIKE_TYPO,
        };
        names
            .map(|name| (sign(name), name))
            .filter(|(sign, name)| name.label.len() >= SHORTEST || sign.symbol == LOOKALIKE_HOMOGRAPH.symbol)
            .max_by(|(one, _), (other, _)| one.score.total_cmp(&other.score))
            .map(|(sign, name)| (sign, name.domain.as_str()))
    }

    /// The name with words of trust before or behind it: `NAME-login`, `secureNAME`, `NAME-com`.
    fn with_words(&self, folded: &str) -> Option<&str> {
        // A longer label than anybody would read is none that imitates by its name.
        if folded.len() > 48 || !folded.is_ascii() {
            return None;
        }
        let begins = words(folded);
        let begins = begins.iter().enumerate().filter_map(|(at, words)| Some((at, (*words)?)));
        let lengths = || self.lengths.range(SHORTEST..).rev();
        for ((begin, is_enough), length) in begins.flat_map(|begin| lengths().map(move |n| (begin, n))) {
            let end = begin + length;
            let (Some(before), Some(part), Some(behind)) =
                (folded.get(..begin), folded.get(begin..end), folded.get(end..))
            else {
                continue;
            };
            let Some(found) = self.by_look.get(part) else { continue };
            // Short names are parts of others.
            let is_apart = (before.is_empty() || before.ends_with('-'))
                && (behind.is_empty() || behind.starts_with('-'));
            if WORDS.contains_key(part) || part.len() < 6 && !is_apart {
                continue;
            }
            for name in self.names(Some(found)) {
                let ending = name.domain.split_once('.').map_or("", |(_, ending)| ending);
                let ending = glyphs::look(ending).folded;
                if trust(behind, &ending).is_some_and(|behind| behind || is_enough) {
                    return Some(&name.domain);
                }
            }
        }
        None
    }

    /// One letter differs.
    fn mistyped(&self, folded: &str) -> Option<&str> {
        let length = folded.chars().count();
        if length + 1 < TYPO_NEAR || self.lengths.range(length - 1..=length + 1).next().is_none() {
            return None;
        }
        let mut candidates: BTreeSet<usize> = BTreeSet::new();
        each_part(folded, |part| candidates.extend(self.by_part.get(part).into_iter().flatten()));
        candidates
            .into_iter()
            .filter_map(|at| self.names.get(at))
            .find(|name| is_typo(&name.look.folded, folded))
            .map(|name| name.domain.as_str())
    }

    /// The domain of these with which `host`, which belongs to somebody else, begins.
    fn begun_with(&self, host: &str, owner: &str) -> Option<&str> {
        let before = host.strip_suffix(owner)?.strip_suffix('.')?;
        let edges = before.match_indices(['.', '-']).map(|(at, _)| at).chain([before.len()]);
        let edges: Vec<usize> = edges.collect();
        let begins = std::iter::once(0).chain(edges.iter().map(|at| at + 1));
        for (first, begin) in begins.enumerate() {
            for &end in edges.iter().skip(first).take(LABELS) {
                // Most are told by their length alone.
                let part = match self.sizes & size(end - begin) {
                    0 => None,
                    _ => before.get(begin..end).filter(|part| part.contains('.')),
                };
                if let Some(domain) = part.and_then(|part| self.domains.get(part)) {
                    return Some(domain);
                }
            }
        }
        None
    }

    fn names(&self, at: Option<&Vec<usize>>) -> impl Iterator<Item = &Name> {
        at.into_iter().flatten().filter_map(|at| self.names.get(*at))
    }
}

/// Looks at all hosts that links lead to, and at the author's domain. A sign counts once although both have it,
/// as the author's links usually lead to himself.
pub(super) fn look(
    hosts: &HashMap<&str, Place>,
    context: &Context<'_>,
    protected: [&Protected; 2],
    tally: &mut Tally,
) {
    if protected.iter().all(|set| set.names.is_empty()) {
        return;
    }
    let author = context.author.filter(|_| !context.is_ours);
    let mut owners: HashMap<&str, At> = HashMap::new();
    let hosts = hosts.iter().map(|(host, place)| (*host, At::Place(*place)));
    for (host, at) in hosts.chain(author.map(|author| (author, At::From))) {
        let Some(owner) = registrable(host) else { continue };
        if protected.iter().any(|set| set.has(owner)) {
            continue;
        }
        let first = owners.entry(owner).or_insert(at);
        *first = at.min(*first);
        for domain in protected.iter().filter_map(|set| set.begun_with(host, owner)) {
            if !services::is_proxy(host) && (at == At::From || author != Some(host)) {
                tally.add(&LOOKALIKE_SUBDOMAIN, at, &likeness(host, domain, at));
            }
        }
    }
    for (owner, at) in owners {
        let label = label(owner);
        let look = glyphs::look(&label);
        for (sign, domain) in protected.iter().filter_map(|set| set.imitated(&label, &look)) {
            if !services::is_known_relative(owner, domain) {
                tally.add(sign, at, &likeness(owner, domain, at));
            }
        }
    }
}

fn likeness(name: &str, domain: &str, at: At) -> String {
    match at {
        At::From => format!("{name}, the author's, like {domain}"),
        At::Place(_) => format!("{name}, like {domain}"),
    }
}

/// The bit for so many bytes; the last one for all that are longer.
const fn size(bytes: usize) -> u128 {
    1 << if bytes < 127 { bytes } else { 127 }
}

/// The first label of a registrable domain, in Unicode.
fn label(owner: &str) -> Cow<'_, str> {
    let label = owner.split('.').next().unwrap_or_default();
    match label.starts_with("xn--") {
        true => Cow::Owned(idna::domain_to_unicode(label).0),
        false => Cow::Borrowed(label),
    }
}

/// The word, and the word without each of its letters.
fn each_part(word: &str, mut see: impl FnMut(&str)) {
    see(word);
    let mut part = String::with_capacity(word.len());
    for (at, letter) in word.char_indices() {
        let (begin, end) = word.split_at(at);
        part.clear();
        part.push_str(begin);
        part.push_str(end.get(letter.len_utf8()..).unwrap_or_default());
        see(&part);
    }
}

/// Whether `text` is made of words of trust alone, or is `ending` without its dots; and if so, whether one of
/// them says enough by itself.
fn trust(text: &str, ending: &str) -> Option<bool> {
    let joined: String = text.chars().filter(|c| *c != '-').collect();
    if !joined.is_empty() && joined == ending.replace('.', "") {
        return Some(true);
    }
    words(text).last().copied().flatten()
}

/// For each place in `text`: whether what stands before it is one word of trust after the other, with or without
/// `-` between them; and if so, whether one of them says enough.
fn words(text: &str) -> Vec<Option<bool>> {
    let mut reached: Vec<Option<bool>> = vec![None; text.len() + 1];
    if let Some(begin) = reached.first_mut() {
        *begin = Some(false);
    }
    for from in 0..text.len() {
        let Some(so_far) = reached.get(from).copied().flatten() else { continue };
        for to in from + 1..=text.len().min(from + *LONGEST_WORD) {
            let is_enough = match text.get(from..to) {
                Some("-") => Some(&false),
                Some(word) => WORDS.get(word),
                None => None,
            };
            if let (Some(is_enough), Some(place)) = (is_enough, reached.get_mut(to)) {
                *place = Some(place.unwrap_or(false) | so_far | is_enough);
            }
        }
    }
    reached
}

/// Whether `typed` is `name` with one mistake that is no other name in its own right.
fn is_typo(name: &str, typed: &str) -> bool {
    let (name, typed): (Vec<char>, Vec<char>) = (name.chars().collect(), typed.chars().collect());
    let begin = name.iter().zip(&typed).take_while(|(a, b)| a == b).count();
    let same_end = name.iter().rev().zip(typed.iter().rev()).take_while(|(a, b)| a == b).count();
    let end = same_end.min(name.len().min(typed.len()) - begin);
    let middle = |word: &[char]| word.get(begin..word.len() - end).unwrap_or_default().to_vec();
    let before = begin.checked_sub(1).and_then(|at| name.get(at)).copied();
    let (is_one, is_near) = match (middle(&name).as_slice(), middle(&typed).as_slice()) {
        // Numbered names are of one house.
        ([one], [other]) if one.is_ascii_digit() && other.is_ascii_digit() => (false, false),
        // Nobody overlooks the first letter, and honest neighbours differ in it.
        ([one], [other]) => {
            let is_similar = glyphs::are_similar(*one, *other);
            (begin > 0 || is_similar, is_similar)
        }
        ([a, b], [c, d]) => (a == d && b == c, a == d && b == c && begin > 0),
        ([letter], []) | ([], [letter]) => {
            (!letter.is_ascii_digit() && *letter != '-', before == Some(*letter))
        }
        _ => (false, false),
    };
    let length = name.len().min(typed.len());
    is_one && (length >= TYPO_ANY || length + 1 >= TYPO_NEAR && is_near)
}
