//! What matches what.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn index_of(bench: &Bench, feeds: &[(&str, &str)]) -> Index {
    let mut index = Index::new(bench.keyer.clone());
    for (name, body) in feeds {
        let source = Source::new(name, Format::Urls, "https://feeds.example/list");
        let fetched = Fetched { at: at(), validators: Validators::default() };
        let both = (&bench.folder, &bench.keyer);
        let fresh = take_in(Cursor::new(body.as_bytes()), &source, &TERMS, fetched, None, both).unwrap();
        index = index.with(name, &fresh.keys, Arc::new(fresh.copy)).unwrap();
    }
    index
}

#[test]
fn a_link_matches_itself_and_more_weakly_its_path_with_another_query() {
    let (_bench, index) = Bench::of(
        Format::Urls,
        b"https://evil.test/a?id=1\nhttps://evil.test/b\nhttps://front.test/?x=1\nhttps://evil.test/c\nhttps://evil.test/c?d=e\n",
    );
    for (link, expected) in [
        ("http://evil.test/a?id=1", Some(MatchKind::Exact)),
        ("https://evil.test/a?id=2", Some(MatchKind::HostPath)),
        ("https://evil.test/a", Some(MatchKind::HostPath)),
        ("https://evil.test/b", Some(MatchKind::Exact)),
        ("https://evil.test/b?tracking=7", Some(MatchKind::HostPath)),
        ("https://evil.test/b/", None),
        ("https://evil.test/c", Some(MatchKind::Exact)),
        ("https://evil.test/c?d=e", Some(MatchKind::Exact)),
        ("https://evil.test/c?d=f", Some(MatchKind::HostPath)),
        ("https://evil.test/", None),
        ("https://front.test/?x=1", Some(MatchKind::Exact)),
        ("https://front.test/?x=2", None),
        ("https://front.test/", None),
    ] {
        assert_eq!(of_link(&index, link).first().copied(), expected, "{link}");
    }
    assert_eq!(of_host(&index, "evil.test"), []);
}

#[test]
fn on_hosts_that_strangers_share_only_the_whole_link_counts() {
    let body = "https://docs.google.com/forms/d/1/view?a=1\nhttps://bit.ly/abc\nhttps://evil.github.io/x\n";
    let (_bench, index) = Bench::of(Format::Urls, body.as_bytes());
    for (link, expected) in [
        ("https://docs.google.com/forms/d/1/view?a=1", Some(MatchKind::Exact)),
        ("https://docs.google.com/forms/d/1/view?a=2", None),
        ("https://docs.google.com/forms/d/1/view", None),
        ("https://bit.ly/abc", Some(MatchKind::Exact)),
        ("https://bit.ly/abd", None),
        ("https://bit.ly/abc?x=1", None),
    ] {
        assert_eq!(of_link(&index, link).first().copied(), expected, "{link}");
    }
    let rows = "evil.test\nsub.evil.test\nbit.ly\ndocs.google.com\ngithub.io\nevil.github.io\n";
    let (entries, tally) = read(Format::Domains, rows.as_bytes()).unwrap();
    assert_eq!((entries.len() as u64, tally.too_wide), (3, 3), "{entries:?}");
}

#[test]
fn of_the_largest_names_only_whole_addresses_are_listed() {
    let slip = "www.google.com\nmicrosoft.com\noutlook.com\n.paypal.com\napple.com\n";
    let good = "a.test\nb.test\nc.test\nd.test\npaypal.com.evil.test\n";
    let (entries, tally) = read(Format::Domains, format!("{slip}{good}").as_bytes()).unwrap();
    assert_eq!((entries.len(), tally.too_wide), (5, 5), "{entries:?}");
    let said = tally.complaint().unwrap();
    assert!(said.contains("\"microsoft.com\" is one of the names that nearly all mail links to"), "{said}");
    let (entries, tally) =
        read(Format::Urls, b"https://www.google.com/\nhttps://www.google.com/url?q=http://evil.test/\n")
            .unwrap();
    assert_eq!((entries.len(), tally.too_wide), (1, 1), "{entries:?}");
    // A redirect that somebody abused says nothing of where it leads with another query.
    let (_bench, index) = Bench::of(Format::Urls, b"https://www.google.com/url?q=http://evil.test/\n");
    for (link, expected) in [
        ("https://www.google.com/url?q=http://evil.test/", Some(MatchKind::Exact)),
        ("https://www.google.com/url?q=http://good.test/", None),
        ("https://www.google.com/url", None),
        ("https://www.google.com/", None),
    ] {
        assert_eq!(of_link(&index, link).first().copied(), expected, "{link}");
    }
}

#[test]
fn a_registered_name_stands_for_all_below_and_a_host_for_itself() {
    let (_bench, index) =
        Bench::of(Format::Domains, b"evil.test\nwww.other.test\n*.wild.example\n.dot.example\n");
    for (host, expected) in [
        ("evil.test", Some(MatchKind::Host)),
        ("a.b.c.evil.test", Some(MatchKind::Domain)),
        ("notevil.test", None),
        ("www.other.test", Some(MatchKind::Host)),
        ("a.www.other.test", None),
        ("other.test", None),
        ("wild.example", None),
        ("a.wild.example", Some(MatchKind::Domain)),
        ("dot.example", Some(MatchKind::Host)),
        ("a.dot.example", Some(MatchKind::Domain)),
        ("test", None),
    ] {
        assert_eq!(of_host(&index, host).first().copied(), expected, "{host}");
    }
    assert_eq!(of_link(&index, "https://a.evil.test/x?y"), [MatchKind::Domain]);
    assert_eq!(
        index.look_up(Asked::Link(&Link::parse("https://evil.test/").unwrap()))[0].strength(),
        Strength::Same
    );
}

#[test]
fn every_feed_that_knows_a_thing_is_named_once_with_its_strongest_match() {
    let bench = Bench::new(Format::Urls);
    let feeds = [
        ("a", "http://evil.test/x\n"),
        ("b", "http://evil.test/x?q\nhttp://evil.test/x\n"),
        ("c", "http://o.test/\n"),
    ];
    let index = index_of(&bench, &feeds);
    let asked = Link::parse("http://evil.test/x?q").unwrap();
    let found = index.look_up(Asked::Link(&asked));
    let told: Vec<_> = found.iter().map(|found| (&*found.feed, found.kind)).collect();
    assert_eq!(told, [("b", MatchKind::Exact), ("a", MatchKind::HostPath)]);
    let without = index.without("b");
    assert_eq!(kinds(&without, Asked::Link(&asked)), [MatchKind::HostPath]);
    assert_eq!(kinds(&index.without("nobody"), Asked::Link(&asked)).len(), 2);
    assert_eq!(without.feeds().map(|(name, ..)| name.to_string()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(kinds(&index, Asked::Link(&asked)).len(), 2, "an index never changes");
}

#[test]
fn a_refresh_replaces_all_of_one_feed_and_nothing_of_the_others() {
    let bench = Bench::new(Format::Urls);
    let index = index_of(
        &bench,
        &[("a", "http://evil.test/1\n"), ("b", "http://evil.test/2\n"), ("a", "http://evil.test/3\n")],
    );
    assert_eq!(of_link(&index, "http://evil.test/1"), []);
    assert_eq!(of_link(&index, "http://evil.test/2"), [MatchKind::Exact]);
    assert_eq!(of_link(&index, "http://evil.test/3"), [MatchKind::Exact]);
    assert_eq!(index.keys(), 2);
}

#[test]
fn there_can_be_64_feeds_and_a_gone_one_makes_room() {
    let bench = Bench::new(Format::Urls);
    let names: Vec<String> = (0..64).map(|n| format!("f{n}")).collect();
    let bodies: Vec<String> = (0..64).map(|n| format!("http://evil.test/{n}\n")).collect();
    let feeds: Vec<_> = names.iter().zip(&bodies).map(|(n, b)| (&**n, &**b)).collect();
    let index = index_of(&bench, &feeds);
    for n in 0..64 {
        let found = index.look_up(Asked::Link(&Link::parse(&format!("http://evil.test/{n}")).unwrap()));
        assert_eq!(&*found[0].feed, format!("f{n}"));
    }
    let fresh = bench.take(b"http://evil.test/x\n", &TERMS, None).unwrap();
    let copy = Arc::new(fresh.copy);
    let error = index.with("more", &fresh.keys, Arc::clone(&copy)).unwrap_err();
    assert!(error.to_string().starts_with("64 feeds are in use"), "{error}");
    let index = index.without("f7").with("more", &fresh.keys, copy).unwrap();
    assert_eq!(of_link(&index, "http://evil.test/x"), [MatchKind::Exact]);
    assert_eq!(of_link(&index, "http://evil.test/7"), []);
}

#[test]
fn an_entry_can_be_read_after_its_copy_was_replaced() {
    let bench = Bench::new(Format::Urls);
    let first = bench.take(b"http://evil.test/first\n", &TERMS, None).unwrap();
    let index = bench.index(first);
    let link = Link::parse("http://evil.test/first").unwrap();
    let found = index.look_up(Asked::Link(&link)).remove(0);
    bench.take(b"http://evil.test/second\nhttp://evil.test/third\n", &TERMS, None).unwrap();
    assert_eq!(found.entry().unwrap(), Entry::new(Key::Link(link.clone())));
    assert!(found.confirmed(Asked::Link(&link)).unwrap().is_some());
    let other = Link::parse("http://evil.test/other").unwrap();
    assert_eq!(found.confirmed(Asked::Link(&other)).unwrap(), None, "two things with the same key");
}

/// Few enough different parts that questions and entries meet.
fn keys() -> impl Strategy<Value = Key> {
    let name = || {
        prop::sample::select(vec!["evil.test", "a.evil.test", "b.a.evil.test", "o.example", "x.o.example"])
    };
    let link = (
        name(),
        prop::sample::select(vec!["/", "/p", "/p/q", "/index.html"]),
        prop::sample::select(vec!["", "?a", "?b=c"]),
    );
    let link = link.prop_map(|(host, path, query)| {
        Key::Link(Link::parse(&format!("http://{host}{path}{query}")).unwrap())
    });
    let shared = prop::sample::select(vec![
        "https://bit.ly/p",
        "https://bit.ly/p?a",
        "http://192.0.2.1/p",
        "http://192.0.2.1:81/p?a",
    ]);
    let net = prop::sample::select(vec![
        "192.0.2.1/32",
        "192.0.2.0/24",
        "192.0.0.0/16",
        "2001:db8::/32",
        "2001:db8::1/128",
    ]);
    let file = prop::sample::select(vec!["00", "01"])
        .prop_map(|b| Key::File(FileHash::parse("md5", &b.repeat(16)).unwrap()));
    prop_oneof![
        4 => link,
        1 => shared.prop_map(|link| Key::Link(Link::parse(link).unwrap())),
        1 => name().prop_map(|name| Key::Host(name.to_owned())),
        1 => name().prop_map(|name| Key::Domain(name.to_owned())),
        1 => name().prop_map(|name| Key::Below(name.to_owned())),
        2 => net.prop_map(|net| Key::Net(net.parse().unwrap())),
        1 => file,
    ]
}

proptest! {
    /// The index against the plain words of [`agreement`].
    #[test]
    fn the_index_finds_what_the_texts_say(
        feeds in prop::collection::vec(prop::collection::vec(keys(), 0..12), 1..4),
        asked in prop::collection::vec(keys(), 1..12),
    ) {
        let bench = Bench::new(Format::Urls);
        let empty = bench.take(b"http://unrelated.example/\n", &TERMS, None).unwrap();
        let copy = Arc::new(empty.copy);
        let mut index = Index::new(bench.keyer.clone());
        for (n, keys) in feeds.iter().enumerate() {
            let mut collector = super::super::index::Collector::new(&bench.keyer);
            for (row, key) in keys.iter().enumerate() {
                collector.add(&Entry::new(key.clone()), u32::try_from(row).unwrap());
            }
            index = index.with(&n.to_string(), &collector.done(), Arc::clone(&copy)).unwrap();
        }
        for key in asked {
            asks(&Entry::new(key), |asked| {
                let mut expected = BTreeMap::new();
                for (n, keys) in feeds.iter().enumerate() {
                    let best = keys.iter().filter_map(|key| agreement(key, asked)).map(MatchKind::strength).max();
                    expected.extend(best.map(|best| (n.to_string(), best)));
                }
                let found = index.look_up(asked);
                let told: BTreeMap<_, _> = found.iter().map(|f| (f.feed.to_string(), f.strength())).collect();
                prop_assert_eq!(told.len(), found.len());
                prop_assert_eq!(told, expected, "{:?}", asked);
                Ok(())
            })?;
        }
    }
}

#[test]
fn many_links_together_are_known_as_each_alone() {
    let listed = [
        "https://evil.test/a?id=1",
        "https://evil.test/b",
        "https://docs.google.com/forms/d/1/view?a=1",
        "https://bit.ly/abc",
        "http://203.0.113.9/x",
        "https://deep.below.evil.example/p?q",
    ];
    let (one, two) = (listed.join("\n"), listed[2..5].join("\n"));
    let bench = Bench::new(Format::Urls);
    let index = index_of(&bench, &[("one", &one), ("two", &two)]);
    // More than are looked up at once; strangers, and near misses, between what is listed.
    let links: Vec<Link> = (0..200)
        .map(|n| match (listed[n % listed.len()], n % 4) {
            (link, 0) => Link::parse(link).unwrap(),
            (link, 1) => Link::parse(&format!("{}?other=1", link.split('?').next().unwrap())).unwrap(),
            (link, 2) => Link::parse(&format!("{}/further", link.split('?').next().unwrap())).unwrap(),
            _ => Link::parse(&format!("https://stranger{n}.test/")).unwrap(),
        })
        .collect();
    let said = |matches: Vec<Match>| format!("{matches:?}");
    let mut together = Vec::new();
    index.look_up_links(links.iter(), |at, found| together.push((at, said(found))));
    let alone = links.iter().map(|link| index.look_up(Asked::Link(link))).enumerate();
    let alone: Vec<(usize, String)> =
        alone.filter(|(_, found)| !found.is_empty()).map(|(at, found)| (at, said(found))).collect();
    assert!(alone.len() > 60, "{}", alone.len());
    assert_eq!(together, alone);
}
