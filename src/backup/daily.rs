//! The daily export: `YYYY-MM-DD.tar`, without journal, keys and mail; the last few are kept.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::make::{Choice, Source};
use super::place::Unnamed;
use super::{BackupError, at};
use crate::audit::Day;
use crate::model::Timestamp;

/// Whether none was made today (UTC).
#[must_use]
pub fn is_due(folder: &Path, now: Timestamp) -> bool {
    !path(folder, Day::of(now)).exists()
}

/// Makes the one of today, and removes all but the newest `keep`. Blocks.
///
/// # Errors
/// If it could not be made; the older ones are then all still there.
pub fn make(source: &Source, folder: &Path, keep: u32, now: Timestamp) -> Result<PathBuf, BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(at(folder, "making it"))?;
    let path = path(folder, Day::of(now));
    let file = Unnamed::begin(&path).map_err(at(&path, "writing it"))?;
    let (_, file) = source.write(Choice::default(), now, file)?;
    file.finish(true).map_err(at(&path, "writing it"))?;
    for (_, old) in exports(folder).map_err(at(folder, "listing it"))?.into_iter().skip(keep.max(1) as usize)
    {
        fs::remove_file(&old).map_err(at(&old, "removing it"))?;
    }
    Ok(path)
}

/// All of them, the newest first. Other files are not looked at.
///
/// # Errors
/// If the folder cannot be read. That there is none is no error.
pub fn exports(folder: &Path) -> io::Result<Vec<(Day, PathBuf)>> {
    let mut found = Vec::new();
    let all = match fs::read_dir(folder) {
        Ok(all) => all,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(e),
    };
    for entry in all {
        let entry = entry?;
        let day = entry.file_name().to_str().and_then(|name| name.strip_suffix(".tar")?.parse::<Day>().ok());
        found.extend(day.map(|day| (day, entry.path())));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

fn path(folder: &Path, day: Day) -> PathBuf {
    folder.join(format!("{day}.tar"))
}
