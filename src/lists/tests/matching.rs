use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

#[test]
fn the_most_specific_entry_decides_about_a_sender() {
    let rig = Rig::new();
    for text in ["example.org", "spam.test"] {
        rig.add(List::Block, text);
    }
    for text in ["@sub.example.org", "joe@example.org", "spam.test"] {
        rig.add(List::Allow, text);
    }
    for (sender, hit) in [
        ("joe@example.org", "sender allow joe@example.org|sender block example.org, excepted"),
        ("JOE@Example.Org", "sender allow joe@example.org|sender block example.org, excepted"),
        ("ann@example.org", "sender block example.org"),
        ("ann@sub.example.org", "sender allow @sub.example.org|sender block example.org, excepted"),
        ("ann@x.sub.example.org", "sender block example.org"),
        ("ann@x.spam.test", "sender block spam.test"),
    ] {
        assert_eq!(rig.hits(None, sender, &[]).join("|"), hit, "{sender}");
    }
    for sender in ["", "example.org", "ann@notexample.org", "ann@org", "ann@example.org.test", "ann@"] {
        assert_eq!(rig.hits(None, sender, &[]), Vec::<String>::new(), "{sender}");
    }
}

#[test]
fn the_longest_network_decides_about_a_client() {
    let rig = Rig::new();
    rig.add(List::Block, "192.0.2.0/24");
    rig.add(List::Allow, "192.0.2.128/25");
    rig.add(List::Block, "192.0.2.200");
    rig.add(List::Block, "2001:db8::/32");
    rig.add(List::Allow, "2001:db8::/48");
    for (client, hit) in [
        ("192.0.2.7", "client block 192.0.2.0/24"),
        ("::ffff:192.0.2.7", "client block 192.0.2.0/24"),
        ("192.0.2.130", "client allow 192.0.2.128/25"),
        ("192.0.2.200", "client block 192.0.2.200"),
        ("2001:db8:1::1", "client block 2001:db8::/32"),
        ("2001:db8::1", "client allow 2001:db8::/48"),
    ] {
        assert_eq!(rig.hits(Some(client), "", &[]), [hit], "{client}");
    }
    assert_eq!(rig.hits(Some("192.0.3.7"), "", &[]), Vec::<String>::new());
    assert_eq!(rig.hits(Some("2001:db9::1"), "", &[]), Vec::<String>::new());
}

#[test]
fn what_some_program_may_show_in_from_only_ever_blocks() {
    let rig = Rig::new();
    rig.add(List::Block, "example.org");
    rig.add(List::Allow, "joe@example.org");
    rig.add(List::Allow, "good.example");
    assert_eq!(rig.hits(None, "", &["a@good.example"]), Vec::<String>::new());
    assert_eq!(rig.hits(None, "", &["joe@example.org"]), ["From block example.org"], "he is not the author");
    let from = ["a@good.example", "b@example.org", "c@example.org"];
    assert_eq!(
        rig.hits(None, "x@good.example", &from),
        ["sender allow good.example", "From block example.org"]
    );
    let many: Vec<String> = (0..300).map(|i| format!("{i}@other.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["b@example.org"]).collect();
    assert_eq!(rig.hits(None, "", &many), Vec::<String>::new(), "no more than a few are looked at");
}

#[test]
fn only_who_is_the_author_without_doubt_is_allowed_by_from() {
    let rig = Rig::new();
    for text in ["example.org", "joe@half.example"] {
        rig.add(List::Block, text);
    }
    for text in ["joe@example.org", "jane@example.org", "good.example", "half.example"] {
        rig.add(List::Allow, text);
    }
    let of = |from: &[&str], authors: &[&str]| rig.claims(from, authors).join("|");
    let both = |authors: &[&str]| of(authors, authors);
    assert_eq!(both(&["a@good.example"]), "From allow good.example for good.example");
    assert_eq!(both(&["a@SUB.Good.example"]), "From allow good.example for sub.good.example");
    let joe = "From allow joe@example.org for example.org|From block example.org for example.org, excepted";
    assert_eq!(both(&["joe@example.org"]), joe);
    assert_eq!(of(&["\"JOE\"@example.org"], &["joe@example.org"]), joe);
    assert_eq!(both(&["joe@example.org", "jane@example.org"]), joe);
    let blocked = "From block example.org for example.org";
    assert_eq!(both(&["joe@example.org", "x@example.org"]), blocked);
    assert_eq!(
        of(&["joe@example.org", "a@good.example"], &["a@good.example"]),
        blocked,
        "shown, not the author"
    );
    assert_eq!(both(&["joe@example.org", "a@other.example"]), blocked, "not each author is allowed");
    assert_eq!(both(&["a@good.example", "a@other.example"]), "");
    assert_eq!(
        both(&["a@good.example", "joe@example.org"]),
        joe,
        "of two the one that must be proven to keep a block away"
    );
    assert_eq!(
        of(&[], &["a@good.example", "joe@half.example"]),
        "From block joe@half.example for half.example"
    );
}

#[test]
fn an_exception_is_one_from_the_nearest_block_above_it() {
    let rig = Rig::new();
    for text in ["org", "x.example.org"] {
        rig.add(List::Block, text);
    }
    for text in ["example.org", "@example.org", "a@example.org", "b@x.example.org"] {
        rig.add(List::Allow, text);
    }
    let above = |sender: &str| rig.hits(None, sender, &[]).join("|");
    assert_eq!(above("a@example.org"), "sender allow a@example.org|sender block org, excepted");
    assert_eq!(above("b@x.example.org"), "sender allow b@x.example.org|sender block x.example.org, excepted");
    rig.add(List::Block, "192.0.2.0/24");
    rig.add(List::Allow, "192.0.2.7");
    assert_eq!(rig.hits(Some("192.0.2.7"), "", &[]), ["client allow 192.0.2.7"], "a client proves itself");
}

#[test]
fn of_an_exception_and_its_block_the_exception_is_counted() {
    let rig = Rig::new();
    rig.add(List::Block, "example.org");
    rig.add(List::Allow, "joe@example.org");
    let asked = Asked { sender: Some("joe@example.org"), ..Asked::default() };
    rig.lists.count(&rig.lists.hits(&asked));
    let hits = |list| rig.all(list).iter().map(|listed| listed.hits).collect::<Vec<_>>();
    assert_eq!((hits(List::Allow), hits(List::Block)), (vec![1], vec![0]));
}

#[test]
fn an_entry_whose_time_is_over_matches_no_more_and_lets_a_wider_one_decide() {
    let rig = Rig::new();
    rig.add(List::Block, "org");
    rig.add_until(List::Allow, "example.org", expiry("30d", TODAY).unwrap());
    assert_eq!(
        rig.hits(None, "a@example.org", &[]),
        ["sender allow example.org", "sender block org, excepted"]
    );
    rig.clock.advance(30 * DAY - Duration::from_millis(1));
    assert_eq!(
        rig.hits(None, "a@example.org", &[]),
        ["sender allow example.org", "sender block org, excepted"]
    );
    rig.clock.advance(Duration::from_millis(1));
    assert_eq!(rig.hits(None, "a@example.org", &[]), ["sender block org"]);
    let gone: Vec<String> = rig
        .lists
        .sweep()
        .unwrap()
        .iter()
        .flat_map(|s| s.entries.iter().map(|e| format!("{} {}", s.list, e.entry)))
        .collect();
    assert_eq!(gone, ["allow example.org"]);
    assert_eq!(rig.lists.sweep().unwrap(), []);
    assert_eq!(texts(&rig.all(List::Allow)), Vec::<String>::new());
    let rig = rig.again();
    assert_eq!(
        (texts(&rig.all(List::Allow)), texts(&rig.all(List::Block))),
        (vec![], vec!["org".to_owned()])
    );
}

#[test]
fn who_adds_an_entry_is_told_of_the_other_list() {
    let rig = Rig::new();
    let notes = |list, text: &str| rig.add(list, text).notes;
    assert_eq!(notes(List::Block, "example.org"), Vec::<String>::new());
    assert!(
        notes(List::Allow, "example.org")[0].starts_with("example.org is on the block list too, and of two")
    );
    assert_eq!(
        notes(List::Allow, "a@x.example.org"),
        [
            "example.org is on the block list; a@x.example.org is now an exception from it, for mail that SPF or DKIM proves"
        ]
    );
    assert!(notes(List::Block, "a@x.example.org")[0].contains("the allow has no effect now"));
    assert_eq!(notes(List::Block, "top"), ["top is a whole top-level domain"]);
    rig.add(List::Block, "192.0.2.0/24");
    assert_eq!(
        notes(List::Allow, "192.0.2.7"),
        ["192.0.2.0/24 is on the block list; 192.0.2.7 is now an exception from it"]
    );
}

#[test]
fn what_is_not_listed_itself_is_answered_with_what_takes_it_in() {
    let rig = Rig::new();
    rig.add(List::Block, "example.org");
    rig.add(List::Block, "10.0.0.0/8");
    let within = |text: &str| match rig.lists.find(List::Allow, &entry(text)) {
        Found::Within { list, listed } => format!("{list} {}", listed.entry),
        Found::Listed(listed) => format!("itself {}", listed.entry),
        Found::Nothing => "nothing".to_owned(),
    };
    for (asked, told) in [
        ("a@b.example.org", "block example.org"),
        ("@example.org", "block example.org"),
        ("b.example.org", "block example.org"),
        ("org", "nothing"),
        ("10.1.2.0/24", "block 10.0.0.0/8"),
        ("11.1.2.3", "nothing"),
    ] {
        assert_eq!(within(asked), told, "{asked}");
    }
    assert!(matches!(rig.lists.find(List::Block, &entry("example.org")), Found::Listed(_)));
}

/// Names over a small alphabet, so that entries and mail meet often.
fn domain() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec!["a", "b", "C", "xn--bcher-kva"]), 1..4)
        .prop_map(|labels| labels.join("."))
}

fn address() -> impl Strategy<Value = String> {
    (prop::sample::select(vec!["x", "Y", "\"x\"", "x.y"]), domain()).prop_map(|(l, d)| format!("{l}@{d}"))
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..16, 0u32..4).prop_map(|(low, high)| IpAddr::V4((0x0a00_0000 | high << 16 | low).into())),
        (0u128..16).prop_map(|low| IpAddr::V6((0x2001_0db8_u128 << 96 | low).into())),
    ]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let network = (ip(), 1u8..=32).prop_map(|(ip, len)| {
        let len = if ip.is_ipv4() { len } else { len * 4 };
        Entry::parse(&ipnet::IpNet::new(ip, len).unwrap().trunc().to_string()).unwrap()
    });
    prop_oneof![
        address().prop_map(|a| Entry::parse(&a).unwrap()),
        domain().prop_map(|d| Entry::parse(&d).unwrap()),
        domain().prop_map(|d| Entry::parse(&format!("@{d}")).unwrap()),
        network,
    ]
}

/// How specific a match of `entry` is; `None` if it is none. Written to be read, not to be fast.
fn specificity(entry: &Entry, client: Option<IpAddr>, address: Option<&str>) -> Option<usize> {
    match (&entry.pattern, client, address) {
        (Pattern::Network(net), Some(ip), _) => {
            net.contains(&ip.to_canonical()).then_some(net.prefix_len().into())
        }
        (Pattern::Address(text), _, Some(address)) => {
            (entry.to_string() == Entry::parse(address).unwrap().to_string()).then_some(10_000 + text.len())
        }
        (Pattern::Domain(text), _, Some(address)) => {
            let own = address.rsplit_once('@').unwrap().1.to_lowercase();
            match text.strip_prefix('@') {
                Some(alone) => (own == alone).then_some(5_000),
                None => (own == **text || own.ends_with(&format!(".{text}"))).then_some(text.len()),
            }
        }
        _ => None,
    }
}

type Model = BTreeMap<(List, Entry), Option<Timestamp>>;

fn decides(
    model: &Model,
    client: Option<IpAddr>,
    address: Option<&str>,
    now: Timestamp,
) -> Option<(List, Entry)> {
    let holds = model.iter().filter(|(_, end)| end.is_none_or(|end| end > now));
    holds
        .filter_map(|((list, entry), _)| Some((specificity(entry, client, address)?, *list, entry.clone())))
        .max_by_key(|(specificity, list, _)| (*specificity, *list == List::Block))
        .map(|(_, list, entry)| (list, entry))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn the_index_finds_what_a_look_at_every_entry_finds(
        changes in proptest::collection::vec((any::<bool>(), any_entry(), prop::option::of(1u64..4), 0u8..4), 0..40),
        clients in proptest::collection::vec(ip(), 4),
        senders in proptest::collection::vec(address(), 6),
        today in 0u64..4,
    ) {
        let (mut model, mut index) = (Model::new(), Index::default());
        for (block, entry, end, what) in changes {
            let list = if block { List::Block } else { List::Allow };
            if what == 0 {
                let taken = index.take(list, &entry);
                prop_assert_eq!(taken.is_some(), model.remove(&(list, entry)).is_some());
                continue;
            }
            let expires = end.map(Timestamp::from_millis);
            let listed = Listed {
                entry: entry.clone(),
                comment: None,
                by: "x".into(),
                created: TODAY,
                expires,
                hits: 0,
                last_hit: None,
            };
            index.put(list, Arc::new(Item::new(listed)));
            model.insert((list, entry), expires);
        }
        let now = Timestamp::from_millis(today);
        let seen = |found: Option<(List, &Arc<Item>)>| found.map(|(list, item)| (list, item.kept().entry.clone()));
        for client in clients {
            prop_assert_eq!(seen(index.client(client, now, slot::For::default())), decides(&model, Some(client), None, now), "{}", client);
        }
        for sender in senders {
            prop_assert_eq!(seen(index.address(&sender, now, slot::For::default())), decides(&model, None, Some(&sender), now), "{}", sender);
        }
        for list in List::ALL {
            let count = model.keys().filter(|(l, _)| *l == list).count();
            prop_assert_eq!((index.count(list), index.all(list).count()), (count, count));
        }
        for (list, entry) in model.keys() {
            prop_assert!(index.get(*list, entry).is_some_and(|item| item.kept().entry == *entry));
        }
    }
}
