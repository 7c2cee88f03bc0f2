//! Users and groups of this machine, and paths as a shell takes them.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

/// Who opens a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) uid: u32,
    /// All groups, the first one included.
    pub(super) groups: Vec<u32>,
}

impl Who {
    /// The user of this name; `None` if there is none here.
    pub(super) fn named(name: &str) -> Option<Self> {
        let user = User::from_name(name).ok()??;
        Some(Self::of(user))
    }

    /// The user of this number; `None` if there is none here.
    pub(super) fn numbered(uid: u32) -> Option<Self> {
        User::from_uid(Uid::from_raw(uid)).ok()?.map(Self::of)
    }

    fn of(user: User) -> Self {
        let groups = CString::new(user.name.as_str())
            .ok()
            .and_then(|name| nix::unistd::getgrouplist(&name, user.gid).ok());
        let groups = groups.unwrap_or_else(|| vec![user.gid]).into_iter().map(Gid::as_raw).collect();
        Self { name: user.name, uid: user.uid.as_raw(), groups }
    }

    /// Who runs this.
    pub(super) fn me() -> Self {
        let uid = Uid::effective();
        let known = User::from_uid(uid).ok().flatten().map(Self::of);
        known.unwrap_or_else(|| Self {
            name: uid.to_string(),
            uid: uid.as_raw(),
            groups: vec![Gid::effective().as_raw()],
        })
    }

    pub(super) const fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the mode of a file lets it do `bits` (4 read, 2 write, 1 search).
    pub(super) fn may(&self, file: &File, bits: u32) -> bool {
        if self.is_root() {
            return true;
        }
        let shift = if self.uid == file.uid {
            6
        } else if self.groups.contains(&file.gid) {
            3
        } else {
            0
        };
        file.mode >> shift & bits == bits
    }
}

/// Of a file, what permissions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
}

impl File {
    /// # Errors
    /// What the system says.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        fs::metadata(path).map(|found| Self::from(&found))
    }

    /// `0640 mailward:postfix`.
    pub(super) fn shown(self) -> String {
        format!("{:04o} {}:{}", self.mode & 0o7777, user(self.uid), group(self.gid))
    }
}

impl From<&fs::Metadata> for File {
    fn from(found: &fs::Metadata) -> Self {
        Self { uid: found.uid(), gid: found.gid(), mode: found.mode() }
    }
}

/// The name of a user, or its number.
pub(super) fn user(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// The name of a group, or its number.
pub(super) fn group(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}

/// As a shell takes it.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path as a shell takes it.
pub(super) fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_what_it_was_given() {
        assert_eq!(quoted("/etc/x-1.toml"), "/etc/x-1.toml");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's; rm *"), r"'it'\''s; rm *'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_first_class_that_fits_decides_as_in_the_kernel() {
        let file = |mode| File { uid: 10, gid: 20, mode };
        let who = |uid, groups: &[u32]| Who { name: "x".to_owned(), uid, groups: groups.to_vec() };
        assert!(who(10, &[]).may(&file(0o600), 6));
        // An owner without rights has none, whatever its group may.
        assert!(!who(10, &[20]).may(&file(0o060), 4));
        assert!(who(11, &[5, 20]).may(&file(0o060), 6));
        assert!(!who(11, &[20]).may(&file(0o007), 1));
        assert!(who(11, &[21]).may(&file(0o001), 1));
        assert!(who(0, &[]).may(&file(0), 7));
    }
}
