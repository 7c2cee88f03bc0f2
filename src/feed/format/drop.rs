//! Spamhaus DROP: networks that belong to criminals. As text, and as one JSON object a line.

use super::body::Text;
use super::lines::{self, Line};
use super::record::Record;
use super::refusal::Refusal;
use super::{Found, Intake};
use crate::feed::entry::{Entry, Key, network};
use crate::feed::tally::shown;

pub(super) fn drop(text: &mut Text<'_>, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let limits = intake.reading.limits;
    let (mut records, mut broken) = (None, false);
    let ended = lines::each(text, &limits, |number, line| {
        let line = match &line {
            Line::Text(line) => *line,
            Line::Garbled(line) => line.as_str(),
            Line::TooLong => "(a line that is too long)",
        };
        if line.starts_with([';', '#']) {
            intake.comments += 1;
            return Ok(());
        }
        let found = if line.starts_with('{') {
            match serde_json::from_str::<Record<'_>>(line) {
                Ok(record) if record.get("type") == "metadata" => {
                    records = record.get("records").parse::<u64>().ok();
                    intake.comments += 1;
                    return Ok(());
                }
                Ok(record) => row(record.get("cidr"), record.get("sblid")),
                Err(error) => Found::bad(format!("it cannot be read as JSON: {error}")),
            }
        } else {
            let (cidr, reference) = line.split_once(';').unwrap_or((line, ""));
            row(cidr.trim(), reference.trim())
        };
        broken = matches!(found, Found::Bad(_));
        intake.row()?;
        intake.found(number, found)
    })?;
    let rows = intake.tally.rows;
    if broken && !ended {
        return Err(Refusal::CutOff { what: format!("its last row, number {rows}, has no end") });
    }
    match records {
        Some(records) if records > rows => {
            Err(Refusal::CutOff { what: format!("it announces {records} records and has {rows} rows") })
        }
        _ => Ok(()),
    }
}

fn row(cidr: &str, reference: &str) -> Found {
    match network(cidr) {
        Some(net) => Found::entry(Entry {
            threat: "hijacked or criminal network".to_owned(),
            reference: reference.to_owned(),
            ..Entry::new(Key::Net(net))
        }),
        None => Found::bad(format!("{} is no network", shown(cidr))),
    }
}
