//! What a damaged database held, from the best there is of each part: what can still be read of it, or the newest daily
//! export that is whole.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, Part};
use super::reader::{Stop, walk};
use super::{BackupError, at, daily};
use crate::store::{Config, Store};

/// The parts that are in the database alone.
const PARTS: [Part; 3] = [Part::Lists, Part::Tokens, Part::Counters];

/// Fills the new store; each sentence says what became of a part, and since when something is lost. Blocks.
///
/// # Errors
/// If the new store cannot be written: the machine must be looked after first.
pub fn refill(
    store: &Store,
    aside: &Path,
    exports: &Path,
    config: &Config,
) -> Result<Vec<String>, BackupError> {
    let scratch = store.dir().with_file_name("db.refill");
    drop(fs::remove_dir_all(&scratch));
    fs::create_dir_all(&scratch).map_err(at(&scratch, "making it"))?;
    let mut told = Vec::new();
    let salvaged = salvage(aside, &scratch, config);
    let (export, notes) = newest(exports, &scratch)?;
    told.extend(notes);
    for part in PARTS {
        let readable = salvaged.as_ref().filter(|salvaged| salvaged.parts.contains(&part));
        let newer = |manifest: &Manifest| readable.is_none_or(|s| s.flushed < manifest.flushed);
        let (from, sentence) = match (readable, &export) {
            (_, Some(manifest)) if newer(manifest) => (
                Some(scratch.join("export")),
                format!("{part}: taken from the export of {}; what was changed since is lost", manifest.time),
            ),
            (Some(_), _) => {
                (Some(scratch.join("salvaged")), format!("{part}: read from the damaged database"))
            }
            (None, _) => (None, format!("{part}: lost, as there is no daily export that could be read")),
        };
        if let Some(from) = from {
            fill(store, part, &from)?;
        }
        told.push(sentence);
    }
    store.flush()?;
    drop(fs::remove_dir_all(&scratch));
    Ok(told)
}

fn fill(store: &Store, part: Part, from: &Path) -> Result<(), BackupError> {
    for tree in part.trees() {
        let path = from.join(tree);
        let file = File::open(&path).map_err(at(&path, "reading it"))?;
        store.fill(tree, &mut BufReader::new(file))?;
    }
    Ok(())
}

/// What could be read of the old one.
struct Salvaged {
    parts: Vec<Part>,
    flushed: u64,
}

/// Reads a copy: opening changes files, and the damaged ones are kept as they are.
fn salvage(aside: &Path, scratch: &Path, config: &Config) -> Option<Salvaged> {
    let (copy, lines) = (scratch.join("db"), scratch.join("salvaged"));
    let read = || -> io::Result<Store> {
        fs::create_dir_all(&copy)?;
        fs::create_dir_all(&lines)?;
        copy_all(aside, &copy)?;
        Store::open_damaged(&copy, config).map_err(io::Error::other)
    };
    let old = match read() {
        Ok(old) => old,
        Err(error) => {
            tracing::warn!(%error, "nothing can be read of the damaged database");
            return None;
        }
    };
    let dump = |part: &Part| {
        part.trees().iter().all(|tree| {
            let dumped = File::create(lines.join(tree)).ok().map(BufWriter::new).and_then(|mut out| {
                let dumped = old.dump(tree, &mut out).ok()?;
                io::Write::flush(&mut out).ok()?;
                Some(dumped)
            });
            dumped.is_some_and(|dumped| dumped.damaged == 0)
        })
    };
    // sled panics on some damage.
    let guarded =
        |part: &Part| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dump(part))).unwrap_or(false);
    let parts = PARTS.into_iter().filter(guarded).collect();
    let flushed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| old.flushed())).ok()?.ok()?;
    // An empty database says nothing.
    (flushed > 0).then_some(Salvaged { parts, flushed })
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Unpacks the newest export that is whole; the notes name those that are not.
fn newest(exports: &Path, scratch: &Path) -> Result<(Option<Manifest>, Vec<String>), BackupError> {
    let lines = scratch.join("export");
    let mut notes = Vec::new();
    let all = match daily::exports(exports) {
        Ok(all) => all,
        Err(error) => {
            notes.push(format!("the daily exports in {} cannot be listed: {error}", exports.display()));
            Vec::new()
        }
    };
    for (_, path) in all {
        match unpack(&path, &lines) {
            Ok(manifest) => return Ok((Some(manifest), notes)),
            Err(error @ BackupError::Io { .. }) if error_is_ours(&error, &lines) => return Err(error),
            Err(error) => notes.push(format!("an export could not be used: {error}")),
        }
    }
    Ok((None, notes))
}

fn error_is_ours(error: &BackupError, lines: &Path) -> bool {
    matches!(error, BackupError::Io { path, .. } if path.starts_with(lines))
}

fn unpack(path: &Path, lines: &Path) -> Result<Manifest, BackupError> {
    drop(fs::remove_dir_all(lines));
    fs::create_dir_all(lines).map_err(at(lines, "making it"))?;
    let file = File::open(path).map_err(at(path, "opening it"))?;
    let checked = walk(path, &file, |name, _, member| {
        let tree = name.strip_prefix("db/").and_then(|name| name.strip_suffix(".jsonl"));
        let target: PathBuf = lines.join(tree.unwrap_or("other"));
        let mut file = File::create(&target).map_err(at(&target, "writing it"))?;
        io::copy(member, &mut file).map_err(|e| Stop::Garbled(e.to_string()))?;
        Ok(())
    })?;
    let missing = PARTS.iter().flat_map(|part| part.trees()).find(|tree| !lines.join(tree).exists());
    match missing {
        Some(tree) => {
            Err(BackupError::Unusable { path: path.to_owned(), what: format!("lacks the tree {tree}") })
        }
        None => Ok(checked.manifest),
    }
}
