//! What came out, cell by cell: one row, one mail, one round.

use std::collections::BTreeMap;

use super::super::mails::Kind;
use super::super::table::Spread;
use super::rows::Who;

/// One cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Messages a second of all senders at once, and how many there were.
    pub(super) rate: f64,
    pub(super) messages: usize,
    /// What half of them, and 99 of 100, waited at most; ms.
    pub(super) median: f64,
    pub(super) most: f64,
    /// The same of messages that fall due at half the rate that Postfix takes without a filter; no number where the filter
    /// cannot keep up with that.
    pub(super) paced_median: f64,
    pub(super) paced_most: f64,
    /// The same of one sender alone.
    pub(super) alone_messages: usize,
    pub(super) alone_median: f64,
    pub(super) alone_most: f64,
    /// User and system time of the filter, ms a message of all senders at once.
    pub(super) cpu: f64,
    /// PSS of the filter afterwards, bytes.
    pub(super) memory: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Figures {
    /// By mail (its place in `Kind::ALL`) and row, then by round.
    cells: BTreeMap<(usize, Who), BTreeMap<usize, Sample>>,
    /// Why a row has none, or fewer, of some mail or of all.
    pub(super) told: Vec<(Who, String)>,
}

/// Takes one figure out of a cell.
pub(super) type Figure = fn(&Sample) -> f64;

impl Figures {
    pub(super) fn put(&mut self, kind: Kind, who: Who, round: usize, sample: Sample) {
        self.cells.entry((place(kind), who)).or_default().insert(round, sample);
    }

    /// The rounds of one row; `None` if there is none.
    pub(super) fn spread(&self, kind: Kind, who: Who, figure: Figure) -> Option<Spread> {
        let values = self.cells.get(&(place(kind), who))?.values().map(figure);
        spread(values.collect())
    }

    /// One row beside another, round by round: `compare(row, base)`.
    pub(super) fn beside(
        &self,
        kind: Kind,
        (who, base): (Who, Who),
        figure: Figure,
        compare: fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let of = |who| self.cells.get(&(place(kind), who));
        let (cells, bases) = of(who).zip(of(base))?;
        let both = cells.iter().filter_map(|(round, cell)| Some((cell, bases.get(round)?)));
        spread(both.map(|(cell, base)| compare(figure(cell), figure(base))).collect())
    }

    /// Everything as it was measured.
    pub(super) fn csv(&self) -> String {
        let mut text = "mail,filter,round,messages,rate,p50_ms,p99_ms,paced_p50_ms,paced_p99_ms,alone_messages,alone_p50_ms,alone_p99_ms,cpu_ms,pss_bytes\n"
            .to_owned();
        for ((kind, who), cells) in &self.cells {
            let name = Kind::ALL.get(*kind).map_or("", |kind| kind.name()).replace(',', "");
            for (round, cell) in cells {
                text.push_str(&format!(
                    "{name},{},{round},{},{:.2},{:.3},{:.3},{:.3},{:.3},{},{:.3},{:.3},{:.4},{}\n",
                    who.key(),
                    cell.messages,
                    cell.rate,
                    cell.median,
                    cell.most,
                    cell.paced_median,
                    cell.paced_most,
                    cell.alone_messages,
                    cell.alone_median,
                    cell.alone_most,
                    cell.cpu,
                    cell.memory
                ));
            }
        }
        text
    }
}

/// `None` unless all rounds gave a number.
fn spread(values: Vec<f64>) -> Option<Spread> {
    (!values.is_empty() && values.iter().all(|value| value.is_finite()))
        .then(|| Spread::of(values.into_iter()))
}

fn place(kind: Kind) -> usize {
    Kind::ALL.iter().position(|one| *one == kind).unwrap_or_default()
}
