//! The directory that all state is under, and who may use what is made in it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::sys::stat::{Mode, umask};

use super::DaemonError;

/// From here on nothing is made for others, however the daemon was started: a container or a supervisor may leave no
/// umask at all, the database and its folders have the modes of it, and a socket is open to all before its mode is set.
/// The unit's UMask= is the same.
pub(super) fn keep_from_others() {
    let before = umask(Mode::from_bits_truncate(0o027));
    umask(before | Mode::from_bits_truncate(0o027));
}

/// Makes a directory for us alone where it is missing.
pub(super) fn make(path: &Path) -> Result<(), DaemonError> {
    if fs::metadata(path).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| DaemonError::State { path: path.to_owned(), source })
}
