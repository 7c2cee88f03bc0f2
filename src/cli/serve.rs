//! `mailward serve`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::config::Config;
use crate::daemon;

/// Runs the daemon until it is told to stop.
pub(super) fn run(path: Option<&Path>) -> anyhow::Result<ExitCode> {
    let loaded = Config::load(path)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(workers())
        .thread_name("mailward")
        .build()
        .context("threads cannot be started")?;
    runtime.block_on(daemon::serve(path, loaded))?;
    // What still runs on the blocking pool has had its time.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(ExitCode::SUCCESS)
}

/// Threads for sockets and judging. Half the processors: scanning has threads of its own, and the MTA works on
/// the same machine.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |n| (n.get() / 2).max(1))
}
