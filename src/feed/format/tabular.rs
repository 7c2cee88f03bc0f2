//! Rows of named fields, in CSV with comments and in JSON.

use super::body::Text;
use super::lines::{self, Line};
use super::record::Record;
use super::refusal::Refusal;
use super::{Found, Intake, csv, json, plain, threatfox};
use crate::feed::entry::Key;
use crate::feed::tally::shown;
use crate::link::Link;

/// How one publisher's CSV looks.
pub(super) struct Table {
    /// The columns where the body names none.
    pub(super) columns: &'static [&'static str],
    /// The column without which there is no row.
    pub(super) key: &'static str,
    /// Numbers of fields that a row may have besides the number of names.
    pub(super) widths: &'static [usize],
    /// Whether the names stand in the first line, without `#`.
    pub(super) header: bool,
    /// Whether lines may be bare URLs.
    pub(super) urls: bool,
    /// Reads a row.
    pub(super) row: fn(&Record<'_>) -> Found,
}

/// A body whose number of rows is below this share of what it announces, in per cent, is cut off. What
/// publishers count, and when, is known well enough for a coarse look only.
const MIN_SHARE: u64 = 90;

/// Reads a body of CSV.
pub(super) fn csv(text: &mut Text<'_>, table: &Table, intake: &mut Intake<'_>) -> Result<(), Refusal> {
    let limits = intake.reading.limits;
    let mut names: Vec<String> = table.columns.iter().map(|name| (*name).to_owned()).collect();
    let mut announced = None;
    let mut named = false;
    // Whether the last row was bad.
    let mut broken = false;
    let ended = lines::each(text, &limits, |number, line| {
        let (line, garbled) = match &line {
            Line::Text(line) => (*line, false),
            Line::Garbled(line) => (line.as_str(), true),
            Line::TooLong => {
                intake.row()?;
                intake.tally.bad(number, format!("it has more than {} bytes", limits.line));
                return Ok(());
            }
        };
        if let Some(comment) = line.strip_prefix('#') {
            intake.comments += 1;
            if let Some(found) = column_names(comment, table.key) {
                (names, named) = (found, true);
            }
            announced = announced.or_else(|| number_of_entries(comment));
            return Ok(());
        }
        if table.header && !named {
            let found = column_names(line, table.key);
            let missing = || format!("its first line names no column {:?}", table.key);
            names = found.ok_or_else(|| Refusal::other(intake.reading.format, missing(), line.as_bytes()))?;
            named = true;
            intake.comments += 1;
            return Ok(());
        }
        intake.row()?;
        let bare = table.urls && plain::is_url(line);
        let found = if bare { plain::link(line) } else { row(line, &names, table, garbled, limits.field) };
        broken = matches!(found, Found::Bad(_));
        intake.found(number, found)
    })?;
    if broken && !ended {
        let what = format!("its last row, number {}, has no end", intake.tally.rows);
        return Err(Refusal::CutOff { what });
    }
    match announced {
        Some(announced)
            if intake.tally.rows < announced / 100 * MIN_SHARE + announced % 100 * MIN_SHARE / 100 =>
        {
            let rows = intake.tally.rows;
            Err(Refusal::CutOff { what: format!("it announces {announced} entries and has {rows} rows") })
        }
        _ => Ok(()),
    }
}

fn row(line: &str, names: &[String], table: &Table, garbled: bool, max_field: usize) -> Found {
    let Ok(fields) = csv::fields(line) else {
        return Found::bad("a quoted field does not end");
    };
    let (width, named) = (fields.len(), names.len());
    if width != named && !table.widths.contains(&width) {
        return Found::bad(format!("it has {width} fields instead of {named}: {}", shown(line)));
    }
    let record = Record::named(names, fields);
    checked(&record, table.key, garbled, max_field).unwrap_or_else(|| (table.row)(&record))
}

/// What is wrong with the field that everything hangs on.
fn checked(record: &Record<'_>, key: &str, garbled: bool, max_field: usize) -> Option<Found> {
    let value = record.get(key);
    if value.len() > max_field {
        return Some(Found::bad(format!("its {key} has more than {max_field} bytes")));
    }
    (garbled && value.contains('\u{fffd}')).then(|| Found::bad(format!("its {key} is not UTF-8")))
}

/// Reads a body of JSON.
pub(super) fn json(
    text: &mut Text<'_>,
    read: fn(&Record<'_>) -> Found,
    intake: &mut Intake<'_>,
) -> Result<(), Refusal> {
    let limits = intake.reading.limits;
    let format = intake.reading.format;
    let said = json::rows(text, format, &limits, |number, row| {
        intake.row()?;
        let found = match row.map(serde_json::from_slice::<Record<'_>>) {
            Some(Ok(record)) => {
                let key = if record.has("ioc_value") { "ioc_value" } else { "url" };
                checked(&record, key, false, limits.field).unwrap_or_else(|| read(&record))
            }
            Some(Err(error)) => Found::bad(format!("it cannot be read as JSON: {error}")),
            None => Found::bad(format!("it has more than {} bytes", limits.line)),
        };
        intake.found(number, found)
    })?;
    if intake.tally.rows == 0 { Err(json::without_rows(&said, format)) } else { Ok(()) }
}

/// The names of the columns, if the text is a list of names with the one that must be there.
fn column_names(text: &str, key: &str) -> Option<Vec<String>> {
    let fields = csv::fields(text.trim()).ok()?;
    (fields.len() > 3 && fields.iter().any(|f| f == key))
        .then(|| fields.into_iter().map(|f| f.trim().to_ascii_lowercase()).collect())
}

/// From a comment `Number of entries: 26`.
fn number_of_entries(comment: &str) -> Option<u64> {
    comment.trim().strip_prefix("Number of entries:")?.trim().parse().ok()
}

/// The link in a field.
pub(super) fn link(record: &Record<'_>, field: &str) -> Result<Key, Found> {
    let text = record.get(field);
    if text.is_empty() {
        return Err(Found::bad(format!("it has no {field}")));
    }
    Link::parse(text).map(Key::Link).map_err(|why| Found::bad(format!("{} is no link: {why}", shown(text))))
}

/// The hash in a field; `kind` as ThreatFox writes it.
pub(super) fn file(record: &Record<'_>, field: &str, kind: &str) -> Result<Key, Found> {
    let hex = record.get(field);
    threatfox::hash(kind, hex)
        .map(Key::File)
        .ok_or_else(|| Found::bad(format!("{} is no {kind}", shown(hex))))
}
