//! Whatever is in the links: no panic, few findings, in any order the same.

use proptest::prelude::*;

use super::super::table::ALL;
use super::super::{Context, Protected, of};
use crate::link::Link;
use crate::mail::links::{Found, Hidden, Links, Place, Seen, Source};
use crate::model::Finding;

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9-]{1,12}\\.(com|org|co\\.uk|web\\.app|ru)",
        "(www\\.)?(paypal|paypa1|pаypal|papyal|paypal-login|secure-paypal|paypál)\\.(com|net|xyz)",
        "paypal\\.com[.-][a-z]{1,5}\\.net",
        "(8\\.8\\.8\\.8|0x08080808|\\[2a00::1\\]|192\\.168\\.0\\.1)",
        "\\PC{1,10}\\.com",
        "(bit\\.ly|x\\.list-manage\\.com|safelinks\\.protection\\.outlook\\.com)",
    ]
}

fn source() -> impl Strategy<Value = Source> {
    prop::sample::select(vec![
        Source::Href,
        Source::Form,
        Source::Src,
        Source::Text,
        Source::Qr,
        Source::Formaction,
    ])
}

/// A link, and what was unwrapped from it.
fn group() -> impl Strategy<Value = Vec<Found>> {
    let shown = prop_oneof![
        Just(String::new()),
        host(),
        host().prop_map(|host| format!("go to https://{host}/x now")),
        "\\PC{0,30}"
    ];
    let parts =
        (host(), "(user@|paypal\\.com@)?", source(), 0_usize..3, shown, prop::collection::vec(host(), 0..2));
    parts.prop_map(|(host, user, source, part, shown, wrapped)| {
        let found = |host: &str, source| {
            let written = format!("https://{user}{host}/x");
            let link = Link::parse(&written).ok()?;
            Some(Found { link, place: Place::Part(part), source, shown: shown.clone(), written })
        };
        let Some(first) = found(&host, source) else { return Vec::new() };
        std::iter::once(first).chain(wrapped.iter().filter_map(|host| found(host, Source::Wrapped))).collect()
    })
}

fn seen() -> impl Strategy<Value = Seen> {
    let many = || prop_oneof![Just(0_u32), Just(1), 300_u32..500, any::<u32>()];
    (0_usize..3, many(), many(), many(), many(), many()).prop_map(|(part, a, b, c, d, e)| Seen {
        part,
        forms: a,
        password_inputs: b,
        data_links: c,
        visible: d,
        hidden: Hidden { zero_font: e, not_displayed: c, ..Hidden::default() },
        split_words: b,
        ..Seen::default()
    })
}

fn findings(groups: &[Vec<Found>], seen: &[Seen], is_newsletter: bool) -> Vec<Finding> {
    let links = Links { list: groups.concat(), seen: seen.to_vec(), ..Links::default() };
    let protected = Protected::new(["paypal.com", "our-company.org"]);
    let context = Context {
        author: Some("sender.com"),
        is_ours: false,
        recipients: &["paypal.net"],
        protected: &protected,
        is_newsletter,
    };
    of(&links, &context)
}

proptest! {
    #[test]
    fn the_order_of_links_and_pages_changes_nothing(
        groups in prop::collection::vec(group(), 0..12),
        seen in prop::collection::vec(seen(), 0..4),
        is_newsletter: bool,
        turn in 0_usize..12,
    ) {
        let first = findings(&groups, &seen, is_newsletter);
        let (mut groups, mut seen) = (groups, seen);
        groups.reverse();
        seen.reverse();
        let middle = turn % groups.len().max(1);
        groups.rotate_left(middle);
        prop_assert_eq!(&findings(&groups, &seen, is_newsletter), &first);
        prop_assert!(first.len() <= ALL.len());
        let symbols: std::collections::BTreeSet<&str> = first.iter().map(|f| f.symbol.as_str()).collect();
        prop_assert_eq!(symbols.len(), first.len());
        prop_assert!(first.iter().all(|f| f.text.chars().count() < 400));
    }

    #[test]
    fn any_name_can_be_protected_and_looked_at(
        names in prop::collection::vec("\\PC{0,20}(\\.com)?", 0..6),
        host in "\\PC{1,60}\\.(com|org)",
    ) {
        let protected = Protected::new(names.iter().map(String::as_str));
        let Ok(link) = Link::parse(&host) else { return Ok(()) };
        let found =
            Found { link, place: Place::Subject, source: Source::Text, shown: String::new(), written: host };
        let links = Links { list: vec![found], ..Links::default() };
        let context = Context { author: None, is_ours: false, recipients: &[], protected: &protected, is_newsletter: false };
        prop_assert!(of(&links, &context).len() <= ALL.len());
    }

    #[test]
    fn a_protected_domain_never_looks_like_one(name in "[a-z0-9-]{1,20}\\.(com|co\\.uk|de)") {
        let host = format!("https://www.{name}/");
        let Ok(link) = Link::parse(&host) else { return Ok(()) };
        let shown = name.clone();
        let found =
            Found { link, place: Place::Subject, source: Source::Href, shown, written: host };
        let links = Links { list: vec![found], ..Links::default() };
        let protected = Protected::new([name.as_str()]);
        let context = Context { author: None, is_ours: false, recipients: &[], protected: &protected, is_newsletter: false };
        prop_assert_eq!(of(&links, &context), Vec::new());
    }
}
