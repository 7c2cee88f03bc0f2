//! Putting a backup in place, without a daemon.
//!
//! First the file is read to its end. Then its parts are unpacked into a folder in state_dir and synced. Then each part
//! changes places with what is there, in one step each; what was there is kept as `NAME.before-restore-DAY`. Held mail
//! is put beside what is held, and replaces nothing. A restore that is killed has changed a part or has not; it can be
//! made again.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::manifest::{Manifest, Part};
use super::owner::become_owner;
use super::reader::{Checked, check_open};
use super::refill::refill;
use super::unpack::{Staging, unpack};
use super::{BackupError, at, held, place};
use crate::audit::{AdminEvent, Audit, Entry, Pseudonyms, verify_dir};
use crate::store::{Store, StoreError};
use crate::telemetry::{Clock, Metrics};

/// Where things are put.
#[derive(Clone, Debug)]
pub struct Places {
    /// What all of it is in.
    pub state_dir: PathBuf,
    /// Where held mail is.
    pub quarantine: PathBuf,
    /// Where the daily exports are.
    pub exports: PathBuf,
    /// How the database is opened.
    pub store: crate::store::Config,
    /// How the journal is.
    pub audit: crate::audit::Config,
    /// Whether the journal hides people.
    pub pseudonymise: bool,
}

/// What would be done.
///
/// # Errors
/// If the file cannot be used, or lacks a part that is asked for.
pub fn plan(file: (&Path, &File), only: &[Part]) -> Result<(Checked, Vec<Part>), BackupError> {
    let checked = check_open(file.0, file.1)?;
    if let Some(part) = only.iter().find(|part| !checked.manifest.has(**part)) {
        return Err(BackupError::Lacks { path: file.0.to_owned(), part: *part });
    }
    let wanted = |part: &Part| checked.manifest.has(*part) && (only.is_empty() || only.contains(part));
    let parts = Part::ALL.into_iter().filter(wanted).collect();
    Ok((checked, parts))
}

/// Restores these parts of a file that [`plan`] has read. Each sentence says what was done. Blocks. Called by root, the
/// process is the owner of state_dir afterwards.
///
/// # Errors
/// If a daemon runs, or something cannot be read or written. Parts that are said to be in place are so.
pub fn restore(
    places: &Places,
    file: (&Path, &File),
    parts: &[Part],
    by: &str,
    say: &mut dyn FnMut(String),
) -> Result<(), BackupError> {
    let state = &places.state_dir;
    if !state.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(at(state, "making it"))?;
    }
    become_owner(state)?;
    if parts.contains(&Part::Quarantine) {
        held::refuse_links(&places.quarantine)?;
    }
    let db = state.join("db");
    let old = held_by_us(&db, places, say)?;
    let _quarantine = lock(&places.quarantine.join("meta/.lock"), &places.quarantine)?;
    let day = Clock::system().now().day();
    let mut staging = Staging::begin(&place::free(&state.join(format!("restoring-{day}"))))?;
    let beside = places.quarantine.join("tmp/restoring");
    let manifest =
        unpack(file, parts, &staging.path, &beside).inspect_err(|_| drop(fs::remove_dir_all(&beside)))?;

    let fresh = staging.path.join("db");
    let makes_db = parts.iter().any(|part| !part.trees().is_empty() || *part == Part::Audit);
    if makes_db {
        let before = old.as_ref().and_then(|old| old.flushed().ok()).unwrap_or(0);
        build(
            &fresh,
            &staging.path.join("records"),
            parts,
            old.as_ref(),
            (places, before.max(manifest.flushed)),
        )?;
    }
    // sled lets go of its file with the last handle.
    drop(old);
    staging.keep = true;
    if makes_db {
        let kept = swap(&fresh, &db, &day)?;
        swap(&staging.path.join("db.head"), &state.join("db.head"), &day)?;
        say(format!(
            "the database is in place ({}){}",
            named(parts, |part| !part.trees().is_empty()),
            told(kept)
        ));
    }
    for (part, name) in [(Part::Audit, "audit"), (Part::Retro, "retro"), (Part::Keys, "keys")] {
        let unpacked = staging.path.join(name);
        if parts.contains(&part) && unpacked.exists() {
            let kept = swap(&unpacked, &state.join(name), &day)?;
            say(format!("{part} is in place{}", told(kept)));
        }
    }
    if parts.contains(&Part::Quarantine) {
        let held::Put { added, there, unknown } = held::put(&beside, &places.quarantine)?;
        say(format!("held mail: {added} messages added, {there} were there already"));
        if unknown > 0 {
            say(format!("{unknown} messages were left out: they were deleted while the backup was made"));
        }
    }
    sync(state)?;
    note(places, &manifest, parts, by, say)?;
    drop(fs::remove_dir_all(staging.path.join("records")));
    drop(fs::remove_dir(&staging.path));
    if !parts.contains(&Part::Keys) {
        say("the keys of this host stay or are made new: release tokens and pseudonyms of the old host are \
             recognised only with its keys (mailward backup --keys)"
            .to_owned());
    }
    Ok(())
}

fn named(parts: &[Part], which: impl Fn(&Part) -> bool) -> String {
    let names: Vec<&str> = parts.iter().filter(|part| which(part)).map(|part| part.name()).collect();
    if names.is_empty() { "its index will be made again".to_owned() } else { names.join(", ") }
}

fn told(kept: Option<PathBuf>) -> String {
    kept.map_or_else(String::new, |kept| format!("; what was there is kept as {}", kept.display()))
}

/// The database that is there, held so that no daemon starts.
fn held_by_us(db: &Path, places: &Places, say: &mut dyn FnMut(String)) -> Result<Option<Store>, BackupError> {
    if fs::symlink_metadata(db).is_err() && !Store::is_unfinished(db) {
        return Ok(None);
    }
    match Store::open(db, &places.store) {
        Ok((store, recoveries)) => {
            for recovery in recoveries {
                say(recovery.to_string());
                if let Some(aside) = recovery.aside() {
                    refill(&store, aside, &places.exports, &places.store)?.into_iter().for_each(&mut *say);
                }
            }
            store.recovered()?;
            Ok(Some(store))
        }
        Err(StoreError::InUse(_)) => Err(BackupError::Running(places.state_dir.clone())),
        Err(error) => Err(error.into()),
    }
}

fn lock(path: &Path, of: &Path) -> Result<Option<File>, BackupError> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(at(path, "opening it")(e)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(BackupError::Running(of.to_owned())),
        Err(TryLockError::Error(e)) => Err(at(path, "locking it")(e)),
    }
}

/// Makes the new database beside the old one: what is restored from the backup, the rest as it is.
fn build(
    fresh: &Path,
    records: &Path,
    parts: &[Part],
    old: Option<&Store>,
    (places, flushed): (&Places, u64),
) -> Result<(), BackupError> {
    let (store, _) = Store::open(fresh, &places.store)?;
    store.count_on_from(flushed);
    for part in Part::ALL {
        for tree in part.trees() {
            let path = if parts.contains(&part) {
                records.join(format!("{tree}.jsonl"))
            } else if let Some(old) = old {
                let path = records.join(format!("{tree}.old"));
                let mut out = BufWriter::new(File::create(&path).map_err(at(&path, "writing it"))?);
                old.dump(tree, &mut out)?;
                out.flush().map_err(at(&path, "writing it"))?;
                path
            } else {
                continue;
            };
            let file = File::open(&path).map_err(at(&path, "reading it"))?;
            store.fill(tree, &mut BufReader::new(file))?;
        }
    }
    store.flush()?;
    Ok(())
}

/// Puts `new` at `to` in one step; where what was there is now.
fn swap(new: &Path, to: &Path, day: &str) -> Result<Option<PathBuf>, BackupError> {
    if fs::symlink_metadata(to).is_err() {
        fs::rename(new, to).map_err(at(to, "putting it in place"))?;
        return Ok(None);
    }
    let kept = place::aside(to, day);
    match renameat2(AT_FDCWD, new, AT_FDCWD, to, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => fs::rename(new, &kept).map_err(at(&kept, "keeping what was there"))?,
        // Not every file system can.
        Err(_) => {
            fs::rename(to, &kept).map_err(at(&kept, "keeping what was there"))?;
            fs::rename(new, to).map_err(at(to, "putting it in place"))?;
        }
    }
    Ok(Some(kept))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder, "syncing it"))
}

/// Writes into the journal what was done, and follows its chain.
fn note(
    places: &Places,
    manifest: &Manifest,
    parts: &[Part],
    by: &str,
    say: &mut dyn FnMut(String),
) -> Result<(), BackupError> {
    let state = &places.state_dir;
    let (db, journal) = (state.join("db"), state.join("audit"));
    {
        let (store, _) = Store::open(&db, &places.store)?;
        let key = state.join("keys/pseudonym.key");
        let pseudonyms = if places.pseudonymise { hidden(&key) } else { None };
        let metrics = Arc::new(Metrics::new());
        let clock = Clock::system();
        let (audit, notes) = Audit::open(&places.audit, state, &store, clock.clone(), &metrics, pseudonyms)?;
        notes.into_iter().for_each(&mut *say);
        let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
        let detail =
            format!("{} of the backup of {} from {}", names.join(", "), manifest.time, manifest.host);
        audit.note(Entry::Admin {
            what: AdminEvent::Restored,
            by: by.to_owned(),
            time: clock.now(),
            detail,
        })?;
        drop(audit);
        store.flush()?;
    }
    let report = verify_dir(&journal).map_err(at(&journal, "verifying it"))?;
    let whole =
        if report.is_whole() { "is whole" } else { "is NOT whole: run `mailward audit verify --offline`" };
    say(format!("the journal has {} records and {whole}", report.records));
    Ok(())
}

/// The key as the daemon keeps it.
fn hidden(path: &Path) -> Option<Arc<Pseudonyms>> {
    let text = fs::read_to_string(path).ok()?;
    let key: [u8; 32] =
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()?.try_into().ok()?;
    Some(Arc::new(Pseudonyms::new(&key)))
}
