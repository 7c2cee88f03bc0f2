//! How far the database must reach: `db.head` beside its directory.
//!
//! sled reads a file that lost its end as an older database, without a word, and an empty one as a new one. So
//! each flush has a number, which is written into the database before it and here after it. Where this file
//! knows a later number than the database, changes are lost that were told to be on disk.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

fn path(dir: &Path) -> PathBuf {
    dir.with_extension("head")
}

fn text(number: u64) -> String {
    format!("{number:016x} {:08x}\n", crc32fast::hash(&number.to_be_bytes()))
}

/// The last flush that is known of. What cannot be read says nothing.
pub(super) fn read(dir: &Path) -> u64 {
    let found = std::fs::read_to_string(path(dir)).ok();
    let number = found.and_then(|found| {
        let number = u64::from_str_radix(found.get(..16)?, 16).ok()?;
        (found == text(number)).then_some(number)
    });
    number.unwrap_or(0)
}

/// Written over, not synced: an older number only means that less is known.
pub(super) fn write(dir: &Path, number: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path(dir))?;
    file.write_all_at(text(number).as_bytes(), 0)
}
