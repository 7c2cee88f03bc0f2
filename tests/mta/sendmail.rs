//! Debian's Sendmail in a root of its own, because it cannot stand beside Postfix.
//!
//! **Contract.** [`Sendmail::start`] makes its configuration by m4 from Debian's own `sendmail.mc` and the lines of
//! `conf/sendmail/mailward.mc`, and starts it on port 25 of this process's loopback: the test has a network
//! namespace of its own (`netns::entered`). Local users need not exist; each gets its mail as files in
//! [`Sendmail::mailbox`]. The milter's socket is that of a daemon out here ([`Sendmail::use_milter`]), or of one that
//! the test runs in there.
//!
//! **Failures.** With what the script inside wrote, or Sendmail's log, in the text.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Delivered, Machine, PATIENCE, Root, machine, wait_until};

/// What the root consists of.
const PACKAGES: &[&str] = &["sendmail-bin", "sendmail-cf", "sendmail-base", "m4", "mount", "procps"];

/// The lines that the documentation gives.
const LINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/sendmail/mailward.mc");

/// Makes the configuration: Debian's own file, with our lines above MAILER_DEFINITIONS. Without what slows clients down
/// what asks the DNS, of which there is none, and what
/// refuses the addresses of examples. Mail for local users goes to files.
const CONFIGURE: &str = r#"
set -e
hostname mx.example.org
cat /host/hosts >/etc/hosts
printf 'example.org\nexample.net\n' >>/etc/mail/local-host-names
cp /host/mailward.mc /etc/mail/mailward.mc
mkdir -p /host/mail /run/sendmail/mta /run/sendmail/msp /run/sendmail/stampdir
chmod 1777 /host/mail
chown smmta:smmsp /run/sendmail/mta
awk '/^MAILER_DEFINITIONS/ {while ((getline line < "/host/site.mc") > 0) print line} {print}' /etc/mail/sendmail.mc |
    sed -e '/greet_pause/d' -e '/ratecontrol/d' -e '/conncontrol/d' -e '/BAD_RCPT/d' -e '/CONNECTION_RATE/d' -e 's/, Addr=127.0.0.1//' \
        -e '/access_db/d' -e '/delay_checks/d' \
        >/host/all.mc
m4 /host/all.mc >/etc/mail/sendmail.cf
sed -i 's|^#\{0,1\}O ServiceSwitchFile=.*|O ServiceSwitchFile=/etc/mail/service.switch-nodns|' /etc/mail/submit.cf
newaliases >/dev/null 2>&1 || true
"#;

/// What a test's own Sendmail has besides our lines.
const SITE: &str = "include(`/etc/mail/mailward.mc')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch-nodns')dnl
define(`LOCAL_MAILER_PATH', `/host/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u')dnl
MODIFY_MAILER_FLAGS(`LOCAL', `-w')dnl
";

/// The local mailer.
const DELIVER: &str = r#"#!/bin/sh
umask 022
name=$(printf %s "$1" | tr '/ "' '___')
file=$(mktemp "/host/mail/.new.XXXXXXXX")
cat >"$file"
chmod 644 "$file"
mkdir -p -m 1777 "/host/mail/$name"
mv "$file" "/host/mail/$name/$(date +%s%N)"
"#;

/// A running Sendmail.
#[derive(Debug)]
pub(crate) struct Sendmail {
    machine: Machine,
}

impl Sendmail {
    /// The Debian root it runs in; made if it is not there yet.
    ///
    /// # Errors
    /// If the packages cannot be had.
    pub(crate) fn root() -> anyhow::Result<Root> {
        Root::debian("sendmail", PACKAGES)
    }

    /// Starts one. `socket` is the milter's as Sendmail sees it, the documented one where it is `None`; `hosts` are
    /// lines of /etc/hosts, by which it knows its clients' names; `more` lines of sendmail.mc.
    ///
    /// # Errors
    /// If it cannot be configured or started.
    pub(crate) fn start(socket: Option<&str>, hosts: &str, more: &str) -> anyhow::Result<Self> {
        let root = Self::root()?;
        let sendmail = Self { machine: Machine::bare(&root, true)? };
        let host = sendmail.host();
        let mut lines = std::fs::read_to_string(LINES).context("cannot read the lines for sendmail.mc")?;
        if let Some(socket) = socket {
            anyhow::ensure!(
                lines.contains("S=local:/run/mailward/milter.sock"),
                "the lines name another socket"
            );
            lines = lines.replace("/run/mailward/milter.sock", socket);
        }
        let known = format!("127.0.0.1 mx.example.org mx localhost\n{hosts}");
        for (name, text) in [
            ("mailward.mc", lines.as_str()),
            ("site.mc", &format!("{SITE}{more}")),
            ("hosts", &known),
            ("deliver", DELIVER),
        ] {
            std::fs::write(host.join(name), text)?;
        }
        sendmail.told(&format!("chmod 755 /host/deliver\n{CONFIGURE}"))?;
        sendmail.told("sendmail-mta -bd -q10m -X /host/smtp.log -O LogLevel=14 2>/host/start.log || { cat /host/start.log; exit 1; }")?;
        let greets = || Ok(super::Smtp::connect(25).ok());
        drop(wait_until("Sendmail's greeting", PATIENCE, greets)?);
        Ok(sendmail)
    }

    /// Its root.
    pub(crate) const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The folder that it sees as /host.
    pub(crate) fn host(&self) -> PathBuf {
        self.machine.host()
    }

    /// What a script inside prints, which must succeed.
    ///
    /// # Errors
    /// If it fails; with what it wrote.
    pub(crate) fn told(&self, script: &str) -> anyhow::Result<String> {
        machine::told(script, &self.machine.run(script)?)
    }

    /// Has it ask the milter at this socket out here, which it knows as `/host/milter.sock`. The socket is moved there:
    /// Sendmail trusts none that has two names.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub(crate) fn use_milter(&self, socket: &Path) -> anyhow::Result<()> {
        let known = self.host().join("milter.sock");
        std::fs::rename(socket, &known).with_context(|| format!("{} as /host/milter.sock", socket.display()))
    }

    /// What a local user has got, oldest first.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn mailbox(&self, user: &str) -> anyhow::Result<Vec<Delivered>> {
        Delivered::read_all(&self.host().join("mail").join(user))
    }

    /// Waits until nothing is on its way any more; what is held (quarantined by Sendmail) does not count.
    ///
    /// # Errors
    /// When the time is over; with the queue.
    pub(crate) fn wait_for_empty_queue(&self) -> anyhow::Result<()> {
        let idle = || {
            let waiting = self.told("ls /var/spool/mqueue | grep -c '^[qtx]f' || true")?;
            Ok((waiting.trim() == "0").then_some(()))
        };
        wait_until("an empty queue", PATIENCE, idle).map_err(|error| {
            let queue = self.told("mailq -qL 2>&1; mailq; ls -la /var/spool/mqueue").unwrap_or_default();
            anyhow::anyhow!("{error:#}\n{queue}")
        })
    }

    /// Everything that was said by SMTP, to it and by it.
    pub(crate) fn transcript(&self) -> String {
        std::fs::read_to_string(self.host().join("smtp.log")).unwrap_or_default()
    }
}
