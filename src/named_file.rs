//! Files that a setting names, opened so that nobody waits for them.
//!
//! **Contract.** [`open`] gives a regular file or an error, at once; [`read`] takes no more of it than it is told. Who
//! writes a setting, or may put a file where one points, does not hold up a start, a reload or a look at the
//! configuration: to open a FIFO waits for its writer, to open a device may do something, and what the kernel makes up
//! calls itself a regular file and may never come to an end (`/proc/kmsg`).
//!
//! **Failures.** [`io::Error`]s, as the system gives them; those of kind [`Other`](io::ErrorKind::Other) are ours and
//! say in words what the file is.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::statfs::{
    DEBUGFS_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs, statfs,
};

/// Where no file lies on a disk.
const MADE_UP: [FsType; 4] = [PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC];

/// Whether the file can be opened as [`open`] does, as far as can be told without that.
///
/// # Errors
/// If it cannot be looked at, or is something else.
pub fn check(path: &Path) -> io::Result<()> {
    regular(std::fs::metadata(path)?.is_file())?;
    on_disk(statfs(path)?.filesystem_type())
}

/// Opens a regular file for reading.
///
/// # Errors
/// If it cannot be opened, or is something else.
pub fn open(path: &Path) -> io::Result<File> {
    // Before it is opened, because that alone may do something; and of what was opened, because somebody may have put
    // another thing in its place meanwhile.
    check(path)?;
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    regular(file.metadata()?.is_file())?;
    on_disk(fstatfs(&file)?.filesystem_type())?;
    Ok(file)
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// If it cannot be read, is something else, or is larger.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

fn regular(is_file: bool) -> io::Result<()> {
    is_file.then_some(()).ok_or_else(|| io::Error::other("it is no regular file"))
}

fn on_disk(kind: FsType) -> io::Result<()> {
    if MADE_UP.contains(&kind) {
        return Err(io::Error::other("it is no file on a disk: the kernel makes it up while it is read"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn said(path: &Path) -> String {
        let (looked, opened) = (check(path).unwrap_err().to_string(), open(path).unwrap_err().to_string());
        assert_eq!(looked, opened);
        assert_eq!(read(path, 10).unwrap_err().to_string(), opened);
        opened
    }

    #[test]
    fn nobody_waits_for_what_is_no_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let link = folder.path().join("link");
        symlink(&fifo, &link).unwrap();
        for odd in [&fifo, &link, Path::new("/dev/zero"), folder.path()] {
            assert_eq!(said(odd), "it is no regular file", "{}", odd.display());
        }
        // Root alone may open /proc/kmsg, and would wait for the next line of the kernel.
        for made_up in ["/proc/self/status", "/proc/kmsg", "/sys/kernel/mm/transparent_hugepage/enabled"] {
            let link = folder.path().join(made_up.replace('/', "-"));
            symlink(made_up, &link).unwrap();
            if std::fs::metadata(made_up).is_ok() {
                let expected = "it is no file on a disk: the kernel makes it up while it is read";
                assert_eq!([said(Path::new(made_up)), said(&link)], [expected; 2], "{made_up}");
            }
        }
        assert!(said(&folder.path().join("none")).starts_with("No such file"));
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"0123456789");
        assert_eq!(read(&path, 9).unwrap_err().to_string(), "it is larger than 9 bytes");
        std::fs::write(&path, "").unwrap();
        assert_eq!(read(&path, 0).unwrap(), b"");
    }
}
