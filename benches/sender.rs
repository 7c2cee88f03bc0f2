//! Eight senders at once, over persistent connections, with the SMTP commands pipelined (RFC 2920).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::mails::Template;
use super::mta::Smtp;

/// Messages that one connection carries before a new one is opened, as a busy sender does it.
const MESSAGES_A_CONNECTION: usize = 20;

/// What a run of messages took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// From the first connection to the last reply.
    pub(crate) took: Duration,
    /// Messages, all taken with 250.
    pub(crate) messages: usize,
}

impl Run {
    /// Messages a second.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand messages")]
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }
}

/// Sends `messages` copies to a port, each with a Message-ID of its own.
///
/// # Errors
/// If one of them is not taken.
pub(crate) fn send(
    port: u16,
    template: &Template,
    label: &str,
    messages: usize,
    sessions: usize,
) -> anyhow::Result<Run> {
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..sessions).map(|_| scope.spawn(|| session(port, template, label, messages, &next))).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(Run { took: begin.elapsed(), messages })
}

fn session(
    port: u16,
    template: &Template,
    label: &str,
    messages: usize,
    next: &AtomicUsize,
) -> anyhow::Result<()> {
    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < messages);
    let mut number = take();
    while number.is_some() {
        let mut client = Smtp::hello(port, "bench.remote.example")?;
        for _ in 0..MESSAGES_A_CONNECTION {
            let Some(current) = number else { break };
            one(&mut client, &template.wire(&format!("{label}.{current}")))?;
            number = take();
        }
        client.quit()?;
    }
    Ok(())
}

/// How long each of `messages` waited for its answer, from the first byte of the message to the reply after the final
/// dot; one after another.
///
/// # Errors
/// If one of them is not taken.
pub(crate) fn waits(
    port: u16,
    template: &Template,
    label: &str,
    messages: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut client = Smtp::hello(port, "bench.remote.example")?;
    let waits = (0..messages).map(|number| one(&mut client, &template.wire(&format!("{label}.{number}"))));
    let waits = waits.collect::<anyhow::Result<Vec<_>>>()?;
    client.quit()?;
    Ok(waits)
}

/// Sends one message; how long the answer to it took.
fn one(client: &mut Smtp, wire: &[u8]) -> anyhow::Result<Duration> {
    client.write(b"MAIL FROM:<bench@remote.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n")?;
    for expected in [250, 250, 354] {
        let reply = client.reply()?;
        anyhow::ensure!(reply.code == expected, "refused: {reply}");
    }
    let begin = Instant::now();
    client.write(wire)?;
    let reply = client.reply().context("after the message")?;
    anyhow::ensure!(reply.code == 250, "refused: {reply}");
    client.transcript.clear();
    Ok(begin.elapsed())
}
