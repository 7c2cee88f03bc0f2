//! Room: on disk for what is held, recorded and queued; in memory for mail in work; in file descriptors for
//! connections.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::look::Look;
use super::sheet::Sheet;
use crate::cli::output::bytes;
use crate::config::Config;

/// What each connection, scanner, file and socket needs besides the connections of MTAs.
const OTHER_FILES: u64 = 500;
/// What the daemon takes besides the mail that it holds: rules, feeds, the database's cache.
const OTHER_MEMORY: u64 = 512 << 20;

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    /// Bytes that who is not root may still use.
    free: u64,
    all: u64,
    /// Files that can still be made; `None`: as many as there is room for.
    files: Option<u64>,
    read_only: bool,
    id: u64,
}

impl Room {
    /// Of the file system with `path`, or what of it there is.
    fn at(path: &Path) -> Result<Self, String> {
        let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let found = statvfs(there).map_err(|error| format!("{}: {error}", there.display()))?;
        let size = found.fragment_size();
        Ok(Self {
            free: found.blocks_available().saturating_mul(size),
            all: found.blocks().saturating_mul(size),
            files: (found.files() > 0).then(|| found.files_available()),
            read_only: found.flags().contains(FsFlags::ST_RDONLY),
            id: found.filesystem_id(),
        })
    }
}

pub(super) fn look(sheet: &mut Sheet, look: &Look) {
    let config = look.config();
    let mut rooms: Vec<(&str, PathBuf, u64)> = vec![
        ("state_dir", config.state_dir.clone(), config.audit.max_size.0 / 10),
        ("quarantine.path", config.quarantine.path.clone(), config.quarantine.min_free.0),
    ];
    let queue = look.postfix().ok().map(|postfix| (postfix.queue(), queue_needs(look)));
    rooms.extend(queue.map(|(queue, needs)| ("Postfix's queue", queue, needs)));
    let mut ids = Vec::new();
    for (name, path, needs) in rooms {
        match Room::at(&path) {
            Ok(room) => {
                judge(sheet, name, &path, room, needs);
                ids.push((name, room));
            }
            Err(why) => sheet.unseen("room", format!("{name}: {why}")),
        }
    }
    shared(sheet, look, &config, &ids);
    process(sheet, look, &config);
}

/// Postfix takes no mail below this.
fn queue_needs(look: &Look) -> u64 {
    let Ok(postfix) = look.postfix() else { return 0 };
    let number = |name: &str| postfix.get(name).parse::<u64>().unwrap_or(0);
    number("queue_minfree").max(number("message_size_limit").saturating_mul(3) / 2)
}

fn judge(sheet: &mut Sheet, name: &str, path: &Path, room: Room, needs: u64) {
    let shown = path.display();
    let find = || Some(format!("du -xh --max-depth=2 {} | sort -h | tail", super::names::path(path)));
    if room.read_only {
        let text = format!(
            "{shown} ({name}) is on a file system that is mounted read-only: nothing can be secured, so no mail is taken"
        );
        return sheet.error(
            "read_only",
            text,
            Some(format!("mount -o remount,rw $(findmnt -n -o TARGET -T {})", super::names::path(path))),
        );
    }
    if room.free < needs {
        let text = format!(
            "{shown} ({name}) has {} free and needs {}: below that mail is answered 4xx",
            bytes(room.free),
            bytes(needs)
        );
        return sheet.error("room", text, find());
    }
    if room.files.is_some_and(|files| files < 1000) {
        let text = format!(
            "{shown} ({name}) has room for {} more files (inodes): then nothing can be stored",
            room.files.unwrap_or(0)
        );
        return sheet.error("inodes", text, Some(format!("df -i {}", super::names::path(path))));
    }
    if room.free < needs.saturating_mul(2) || room.free < room.all / 20 {
        let text = format!("{shown} ({name}) has only {} free of {}", bytes(room.free), bytes(room.all));
        return sheet.warning("room", text, find());
    }
    sheet.ok("room", format!("{shown} ({name}) has {} free", bytes(room.free)));
}

/// What may grow must not starve its neighbours.
fn shared(sheet: &mut Sheet, look: &Look, config: &Config, rooms: &[(&str, Room)]) {
    let of = |name: &str| rooms.iter().find(|(named, _)| *named == name).map(|(_, room)| *room);
    let Some(quarantine) = of("quarantine.path") else { return };
    let may_grow = config.quarantine.max_size.0;
    if may_grow > quarantine.free.saturating_sub(config.quarantine.min_free.0) {
        let text = format!(
            "quarantine.max_size is {} and its file system has {} free: it can fill up before the oldest is removed, and then \
             mail to be held is answered 4xx",
            config.quarantine.max_size,
            bytes(quarantine.free)
        );
        let fits = bytes_of(quarantine.free.saturating_sub(config.quarantine.min_free.0) / 2);
        sheet.note("quarantine", text, look.line("quarantine", &format!("max_size = \"{fits}\"")));
    }
    if of("Postfix's queue").is_some_and(|queue| queue.id == quarantine.id) {
        let text = "quarantine and Postfix's queue are on one file system: quarantine.min_free keeps room for the queue";
        sheet.ok("shared", text);
    }
}

/// As a size in the configuration.
fn bytes_of(n: u64) -> String {
    match n >> 20 {
        0 => format!("{}kB", (n / 1000).max(1)),
        mebi @ 1..10_240 => format!("{mebi}MiB"),
        mebi => format!("{}GiB", mebi >> 10),
    }
}

/// The limits of the running daemon.
fn process(sheet: &mut Sheet, look: &Look, config: &Config) {
    let Some(id) = look.status().ok().and_then(|status| status["process"]["id"].as_u64()) else {
        return sheet.unseen("limits", "the limits of the daemon: it cannot be asked");
    };
    match std::fs::read_to_string(format!("/proc/{id}/limits")) {
        Ok(text) => files(sheet, open_files(&text), config.milter.max_connections.into()),
        Err(error) => sheet.unseen("files", format!("/proc/{id}/limits: {error}; run this as root")),
    }
    let limit = std::fs::read_to_string(format!("/proc/{id}/cgroup"))
        .ok()
        .and_then(|text| Some(text.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned()))
        .and_then(|group| std::fs::read_to_string(format!("/sys/fs/cgroup{group}/memory.max")).ok());
    match limit.as_deref().map(str::trim) {
        Some("max") => sheet.ok("memory", "the daemon's memory is not limited"),
        Some(limit) => memory(sheet, limit.parse().unwrap_or(0), config.limits.held.0),
        None => sheet
            .unseen("memory", "whether the daemon's memory is limited: there is no control group of its own"),
    }
}

/// The soft limit among `/proc/PID/limits`.
fn open_files(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

fn files(sheet: &mut Sheet, limit: Option<u64>, connections: u64) {
    let needs = connections.saturating_add(OTHER_FILES);
    match limit {
        None => sheet.unseen("files", "the limit of open files cannot be read"),
        Some(limit) if limit < needs => {
            let text = format!(
                "the daemon may open {limit} files, and milter.max_connections is {connections}: beyond the limit connections \
                 wait and scanners fail"
            );
            let mend = "systemctl edit mailward, then in [Service]: LimitNOFILE=65536";
            sheet.warning("files", text, Some(mend.to_owned()));
        }
        Some(_) => {
            sheet.ok("files", format!("the daemon may open enough files for {connections} connections"))
        }
    }
}

fn memory(sheet: &mut Sheet, limit: u64, held: u64) {
    let needs = held.saturating_add(OTHER_MEMORY);
    if limit < needs {
        let text = format!(
            "the daemon may use {} of memory, and mail in work alone may take {} (limits.held): under load the kernel ends it, \
             and the mail is tempfailed",
            bytes(limit),
            bytes(held)
        );
        let mend =
            format!("systemctl edit mailward, then in [Service]: MemoryMax={}", needs.next_power_of_two());
        return sheet.warning("memory", text, Some(mend));
    }
    sheet.ok("memory", format!("the daemon may use {} of memory", bytes(limit)));
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Topic;
    use super::*;

    fn told(work: impl FnOnce(&mut Sheet)) -> String {
        let mut sheet = Sheet::new(Topic::Disk);
        work(&mut sheet);
        sheet.told().remove(0)
    }

    #[test]
    fn a_file_system_that_is_full_nearly_full_or_read_only() {
        let good = Room { free: 50 << 30, all: 100 << 30, files: Some(1 << 20), read_only: false, id: 1 };
        let of = |room| told(|sheet| judge(sheet, "state_dir", Path::new("/s"), room, 1 << 30));
        assert_eq!(of(good), "ok room: /s (state_dir) has 53.7 GB free");
        assert_eq!(
            of(Room { free: 1 << 20, ..good }),
            "error room: /s (state_dir) has 1.0 MB free and needs 1.1 GB: below that mail is answered 4xx | du -xh \
             --max-depth=2 /s | sort -h | tail"
        );
        assert!(
            of(Room { free: 3 << 29, ..good })
                .starts_with("warning room: /s (state_dir) has only 1.6 GB free")
        );
        assert!(
            of(Room { files: Some(9), ..good })
                .starts_with("error inodes: /s (state_dir) has room for 9 more files")
        );
        assert!(
            of(Room { read_only: true, ..good })
                .starts_with("error read_only: /s (state_dir) is on a file system")
        );
        assert!(of(Room { files: None, ..good }).starts_with("ok "));
    }

    #[test]
    fn limits_of_the_process() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096      files\n";
        assert_eq!(open_files(text), Some(1024));
        assert_eq!(open_files("Max open files  unlimited unlimited files"), Some(u64::MAX));
        assert!(
            told(|sheet| files(sheet, Some(1024), 2000))
                .starts_with("warning files: the daemon may open 1024 files")
        );
        assert!(told(|sheet| files(sheet, Some(65536), 2000)).starts_with("ok files: "));
        assert!(
            told(|sheet| memory(sheet, 1 << 30, 1 << 30)).ends_with("in [Service]: MemoryMax=2147483648")
        );
        assert!(told(|sheet| memory(sheet, 4 << 30, 1 << 30)).starts_with("ok memory: "));
    }

    #[test]
    fn a_size_is_written_as_the_configuration_takes_it() {
        for (n, text) in [(5 << 30, "5120MiB"), (20 << 30, "20GiB"), (10, "1kB")] {
            assert_eq!(bytes_of(n), text);
            assert!(text.parse::<crate::model::ByteSize>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_yet_is_measured_above() {
        let dir = tempfile::tempdir().unwrap();
        let here = Room::at(dir.path()).unwrap();
        assert_eq!(Room::at(&dir.path().join("a/b")).unwrap().id, here.id);
    }
}
