//! Opening sled, and the ladder for when it cannot be opened.

use std::fs::{self, File, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Config, FLUSHES, REBUILT, StoreError, room, unfinished, value, witness};
use crate::telemetry::Clock;
use crate::telemetry::spawn::panic_text;

/// One rung of the ladder that had to be taken: something for the log at level error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    sentence: String,
    aside: Option<PathBuf>,
}

impl Recovery {
    /// A sentence: what was found, what was done, what to do now.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Where the damaged database is now, if an empty one was made: it must be filled, see
    /// [`Store::recovered`](super::Store::recovered).
    #[must_use]
    pub fn aside(&self) -> Option<&Path> {
        self.aside.as_deref()
    }
}

impl std::fmt::Display for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// Opens, and on damage tries again without snapshots, then without anything. What an earlier start began anew and
/// did not fill to the end is told again.
pub(super) fn open(dir: &Path, config: &Config) -> Result<(sled::Db, Vec<Recovery>), StoreError> {
    let io = |action| move |source| StoreError::Io { dir: dir.to_owned(), action, source };
    if dir.parent().is_some_and(Path::exists) {
        room::probe(dir)?;
    }
    let begun = unfinished::read(dir).map_err(io(unfinished::READING))?;
    let (db, mut recoveries) = climb(dir, config)?;
    if let Some(begun) = begun
        && recoveries.iter().all(|recovery| recovery.aside.is_none())
    {
        let sentence =
            format!("{}; filling the new one was begun and did not come to its end", begun.sentence);
        recoveries.push(Recovery { sentence, aside: Some(begun.aside) });
    }
    Ok((db, recoveries))
}

fn climb(dir: &Path, config: &Config) -> Result<(sled::Db, Vec<Recovery>), StoreError> {
    let io = |action| move |source| StoreError::Io { dir: dir.to_owned(), action, source };
    let mut recoveries = Vec::new();
    if fs::metadata(dir).is_ok_and(|found| !found.is_dir()) {
        return begin_anew(dir, config, "it is no directory", recoveries);
    }
    // What was flushed is known beside it: a database that is gone is not a new one.
    let lost = !dir.exists() && witness::read(dir) > 0;
    if lost {
        let sentence =
            format!("the database {} is gone; an empty one was made: {FROM_ELSEWHERE}", dir.display());
        // Nothing is there to be read of it.
        let aside =
            unfinished::begin(dir, unfinished::gone(dir), &sentence).map_err(io("noting that it is gone"))?;
        recoveries.push(Recovery { sentence, aside: Some(aside) });
    }
    fs::create_dir_all(dir).map_err(io("making the directory"))?;
    if lost {
        return match attempt(dir, config)? {
            Ok(db) => Ok((db, recoveries)),
            Err(damage) => Err(io("opening a new, empty database")(std::io::Error::other(damage))),
        };
    }
    refuse_if_in_use(dir)?;

    let damage = match whole(dir, config)? {
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
        let sentence = format!(
            "the database {} could not be read ({damage}); its snapshots were moved to {} and it is read again from its log",
            dir.display(),
            aside.display()
        );
        recoveries.push(Recovery { sentence, aside: None });
        if let Ok(db) = whole(dir, config)? {
            return Ok((db, recoveries));
        }
    }
    begin_anew(dir, config, &damage, recoveries)
}

/// What becomes of a database that is not there.
const FROM_ELSEWHERE: &str = "indexes are built again by themselves, anything else comes from what can still be read \
    of the old one, or from the newest daily export";

/// Moves aside what is there and begins with nothing.
fn begin_anew(
    dir: &Path,
    config: &Config,
    damage: &str,
    mut recoveries: Vec<Recovery>,
) -> Result<(sled::Db, Vec<Recovery>), StoreError> {
    let io = |action| move |source| StoreError::Io { dir: dir.to_owned(), action, source };
    let aside = free_name(dir, "damaged");
    let sentence = format!(
        "the database {} could not be read ({damage}) and was moved to {}; an empty one was made: {FROM_ELSEWHERE}",
        dir.display(),
        aside.display()
    );
    // Before anything is moved: an empty database must never be taken for a recovered one.
    let from =
        unfinished::begin(dir, aside.clone(), &sentence).map_err(io("noting that it is moved aside"))?;
    fs::rename(dir, &aside).map_err(io("moving the damaged database aside"))?;
    fs::create_dir_all(dir).map_err(io("making the directory"))?;
    unfinished::sync_beside(dir).map_err(io("syncing what it is in"))?;
    recoveries.push(Recovery { sentence, aside: Some(from) });
    match attempt(dir, config)? {
        Ok(db) => Ok((db, recoveries)),
        Err(damage) => Err(io("opening a new, empty database")(std::io::Error::other(damage))),
    }
}

/// Opens a database that this process had open and has closed.
pub(super) fn again(dir: &Path, config: &Config) -> Result<sled::Db, StoreError> {
    refuse_if_in_use(dir)?;
    whole(dir, config)?.map_err(|damage| StoreError::Io {
        dir: dir.to_owned(),
        action: "opening it again",
        source: std::io::Error::other(damage),
    })
}

/// Opens, and reads what nothing else can be made from. As with [`attempt`].
fn whole(dir: &Path, config: &Config) -> Result<Result<sled::Db, String>, StoreError> {
    let db = match attempt(dir, config)? {
        Ok(db) => db,
        Err(damage) => return Ok(Err(damage)),
    };
    let looked = std::panic::catch_unwind(AssertUnwindSafe(|| faults(&db, dir)));
    let fault = looked.unwrap_or_else(|cause| Some(format!("sled panicked: {}", panic_text(&*cause))));
    Ok(match fault {
        Some(fault) => Err(fault),
        None => Ok(db),
    })
}

/// What cannot be read, or is missing.
fn faults(db: &sled::Db, dir: &Path) -> Option<String> {
    let all = suspicion(dir).exists();
    for name in db.tree_names() {
        let rebuilt = REBUILT.iter().any(|tree| tree.as_bytes() == &*name);
        if rebuilt && !all {
            continue;
        }
        let read = db.open_tree(&name).and_then(|tree| tree.iter().try_for_each(|item| item.map(drop)));
        if let Err(error) = read {
            return Some(format!("tree {}: {error}", String::from_utf8_lossy(&name)));
        }
    }
    let known = witness::read(dir);
    let stored = db.open_tree("meta").ok()?.get(FLUSHES).ok()?;
    let has = stored.and_then(|bytes| value::decode::<u64>(FLUSHES, &bytes).ok()).unwrap_or(0);
    (has < known).then(|| format!("it ends before change {known} that was on disk, with change {has}"))
}

fn suspicion(dir: &Path) -> PathBuf {
    dir.with_extension("suspect")
}

/// Has everything read at the next start.
pub(super) fn suspect(dir: &Path) {
    if let Err(error) = File::create(suspicion(dir)) {
        tracing::warn!(%error, "that the database is damaged could not be noted for the next start");
    }
}

/// It was read.
pub(super) fn checked(dir: &Path) {
    drop(fs::remove_file(suspicion(dir)));
}

/// `Ok(Err(_))` is damage, in words: the next rung may help. `Err(_)` is something that moving files
/// aside cannot cure (permissions, a full disk), and must not be answered by it.
pub(super) fn attempt(dir: &Path, config: &Config) -> Result<Result<sled::Db, String>, StoreError> {
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
    use std::io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, NotADirectory, UnexpectedEof};
    matches!(e.kind(), UnexpectedEof | InvalidData | InvalidInput | IsADirectory | NotADirectory)
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
