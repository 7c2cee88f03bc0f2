mod durability;
mod entries;
mod files;
mod matching;
mod measure;
mod scopes;
mod undo;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::{ListHit, Timestamp};

/// 2026-11-20.
const TODAY: Timestamp = Timestamp::from_millis(1_795_132_800_000);
const DAY: Duration = Duration::from_secs(86_400);

/// Lists in a folder of their own, at a time that stands still.
struct Rig {
    lists: Arc<Lists>,
    clock: Clock,
    folder: tempfile::TempDir,
}

fn open(folder: &Path, clock: &Clock) -> (Arc<Lists>, Vec<String>) {
    // sled lets a folder go only when its threads are done.
    for _ in 0..200 {
        match Store::open(folder, &Default::default()) {
            Ok((store, recovered)) => {
                assert_eq!(recovered, []);
                return Lists::open(&store, clock.clone(), Arc::new(Metrics::new())).unwrap();
            }
            Err(StoreError::InUse(_)) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the database is not let go");
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::held(TODAY);
        let (lists, notes) = open(folder.path(), &clock);
        assert_eq!(notes, Vec::<String>::new());
        Self { lists, clock, folder }
    }

    /// Closes the lists and opens them again.
    fn again(self) -> Self {
        let Self { lists, clock, folder } = self;
        drop(lists);
        let (lists, notes) = open(folder.path(), &clock);
        assert_eq!(notes, Vec::<String>::new());
        Self { lists, clock, folder }
    }

    fn add(&self, list: List, text: &str) -> Changed {
        self.add_until(list, text, None)
    }

    fn add_until(&self, list: List, text: &str, expires: Option<Timestamp>) -> Changed {
        let new = NewEntry { entry: entry(text), comment: None, expires: Some(expires) };
        self.lists.add(list, &new, "tester").unwrap()
    }

    /// The hits of a sender, a client and From addresses, as `list entry`.
    fn hits(&self, client: Option<&str>, sender: &str, from: &[&str]) -> Vec<String> {
        let from: Vec<String> = from.iter().map(|f| (*f).to_owned()).collect();
        let client = client.map(|ip| ip.parse().unwrap());
        let hits = self.lists.hits(&Asked {
            client,
            sender: Some(sender),
            from: &from,
            authors: &[],
            ..Asked::default()
        });
        let excepted = |hit: &ListHit| if hit.excepted { ", excepted" } else { "" };
        let told = |hit: &ListHit| format!("{} {} {}{}", hit.on.name(), hit.list, hit.entry, excepted(hit));
        hits.0.iter().map(told).collect()
    }

    /// The hits of From, with the domain that has to be proven.
    fn claims(&self, from: &[&str], authors: &[&str]) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>();
        let hits =
            self.lists.hits(&Asked { from: &owned(from), authors: &owned(authors), ..Asked::default() });
        let excepted = |hit: &ListHit| if hit.excepted { ", excepted" } else { "" };
        let told = |hit: &ListHit| {
            let domain = hit.domain.as_deref().unwrap_or_default();
            format!("{} {} {} for {domain}{}", hit.on.name(), hit.list, hit.entry, excepted(hit))
        };
        hits.0.iter().map(told).collect()
    }

    fn all(&self, list: List) -> Vec<Listed> {
        let listing = self.lists.list(list, &Query { limit: 10_000, ..Query::default() });
        assert_eq!((listing.total, &listing.notes), (listing.entries.len(), &Vec::new()));
        listing.entries
    }

    fn import(&self, list: List, file: &str, mode: Mode) -> Imported {
        let lines = read(file.as_bytes(), self.clock.now()).unwrap();
        self.lists.import(list, &lines, mode, "importer", false).unwrap().0
    }

    fn export(&self, list: List, format: Format) -> String {
        let mut bytes = Vec::new();
        self.lists.export(list, format, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

fn entry(text: &str) -> Entry {
    Entry::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn texts(listed: &[Listed]) -> Vec<String> {
    listed.iter().map(|listed| listed.entry.to_string()).collect()
}
