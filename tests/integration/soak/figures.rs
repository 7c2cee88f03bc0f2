//! What a daemon takes of the machine, and what it counted.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::load::memory;
use crate::mta::Daemon;

/// At one moment.
#[derive(Clone, Debug)]
pub struct Figures {
    pub at: Duration,
    pub messages: u64,
    pub rss: u64,
    pub anonymous: u64,
    pub files: usize,
    pub threads: usize,
    /// Journal, database, quarantine, kept links.
    pub disk: [u64; 4],
}

/// What [`Figures::disk`] is of, below the state folder.
pub const FOLDERS: [&str; 4] = ["audit", "db", "quarantine", "retro"];

impl Figures {
    pub fn of(daemon: &Daemon, begin: Instant, messages: u64) -> Self {
        let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", daemon.pid())).unwrap().count();
        Self {
            at: begin.elapsed(),
            messages,
            rss: memory(daemon.pid(), "VmRSS:"),
            anonymous: memory(daemon.pid(), "RssAnon:"),
            files: count("fd"),
            threads: count("task"),
            disk: FOLDERS.map(|folder| size(&daemon.site().state_dir().join(folder))),
        }
    }
}

/// The head of a table of [`Figures`].
pub const HEAD: &str = "| messages | s | RSS kB | of it anonymous kB | files | threads | audit kB | db kB | quarantine kB | retro kB |\n\
    |---|---|---|---|---|---|---|---|---|---|";

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [audit, db, quarantine, retro] = self.disk.map(|bytes| bytes / 1000);
        let (rss, anonymous) = (self.rss / 1000, self.anonymous / 1000);
        let (at, files, threads) = (self.at.as_secs(), self.files, self.threads);
        write!(f, "| {} | {at} | {rss} | {anonymous} | {files} | {threads} ", self.messages)?;
        write!(f, "| {audit} | {db} | {quarantine} | {retro} |")
    }
}

/// Bytes of all files below; what goes away meanwhile counts nothing.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// The middle one.
pub fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// The sum over all series of a metric whose labels contain all of `labels`.
pub fn counted(metrics: &str, name: &str, labels: &[&str]) -> u64 {
    let of = |line: &str| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
        let (series, value) = rest.rsplit_once(' ')?;
        labels.iter().all(|label| series.contains(label)).then(|| value.parse::<u64>().unwrap())
    };
    metrics.lines().filter_map(of).sum()
}

/// What the daemon counts now.
pub fn metrics(daemon: &Daemon) -> String {
    let (status, text) = daemon.get("/metrics").unwrap();
    assert_eq!(status, 200, "{text}");
    text
}
