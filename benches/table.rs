//! Numbers to Markdown: median and spread.

use std::fmt;
use std::time::Duration;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Messages a second.
    pub(crate) rate: f64,
    /// User and system time of the filter for one message.
    pub(crate) cpu: Option<Duration>,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    mail: &'static str,
    filter: &'static str,
    rate: Spread,
    of_nothing: Spread,
    of_floor: Spread,
    cpu: Option<Spread>,
}

/// Head of the table.
pub(crate) const HEAD: &str = "\
| mail | filter | messages/s | of no filter | of the floor | CPU of the filter, ms a message |
|---|---|---|---|---|---|";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mail, filter, rate, of_nothing, of_floor, cpu } = self;
        write!(f, "| {mail} | {filter} | {rate:.0} | {of_nothing:.2} | {of_floor:.2} | ")?;
        match cpu {
            Some(cpu) => write!(f, "{cpu:.3} |"),
            None => write!(f, "– |"),
        }
    }
}

/// Rows for one kind of mail. The first list is "no filter", the second the floor; ratios are taken round by round.
pub(crate) fn rows<'a>(
    mail: &'static str,
    filters: impl Iterator<Item = &'static str> + 'a,
    measured: &'a [Vec<Measured>],
) -> Vec<Row> {
    let ratio = |runs: &[Measured], base: usize| {
        let base = measured.get(base).map(Vec::as_slice).unwrap_or_default();
        Spread::of(runs.iter().zip(base).map(|(run, base)| run.rate / base.rate))
    };
    filters
        .zip(measured)
        .map(|(filter, runs)| Row {
            mail,
            filter,
            rate: Spread::of(runs.iter().map(|run| run.rate)),
            of_nothing: ratio(runs, 0),
            of_floor: ratio(runs, 1),
            cpu: runs
                .iter()
                .map(|run| run.cpu)
                .collect::<Option<Vec<_>>>()
                .map(|times| Spread::of(times.into_iter().map(|time| time.as_secs_f64() * 1_000.0))),
        })
        .collect()
}

/// Median, least and most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of the rounds.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        // With an even number of rounds: the mean of the two in the middle.
        let median = f64::midpoint(at(last / 2), at(values.len() / 2));
        Self { median, least: at(0), most: at(last) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.most)
    }
}

/// One line on the machine: processors, kernel.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let models: Vec<&str> = cpuinfo
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name)
        .collect();
    let model = models.first().copied().unwrap_or("unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{} × {model}, Linux {}, files in {}. Median (least–most) of the rounds.\n",
        models.len(),
        kernel.trim(),
        std::env::temp_dir().display()
    )
}
