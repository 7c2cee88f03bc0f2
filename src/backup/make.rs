//! What goes into a backup, as it is at one moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::archive::Archive;
use super::manifest::{FORMAT, Facts, Manifest, Part};
use super::{BackupError, at, held};
use crate::audit::{Audit, Snapshot, SnapshotFile};
use crate::lists::Lists;
use crate::model::Timestamp;
use crate::named_file;
use crate::store::{SCHEMA, Store};

/// The most that is taken of a file of the configuration; none is loaded that is a tenth as large.
const MAX_CONFIG: u64 = 16 * 1024 * 1024;

/// What is asked for besides lists, tokens and what is small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The audit journal, and links of accepted mail.
    pub audit: bool,
    /// The keys.
    pub keys: bool,
    /// Held mail.
    pub quarantine: bool,
}

/// Where all of it is.
#[derive(Clone, Debug)]
pub struct Source {
    /// The database.
    pub store: Store,
    /// The journal.
    pub audit: Arc<Audit>,
    /// The lists.
    pub lists: Arc<Lists>,
    /// Where keys and links are.
    pub state_dir: PathBuf,
    /// Where held mail is.
    pub quarantine: PathBuf,
    /// The configuration and its file of rules, where there are any.
    pub config_files: Vec<PathBuf>,
    /// The name of this host.
    pub host: String,
}

/// A tree's name, the file without a name that it was copied into, and how long that is.
type Dumped = (&'static str, File, u64);

impl Source {
    /// Writes a backup to `to`. Blocks; reads everything that is asked for.
    ///
    /// # Errors
    /// If something cannot be read or `to` cannot be written. What was written is then no backup.
    pub fn write<W: Write>(
        &self,
        choice: Choice,
        now: Timestamp,
        to: W,
    ) -> Result<(Manifest, W), BackupError> {
        let (trees, facts, snapshot, flushed) = self.lists.while_still(|| {
            let flushed = self.store.flushed()?;
            let (trees, facts) = self.dump()?;
            let snapshot = choice.audit.then(|| self.audit.snapshot()).transpose()?;
            Ok::<_, BackupError>((trees, facts, snapshot, flushed))
        })?;
        let manifest = self.manifest(choice, (now, flushed), facts, snapshot.as_ref())?;
        let write = BackupError::Write;
        let mut archive = Archive::begin(to, &manifest).map_err(write)?;
        for (tree, mut file, length) in trees {
            file.seek(SeekFrom::Start(0)).map_err(write)?;
            archive.add(&format!("db/{tree}.jsonl"), length, file).map_err(write)?;
        }
        for path in &self.config_files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bytes = named_file::read(path, MAX_CONFIG).map_err(at(path, "reading it"))?;
            archive.add(&format!("config/{name}"), bytes.len() as u64, bytes.as_slice()).map_err(write)?;
        }
        if let Some(snapshot) = snapshot {
            let add =
                |(name, length, from): SnapshotFile| archive.add(&format!("audit/{name}"), length, from);
            snapshot.each(add).map_err(write)?;
            drop(snapshot);
            add_folder(&mut archive, &self.state_dir.join("retro"), "retro", is_copied)?;
        }
        if choice.keys {
            add_folder(&mut archive, &self.state_dir.join("keys"), "keys", is_copied)?;
        }
        if choice.quarantine {
            held::copy(&mut archive, &self.quarantine)?;
        }
        Ok((manifest, archive.finish().map_err(write)?))
    }

    fn manifest(
        &self,
        choice: Choice,
        (now, flushed): (Timestamp, u64),
        mut facts: Facts,
        snapshot: Option<&Snapshot<'_>>,
    ) -> Result<Manifest, BackupError> {
        if let Some(snapshot) = snapshot {
            facts.audit_bytes = Some(snapshot.size().map_err(BackupError::Write)?);
            facts.audit_head = Some(snapshot.head);
        }
        if choice.quarantine {
            facts.held = Some(held::count(&self.quarantine)?);
        }
        let parts = Part::ALL.into_iter().filter(|part| match part {
            Part::Lists | Part::Tokens | Part::Counters => true,
            Part::Audit | Part::Retro => choice.audit,
            Part::Keys => choice.keys,
            Part::Quarantine => choice.quarantine,
        });
        Ok(Manifest {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: SCHEMA,
            flushed,
            time: now,
            host: self.host.clone(),
            parts: parts.collect(),
            facts,
        })
    }

    /// Copies the trees into files without a name: lists must not change while they are read, and whoever reads the
    /// backup may be slow.
    fn dump(&self) -> Result<(Vec<Dumped>, Facts), BackupError> {
        let mut files = Vec::new();
        let mut facts = Facts::default();
        for tree in Part::ALL.into_iter().flat_map(Part::trees) {
            let mut out = BufWriter::new(nameless(&self.state_dir)?);
            let dumped = self.store.dump(tree, &mut out)?;
            let mut file = out.into_inner().map_err(|e| BackupError::Write(e.into_error()))?;
            let length = file.stream_position().map_err(BackupError::Write)?;
            facts.records.insert((*tree).to_owned(), dumped.records);
            facts.damaged += dumped.damaged;
            files.push((*tree, file, length));
        }
        Ok((files, facts))
    }
}

/// Adds the files of a folder whose names are wanted, as they are, and names them. One that goes meanwhile is left out,
/// and one that grows is as long as it was.
pub(super) fn add_folder<W: Write>(
    to: &mut Archive<W>,
    folder: &Path,
    name: &str,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<String>, BackupError> {
    let mut names: Vec<String> = match fs::read_dir(folder) {
        Ok(all) => all.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(folder, "listing it")(e)),
    };
    names.retain(|name| wanted(name));
    names.sort_unstable();
    let mut added = Vec::new();
    for file_name in names {
        let path = folder.join(&file_name);
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits() | nix::fcntl::OFlag::O_NONBLOCK.bits())
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(at(&path, "reading it")(e)),
        };
        let found = file.metadata().map_err(at(&path, "reading it"))?;
        if found.is_file() {
            to.add(&format!("{name}/{file_name}"), found.len(), file).map_err(BackupError::Write)?;
            added.push(file_name);
        }
    }
    Ok(added)
}

/// Not a lock, nor what is being written.
fn is_copied(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with(".new") && !name.ends_with(".tmp")
}

/// A file of ours that nobody else can open and no crash leaves behind.
fn nameless(folder: &Path) -> Result<File, BackupError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let path = folder.join(format!(".backup-records-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
    let file = opened.map_err(at(&path, "making it"))?;
    fs::remove_file(&path).map_err(at(&path, "removing it"))?;
    Ok(file)
}
