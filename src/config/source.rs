//! The text of the configuration, and places in it.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::problem::{ConfigErrors, Level, Problem};
use crate::model::{system_says, text};
use crate::named_file;

/// The most that is read. A configuration of some thousand lines has 100 kB.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// A piece of a URL's path that is as long as that may be a secret. The keys in the URLs of Slack have 24 characters.
const SECRET_SEGMENT: usize = 20;

/// How much of a long line is shown, in characters.
const MAX_SHOWN: usize = 140;

/// A file's text under the name that problems call it.
pub(super) struct Source {
    pub(super) name: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Reads a file, and nothing that somebody would have to wait for.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigErrors> {
        let refuse = |message: &str, help: &str| Err(ConfigErrors::of_file(path, message, help));
        let unreadable = |e: &std::io::Error| {
            let help = match e.kind() {
                std::io::ErrorKind::NotFound => {
                    "give the path with --config or MAILWARD_CONFIG; conf/mailward.toml is one to start from"
                }
                std::io::ErrorKind::PermissionDenied => "let the user that runs mailward read it",
                std::io::ErrorKind::Other => "give the path of a file on a disk",
                _ => "look at the file and its directory",
            };
            ConfigErrors::of_file(
                path,
                &format!("the configuration cannot be read: {}", system_says(e)),
                help,
            )
        };
        let meta = std::fs::metadata(path).map_err(|e| unreadable(&e))?;
        if meta.is_dir() {
            return refuse("the configuration is a directory", "give the path of the file in it");
        }
        let mut bytes = Vec::new();
        let file = named_file::open(path).map_err(|e| unreadable(&e))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
        Self::from_bytes(path, &bytes)
    }

    /// Takes bytes as a configuration called `name`.
    pub(super) fn from_bytes(name: &Path, bytes: &[u8]) -> Result<Self, ConfigErrors> {
        if bytes.len() as u64 > MAX_BYTES {
            let message = "the configuration is larger than 1MiB and was not read";
            return Err(ConfigErrors::of_file(name, message, "is this the right file?"));
        }
        let (text, fault) = match std::str::from_utf8(bytes) {
            Ok(text) => {
                (text.to_owned(), memchr::memchr(0, bytes).map(|at| (at, "a NUL byte stands here".into())))
            }
            Err(e) => {
                let at = e.valid_up_to();
                let byte = bytes.get(at).copied().unwrap_or_default();
                let message = format!("the byte 0x{byte:02x} is not UTF-8");
                (String::from_utf8_lossy(bytes).into_owned(), Some((at, message)))
            }
        };
        let source = Self { name: name.to_owned(), text };
        let Some((at, message)) = fault else { return Ok(source) };
        let mut problem = Problem::new(Level::Error, &message).at(source.place(at..at + 1));
        problem.help("the configuration is text in UTF-8; is this the right file?");
        Err(ConfigErrors::of(name, problem))
    }

    /// Where the bytes `span` are, for people. Takes any span.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let text = &self.text;
        let start = floor(text, span.start);
        let end = floor(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let end = end.min(line_end);
        let line = text[..line_start].bytes().filter(|b| *b == b'\n').count() + 1;
        let column = text[line_start..start].chars().count();
        let veiled = veil(&text[line_start..line_end]);
        let all = |range: Range<usize>| veiled.get(range).unwrap_or_default().iter().collect::<String>();
        let marked_len = text[start..end].chars().count();
        let (before, marked, after) =
            (all(0..column), all(column..column + marked_len), all(column + marked_len..veiled.len()));

        // Of a long line, what is around the place. Each piece is made safe alone, so that the caret
        // stands right also where that changes lengths.
        let from = column.saturating_sub(MAX_SHOWN / 2);
        let from = if column + MAX_SHOWN / 2 <= MAX_SHOWN { 0 } else { from };
        let safe = |piece: &str, skip: usize, max: usize| {
            let piece: String = piece.chars().skip(skip).take(max).collect();
            text::line(&piece, MAX_SHOWN)
        };
        let before = safe(&before, from, column - from);
        let marked = safe(&marked, 0, MAX_SHOWN);
        let room = (from + MAX_SHOWN).saturating_sub(column + marked.chars().count());
        let after_is_cut = after.chars().count() > room;
        let after = safe(&after, 0, room);
        let cut = |yes| if yes { "…" } else { "" };
        let shown = format!("{}{before}{marked}{after}{}", cut(from > 0), cut(after_is_cut));
        Place {
            file: self.name.clone(),
            line: Some(line),
            column: column + 1,
            shown: shown.trim_end().to_owned(),
            indent: before.chars().count() + usize::from(from > 0),
            carets: marked.trim_end().chars().count().max(1),
        }
    }
}

/// A place in a file, with its line made safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    /// Counted from 1; `None` for the file as a whole.
    pub(super) line: Option<usize>,
    /// In characters, counted from 1.
    pub(super) column: usize,
    shown: String,
    indent: usize,
    carets: usize,
}

impl Place {
    /// The file as a whole.
    pub(super) fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), line: None, column: 0, shown: String::new(), indent: 0, carets: 0 }
    }

    /// As rustc prints it.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, gutter: usize) -> fmt::Result {
        let file = text::line(&self.file.to_string_lossy(), 400);
        let Some(line) = self.line else {
            return writeln!(f, "{:gutter$}--> {file}", "");
        };
        writeln!(f, "{:gutter$}--> {file}:{line}:{}", "", self.column)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{line} | {}", self.shown)?;
        writeln!(f, "{:gutter$} | {:indent$}{}", "", "", "^".repeat(self.carets), indent = self.indent)
    }
}

impl fmt::Display for Place {
    /// `file:line`, or the file alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::line(&self.file.to_string_lossy(), 400))?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The line with what looks like a secret made unreadable, character for character: a report goes to
/// terminals, logs and tickets.
fn veil(line: &str) -> Vec<char> {
    let mut shown: Vec<char> = line.chars().collect();
    let equals = shown.iter().position(|c| *c == '=');
    if let Some(equals) = equals {
        let key: String = shown[..equals].iter().collect::<String>().to_lowercase();
        let told =
            ["password", "passwd", "secret", "token", "auth_key", "api_key"].iter().any(|w| key.contains(w));
        let value = shown[equals + 1..].iter().position(|c| !c.is_whitespace()).map(|i| equals + 1 + i);
        let named = |from: usize| {
            let text: String = shown[from..].iter().collect();
            text.starts_with('{') && ["file", "env", "credential"].iter().any(|place| text.contains(place))
        };
        if let Some(value) = value.filter(|from| told && !named(*from)) {
            shown[value..].iter_mut().filter(|c| !c.is_whitespace() && **c != '"').for_each(|c| *c = '*');
        }
    }
    // user:password@ in a URL.
    let starts = shown.windows(3).enumerate().filter(|(_, w)| *w == [':', '/', '/']).map(|(i, _)| i + 3);
    for start in starts.collect::<Vec<_>>() {
        let authority = shown[start..].iter().position(|c| matches!(c, '/' | '"' | '\'' | '?' | '#'));
        let end = authority.map_or(shown.len(), |i| start + i);
        if let Some(at) = shown[start..end].iter().rposition(|c| *c == '@') {
            shown[start..start + at].iter_mut().for_each(|c| *c = '*');
        }
        // What stands behind the host is what webhooks and feeds know their users by.
        let quote = shown[end..].iter().position(|c| matches!(c, '"' | '\'') || c.is_whitespace());
        let rest = end..quote.map_or(shown.len(), |i| end + i);
        let query =
            shown[rest.clone()].iter().position(|c| *c == '?').map_or(rest.end, |i| rest.start + i + 1);
        shown[query..rest.end].iter_mut().for_each(|c| *c = '*');
        for segment in shown[rest.start..query].split_mut(|c| matches!(c, '/' | '?')) {
            if segment.len() >= SECRET_SEGMENT {
                segment.fill('*');
            }
        }
    }
    shown
}

/// The largest character boundary that is not beyond `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::veil;

    #[test]
    fn a_report_shows_no_secret_of_a_url() {
        for (line, shown) in [
            (
                r#"url = "https://hooks.example.org/services/T00/0123456789abcdefABCDEFGH""#,
                r#"url = "https://hooks.example.org/services/T00/************************""#,
            ),
            (
                r#"url = "http://a.test/list.csv?key=abc&x=/y" # why"#,
                r#"url = "http://a.test/list.csv?************" # why"#,
            ),
            (
                r#"["https://u:p@a.test?k", 'http://b.test/x']"#,
                r#"["https://***@a.test?*", 'http://b.test/x']"#,
            ),
            ("url = \"https://a.test/path/to/list.txt\"", "url = \"https://a.test/path/to/list.txt\""),
            ("x = \"://\"", "x = \"://\""),
        ] {
            assert_eq!(veil(line).into_iter().collect::<String>(), shown);
        }
    }
}
