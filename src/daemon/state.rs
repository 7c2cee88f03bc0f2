//! The directory that all state is under.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::DaemonError;

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
