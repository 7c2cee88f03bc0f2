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
        .thread_name("mailward")
        .build()
        .context("threads cannot be started")?;
    runtime.block_on(daemon::serve(path, loaded))?;
    // What still runs on the blocking pool has had its time.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(ExitCode::SUCCESS)
}
