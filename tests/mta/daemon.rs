//! The mailward daemon as a child process.
//!
//! **Contract.** [`Site`] is a temporary directory with the places a daemon needs; [`Site::start`] runs the
//! real binary on a configuration in it and returns when `/readyz` answers 200. What it writes to stderr is
//! kept. A [`Daemon`] can be signalled, killed and started again on the same state; dropped = killed.
//!
//! **Failures.** With the daemon's log in the text.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::guard::{self, Dir};
use super::{PATIENCE, admin, wait_until};

/// Places of one daemon: sockets, state, configuration.
#[derive(Debug)]
pub(crate) struct Site {
    dir: Dir,
    env: Vec<(&'static str, PathBuf)>,
    files: Option<(u64, u64)>,
    umask: Option<&'static str>,
}

impl Site {
    /// Makes them.
    ///
    /// # Errors
    /// If a directory cannot be made.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let dir = Dir::new("site")?;
        dir.make("state", 0o700)?;
        dir.make_for_socket("spool")?;
        Ok(Self { dir, env: Vec::new(), files: None, umask: None })
    }

    /// The daemon will have this variable in its environment.
    pub(crate) fn set_env(&mut self, name: &'static str, value: PathBuf) {
        self.env.push((name, value));
    }

    /// The daemon is started with these limits on open files, soft and hard.
    pub(crate) fn limit_files(&mut self, soft: u64, hard: u64) {
        self.files = Some((soft, hard));
    }

    /// The daemon is started with this umask, in octal.
    pub(crate) fn set_umask(&mut self, umask: &'static str) {
        self.umask = Some(umask);
    }

    /// The directory itself, for more files.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the daemon keeps its state.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Where held mail is.
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.path().join("state/quarantine")
    }

    /// The milter's socket.
    pub(crate) fn milter_socket(&self) -> PathBuf {
        self.path().join("spool/milter.sock")
    }

    /// The milter's socket as `smtpd_milters` names it.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix:{}", self.milter_socket().display())
    }

    /// The admin socket.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.path().join("admin.sock")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("mailward.toml")
    }

    /// The embedded defaults with only the places redirected. `more` may add sections, and must not
    /// repeat `[milter]`, `[admin]` or `[quarantine]`.
    pub(crate) fn defaults(&self, more: &str) -> String {
        let mut text = String::new();
        text.push_str(&format!("state_dir = {:?}\n", self.state_dir()));
        text.push_str(&format!("[milter]\nlisten = [{:?}]\n", self.endpoint()));
        text.push_str(&format!(
            "[admin]\nlisten = [{:?}]\n",
            format!("unix:{}", self.admin_socket().display())
        ));
        text.push_str(&format!("[quarantine]\npath = {:?}\n", self.quarantine()));
        text.push_str(more);
        // No test asks the DNS of the machine that it runs on.
        if !more.contains("[scanner.auth]") && !more.contains("[dns]") {
            text.push_str("\n[scanner.auth]\nenabled = false\n");
        }
        // Links are looked at where the test is about them.
        if !more.contains("[scanner.urls") && !more.contains("[feed.") {
            text.push_str("\n[scanner.urls]\nenabled = false\n");
        }
        text
    }

    /// Writes the configuration and starts the daemon on it.
    ///
    /// # Errors
    /// If it ends or is not ready in time; with its log.
    pub(crate) fn start(self, toml: &str) -> anyhow::Result<Daemon> {
        std::fs::write(self.config(), toml)?;
        let child = launch(&self)?;
        guard::watch(child.id(), self.path())?;
        let mut daemon = Daemon { site: self, child };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    site: Site,
    child: Child,
}

impl Daemon {
    /// Starts one on the embedded defaults plus `more`.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub(crate) fn start(more: &str) -> anyhow::Result<Self> {
        let site = Site::new()?;
        let toml = site.defaults(more);
        site.start(&toml)
    }

    /// Its places.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The milter's socket as `smtpd_milters` names it.
    pub(crate) fn endpoint(&self) -> String {
        self.site.endpoint()
    }

    /// What it wrote to stderr so far, over all its starts.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(log_file(&self.site)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a line on stderr that contains `text`, and returns it.
    ///
    /// # Errors
    /// When the time is over; with the log.
    pub(crate) fn wait_for_log(&self, text: &str) -> anyhow::Result<String> {
        wait_until(&format!("a log line with {text}"), PATIENCE, || {
            Ok(self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
        })
        .map_err(|error| self.with_log(&error))
    }

    /// `GET path` on the admin socket.
    ///
    /// # Errors
    /// If nobody answers.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        admin::get(&self.site.admin_socket(), path)
    }

    /// Runs a command of the same binary against this daemon: `cli(&["explain", id])`.
    ///
    /// # Errors
    /// If the binary cannot be started. A command that fails is no error: look at the status.
    pub(crate) fn cli(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(binary()?);
        command.args(arguments).arg("--config").arg(self.site.config()).stdin(Stdio::null());
        command.output().context("cannot start the mailward binary")
    }

    /// The same with something on standard input.
    ///
    /// # Errors
    /// If the binary cannot be started, or does not take it.
    pub(crate) fn cli_with(&self, arguments: &[&str], input: &[u8]) -> anyhow::Result<Output> {
        let mut command = Command::new(binary()?);
        command.args(arguments).arg("--config").arg(self.site.config()).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start the mailward binary")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(input).context("the command does not take its input")?;
        drop(stdin);
        child.wait_with_output().context("cannot wait for the command")
    }

    /// Sends "TERM", "HUP", "KILL", "STOP", "CONT".
    ///
    /// # Errors
    /// If it has ended already.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        guard::signal(self.pid(), name)
    }

    /// Writes another configuration; takes effect with `signal("HUP")`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write_config(&self, toml: &str) -> anyhow::Result<()> {
        std::fs::write(self.site.config(), toml).context("cannot write the configuration")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the time is over; with its log.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let child = &mut self.child;
        wait_until("the end of the daemon", limit, || Ok(child.try_wait()?))
            .map_err(|error| self.with_log(&error))
    }

    /// Ends it without warning, as a power cut would; returns when it is gone.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("cannot kill the daemon")?;
        self.child.wait().context("cannot wait for the daemon")?;
        Ok(())
    }

    /// Starts it again on the same configuration and state, after it has ended.
    ///
    /// # Errors
    /// As [`Site::start`].
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.child.try_wait()?.is_some(), "the daemon still runs");
        self.child = launch(&self.site)?;
        guard::watch_successor(self.pid(), self.site.path())?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let socket = self.site.admin_socket();
        loop {
            if matches!(admin::get(&socket, "/readyz"), Ok((200, _))) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.with_log(&anyhow::anyhow!("the daemon ended at start with {status}")));
            }
            if begin.elapsed() > PATIENCE {
                return Err(self.with_log(&anyhow::anyhow!("the daemon did not get ready")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn with_log(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{error:#}\n--- mailward's log ---\n{}", self.log())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.kill());
        }
    }
}

fn log_file(site: &Site) -> PathBuf {
    site.path().join("mailward.log")
}

fn launch(site: &Site) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(log_file(site))?;
    // What is put in front becomes the daemon: the process id stays.
    let mut command = match (site.files, site.umask) {
        (None, None) => Command::new(binary()?),
        (None, Some(umask)) => {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(binary()?);
            command
        }
        (Some((soft, hard)), _) => {
            let mut command = Command::new("prlimit");
            command.arg(format!("--nofile={soft}:{hard}")).arg(binary()?);
            command
        }
    };
    command.args(["serve", "--config"]).arg(site.config());
    // Nothing of the caller's own set-up.
    command.env_remove("MAILWARD_CONFIG").env_remove("NOTIFY_SOCKET");
    command.envs(of_the_unit());
    command.envs(site.env.iter().map(|(name, value)| (name, value)));
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the mailward binary")
}

/// What the unit of the package sets in the environment, so that what is measured here holds there.
fn of_the_unit() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../systemd/mailward.service").lines();
    let set = lines.filter_map(|line| line.strip_prefix("Environment="));
    set.flat_map(str::split_whitespace).filter_map(|one| one.split_once('='))
}

/// The mailward binary: `MAILWARD_BIN`, or the one Cargo built for this test, or the one beside the folder
/// this program stands in (`target/debug/examples/demo` → `target/debug/mailward`).
///
/// # Errors
/// If there is none.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("MAILWARD_BIN") {
        return Ok(named.into());
    }
    if let Some(built) = option_env!("CARGO_BIN_EXE_mailward") {
        return Ok(built.into());
    }
    let program = std::env::current_exe()?;
    let beside = program.parent().and_then(Path::parent).map(|dir| dir.join("mailward"));
    beside
        .filter(|path| path.is_file())
        .context("there is no mailward binary; build it first: cargo build --bin mailward")
}
