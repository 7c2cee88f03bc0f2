//! Memory of the daemon: at rest, with big messages and floods, with a thousand idle connections.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use anyhow::Context as _;
use indymilter::message::command::{Command, ConnInfoPayload, OptNegPayload};
use indymilter::{Actions, ProtoOpts, SocketInfo};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::mails::{Kind, Template};
use super::mta::{Daemon, Postfix, Smtp, probe};
use super::{SESSIONS, process, sender};

const MIB: u64 = 1024 * 1024;
const IDLE_CONNECTIONS: usize = 1_000;

/// Measures and prints a table. `idle` is the daemon's memory before its first message.
pub(crate) fn report(postfix: &Postfix, daemon: &Daemon, idle: u64) -> anyhow::Result<()> {
    println!("| memory of mailward | MiB | allowed |\n|---|---|---|");
    println!("| at rest after start | {} | 60 |", mib(idle));
    let port = postfix.port("mailward")?;
    for (name, template, count) in [
        ("8 messages of 20 MB at once, over rest", Template::big(20 * 1_000_000), 8),
        ("20 MB of boundary lines, over rest", Template::boundary_flood(20 * 1_000_000), 1),
        ("7 million header fields, over rest", Template::field_flood(7_000_000), 1),
    ] {
        let (rest, _) = process::memory(daemon.pid())?;
        process::forget_peak(daemon.pid())?;
        let answers = at_once(port, &template, count)?;
        let (_, peak) = process::memory(daemon.pid())?;
        let bytes = u64::try_from(template.len() * count)?;
        let allowed = 3 * bytes + 8 * MIB;
        println!("| {name} (answers: {answers}) | {} | {} |", mib(peak.saturating_sub(rest)), mib(allowed));
    }
    let (before, _) = process::memory(daemon.pid())?;
    let idle_connections = hold_connections(daemon)?;
    let (now, _) = process::memory(daemon.pid())?;
    let (grown, allowed) = (now.saturating_sub(before), 25_000 * u64::try_from(IDLE_CONNECTIONS)?);
    println!(
        "| {} idle connections, over rest | {} | {} |",
        idle_connections.len(),
        mib(grown),
        mib(allowed)
    );
    let run = sender::send(port, &Template::new(Kind::Text), "idle", 800, SESSIONS)?;
    let (now, _) = process::memory(daemon.pid())?;
    println!("| after all of this, beside them | {} | – |", mib(now));
    println!("\nBeside {} idle connections: {:.0} messages/s of text.", idle_connections.len(), run.rate());
    Ok(())
}

/// Sends `count` copies at the same time; the distinct codes of the answers.
fn at_once(port: u16, template: &Template, count: usize) -> anyhow::Result<String> {
    let codes = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn(move || {
                    let wire = template.wire(&format!("big.{number}.{}", template.len()));
                    let mut client = Smtp::hello(port, "bench.remote.example")?;
                    client.command("MAIL FROM:<bench@remote.example>")?;
                    client.command("RCPT TO:<alice@example.org>")?;
                    client.command("DATA")?;
                    client.write(&wire)?;
                    Ok(client.reply()?.code)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| anyhow::anyhow!("a sender panicked"))?)
            .collect::<anyhow::Result<Vec<u16>>>()
    })?;
    let mut codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
    codes.dedup();
    Ok(codes.join(", "))
}

/// Opens connections to the milter that have said who connects and then say nothing.
fn hold_connections(daemon: &Daemon) -> anyhow::Result<Vec<UnixStream>> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let offer = OptNegPayload { version: 6, actions: Actions::all(), opts: ProtoOpts::all() };
    let client = ConnInfoPayload {
        hostname: c"idle.remote.example".into(),
        socket_info: SocketInfo::Inet(([192, 0, 2, 7], 4025).into()),
    };
    (0..IDLE_CONNECTIONS)
        .map(|number| {
            let opened = || -> anyhow::Result<UnixStream> {
                let mut stream = UnixStream::connect(daemon.site().milter_socket())?;
                stream.write_all(&probe::frame(Command::OptNeg(offer.clone()).into_message())?)?;
                probe::read(&mut stream)?;
                stream.write_all(&probe::frame(Command::ConnInfo(client.clone()).into_message())?)?;
                Ok(stream)
            };
            opened().with_context(|| format!("connection {number} was not taken"))
        })
        .collect()
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}
