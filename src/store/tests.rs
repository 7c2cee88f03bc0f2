use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;

fn store(dir: &Path) -> Store {
    let (store, recoveries) = Store::open(dir, &Config::default()).unwrap();
    assert_eq!(recoveries, []);
    store
}

#[test]
fn values_come_back_after_the_store_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = store(dir.path());
        let tree: Tree<String> = store.tree("t").unwrap();
        tree.insert(b"k", &"v".to_owned()).unwrap();
        store.flush().unwrap();
    }
    let store = store(dir.path());
    let tree: Tree<String> = store.tree("t").unwrap();
    assert_eq!(tree.get(b"k").unwrap(), Some("v".to_owned()));
    assert!(tree.contains(b"k").unwrap());
    assert!(tree.remove(b"k").unwrap());
    assert!(!tree.remove(b"k").unwrap());
}

#[test]
fn a_damaged_value_is_named_and_its_neighbours_are_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let tree: Tree<u64> = store.tree("numbers").unwrap();
    for n in 1..=3u64 {
        tree.insert(format!("k{n}").as_bytes(), &n).unwrap();
    }
    let raw = store.handle.raw("numbers");
    let mut bytes = raw.get("k2").unwrap().unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    raw.insert("k2", bytes).unwrap();

    let seen: Vec<_> = tree.iter().map(|r| r.map(|(_, v)| v).map_err(|e| e.to_string())).collect();
    let sentence = "the database has a damaged value in tree numbers under key k2: its checksum does not fit";
    assert_eq!(seen, [Ok(1), Err(sentence.to_owned()), Ok(3)]);
    assert_eq!(tree.get(b"k2").unwrap_err().label(), "damaged");
    assert!(tree.update(b"k2", |_| Some(2)).is_err());
    assert!(tree.remove(b"k2").unwrap());
}

#[test]
fn a_value_under_a_key_that_is_not_its_own_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let tree: Tree<u64> = store.tree("numbers").unwrap();
    tree.insert(b"mine", &7).unwrap();
    let raw = store.handle.raw("numbers");
    let bytes = raw.get("mine").unwrap().unwrap();
    raw.insert("other", bytes).unwrap();
    assert!(matches!(tree.get(b"other"), Err(StoreError::Damaged { .. })));
}

#[test]
fn updates_from_many_threads_are_all_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let tree: Tree<u64> = store.tree("counts").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    tree.update(b"n", |n| Some(n.unwrap_or(0) + 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(tree.get(b"n").unwrap(), Some(1000));
    assert_eq!(tree.update(b"n", |_| None).unwrap(), None);
    assert_eq!(tree.get(b"n").unwrap(), None);
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(dir.path());
    let second = Store::open(dir.path(), &Config::default());
    assert!(matches!(second, Err(StoreError::InUse(_))));
    drop(first);
    // Nothing was moved aside because of it.
    assert_eq!(
        std::fs::read_dir(dir.path().parent().unwrap())
            .unwrap()
            .filter(|e| {
                let name = e.as_ref().unwrap().file_name();
                let ours = dir.path().file_name().unwrap();
                let kept = name.to_string_lossy();
                name != ours && kept.starts_with(&*ours.to_string_lossy()) && !kept.ends_with(".head")
            })
            .count(),
        0
    );
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = store(dir.path());
        let meta: Tree<u32> = store.tree("meta").unwrap();
        meta.insert(b"schema", &(SCHEMA + 1)).unwrap();
        store.flush().unwrap();
    }
    let refused = Store::open(dir.path(), &Config::default());
    assert!(matches!(refused, Err(StoreError::Newer { found, .. }) if found == SCHEMA + 1));
}

/// Fills a store in `<tmp>/db` and closes it in order, so that it has a snapshot.
fn filled(tmp: &Path) -> PathBuf {
    let dir = tmp.join("db");
    let store = store(&dir);
    let tree: Tree<Vec<u8>> = store.tree("t").unwrap();
    for n in 0..2000u32 {
        tree.insert(&n.to_be_bytes(), &vec![n.to_be_bytes()[3]; 100]).unwrap();
    }
    store.flush().unwrap();
    drop((tree, store));
    dir
}

#[test]
fn an_unreadable_snapshot_is_moved_aside_and_nothing_is_lost() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = filled(tmp.path());
    std::fs::write(dir.join("snap.00000000FFFFFFFF"), b"cut").unwrap();
    let (store, recoveries) = Store::open(&dir, &Config::default()).unwrap();
    assert_eq!(recoveries.len(), 1, "{recoveries:?}");
    assert!(recoveries[0].sentence().contains("snapshots were moved to"));
    let tree: Tree<Vec<u8>> = store.tree("t").unwrap();
    assert_eq!(tree.iter().map(|r| r.unwrap().1.len()).sum::<usize>(), 2000 * 100);
}

#[test]
fn a_store_that_cannot_be_opened_is_moved_aside_whole_and_an_empty_one_made() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = filled(tmp.path());
    std::fs::write(dir.join("conf"), [0xff; 64]).unwrap();
    let (store, recoveries) = Store::open(&dir, &Config::default()).unwrap();
    let last = recoveries.last().unwrap().sentence();
    assert!(last.contains("an empty one was made"), "{last}");
    let tree: Tree<Vec<u8>> = store.tree("t").unwrap();
    assert_eq!(tree.iter().count(), 0);
    let aside: Vec<_> = std::fs::read_dir(tmp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(aside.iter().any(|n| n.to_string_lossy().starts_with("db.damaged-")), "{aside:?}");
}

#[test]
fn a_file_in_place_of_the_directory_is_moved_aside_and_kept() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("db");
    std::fs::write(&file, b"a file, not a directory").unwrap();
    let (_, recoveries) = Store::open(&file, &Config::default()).unwrap();
    let aside = recoveries.last().unwrap().aside().unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), b"a file, not a directory");
}

#[test]
fn an_empty_store_in_place_of_a_damaged_one_is_told_at_each_start_until_it_is_filled() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = filled(tmp.path());
    std::fs::OpenOptions::new().write(true).open(dir.join("db")).unwrap().set_len(100).unwrap();
    let open = || {
        let (store, recoveries) = Store::open(&dir, &Config::default()).unwrap();
        (store, recoveries.last().and_then(|last| last.aside().map(Path::to_owned)))
    };
    let (store, first) = open();
    assert!(first.as_ref().is_some_and(|aside| aside.is_dir()));
    drop(store);
    let (store, second) = open();
    assert_eq!(second, first);
    // What was filled in so far is damaged as well: it is still filled from the first.
    drop(store);
    std::fs::OpenOptions::new().write(true).open(dir.join("db")).unwrap().set_len(100).unwrap();
    let (store, third) = open();
    assert_eq!(third, first);
    drop(store);
    // Killed between moving aside and making the new one.
    std::fs::remove_dir_all(&dir).unwrap();
    let (store, fourth) = open();
    assert_eq!(fourth, first);
    store.recovered().unwrap();
    drop(store);
    assert_eq!(open().1, None);
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..4, 0..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ranges_agree_with_a_sorted_map(
        entries in proptest::collection::btree_map(key(), any::<u32>(), 0..30),
        ranges in proptest::collection::vec((bound(), bound()), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let tree: Tree<u32> = store.tree("t").unwrap();
        let mut batch = tree.batch();
        for (k, v) in &entries {
            batch.insert(k, v).unwrap();
        }
        tree.apply(batch).unwrap();
        for (from, to) in ranges {
            let inside = |k: &Vec<u8>| {
                (match &from { Bound::Unbounded => true, Bound::Included(f) => k >= f, Bound::Excluded(f) => k > f })
                    && (match &to { Bound::Unbounded => true, Bound::Included(t) => k <= t, Bound::Excluded(t) => k < t })
            };
            let expected: BTreeMap<_, _> = entries.iter().filter(|(k, _)| inside(k)).map(|(k, v)| (k.clone(), *v)).collect();
            let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
            let forward: Vec<_> = tree.range(bounds).map(Result::unwrap).collect();
            let mut backward: Vec<_> = tree.range(bounds).rev().map(Result::unwrap).collect();
            backward.reverse();
            prop_assert_eq!(&forward, &expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(forward, backward);
        }
    }

    #[test]
    fn no_damaged_value_is_accepted(key in key(), value in any::<(u64, String)>(), at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = value::encode(&key, &value).unwrap();
        prop_assert_eq!(value::decode::<(u64, String)>(&key, &bytes), Ok(value));
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(value::decode::<(u64, String)>(&key, &bytes).is_err());
        bytes[at] ^= flip;
        bytes.truncate(at);
        prop_assert!(value::decode::<(u64, String)>(&key, &bytes).is_err());
    }
}
