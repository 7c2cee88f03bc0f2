//! A private rspamd, with a private Redis for what it learns.
//!
//! **Contract.** [`Rspamd::start`] returns when worker and controller answer. Debian's programs and rules, a
//! configuration, state and sockets of its own below one temporary directory; it asks a DNS server that knows no
//! names, or the one that [`Rspamd::asking`] is told, and nothing else of the net. Rules of ours, `TEST_CLIENT` and its like,
//! tell what rspamd was told. Dropped = stopped,
//! by process id.
//!
//! **Failures.** With the end of rspamd's own log in the text.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::Uid;

use super::dns::Dns;
use super::guard::{self, Dir};
use super::{PATIENCE, free_port, wait_until};

/// What the controller asks for.
const PASSWORD: &str = "a password of this test";
/// Where Debian has its configuration.
const CONFIG: &str = "/etc/rspamd/rspamd.conf";

/// Puts out what rspamd knows of a message, as options of symbols without a score.
const SEES: &str = r"
local id = rspamd_config:register_symbol{
  name = 'TEST_SEES', type = 'callback',
  callback = function(task)
    local client, envelope, mta = {}, {}, {}
    local function see(list, key, value) if value then table.insert(list, key .. '=' .. tostring(value)) end end
    local ip = task:get_from_ip()
    if ip and ip:is_valid() then see(client, 'ip', ip) end
    see(client, 'helo', task:get_helo())
    see(client, 'hostname', task:get_hostname())
    see(client, 'user', task:get_user())
    for _, from in ipairs(task:get_from('smtp') or {}) do see(envelope, 'from', from.addr) end
    for _, rcpt in ipairs(task:get_recipients('smtp') or {}) do see(envelope, 'rcpt', rcpt.addr) end
    for _, name in ipairs({'Deliver-To', 'Queue-Id', 'MTA-Name', 'MTA-Tag', 'TLS-Version', 'TLS-Cipher'}) do
      see(mta, name, task:get_request_header(name))
    end
    task:insert_result('TEST_CLIENT', 1.0, client)
    task:insert_result('TEST_ENVELOPE', 1.0, envelope)
    task:insert_result('TEST_MTA', 1.0, mta)
    for _, r in ipairs(task:get_received_headers() or {}) do
      local what = {r.from_hostname or '', r.real_hostname or '', tostring(r.from_ip or ''), r.by_hostname or '', r.proto or ''}
      task:insert_result('TEST_RECEIVED', 1.0, table.concat(what, ' '))
    end
  end
}
for _, name in ipairs({'TEST_CLIENT', 'TEST_ENVELOPE', 'TEST_MTA', 'TEST_RECEIVED'}) do
  rspamd_config:register_symbol{name = name, type = 'virtual', parent = id, score = 0.0}
end
";

/// Which of its workers look at mail, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// Normal workers, which are asked over HTTP.
    Normal(usize),
    /// Workers that are a milter and look at mail themselves; no normal ones.
    Milter(usize),
    /// The same, which ask the clamd at this socket of each message as a whole.
    MilterAskingClamd(usize, PathBuf),
}

/// A running rspamd.
#[derive(Debug)]
pub(crate) struct Rspamd {
    dir: Dir,
    processes: Vec<Child>,
    worker: SocketAddr,
    controller: SocketAddr,
    /// Held until the end.
    dns: Option<Dns>,
}

/// What is missing to start one, as a sentence; `None` if nothing is.
pub(crate) fn missing() -> Option<String> {
    let here =
        |program: &str| guard::search_path().split(':').any(|dir| Path::new(dir).join(program).is_file());
    if !here("rspamd") || !Path::new(CONFIG).is_file() {
        return Some("rspamd is not installed".to_owned());
    }
    (!here("redis-server")).then(|| "redis-server is not installed".to_owned())
}

impl Rspamd {
    /// Starts one.
    ///
    /// # Errors
    /// If it ends or does not answer in time; with its log.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let dns = Dns::empty()?;
        let mut rspamd = Self::asking(dns.address())?;
        rspamd.dns = Some(dns);
        Ok(rspamd)
    }

    /// Starts one that asks this DNS server.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn asking(dns: SocketAddr) -> anyhow::Result<Self> {
        Self::with_workers(dns, Workers::Normal(1))
    }

    /// The same with these workers.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn with_workers(dns: SocketAddr, workers: Workers) -> anyhow::Result<Self> {
        let dir = Dir::new("rspamd")?;
        for name in ["conf/local.d", "db", "run", "log"] {
            dir.make(name, 0o755)?;
        }
        let on_loopback = || -> anyhow::Result<SocketAddr> { Ok(([127, 0, 0, 1], free_port()?).into()) };
        let (worker, controller) = (on_loopback()?, on_loopback()?);
        configure(dir.path(), dns, (worker, controller), &workers)?;
        std::fs::write(dir.path().join("controller.password"), PASSWORD)?;
        let mut rspamd = Self { dir, processes: Vec::new(), worker, controller, dns: None };
        rspamd.launch_redis()?;
        rspamd.launch()?;
        let asked: &[SocketAddr] = match workers {
            Workers::Normal(_) => &[worker, controller],
            Workers::Milter(_) | Workers::MilterAskingClamd(..) => &[controller],
        };
        for address in asked.iter().copied() {
            let ready = wait_until("an answer of rspamd", PATIENCE, || {
                rspamd.look_for_the_dead()?;
                Ok(ping(address).then_some(()))
            });
            ready.map_err(|error| rspamd.with_log(&error))?;
        }
        Ok(rspamd)
    }

    /// The worker, over TCP, as `url` of `[scanner.rspamd]`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.worker)
    }

    /// The worker, over its unix socket.
    pub(crate) fn socket(&self) -> String {
        format!("unix:{}", self.path("run/worker.sock").display())
    }

    /// The socket of those that are a milter, as `smtpd_milters` names it.
    pub(crate) fn milter(&self) -> String {
        format!("unix:{}", self.path("run/milter.sock").display())
    }

    /// Its main process and its Redis.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    /// The controller.
    pub(crate) fn controller(&self) -> String {
        format!("http://{}", self.controller)
    }

    /// A file with the controller's password.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.path("controller.password")
    }

    /// `[scanner.rspamd]` of a daemon that asks this one at `url`.
    pub(crate) fn section(&self, url: &str) -> String {
        let (controller, password) = (self.controller(), self.password_file());
        format!(
            "[scanner.rspamd]\nurl = {url:?}\ncontroller = {controller:?}\n\
             controller_password = {{ file = {password:?} }}\n"
        )
    }

    /// What it wrote into its log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// The file of its log.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.path("log/rspamd.log")
    }

    /// The socket of its Redis, which holds what it learned.
    pub(crate) fn redis_socket(&self) -> PathBuf {
        self.path("run/redis.sock")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn launch_redis(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new("redis-server");
        // No port; nothing is saved.
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(self.path("run/redis.sock"));
        command.arg("--dir").arg(self.path("run"));
        self.spawn(command, "log/redis.log")?;
        let socket = self.path("run/redis.sock");
        wait_until("Redis", PATIENCE, || Ok(socket.exists().then_some(())))
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new("rspamd");
        command.args(["-f", "-c", CONFIG]);
        if Uid::effective().is_root() {
            // It would rather not run as root; this one may read its temporary directory.
            command.args(["-i", "-u", "root", "-g", "root"]);
        }
        for (name, place) in
            [("LOCAL_CONFDIR", "conf"), ("DBDIR", "db"), ("RUNDIR", "run"), ("LOGDIR", "log")]
        {
            command.arg(format!("--var={name}={}", self.path(place).display()));
        }
        self.spawn(command, "log/output.log")
    }

    fn spawn(&mut self, mut command: Command, log: &str) -> anyhow::Result<()> {
        let output = std::fs::File::create(self.path(log))?;
        command.env("PATH", guard::search_path());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        guard::watch(child.id(), self.dir.path())?;
        self.processes.push(child);
        Ok(())
    }

    fn look_for_the_dead(&mut self) -> anyhow::Result<()> {
        for child in &mut self.processes {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("rspamd or its Redis ended at start with {status}");
            }
        }
        Ok(())
    }

    fn with_log(&self, error: &anyhow::Error) -> anyhow::Error {
        let output = std::fs::read_to_string(self.path("log/output.log")).unwrap_or_default();
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        anyhow::anyhow!("{error:#}\n--- rspamd said ---\n{output}\n--- the end of its log ---\n{tail}")
    }
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        // rspamd before its Redis. A main process that is killed would leave its workers behind.
        for child in self.processes.iter_mut().rev() {
            guard::end(child.id(), Duration::from_secs(5));
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn configure(
    dir: &Path,
    dns: SocketAddr,
    (worker, controller): (SocketAddr, SocketAddr),
    workers: &Workers,
) -> anyhow::Result<()> {
    let conf = dir.join("conf");
    let at = |name: &str| dir.join(name).display().to_string();
    let (socket, control, redis, log) =
        (at("run/worker.sock"), at("run/control.sock"), at("run/redis.sock"), at("log/rspamd.log"));
    // The whole list of public suffixes takes seconds to compile.
    std::fs::write(conf.join("tld.dat"), "com\nexample\nnet\norg\n")?;
    std::fs::write(conf.join("rspamd.local.lua"), SEES)?;
    let tld = conf.join("tld.dat");
    let off = "enabled = false;\n";
    let (normal, milter) = match workers {
        Workers::Normal(count) => (
            format!("bind_socket = \"{worker}\";\nbind_socket = \"{socket} mode=0666\";\ncount = {count};\n"),
            off.to_owned(),
        ),
        Workers::Milter(count) | Workers::MilterAskingClamd(count, _) => (
            off.to_owned(),
            format!(
                "bind_socket = \"{} mode=0666\";\ncount = {count};\nmilter = yes;\n\
                 upstream \"local\" {{ default = yes; self_scan = yes; }}\n",
                at("run/milter.sock")
            ),
        ),
    };
    for (name, text) in [
        (
            "options.inc",
            format!(
                "dns {{ nameserver = [\"{dns}\"]; timeout = 1s; retransmits = 1; }}\nurl_tld = {tld:?};\n\
                 control_socket = \"{control} mode=0600\";\n"
            ),
        ),
        ("worker-normal.inc", normal),
        ("worker-proxy.inc", milter),
        (
            "worker-controller.inc",
            format!("bind_socket = \"{controller}\";\npassword = \"{PASSWORD}\";\nsecure_ip = [];\n"),
        ),
        ("logging.inc", format!("type = \"file\";\nfilename = \"{log}\";\nlevel = \"info\";\n")),
        (
            "classifier-bayes.conf",
            format!("backend = \"redis\";\nservers = \"{redis}\";\nmin_tokens = 5;\nautolearn = false;\n"),
        ),
        // What would ask the net: there is nobody to be asked.
        ("worker-fuzzy.inc", off.to_owned()),
        ("fuzzy_check.conf", off.to_owned()),
        ("rbl.conf", off.to_owned()),
        ("surbl.conf", off.to_owned()),
        ("asn.conf", off.to_owned()),
        ("phishing.conf", off.to_owned()),
    ] {
        std::fs::write(conf.join("local.d").join(name), text)?;
    }
    if let Workers::MilterAskingClamd(_, clamd) = workers {
        let text = format!(
            "clamav {{\n  type = \"clamav\";\n  symbol = \"CLAM_VIRUS\";\n  action = \"reject\";\n  scan_mime_parts = false;\n  \
             servers = {clamd:?};\n}}\n"
        );
        std::fs::write(conf.join("local.d/antivirus.conf"), text)?;
    }
    Ok(())
}

/// Whether a worker answers.
fn ping(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
    let asked = stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut start = [0; 12];
    asked.is_ok() && stream.read_exact(&mut start).is_ok() && start == *b"HTTP/1.1 200"
}
