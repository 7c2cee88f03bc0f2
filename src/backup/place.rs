//! Files under their name: whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that has its name only when it is whole. Dropped before, nothing of it is left.
#[derive(Debug)]
pub struct Unnamed {
    path: PathBuf,
    aside: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Unnamed {
    /// Begins a file, for its owner alone, that shall be called `path`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A name that nobody can have put a file of theirs under beforehand.
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| io::Error::other("the machine gives no random numbers"))?;
        let aside = path.with_file_name(format!(".{name}.{:016x}.part", u64::from_ne_bytes(random)));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        Ok(Self { path: path.to_owned(), aside, file: Some(BufWriter::with_capacity(128 * 1024, file)) })
    }

    /// It is whole: on disk under its name when this returns. With `over`, in place of another one.
    ///
    /// # Errors
    /// If it cannot be written or synced, or something has that name and `over` is not set.
    pub fn finish(mut self, over: bool) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        if over {
            fs::rename(&self.aside, &self.path)?;
        } else {
            // A link is refused where a rename would take the place of what came there meanwhile.
            fs::hard_link(&self.aside, &self.path)?;
            fs::remove_file(&self.aside)?;
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        // Renamed already, or not worth keeping.
        drop(fs::remove_file(&self.aside));
    }
}

/// A name beside `path` that is free: `audit.before-restore-2026-11-20`, or with `-2` and so on.
pub(super) fn aside(path: &Path, day: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    free(&path.with_file_name(format!("{name}.before-restore-{day}")))
}

/// The name itself, or with `-2` and so on where that is taken.
pub(super) fn free(plain: &Path) -> PathBuf {
    let name = plain.file_name().unwrap_or_default().to_string_lossy();
    let numbered = (2..).map(|n| plain.with_file_name(format!("{name}-{n}")));
    let mut all = std::iter::once(plain.to_owned()).chain(numbered);
    all.find(|path| fs::symlink_metadata(path).is_err()).unwrap_or_else(|| plain.to_owned())
}
