//! What a process uses, from /proc.

use std::time::Duration;

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// What this thread has used of a processor so far.
///
/// # Errors
/// If the system does not say.
pub(crate) fn thread_time() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// User and system time of a process so far, all its threads, those that have ended included.
///
/// # Errors
/// If there is no such process.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    // proc(5): field 2 is the name in parentheses; utime and stime are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
    let field = |number: usize| rest.split(' ').nth(number - 3).and_then(|text| text.parse::<u64>().ok());
    let ticks = field(14).zip(field(15)).map(|(user, system)| user + system).context("/proc/PID/stat")?;
    // USER_HZ is 100 on every Linux that Rust runs on.
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory now, and at its highest since [`forget_peak`], in bytes.
///
/// # Errors
/// If there is no such process.
pub(crate) fn memory(pid: u32) -> anyhow::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    field("VmRSS:").zip(field("VmHWM:")).context("/proc/PID/status")
}

/// Starts the measuring of the peak anew (proc(5), clear_refs).
///
/// # Errors
/// If the process is not ours.
pub(crate) fn forget_peak(pid: u32) -> anyhow::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot reset the peak of memory")
}
