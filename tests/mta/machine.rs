//! A Debian machine of its own in namespaces: what a package does to a system, what systemd does with a service, and
//! servers that cannot stand beside Postfix (Sendmail).
//!
//! **Contract.** [`Root::debian`] makes a minimal Debian with these packages once for all tests (some 30 s), below
//! cargo's target folder. [`Root::run`] runs one command on a copy-on-write view of it; [`Machine::boot`] boots systemd
//! there. Either has a loopback of its own and no other network. What stands in [`Machine::host`] is `/host`
//! inside. Nothing of this machine is touched, and everything inside ends with the handle.
//!
//! **Failures.** With what the command wrote in the text. Needs root and mmdebstrap: [`missing`] says so.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::Context as _;
use nix::unistd::Uid;

use super::guard::{self, Dir};
use super::{PATIENCE, wait_until};

/// Where cargo wants temporary things of tests; examples are not told.
pub(crate) const TARGET_TMP: &str = match option_env!("CARGO_TARGET_TMPDIR") {
    Some(folder) => folder,
    None => concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp"),
};
/// The script that makes the namespaces.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mta/machine.sh");

/// Why no machine can be made here.
pub(crate) fn missing() -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("namespaces and a Debian root need root".to_owned());
    }
    let lacks = ["mmdebstrap", "unshare", "nsenter"].into_iter().find(|program| !guard::installed(program));
    lacks.map(|program| format!("{program} is not installed"))
}

/// A Debian root that nobody writes to.
#[derive(Clone, Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The one with these packages (and what apt needs); made if it is not there yet. `name` is its folder's.
    ///
    /// # Errors
    /// If the packages cannot be had.
    pub(crate) fn debian(name: &str, packages: &[&str]) -> anyhow::Result<Self> {
        let target = Path::new(TARGET_TMP).join("roots");
        let folder = target.join(name);
        let mut make = Command::new(SCRIPT);
        make.arg("root").arg(&folder).args(packages);
        guard::run(&mut make)?;
        Ok(Self(folder))
    }

    /// Runs a shell script there, without systemd, until it ends. `before` may fill the folder that is `/host`.
    ///
    /// # Errors
    /// If it cannot be run at all; how it ended is in the output.
    pub(crate) fn run(
        &self,
        script: &str,
        before: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Output> {
        let dir = Dir::new("root")?;
        before(&dir.make("host", 0o755)?)?;
        Command::new(SCRIPT)
            .arg("run")
            .args([&self.0, dir.path()])
            .args(["sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .context("cannot run a command in a Debian root")
    }
}

/// A machine with systemd as its first process.
#[derive(Debug)]
pub(crate) struct Machine {
    unshare: Child,
    /// systemd, as this machine numbers it.
    init: u32,
    dir: Dir,
}

impl Machine {
    /// Boots it; returns when systemd has done what it starts with.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) fn boot(root: &Root) -> anyhow::Result<Self> {
        let dir = Dir::new("machine")?;
        dir.make("host", 0o755)?;
        let unshare = Command::new(SCRIPT)
            .arg("boot")
            .args([&root.0, dir.path()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start machine.sh")?;
        guard::watch(unshare.id(), dir.path())?;
        let mut machine = Self { unshare, init: 0, dir };
        machine.init = wait_until("systemd in its namespaces", PATIENCE, || Ok(machine.first_process()))?;
        let up = |machine: &Self| {
            let said = machine.run("systemctl is-system-running")?;
            let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
            Ok(matches!(said.as_str(), "running" | "degraded").then_some(()))
        };
        wait_until("the machine to be up", 2 * PATIENCE, || up(&machine))?;
        Ok(machine)
    }

    /// One without systemd: nothing runs there but what is started by [`Machine::run`]. With `shares_net` its network
    /// is that of this process, which should have a namespace of its own then.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) fn bare(root: &Root, shares_net: bool) -> anyhow::Result<Self> {
        let dir = Dir::new("machine")?;
        dir.make("host", 0o755)?;
        let mut start = Command::new(SCRIPT);
        if shares_net {
            start.env("SHARE_NET", "1");
        }
        start.arg("run").args([&root.0, dir.path()]).args(["sleep", "infinity"]);
        let unshare =
            start.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot start machine.sh")?;
        guard::watch(unshare.id(), dir.path())?;
        let mut machine = Self { unshare, init: 0, dir };
        machine.init = wait_until("a process in its namespaces", PATIENCE, || Ok(machine.child("sleep")))?;
        Ok(machine)
    }

    /// The child of `unshare`, once it is systemd.
    fn first_process(&self) -> Option<u32> {
        self.child("systemd")
    }

    /// The child of `unshare`, once it has this name.
    fn child(&self, called: &str) -> Option<u32> {
        let id = self.unshare.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        let child: u32 = children.split_whitespace().next()?.parse().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{child}/comm")).ok()?;
        (name.trim() == called).then_some(child)
    }

    /// The folder that is `/host` inside.
    pub(crate) fn host(&self) -> PathBuf {
        self.dir.path().join("host")
    }

    /// A command inside, not started yet: everything that `args` name is looked up there.
    pub(crate) fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.init.to_string();
        command.args(["--target", &target, "--all", "--root", "--wd=/", "--"]);
        command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"]);
        command.args(args).stdin(Stdio::null());
        command
    }

    /// A command of this machine's in the network of the other: its loopback, our files.
    pub(crate) fn beside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--net", "--"]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a shell script inside until it ends.
    ///
    /// # Errors
    /// If it cannot be run at all; how it ended is in the output.
    pub(crate) fn run(&self, script: &str) -> anyhow::Result<Output> {
        self.command(["sh", "-c", script]).output().context("cannot run a command in the machine")
    }

    /// What a script prints that must succeed.
    ///
    /// # Errors
    /// If it fails; with what it wrote.
    pub(crate) fn told(&self, script: &str) -> anyhow::Result<String> {
        told(script, &self.run(script)?)
    }
}

/// What a script printed that must have succeeded.
///
/// # Errors
/// If it failed; with what it wrote.
pub(crate) fn told(script: &str, output: &Output) -> anyhow::Result<String> {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let err = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("{script}: {}\n{out}{err}", output.status);
    }
    Ok(out)
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The kernel ends all that is inside with systemd.
        drop(self.unshare.kill());
        drop(self.unshare.wait());
    }
}
