//! Files of feeds that are configured no more.
//!
//! They are not removed at once: whoever turns a section off for an hour has its last good copy back when he
//! turns it on again. From when a feed is gone stands in `NAME.removed`, so that restarts do not matter.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::error::{CopyError, failed};
use super::folder::{Folder, created};
use crate::feed::wait::later;
use crate::model::Timestamp;

/// For how long the files of a feed stay after it has gone from the configuration.
pub(in crate::feed) const KEPT: Duration = Duration::from_secs(7 * 86_400);
/// What a feed may have on disk.
const OF_A_FEED: [&str; 3] = ["entries", "checked", "damaged"];
/// Since when it is not configured.
const REMOVED: &str = "removed";

/// A feed that has files and is not configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The name it had.
    pub name: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// When its files are removed; unknown until it was noticed that it has gone.
    pub until: Option<Timestamp>,
}

impl Folder {
    /// What is there of feeds that are not `configured`, by name. Blocks.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn leftovers(&self, configured: &dyn Fn(&str) -> bool) -> Result<Vec<Leftover>, CopyError> {
        let names = self.names()?.into_iter().filter(|name| !configured(name));
        let leftover = |name: String| {
            let size =
                |extension: &&str| fs::metadata(self.file(&name, extension)).map_or(0, |meta| meta.len());
            let bytes = OF_A_FEED.iter().map(size).sum();
            Leftover { bytes, until: self.gone_since(&name).map(|since| later(since, KEPT)), name }
        };
        Ok(names.map(leftover).collect())
    }

    /// Notes which feeds have gone and which are back, and removes what belongs to those that went long ago.
    /// Returns the names of these. Blocks.
    ///
    /// # Errors
    /// If something cannot be written or removed; the rest is done then.
    pub fn tidy(&self, configured: &dyn Fn(&str) -> bool, now: Timestamp) -> Result<Vec<String>, CopyError> {
        let (mut forgotten, mut first_error) = (Vec::new(), Ok(()));
        for name in self.names()? {
            let done = match (configured(&name), self.gone_since(&name)) {
                (true, _) => self.remove(&name, REMOVED).map(|()| false),
                (false, Some(since)) if now.since(since) > KEPT => self.forget(&name).map(|()| true),
                // The clock was set back: it counts from now.
                (false, Some(since)) if since <= now => Ok(false),
                (false, _) => self.note_gone(&name, now).map(|()| false),
            };
            match done {
                Ok(true) => forgotten.push(name),
                Ok(false) => {}
                Err(error) => first_error = first_error.and(Err(error)),
            }
        }
        first_error.map(|()| forgotten)
    }

    /// Removes what is kept of a feed. Blocks.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn forget(&self, feed: &str) -> Result<(), CopyError> {
        // The note last: a crash in between leaves something that is tidied the next time.
        OF_A_FEED.iter().chain([&REMOVED]).try_for_each(|extension| self.remove(feed, extension))
    }

    fn remove(&self, feed: &str, extension: &str) -> Result<(), CopyError> {
        let path = self.file(feed, extension);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Names that files here belong to. Files of other kinds are not ours.
    fn names(&self) -> Result<BTreeSet<String>, CopyError> {
        let read = fs::read_dir(&self.path).map_err(failed("cannot read the folder", &self.path))?;
        let ours = |extension: &str| extension == REMOVED || OF_A_FEED.contains(&extension);
        let name = |file: fs::DirEntry| {
            let file = file.file_name().into_string().ok()?;
            let (name, extension) = file.rsplit_once('.')?;
            (ours(extension) && !name.is_empty()).then(|| name.to_owned())
        };
        Ok(read.flatten().filter_map(name).collect())
    }

    fn gone_since(&self, feed: &str) -> Option<Timestamp> {
        serde_json::from_slice(&fs::read(self.file(feed, REMOVED)).ok()?).ok()
    }

    fn note_gone(&self, feed: &str, now: Timestamp) -> Result<(), CopyError> {
        let path = self.file(feed, REMOVED);
        let note = serde_json::to_vec(&now).map_err(io::Error::from);
        note.and_then(|note| created(&path)?.write_all(&note)).map_err(failed("cannot write", &path))
    }
}
