//! What goes to the terminal: text made safe, tables with aligned columns.

use std::io::Write;

use crate::model::text;

/// Prints one line to stdout. A reader that has gone away (`| head`) is no error.
pub(super) fn out(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// Prints one line to stderr.
pub(super) fn err(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Prints a value as indented JSON.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    out(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Rows under a heading, columns as wide as their widest cell up to `max` characters; the last is
/// not padded.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>], max: usize) {
    let safe: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| text::line(cell, max)).collect()).collect();
    let mut widths: Vec<usize> = heading.iter().map(|h| h.chars().count()).collect();
    for row in &safe {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if i + 1 == cells.len() {
                text.push_str(cell);
            } else {
                text.push_str(&format!("{cell:<width$}  "));
            }
        }
        text.trim_end().to_owned()
    };
    out(&line(heading.to_vec()));
    for row in &safe {
        out(&line(row.iter().map(String::as_str).collect()));
    }
}

/// A number of bytes for people.
pub(super) fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let value = n as f64;
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}
