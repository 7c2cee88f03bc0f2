//! What a thread or a process has used, as Linux tells it.

use std::time::Duration;

/// Processor time of this thread.
pub(crate) fn cpu_of_thread() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Bytes of memory that a process holds (`self`, or a number).
pub(crate) fn rss_of(process: &str) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("/proc/{process}/status tells no VmRSS")) * 1024
}
