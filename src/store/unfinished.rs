//! That a database was begun anew and is not filled yet: `db.recovering` beside its directory.
//!
//! Written and synced before the damaged one is moved aside, removed when whoever opened the new one has filled and
//! flushed it. As long as it is there each start fills again, from the same old database.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// For the error, where it cannot be read.
pub(super) const READING: &str =
    "reading db.recovering beside it, which names the damaged one that it is filled from,";

/// What was begun.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Where the damaged one is, or will be in a moment.
    pub(super) aside: PathBuf,
    /// What was found.
    pub(super) sentence: String,
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.with_extension("recovering")
}

/// What is named where there is nothing to be read of it.
pub(super) fn gone(dir: &Path) -> PathBuf {
    dir.with_extension("gone")
}

/// What an earlier start began.
pub(super) fn read(dir: &Path) -> io::Result<Option<Begun>> {
    match fs::read(path(dir)) {
        Ok(json) => serde_json::from_slice(&json).map(Some).map_err(io::Error::other),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Notes it, on disk when it returns. Gives what is filled from: where filling was begun earlier, the database that was
/// moved aside then; the one that is moved now is but a part of it.
pub(super) fn begin(dir: &Path, aside: PathBuf, sentence: &str) -> io::Result<PathBuf> {
    if let Some(begun) = read(dir)?
        && (begun.aside.exists() || begun.aside == gone(dir))
    {
        return Ok(begun.aside);
    }
    let begun = Begun { aside, sentence: sentence.to_owned() };
    let unfinished = dir.with_extension("recovering.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(&serde_json::to_vec(&begun)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, path(dir))?;
    sync_beside(dir)?;
    Ok(begun.aside)
}

/// It is filled and on disk.
pub(super) fn end(dir: &Path) -> io::Result<()> {
    match fs::remove_file(path(dir)) {
        Ok(()) => sync_beside(dir),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Makes the names beside the directory durable.
pub(super) fn sync_beside(dir: &Path) -> io::Result<()> {
    let folder = dir.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
