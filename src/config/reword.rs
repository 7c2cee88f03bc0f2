//! serde's sentences in an admin's words, with a hint.

use std::ops::Range;

use super::document::{Hit, Kind, name};
use super::problem::Problems;
use crate::model::{ByteSize, Span};

/// What serde said. Its sentences are fixed by its public constructors (`unknown_field`,
/// `invalid_type` …); one that is not known is passed on as it is.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A key that no field has.
    UnknownField { known: Vec<String> },
    /// A word that an enum does not have.
    UnknownVariant { known: Vec<String> },
    /// A field without a default is not there.
    MissingField { field: String },
    /// Another type or range; what was expected.
    Expected(String),
    /// A parser of ours, or anything else.
    Other(String),
}

impl Said {
    pub(super) fn parse(message: &str) -> Self {
        if message.starts_with("unknown field `") {
            return Self::UnknownField { known: offered(message) };
        }
        if message.starts_with("unknown variant `") {
            return Self::UnknownVariant { known: offered(message) };
        }
        if let Some(field) = message.strip_prefix("missing field `") {
            return Self::MissingField { field: field.trim_end_matches('`').to_owned() };
        }
        let expected = if message.starts_with("invalid type: ") || message.starts_with("invalid value: ") {
            message.rsplit_once(", expected ").map(|(_, expected)| expected)
        } else {
            // toml's own words where a word of an enum is wanted.
            message.strip_prefix("wanted ")
        };
        match expected {
            Some(expected) => Self::Expected(expected.to_owned()),
            None => Self::Other(message.to_owned()),
        }
    }
}

/// The words in backticks after the last `expected`.
fn offered(message: &str) -> Vec<String> {
    let offered = message.rsplit_once("expected ").map_or("", |(_, offered)| offered);
    offered.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Reports what serde said of `hit`.
pub(super) fn reword(
    said: &Said,
    hit: &Hit,
    reference: &toml::Table,
    problems: &mut Problems<'_>,
    place: Option<Range<usize>>,
) {
    let what = name(&hit.way, &hit.kind);
    match said {
        Said::UnknownField { known } => unknown(hit, known, reference, problems, place),
        Said::UnknownVariant { known } => {
            let given = match &hit.kind {
                Kind::Text(text) => text.as_str(),
                _ => "",
            };
            let problem = problems.error(place, format!("{what} cannot be {given:?}"));
            if let Some(word) = closest(given, known) {
                problem.help(format!("did you mean \"{word}\"?"));
            }
            problem.help(format!("one of {}", list(known, "\"")));
        }
        Said::MissingField { field } => {
            problems.error(place, format!("`{field}` is missing in {what}"));
        }
        Said::Expected(expected) => {
            let expected = in_our_words(expected);
            let problem = problems.error(place, format!("{what} must be {expected}, not {}", hit.kind));
            let default = default_of(&hit.way, reference);
            match (&hit.kind, default.and_then(toml::Value::as_str)) {
                (Kind::Whole(n), Some(text)) if text.parse::<Span>().is_ok() => {
                    problem.help(format!("write it with its unit, as in \"{n}s\" or \"{n}ms\""));
                }
                (Kind::Whole(n), Some(text)) if text.parse::<ByteSize>().is_ok() => {
                    // A large number was meant as bytes.
                    let bytes = n.parse::<u64>().ok().filter(|n| *n >= 100_000).map(ByteSize);
                    let example = bytes.map_or_else(|| format!("{n}MiB"), |size| size.to_string());
                    problem.help(format!("write it with its unit, as in \"{example}\""));
                }
                _ => {}
            }
            tell_default(problem, hit, default);
        }
        Said::Other(message) => {
            let problem = problems.error(place, format!("{what}: {message}"));
            tell_default(problem, hit, default_of(&hit.way, reference));
        }
    }
}

fn unknown(
    hit: &Hit,
    known: &[String],
    reference: &toml::Table,
    problems: &mut Problems<'_>,
    place: Option<Range<usize>>,
) {
    let (word, parent) = (hit.word(), hit.parent());
    let is_entry = matches!(hit.way.last(), Some(super::document::Step::Index(_)));
    let message = match (hit.kind == Kind::Table, parent.is_empty()) {
        (true, _) if is_entry => format!("unknown section [[{parent}]]"),
        (true, _) => format!("unknown section {}", name(&hit.way, &hit.kind)),
        (false, true) => format!("unknown key `{word}` at the top level"),
        (false, false) => format!("unknown key `{word}` in [{parent}]"),
    };
    let problem = problems.error(place, message);
    if let Some(close) = closest(word, known) {
        if is_entry && hit.kind == Kind::Table {
            let above = parent.rsplit_once('.').map_or("", |(above, _)| above);
            let dot = if above.is_empty() { "" } else { "." };
            problem.help(format!("did you mean [[{above}{dot}{close}]]?"));
        } else if hit.kind == Kind::Table {
            let dot = if parent.is_empty() { "" } else { "." };
            problem.help(format!("did you mean [{parent}{dot}{close}]?"));
        } else {
            problem.help(format!("did you mean `{close}`?"));
        }
        return;
    }
    let mut homes = Vec::new();
    homes_of(word, reference, &mut String::new(), &mut homes);
    match homes.as_slice() {
        [] => {}
        [home] if home.is_empty() => {
            problem.help(format!("`{word}` belongs to the top level, above the first [section]"));
            return;
        }
        homes => {
            problem.help(format!("`{word}` is known in {}", homes.join(", ")));
            return;
        }
    }
    if known.is_empty() {
        problem.help("no key is known here");
    } else {
        problem.help(format!("known here: {}", list(known, "`")));
    }
}

/// The sections that know `word`.
fn homes_of(word: &str, table: &toml::Table, path: &mut String, homes: &mut Vec<String>) {
    if table.contains_key(word) {
        homes.push(if path.is_empty() { String::new() } else { format!("[{path}]") });
    }
    for (key, value) in table {
        let toml::Value::Table(inner) = value else { continue };
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key);
        homes_of(word, inner, path, homes);
        path.truncate(length);
    }
}

fn tell_default(problem: &mut super::Problem, hit: &Hit, default: Option<&toml::Value>) {
    // A feed has an example there, which is no default.
    let example = hit.parent().starts_with("feed.") && matches!(hit.word(), "format" | "url");
    match default.filter(|_| !example) {
        None | Some(toml::Value::Table(_)) => {}
        Some(default) => {
            problem.help(format!("the default is {default}"));
        }
    }
}

/// The default of what stands at `way`. All feeds share the one that the reference holds.
pub(super) fn default_of<'r>(
    way: &[super::document::Step],
    reference: &'r toml::Table,
) -> Option<&'r toml::Value> {
    let path = super::read::dotted(way);
    let mut keys = path.split('.');
    let mut value = reference.get(keys.next()?)?;
    for key in keys {
        let table = value.as_table()?;
        let only = (path.starts_with("feed.") && table.len() == 1).then(|| table.values().next()).flatten();
        value = table.get(key).or(only)?;
    }
    Some(value)
}

/// The one of `known` that `word` was meant for.
pub(super) fn closest<'k>(word: &str, known: &'k [String]) -> Option<&'k str> {
    if word.len() > 64 {
        return None;
    }
    let plain = |s: &str| s.to_lowercase().replace('-', "_");
    let word = plain(word);
    // A slip of the finger in a short word, some more in a long one.
    let allowed = (word.chars().count() / 3).max(1);
    known
        .iter()
        .map(|k| (strsim::damerau_levenshtein(&word, &plain(k)), k.as_str()))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, k)| k)
}

fn list(words: &[String], quote: &str) -> String {
    words.iter().map(|w| format!("{quote}{w}{quote}")).collect::<Vec<_>>().join(", ")
}

fn in_our_words(expected: &str) -> String {
    match expected {
        "a string" | "string or table" | "a borrowed string" => "text in quotes".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list, as in [\"one\", \"two\"]".to_owned(),
        "a map" => "a table".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative and not too large".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, not too large".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}
