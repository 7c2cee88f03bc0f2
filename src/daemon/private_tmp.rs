//! Whether a folder that must last is below the /tmp that systemd gives to the unit alone (`PrivateTmp=yes`), and takes
//! away when it ends: held mail with it.

use std::path::{Path, PathBuf};

use super::DaemonError;
use crate::config::Config;

/// Refuses such a configuration.
pub(super) fn refuse(config: &Config) -> Result<(), DaemonError> {
    // Where that cannot be read, there is no PrivateTmp either.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folders = [
        ("state_dir", &config.state_dir),
        ("quarantine.path", &config.quarantine.path),
        ("backup.path", &config.backup.path),
    ];
    match folders.into_iter().find(|(_, folder)| passes(folder, &mounts)) {
        Some((key, folder)) => Err(DaemonError::Passing { key, folder: folder.clone() }),
        None => Ok(()),
    }
}

/// Whether it is on a mount that ends with the unit. `mounts` as in proc_pid_mountinfo(5).
fn passes(folder: &Path, mounts: &str) -> bool {
    let mount = |line: &str| {
        let mut fields = line.split(' ').skip(3);
        Some((fields.next()?.contains("/systemd-private-"), PathBuf::from(fields.next()?)))
    };
    let mounts = mounts.lines().filter_map(mount).filter(|(_, point)| folder.starts_with(point));
    // Of two on the same point the later one is seen.
    mounts.max_by_key(|(_, point)| point.components().count()).is_some_and(|(private, _)| private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_with_the_unit_is_told_from_what_stays() {
        let mounts = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
                      40 22 0:30 /systemd-private-ab12-mailward.service-x1/tmp /tmp rw shared:1 - tmpfs tmpfs rw\n\
                      41 22 8:1 /var/tmp/systemd-private-ab12-mailward.service-x2/tmp /var/tmp rw - ext4 /dev/sda1 rw\n\
                      42 40 8:1 /srv/held /tmp/held rw - ext4 /dev/sda1 rw\n";
        for (folder, expected) in [
            ("/tmp/q", true),
            ("/var/tmp/backup", true),
            ("/tmp/held/q", false),
            ("/var/lib/mailward", false),
            ("/tmpfiles", false),
        ] {
            assert_eq!(passes(Path::new(folder), mounts), expected, "{folder}");
        }
        assert!(!passes(
            Path::new("/tmp/q"),
            "22 1 8:1 / / rw - ext4 x rw\n30 22 0:30 / /tmp rw - tmpfs tmpfs rw\n"
        ));
    }
}
