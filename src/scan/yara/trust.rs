//! Who must not be able to write rules.
//!
//! Design note: a service that can change its own rules keeps whoever took it over once. So what the
//! service user owns or can write is refused, and so is what everybody can write. A process that runs
//! as root could write anything; there the question is whether somebody who is not root can.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{AccessFlags, eaccess, getegid, geteuid, getgroups};

use super::YaraError;

const GROUP_WRITE: u32 = 0o020;
const WORLD_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The user for whom rules must not be writable.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    uid: u32,
    groups: Vec<u32>,
    /// Whether `uid` is this process, so that the system can be asked about ACLs, too.
    is_process: bool,
}

impl Trust {
    /// This process.
    pub(super) fn of_process() -> Self {
        let mut groups: Vec<u32> = getgroups().unwrap_or_default().iter().map(|g| g.as_raw()).collect();
        groups.push(getegid().as_raw());
        Self { uid: geteuid().as_raw(), groups, is_process: true }
    }

    /// Refuses a rule folder or file that is writable.
    pub(super) fn check(&self, path: &Path, meta: &Metadata) -> Result<(), YaraError> {
        self.fault(path, meta, true).map_or(Ok(()), |why| Err(refused(path, why)))
    }

    /// Refuses a folder in which the rule folder itself could be replaced by another. A sticky folder
    /// such as /tmp does not allow that.
    pub(super) fn check_above(&self, path: &Path) -> Result<(), YaraError> {
        for folder in path.ancestors().skip(1) {
            let meta = std::fs::metadata(folder)
                .map_err(|source| YaraError::Unreadable { path: folder.to_owned(), source })?;
            let is_sticky = meta.mode() & STICKY != 0 && (meta.uid() != self.uid || self.uid == 0);
            let why = self.fault(folder, &meta, false).filter(|_| !is_sticky);
            if let Some(why) = why {
                return Err(refused(folder, why));
            }
        }
        Ok(())
    }

    fn fault(&self, path: &Path, meta: &Metadata, is_rules: bool) -> Option<String> {
        let mode = meta.mode();
        if mode & WORLD_WRITE != 0 {
            return Some("everybody can write it".to_owned());
        }
        if self.uid == 0 && meta.uid() != 0 {
            return Some(format!("it belongs to the user with id {}, not to root", meta.uid()));
        }
        if self.uid == 0 {
            return (is_rules && mode & GROUP_WRITE != 0 && meta.gid() != 0)
                .then(|| format!("the group with id {} can write it", meta.gid()));
        }
        if meta.uid() == self.uid {
            return Some("it belongs to the user that mailward runs as".to_owned());
        }
        if mode & GROUP_WRITE != 0 && self.groups.contains(&meta.gid()) {
            return Some("a group of the user that mailward runs as can write it".to_owned());
        }
        (self.is_process && eaccess(path, AccessFlags::W_OK).is_ok())
            .then(|| "the user that mailward runs as can write it".to_owned())
    }

    /// A user who owns nothing: what the tests load rules as.
    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self { uid: u32::MAX - 7, groups: vec![u32::MAX - 7], is_process: false }
    }

    /// Somebody with this id, in these groups.
    #[cfg(test)]
    pub(super) fn user(uid: u32, groups: &[u32]) -> Self {
        Self { uid, groups: groups.to_vec(), is_process: false }
    }
}

fn refused(path: &Path, why: String) -> YaraError {
    YaraError::Writable { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What is said of a file of ours with this mode to a user `uid` in `groups`.
    fn verdict(mode: u32, who: impl Fn(u32, u32) -> Trust) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let meta = std::fs::metadata(file.path()).unwrap();
        who(meta.uid(), meta.gid()).check(file.path(), &meta).map_err(|e| match e {
            YaraError::Writable { why, .. } => why,
            other => other.to_string(),
        })
    }

    #[test]
    fn what_the_service_user_can_write_is_refused() {
        let stranger = |_, _| Trust::user(4711, &[4711]);
        let in_group = |_, gid| Trust::user(4711, &[4711, gid]);
        assert_eq!(verdict(0o644, stranger), Ok(()));
        assert_eq!(verdict(0o664, stranger), Ok(()), "a group of others may write");
        assert_eq!(verdict(0o644, in_group), Ok(()));
        assert_eq!(
            verdict(0o664, in_group).unwrap_err(),
            "a group of the user that mailward runs as can write it"
        );
        assert_eq!(verdict(0o646, stranger).unwrap_err(), "everybody can write it");
    }

    #[test]
    fn an_owner_who_is_not_root_is_refused_whatever_the_mode() {
        let owner = |uid: u32, gid| Trust::user(if uid == 0 { 4711 } else { uid }, &[gid]);
        let file = tempfile::NamedTempFile::new().unwrap();
        let meta = std::fs::metadata(file.path()).unwrap();
        if meta.uid() != 0 {
            assert!(verdict(0o444, owner).is_err(), "the owner could chmod it back");
        }
        assert_eq!(verdict(0o644, |_, _| Trust::user(0, &[0])), Ok(()), "root may own its rules");
    }

    #[test]
    fn root_asks_whether_others_can_write() {
        let root = |_, _| Trust::user(0, &[0]);
        assert_eq!(verdict(0o646, root).unwrap_err(), "everybody can write it");
        let gid = tempfile::NamedTempFile::new().unwrap().as_file().metadata().unwrap().gid();
        assert_eq!(verdict(0o664, root).is_ok(), gid == 0, "a group that is not root's");
    }

    #[test]
    fn a_folder_above_in_which_all_may_rename_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let rules = outer.path().join("rules");
        std::fs::create_dir(&rules).unwrap();
        let set =
            |mode| std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o755);
        assert!(Trust::nobody().check_above(&rules).is_ok());
        set(0o777);
        assert!(matches!(Trust::nobody().check_above(&rules), Err(YaraError::Writable { .. })));
        set(0o1777);
        assert!(Trust::nobody().check_above(&rules).is_ok(), "nobody can replace what is another's there");
    }
}
