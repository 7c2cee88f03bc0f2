//! What can go wrong with held mail.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::model::MailId;

/// Why something was not stored, read or removed. Towards the MTA each is a tempfail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuarantineError {
    /// A directory is not what it must be; an admin has to change it.
    #[error("the quarantine {} cannot be used: {why}", .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// A sentence that says what to do.
        why: String,
    },
    /// Another process owns it.
    #[error(
        "another process has the quarantine {} open; stop it first, or ask it through its admin socket",
        .path.display()
    )]
    InUse {
        /// The quarantine.
        path: PathBuf,
    },
    /// There is no room, by our own limits.
    #[error("message {id} cannot be held, because the quarantine {} is full: {why}", .path.display())]
    Full {
        /// The message that was not stored.
        id: MailId,
        /// The quarantine.
        path: PathBuf,
        /// Which limit, and what to do.
        why: String,
    },
    /// The operating system refused.
    #[error("{doing}{} failed at {}: {cause}; {}", of(*.id), .path.display(), advice(.cause, .path))]
    Io {
        /// What was tried, as in `writing the meta file`.
        doing: &'static str,
        /// For which entry.
        id: Option<MailId>,
        /// At which file or directory.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A meta file is damaged.
    #[error(
        "the meta file {} cannot be understood: {why}; restore it from a backup, or move it and its message away",
        .path.display()
    )]
    BrokenMeta {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No meta file can be made of what is known of the message.
    #[error("message {id} cannot be held, because no meta file can be written for it: {why}")]
    Unwritable {
        /// The message that was not stored.
        id: MailId,
        /// Why.
        why: String,
    },
    /// Two messages have the same id.
    #[error("message {0} cannot be held, because another message is held under the same id")]
    IdTaken(MailId),
    /// No such entry.
    #[error("nothing is held under the id {0}: it was never held, was deleted, or its time was over")]
    NotHeld(MailId),
    /// It is held, for others.
    #[error("{id} is not held for {recipient}; see `mailward quarantine show {id}` for whom it is")]
    NotFor {
        /// The entry.
        id: MailId,
        /// For whom it was asked.
        recipient: String,
    },
}

impl QuarantineError {
    /// There is no room, by our limits or on the file system.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io { cause, .. } => {
                matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            Self::Unusable { .. }
            | Self::InUse { .. }
            | Self::BrokenMeta { .. }
            | Self::Unwritable { .. }
            | Self::IdTaken(_)
            | Self::NotHeld(_)
            | Self::NotFor { .. } => false,
        }
    }

    /// The bounded word for logs: `full`, `io`, `unusable`, `in-use`, `meta`, `id`, `not-held`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Io { .. } if self.is_full() => "full",
            Self::Full { .. } => "full",
            Self::Io { .. } => "io",
            Self::Unusable { .. } => "unusable",
            Self::InUse { .. } => "in-use",
            Self::BrokenMeta { .. } | Self::Unwritable { .. } => "meta",
            Self::IdTaken(_) => "id",
            Self::NotHeld(_) | Self::NotFor { .. } => "not-held",
        }
    }
}

/// For `map_err`: an I/O error with what was tried, for whom and where.
pub(super) fn io<'a>(
    doing: &'static str,
    id: impl Into<Option<MailId>>,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> QuarantineError + 'a {
    let id = id.into();
    move |cause| QuarantineError::Io { doing, id, path: path.to_owned(), cause }
}

fn of(id: Option<MailId>) -> String {
    id.map_or_else(String::new, |id| format!(" of {id}"))
}

fn advice(cause: &io::Error, path: &Path) -> &'static str {
    // ProtectHome=yes of the unit.
    let hidden = ["/home", "/root", "/run/user"].iter().any(|home| path.starts_with(home));
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room on that file system, or keep less (quarantine.max_size, quarantine.keep)"
        }
        ErrorKind::PermissionDenied | ErrorKind::NotFound if hidden => {
            "the unit hides /home, /root and /run/user (ProtectHome=); choose another path"
        }
        ErrorKind::PermissionDenied => "it must belong to the user that mailward runs as",
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            "somebody changed the quarantine's directories; restart mailward to have them checked"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only, often after a disk error (see the kernel log), or the unit does \
             not allow it: systemctl edit mailward, [Service] ReadWritePaths= with quarantine.path"
        }
        _ => "see the kernel log for errors of this disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ENOSPC` on every Unix that we know.
    const NO_SPACE: i32 = 28;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let path = Path::new("/q/tmp/x");
        let id = MailId::from_parts(0, 0);
        let full = io("writing the message", id, path)(io::Error::from_raw_os_error(NO_SPACE));
        let denied = io("writing the message", None, path)(ErrorKind::PermissionDenied.into());
        let denied_by_unit = |kind: ErrorKind, path: &str| {
            io("making the directory", None, Path::new(path))(kind.into()).to_string()
        };
        let home = denied_by_unit(ErrorKind::PermissionDenied, "/home/q");
        assert!(home.ends_with("(ProtectHome=); choose another path"), "{home}");
        let read_only = denied_by_unit(ErrorKind::ReadOnlyFilesystem, "/srv/q");
        assert!(read_only.contains("[Service] ReadWritePaths="), "{read_only}");
        assert!(full.is_full());
        assert_eq!(full.label(), "full");
        assert!(!denied.is_full());
        assert_eq!(
            full.to_string(),
            "writing the message of 000000000000000000 failed at /q/tmp/x: No space left on device \
             (os error 28); make room on that file system, or keep less (quarantine.max_size, \
             quarantine.keep)"
        );
        assert_eq!(
            denied.to_string(),
            "writing the message failed at /q/tmp/x: permission denied; it must belong to the user \
             that mailward runs as"
        );
    }
}
