//! Somebody else's program, started with files of ours in place of the machine's.
//!
//! **Contract.** [`Program::start`] runs it in a mount namespace of its own, in which `/etc/resolv.conf` names our DNS and the
//! files that are told stand in for others; nothing of the machine is changed. In the foreground: its id is the
//! root of all that it starts. Ended on drop, with all of these.
//!
//! **Failures.** With what it wrote in the text.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use super::super::mta::guard;
use super::super::mta::{PATIENCE, wait_until};
use super::usage;

/// Puts files over others, then becomes the program.
const SCRIPT: &str =
    r#"while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 1; shift 2; done; shift; exec "$@""#;

/// A running one.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`; `over` are pairs of a file of ours and the one that it stands in for.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(
        name: &'static str,
        dir: &Path,
        over: &[(&Path, &str)],
        command: &[&str],
    ) -> anyhow::Result<Self> {
        let log = dir.join(format!("{name}.output"));
        let output = std::fs::File::create(&log)?;
        let mut start = Command::new("unshare");
        start.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
        for (ours, theirs) in over {
            start.arg(ours).arg(theirs);
        }
        start.arg("--").args(command).env("PATH", guard::search_path()).env("LC_ALL", "C");
        start.current_dir("/").stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = start.spawn().with_context(|| format!("cannot start {name}"))?;
        guard::watch(child.id(), dir)?;
        Ok(Self { name, child, log })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has made its socket, and lets Postfix use it.
    ///
    /// # Errors
    /// If it ends before, or when the time is over; with what it wrote.
    pub(super) fn wait_for_socket(&mut self, socket: &Path) -> anyhow::Result<()> {
        self.wait(|| Ok(socket.exists().then_some(())))?;
        guard::run(guard::privileged("chmod").arg("0666").arg(socket))?;
        Ok(())
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// As [`Self::wait_for_socket`].
    pub(super) fn wait(&mut self, ready: impl Fn() -> anyhow::Result<Option<()>>) -> anyhow::Result<()> {
        let child = &mut self.child;
        let waited = wait_until(&format!("{} to answer", self.name), PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("it ended at start with {status}");
            }
            ready()
        });
        waited.map_err(|error| {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let said: Vec<&str> = said.lines().rev().take(5).collect();
            anyhow::anyhow!("{} does not start: {error:#}; it says: {}", self.name, said.join(" / "))
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let all = usage::tree(&[self.child.id()]);
        guard::end(self.child.id(), Duration::from_secs(5));
        drop(self.child.kill());
        drop(self.child.wait());
        // Who is left of its children had no one to end it.
        for pid in all.into_iter().filter(|pid| guard::alive(*pid)) {
            guard::end(pid, Duration::from_secs(1));
        }
    }
}
