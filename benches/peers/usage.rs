//! What all processes of a filter use together, from /proc.

use std::time::Duration;

/// A process as far as it is asked for here.
struct Process {
    pid: u32,
    parent: u32,
    /// Own time and that of children that ended, in ticks.
    ticks: u64,
}

/// Everything that runs, except what cannot be read.
fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // proc(5): field 2 is the name in parentheses, 4 the parent, 14 to 17 are utime, stime, cutime, cstime.
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
            let ticks = (14..=17).map(number).sum::<Option<u64>>()?;
            Some(Process { pid, parent: u32::try_from(number(4)?).ok()?, ticks })
        })
        .collect()
}

/// These processes and everything below them.
fn below(mains: &[u32]) -> Vec<Process> {
    let (mut inside, mut outside): (Vec<_>, Vec<_>) =
        all().into_iter().partition(|process| mains.contains(&process.pid));
    loop {
        let (more, rest): (Vec<_>, Vec<_>) =
            outside.into_iter().partition(|process| inside.iter().any(|one| one.pid == process.parent));
        outside = rest;
        if more.is_empty() {
            return inside;
        }
        inside.extend(more);
    }
}

/// The ids of these processes and everything below them.
pub(super) fn tree(mains: &[u32]) -> Vec<u32> {
    below(mains).into_iter().map(|process| process.pid).collect()
}

/// User and system time of these and everything below them so far; children that ended are in what their parent used.
pub(super) fn cpu(mains: &[u32]) -> Duration {
    // USER_HZ is 100 on every Linux that Rust runs on.
    Duration::from_millis(below(mains).iter().map(|process| process.ticks).sum::<u64>() * 10)
}

/// Memory of these and everything below them in bytes: pages that several share are counted once (PSS).
pub(super) fn memory(mains: &[u32]) -> u64 {
    let of = |pid: u32| {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    tree(mains).into_iter().filter_map(of).sum()
}
