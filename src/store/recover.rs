//! Opening sled, and the ladder for when it cannot be opened.

use std::fs::{self, File, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Config, StoreError};
use crate::telemetry::Clock;
use crate::telemetry::spawn::panic_text;

/// One rung of the ladder that had to be taken: something for the log at level error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery(String);

impl Recovery {
    /// A sentence: what was found, what was done, what to do now.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens, and on damage tries again without snapshots, then without anything.
pub(super) fn open(dir: &Path, config: &Config) -> Result<(sled::Db, Vec<Recovery>), StoreError> {
    let io = |action| move |source| StoreError::Io { dir: dir.to_owned(), action, source };
    fs::create_dir_all(dir).map_err(io("making the directory"))?;
    refuse_if_in_use(dir)?;
    let mut recoveries = Vec::new();

    let damage = match attempt(dir, config)? {
        Ok(db) => return Ok((db, recoveries)),
        Err(damage) => damage,
    };
    let snapshots = snapshots(dir).map_err(io("listing the directory"))?;
    if !snapshots.is_empty() {
        let aside = free_name(dir, "snapshots");
        fs::create_dir(&aside).map_err(io("making a directory for the snapshots"))?;
        for path in &snapshots {
            let Some(name) = path.file_name() else { continue };
            fs::rename(path, aside.join(name)).map_err(io("moving a snapshot aside"))?;
        }
        recoveries.push(Recovery(format!(
            "the database {} could not be opened ({damage}); its snapshots were moved to {} and it is read again from its log",
            dir.display(),
            aside.display()
        )));
        if let Ok(db) = attempt(dir, config)? {
            return Ok((db, recoveries));
        }
    }
    let aside = free_name(dir, "damaged");
    fs::rename(dir, &aside).map_err(io("moving the damaged database aside"))?;
    fs::create_dir_all(dir).map_err(io("making the directory"))?;
    recoveries.push(Recovery(format!(
        "the database {} could not be opened ({damage}) and was moved to {}; an empty one was made: indexes are built again by themselves, anything else it held must come from a backup",
        dir.display(),
        aside.display()
    )));
    match attempt(dir, config)? {
        Ok(db) => Ok((db, recoveries)),
        Err(damage) => Err(io("opening a new, empty database")(std::io::Error::other(damage))),
    }
}

/// `Ok(Err(_))` is damage, in words: the next rung may help. `Err(_)` is something that moving files
/// aside cannot cure (permissions, a full disk), and must not be answered by it.
fn attempt(dir: &Path, config: &Config) -> Result<Result<sled::Db, String>, StoreError> {
    let sled_config = sled::Config::default()
        .path(dir)
        .cache_capacity(config.cache.0.max(1 << 20))
        .flush_every_ms(Some(500));
    // sled panics on some damage instead of returning an error.
    match std::panic::catch_unwind(AssertUnwindSafe(|| sled_config.open())) {
        Ok(Ok(db)) => Ok(Ok(db)),
        Ok(Err(sled::Error::Io(source))) if !is_damage(&source) => {
            Err(StoreError::Io { dir: dir.to_owned(), action: "opening", source })
        }
        Ok(Err(damage)) => Ok(Err(damage.to_string())),
        Err(cause) => Ok(Err(format!("sled panicked: {}", panic_text(&*cause)))),
    }
}

/// Read errors that come from what the file holds rather than from the machine.
fn is_damage(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(e.kind(), UnexpectedEof | InvalidData | InvalidInput)
}

/// How long a database that is in use is waited for: sled's own threads let go of the file a moment after
/// the last handle is dropped, and so does a process that is just ending.
const GRACE: Duration = Duration::from_secs(3);

/// sled reports a lock held by another as any other I/O error; asked first, it can be told apart.
fn refuse_if_in_use(dir: &Path) -> Result<(), StoreError> {
    let begin = Instant::now();
    loop {
        match is_free(dir) {
            Err(StoreError::InUse(_)) if begin.elapsed() < GRACE => std::thread::sleep(GRACE / 60),
            told => return told,
        }
    }
}

fn is_free(dir: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { dir: dir.to_owned(), action: "opening the data file", source };
    let file = match File::open(dir.join("db")) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(io(e)),
    };
    match file.try_lock() {
        Ok(()) => file.unlock().map_err(io),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(e)) => Err(io(e)),
    }
}

fn snapshots(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// `db.damaged-2026-11-20`, or with `-2` and so on if that is taken.
fn free_name(dir: &Path, what: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let day = Clock::system().now().day();
    let plain = dir.with_file_name(format!("{name}.{what}-{day}"));
    let mut path = plain.clone();
    let mut n = 2;
    while path.exists() {
        path = plain.with_file_name(format!("{name}.{what}-{day}-{n}"));
        n += 1;
    }
    path
}
