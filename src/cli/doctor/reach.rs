//! Whether somebody can open a socket: directory by directory, as the kernel looks.

use std::io;
use std::path::{Path, PathBuf};

use super::names::{self, File, Who};

/// What keeps somebody out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Barred {
    /// The folder, or the socket itself.
    pub(super) path: PathBuf,
    pub(super) file: File,
    is_socket: bool,
}

impl Barred {
    /// A shell line that lets a group in.
    pub(super) fn mend(&self, group: &str) -> String {
        let path = names::path(&self.path);
        let mode = if self.is_socket { "g+rw" } else { "g+x" };
        if names::group(self.file.gid) == group {
            return format!("chmod {mode} {path}");
        }
        match self.is_socket {
            // What is made in a folder with the set-group-id bit gets its group.
            true => format!("chgrp {group} {path} && chmod {mode} {path}"),
            false => format!("chgrp {group} {path} && chmod g+xs {path}"),
        }
    }
}

/// The way to `socket` from `start`, which is not looked at itself: Postfix is there already.
pub(super) fn way(start: &Path, socket: &Path) -> io::Result<Vec<(PathBuf, File)>> {
    let below = socket.strip_prefix(start).unwrap_or(socket);
    let mut at = start.to_owned();
    let mut seen = Vec::new();
    for part in below {
        at.push(part);
        seen.push((at.clone(), File::of(&at)?));
    }
    Ok(seen)
}

/// The first on the way that keeps `who` out.
pub(super) fn barred(way: &[(PathBuf, File)], who: &Who) -> Option<Barred> {
    let last = way.len().checked_sub(1)?;
    way.iter().enumerate().find_map(|(at, (path, file))| {
        let is_socket = at == last;
        // connect(2) needs to write; Linux asks for nothing else.
        let bits = if is_socket { 2 } else { 1 };
        (!who.may(file, bits)).then(|| Barred { path: path.clone(), file: *file, is_socket })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postfix() -> Who {
        Who { name: "postfix".to_owned(), uid: 4_000_100, groups: vec![4_000_100] }
    }

    fn way_of(entries: &[(&str, u32, u32, u32)]) -> Vec<(PathBuf, File)> {
        entries
            .iter()
            .map(|(path, uid, gid, mode)| (path.into(), File { uid: *uid, gid: *gid, mode: *mode }))
            .collect()
    }

    #[test]
    fn the_first_folder_that_keeps_postfix_out_is_named() {
        let way = way_of(&[
            ("/q/mailward", 7, 4_000_100, 0o2750),
            ("/q/mailward/milter.sock", 7, 4_000_100, 0o660),
        ]);
        assert_eq!(barred(&way, &postfix()), None);
        let shut = way_of(&[("/q/mailward", 7, 7, 0o750), ("/q/mailward/milter.sock", 7, 7, 0o666)]);
        let barred_at = barred(&shut, &postfix()).unwrap();
        assert_eq!(barred_at.path, Path::new("/q/mailward"));
        assert_eq!(barred_at.mend("postfix"), "chgrp postfix /q/mailward && chmod g+xs /q/mailward");
    }

    #[test]
    fn a_socket_that_may_only_be_read_cannot_be_connected_to() {
        let way = way_of(&[("/q/m", 7, 7, 0o755), ("/q/m/s", 7, 4_000_100, 0o640)]);
        let barred_at = barred(&way, &postfix()).unwrap();
        assert!(barred_at.is_socket);
        assert_eq!(barred_at.mend("4000100"), "chmod g+rw /q/m/s");
        assert_eq!(barred_at.mend("postfix"), "chgrp postfix /q/m/s && chmod g+rw /q/m/s");
    }

    #[test]
    fn the_way_begins_behind_where_postfix_stands() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("m")).unwrap();
        std::fs::write(dir.path().join("m/s"), "").unwrap();
        let seen = way(dir.path(), &dir.path().join("m/s")).unwrap();
        let paths: Vec<_> = seen.into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, [dir.path().join("m"), dir.path().join("m/s")]);
        assert!(way(dir.path(), &dir.path().join("n/s")).is_err());
    }
}
