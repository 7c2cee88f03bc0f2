//! The files of a quarantine. Each step of storing is a function of its own, so that a crash between
//! any two of them can be tried.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::dirs::{self, NO_FOLLOW};
use super::error::io;
use super::{Config, Meta, QuarantineError};
use crate::model::MailId;

/// The most that a meta file may take. A thousand recipients need a tenth of it.
pub(super) const MAX_META: usize = 4 << 20;
/// How often a file is looked for again that a mail program may be renaming.
const LOOKS: usize = 3;

#[derive(Debug)]
pub(super) struct Maildir {
    root: PathBuf,
    gid: Option<u32>,
    /// Held as long as this lives.
    _lock: File,
}

/// A held message, open for reading.
#[derive(Debug)]
pub struct MessageFile {
    /// The exact bytes that were judged.
    pub file: File,
    /// Where it lies now; a mail program may move it at any time.
    pub path: PathBuf,
    /// The flags that mail programs gave it, as in `RS`; see the Maildir convention.
    pub flags: String,
    /// Bytes.
    pub size: u64,
}

/// Room on the file system.
pub(super) struct Room {
    pub(super) bytes: u64,
    /// `None` where the file system makes inodes as it needs them.
    pub(super) inodes: Option<u64>,
}

impl Maildir {
    pub(super) fn open(config: &Config, notes: &mut Vec<String>) -> Result<Self, QuarantineError> {
        let gid = dirs::prepare(config, notes)?;
        let lock = dirs::lock(&config.path)?;
        Ok(Self { root: config.path.clone(), gid, _lock: lock })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    // The steps of storing, in their order.

    /// Step 1, and also every later change of a meta file: written aside, synced, renamed, directory
    /// synced.
    pub(super) fn put_meta(&self, id: MailId, json: &[u8]) -> Result<(), QuarantineError> {
        let aside = self.meta_aside(id);
        self.write(&aside, json).map_err(io("writing the meta file", id, &aside))?;
        let path = self.meta_path(id);
        fs::rename(&aside, &path).map_err(io("renaming the meta file", id, &path))?;
        self.sync("meta")
    }

    /// Step 2: the message into `tmp/`, synced.
    pub(super) fn put_message(&self, id: MailId, raw: &[u8]) -> Result<(), QuarantineError> {
        let path = self.path("tmp", id);
        self.write(&path, raw).map_err(io("writing the message", id, &path))
    }

    /// Step 3: from `tmp/` into `new/`, directory synced. From here on the entry is whole.
    pub(super) fn publish(&self, id: MailId) -> Result<(), QuarantineError> {
        let path = self.path("new", id);
        fs::rename(self.path("tmp", id), &path).map_err(io("renaming the message", id, &path))?;
        self.sync("new")
    }

    /// All steps without a sync: for copies, which are worth something and not much. After a power failure some
    /// may be empty or gone; a crash of mailward alone loses none.
    pub(super) fn put_unsynced(&self, id: MailId, json: &[u8], raw: &[u8]) -> Result<(), QuarantineError> {
        self.put_meta_unsynced(id, json)?;
        let (aside, path) = (self.path("tmp", id), self.path("new", id));
        self.write_unsynced(&aside, raw).map_err(io("writing the message", id, &aside))?;
        fs::rename(aside, &path).map_err(io("renaming the message", id, &path))
    }

    /// A meta file, without a sync.
    pub(super) fn put_meta_unsynced(&self, id: MailId, json: &[u8]) -> Result<(), QuarantineError> {
        let (aside, path) = (self.meta_aside(id), self.meta_path(id));
        self.write_unsynced(&aside, json).map_err(io("writing the meta file", id, &aside))?;
        fs::rename(aside, &path).map_err(io("renaming the meta file", id, &path))
    }

    /// Takes back what a failed store left; what cannot be taken back is left to the sweep.
    pub(super) fn take_back(&self, id: MailId) {
        for path in [self.path("new", id), self.path("tmp", id), self.meta_path(id), self.meta_aside(id)] {
            // The error that made us come here is the one to report.
            drop(fs::remove_file(path));
        }
    }

    // Reading.

    pub(super) fn read_meta(&self, id: MailId) -> Result<Meta, QuarantineError> {
        let path = self.meta_path(id);
        let file = open_plain(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => QuarantineError::NotHeld(id),
            _ => io("opening the meta file", id, &path)(e),
        })?;
        let mut json = Vec::new();
        file.take(MAX_META as u64 + 1).read_to_end(&mut json).map_err(io(
            "reading the meta file",
            id,
            &path,
        ))?;
        let parsed = if json.len() > MAX_META {
            Err(format!("it is longer than {MAX_META} bytes"))
        } else {
            Meta::from_json(id, &json)
        };
        parsed.map_err(|why| QuarantineError::BrokenMeta { path, why })
    }

    /// Opens the message of `id`, wherever a mail program has put it; `None` if it is gone.
    pub(super) fn message(&self, id: MailId) -> Result<Option<MessageFile>, QuarantineError> {
        self.with_message(id, None, "opening the message", |path| {
            let file = open_plain(path)?;
            let stat = file.metadata()?;
            if !stat.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let flags = name.split_once(":2,").map_or("", |(_, flags)| flags).to_owned();
            Ok(MessageFile { file, path: path.to_owned(), flags, size: stat.len() })
        })
    }

    /// Whether the message of `id` is there.
    pub(super) fn has_message(&self, id: MailId) -> Result<bool, QuarantineError> {
        let found = self
            .with_message(id, None, "looking for the message", |path| fs::symlink_metadata(path).map(drop));
        Ok(found?.is_some())
    }

    // Removing.

    /// Removes message, then meta: a crash between leaves a meta that the sweep removes. `hint` is where
    /// the message was seen last. The caller syncs.
    pub(super) fn remove(&self, id: MailId, hint: Option<PathBuf>) -> Result<(), QuarantineError> {
        self.with_message(id, hint, "removing the message", |path| fs::remove_file(path))?;
        self.remove_meta(id)
    }

    /// Where the messages of `ids` lie, in one walk: for removing many, because looking for each alone
    /// would read `cur/` anew every time.
    pub(super) fn places(&self, ids: &[MailId]) -> HashMap<MailId, PathBuf> {
        let wanted: HashSet<MailId> = ids.iter().copied().collect();
        let mut places = HashMap::new();
        let walked = self.names("cur", |name| {
            if let Some(id) = id_of(name).filter(|id| wanted.contains(id)) {
                places.insert(id, self.root.join("cur").join(name));
            }
            Ok(())
        });
        // Only hints: without them each is looked for alone, and that reports what is wrong.
        drop(walked);
        places
    }

    pub(super) fn remove_meta(&self, id: MailId) -> Result<(), QuarantineError> {
        let path = self.meta_path(id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(io("removing the meta file", id, &path)(e)),
        }
    }

    /// Makes removals durable.
    pub(super) fn sync_removals(&self) -> Result<(), QuarantineError> {
        ["new", "cur", "meta"].iter().try_for_each(|d| self.sync(d))
    }

    /// Removes what a crash left half written. Only at start, when nobody is storing; files that are
    /// not named by us stay.
    pub(super) fn clear_tmp(&self) -> Result<(), QuarantineError> {
        for directory in ["tmp", "meta"] {
            self.names(directory, |name| {
                let ours = match directory {
                    "tmp" => name.parse::<MailId>().is_ok_and(|id| id.as_str() == name),
                    _ => id_aside(name).is_some(),
                };
                let path = self.root.join(directory).join(name);
                if ours { fs::remove_file(path) } else { Ok(()) }
            })?;
        }
        Ok(())
    }

    // Walking.

    /// Calls `see` with each file of `new/` and `cur/`: its name, and the id if it has one.
    pub(super) fn each_message(
        &self,
        mut see: impl FnMut(&str, Option<MailId>),
    ) -> Result<(), QuarantineError> {
        for directory in ["new", "cur"] {
            self.names(directory, |name| {
                see(name, id_of(name));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Calls `see` with the id of each meta file.
    pub(super) fn each_meta(&self, mut see: impl FnMut(MailId)) -> Result<(), QuarantineError> {
        self.names("meta", |name| {
            if let Some(id) = name.strip_suffix(".json").and_then(exact) {
                see(id);
            }
            Ok(())
        })
    }

    /// The room on the file system.
    pub(super) fn room(&self) -> Result<Room, QuarantineError> {
        let stat = nix::sys::statvfs::statvfs(&self.root)
            .map_err(|errno| io("asking for the room", None, &self.root)(errno.into()))?;
        let bytes = stat.blocks_available().saturating_mul(stat.fragment_size());
        let inodes = (stat.files() > 0).then(|| stat.files_available());
        Ok(Room { bytes, inodes })
    }

    /// Does `act` to the message of `id` where it lies now. Mail programs rename files at any time,
    /// so what has just been seen may be gone; then it is looked for again. `None`: it is nowhere.
    fn with_message<T>(
        &self,
        id: MailId,
        hint: Option<PathBuf>,
        doing: &'static str,
        mut act: impl FnMut(&Path) -> io::Result<T>,
    ) -> Result<Option<T>, QuarantineError> {
        let mut at = |path: &Path| match act(path) {
            Ok(done) => Ok(Some(done)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io(doing, id, path)(e)),
        };
        for first in [hint, Some(self.path("new", id))].into_iter().flatten() {
            if let Some(done) = at(&first)? {
                return Ok(Some(done));
            }
        }
        for directory in ["cur", "new"].into_iter().cycle().take(2 * LOOKS) {
            let mut places = Vec::new();
            self.names(directory, |name| {
                if id_of(name) == Some(id) {
                    places.push(self.root.join(directory).join(name));
                }
                Ok(())
            })?;
            for place in places {
                if let Some(done) = at(&place)? {
                    return Ok(Some(done));
                }
            }
        }
        Ok(None)
    }

    /// Calls `see` with each name in `directory`. A name that is not UTF-8 is not ours; it is shown
    /// with its odd bytes replaced.
    fn names(
        &self,
        directory: &str,
        mut see: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), QuarantineError> {
        let path = self.root.join(directory);
        fs::read_dir(&path)
            .and_then(|mut entries| entries.try_for_each(|e| see(&e?.file_name().to_string_lossy())))
            .map_err(io("reading the directory", None, &path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_unsynced(path, bytes)?.sync_all()
    }

    fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        let mode = if self.gid.is_some() { 0o640 } else { 0o600 };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode).custom_flags(NO_FOLLOW);
        let mut file = options.open(path)?;
        if self.gid.is_some() {
            fchown(&file, None, self.gid)?;
            // The mode above is subject to the umask, which a hardened unit sets to 0077.
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.write_all(bytes)?;
        Ok(file)
    }

    fn sync(&self, directory: &str) -> Result<(), QuarantineError> {
        dirs::sync(&self.root.join(directory))
    }

    fn path(&self, directory: &str, id: MailId) -> PathBuf {
        self.root.join(directory).join(id.as_str())
    }

    fn meta_path(&self, id: MailId) -> PathBuf {
        self.root.join("meta").join(format!("{id}.json"))
    }

    fn meta_aside(&self, id: MailId) -> PathBuf {
        self.root.join("meta").join(format!(".{id}.tmp"))
    }
}

/// The id in a name as it stands in `new`, `cur` or `meta`. No other file there is ours.
#[must_use]
pub fn held_id(folder: &str, name: &str) -> Option<MailId> {
    match folder {
        "new" | "cur" if !name.contains('/') => id_of(name),
        "meta" => name.strip_suffix(".json").and_then(exact),
        _ => None,
    }
}

/// The id in the name of a message file: alone, or before what mail programs append (`:2,RS`, `,S=3`).
fn id_of(name: &str) -> Option<MailId> {
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    exact(name.get(..end)?)
}

fn id_aside(name: &str) -> Option<MailId> {
    name.strip_prefix('.')?.strip_suffix(".tmp").and_then(exact)
}

/// The id that is written exactly so; `MailId` itself also takes upper case and spaces around it.
fn exact(text: &str) -> Option<MailId> {
    text.parse().ok().filter(|id: &MailId| id.as_str() == text)
}

fn open_plain(path: &Path) -> io::Result<File> {
    // A pipe that somebody put there must not make us wait.
    let flags = NO_FOLLOW | nix::fcntl::OFlag::O_NONBLOCK.bits();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_behind_what_mail_programs_append() {
        let id = MailId::from_parts(1_700_000_000_000, 7);
        for tail in ["", ":2,", ":2,RS", ",S=12:2,S", ",U=4,FMD5=0:2,", ";2,S"] {
            assert_eq!(id_of(&format!("{id}{tail}")), Some(id), "{tail}");
        }
        for name in ["", "1700000000.M1P2.host", ".", &format!("{id}0:2,S"), &id.as_str().to_uppercase()] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }
}
