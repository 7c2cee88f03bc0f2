//! The directories of a quarantine: made, checked, locked.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{Group, geteuid};

use super::error::io;
use super::{Config, QuarantineError};

/// The four directories of a quarantine.
pub(super) const DIRECTORIES: [&str; 4] = ["tmp", "new", "cur", "meta"];

const GROUP_READS: u32 = 0o050;
const ANYBODY: u32 = 0o007;
const ANYBODY_WRITES: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Makes what is missing and checks what is there. Returns the id of the group that may read.
pub(super) fn prepare(config: &Config, notes: &mut Vec<String>) -> Result<Option<u32>, QuarantineError> {
    let gid = group(config)?;
    let root = &config.path;
    let device = directory(root, gid, notes)?.dev();
    note_above(root, notes);
    for name in DIRECTORIES {
        let path = root.join(name);
        if directory(&path, gid, notes)?.dev() != device {
            return Err(unusable(
                &path,
                "it is on another file system than the quarantine, and messages are moved by renaming; \
                 mount the quarantine as a whole",
            ));
        }
    }
    sync(root)?;
    Ok(gid)
}

/// Who may write to the directory above can put another in the quarantine's place; where the sticky bit is set, only its
/// owner can. It is told and not refused: volumes of containers are like that.
fn note_above(root: &Path, notes: &mut Vec<String>) {
    let Some(above) = root.parent() else { return };
    let is_open = |meta: Metadata| meta.mode() & (ANYBODY_WRITES | STICKY) == ANYBODY_WRITES;
    if fs::metadata(above).is_ok_and(is_open) {
        notes.push(format!(
            "anybody may write to {}, and so put another directory in place of the quarantine; chmod o-w it",
            above.display()
        ));
    }
}

/// Holds the quarantine for this process until the file is closed, which the kernel does also after
/// a kill.
pub(super) fn lock(root: &Path) -> Result<File, QuarantineError> {
    let path = root.join("meta").join(".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_FOLLOW);
    let file = options.open(&path).map_err(io("opening the lock", None, &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(QuarantineError::InUse { path: root.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(io("locking the quarantine", None, &path)(cause)),
    }
}

/// A symbolic link in place of a file of ours is refused.
pub(super) const NO_FOLLOW: i32 = nix::fcntl::OFlag::O_NOFOLLOW.bits();

/// Makes the names in `directory` durable.
pub(super) fn sync(directory: &Path) -> Result<(), QuarantineError> {
    File::open(directory).and_then(|d| d.sync_all()).map_err(io("syncing the directory", None, directory))
}

fn group(config: &Config) -> Result<Option<u32>, QuarantineError> {
    if config.group.is_empty() {
        return Ok(None);
    }
    match Group::from_name(&config.group) {
        Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
        Ok(None) => Err(unusable(
            &config.path,
            format!(
                "quarantine.group names {:?}, and there is no such group; make it with groupadd, or leave \
                 the key empty",
                config.group
            ),
        )),
        Err(errno) => Err(unusable(
            &config.path,
            format!("the group {:?} of quarantine.group could not be looked up: {errno}", config.group),
        )),
    }
}

fn directory(path: &Path, gid: Option<u32>, notes: &mut Vec<String>) -> Result<Metadata, QuarantineError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            if let Some(parent) = path.parent() {
                sync(parent)?;
            }
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(unusable(path, "the directory above it does not exist; make that one first"));
        }
        Err(e) => return Err(io("making the directory", None, path)(e)),
    }
    let meta = fs::symlink_metadata(path).map_err(io("looking at the directory", None, path))?;
    if meta.is_symlink() {
        return Err(unusable(
            path,
            "it is a symbolic link; set quarantine.path to the directory itself, or put the directory here",
        ));
    }
    if !meta.is_dir() {
        return Err(unusable(path, "it is not a directory; move it away"));
    }
    let us = geteuid().as_raw();
    if meta.uid() != us {
        return Err(unusable(
            path,
            format!(
                "it belongs to user id {}, and mailward runs as user id {us}; chown it, or run as its owner",
                meta.uid()
            ),
        ));
    }
    if meta.mode() & ANYBODY_WRITES != 0 {
        return Err(unusable(path, "anybody may write to it; chmod o-rwx it and look what is in it"));
    }
    if meta.mode() & ANYBODY != 0 {
        notes.push(format!("anybody may look into {}; chmod o-rwx it", path.display()));
    }
    if let Some(gid) = gid {
        open_to_group(path, &meta, gid)?;
    }
    Ok(meta)
}

fn open_to_group(path: &Path, meta: &Metadata, gid: u32) -> Result<(), QuarantineError> {
    if meta.gid() != gid {
        std::os::unix::fs::chown(path, None, Some(gid)).map_err(|e| {
            unusable(
                path,
                format!(
                    "it cannot be given to quarantine.group: {e}; mailward's user must be a member of that \
                     group (SupplementaryGroups= in its unit)"
                ),
            )
        })?;
    }
    if meta.mode() & GROUP_READS != GROUP_READS {
        let mode = (meta.mode() & 0o7777) | GROUP_READS;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io(
            "opening the directory to quarantine.group",
            None,
            path,
        ))?;
    }
    Ok(())
}

fn unusable(path: &Path, why: impl Into<String>) -> QuarantineError {
    QuarantineError::Unusable { path: path.to_owned(), why: why.into() }
}
