//! The folder of all copies.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::{CopyError, failed};
use super::load::{Fault, load};
use super::{Checked, LastGood, Source, Validators};
use crate::feed::index::FeedKeys;
use crate::feed::keys::Keyer;
use crate::model::Timestamp;

/// `state_dir/feeds`.
#[derive(Clone, Debug)]
pub struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    /// Makes the folder where it is missing, and removes what a crash left half written. Blocks.
    ///
    /// # Errors
    /// If it cannot be made or read.
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("cannot make the folder", path))?;
        let read = fs::read_dir(path).map_err(failed("cannot read the folder", path))?;
        for file in read.flatten() {
            if file.path().extension().is_some_and(|e| e == "new") {
                fs::remove_file(file.path()).map_err(failed("cannot remove", &file.path()))?;
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    /// A folder that is only read: nothing is made or removed.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn file(&self, feed: &str, extension: &str) -> PathBuf {
        self.path.join(format!("{feed}.{extension}"))
    }

    /// A file for a body that is being fetched: it has no name, and is gone when it is closed. Blocks.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn body(&self, feed: &str) -> Result<File, CopyError> {
        let path = self.file(feed, "body.new");
        let file = created(&path).map_err(failed("cannot make", &path))?;
        fs::remove_file(&path).map_err(failed("cannot remove", &path))?;
        Ok(file)
    }

    /// Reads the copy of a feed: `None` if there is none, or if it comes from elsewhere. Blocks.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged; it was put aside then.
    pub fn load(&self, source: &Source, keyer: &Keyer) -> Result<Option<(LastGood, FeedKeys)>, CopyError> {
        self.read(source, keyer).or_else(|error| match error {
            CopyError::Broken { feed, why, path } => {
                let aside = self.file(&feed, "damaged");
                fs::rename(&path, &aside).map_err(failed("cannot put aside", &path))?;
                Err(CopyError::Damaged { feed, why, aside })
            }
            error => Err(error),
        })
    }

    /// Reads it and leaves everything as it is.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn read(&self, source: &Source, keyer: &Keyer) -> Result<Option<(LastGood, FeedKeys)>, CopyError> {
        let path = self.file(&source.feed, "entries");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot open", &path)(error)),
        };
        match load(file, &path, source, keyer) {
            Ok(None) => Ok(None),
            Ok(Some((mut copy, keys))) => {
                let checked = fs::read(self.file(&source.feed, "checked")).ok();
                let checked = checked.and_then(|bytes| serde_json::from_slice::<Checked>(&bytes).ok());
                if let Some(checked) = checked.filter(|checked| checked.crc == copy.crc) {
                    copy.checked = checked.checked;
                    copy.validators = checked.validators;
                }
                Ok(Some((copy, keys)))
            }
            Err(Fault::Read(error)) => Err(failed("cannot read", &path)(error)),
            Err(Fault::Damaged(why)) => Err(CopyError::Broken { feed: source.feed.clone(), why, path }),
        }
    }

    /// Writes down that the publisher says, at `at`, that nothing has changed. Blocks.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn confirm(&self, copy: &LastGood, at: Timestamp, validators: &Validators) -> Result<(), CopyError> {
        let checked = Checked { crc: copy.crc, checked: at, validators: validators.clone() };
        let path = self.file(&copy.header.source.feed, "checked");
        let temporary = self.file(&copy.header.source.feed, "checked.new");
        let written = serde_json::to_vec(&checked).map_err(io::Error::from).and_then(|bytes| {
            let mut file = created(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_data()?;
            fs::rename(&temporary, &path)
        });
        written.map_err(failed("cannot write", &path))
    }
}

pub(super) fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}
