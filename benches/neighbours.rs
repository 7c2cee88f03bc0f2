//! What the neighbours cost: mail through Postfix with rspamd and clamd both asked, beside each of them asked directly.
//!
//! One message after another, because the bar is on how long a sender waits. Every round asks in all ways, in an order that
//! rotates, and every difference is taken within its round.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::mails::{Kind, Template};
use super::mta::clamd::{self, Clamd};
use super::mta::rspamd::{self, Rspamd};
use super::mta::{self, Daemon, Faulty, Options, Plays, Postfix, Service};
use super::table::Spread;
use super::{direct, sender};

/// What the wait through Postfix may be over the slower of the two, in milliseconds.
const ALLOWED_OVER: f64 = 2.0;
/// What a neighbour that is left alone may cost, in milliseconds.
const ALLOWED_LEFT_ALONE: f64 = 0.1;

/// A way to have a message looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Through Postfix, by this service of it.
    Postfix(&'static str),
    /// rspamd itself.
    Rspamd,
    /// clamd itself.
    Clamd,
    /// Both of them at once.
    Both,
}

const NO_FILTER: Way = Way::Postfix("no filter");
const ALONE: Way = Way::Postfix("mailward alone");
const WITH_BOTH: Way = Way::Postfix("mailward, rspamd, clamd");
const LEFT_ALONE: Way = Way::Postfix("mailward, both left alone");
const WAYS: [Way; 7] = [NO_FILTER, ALONE, WITH_BOTH, LEFT_ALONE, Way::Rspamd, Way::Clamd, Way::Both];

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Postfix(service) => service,
            Self::Rspamd => "rspamd directly",
            Self::Clamd => "clamd directly",
            Self::Both => "both directly, at once",
        }
    }
}

/// Asks about one message.
type Ask<'a> = Box<dyn Fn(&[u8]) -> anyhow::Result<()> + 'a>;

/// Everything that runs.
struct Bed {
    rspamd: Rspamd,
    clamd: Clamd,
    left_alone: Daemon,
    postfix: Postfix,
    _daemons: [Daemon; 2],
    _nobody: [Faulty; 2],
}

impl Bed {
    fn start() -> anyhow::Result<Self> {
        let rspamd = Rspamd::start()?;
        let clamd = Clamd::start(&clamd::Options::default())?;
        let alone = Daemon::start("")?;
        let sections = |rspamd: &str, clamd: &str| {
            [Plays::Rspamd.section(rspamd, "8s", "ignore"), Plays::Clamd.section(clamd, "20s", "ignore")]
                .concat()
        };
        let both = Daemon::start(&sections(&rspamd.socket(), &clamd.address()))?;
        let nobody =
            [Faulty::start(Plays::Rspamd, mta::Over::Unix)?, Faulty::start(Plays::Clamd, mta::Over::Unix)?];
        let [no_rspamd, no_clamd] = &nobody;
        let left_alone = Daemon::start(&sections(no_rspamd.address(), no_clamd.address()))?;
        let service =
            |way: Way, daemon: &Daemon| Service::new(way.name(), &[("smtpd_milters", &daemon.endpoint())]);
        let services = vec![
            Service::new(NO_FILTER.name(), &[]),
            service(ALONE, &alone),
            service(WITH_BOTH, &both),
            service(LEFT_ALONE, &left_alone),
        ];
        let options = Options { services, ..Options::default() };
        let postfix = Postfix::start(&options.set("virtual_transport", "discard"))?;
        Ok(Self { rspamd, clamd, left_alone, postfix, _daemons: [alone, both], _nobody: nobody })
    }

    /// Waits of so many messages, one after another.
    fn waits(
        &self,
        way: Way,
        template: &Template,
        label: &str,
        messages: usize,
    ) -> anyhow::Result<Vec<Duration>> {
        let rspamd = self.rspamd.socket();
        let clamd = self.clamd.address();
        let ask: Ask<'_> = match way {
            Way::Postfix(service) => {
                let waits = sender::waits(self.postfix.port(service)?, template, label, messages);
                self.postfix.wait_for_empty_queue()?;
                return waits;
            }
            Way::Rspamd => Box::new(|message| direct::rspamd(&rspamd, message).map(drop)),
            Way::Clamd => Box::new(|message| direct::clamd(&clamd, message).map(drop)),
            Way::Both => Box::new(|message| {
                std::thread::scope(|scope| {
                    let other = scope.spawn(|| direct::clamd(&clamd, message).map(drop));
                    direct::rspamd(&rspamd, message)?;
                    other.join().map_err(|_| anyhow::anyhow!("the one who asks clamd panicked"))?
                })
            }),
        };
        let waits = (0..messages).map(|number| {
            let message = template.message(&format!("{label}.{number}"));
            let begin = Instant::now();
            ask(&message)?;
            Ok(begin.elapsed())
        });
        waits.collect()
    }
}

/// What is missing for this, if anything is.
pub(crate) fn missing() -> Option<String> {
    rspamd::missing().or_else(clamd::missing)
}

/// Measures and prints two tables.
///
/// # Errors
/// If a part cannot be started, or a message is not taken.
pub(crate) fn report(rounds: usize, scale: usize) -> anyhow::Result<()> {
    let bed = Bed::start()?;
    println!("| mail | looked at by | median wait, ms | 99 of 100 wait at most, ms |\n|---|---|---|---|");
    let mut bars = Vec::new();
    for kind in Kind::ALL {
        let template = Template::new(kind);
        let usual = if kind == Kind::Attachment { 40 } else { 100 };
        let messages = (usual * scale / 100).max(10);
        let mut measured: [Vec<(f64, f64)>; WAYS.len()] = Default::default();
        // Round 0 warms up and is thrown away.
        for round in 0..=rounds {
            for turn in 0..WAYS.len() {
                let which = (round + turn) % WAYS.len();
                let (Some(way), Some(list)) = (WAYS.get(which), measured.get_mut(which)) else { continue };
                let label = format!("n{kind:?}.{round}.{which}");
                let waits = bed.waits(*way, &template, &label, messages);
                let waits = waits.with_context(|| format!("{}: {}", kind.name(), way.name()))?;
                if round > 0 {
                    list.push((quantile(&waits, 50), quantile(&waits, 99)));
                }
            }
        }
        for (way, list) in WAYS.iter().zip(&measured) {
            let (median, most) = (Spread::of(list.iter().map(|m| m.0)), Spread::of(list.iter().map(|m| m.1)));
            println!("| {} | {} | {median:.2} | {most:.2} |", kind.name(), way.name());
        }
        bars.push((kind, over(&measured)));
    }
    println!("\n| bar | ms | allowed |\n|---|---|---|");
    for (kind, over) in bars {
        let name = kind.name();
        println!(
            "| {name}: through Postfix with both, over the slower of the two directly | {:.2} | {ALLOWED_OVER} |",
            over.slower
        );
        println!(
            "| {name}: less what Postfix takes for it with no filter | {:.2} | – |",
            over.postfix_and_slower
        );
        println!("| {name}: less what it takes with mailward alone | {:.2} | – |", over.alone_and_slower);
    }
    for scanner in ["clamd", "rspamd"] {
        let (median, most, count) = left_alone(&bed.left_alone, scanner)?;
        println!(
            "| {scanner} left alone, median of {count} messages (99 of 100 at most {most:.3}) | {median:.3} | {ALLOWED_LEFT_ALONE} |"
        );
    }
    Ok(())
}

/// The median wait with both, less what would be waited for anyway.
struct Over {
    /// The slower of the two, asked directly: the bar.
    slower: Spread,
    /// That, and the same mail through Postfix with no filter.
    postfix_and_slower: Spread,
    /// That, and the same mail through Postfix with mailward alone.
    alone_and_slower: Spread,
}

/// Round by round.
fn over(measured: &[Vec<(f64, f64)>; WAYS.len()]) -> Over {
    let medians = |way: Way| -> Vec<f64> {
        let list = WAYS.iter().position(|w| *w == way).and_then(|at| measured.get(at));
        list.into_iter().flatten().map(|(median, _)| *median).collect()
    };
    let (rspamd, clamd, with_both) = (medians(Way::Rspamd), medians(Way::Clamd), medians(WITH_BOTH));
    let slower = rspamd.iter().zip(&clamd).map(|(rspamd, clamd)| rspamd.max(*clamd));
    let over: Vec<f64> = with_both.iter().zip(slower).map(|(with_both, slower)| with_both - slower).collect();
    let less = |way: Way| Spread::of(over.iter().zip(medians(way)).map(|(over, base)| over - base));
    Over {
        slower: Spread::of(over.iter().copied()),
        postfix_and_slower: less(NO_FILTER),
        alone_and_slower: less(ALONE),
    }
}

/// What a scanner took of messages at which it was left alone, from the records: median, 99 of 100, how many.
fn left_alone(daemon: &Daemon, scanner: &str) -> anyhow::Result<(f64, f64, usize)> {
    let export = daemon.cli(&["audit", "export"])?;
    anyhow::ensure!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let mut took = Vec::new();
    for line in export.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record: Value = serde_json::from_slice(line)?;
        let label = record.pointer(&format!("/coverage/{scanner}/failed/label")).and_then(Value::as_str);
        let ms = record.pointer(&format!("/elapsed_ms/{scanner}")).and_then(Value::as_f64);
        if let (Some("left-alone"), Some(ms)) = (label, ms) {
            took.push(Duration::from_secs_f64(ms / 1_000.0));
        }
    }
    Ok((quantile(&took, 50), quantile(&took, 99), took.len()))
}

/// In milliseconds.
fn quantile(times: &[Duration], per_cent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let at = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
