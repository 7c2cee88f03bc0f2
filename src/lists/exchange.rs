//! Entries as lines of a file, read and written.
//!
//! Two forms. **Plain**: an entry a line, `# comment` behind it, lines of comment and empty lines between.
//! **Full**: begins with the line [`HEADER`]; then a line an entry, its fields separated by tabs, nothing
//! lost: an export that is imported gives the same list. An empty field is nothing. A comment or author that
//! a spreadsheet would take for a formula has a `'` in front.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::listed::{Listed, author, comment};
use crate::model::{Timestamp, text};

/// First line of a full file.
const HEADER: &str = "#mailward-list 1\tentry\texpires\tby\tcreated\thits\tlast_hit\tcomment";
/// Its beginning, by which such a file is known.
const MAGIC: &str = "#mailward-list ";
/// Faults and duplicates that are named one by one.
const MAX_NAMED: usize = 100;
/// Longest line, in bytes: more than any entry with all its fields takes.
const MAX_LINE: usize = 4096;

/// The form of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Everything, in fields.
    #[default]
    Full,
    /// Entries with their comments.
    Plain,
}

/// A file that could be read whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The entries; of those that stand there twice the last.
    pub(super) rows: Vec<Row>,
    /// What stands there twice: the first hundred, as sentences.
    pub duplicates: Vec<String>,
    /// How many lines repeat an earlier one.
    pub duplicate_count: usize,
    /// Entries that were left out because their time is over.
    pub over: usize,
}

/// One entry as a file gives it. `None`: the file does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) entry: Entry,
    pub(super) comment: Option<Option<Box<str>>>,
    pub(super) by: Option<Arc<str>>,
    pub(super) created: Option<Timestamp>,
    pub(super) expires: Option<Option<Timestamp>>,
    pub(super) hits: u64,
    pub(super) last_hit: Option<Timestamp>,
}

/// A line that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFault {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it, safe to be shown.
    pub what: String,
}

/// A file that could not be read whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} {} of the file cannot be read, so nothing was changed",
    if *count == 1 { "line" } else { "lines" }
)]
pub struct Unreadable {
    /// The first hundred.
    pub faults: Vec<LineFault>,
    /// How many there are.
    pub count: usize,
}

/// Reads a file of entries, in the form that it has.
///
/// # Errors
/// Every line that is wrong, if one is.
pub fn read(file: &[u8], now: Timestamp) -> Result<Lines, Unreadable> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let full = file.starts_with(MAGIC.as_bytes());
    let mut lines = Lines::default();
    let mut wrong = Unreadable { faults: Vec::new(), count: 0 };
    let mut seen: HashMap<Entry, usize> = HashMap::new();
    let mut authors: HashMap<String, Arc<str>> = HashMap::new();
    for (number, raw) in file.split(|b| *b == b'\n').enumerate().map(|(i, raw)| (i + 1, raw)) {
        let row = match readable(raw) {
            Ok(text) if number == 1 && full => version(text).map(|()| None),
            Ok(text) if full => fields(text, number, &mut authors),
            Ok(text) => plain(text, number),
            Err(what) => Err(what),
        };
        match row {
            Ok(None) => {}
            Ok(Some(row)) if row.expires.flatten().is_some_and(|end| end <= now) => lines.over += 1,
            Ok(Some(row)) => lines.take(row, &mut seen),
            Err(what) => {
                wrong.count += 1;
                if wrong.faults.len() < MAX_NAMED {
                    wrong.faults.push(LineFault { line: number, what });
                }
            }
        }
    }
    if wrong.count > 0 { Err(wrong) } else { Ok(lines) }
}

impl Lines {
    /// How many different entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn take(&mut self, row: Row, seen: &mut HashMap<Entry, usize>) {
        match seen.get(&row.entry) {
            Some(at) => {
                self.duplicate_count += 1;
                let earlier = &mut self.rows[*at];
                if self.duplicates.len() < MAX_NAMED {
                    let Row { line, entry, .. } = &row;
                    self.duplicates.push(format!("line {line} repeats {entry} of line {}", earlier.line));
                }
                *earlier = row;
            }
            None => {
                seen.insert(row.entry.clone(), self.rows.len());
                self.rows.push(row);
            }
        }
    }
}

fn readable(raw: &[u8]) -> Result<&str, String> {
    if raw.len() > MAX_LINE {
        return Err(format!("it has {} bytes, and no line may have more than {MAX_LINE}", raw.len()));
    }
    let text = std::str::from_utf8(raw).map_err(|_| "it is no UTF-8 text".to_owned())?;
    Ok(text.strip_suffix('\r').unwrap_or(text))
}

fn version(first: &str) -> Result<(), String> {
    match first.trim_end() == HEADER {
        true => Ok(()),
        false => Err("it names another form of file than this version of mailward reads".to_owned()),
    }
}

/// `entry # comment`.
fn plain(line: &str, number: usize) -> Result<Option<Row>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (written, note) = match comment_at(line) {
        Some(at) => (line[..at].trim_end(), Some(line[at + 1..].trim())),
        None => (line, None),
    };
    let entry = Entry::parse(written).map_err(|e| e.to_string())?;
    let comment = note.map(comment).transpose()?;
    Ok(Some(Row {
        line: number,
        entry,
        comment,
        by: None,
        created: None,
        expires: None,
        hits: 0,
        last_hit: None,
    }))
}

/// Where the `#` of a comment is: behind white space and outside of a quoted local part. A `#` inside an
/// address belongs to it.
fn comment_at(line: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut after_space) = (false, false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted || at == 0 || line.get(..at) == Some("for:") => quoted = !quoted,
            '#' if after_space && !quoted => return Some(at),
            _ => {}
        }
        after_space = c.is_whitespace();
    }
    None
}

/// A line of the full form.
fn fields(line: &str, number: usize, authors: &mut HashMap<String, Arc<str>>) -> Result<Option<Row>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let cells: Vec<&str> = line.split('\t').collect();
    let [entry, expires, by, created, hits, last_hit, note] = cells[..] else {
        return Err(format!("it has {} fields separated by tabs, and must have 7", cells.len()));
    };
    let moment = |name: &str, cell: &str| match cell {
        "" => Ok(None),
        cell => Timestamp::parse(cell).map(Some).ok_or_else(|| {
            format!("{name} is {:?}, which is no time as in 2026-12-24T12:00:00Z", text::line(cell, 40))
        }),
    };
    let by = unguarded(by);
    let by = (!by.is_empty()).then(|| Arc::clone(authors.entry(by.to_owned()).or_insert_with(|| author(by))));
    Ok(Some(Row {
        line: number,
        entry: Entry::parse(entry).map_err(|e| e.to_string())?,
        comment: Some(comment(unguarded(note))?),
        by,
        created: moment("created", created)?,
        expires: Some(moment("expires", expires)?),
        hits: match hits {
            "" => 0,
            hits => {
                hits.parse().map_err(|_| format!("hits is {:?}, which is no number", text::line(hits, 40)))?
            }
        },
        last_hit: moment("last_hit", last_hit)?,
    }))
}

/// Spreadsheets take such a cell for a formula; the guard itself is guarded, so that it can be taken off.
fn guarded(cell: &str) -> Cow<'_, str> {
    match cell.starts_with(['=', '+', '-', '@', '\'']) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    }
}

fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').unwrap_or(cell)
}

/// Writes what stands before the first entry.
pub(super) fn write_head(format: Format, to: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Full => writeln!(to, "{HEADER}"),
        Format::Plain => Ok(()),
    }
}

/// Writes one entry.
pub(super) fn write_line(listed: &Listed, format: Format, to: &mut dyn Write) -> io::Result<()> {
    let Listed { entry, comment, by, created, expires, hits, last_hit } = listed;
    let comment = comment.as_deref().unwrap_or_default();
    match format {
        Format::Plain if comment.is_empty() => writeln!(to, "{entry}"),
        Format::Plain => writeln!(to, "{entry} # {comment}"),
        Format::Full => {
            let moment = |at: &Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
            let (expires, last_hit) = (moment(expires), moment(last_hit));
            let (by, comment) = (guarded(by), guarded(comment));
            writeln!(to, "{entry}\t{expires}\t{by}\t{created}\t{hits}\t{last_hit}\t{comment}")
        }
    }
}
