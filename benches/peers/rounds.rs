//! The rounds: every row in turn, the same number of seconds for each.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;

use super::super::mails::Kind;
use super::super::mta::Postfix;
use super::super::{SESSIONS, Settings};
use super::figures::{Figures, Sample};
use super::load::{self, Load, Pace};
use super::mail::Press;
use super::rows::Who;
use super::{Row, in_short, usage};

/// What a run of all senders, and of one, should take.
const SECONDS: f64 = 2.5;
const ALONE_SECONDS: f64 = 1.2;
/// When a run is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Fewer say nothing of 99 in 100, more do not fit into memory.
const FEWEST: usize = 24;
const FEWEST_ALONE: usize = 10;
const MOST_BYTES: usize = 400_000_000;
/// So many times the pace must a row be able to take at all.
const KEEPS_UP: f64 = 1.15;

/// How many messages a row is sent in a round.
#[derive(Clone, Copy)]
struct Dose {
    together: usize,
    alone: usize,
    /// Messages a second that fall due.
    pace: Option<f64>,
}

/// Fills the figures.
///
/// # Errors
/// If mail cannot be made. What goes wrong with a row is told in the figures.
pub(super) fn measure(
    settings: &Settings,
    rows: &[Row],
    postfix: &Postfix,
    press: &Press,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    for kind in Kind::ALL {
        let mut doses: BTreeMap<Who, Dose> = BTreeMap::new();
        // Half of what Postfix takes when nobody filters, which is calibrated first.
        let mut pace = None;
        for round in 0..=settings.rounds {
            for turn in 0..rows.len() {
                let Some(row) = rows.get((round + turn) % rows.len()) else { continue };
                let label = format!("{}.{kind:?}.{round}", row.who.key());
                let bench = Bench { row, kind, postfix, press, label };
                // Who failed once has no dose any more.
                let done = match (round, doses.get(&row.who)) {
                    (0, _) => bench.calibrate(settings.scale).map(|(dose, rate)| {
                        pace = pace.or(Some(rate / 2.0));
                        // Who is nearly as busy as he can be would be measured by what waits for him.
                        let pace = pace.filter(|pace| rate > pace * KEEPS_UP);
                        doses.insert(row.who, Dose { pace, ..dose });
                    }),
                    (_, None) => Ok(()),
                    (_, Some(dose)) => {
                        bench.cell(*dose).map(|sample| figures.put(kind, row.who, round, sample))
                    }
                };
                if let Err(error) = done {
                    doses.remove(&row.who);
                    let why = format!("{} in round {round}: {}", kind.name(), in_short(&error));
                    eprintln!("{}: {why}", row.who.name());
                    figures.told.push((row.who, why));
                    drop(postfix.postsuper(&["-d", "ALL"]));
                }
            }
            eprintln!("{}: round {round} of {}", kind.name(), settings.rounds);
        }
    }
    Ok(())
}

/// One row with one mail.
struct Bench<'a> {
    row: &'a Row,
    kind: Kind,
    postfix: &'a Postfix,
    press: &'a Press,
    label: String,
}

impl Bench<'_> {
    /// Warms up, and finds how many messages fill the time.
    fn calibrate(&self, scale: usize) -> anyhow::Result<(Dose, f64)> {
        self.send("first", 2 * SESSIONS, (SESSIONS, Pace::AtOnce))?;
        let rate = self.send("second", 16 * SESSIONS, (SESSIONS, Pace::AtOnce))?.rate();
        let alone = 1_000.0 / self.send("third", FEWEST_ALONE, (1, Pace::AtOnce))?.quantile(50);
        let most = MOST_BYTES / self.press.message(self.kind, "weighed")?.len();
        let filling = |rate: f64, seconds: f64, fewest: usize| {
            let share = u32::try_from(scale).map_or(1.0, f64::from) / 100.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "some thousands at most"
            )]
            let count = (rate * seconds * share).clamp(0.0, 1e6) as usize;
            count.clamp(fewest, most)
        };
        let dose = Dose {
            together: filling(rate, SECONDS, FEWEST),
            alone: filling(alone, ALONE_SECONDS, FEWEST_ALONE),
            pace: None,
        };
        Ok((dose, rate))
    }

    fn cell(&self, dose: Dose) -> anyhow::Result<Sample> {
        let mains = &self.row.running.mains;
        let wires = self.press.batch(self.kind, &format!("{}.together", self.label), dose.together)?;
        let before = usage::cpu(mains);
        let together = self.run(&wires, (SESSIONS, Pace::AtOnce))?;
        let used = usage::cpu(mains).saturating_sub(before);
        drop(wires);
        let paced = dose.pace.map(|rate| {
            let every = Pace::Every(Duration::from_secs_f64(1.0 / rate));
            self.send("paced", dose.together.div_ceil(2), (SESSIONS, every))
        });
        let paced = paced.transpose()?;
        let of_paced = |per_cent| paced.as_ref().map_or(f64::NAN, |load| load.quantile(per_cent));
        let alone = self.send("alone", dose.alone, (1, Pace::AtOnce))?;
        let gone = mains.iter().find(|pid| !super::super::mta::guard::alive(**pid));
        anyhow::ensure!(gone.is_none(), "one of its processes has ended");
        let messages = u32::try_from(dose.together).map_or(f64::INFINITY, f64::from);
        Ok(Sample {
            rate: together.rate(),
            messages: dose.together,
            median: together.quantile(50),
            most: together.quantile(99),
            paced_median: of_paced(50),
            paced_most: of_paced(99),
            alone_messages: dose.alone,
            alone_median: alone.quantile(50),
            alone_most: alone.quantile(99),
            cpu: used.as_secs_f64() * 1_000.0 / messages,
            memory: usage::memory(mains),
        })
    }

    fn send(&self, part: &str, count: usize, sessions: (usize, Pace)) -> anyhow::Result<Load> {
        let wires = self.press.batch(self.kind, &format!("{}.{part}", self.label), count)?;
        self.run(&wires, sessions)
    }

    /// Returns when everything is delivered, too.
    fn run(&self, wires: &[Vec<u8>], sessions: (usize, Pace)) -> anyhow::Result<Load> {
        let load = load::send(self.postfix.port(self.row.who.key())?, wires, sessions, LIMIT)?;
        self.postfix.wait_for_empty_queue().context("what was taken was not delivered")?;
        Ok(load)
    }
}
