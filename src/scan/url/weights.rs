//! What the findings of links, feeds and block lists weigh under a configuration: rows of `mailward policy weights`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::asks::{List, What};
use super::config::{Config, Weights};
use super::signs::table;
use super::{listed, weigh};
use crate::feed::{MatchKind, Strength};
use crate::model::{Category, Scanner, Score, Severity};
use crate::scan::weight::Weight;

/// Weights by which the key is known that was used: the number of its name in [`KEYS`].
fn numbered() -> Weights {
    let score = |n: u8| Score::new(f64::from(n));
    Weights {
        same: score(0),
        close: score(1),
        near: score(2),
        file: score(3),
        abused: score(4),
        doubtful: score(5),
        again: score(6),
    }
}

const KEYS: [&str; 7] = ["same", "close", "near", "file", "abused", "doubtful", "again"];

/// Signs, then the feeds by name, then the block lists that are asked. `feeds`: what each is of.
#[must_use]
pub fn weights(config: &Config, feeds: &BTreeMap<String, Category>) -> Vec<Weight> {
    let signs = table::ALL.iter().map(|sign| Weight {
        scanner: Scanner::Urls,
        symbol: sign.symbol.to_owned(),
        case: None,
        severity: sign.severity,
        category: sign.category,
        score: Score::new(sign.score),
        set_in: None,
    });
    let mut weights: Vec<Weight> = signs.collect();
    for (feed, category) in feeds {
        let cases = [
            ("same", MatchKind::Exact, Strength::Same),
            ("close", MatchKind::Exact, Strength::Close),
            ("near", MatchKind::Exact, Strength::Near),
            ("file", MatchKind::File, Strength::Same),
        ];
        for (case, kind, strength) in cases {
            let weighed = |weights: &Weights| {
                let (severity, score) = weigh::weigh(kind, strength, *category, weights);
                (severity, *category, score)
            };
            weights.push(weight(listed::symbol(feed), case, &weighed, config));
        }
    }
    for list in List::ALL.into_iter().filter(|list| config.lookups.blocklists.contains(list)) {
        let symbol = format!("DNSBL_{}", list.name().to_ascii_uppercase());
        let third = u8::from(list == List::Dbl);
        let answers = (0..=u8::MAX).filter_map(|last| list.listed(Ipv4Addr::new(127, 0, third, last)));
        let whats: BTreeSet<Vec<What>> = answers
            .map(|whats| whats.into_iter().map(|(what, _)| what).collect::<Vec<_>>())
            .filter(|whats: &Vec<What>| !whats.is_empty())
            // SURBL and URIBL add up what they list for: each by itself, or as one answer of the others means it.
            .filter(|whats| whats.len() == 1 || matches!(list, List::Dbl | List::Zen))
            .collect();
        for whats in whats {
            let case: Vec<&str> = whats.iter().map(|what| what.label()).collect();
            let weighed = |weights: &Weights| weigh::listing(&whats, weights);
            weights.push(weight(symbol.clone(), &case.join(", "), &weighed, config));
        }
    }
    weights
}

fn weight(
    symbol: String,
    case: &str,
    weighed: &dyn Fn(&Weights) -> (Severity, Category, Score),
    config: &Config,
) -> Weight {
    let (severity, category, score) = weighed(&config.weight);
    let number = weighed(&numbered()).2.value();
    let key = (0_u8..).zip(KEYS).find(|(n, _)| f64::from(*n) >= number).map_or("same", |(_, key)| key);
    Weight {
        scanner: Scanner::Urls,
        symbol,
        case: Some(case.to_owned()),
        severity,
        category,
        score,
        set_in: Some(format!("scanner.urls.weight.{key}")),
    }
}
