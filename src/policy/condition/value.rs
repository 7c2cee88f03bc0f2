//! Values, lent by the message wherever they can be.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::super::evidence::Points;
use super::made::{Link, Named};
use crate::model::{Attachment, Category, Disposition, Finding, ListHit, Severity, text};

/// A value. Its type was checked at load.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'v, str>),
    /// `None` is `none`.
    Severity(Option<Severity>),
    Category(Category),
    /// `None` is `nothing`.
    Disposition(Option<Disposition>),
    Finding(&'v Finding),
    Link(&'v Link),
    /// A file under one of its names.
    Attachment(&'v Attachment, &'v str),
    Hit(&'v ListHit),
    List(List<'v>),
}

/// A list, lent as it lies there.
#[derive(Clone, Debug)]
pub(super) enum List<'v> {
    Lent(&'v [Value<'v>]),
    Own(Vec<Value<'v>>),
    Findings(&'v [&'v Finding]),
    Links(&'v [Link]),
    Attachments(&'v [Attachment], &'v [Named]),
    Hits(&'v [ListHit]),
    Texts(&'v [String]),
}

impl<'v> List<'v> {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Lent(list) => list.len(),
            Self::Own(list) => list.len(),
            Self::Findings(list) => list.len(),
            Self::Links(list) => list.len(),
            Self::Attachments(_, names) => names.len(),
            Self::Hits(list) => list.len(),
            Self::Texts(list) => list.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<Value<'v>> {
        Some(match self {
            Self::Lent(list) => list.get(at)?.lend(),
            Self::Own(list) => list.get(at)?.clone(),
            Self::Findings(list) => Value::Finding(list.get(at)?),
            Self::Links(list) => Value::Link(list.get(at)?),
            Self::Attachments(list, names) => {
                let Named { file, name } = names.get(at)?;
                let file = list.get(*file)?;
                Value::Attachment(file, name.map_or(Some(&file.name), |name| file.other_names.get(name))?)
            }
            Self::Hits(list) => Value::Hit(list.get(at)?),
            Self::Texts(list) => Value::Text(Cow::Borrowed(list.get(at)?)),
        })
    }

    /// The texts of a list that stands on its own feet.
    pub(super) fn lent_texts(&self) -> impl Iterator<Item = &str> {
        let own = if let Self::Own(list) = self { list.as_slice() } else { &[] };
        own.iter().filter_map(|value| if let Value::Text(text) = value { Some(&**text) } else { None })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Value<'v>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl<'v> Value<'v> {
    /// The same, without a copy of its text.
    pub(super) fn lend(&'v self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::List(List::Own(list)) => Self::List(List::Lent(list)),
            other => other.clone(),
        }
    }

    /// The same, on its own feet; `None` for what lies in a message.
    pub(super) fn into_constant(self) -> Option<Value<'static>> {
        Some(match self {
            Value::Bool(v) => Value::Bool(v),
            Value::Int(v) => Value::Int(v),
            Value::Double(v) => Value::Double(v),
            Value::Text(v) => Value::Text(Cow::Owned(v.into_owned())),
            Value::Severity(v) => Value::Severity(v),
            Value::Category(v) => Value::Category(v),
            Value::Disposition(v) => Value::Disposition(v),
            Value::Finding(_) | Value::Link(_) | Value::Attachment(..) | Value::Hit(_) => return None,
            Value::List(list) => {
                Value::List(List::Own(list.iter().map(Value::into_constant).collect::<Option<_>>()?))
            }
        })
    }

    /// Whether both are the same. Whole and other numbers are compared by their value.
    pub(super) fn same(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Severity(a), Value::Severity(b)) => a == b,
            (Value::Category(a), Value::Category(b)) => a == b,
            (Value::Disposition(a), Value::Disposition(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(&b))
            }
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// Which comes first; `None` where one is not a number (NaN).
    pub(super) fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Int(a), Value::Double(b)) => int_to_double(*a, *b),
            (Value::Double(a), Value::Int(b)) => int_to_double(*b, *a).map(Ordering::reverse),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            // `none` is below all.
            (Value::Severity(a), Value::Severity(b)) => Some(a.cmp(b)),
            (Value::Category(a), Value::Category(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    /// As people read it, at most `max` characters of it; texts without quotes.
    pub(super) fn shown(&self, max: usize) -> String {
        match self {
            Value::Bool(v) => v.to_string(),
            Value::Int(v) => v.to_string(),
            Value::Double(v) => number(*v),
            Value::Text(v) => text::line(v, max),
            Value::Severity(v) => v.map_or("none", Severity::name).to_owned(),
            Value::Category(v) => v.name().to_owned(),
            Value::Disposition(v) => v.map_or("nothing", Disposition::name).to_owned(),
            Value::Finding(f) => format!("{} ({})", text::line(&f.symbol, max.min(60)), f.scanner),
            Value::Link(link) => text::line(&link.seen.url, max),
            Value::Attachment(_, name) => text::line(name, max),
            Value::Hit(hit) => format!("{} ({})", text::line(&hit.entry, max), hit.list),
            Value::List(list) => {
                let some: Vec<_> = list.iter().take(8).map(|v| v.quoted(max.min(60))).collect();
                let more =
                    if list.len() > 8 { format!(" and {} more", list.len() - 8) } else { String::new() };
                text::line(&format!("[{}{more}]", some.join(", ")), max)
            }
        }
    }

    /// The same with quotes around a text.
    pub(super) fn quoted(&self, max: usize) -> String {
        match self {
            Value::Text(_) => format!("\"{}\"", self.shown(max)),
            _ => self.shown(max),
        }
    }
}

/// A number as scores are shown.
pub(super) fn number(value: f64) -> String {
    if value.is_finite() && value.abs() <= 10_000.0 {
        Points::of(value).to_string()
    } else {
        value.to_string()
    }
}

/// Exact, where a conversion would round.
#[expect(clippy::cast_possible_truncation, reason = "what does not fit is decided before")]
fn int_to_double(int: i64, double: f64) -> Option<Ordering> {
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        None
    } else if double >= EDGE {
        Some(Ordering::Less)
    } else if double < -EDGE {
        Some(Ordering::Greater)
    } else {
        let whole = double.trunc();
        Some(int.cmp(&(whole as i64)).then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal)))
    }
}
