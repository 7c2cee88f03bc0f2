use super::*;

/// Everything on both lists, without what was counted.
fn standing(rig: &Rig) -> Vec<(List, Listed)> {
    let all = |list| rig.all(list).into_iter().map(move |listed| (list, listed));
    List::ALL.into_iter().flat_map(all).collect()
}

fn told(rig: &Rig) -> Vec<String> {
    let changes = rig.lists.changes(100, None).unwrap();
    let told = |shown: &Shown| {
        let Change { id, by, what, list, entries, undo_of, undone_by, .. } = &shown.change;
        let of = undo_of.map_or_else(String::new, |of| format!(" of {of}"));
        let undone = undone_by.map_or_else(String::new, |by| format!(", undone by {by}"));
        format!("{id} {list} {} {entries} by {by}{of}{undone}", what.name())
    };
    changes.iter().map(told).collect()
}

fn refused(rig: &Rig, id: Option<u64>) -> String {
    rig.lists.undo(id, "x").unwrap_err().to_string()
}

#[test]
fn each_change_is_undone_exactly_and_the_undoing_too() {
    let rig = Rig::new();
    let mut states = vec![standing(&rig)];
    let new = |text: &str, why: Option<&str>| NewEntry {
        entry: entry(text),
        comment: Some(why.map(Into::into)),
        expires: Some(expiry("30d", TODAY).unwrap()),
    };
    rig.lists.add(List::Block, &new("a.example", Some("why")), "anna").unwrap();
    states.push(standing(&rig));
    rig.lists.add(List::Block, &new("a.example", None), "bert").unwrap();
    states.push(standing(&rig));
    rig.lists.add(List::Block, &new("for:@example.org url:b.example", None), "bert").unwrap();
    states.push(standing(&rig));
    rig.lists.remove(List::Block, &entry("a.example"), "carl").unwrap();
    states.push(standing(&rig));
    rig.import(List::Block, "c.example\nd.example # d\n", Mode::Replace);
    states.push(standing(&rig));
    assert_eq!(
        told(&rig),
        [
            "5 block imported 3 by importer",
            "4 block removed 1 by carl",
            "3 block added 1 by bert",
            "2 block changed 1 by bert",
            "1 block added 1 by anna",
        ]
    );
    let rig = rig.again();
    for id in (1..=5).rev() {
        assert_eq!(standing(&rig), states[id], "before change {id} is undone");
        let undone = rig.lists.undo(None, "dora").unwrap();
        assert_eq!((undone.of.id, undone.change.undo_of), (id as u64, Some(id as u64)));
        assert_eq!(standing(&rig), states[id - 1], "after change {id} was undone");
    }
    assert_eq!(refused(&rig, None), "there is no change of the lists that could be undone");
    assert_eq!(
        refused(&rig, Some(3)),
        "change 3 is undone already, by change 8; undo that one to make it again"
    );
    assert_eq!(told(&rig)[..2], ["10 block undone 1 by dora of 1", "9 block undone 1 by dora of 2"]);
    // And forth again.
    let rig = rig.again();
    for (id, of) in (6..=10).rev().zip(1..) {
        rig.lists.undo(Some(id), "emil").unwrap();
        assert_eq!(standing(&rig), states[of]);
    }
    assert_eq!(told(&rig)[14], "1 block added 1 by anna");
    rig.lists.undo(None, "emil").unwrap();
    assert_eq!(standing(&rig), states[4], "what was made again can be undone again");
    assert_eq!(
        refused(&rig, Some(77)),
        "there is no change 77; changes are kept for 90 days, `mailward list log` names them"
    );
}

#[test]
fn what_was_changed_since_is_not_undone_and_counting_is_no_change() {
    let rig = Rig::new();
    rig.add(List::Block, "a.example");
    rig.import(List::Block, "b.example\nc.example\nd.example\n", Mode::Merge);
    rig.add(List::Block, "b.example");
    rig.lists.remove(List::Block, &entry("d.example"), "x").unwrap();
    let before = standing(&rig);
    rig.lists.remove(List::Block, &entry("a.example"), "x").unwrap();
    rig.add(List::Block, "a.example");
    assert_eq!(
        refused(&rig, Some(2)),
        "change 2 can no more be undone: b.example on the block list was changed since, and 1 more of its entries; \
         nothing was changed"
    );
    assert_eq!(standing(&rig), before);
    let asked = Asked { sender: Some("x@a.example"), ..Asked::default() };
    rig.lists.count(&rig.lists.hits(&asked));
    rig.lists.undo(None, "x").unwrap();
    assert_eq!(texts(&rig.all(List::Block)), ["b.example", "c.example"]);
    rig.lists.undo(Some(5), "x").unwrap();
    assert_eq!(texts(&rig.all(List::Block)), ["a.example", "b.example", "c.example"]);
}

#[test]
fn what_expired_is_a_change_and_is_not_put_back() {
    let rig = Rig::new();
    rig.add_until(List::Block, "a.example", expiry("1d", TODAY).unwrap());
    rig.add_until(List::Allow, "b.example", expiry("1d", TODAY).unwrap());
    rig.clock.advance(2 * DAY);
    assert_eq!(rig.lists.sweep().unwrap().iter().map(|s| s.change).collect::<Vec<_>>(), [3, 4]);
    assert!(
        refused(&rig, Some(4)).starts_with("change 4 can no more be undone: the time of what it took off")
    );
    assert!(refused(&rig, None).contains("b.example on the allow list was changed since"));
    rig.clock.advance(100 * DAY);
    rig.add(List::Block, "c.example");
    assert_eq!(told(&rig), ["5 block added 1 by tester"], "older ones are gone");
}

#[test]
fn an_import_of_many_is_one_change_and_is_undone_as_one() {
    let rig = Rig::new();
    rig.add(List::Block, "mine.example");
    let before = standing(&rig);
    let file: String = (0..3000).map(|i| format!("d{i}.example\n")).collect();
    rig.import(List::Block, &file, Mode::Replace);
    let rig = rig.again();
    assert_eq!(rig.all(List::Block).len(), 3000);
    rig.lists.undo(None, "x").unwrap();
    assert_eq!(standing(&rig), before);
    assert_eq!(standing(&rig.again()), before);
}

/// As a kill between writing the change down and making it leaves it.
#[test]
fn a_change_that_was_written_down_and_not_made_is_no_change() {
    let rig = Rig::new();
    rig.add(List::Block, "a.example");
    let listed = rig.all(List::Block).remove(0);
    let step = Step { entry: entry("a.example"), before: Some(listed), after: None };
    let what = (List::Block, What::Removed);
    rig.lists.log.begin(what, &"x".into(), TODAY, None, std::iter::once(step)).unwrap();
    let rig = rig.again();
    assert_eq!(told(&rig), ["1 block added 1 by tester"]);
    assert_eq!(rig.lists.log.records(), 1);
    // One that was made stays, whatever came of its entries since.
    rig.lists.remove(List::Block, &entry("a.example"), "x").unwrap();
    let rig = rig.again();
    assert_eq!(told(&rig).len(), 2);
    rig.lists.undo(None, "x").unwrap();
    assert_eq!(texts(&rig.all(List::Block)), ["a.example"]);
}

#[test]
fn lists_of_earlier_versions_are_read_and_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (store, _) = Store::open(folder.path(), &Default::default()).unwrap();
        let tree: crate::store::Tree<serde_json::Value> = store.tree("lists").unwrap();
        for (key, record) in [
            (
                "block/0000000000000000/domain/a.example",
                r#"{"entry":"a.example","by":"anna","created":"2026-11-01T00:00:00.000Z","hits":7}"#,
            ),
            (
                "allow/0000000000000000/address/x@b.example",
                r#"{"entry":"x@b.example","comment":"why","by":"anna","created":"2026-11-01T00:00:00.000Z","expires":"2027-01-01T00:00:00.000Z","hits":0}"#,
            ),
            (
                "block/0000000000000000/network/192.0.2.0/24",
                r#"{"entry":"192.0.2.0/24","by":"anna","created":"2026-11-01T00:00:00.000Z"}"#,
            ),
        ] {
            tree.insert(key.as_bytes(), &serde_json::from_str(record).unwrap()).unwrap();
        }
        store.flush().unwrap();
    }
    let clock = Clock::held(TODAY);
    let (lists, notes) = open(folder.path(), &clock);
    assert_eq!(notes, Vec::<String>::new());
    let rig = Rig { lists, clock, folder };
    assert_eq!(texts(&rig.all(List::Block)), ["a.example", "192.0.2.0/24"]);
    assert_eq!((rig.all(List::Block)[0].hits, &*rig.all(List::Allow)[0].by), (7, "anna"));
    let before = standing(&rig);
    rig.lists.remove(List::Block, &entry("a.example"), "x").unwrap();
    rig.lists.undo(None, "x").unwrap();
    assert_eq!(standing(&rig.again()), before);
}
