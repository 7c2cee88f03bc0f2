//! The header fields that rspamd wants added and removed, in every form in which it says so.
//!
//! `add_headers` is an object of name and text, or `{value, order}` (also `index`), or a list of these; an order
//! counts from 0 at the top, a negative one from the end. Here they come out in the order from top to bottom in
//! which rspamd's own milter would leave them (rspamd `milter.c`). What nobody but mailward may say is left out.

use serde_json::Value;

use crate::model::{FieldWish, RemovalWish, text};

/// Most fields of each list.
const MAX_FIELDS: usize = 32;
/// Longest value.
const MAX_VALUE: usize = 4096;
/// Longest name.
const MAX_NAME: usize = 100;

/// Fields to be added, each with its place, and fields to be removed.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    add: Vec<(Place, FieldWish)>,
    remove: Vec<RemovalWish>,
}

/// Where a field goes: sorts from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Above everything.
    Signature,
    /// So many fields from the top.
    Top(i64),
    /// So many fields, negative, from the end.
    Bottom(i64),
    /// At the end.
    End,
}

impl Wishes {
    /// A DKIM-Signature that rspamd made. Policy adds it to mail going out only. One that was cut would be
    /// worse than none.
    pub(super) fn sign(&mut self, value: &str) {
        if value.len() <= MAX_VALUE {
            self.add("DKIM-Signature", value, Place::Signature);
        }
    }

    /// Takes in `milter.add_headers` and `milter.remove_headers`.
    pub(super) fn read(&mut self, add: &[(String, Value)], remove: &[(String, Value)]) {
        for (name, value) in add {
            match value {
                Value::Array(list) => list.iter().for_each(|value| self.add_one(name, value)),
                value => self.add_one(name, value),
            }
        }
        for (name, value) in remove {
            match value {
                Value::Array(list) => list.iter().for_each(|value| self.remove_one(name, value)),
                value => self.remove_one(name, value),
            }
        }
    }

    /// Takes in `milter.spam_header`: the field that marks spam instead of rspamd's `X-Spam: Yes`.
    pub(super) fn spam_header(&mut self, value: Option<&Value>) {
        let fields = match value {
            Some(Value::String(value)) => vec![("X-Spam", value.as_str())],
            Some(Value::Object(fields)) => {
                fields.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
            }
            _ => Vec::new(),
        };
        for (name, value) in fields {
            self.remove_one(name, &Value::Null);
            self.add(name, value, Place::End);
        }
    }

    /// What to add, top down, and what to remove.
    pub(super) fn into_lists(mut self) -> (Vec<FieldWish>, Vec<RemovalWish>) {
        // Sorting is stable: what has the same place stays in order.
        self.add.sort_by_key(|(place, _)| *place);
        (self.add.into_iter().map(|(_, wish)| wish).collect(), self.remove)
    }

    fn add_one(&mut self, name: &str, value: &Value) {
        let Value::Object(object) = value else {
            if let Some(value) = scalar(value) {
                self.add(name, &value, Place::End);
            }
            return;
        };
        let order = object.get("order").or_else(|| object.get("index")).and_then(integer);
        let place = match order {
            Some(order @ 0..) => Place::Top(order),
            Some(order @ ..=-2) => Place::Bottom(order),
            Some(_) | None => Place::End,
        };
        if let Some(value) = object.get("value").and_then(scalar) {
            self.add(name, &value, place);
        }
    }

    fn add(&mut self, name: &str, value: &str, place: Place) {
        if self.add.len() >= MAX_FIELDS || !may_be_touched(name) {
            return;
        }
        let mut value = unfolded(value);
        value.truncate(value.floor_char_boundary(MAX_VALUE));
        let wish = (place, FieldWish { name: name.to_owned(), value });
        // The milter inserts one after the other: of two at the same place the later one is on top.
        let same = matches!(place, Place::Top(_) | Place::Bottom(_));
        match self.add.iter().position(|(other, _)| same && *other == place) {
            Some(at) => self.add.insert(at, wish),
            None => self.add.push(wish),
        }
    }

    fn remove_one(&mut self, name: &str, value: &Value) {
        // A bare name of a list means all of that name.
        let index = if value.is_null() { Some(0) } else { integer(value) };
        if let Some(index) = index.and_then(|i| i32::try_from(i).ok())
            && self.remove.len() < MAX_FIELDS
            && may_be_touched(name)
        {
            self.remove.push(RemovalWish { name: name.to_owned(), index });
        }
    }
}

/// Whether this is the name of a field, and of one of which others may speak.
fn may_be_touched(name: &str) -> bool {
    // RFC 5322 §3.6.8.
    let is_name =
        !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    let lower = name.to_ascii_lowercase();
    is_name
        && lower != "authentication-results"
        && !lower.starts_with("arc-")
        && !crate::mail::strip::is_ours(name.as_bytes())
}

/// A text, or what can be one.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}

/// An integer, also one that Lua wrote as `1.0`.
fn integer(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
    let of_float = |n: f64| (n.fract() == 0.0 && n.abs() < 1e9).then_some(n as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(of_float))
}

/// A value on one line (RFC 5322 §2.2.3).
fn unfolded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value.trim();
    while let Some(at) = rest.find(['\r', '\n']) {
        let (line, after) = rest.split_at(at);
        out.push_str(line);
        rest = after.trim_start_matches(['\r', '\n']);
        // A break without white space after it is no fold, and two words must not become one.
        if !rest.starts_with([' ', '\t']) {
            out.push(' ');
        }
    }
    out.push_str(rest);
    text::line(&out, MAX_VALUE)
}
