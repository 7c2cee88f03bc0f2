//! `make bench`: what mailward costs beside the same Postfix with no filter and with the floor.
//!
//! One private Postfix with three ports: no milter, `benches/floor.rs`, mailward on its embedded defaults.
//! Delivery is to discard(8), so that what is measured is receiving and filtering. Rounds are
//! interleaved: each round sends the same messages to all three, in an order that rotates, and every ratio is
//! taken within its round. Prints Markdown for `docs/performance.md`.
//!
//! ```text
//! bench [--rounds N] [--scale PERCENT] [--without-mailward] [--neighbours] [--auth] [--hash] [--links] [--rules]
//! bench --peers [--rounds N] [--scale PERCENT] [--only ROW,…]
//! ```
//!
//! The last part, [`neighbours`], is about rspamd and clamd and needs both; `--neighbours` measures nothing else.
//! `--auth` measures [`auth`] alone, and the whole way of a signed mail that is verified.
//! `--hash` measures [`hash`] alone and needs no Postfix. `--links` measures [`links`] and [`feeds`].
//! `--rules` measures [`rules`] alone and needs no Postfix. `--peers` is `make bench-peers`: [`peers`] and nothing else.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::print_stderr, reason = "a long run tells how far it is, beside the table")]

mod auth;
mod direct;
mod feeds;
mod floor;
mod hash;
mod links;
mod mails;
mod memory;
#[path = "../tests/mta/mod.rs"]
mod mta;
mod neighbours;
mod peers;
mod process;
mod rules;
mod sender;
mod table;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use mails::{Kind, Template};
use mta::guard::{self, Dir};
use mta::{Daemon, Options, Postfix, Service};
use table::{Measured, Row};

/// Senders at once.
const SESSIONS: usize = 8;

fn main() -> anyhow::Result<()> {
    let settings = match Settings::from_arguments()? {
        Mode::Floor(address) => return floor::serve(&address),
        Mode::Bench(settings) => settings,
    };
    if settings.peers {
        return peers::run(&settings);
    }
    if settings.neighbours {
        println!("{}", table::machine());
        return neighbours::report(settings.rounds, settings.scale);
    }
    if settings.hash {
        println!("{}", table::machine());
        return hash::report(settings.rounds);
    }
    if settings.rules {
        println!("{}", table::machine());
        return rules::report(settings.rounds);
    }
    if settings.links {
        println!("{}", table::machine());
        return led(&settings);
    }
    if settings.auth {
        println!("{}", table::machine());
        return verified(&settings);
    }
    let daemon = if settings.without_mailward { None } else { Some(Daemon::start("")?) };
    let idle = daemon.as_ref().map(|daemon| settled_memory(daemon.pid())).transpose()?;
    let floor = Floor::start()?;
    let postfix = Postfix::start(&options(&floor.endpoint, daemon.as_ref()))?;
    println!("{}", table::machine());
    println!("{}", table::HEAD);
    for kind in Kind::ALL {
        let mail = (kind.name(), &Template::new(kind), settings.messages(kind));
        for row in throughput(&settings, mail, &postfix, &floor, daemon.as_ref())? {
            println!("{row}");
        }
    }
    if let (Some(daemon), Some(idle)) = (&daemon, idle) {
        println!();
        memory::report(&postfix, daemon, idle)?;
        println!();
        match neighbours::missing() {
            None => neighbours::report(settings.rounds, settings.scale)?,
            Some(why) => println!("rspamd and clamd are not measured: {why} (tests/mta/install.sh)."),
        }
    }
    Ok(())
}

struct Settings {
    rounds: usize,
    /// Per cent of the usual number of messages.
    scale: usize,
    without_mailward: bool,
    neighbours: bool,
    auth: bool,
    hash: bool,
    links: bool,
    rules: bool,
    peers: bool,
    /// Rows of the comparison; none named is all of them.
    only: Vec<String>,
}

enum Mode {
    Floor(String),
    Bench(Settings),
}

impl Settings {
    fn from_arguments() -> anyhow::Result<Mode> {
        let mut settings = Self {
            rounds: 7,
            scale: 100,
            without_mailward: false,
            neighbours: false,
            auth: false,
            hash: false,
            links: false,
            rules: false,
            peers: false,
            only: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "floor" => return Ok(Mode::Floor(value()?)),
                "--rounds" => settings.rounds = value()?.parse()?,
                "--scale" => settings.scale = value()?.parse()?,
                "--without-mailward" => settings.without_mailward = true,
                "--auth" => settings.auth = true,
                "--hash" => settings.hash = true,
                "--links" => settings.links = true,
                "--rules" => settings.rules = true,
                "--neighbours" => settings.neighbours = true,
                "--peers" => settings.peers = true,
                "--only" => settings.only = value()?.split(',').map(str::to_owned).collect(),
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        Ok(Mode::Bench(settings))
    }

    /// Messages of one run: some seconds' worth.
    const fn messages(&self, kind: Kind) -> usize {
        let usual = match kind {
            Kind::Text => 2_400,
            Kind::Html => 1_200,
            Kind::Attachment => 120,
        };
        let scaled = usual * self.scale / 100;
        if scaled < SESSIONS { SESSIONS } else { scaled }
    }
}

fn options(floor: &str, daemon: Option<&Daemon>) -> Options {
    let mut services =
        vec![Service::new("no filter", &[]), Service::new("floor", &[("smtpd_milters", floor)])];
    if let Some(daemon) = daemon {
        services.push(Service::new("mailward", &[("smtpd_milters", &daemon.endpoint())]));
    }
    let options = Options { services, ..Options::default() };
    // In the queue file, millions of fields take several times their bytes.
    options.set("virtual_transport", "discard").set("message_size_limit", "1073741824")
}

/// What verifying costs, by itself and on the whole way.
fn verified(settings: &Settings) -> anyhow::Result<()> {
    let sender = auth::Sender::new()?;
    auth::report(&sender, settings.rounds)?;
    let (daemon, floor) = (sender.daemon()?, Floor::start()?);
    let postfix = Postfix::start(&options(&floor.endpoint, Some(&daemon)))?;
    println!();
    println!("{}", table::HEAD);
    let mail = ("3.5 kB text, signed", &sender.mail, settings.messages(Kind::Text));
    for row in throughput(settings, mail, &postfix, &floor, Some(&daemon))? {
        println!("{row}");
    }
    Ok(())
}

/// What links and feeds cost, by themselves and on the whole way.
fn led(settings: &Settings) -> anyhow::Result<()> {
    let mail = Template::new(Kind::Html);
    links::report(&mail, settings.rounds)?;
    let (daemon, floor) = (links::daemon(200_000)?, Floor::start()?);
    let postfix = Postfix::start(&options(&floor.endpoint, Some(&daemon)))?;
    println!();
    println!("{}", table::HEAD);
    let mail = (Kind::Html.name(), &mail, settings.messages(Kind::Html));
    for row in throughput(settings, mail, &postfix, &floor, Some(&daemon))? {
        println!("{row}");
    }
    println!();
    feeds::swap(&postfix, &daemon, settings.rounds)?;
    drop((postfix, daemon));
    println!();
    feeds::report(settings.rounds)
}

/// Rounds for one kind of mail, a row for each filter.
fn throughput(
    settings: &Settings,
    (kind, template, messages): (&'static str, &Template, usize),
    postfix: &Postfix,
    floor: &Floor,
    daemon: Option<&Daemon>,
) -> anyhow::Result<Vec<Row>> {
    let mut filters = vec![("no filter", None), ("floor", Some(floor.child.id()))];
    filters.extend(daemon.map(|daemon| ("mailward", Some(daemon.pid()))));
    let mut measured: Vec<Vec<Measured>> = vec![Vec::new(); filters.len()];
    // Round 0 warms up and is thrown away.
    for round in 0..=settings.rounds {
        for turn in 0..filters.len() {
            let which = (round + turn) % filters.len();
            let Some(&(name, pid)) = filters.get(which) else { continue };
            let before = pid.map(process::cpu).transpose()?;
            let label = format!("{messages}.{round}.{which}");
            let run = sender::send(postfix.port(name)?, template, &label, messages, SESSIONS)
                .with_context(|| format!("{kind} through {name}"))?;
            postfix.wait_for_empty_queue()?;
            let after = pid.map(process::cpu).transpose()?;
            let cpu =
                before.zip(after).map(|(before, after)| after.saturating_sub(before) / count(run.messages));
            if let (Some(list), true) = (measured.get_mut(which), round > 0) {
                list.push(Measured { rate: run.rate(), cpu });
            }
        }
    }
    let names = filters.iter().map(|(name, _)| *name);
    Ok(table::rows(kind, names, &measured))
}

fn count(messages: usize) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX).max(1)
}

/// Memory of a process that has come to rest after its start.
fn settled_memory(pid: u32) -> anyhow::Result<u64> {
    std::thread::sleep(Duration::from_secs(2));
    Ok(process::memory(pid)?.0)
}

/// The floor as a process of its own, so that its time can be told from ours.
struct Floor {
    child: Child,
    endpoint: String,
    // Dropped last: the socket is in it.
    _dir: Dir,
}

impl Floor {
    fn start() -> anyhow::Result<Self> {
        let dir = Dir::new("floor")?;
        let socket = dir.path().join("milter.sock");
        let endpoint = format!("unix:{}", socket.display());
        let child = Command::new(std::env::current_exe()?)
            .args(["floor", &endpoint])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start the floor")?;
        guard::watch(child.id(), dir.path())?;
        mta::wait_until("the floor's socket", mta::PATIENCE, || Ok(socket.exists().then_some(())))?;
        Ok(Self { child, endpoint, _dir: dir })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
