mod copies;
mod elsewhere;
mod fetch;
mod formats;
mod index;
mod kept;
mod malformed;
mod publisher;
mod refused;
mod suite;
mod watch;

use std::io::Cursor;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::link::{Host, Link};
use crate::model::Timestamp;

pub(super) const TERMS: Terms = Terms { max_size: 1 << 20, min_confidence: 0, max_shrink: 80 };

/// 2026-10-21 00:00 UTC.
pub(super) fn at() -> Timestamp {
    Timestamp::from_millis(1_792_540_800_000)
}

/// A state directory with one feed, and the index that looks things up in it.
pub(super) struct Bench {
    _place: TempDir,
    pub(super) folder: Folder,
    pub(super) keyer: Keyer,
    pub(super) source: Source,
}

impl Bench {
    pub(super) fn new(format: Format) -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&place.path().join("feeds")).unwrap();
        let source = Source::new("test", format, "https://feeds.example/list");
        Self { _place: place, folder, keyer: Keyer::new(), source }
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self._place.path().join("feeds")
    }

    pub(super) fn take(&self, body: &[u8], terms: &Terms, standing: Option<u64>) -> Result<Fresh, NotTaken> {
        let fetched = Fetched { at: at(), validators: Validators::default() };
        take_in(Cursor::new(body), &self.source, terms, fetched, standing, (&self.folder, &self.keyer))
    }

    pub(super) fn index(&self, fresh: Fresh) -> Index {
        Index::new(self.keyer.clone()).with("test", &fresh.keys, Arc::new(fresh.copy)).unwrap()
    }

    /// The index of a body that is good.
    pub(super) fn of(format: Format, body: &[u8]) -> (Self, Index) {
        let bench = Self::new(format);
        let fresh = bench.take(body, &TERMS, None).unwrap();
        let index = bench.index(fresh);
        (bench, index)
    }
}

/// What a body gives.
pub(super) fn read(format: Format, body: &[u8]) -> Result<(Vec<Entry>, Tally), Refusal> {
    let limits = format::Limits::of_size(1 << 20);
    let reading = format::Reading { format, limits, min_confidence: 0 };
    let mut entries = Vec::new();
    let tally = format::read(Cursor::new(body), &reading, &mut |entry| {
        entries.push(entry.clone());
        Ok(())
    })?;
    Ok((entries, tally))
}

pub(super) fn kinds(index: &Index, asked: Asked<'_>) -> Vec<MatchKind> {
    index.look_up(asked).iter().map(|found| found.kind).collect()
}

pub(super) fn of_link(index: &Index, link: &str) -> Vec<MatchKind> {
    kinds(index, Asked::Link(&Link::parse(link).unwrap()))
}

pub(super) fn of_host(index: &Index, host: &str) -> Vec<MatchKind> {
    kinds(index, Asked::Host(&Host::parse(host).unwrap()))
}

pub(super) fn of_ip(index: &Index, ip: &str) -> Vec<MatchKind> {
    kinds(index, Asked::Ip(ip.parse().unwrap()))
}

/// Asks for exactly what an entry is about; for something below or within where it is about that.
pub(super) fn asks<T>(entry: &Entry, ask: impl Fn(Asked<'_>) -> T) -> T {
    match &entry.key {
        Key::Link(link) => ask(Asked::Link(link)),
        Key::Host(name) | Key::Domain(name) => ask(Asked::Host(&Host::Name(name.clone()))),
        Key::Below(name) => ask(Asked::Host(&Host::Name(format!("a.b.{name}")))),
        Key::Net(net) => ask(Asked::Ip(net.broadcast())),
        Key::File(hash) => ask(Asked::File(hash)),
    }
}
