//! `make bench-peers`: mailward beside what an admin would otherwise run.
//!
//! One private Postfix with a port for each row of the table: no filter, the floor (`benches/floor.rs`), mailward with all of its
//! own, mailward with rspamd and clamd, opendkim, opendkim + opendmarc + clamav-milter, rspamd's own milter, the same asking clamd, amavis,
//! mimedefang. The same mails to all, signed, from a host that none takes for local, with a DNS here that knows the sender.
//!
//! **Contract.** Nothing is measured of a row that has not shown on probes that it does its work ([`proof`]). Rounds are interleaved, in
//! an order that rotates; the first warms up, finds how many messages fill a few seconds, and is thrown away;
//! every difference and ratio is taken within its round. Prints Markdown; writes every figure to `target/peers.csv` and the
//! plot to `docs/peers.svg` – to `target/peers.svg` if the run is not a whole one. Bounded in time throughout.
//!
//! **Failures.** A row that cannot be started, does not prove itself, dies or hangs is told, and the others go on. Without root there is
//! no port 53 and no namespace, and nothing is measured.

mod amavis;
mod figures;
mod load;
mod mail;
mod milters;
mod mimedefang;
mod plot;
mod program;
mod proof;
mod rounds;
mod rows;
mod tables;
mod usage;
mod versions;

use anyhow::Context as _;
use nix::unistd::Uid;

use super::mta::{Options, Postfix, Service};
use super::{Settings, table};
use figures::Figures;
use rows::{Running, Who, World};

/// A row that runs.
struct Row {
    who: Who,
    running: Running,
}

/// Measures and prints.
///
/// # Errors
/// If Postfix cannot be started, or a row is named that does not exist.
pub(crate) fn run(settings: &Settings) -> anyhow::Result<()> {
    anyhow::ensure!(Uid::effective().is_root(), "namespaces and port 53 are for root only: run this as root");
    let wanted = wanted(&settings.only)?;
    let begin = std::time::Instant::now();
    println!("{}", table::machine());
    println!("{}\n", versions::list());
    let world = World::new()?;
    let mut figures = Figures::default();
    let mut rows = Vec::new();
    for who in &wanted {
        match who.start(&world) {
            Ok(running) => rows.push(Row { who: *who, running }),
            Err(error) => figures.told.push((*who, format!("not measured: {}", in_short(&error)))),
        }
    }
    let postfix = Postfix::start(&options(&rows, &world))?;
    println!("| filter | what probes from outside showed |\n|---|---|");
    rows.retain(|row| match proof::prove(row.who, &row.running, &postfix, &world.press) {
        Ok(seen) => {
            println!("| {} | {seen} |", row.who.name());
            true
        }
        Err(error) => {
            println!("| {} | **not measured**: {} |", row.who.name(), in_short(&error));
            figures.told.push((row.who, format!("not measured: {}", in_short(&error))));
            // What it left behind must not be in the way of the others.
            drop(postfix.postsuper(&["-d", "ALL"]));
            false
        }
    });
    println!();
    rounds::measure(settings, &rows, &postfix, &world.press, &mut figures)?;
    println!("{}", tables::tables(&figures, &wanted));
    println!("{}", tables::bars(&figures));
    let whole = settings.only.is_empty() && settings.rounds >= 7 && settings.scale >= 100;
    let plot = if whole { "docs/peers.svg" } else { "target/peers.svg" };
    std::fs::create_dir_all("target")?;
    std::fs::write("target/peers.csv", figures.csv()).context("cannot write target/peers.csv")?;
    std::fs::write(plot, plot::svg(&figures, &wanted)).with_context(|| format!("cannot write {plot}"))?;
    println!(
        "{} rounds in {} min; every figure is in target/peers.csv.\n",
        settings.rounds,
        begin.elapsed().as_secs() / 60
    );
    let name = plot.rsplit('/').next().unwrap_or(plot);
    println!("![Messages a second and CPU time of each filter, median and spread]({name})");
    Ok(())
}

/// The rows that are asked for. What all others are held against is always among them.
fn wanted(only: &[String]) -> anyhow::Result<Vec<Who>> {
    let known = |key: &str| Who::ALL.iter().any(|who| who.key() == key);
    if let Some(unknown) = only.iter().find(|key| !known(key)) {
        let keys = Who::ALL.map(Who::key).join(", ");
        anyhow::bail!("there is no row {unknown}; there are {keys}");
    }
    let asked = |who: &Who| {
        only.is_empty() || matches!(who, Who::Nobody | Who::Floor) || only.iter().any(|key| key == who.key())
    };
    Ok(Who::ALL.into_iter().filter(asked).collect())
}

/// One port for each row; delivery to discard(8), but for probes; and a way back for what filters before the queue.
fn options(rows: &[Row], world: &World) -> Options {
    let service = |row: &Row| {
        let options: Vec<(&str, &str)> =
            row.running.options.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Service::new(row.who.key(), &options)
    };
    let mut options = Options { services: rows.iter().map(service).collect(), ..Options::default() };
    options.master_cf.push(format!(
        "127.0.0.1:{} inet n - n - - smtpd\n  -o smtpd_proxy_filter=\n  -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n  \
         -o smtpd_milters=",
        world.reinjection
    ));
    options
        .set("virtual_transport", "discard")
        .set("transport_maps", format!("inline:{{ {{ {} = virtual: }} }}", proof::PROBED))
        // A filter that hangs costs a minute, not five.
        .set("milter_content_timeout", "50s")
        .set("milter_command_timeout", "20s")
        .set("smtpd_proxy_timeout", "50s")
}

/// The first line of what went wrong.
fn in_short(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines().next().unwrap_or_default().replace('|', "/")
}
