//! A restore by root is made with the rights of the owner of state_dir.
//!
//! Everything in state_dir and in the quarantine can be replaced by that user at any time, by links too: whoever
//! followed one with root's rights would write wherever that user likes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, geteuid, setgid, setgroups, setuid};

use super::{BackupError, at};

/// From here on this process is the owner of `state_dir`, for good, and what it makes is for that user and its group.
pub(super) fn become_owner(state_dir: &Path) -> Result<(), BackupError> {
    umask(Mode::from_bits_truncate(0o027));
    let owner = fs::metadata(state_dir).map_err(at(state_dir, "looking at it"))?;
    if !geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    let failed = |errno: nix::Error| at(state_dir, "taking on the rights of its owner")(errno.into());
    let group = Gid::from_raw(owner.gid());
    setgroups(&[group]).map_err(failed)?;
    setgid(group).map_err(failed)?;
    setuid(Uid::from_raw(owner.uid())).map_err(failed)
}
