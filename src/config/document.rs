//! The file as a tree in which each key and value knows its place.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::problem::Problems;
use super::source::Source;

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a table.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// The way to a value, from the top.
pub(super) type Way = [Step];

/// Parses the text. `None` if it is so broken that nothing more can be said about it.
pub(super) fn parse<'s>(source: &'s Source, problems: &mut Problems<'_>) -> Option<DeTable<'s>> {
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    let mut usable = true;
    let mut last = None;
    for error in errors {
        if problems.is_full() {
            break;
        }
        let place = error.span().unwrap_or(source.text.len()..source.text.len());
        // After the first fault in a line the parser guesses.
        let before: usize = last.replace(place.start).unwrap_or(usize::MAX);
        let between = source.text.get(before.min(place.start)..before.max(place.start));
        if between.is_some_and(|between| !between.contains('\n')) {
            continue;
        }
        let found = source.text.get(place.clone()).unwrap_or_default();
        if error.message() == "duplicate key" {
            problems
                .error(Some(place), format!("`{found}` stands here a second time"))
                .help("a key or a section may stand once; put the two together");
            continue;
        }
        usable = false;
        if error.message().starts_with("string values must be quoted") {
            let problem = problems.error(Some(place), "a value is missing or stands without quotes");
            if !found.is_empty() {
                problem.help(format!("write text in quotes: \"{}\"", found.trim_end_matches(['\'', '"'])));
            }
            continue;
        }
        problems.error(Some(place), format!("this is not TOML: {}", error.message()));
    }
    usable.then(|| root.into_inner())
}

/// Where serde stopped: the entry it spoke of.
pub(super) struct Hit {
    /// The way to the entry.
    pub(super) way: Vec<Step>,
    /// Where its key is; its value where it stands in a list.
    pub(super) key: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
    /// How good a match this is; less is better.
    rank: (u8, usize),
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text.
    Text(String),
    /// A whole number, as written.
    Whole(String),
    /// Any other number, as written.
    Number(String),
    /// `true` or `false`.
    Truth(bool),
    /// A date or time.
    Date,
    /// `[…]`.
    List,
    /// `{…}` or a section.
    Table,
}

impl Kind {
    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(n) => Self::Whole(n.to_string()),
            DeValue::Float(n) => Self::Number(n.to_string()),
            DeValue::Boolean(truth) => Self::Truth(*truth),
            DeValue::Datetime(_) => Self::Date,
            DeValue::Array(_) => Self::List,
            DeValue::Table(_) => Self::Table,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Whole(n) | Self::Number(n) => write!(f, "the number {n}"),
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Date => f.write_str("a date"),
            Self::List => f.write_str("a list"),
            Self::Table => f.write_str("a table"),
        }
    }
}

/// The entry at `span`: by its key first where an unknown key is looked for, by its value else.
pub(super) fn find(table: &DeTable<'_>, span: &Range<usize>, by_key: bool) -> Option<Hit> {
    let mut best = None;
    visit_table(table, &mut Vec::new(), &mut |way, key, value, kind| {
        let width = value.len().max(key.len());
        let rank = if by_key && key == span {
            (0, width)
        } else if value == span {
            // Of a header `[a.b]` the inner one.
            (1, usize::MAX - way.len())
        } else if value.start <= span.start && span.end <= value.end {
            (2, value.len())
        } else if key.start <= span.start && span.end <= key.end {
            (3, key.len())
        } else {
            return;
        };
        if best.as_ref().is_none_or(|b: &Hit| rank < b.rank) {
            best = Some(Hit { way: way.to_vec(), key: key.clone(), kind: Kind::of(kind), rank });
        }
    });
    best
}

type Visitor<'v> = dyn FnMut(&Way, &Range<usize>, &Range<usize>, &DeValue<'_>) + 'v;

fn visit_table(table: &DeTable<'_>, way: &mut Vec<Step>, see: &mut Visitor<'_>) {
    for (key, value) in table {
        way.push(Step::Key(key.get_ref().to_string()));
        see(way, &key.span(), &value.span(), value.get_ref());
        visit_value(value.get_ref(), way, see);
        way.pop();
    }
}

fn visit_value(value: &DeValue<'_>, way: &mut Vec<Step>, see: &mut Visitor<'_>) {
    if let Some(table) = value.as_table() {
        visit_table(table, way, see);
    } else if let Some(list) = value.as_array() {
        for (i, element) in list.iter().enumerate() {
            way.push(Step::Index(i));
            see(way, &element.span(), &element.span(), element.get_ref());
            visit_value(element.get_ref(), way, see);
            way.pop();
        }
    }
}

/// Takes the entry at `way` out. `false` if there is none.
pub(super) fn remove(table: &mut DeTable<'_>, way: &Way) -> bool {
    let Some((Step::Key(key), rest)) = way.split_first() else { return false };
    if rest.is_empty() {
        return table.remove(key.as_str()).is_some();
    }
    table.get_mut(key.as_str()).is_some_and(|value| remove_in(value.get_mut(), rest))
}

fn remove_in(value: &mut DeValue<'_>, way: &Way) -> bool {
    match (value, way) {
        (DeValue::Table(table), way) => remove(table, way),
        (DeValue::Array(list), [Step::Index(i)]) if *i < list.len() => {
            let rest = list.iter().enumerate().filter(|(at, _)| at != i);
            *list = rest.map(|(_, element)| element.clone()).collect();
            true
        }
        (DeValue::Array(list), [Step::Index(i), rest @ ..]) => {
            list.get_mut(*i).is_some_and(|element| remove_in(element.get_mut(), rest))
        }
        _ => false,
    }
}

/// The value at `way`.
pub(super) fn value_at<'t, 's>(table: &'t DeTable<'s>, way: &Way) -> Option<&'t DeValue<'s>> {
    let (Step::Key(key), rest) = way.split_first()? else { return None };
    rest.iter().try_fold(table.get(key.as_str())?.get_ref(), |value, step| {
        let inner = match step {
            Step::Key(key) => value.as_table()?.get(key.as_str()),
            Step::Index(i) => value.as_array()?.get(*i),
        };
        inner.map(toml::Spanned::get_ref)
    })
}

/// The value at `way`, to change it.
pub(super) fn value_at_mut<'t, 's>(table: &'t mut DeTable<'s>, way: &Way) -> Option<&'t mut DeValue<'s>> {
    let (Step::Key(key), rest) = way.split_first()? else { return None };
    rest.iter().try_fold(table.get_mut(key.as_str())?.get_mut(), |value, step| {
        let inner = match (value, step) {
            (DeValue::Table(table), Step::Key(key)) => table.get_mut(key.as_str()),
            (DeValue::Array(list), Step::Index(i)) => list.get_mut(*i),
            _ => None,
        };
        inner.map(toml::Spanned::get_mut)
    })
}

/// A tree with nothing but `value` at `way`. `None` where that leads through a list.
pub(super) fn only<'s>(way: &Way, value: DeValue<'s>) -> Option<DeTable<'s>> {
    let tree = way.iter().rev().try_fold(value, |value, step| {
        let Step::Key(key) = step else { return None };
        let mut table = DeTable::new();
        table.insert(toml::Spanned::new(0..0, key.clone().into()), toml::Spanned::new(0..0, value));
        Some(DeValue::Table(table))
    })?;
    match tree {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// The value at a dotted path, with its place. Lists are not entered.
pub(super) fn look_up<'t, 's>(
    table: &'t DeTable<'s>,
    path: &str,
) -> Option<(Range<usize>, &'t toml::Spanned<DeValue<'s>>)> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (key, value) = table.get_key_value(first)?;
    match rest {
        None => Some((key.span(), value)),
        Some(rest) => look_up(value.get_ref().as_table()?, rest),
    }
}

/// Where the value at a dotted path is in a text.
pub(super) fn place_of(source: &Source, path: &str) -> Option<Range<usize>> {
    let (root, _) = DeTable::parse_recoverable(&source.text);
    look_up(root.get_ref(), path).map(|(_, value)| value.span())
}

/// `[scanner.clamd]` for a table, `` `timeout` in [scanner.clamd] `` for a key in one,
/// `` an entry of `own` in [network] `` in a list.
pub(super) fn name(way: &Way, kind: &Kind) -> String {
    let keys: Vec<Cow<'_, str>> = way
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(quoted(key)),
            Step::Index(_) => None,
        })
        .collect();
    // Without its number: entries before it may have been taken out already.
    let entry = if matches!(way.last(), Some(Step::Index(_))) { "an entry of " } else { "" };
    match keys.split_last() {
        None => "the file".to_owned(),
        Some(_) if *kind == Kind::Table && entry.is_empty() => format!("[{}]", keys.join(".")),
        Some((key, [])) => format!("{entry}`{key}`"),
        Some((key, section)) => format!("{entry}`{key}` in [{}]", section.join(".")),
    }
}

fn quoted(key: &str) -> Cow<'_, str> {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { Cow::Borrowed(key) } else { Cow::Owned(format!("{key:?}")) }
}
