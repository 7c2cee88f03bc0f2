//! A private clamd: Debian's program on a socket and a port of its own, with signatures that are made here.
//!
//! **Contract.** [`Clamd::start`] makes a directory with a configuration and a database of a few lines –
//! nothing is downloaded, the machine's own clamd and its database are never touched – and returns when it
//! answers, within a fraction of a second. It runs as whoever runs the tests and ends when the handle is
//! dropped.
//!
//! **Failures.** With clamd's log in the text.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::guard::{self, Dir};
use super::samples::eicar;
use super::{PATIENCE, free_port, wait_until};

/// A text that the private database takes for malware, besides EICAR.
pub(crate) const MADE_UP: &str = "mailward-made-up-signature-of-a-body";
/// What clamd calls EICAR here. Whatever stands in no signed database has this end.
pub(crate) const EICAR_NAME: &str = "Test.Eicar.UNOFFICIAL";
/// What clamd calls [`MADE_UP`].
pub(crate) const MADE_UP_NAME: &str = "Test.MadeUp.UNOFFICIAL";
/// A text that the daily database takes for malware, where there is one.
pub(crate) const DAILY: &str = "mailward-made-up-signature-of-the-day";
/// What clamd calls [`DAILY`].
pub(crate) const DAILY_NAME: &str = "Test.Daily.UNOFFICIAL";

/// Lines of clamd.conf.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `StreamMaxLength`.
    pub(crate) stream_max: &'static str,
    /// `AlertExceedsMax`.
    pub(crate) alert_exceeds_max: bool,
    /// Any others.
    pub(crate) more: &'static str,
    /// Number and age, in seconds since 1970, of a daily database beside the signatures of one's own.
    pub(crate) daily: Option<(u32, u64)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { stream_max: "26214400", alert_exceeds_max: true, more: "", daily: None }
    }
}

/// A running clamd.
#[derive(Debug)]
pub(crate) struct Clamd {
    dir: Dir,
    port: u16,
    child: Child,
}

/// What is missing to start one; `None` if nothing is.
pub(crate) fn missing() -> Option<String> {
    let paths = guard::search_path();
    let is_there = paths.split(':').any(|folder| Path::new(folder).join("clamd").is_file());
    (!is_there).then(|| "clamd is not installed (Debian: clamav-daemon)".to_owned())
}

impl Clamd {
    /// Starts one.
    ///
    /// # Errors
    /// If it cannot be started or does not answer; with its log.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let dir = Dir::new("clamd")?;
        dir.make("db", 0o755)?;
        let port = free_port()?;
        std::fs::write(dir.path().join("clamd.conf"), configuration(dir.path(), port, options))?;
        let made_up = format!("Test.Eicar:0:*:{}\nTest.MadeUp:0:*:{}\n", hex(&eicar()), hex(MADE_UP));
        std::fs::write(dir.path().join("db/test.ndb"), made_up)?;
        if let Some((number, made)) = options.daily {
            std::fs::write(dir.path().join("db/daily.cud"), daily(number, made))?;
        }
        let child = launch(dir.path())?;
        let mut clamd = Self { dir, port, child };
        clamd.wait_until_ready()?;
        Ok(clamd)
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("clamd.sock")
    }

    /// Its unix socket, as our configuration names it.
    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Its port, as our configuration names it.
    pub(crate) fn tcp_address(&self) -> String {
        format!("tcp:127.0.0.1:{}", self.port)
    }

    /// `[scanner.clamd]` that asks it, with these lines besides.
    pub(crate) fn section(&self, more: &str) -> String {
        format!("[scanner.clamd]\naddress = {:?}\n{more}\n", self.address())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }

    /// Sends a command without data, as "zPING", and returns the answer without its NUL.
    ///
    /// # Errors
    /// If nobody answers.
    pub(crate) fn command(&self, command: &str) -> anyhow::Result<String> {
        command_to(&self.socket(), command)
    }

    /// Has it load its signatures anew, and waits until it has.
    ///
    /// # Errors
    /// If it does not; with its log.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let done = || self.log().matches("Database correctly reloaded").count();
        let before = done();
        self.command("zRELOAD")?;
        wait_until("clamd's signatures to be loaded again", PATIENCE, || Ok((done() > before).then_some(())))
            .map_err(|error| self.with_log(&error))
    }

    /// Adds a signature for this text; in use after a [`Self::reload`].
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn learn(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = self.dir.path().join(format!("db/{name}.ndb"));
        std::fs::write(file, format!("{name}:0:*:{}\n", hex(text))).context("cannot write a signature")
    }

    /// Ends it as an admin's restart would, and returns when it is gone.
    ///
    /// # Errors
    /// If it does not end.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        guard::signal(self.pid(), "TERM")?;
        let child = &mut self.child;
        wait_until("the end of clamd", PATIENCE, || Ok(child.try_wait()?))?;
        Ok(())
    }

    /// Starts it again after [`Self::stop`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = launch(self.dir.path())?;
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let (socket, child) = (self.socket(), &mut self.child);
        let ready = wait_until("clamd to answer", PATIENCE, || {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("clamd ended at start with {status}");
            }
            Ok(matches!(command_to(&socket, "zPING").as_deref(), Ok("PONG")).then_some(()))
        });
        ready.map_err(|error| self.with_log(&error))
    }

    fn with_log(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{error:#}\n--- clamd's log ---\n{}", self.log())
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It leaves nothing behind that a clean end would have to take away.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn configuration(dir: &Path, port: u16, options: &Options) -> String {
    let Options { stream_max, alert_exceeds_max, more, .. } = options;
    let alert = if *alert_exceeds_max { "yes" } else { "no" };
    let dir = dir.display();
    format!(
        "LocalSocket {dir}/clamd.sock\nTCPSocket {port}\nTCPAddr 127.0.0.1\nDatabaseDirectory {dir}/db\n\
         TemporaryDirectory {dir}\nForeground yes\nLogTime yes\nSelfCheck 0\nStreamMaxLength {stream_max}\n\
         AlertExceedsMax {alert}\n{more}\n"
    )
}

fn launch(dir: &Path) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("clamd.log"))?;
    let child = Command::new("clamd")
        .env("PATH", guard::search_path())
        .arg("--config-file")
        .arg(dir.join("clamd.conf"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start clamd")?;
    guard::watch(child.id(), dir)?;
    Ok(child)
}

fn log(dir: &Path) -> String {
    let bytes = std::fs::read(dir.join("clamd.log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn command_to(socket: &Path, command: &str) -> anyhow::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{command}\0").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim_end_matches('\0').to_owned())
}

/// A database as ClamAV packs them, unsigned (`.cud`): a head of 512 bytes and a tar with a table of contents.
fn daily(number: u32, made: u64) -> Vec<u8> {
    let head = format!("ClamAV-VDB:19 Nov 2026 09-32 +0000:{number}:1:90:X:X:nobody:{made}");
    let signatures = format!("Test.Daily:0:*:{}\n", hex(DAILY));
    let hash: String = Sha256::digest(&signatures).iter().map(|byte| format!("{byte:02x}")).collect();
    let contents = format!("{head}\ndaily.ndb:{}:{hash}\n", signatures.len());
    let mut all = format!("{head:<512}").into_bytes();
    all.extend(tar_entry("COPYING", "none"));
    all.extend(tar_entry("daily.info", &contents));
    all.extend(tar_entry("daily.ndb", &signatures));
    all.resize(all.len() + 1024, 0);
    all
}

/// One file as in tar(5), "ustar".
fn tar_entry(name: &str, content: &str) -> Vec<u8> {
    let mut head = [0u8; 512];
    let mut put = |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(124, &format!("{:011o}", content.len()));
    // The sum is taken with spaces in its own place.
    put(148, "        0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut entry = head.to_vec();
    entry.extend(content.as_bytes());
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
