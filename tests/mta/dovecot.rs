//! A private Dovecot: lmtpd on a unix socket, imapd on loopback, and the scripts and settings of `dovecot-sieve/` as an
//! admin would install them.
//!
//! **Contract.** [`Dovecot::start`] returns when both answer. Debian's programs, own configuration, run and mail
//! directories below one temporary directory. The users are alice, bob and carol at example.org, with the password
//! [`PASSWORD`]; their Maildirs belong to whoever runs the tests, or to nobody where that is root: as such a user
//! the pipe to mailward runs, too. `/etc/dovecot/sieve` of the shipped files is `sieve/` there. Dropped = stopped,
//! by the process id of its master.
//!
//! **Failures.** With Dovecot's log in the text.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::{Group, Uid, User};

use super::guard::{self, Dir, run};
use super::imap::Imap;
use super::{Daemon, PATIENCE, free_port, wait_until};

/// Everybody's.
pub(crate) const PASSWORD: &str = "a password of this test";
/// Our scripts.
pub(crate) const SCRIPTS: [&str; 3] = ["mailward.sieve", "learn-spam.sieve", "learn-ham.sieve"];
/// Where the shipped files say that they are.
const INSTALLED: &str = "/etc/dovecot/sieve";

/// How it is set up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Lines of `plugin { … }` that come behind those of the shipped file.
    pub(crate) plugin: Vec<String>,
    /// Fields of the user database of one user: `("bob", "userdb_sieve_env_mailward_junk=off")`.
    pub(crate) of_user: Vec<(String, String)>,
}

/// A running private Dovecot.
#[derive(Debug)]
pub(crate) struct Dovecot {
    dir: Dir,
    master: u32,
    imap: u16,
}

/// What is missing on this machine to start one, in a few words.
pub(crate) fn missing() -> Option<String> {
    let parts = [
        ("/usr/sbin/dovecot", "dovecot-core"),
        ("/usr/lib/dovecot/imap", "dovecot-imapd"),
        ("/usr/lib/dovecot/lmtp", "dovecot-lmtpd"),
        ("/usr/bin/sievec", "dovecot-sieve"),
    ];
    let absent = parts.into_iter().find(|(file, _)| !Path::new(file).exists());
    absent.map(|(_, package)| format!("{package} is not installed"))
}

/// `dovecot-sieve/` of the source tree.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dovecot-sieve").join(name)
}

impl Dovecot {
    /// Starts one.
    ///
    /// # Errors
    /// If a script does not compile, or Dovecot does not start or answer.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        if let Some(missing) = missing() {
            anyhow::bail!("{missing}; run tests/mta/install.sh as root");
        }
        let dir = Dir::new("dovecot")?;
        let (user, group) = owner()?;
        let mail = dir.make("mail", 0o755)?;
        dir.make("sieve/bin", 0o755)?;
        chown(&user, &mail)?;
        let mut dovecot = Self { dir, master: 0, imap: free_port()? };
        dovecot.configure(options, &user, &group)?;
        for script in SCRIPTS {
            dovecot.compile(&dovecot.installed(script))?;
        }
        dovecot.launch().map_err(|error| dovecot.with_log(&error))?;
        Ok(dovecot)
    }

    fn configure(&self, options: &Options, user: &str, group: &str) -> anyhow::Result<()> {
        for script in SCRIPTS {
            std::fs::copy(shipped(script), self.installed(script))?;
        }
        let ours = std::fs::read_to_string(shipped("90-mailward.conf"))?;
        let ours = ours.replace(INSTALLED, &self.path("sieve").display().to_string());
        std::fs::write(self.path("90-mailward.conf"), ours)?;
        let mut users = String::new();
        for name in ["alice", "bob", "carol"] {
            let fields = options.of_user.iter().filter(|(of, _)| of == name).map(|(_, field)| field.as_str());
            let fields = fields.collect::<Vec<_>>().join(" ");
            users.push_str(&format!("{name}@example.org:{{PLAIN}}{PASSWORD}::::::{fields}\n"));
        }
        std::fs::write(self.path("users"), users)?;
        let conf = config(self.dir.path(), self.imap, user, group, &options.plugin);
        std::fs::write(self.path("dovecot.conf"), conf).context("cannot write dovecot.conf")
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        // Its processes keep what is standard output here: with a pipe, its end would never come.
        let output = std::fs::File::create(self.path("output"))?;
        let mut command = Command::new("/usr/sbin/dovecot");
        command.arg("-c").arg(self.config()).stdin(Stdio::null());
        let status = command.stdout(output.try_clone()?).stderr(output).status()?;
        let said = || std::fs::read_to_string(self.path("output")).unwrap_or_default();
        anyhow::ensure!(status.success(), "dovecot ended with {status}: {}", said());
        let pid_file = self.path("run/master.pid");
        self.master = wait_until("Dovecot's master process", PATIENCE, || {
            Ok(std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok()))
        })?;
        guard::watch(self.master, self.dir.path())?;
        let lmtp = self.lmtp_socket();
        wait_until("Dovecot", PATIENCE, || {
            let ready = Imap::connect(self.imap).is_ok() && lmtp.exists();
            Ok(ready.then_some(()))
        })
    }

    /// The socket on which mail is delivered.
    pub(crate) fn lmtp_socket(&self) -> PathBuf {
        self.path("lmtp")
    }

    /// The configuration, for `sieve-test -c`.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("dovecot.conf")
    }

    /// A directory that whoever owns the mail may read.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where a shipped script is installed.
    pub(crate) fn installed(&self, script: &str) -> PathBuf {
        self.path("sieve").join(script)
    }

    /// `sievec` on a script.
    ///
    /// # Errors
    /// With what it says.
    pub(crate) fn compile(&self, script: &Path) -> anyhow::Result<()> {
        run(Command::new("sievec").arg("-c").arg(self.config()).arg(script))?;
        Ok(())
    }

    /// Installs `mailward-report` as it is shipped, for this daemon, with a token of the role reporter in a file that the
    /// mail's owner may read and nobody else. `port` is in the daemon's admin.listen.
    ///
    /// # Errors
    /// If the token cannot be made or a file not written.
    pub(crate) fn reports_to(&self, daemon: &Daemon, port: u16) -> anyhow::Result<()> {
        let made = daemon.cli(&["token", "create", "dovecot", "--role", "reporter"])?;
        anyhow::ensure!(made.status.success(), "no token: {made:?}");
        let token = self.path("mailward.token");
        std::fs::write(&token, made.stdout)?;
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o400))?;
        chown(&owner()?.0, &token)?;
        // Where the sources are, the mail's owner may have no way.
        let binary = self.path("mailward");
        std::fs::copy(super::daemon::binary()?, &binary)?;
        let script = std::fs::read_to_string(shipped("bin/mailward-report"))?;
        let there = |path: &Path| path.display().to_string();
        let changed = script.replace("/etc/dovecot/mailward.token", &there(&token)).replace(
            "/usr/bin/mailward report",
            &format!("{} report --port=127.0.0.1:{port}", there(&binary)),
        );
        anyhow::ensure!(
            changed.matches("127.0.0.1").count() == 1,
            "mailward-report is not as expected:\n{script}"
        );
        let installed = self.path("sieve/bin/mailward-report");
        // A script that is being written cannot be run: it is put there whole.
        let new = self.path("sieve/mailward-report.new");
        std::fs::write(&new, changed)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
        std::fs::rename(new, installed).context("cannot install mailward-report")
    }

    /// A user's own script, which runs behind ours.
    ///
    /// # Errors
    /// If it cannot be written or does not compile.
    pub(crate) fn own_script(&self, user: &str, text: &str) -> anyhow::Result<()> {
        let home = self.dir.make(&format!("mail/{user}@example.org.home"), 0o755)?;
        let script = home.join(".dovecot.sieve");
        std::fs::write(&script, text)?;
        self.compile(&script)?;
        let mut chown = guard::privileged("chown");
        run(chown.arg("-R").arg(owner()?.0).arg(home))?;
        Ok(())
    }

    /// Logs somebody in.
    ///
    /// # Errors
    /// If Dovecot does not let them in; with its log.
    pub(crate) fn log_in(&self, user: &str) -> anyhow::Result<Imap> {
        let log_in = || {
            let mut imap = Imap::connect(self.imap)?;
            imap.log_in(&format!("{user}@example.org"), PASSWORD)?;
            Ok(imap)
        };
        log_in().map_err(|error: anyhow::Error| self.with_log(&error))
    }

    /// Waits until a mailbox of somebody holds so many messages, and leaves it selected.
    ///
    /// # Errors
    /// When the time is over; with the log.
    pub(crate) fn wait_for_mail(&self, user: &str, mailbox: &str, count: usize) -> anyhow::Result<Imap> {
        let mut imap = self.log_in(user)?;
        let found = wait_until(&format!("{count} messages in {mailbox} of {user}"), PATIENCE, || {
            Ok((imap.select(mailbox).unwrap_or(0) >= count).then_some(()))
        });
        found.map_err(|error| self.with_log(&error))?;
        Ok(imap)
    }

    /// What it wrote into its log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path("log")).unwrap_or_default()).into_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn with_log(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{error:#}\n--- Dovecot's log ---\n{}", self.log())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if self.master != 0 {
            guard::end(self.master, Duration::from_secs(10));
        }
    }
}

/// User and group who own the mail.
fn owner() -> anyhow::Result<(String, String)> {
    let me = Uid::effective();
    let user = if me.is_root() { User::from_name("nobody")? } else { User::from_uid(me)? };
    let user = user.context("this machine does not know whom the mail should belong to")?;
    let group = Group::from_gid(user.gid)?.context("a user without a group")?;
    Ok((user.name, group.name))
}

fn chown(user: &str, path: &Path) -> anyhow::Result<()> {
    run(guard::privileged("chown").arg(user).arg(path))?;
    Ok(())
}

/// As Debian's files have it, as far as is needed, and the shipped file at the end.
fn config(dir: &Path, imap: u16, user: &str, group: &str, plugin: &[String]) -> String {
    let at = dir.display();
    let inner = if Uid::effective().is_root() {
        String::new()
    } else {
        // Nobody else can be had.
        format!(
            "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n"
        )
    };
    let chroot = if inner.is_empty() { "" } else { "chroot =" };
    let plugin: String = plugin.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "base_dir = {at}/run
state_dir = {at}/state
log_path = {at}/log
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{at}/mail/%u
mail_home = {at}/mail/%u.home
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group}
{inner}namespace inbox {{
  inbox = yes
  mailbox Trash {{
    special_use = \\Trash
    auto = subscribe
  }}
}}
passdb {{
  driver = passwd-file
  args = {at}/users
}}
userdb {{
  driver = passwd-file
  args = {at}/users
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  {chroot}
}}
service lmtp {{
  unix_listener {at}/lmtp {{
    mode = 0666
  }}
}}
!include {at}/90-mailward.conf
plugin {{
{plugin}}}
"
    )
}
