//! mimedefang with clamd: Debian's filter file and start-up options, the multiplexor with as many workers as amavis has.
//!
//! Debian names no virus scanner; the two lines that switch clamd on are what an admin writes into `mimedefang.pl.conf`. Requests
//! wait in a queue where Debian would tell the client to come back later.

use std::path::Path;

use super::super::mta::clamd::{self, Clamd};
use super::super::mta::guard::{self, Dir};
use super::program::Program;
use super::rows::{Running, WORKERS, World};

const FILTER: &str = "/etc/mail/mimedefang-filter";
const CONFIG: &str = "/etc/mail/mimedefang.pl.conf";

pub(super) fn missing() -> Option<String> {
    let here = guard::installed("mimedefang")
        && guard::installed("mimedefang-multiplexor")
        && [FILTER, CONFIG].iter().all(|file| Path::new(file).is_file())
        && guard::user_id("defang").is_some();
    (!here).then(|| "mimedefang is not installed (Debian: mimedefang)".to_owned())
}

pub(super) fn start(world: &World) -> anyhow::Result<Running> {
    let clamd = Clamd::start(&clamd::Options::default())?;
    let dir = Dir::new("mimedefang")?;
    let spool = dir.make("spool", 0o755)?;
    guard::run(guard::privileged("chown").arg("defang:defang").arg(&spool))?;
    let config = dir.path().join("mimedefang.pl.conf");
    std::fs::write(
        &config,
        format!("$Features{{'Virus:CLAMD'}} = 1;\n$ClamdSock = '{}';\n1;\n", clamd.socket().display()),
    )?;
    let at = |name: &str| spool.join(name).display().to_string();
    let (place, inner, outer, pid) =
        (at(""), at("multiplexor.sock"), at("milter.sock"), at("multiplexor.pid"));
    let workers = WORKERS.to_string();
    let mut over = world.over();
    over.push((&config, CONFIG));
    let command = [
        "mimedefang-multiplexor",
        "-D",
        "-U",
        "defang",
        "-E",
        "-F",
        FILTER,
        "-z",
        &place,
        "-s",
        &inner,
        "-p",
        &pid,
        "-m",
        &workers,
        "-x",
        &workers,
        "-q",
        "32",
        "-b",
        "600",
    ];
    let mut multiplexor = Program::start("multiplexor", dir.path(), &over, &command)?;
    let path = Path::new(&inner);
    multiplexor.wait(|| Ok(path.exists().then_some(())))?;
    let command = ["mimedefang", "-D", "-U", "defang", "-z", &place, "-m", &inner, "-p", &outer, "-q"];
    let mut mimedefang = Program::start("mimedefang", dir.path(), &over, &command)?;
    mimedefang.wait_for_socket(Path::new(&outer))?;
    Ok(Running {
        options: vec![("smtpd_milters", format!("unix:{outer}"))],
        mains: vec![mimedefang.pid(), multiplexor.pid(), clamd.pid()],
        log: None,
        parts: vec![Box::new(mimedefang), Box::new(multiplexor), Box::new(clamd), Box::new(dir)],
    })
}
