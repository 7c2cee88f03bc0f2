//! Whether there is room for what sled writes while it opens its files.
//!
//! On a full disk it leaves half a snapshot behind, which the next start must take for damage.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;

/// Two of its segments.
const SEGMENTS: u64 = 1 << 20;
const STEP: usize = 64 << 10;

/// Writes as much beside the database, and removes it again.
pub(super) fn probe(dir: &Path) -> Result<(), StoreError> {
    let path = dir.with_extension("room");
    let needed = SEGMENTS + 2 * snapshots(dir);
    let written = write(&path, needed);
    let removed = match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    written.and(removed).map_err(|source| StoreError::Io {
        dir: dir.to_owned(),
        action: "making sure that there is room to open it",
        source,
    })
}

/// Bytes of all that there are.
fn snapshots(dir: &Path) -> u64 {
    let all = fs::read_dir(dir).into_iter().flatten().flatten();
    let ours = all.filter(|entry| entry.file_name().to_string_lossy().starts_with("snap."));
    ours.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

fn write(path: &Path, needed: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let step = vec![0; STEP];
    for _ in 0..needed.div_ceil(STEP as u64) {
        file.write_all(&step)?;
    }
    // Not synced: local file systems say at the write that they are full, and each start would wait for the disk.
    Ok(())
}
