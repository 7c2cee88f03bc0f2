//! Temporary directories and processes that end with the program that made them.
//!
//! **Contract.** [`Dir`] is reachable for Postfix's own users and is removed on drop, with whatever
//! other users wrote into it. [`watch`] ends a process by id when this program was killed and could not do
//! it itself. [`privileged`] runs a command as root: straight, or through `sudo -n`.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::unistd::{Uid, User};

/// A temporary directory that Postfix's users can enter.
#[derive(Debug)]
pub(crate) struct Dir {
    path: PathBuf,
}

impl Dir {
    /// Makes `…/mailward-<purpose>-XXXXXX`, mode 0755.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(purpose: &str) -> anyhow::Result<Self> {
        let parent = parent();
        let path = tempfile::Builder::new()
            .prefix(&format!("mailward-{purpose}-"))
            .tempdir_in(&parent)
            .with_context(|| format!("cannot make a directory in {}", parent.display()))?
            .keep();
        let dir = Self { path };
        dir.set_mode(&dir.path, 0o755)?;
        Ok(dir)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory below, with this mode.
    pub(crate) fn make(&self, name: &str, mode: u32) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        self.set_mode(&path, mode)?;
        Ok(path)
    }

    /// Makes a directory for a milter's socket, the way `postfix/README.md` tells the admin: group postfix and the
    /// set-group-id bit. The socket inherits the group, so its mode 0660 is enough.
    pub(crate) fn make_for_socket(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.make(name, 0o755)?;
        if user_id("postfix").is_some() {
            run(privileged("chgrp").arg("postfix").arg(&path))?;
            run(privileged("chmod").arg("2750").arg(&path))?;
        }
        Ok(path)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> anyhow::Result<()> {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {}", path.display()))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let kept = std::env::var_os("MAILWARD_KEEP").is_some();
        if !kept && std::fs::remove_dir_all(&self.path).is_err() {
            // Postfix's users own some of it.
            drop(privileged("rm").arg("-rf").arg("--").arg(&self.path).output());
        }
    }
}

/// The usual place for temporary files, or /tmp where Postfix's users cannot reach the usual one.
fn parent() -> PathBuf {
    let usual = std::env::temp_dir();
    let reachable = usual
        .ancestors()
        .all(|dir| std::fs::metadata(dir).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0));
    if reachable { usual } else { PathBuf::from("/tmp") }
}

/// A command that runs as root. Root's own paths are searched too: /usr/sbin is not on every user's.
pub(crate) fn privileged(program: &str) -> Command {
    let mut command = if Uid::effective().is_root() {
        Command::new(program)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "--", program]);
        sudo
    };
    command.env("PATH", search_path());
    command
}

/// `PATH` with the administrator's directories.
pub(crate) fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")
}

/// Whether a program is on the administrator's path.
pub(crate) fn installed(program: &str) -> bool {
    search_path().split(':').any(|dir| !dir.is_empty() && Path::new(dir).join(program).exists())
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// If it cannot be started or fails; with all it printed.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        anyhow::bail!(
            "{command:?} ended with {}:\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }
    Ok(text(&output.stdout))
}

/// Sends a signal ("TERM", "HUP", "KILL", …) to one process.
///
/// # Errors
/// If there is no such process or it is not ours.
pub(crate) fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    run(privileged("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &pid.to_string()]))?;
    Ok(())
}

/// Whether the process exists and has not ended.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Ends a process that is not our child: TERM, then KILL after `grace`.
pub(crate) fn end(pid: u32, grace: Duration) {
    if !alive(pid) || signal(pid, "TERM").is_err() {
        return;
    }
    let begin = Instant::now();
    while alive(pid) && begin.elapsed() < grace {
        std::thread::sleep(Duration::from_millis(5));
    }
    if alive(pid) {
        drop(signal(pid, "KILL"));
    }
}

/// Sees to it that `pid` ends and `dir` goes when this program was killed. Costs one sleeping shell, which
/// ends by itself when the directory is gone.
///
/// # Errors
/// If the shell cannot be started.
pub(crate) fn watch(pid: u32, dir: &Path) -> anyhow::Result<()> {
    start_watch(pid, dir, false)
}

/// The same for a process that takes the place of another one, on whose account the directory goes: the shell ends
/// with the process. Without that a daemon that is started a hundred times has a hundred of them.
///
/// # Errors
/// If the shell cannot be started.
pub(crate) fn watch_successor(pid: u32, dir: &Path) -> anyhow::Result<()> {
    start_watch(pid, dir, true)
}

fn start_watch(pid: u32, dir: &Path, successor: bool) -> anyhow::Result<()> {
    const SCRIPT: &str = r#"
        while [ -d "$3" ] && [ -d "/proc/$1" ]; do
            [ -z "$5" ] || [ -d "/proc/$2" ] || exit 0
            sleep 1
        done
        [ -d "$3" ] || exit 0
        kill -TERM "$2" 2>/dev/null
        i=0; while [ -d "/proc/$2" ] && [ $i -lt 50 ]; do sleep 0.2; i=$((i+1)); done
        kill -KILL "$2" 2>/dev/null
        [ -n "$4" ] || rm -rf -- "$3""#;
    let keep = std::env::var("MAILWARD_KEEP").unwrap_or_default();
    privileged("sh")
        .args(["-c", SCRIPT, "mailward-guard", &std::process::id().to_string(), &pid.to_string()])
        .arg(dir)
        .arg(keep)
        .arg(if successor { "successor" } else { "" })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Its own group: Ctrl-C in the terminal must not end it before us.
        .process_group(0)
        .spawn()
        .context("cannot start a shell to watch over the processes of this test")?;
    Ok(())
}

/// The numeric id of a user, if the machine knows it.
pub(crate) fn user_id(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}
