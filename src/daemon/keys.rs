//! Keys of this installation: made at first start, kept in `state_dir/keys`, mode 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a key.
const LEN: usize = 32;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the key file {path} cannot be {what}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// `read` or `written`.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// What is in the file is no key.
    #[error(
        "the key file {0} does not hold 64 hexadecimal digits; restore it, or move it away to have a new key made"
    )]
    Malformed(PathBuf),
    /// Others may read it.
    #[error("the key file {0} can be read by others; run: chmod 600 {0}")]
    Open(PathBuf),
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers")]
    Random,
}

/// The key called `name`, read from `folder` or made there.
///
/// # Errors
/// If it can be neither read nor made, is malformed, or is readable by others.
pub(super) fn load_or_make(folder: &Path, name: &str) -> Result<[u8; LEN], KeyError> {
    let path = folder.join(format!("{name}.key"));
    match fs::read_to_string(&path) {
        Ok(text) => {
            let mode = fs::metadata(&path).map_err(|e| io_error(&path, "read", e))?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(KeyError::Open(path));
            }
            parse(&text).ok_or(KeyError::Malformed(path))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => make(folder, &path),
        Err(e) => Err(io_error(&path, "read", e)),
    }
}

fn parse(text: &str) -> Option<[u8; LEN]> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()?.try_into().ok()
}

fn make(folder: &Path, path: &Path) -> Result<[u8; LEN], KeyError> {
    let mut key = [0; LEN];
    getrandom::fill(&mut key).map_err(|_| KeyError::Random)?;
    let written = |e| io_error(path, "written", e);
    fs::create_dir_all(folder).map_err(written)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(written)?;
    // Under another name first: a key cut short by a power failure must not look like one.
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(written)?;
    writeln!(file, "{}", data_encoding::HEXLOWER.encode(&key)).map_err(written)?;
    file.sync_all().map_err(written)?;
    fs::rename(&unfinished, path).map_err(written)?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(written)?;
    Ok(key)
}

fn io_error(path: &Path, what: &'static str, source: io::Error) -> KeyError {
    KeyError::Io { path: path.to_owned(), what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let first = load_or_make(&folder, "quarantine").unwrap();
        assert_eq!(load_or_make(&folder, "quarantine").unwrap(), first);
        assert_ne!(load_or_make(&folder, "other").unwrap(), first);
        let path = folder.join("quarantine.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_make(&folder, "quarantine"), Err(KeyError::Open(_))));
    }

    #[test]
    fn a_damaged_key_is_not_replaced_silently() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quarantine.key");
        fs::write(&path, "abc").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_make(dir.path(), "quarantine"), Err(KeyError::Malformed(_))));
    }
}
