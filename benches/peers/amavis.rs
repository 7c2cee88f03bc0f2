//! amavis with clamd, as Debian configures it, before the queue.
//!
//! Debian's files in `conf.d` are read as they are, but for the two that ask this machine for its names; ours stand around
//! them. Virus checks are switched on, which Debian leaves to the admin; SpamAssassin is not there. Postfix hands each
//! message over while the client waits (`smtpd_proxy_filter`), so that its waits compare with a milter's.

use std::net::TcpStream;
use std::path::Path;

use anyhow::Context as _;

use super::super::mta::clamd::{self, Clamd};
use super::super::mta::free_port;
use super::super::mta::guard::{self, Dir};
use super::program::Program;
use super::rows::{Running, WORKERS, World};

const PROGRAM: &str = "/usr/sbin/amavisd";
const CONFIG: &str = "/etc/amavis/conf.d";

pub(super) fn missing() -> Option<String> {
    let here =
        Path::new(PROGRAM).is_file() && Path::new(CONFIG).is_dir() && guard::user_id("amavis").is_some();
    (!here).then(|| "amavis is not installed (Debian: amavisd-new)".to_owned())
}

pub(super) fn start(world: &World) -> anyhow::Result<Running> {
    let clamd = Clamd::start(&clamd::Options::default())?;
    let dir = Dir::new("amavis")?;
    let home = dir.path().display().to_string();
    for name in ["tmp", "db", "virusmails"] {
        let folder = dir.make(name, 0o750)?;
        guard::run(guard::privileged("chown").arg("amavis:amavis").arg(folder))?;
    }
    guard::run(guard::privileged("chown").arg("amavis:amavis").arg(dir.path()))?;
    let port = free_port()?;
    let (first, last) = (dir.make("conf", 0o755)?.join("05-site"), dir.path().join("conf/99-site"));
    std::fs::write(
        &first,
        "use strict;\n$mydomain = 'example.org';\n$myhostname = 'mx.example.org';\n\
         @local_domains_acl = ('.example.org');\n1;\n",
    )?;
    let socket = clamd.socket().display().to_string();
    let back = world.reinjection;
    std::fs::write(
        &last,
        format!(
            "use strict;\n\
             $daemon_user = 'amavis'; $daemon_group = 'amavis';\n\
             $MYHOME = '{home}'; $TEMPBASE = '{home}/tmp'; $ENV{{TMPDIR}} = $TEMPBASE;\n\
             $db_home = '{home}/db'; $QUARANTINEDIR = '{home}/virusmails';\n\
             $pid_file = '{home}/amavisd.pid'; $lock_file = '{home}/amavisd.lock';\n\
             $unix_socketname = undef; $inet_socket_bind = '127.0.0.1'; $inet_socket_port = {port};\n\
             $forward_method = 'smtp:[127.0.0.1]:{back}'; $notify_method = $forward_method;\n\
             $max_servers = {WORKERS};\n\
             $DO_SYSLOG = 0; $LOGFILE = '{home}/amavis.log'; $log_level = 0;\n\
             @bypass_spam_checks_maps = (1);\n\
             @bypass_virus_checks_maps = (\\%bypass_virus_checks, \\@bypass_virus_checks_acl, \\$bypass_virus_checks_re);\n\
             @av_scanners = (['ClamAV-clamd', \\&ask_daemon, [\"CONTSCAN {{}}\\n\", '{socket}'],\n\
             qr/\\bOK$/m, qr/\\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m ]);\n\
             @av_scanners_backup = ();\n1;\n"
        ),
    )?;
    let mut files = std::fs::read_dir(CONFIG)
        .context("amavis has no conf.d")?
        .map(|entry| Ok(entry?.path().display().to_string()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    files.retain(|file| !file.contains("/05-"));
    files.sort();
    let mut command = vec![PROGRAM.to_owned()];
    let around = [vec![first.display().to_string()], files, vec![last.display().to_string()]].concat();
    command.extend(around.into_iter().flat_map(|file| ["-c".to_owned(), file]));
    command.push("foreground".to_owned());
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let mut amavis = Program::start("amavis", dir.path(), &world.over(), &command)?;
    amavis.wait(|| Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop)))?;
    let log = dir.path().join("amavis.log");
    Ok(Running {
        options: vec![("smtpd_proxy_filter", format!("127.0.0.1:{port}"))],
        mains: vec![amavis.pid(), clamd.pid()],
        log: Some(log),
        parts: vec![Box::new(amavis), Box::new(clamd), Box::new(dir)],
    })
}
