//! Held mail: into a backup, and out of one.
//!
//! A message is copied before what is known of it, so that none is in a backup without. What was deleted between the
//! two is left out when it is put back, and that is told. Only files that are named as ours are: whoever may write to
//! the folder, a mail program, decides on names too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::make::add_folder;
use super::{BackupError, at};
use crate::model::MailId;
use crate::quarantine::held_id;

/// Folders of a quarantine that nobody may have replaced by links.
const FOLDERS: [&str; 6] = ["", "tmp", "new", "cur", "meta", "tmp/restoring"];

/// Adds held mail to a backup.
pub(super) fn copy<W: Write>(to: &mut Archive<W>, quarantine: &Path) -> Result<(), BackupError> {
    let mut copied: BTreeSet<MailId> = BTreeSet::new();
    // What a mail program renames meanwhile is missed by a walk, and found by the next.
    for folder in ["new", "cur", "new", "cur"] {
        let wanted = |name: &str| held_id(folder, name).filter(|id| !copied.contains(id)).is_some();
        let added = add_folder(to, &quarantine.join(folder), &format!("quarantine/{folder}"), wanted)?;
        copied.extend(added.iter().filter_map(|name| held_id(folder, name)));
    }
    let wanted = |name: &str| held_id("meta", name).is_some_and(|id| copied.contains(&id));
    add_folder(to, &quarantine.join("meta"), "quarantine/meta", wanted).map(drop)
}

/// How much is held.
pub(super) fn count(quarantine: &Path) -> Result<u64, BackupError> {
    Ok(ids(quarantine, "meta")?.len() as u64)
}

/// Refuses a quarantine in which something else stands in the place of a folder.
pub(super) fn refuse_links(quarantine: &Path) -> Result<(), BackupError> {
    for folder in FOLDERS {
        let path = quarantine.join(folder);
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_dir()) {
            return Err(BackupError::NoFolder(path));
        }
    }
    Ok(())
}

/// What became of the held mail of a backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) added: u64,
    /// Held here as well; left as it is.
    pub(super) there: u64,
    /// Nothing is known of it: it was deleted while the backup was made.
    pub(super) unknown: u64,
}

/// Puts held mail beside what is held: first what is known of all messages, then the messages.
pub(super) fn put(beside: &Path, quarantine: &Path) -> Result<Put, BackupError> {
    let mut put = Put::default();
    if fs::symlink_metadata(beside).is_err() {
        return Ok(put);
    }
    for folder in ["new", "cur", "meta"] {
        let to = quarantine.join(folder);
        DirBuilder::new().recursive(true).mode(0o700).create(&to).map_err(at(&to, "making it"))?;
    }
    let held = [ids(quarantine, "new")?, ids(quarantine, "cur")?];
    let (known, told) = (ids(quarantine, "meta")?, ids(beside, "meta")?);
    let mut messages = Vec::new();
    for folder in ["new", "cur"] {
        for (id, path) in ids(beside, folder)? {
            if held.iter().any(|held| held.contains_key(&id)) {
                put.there += 1;
            } else if let Some(meta) = told.get(&id) {
                if !known.contains_key(&id) {
                    rename(meta, &quarantine.join("meta"))?;
                }
                messages.push((path, quarantine.join(folder)));
            } else if known.contains_key(&id) {
                messages.push((path, quarantine.join(folder)));
            } else {
                put.unknown += 1;
            }
        }
    }
    sync(&quarantine.join("meta"))?;
    for (path, folder) in messages {
        rename(&path, &folder)?;
        put.added += 1;
    }
    sync(&quarantine.join("new"))?;
    sync(&quarantine.join("cur"))?;
    drop(fs::remove_dir_all(beside));
    Ok(put)
}

/// The files of a folder that are named as ours.
fn ids(quarantine: &Path, folder: &str) -> Result<BTreeMap<MailId, PathBuf>, BackupError> {
    let path = quarantine.join(folder);
    let all = match fs::read_dir(&path) {
        Ok(all) => all,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(at(&path, "listing it")(e)),
    };
    let mut found = BTreeMap::new();
    for entry in all {
        let entry = entry.map_err(at(&path, "listing it"))?;
        found.extend(held_id(folder, &entry.file_name().to_string_lossy()).map(|id| (id, entry.path())));
    }
    Ok(found)
}

fn rename(from: &Path, folder: &Path) -> Result<(), BackupError> {
    let to = folder.join(from.file_name().unwrap_or_default());
    fs::rename(from, &to).map_err(at(&to, "putting it in place"))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder, "syncing it"))
}
