//! Reading a backup: whole and unchanged, or not at all.
//!
//! Whoever made the file may mean us ill until its sums fit, and where he made them too: what is kept in memory is bounded
//! whatever it says of its lengths, and nothing of it acts on a terminal.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Component, Path};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::manifest::{FOLDER, MANIFEST, MAX_MANIFEST, Manifest, SUMS};
use super::{BackupError, at};
use crate::model::text;

/// Of any other file.
const NOT_OURS: &str = "is no backup of mailward";

/// A name in it is shorter, in bytes.
const MAX_NAME: usize = 500;
/// It has fewer members: a quarantine of two million messages. Sixteen bytes are kept of each.
const MAX_MEMBERS: u64 = 5_000_000;
/// What a backup says of itself is cut here, in characters.
const MAX_SAID: usize = 100;

/// A backup that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its members, without manifest and sums.
    pub members: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a member could not be taken.
pub(super) enum Stop {
    /// It cannot be read.
    Garbled(String),
    /// Whoever takes it failed.
    Taker(BackupError),
}

impl From<BackupError> for Stop {
    fn from(error: BackupError) -> Self {
        Self::Taker(error)
    }
}

/// Reads a backup to its end, packed by gzip or not, and compares every sum. Blocks.
///
/// # Errors
/// If it is none, was cut or changed, or was made by a later version.
pub fn check(path: &Path) -> Result<Checked, BackupError> {
    check_open(path, &File::open(path).map_err(at(path, "opening it"))?)
}

/// As [`check`], of a file that is open.
pub(super) fn check_open(path: &Path, file: &File) -> Result<Checked, BackupError> {
    walk(path, file, |_, _, member| {
        io::copy(member, &mut io::sink()).map_err(|e| Stop::Garbled(e.to_string()))?;
        Ok(())
    })
}

/// Gives each member – its name and length, and what it holds – to `take`, which reads it to its end. What was given is
/// good only if this returns `Ok`.
pub(super) fn walk(
    path: &Path,
    file: &File,
    take: impl FnMut(&str, u64, &mut dyn Read) -> Result<(), Stop>,
) -> Result<Checked, BackupError> {
    walk_within(MAX_MEMBERS, path, file, take)
}

/// As [`walk`], of a backup with so many members at the most.
pub(super) fn walk_within(
    most: u64,
    path: &Path,
    mut file: &File,
    mut take: impl FnMut(&str, u64, &mut dyn Read) -> Result<(), Stop>,
) -> Result<Checked, BackupError> {
    let unusable = |what: String| BackupError::Unusable { path: path.to_owned(), what };
    // Until it has said what it is, it may be any file: nothing of it is shown.
    let known_as_ours = Cell::new(false);
    let cut = |why: &str| {
        let why = text::line(why, 200);
        unusable(if known_as_ours.get() {
            format!("was cut or changed ({why})")
        } else {
            NOT_OURS.to_owned()
        })
    };
    let garbled = |e: io::Error| cut(&e.to_string());
    file.seek(SeekFrom::Start(0)).map_err(at(path, "reading it"))?;
    let mut magic = [0; 2];
    let packed = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0)).map_err(at(path, "reading it"))?;
    let file = BufReader::with_capacity(128 * 1024, file);
    let raw: Box<dyn Read> =
        if packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut tar = tar::Archive::new(raw);
    let foreign = || {
        let ours = known_as_ours.get();
        unusable(if ours { "holds what no backup of mailward holds" } else { NOT_OURS }.to_owned())
    };
    let mut sums = Sums::default();
    let mut names = HashSet::new();
    let mut long_name: Option<Vec<u8>> = None;
    let mut manifest: Option<Manifest> = None;
    let mut checked: Option<Checked> = None;
    let (mut members, mut bytes) = (0, 0);
    // Raw: the crate would read what stands for a long name, or for anything else that a header may be about, into memory
    // whatever its length.
    for entry in tar.entries().map_err(garbled)?.raw(true) {
        let mut entry = entry.map_err(garbled)?;
        if checked.is_some() {
            return Err(unusable("has something behind its end".to_owned()));
        }
        if entry.header().entry_type().is_gnu_longname() {
            if long_name.is_some() || entry.size() > MAX_NAME as u64 {
                return Err(foreign());
            }
            let mut name = Vec::new();
            entry.read_to_end(&mut name).map_err(garbled)?;
            long_name = Some(name);
            continue;
        }
        let own_name = entry.header().path_bytes();
        let name = long_name.take().map_or(own_name, Cow::Owned);
        let name = std::str::from_utf8(name.strip_suffix(b"\0").unwrap_or(&name)).ok();
        let name =
            name.and_then(member).filter(|_| entry.header().entry_type().is_file()).ok_or_else(foreign)?;
        let size = entry.size();
        if name == SUMS {
            let mut said = Summed { from: &mut entry, sum: Sha256::new(), count: 0 };
            io::copy(&mut said, &mut io::sink()).map_err(garbled)?;
            let manifest = manifest.take().ok_or_else(|| unusable(NOT_OURS.to_owned()))?;
            if said.sum.finalize() != sums.0.clone().finalize() {
                return Err(unusable("was changed: its sums do not fit".to_owned()));
            }
            checked = Some(Checked { manifest, members, bytes });
            continue;
        }
        let mut summed = Summed { from: &mut entry, sum: Sha256::new(), count: 0 };
        if manifest.is_none() {
            if name != MANIFEST || size > MAX_MANIFEST {
                return Err(unusable(NOT_OURS.to_owned()));
            }
            let mut json = Vec::new();
            summed.read_to_end(&mut json).map_err(garbled)?;
            manifest = Some(known(path, &json)?);
            known_as_ours.set(true);
        } else if members == most {
            return Err(unusable(format!("holds more than {most} files")));
        } else if !names.insert(short(&name)) {
            return Err(unusable(format!("holds {name} twice")));
        } else {
            take(&name, size, &mut summed).map_err(|stop| match stop {
                Stop::Garbled(why) => cut(&why),
                Stop::Taker(error) => error,
            })?;
            members += 1;
            bytes += size;
        }
        if summed.count != size {
            return Err(unusable(format!("was cut: {name} is too short")));
        }
        sums.add(&summed.sum.finalize(), &name);
    }
    checked.ok_or_else(|| {
        let cut = "was cut, or is still being written: its end is missing";
        unusable(if known_as_ours.get() { cut } else { NOT_OURS }.to_owned())
    })
}

/// The manifest, if this version knows what it means.
fn known(path: &Path, json: &[u8]) -> Result<Manifest, BackupError> {
    #[derive(serde::Deserialize)]
    struct Least {
        format: u32,
        version: String,
    }
    // It may repeat what stands there.
    let unusable = |e: serde_json::Error| BackupError::Unusable {
        path: path.to_owned(),
        what: format!("has a manifest that is not understood: {}", text::line(&e.to_string(), 200)),
    };
    let least: Least = serde_json::from_slice(json).map_err(unusable)?;
    let version = text::line(&least.version, MAX_SAID);
    let newer = |version: String| BackupError::Newer { path: path.to_owned(), version };
    if least.format > super::manifest::FORMAT {
        return Err(newer(version));
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(unusable)?;
    if manifest.is_newer() {
        return Err(newer(version));
    }
    // They go to a terminal and into the journal.
    let host = text::line(&manifest.host, MAX_SAID);
    Ok(Manifest { host, version, ..manifest })
}

/// The name of a member in our folder, which leads nowhere else.
fn member(path: &str) -> Option<String> {
    let name = path.strip_prefix(FOLDER)?;
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let canonical = !name.is_empty() && !name.ends_with('/') && !name.contains("//") && !name.contains("/./");
    (plain && canonical && name.len() < MAX_NAME && !name.chars().any(char::is_control))
        .then(|| name.to_owned())
}

/// Names a member among the others: nobody finds two names that have the same one.
fn short(name: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(Sha256::digest(name)).for_each(|(to, byte)| *to = byte);
    short
}

/// What [`SUMS`] must say, as far as has been read: the sum of its text.
#[derive(Default)]
struct Sums(Sha256);

impl Sums {
    fn add(&mut self, sum: &[u8], name: &str) {
        self.0.update(format!("{}  {name}\n", data_encoding::HEXLOWER.encode(sum)));
    }
}

struct Summed<R> {
    from: R,
    sum: Sha256,
    count: u64,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        self.sum.update(&into[..n]);
        self.count += n as u64;
        Ok(n)
    }
}
