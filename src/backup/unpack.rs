//! The members of a backup as files in a folder, each synced.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, Part};
use super::reader::{Stop, walk};
use super::{BackupError, at};
use crate::quarantine::held_id;

/// The folder that is unpacked into. Removed again unless something was taken from it.
pub(super) struct Staging {
    pub(super) path: PathBuf,
    /// It is not removed.
    pub(super) keep: bool,
}

impl Staging {
    /// Makes it.
    pub(super) fn begin(path: &Path) -> Result<Self, BackupError> {
        DirBuilder::new().mode(0o700).create(path).map_err(at(path, "making it"))?;
        Ok(Self { path: path.to_owned(), keep: false })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// Unpacks what is wanted, each file synced.
pub(super) fn unpack(
    (path, file): (&Path, &File),
    parts: &[Part],
    staging: &Path,
    beside: &Path,
) -> Result<Manifest, BackupError> {
    drop(fs::remove_dir_all(beside));
    let checked = walk(path, file, |name, _, member| {
        let (folder, rest) = name.split_once('/').unwrap_or(("", name));
        let target = match folder {
            "db" => Some(staging.join("records").join(rest)),
            "audit" if parts.contains(&Part::Audit) => Some(staging.join(name)),
            "retro" if parts.contains(&Part::Retro) => Some(staging.join(name)),
            "keys" if parts.contains(&Part::Keys) => Some(staging.join(name)),
            "quarantine" if parts.contains(&Part::Quarantine) => is_held(rest).then(|| beside.join(rest)),
            _ => None,
        };
        match target {
            Some(target) => write(&target, member),
            None => io::copy(member, &mut io::sink()).map(drop).map_err(|e| Stop::Garbled(e.to_string())),
        }
    })?;
    Ok(checked.manifest)
}

/// Whether this is the name of held mail, or of what is known of it. Others were planted, or are a mail program's.
fn is_held(rest: &str) -> bool {
    rest.split_once('/').is_some_and(|(folder, name)| held_id(folder, name).is_some())
}

fn write(target: &Path, member: &mut dyn Read) -> Result<(), Stop> {
    if let Some(folder) = target.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(at(folder, "making it"))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
    let mut file = opened.map_err(at(target, "writing it"))?;
    let mut piece = vec![0; 64 * 1024];
    loop {
        let n = member.read(&mut piece).map_err(|e| Stop::Garbled(e.to_string()))?;
        if n == 0 {
            break;
        }
        file.write_all(&piece[..n]).map_err(at(target, "writing it"))?;
    }
    file.sync_all().map_err(at(target, "writing it"))?;
    Ok(())
}
