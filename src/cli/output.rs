//! What goes to the terminal: text made safe, tables with aligned columns.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use crate::model::text;

/// Why standard output could not be written, the first time.
static FAILED: OnceLock<String> = OnceLock::new();

/// Prints one line, or several, to stdout; what others wrote in it cannot act on the terminal. A reader that has gone away (`| head`) is no error; anything else ends
/// the command with a failure ([`finish`]): half a list must not pass for a whole one.
pub(super) fn out(line: &str) {
    keep(writeln!(io::stdout(), "{}", text::lines(line)));
}

/// The same to stderr.
pub(super) fn err(line: &str) {
    drop(writeln!(io::stderr(), "{}", text::lines(line)));
}

fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Only the first counts.
        drop(FAILED.set(error.to_string()));
    }
}

/// Writes out what is still held back.
///
/// # Errors
/// If anything that was printed did not get out; with the reason.
pub(super) fn finish() -> Result<(), String> {
    keep(io::stdout().flush());
    match FAILED.get() {
        None => Ok(()),
        Some(why) => Err(format!("standard output could not be written: {why}")),
    }
}

/// `1 record`, `2 records`.
pub(super) fn count(n: u64, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// Prints a value as indented JSON in ASCII: what a mail says must not act on the terminal.
pub(super) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    out(&text::ascii_json(&serde_json::to_string_pretty(value)?));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| count(n, "file")), ["0 files", "1 file", "2 files"]);
    }
}
