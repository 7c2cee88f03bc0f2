use super::*;

#[test]
fn what_is_added_is_there_after_a_restart_with_all_that_is_known_of_it() {
    let rig = Rig::new();
    let expires = expiry("30d", TODAY).unwrap();
    let new = NewEntry {
        entry: entry("a@bücher.example"),
        comment: Some(comment("why").unwrap()),
        expires: Some(expires),
    };
    let added = rig.lists.add(List::Block, &new, "anna").unwrap();
    assert_eq!(added.before, None);
    rig.add(List::Allow, "192.0.2.0/24");
    rig.add(List::Allow, "example.org");
    assert_eq!(
        rig.lists.remove(List::Allow, &entry("example.org"), "tester").unwrap(),
        Removed::Was {
            listed: Box::new(Listed {
                entry: entry("example.org"),
                comment: None,
                by: "tester".into(),
                created: TODAY,
                expires: None,
                hits: 0,
                last_hit: None,
            }),
            change: 4,
        }
    );
    assert_eq!(rig.lists.remove(List::Allow, &entry("example.org"), "tester").unwrap(), Removed::WasNot);
    let rig = rig.again();
    assert_eq!(rig.all(List::Block), [added.listed]);
    assert_eq!(texts(&rig.all(List::Allow)), ["192.0.2.0/24"]);
    assert_eq!(
        rig.hits(Some("192.0.2.1"), "A@xn--bcher-kva.example", &[]),
        ["client allow 192.0.2.0/24", "sender block a@xn--bcher-kva.example"]
    );
}

#[test]
fn what_is_not_said_when_an_entry_is_changed_stays_unless_its_time_was_over() {
    let rig = Rig::new();
    let entry = entry("example.org");
    let add = |comment: Option<Option<Box<str>>>, expires: Option<Option<Timestamp>>, by: &str| {
        rig.lists.add(List::Block, &NewEntry { entry: entry.clone(), comment, expires }, by).unwrap().listed
    };
    let end = expiry("10d", TODAY).unwrap();
    add(Some(Some("why".into())), Some(end), "anna");
    rig.clock.advance(DAY);
    let changed = add(None, None, "bert");
    assert_eq!((changed.comment.as_deref(), changed.expires, changed.created), (Some("why"), end, TODAY));
    assert_eq!(&*changed.by, "bert");
    let changed = add(Some(None), Some(None), "bert");
    assert_eq!((changed.comment, changed.expires), (None, None));
    add(Some(Some("why".into())), Some(end), "anna");
    rig.clock.advance(20 * DAY);
    let anew = add(None, None, "carl");
    assert_eq!((anew.comment, anew.expires, anew.created), (None, None, rig.clock.now()));
    assert_eq!(rig.hits(None, "a@example.org", &[]), ["sender block example.org"]);
}

#[test]
fn hits_are_counted_once_a_message_and_written_down() {
    let rig = Rig::new();
    rig.add(List::Block, "example.org");
    rig.add(List::Allow, "192.0.2.0/24");
    let asked = Asked {
        client: Some("192.0.2.1".parse().unwrap()),
        sender: Some("a@example.org"),
        from: &["b@example.org".to_owned()],
        ..Asked::default()
    };
    let hits = rig.lists.hits(&asked);
    assert_eq!(hits.0.len(), 3);
    assert_eq!(rig.all(List::Allow)[0].hits, 0, "looking is not counting");
    rig.clock.advance(DAY);
    rig.lists.count(&hits);
    let shown = |rig: &Rig, list| (rig.all(list)[0].hits, rig.all(list)[0].last_hit);
    assert_eq!(shown(&rig, List::Allow), (1, Some(rig.clock.now())));
    rig.lists.write_hits().unwrap();
    rig.lists.count(&hits);
    rig.add(List::Allow, "192.0.2.0/24");
    assert_eq!(shown(&rig, List::Allow).0, 2, "a changed entry keeps its counters");
    rig.lists.write_hits().unwrap();
    rig.lists.remove(List::Block, &entry("example.org"), "tester").unwrap();
    rig.lists.count(&hits);
    rig.lists.write_hits().unwrap();
    let rig = rig.again();
    assert_eq!(shown(&rig, List::Allow).0, 3);
    assert_eq!(rig.all(List::Block), [], "a removed entry does not come back with its counters");
}

#[test]
fn a_damaged_record_is_named_left_out_and_can_be_replaced_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::held(TODAY);
    {
        let (store, _) = Store::open(folder.path(), &Default::default()).unwrap();
        let tree: crate::store::Tree<u32> = store.tree("lists").unwrap();
        for key in ["block/0000000000000000/domain/a.example", "block/0000000000000000/domain/b.example"] {
            tree.insert(key.as_bytes(), &7).unwrap();
        }
        store.flush().unwrap();
    }
    let (lists, notes) = open(folder.path(), &clock);
    assert_eq!(notes.len(), 2);
    assert!(
        notes[0].contains("block/0000000000000000/domain/a.example")
            && notes[0].ends_with("put it on its list anew, or remove it"),
        "{notes:?}"
    );
    assert!(lists.trouble().unwrap().starts_with("2 entries cannot be read"));
    let rig = Rig { lists, clock, folder };
    assert_eq!(rig.lists.list(List::Block, &Query::default()).notes.len(), 2);
    rig.add(List::Block, "a.example");
    assert!(rig.lists.trouble().unwrap().starts_with("an entry cannot be read"));
    assert_eq!(
        rig.lists.remove(List::Block, &entry("b.example"), "tester").unwrap(),
        Removed::WasDamaged { change: 2 }
    );
    assert_eq!(rig.lists.trouble(), None);
    assert_eq!(texts(&rig.again().all(List::Block)), ["a.example"]);
}

#[test]
fn a_long_list_is_shown_in_pieces() {
    let rig = Rig::new();
    let file: String = (0..25).map(|i| format!("d{i:02}.example # number {i}\n")).collect();
    rig.import(List::Block, &(file + "x@d00.example\n192.0.2.1\n"), Mode::Merge);
    let mut query = Query { limit: 10, ..Query::default() };
    let mut seen = Vec::new();
    loop {
        let listing = rig.lists.list(List::Block, &query);
        assert!(listing.entries.len() <= 10 && listing.total == 27);
        seen.extend(texts(&listing.entries));
        let Some(next) = listing.next else { break };
        query.after = Some(next);
    }
    assert_eq!((seen.len(), seen[0].as_str(), seen[26].as_str()), (27, "x@d00.example", "192.0.2.1"));
    let of = |kind, text: Option<&str>| {
        let query = Query { kind, text: text.map(str::to_owned), ..Query::default() };
        texts(&rig.lists.list(List::Block, &query).entries)
    };
    assert_eq!(of(Some(Kind::Network), None), ["192.0.2.1"]);
    assert_eq!(of(None, Some("D00")), ["x@d00.example", "d00.example"]);
    assert_eq!(of(Some(Kind::Domain), Some("number 7")), ["d07.example"]);
}

#[test]
fn an_import_that_did_not_come_to_its_end_never_was() {
    let rig = Rig::new();
    let many = |from: usize| (from..from + 1500).map(|i| format!("d{i}.example\n")).collect::<String>();
    assert_eq!(rig.import(List::Block, &many(0), Mode::Merge).added, 1500);
    rig.add(List::Block, "x@one.example");
    rig.add(List::Allow, "good.example");
    // As a kill leaves it: records of the next generation that nothing names.
    let Rig { lists, clock, folder } = rig;
    drop(lists);
    let left = |clock: &Clock| {
        let (store, _) = Store::open(folder.path(), &Default::default()).unwrap();
        let tree: crate::store::Tree<Listed> = store.tree("lists").unwrap();
        let listed = Listed {
            entry: entry("half.example"),
            comment: None,
            by: "x".into(),
            created: clock.now(),
            expires: None,
            hits: 0,
            last_hit: None,
        };
        tree.insert(b"block/0000000000000002/domain/half.example", &listed).unwrap();
        tree.iter().count()
    };
    assert_eq!(left(&clock), 1503);
    let (lists, notes) = open(folder.path(), &clock);
    assert_eq!(notes, Vec::<String>::new());
    let rig = Rig { lists, clock, folder };
    assert_eq!(rig.hits(None, "a@half.example", &[]), Vec::<String>::new());
    assert_eq!(rig.all(List::Block).len(), 1501);
    // The next one is whole, and what was before it is gone from the disk as well.
    let done = rig.import(List::Block, &many(1000), Mode::Replace);
    assert_eq!(done, Imported { added: 1000, changed: 0, same: 500, removed: 1001 });
    let rig = rig.again();
    assert_eq!(
        (rig.all(List::Block).len(), texts(&rig.all(List::Allow))),
        (1500, vec!["good.example".to_owned()])
    );
    assert_eq!(rig.lists.kept.records(), 1501);
}
