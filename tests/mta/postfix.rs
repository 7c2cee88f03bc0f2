//! A private Postfix on loopback.
//!
//! **Contract.** [`Postfix::start`] returns when every port answers with a greeting. Own configuration, queue,
//! data and mail directories below one temporary directory; Debian's programs, nothing else of the machine.
//! Mail for example.org and example.net is delivered to Maildirs, mail for `@remote.example` (bounces)
//! too; nothing leaves the machine. Dropped = stopped, by the process id of its master.
//!
//! **Failures.** With the end of Postfix's own log in the text.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::Uid;

use super::delivered::Delivered;
use super::guard::{self, Dir, privileged, run};
use super::postfix_config::{self, Paths};
use super::{PATIENCE, Smtp, free_port, wait_until};

/// More servers than these are hardly ever idle at once in a test.
const WAITING_SERVERS: usize = 4;

/// One more smtpd on a port of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Service {
    /// Name to ask its port by.
    pub(crate) name: String,
    /// `-o name=value` lines of its entry.
    pub(crate) options: Vec<(String, String)>,
}

impl Service {
    /// A service with these settings.
    pub(crate) fn new(name: &str, options: &[(&str, &str)]) -> Self {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { name: name.into(), options }
    }
}

/// How the private Postfix is set up.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Milter endpoint as Postfix writes it (`unix:/…/milter.sock`), for SMTP and for sendmail(1).
    pub(crate) milter: Option<String>,
    /// What Postfix does when the milter does not answer.
    pub(crate) default_action: String,
    /// Lines for main.cf; a later one wins.
    pub(crate) main_cf: Vec<(String, String)>,
    /// smtpd services. The first two are there from the start: `smtp` (port 25) and `submission`
    /// (may relay, is announced to the milter as ORIGINATING).
    pub(crate) services: Vec<Service>,
    /// Lines for master.cf.
    pub(crate) master_cf: Vec<String>,
    /// Addresses with a mailbox; `@domain` takes the whole domain.
    pub(crate) mailboxes: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let submission: &[(&str, &str)] = &[
            ("mynetworks", "127.0.0.0/8"),
            ("smtpd_relay_restrictions", "permit_mynetworks, reject"),
            ("milter_macro_daemon_name", "ORIGINATING"),
            ("syslog_name", "postfix/submission"),
        ];
        let mailboxes = ["alice", "bob", "carol", "dave", "postmaster"];
        let mut mailboxes: Vec<String> = mailboxes.iter().map(|user| format!("{user}@example.org")).collect();
        mailboxes.extend(["alice@example.net".into(), "@remote.example".into()]);
        Self {
            milter: None,
            default_action: "tempfail".into(),
            main_cf: Vec::new(),
            services: vec![Service::new("smtp", &[]), Service::new("submission", submission)],
            master_cf: Vec::new(),
            mailboxes,
        }
    }
}

impl Options {
    /// With this milter, for example the `endpoint()` of a daemon or a probe.
    pub(crate) fn with_milter(endpoint: impl Into<String>) -> Self {
        Self { milter: Some(endpoint.into()), ..Self::default() }
    }

    /// Adds a line to main.cf.
    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.main_cf.push((name.into(), value.into()));
        self
    }
}

/// A message in the queue, from `postqueue -j`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    /// `active`, `deferred`, `hold`, `incoming`.
    pub(crate) queue: String,
    /// Queue id.
    pub(crate) id: String,
    /// Reverse-path, empty for a bounce.
    pub(crate) sender: String,
    /// Recipients still to be served.
    pub(crate) recipients: Vec<String>,
}

/// A running private Postfix.
#[derive(Debug)]
pub(crate) struct Postfix {
    dir: Dir,
    master: u32,
    services: Vec<(String, u16)>,
}

/// What is missing on this machine for a private Postfix, in a few words.
pub(crate) fn missing() -> Option<String> {
    if !guard::installed("postfix") || guard::user_id("postfix").is_none() {
        return Some("Postfix is not installed".into());
    }
    let allowed = Uid::effective().is_root() || run(&mut privileged("true")).is_ok();
    (!allowed).then(|| "Postfix can only be started by root, or with sudo that asks no password".into())
}

impl Postfix {
    /// Starts one.
    ///
    /// # Errors
    /// If Postfix is missing, does not like the settings, or does not greet in time.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        if let Some(missing) = missing() {
            anyhow::bail!("{missing}; run tests/mta/install.sh as root");
        }
        let dir = Dir::new("postfix")?;
        let me = Uid::effective();
        // virtual(8) wants a user that is not root: who runs the tests, or nobody.
        let mail_uid = if me.is_root() { guard::user_id("nobody").unwrap_or(65534) } else { me.as_raw() };
        let config = dir.make("config", 0o755)?;
        dir.make("queue", 0o755)?;
        let data = dir.make("data", 0o755)?;
        let mail = dir.make("mail", 0o755)?;
        let ports = options.services.iter().map(|_| free_port()).collect::<anyhow::Result<Vec<_>>>()?;
        let paths = Paths { dir: dir.path(), mail_uid };
        write(&config.join("main.cf"), &postfix_config::main_cf(options, &paths))?;
        write(&config.join("master.cf"), &postfix_config::master_cf(options, &ports))?;
        write(&config.join("mailboxes"), &postfix_config::mailboxes(options))?;
        // Ours before postlogd opens it, so that whoever runs the test may read it.
        write(&dir.path().join("postfix.log"), "")?;
        run(privileged("chown").arg("postfix").arg(&data))?;
        run(privileged("chown").arg(mail_uid.to_string()).arg(&mail))?;
        if !me.is_root() {
            run(privileged("chown").args(["-R", "root"]).arg(&config).arg(dir.path().join("queue")))?;
        }
        let services =
            options.services.iter().map(|service| service.name.clone()).zip(ports).collect::<Vec<_>>();
        let mut postfix = Self { dir, master: 0, services };
        postfix.launch().map_err(|error| postfix.with_log(&error))?;
        Ok(postfix)
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        run(self.tool("postfix").arg("start"))?;
        let pid_file = self.dir.path().join("queue/pid/master.pid");
        self.master = wait_until("the master process", PATIENCE, || {
            let text = run(privileged("cat").arg(&pid_file)).unwrap_or_default();
            Ok(text.trim().parse().ok())
        })?;
        guard::watch(self.master, self.dir.path())?;
        for (name, port) in &self.services {
            wait_until(&format!("the greeting of {name}"), PATIENCE, || {
                Ok(Smtp::connect(*port).ok().filter(|client| client.greeting.code == 220))
            })?;
        }
        Ok(())
    }

    /// Process id of the master process.
    pub(crate) fn pid(&self) -> u32 {
        self.master
    }

    /// The port that plays port 25.
    pub(crate) fn smtp_port(&self) -> u16 {
        self.services.first().map_or(0, |(_, port)| *port)
    }

    /// The port of a named service.
    ///
    /// # Errors
    /// If there is none of that name.
    pub(crate) fn port(&self, name: &str) -> anyhow::Result<u16> {
        let found = self.services.iter().find(|(service, _)| service == name);
        found.map(|(_, port)| *port).with_context(|| format!("this Postfix has no service {name}"))
    }

    /// The configuration directory, for `-c` and `-C`.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// The directory that holds all of it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// One of Postfix's commands, pointed at this instance.
    pub(crate) fn tool(&self, name: &str) -> Command {
        let mut command = privileged(name);
        command.arg("-c").arg(self.config_dir());
        command
    }

    /// Changes settings of the running instance and makes it read them.
    ///
    /// # Errors
    /// If `postconf` or `postfix reload` fail.
    pub(crate) fn reconfigure(&self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let lines = settings.iter().map(|(name, value)| format!("{name}={value}"));
        run(self.tool("postconf").arg("-e").args(lines))?;
        let reloads = || self.log().matches("reload -- version").count();
        let before = reloads();
        run(self.tool("postfix").arg("reload"))?;
        // The command returns before the master process has told its children.
        wait_until("the reload", PATIENCE, || Ok((reloads() > before).then_some(())))?;
        // A server that waits for a connection may take one more under the old configuration, then it ends.
        for _ in 0..WAITING_SERVERS {
            Smtp::connect(self.smtp_port())?.command("QUIT")?;
        }
        Ok(())
    }

    /// Hands over a message the way local programs do. Returns when Postfix took it into its drop directory.
    ///
    /// # Errors
    /// If sendmail(1) fails.
    pub(crate) fn sendmail(&self, from: &str, recipients: &[&str], message: &[u8]) -> anyhow::Result<()> {
        let file = self.dir.path().join("sendmail.input");
        std::fs::write(&file, message)?;
        let mut command = privileged("sendmail");
        command.arg("-C").arg(self.config_dir()).args(["-i", "-f", from, "--"]).args(recipients);
        let output = command.stdin(std::fs::File::open(&file)?).stdout(Stdio::piped()).output()?;
        anyhow::ensure!(output.status.success(), "sendmail: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// `postsuper`, for example `["-r", "ALL"]` or `["-H", id]`, and makes the queue run now: Postfix by itself
    /// would look within minutes.
    ///
    /// # Errors
    /// If it fails.
    pub(crate) fn postsuper(&self, arguments: &[&str]) -> anyhow::Result<()> {
        run(self.tool("postsuper").args(arguments))?;
        // pickup closes the connection at once, which may end postkick; the nudge has arrived by then.
        drop(self.tool("postkick").args(["public", "pickup", "W"]).output());
        self.flush()
    }

    /// What is in the queue.
    ///
    /// # Errors
    /// If `postqueue -j` fails.
    pub(crate) fn queue(&self) -> anyhow::Result<Vec<Queued>> {
        let text = run(self.tool("postqueue").arg("-j"))?;
        text.lines().filter(|line| !line.is_empty()).map(queued).collect()
    }

    /// Waits until the queue holds nothing, held and deferred mail included.
    ///
    /// # Errors
    /// When the time is over; says what is left.
    pub(crate) fn wait_for_empty_queue(&self) -> anyhow::Result<()> {
        wait_until("an empty queue", PATIENCE, || Ok(self.queue()?.is_empty().then_some(())))
            .map_err(|error| self.with_log(&error))
    }

    /// Tries everything in the queue again now.
    ///
    /// # Errors
    /// If `postqueue -f` fails.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        run(self.tool("postqueue").arg("-f"))?;
        Ok(())
    }

    /// The Maildir of an address.
    pub(crate) fn maildir(&self, address: &str) -> PathBuf {
        self.dir.path().join("mail").join(postfix_config::mailbox_folder(address))
    }

    /// Everything delivered to an address so far, oldest first.
    ///
    /// # Errors
    /// If the Maildir cannot be read.
    pub(crate) fn mailbox(&self, address: &str) -> anyhow::Result<Vec<Delivered>> {
        Delivered::read_all(&self.maildir(address).join("new"))
    }

    /// Everything delivered to an address, once it is at least `count` messages.
    ///
    /// # Errors
    /// When the time is over; with the log.
    pub(crate) fn wait_for_mail(&self, address: &str, count: usize) -> anyhow::Result<Vec<Delivered>> {
        wait_until(&format!("{count} messages for {address}"), PATIENCE, || {
            let mail = self.mailbox(address)?;
            Ok((mail.len() >= count).then_some(mail))
        })
        .map_err(|error| self.with_log(&error))
    }

    /// Postfix's log so far.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.dir.path().join("postfix.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a line in the log that contains `text`, and returns it.
    ///
    /// # Errors
    /// When the time is over; with the log.
    pub(crate) fn wait_for_log(&self, text: &str) -> anyhow::Result<String> {
        wait_until(&format!("a log line with {text}"), PATIENCE, || {
            Ok(self.log().lines().find(|line| line.contains(text)).map(str::to_owned))
        })
        .map_err(|error| self.with_log(&error))
    }

    fn with_log(&self, error: &anyhow::Error) -> anyhow::Error {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n");
        anyhow::anyhow!("{error:#}\n--- the end of Postfix's log ---\n{tail}")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if self.master == 0 {
            // Started in part at most; `postfix stop` finds what there is.
            drop(self.tool("postfix").arg("abort").output());
        } else {
            guard::end(self.master, Duration::from_secs(10));
        }
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn queued(line: &str) -> anyhow::Result<Queued> {
    let value: serde_json::Value = serde_json::from_str(line).context("postqueue -j")?;
    let text = |name: &str| value.get(name).and_then(|field| field.as_str()).unwrap_or_default().to_owned();
    let recipients = value.get("recipients").and_then(|list| list.as_array()).map_or_else(Vec::new, |list| {
        list.iter().filter_map(|entry| entry.get("address")?.as_str()).map(str::to_owned).collect()
    });
    Ok(Queued { queue: text("queue_name"), id: text("queue_id"), sender: text("sender"), recipients })
}
