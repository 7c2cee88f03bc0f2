//! Figures as Markdown: a table for each mail, and what is asked of mailward.

use super::super::mails::Kind;
use super::super::table::Spread;
use super::figures::{Figure, Figures};
use super::rows::Who;

/// The tables, one for each mail.
pub(super) fn tables(figures: &Figures, rows: &[Who]) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        text.push_str(&format!(
            "**{}**\n\n\
             | filter | messages/s | of the floor | added at 8 senders who never rest, ms: half | 99 of 100 | at half of what Postfix takes | 99 of 100 | to one sender | 99 of 100 | CPU s per 1,000 | memory, MiB |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
            signed(kind)
        ));
        for who in rows {
            text.push_str(&row(figures, kind, *who));
        }
        text.push('\n');
    }
    for (who, why) in &figures.told {
        text.push_str(&format!("- {}: {why}\n", who.name()));
    }
    text
}

fn row(figures: &Figures, kind: Kind, who: Who) -> String {
    let own = |figure: Figure, digits: usize| cell(figures.spread(kind, who, figure), digits);
    let added = |figure: Figure| {
        let over = figures.beside(kind, (who, Who::Nobody), figure, |row, base| row - base);
        cell(over.filter(|_| who != Who::Nobody), 2)
    };
    let of_floor = figures.beside(kind, (who, Who::Floor), |cell| cell.rate, |row, base| row / base);
    // Nobody filters nothing.
    let used = |text: String| if who == Who::Nobody { "–".to_owned() } else { text };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        who.name(),
        own(|cell| cell.rate, 0),
        cell(of_floor, 2),
        added(|cell| cell.median),
        added(|cell| cell.most),
        added(|cell| cell.paced_median),
        added(|cell| cell.paced_most),
        added(|cell| cell.alone_median),
        added(|cell| cell.alone_most),
        used(own(|cell| cell.cpu, 3)),
        used(own(mebibytes, 0))
    )
}

#[expect(clippy::cast_precision_loss, reason = "memory of a few processes")]
fn mebibytes(sample: &super::figures::Sample) -> f64 {
    sample.memory as f64 / (1024.0 * 1024.0)
}

fn cell(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(|| "–".to_owned(), |spread| format!("{spread:.digits$}"))
}

/// A mail's name here, where all are signed.
pub(super) fn signed(kind: Kind) -> String {
    format!("{}, signed", kind.name())
}

/// One thing that is asked.
struct Bar {
    what: String,
    came: Option<Spread>,
    wanted: f64,
    at_least: bool,
    digits: usize,
}

impl Bar {
    fn row(&self) -> String {
        let sign = if self.at_least { "≥" } else { "≤" };
        let holds = |value: f64| if self.at_least { value >= self.wanted } else { value <= self.wanted };
        let judged = self.came.map_or("not measured", |came| {
            match (holds(came.median), holds(came.least) && holds(came.most)) {
                (true, true) => "held",
                (true, false) => "held at the median",
                (false, _) => "missed",
            }
        });
        format!("| {} {sign} {} | {} | {judged} |\n", self.what, self.wanted, cell(self.came, self.digits))
    }
}

/// What is asked of mailward, and whether it holds: judged by the median of the rounds.
pub(super) fn bars(figures: &Figures) -> String {
    let mut bars = Vec::new();
    let ratio = |kind, pair| figures.beside(kind, pair, |cell| cell.rate, |row, base| row / base);
    for (kind, cpu, rate) in
        [(Kind::Text, 0.6, 0.80), (Kind::Html, 1.2, 0.75), (Kind::Attachment, 12.0, 0.90)]
    {
        let name = kind.name();
        let mut ask = |what: String, came, wanted, at_least, digits| {
            bars.push(Bar { what: format!("{name}: {what}"), came, wanted, at_least, digits });
        };
        ask(
            "CPU of mailward, ms a message".into(),
            figures.spread(kind, Who::Native, |cell| cell.cpu),
            cpu,
            false,
            3,
        );
        ask(
            "messages/s of mailward, of the floor's".into(),
            ratio(kind, (Who::Native, Who::Floor)),
            rate,
            true,
            2,
        );
        let added =
            figures.beside(kind, (Who::Native, Who::Nobody), |cell| cell.most, |row, base| row - base);
        ask("added by mailward at 8 senders who never rest, 99 of 100, ms".into(), added, 3.0, false, 2);
        let added =
            figures.beside(kind, (Who::Native, Who::Nobody), |cell| cell.paced_most, |row, base| row - base);
        ask("added by mailward at half of what Postfix takes, 99 of 100, ms".into(), added, 3.0, false, 2);
        let both = ratio(kind, (Who::NativeAndBoth, Who::Rspamd));
        ask(
            "messages/s of mailward with rspamd and clamd, of rspamd's own milter".into(),
            both,
            0.95,
            true,
            2,
        );
        let both = ratio(kind, (Who::NativeAndBoth, Who::RspamdAndClamd));
        ask(
            "messages/s of mailward with rspamd and clamd, of rspamd's own milter with clamd".into(),
            both,
            0.95,
            true,
            2,
        );
        for less in [Who::Opendkim, Who::InARow, Who::Amavis, Who::Mimedefang] {
            let came = ratio(kind, (Who::Native, less));
            ask(format!("messages/s of mailward, of {}", less.name()), came, 1.0, true, 2);
        }
    }
    let rows: String = bars.iter().map(Bar::row).collect();
    format!("| what is asked | came | |\n|---|---|---|\n{rows}")
}
