//! Senders that play a host of the Internet: persistent connections, pipelined commands (RFC 2920), each message timed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::super::mta::Smtp;
use super::mail::{CLIENT, CLIENT_NAME, SENDER};

/// Messages that one connection carries before a new one is opened, as a busy sender does it.
const MESSAGES_A_CONNECTION: usize = 20;
/// How long one reply may take. Postfix itself asks a milter no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run took.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// From the first connection to the last reply.
    pub(super) took: Duration,
    /// Each message: from MAIL, or from when it was due, to the reply after the final dot; shortest first.
    pub(super) waits: Vec<Duration>,
}

impl Load {
    /// Messages a second.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand messages")]
    pub(super) fn rate(&self) -> f64 {
        self.waits.len() as f64 / self.took.as_secs_f64()
    }

    /// What so many of a hundred wait at most, in milliseconds.
    pub(super) fn quantile(&self, per_cent: usize) -> f64 {
        let at = (self.waits.len() * per_cent).div_ceil(100).saturating_sub(1);
        self.waits.get(at).map_or(f64::NAN, |wait| wait.as_secs_f64() * 1_000.0)
    }
}

/// A connection of the host that plays the sender.
///
/// # Errors
/// If nobody answers.
pub(super) fn connect(port: u16) -> anyhow::Result<Smtp> {
    let mut client = Smtp::connect(port)?;
    client.set_patience(PATIENCE)?;
    client.command(&format!("EHLO {CLIENT_NAME}"))?;
    let reply = client.pretend(&format!("NAME={CLIENT_NAME} ADDR={CLIENT}"), CLIENT_NAME)?;
    anyhow::ensure!(reply.code == 220, "XCLIENT: {reply}");
    Ok(client)
}

/// How messages follow one another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// Each as soon as its connection is free.
    AtOnce,
    /// One falls due so often, over all connections together, whether one is free or not.
    Every(Duration),
}

/// Sends these messages over so many connections at once. When `limit` has passed no other is begun, and the run fails.
///
/// # Errors
/// If one of them is not taken, or the time is over.
pub(super) fn send(
    port: u16,
    wires: &[Vec<u8>],
    (sessions, pace): (usize, Pace),
    limit: Duration,
) -> anyhow::Result<Load> {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    let session = || -> anyhow::Result<Vec<Duration>> {
        let take = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            wires.get(number).map(|bytes| (number, bytes))
        };
        let (mut waits, mut wire) = (Vec::new(), take());
        while wire.is_some() {
            let mut client = connect(port)?;
            for _ in 0..MESSAGES_A_CONNECTION {
                let Some((number, bytes)) = wire else { break };
                anyhow::ensure!(
                    begin.elapsed() < limit,
                    "over {} s for {} messages",
                    limit.as_secs(),
                    wires.len()
                );
                let due = match pace {
                    Pace::AtOnce => Instant::now(),
                    Pace::Every(interval) => begin + interval * u32::try_from(number)?,
                };
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                waits.push(one(&mut client, bytes, due)?);
                wire = take();
            }
            client.quit()?;
        }
        Ok(waits)
    };
    let worker = || {
        let waits = session();
        if waits.is_err() {
            // The others need not go on.
            next.store(wires.len(), Ordering::Relaxed);
        }
        waits
    };
    let mut waits = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..sessions).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    let took = begin.elapsed();
    waits.sort();
    Ok(Load { took, waits })
}

/// Sends one message; how long it took since it was due.
fn one(client: &mut Smtp, wire: &[u8], due: Instant) -> anyhow::Result<Duration> {
    client.write(format!("MAIL FROM:<{SENDER}>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n").as_bytes())?;
    for expected in [250, 250, 354] {
        let reply = client.reply()?;
        anyhow::ensure!(reply.code == expected, "refused: {reply}");
    }
    client.write(wire)?;
    let reply = client.reply().context("after the message")?;
    anyhow::ensure!(reply.code == 250, "refused: {reply}");
    client.transcript.clear();
    Ok(due.elapsed())
}
