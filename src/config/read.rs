//! From the tree to typed sections, all faults at once.
//!
//! serde stops at the first fault. So the file is read again and again, each time without the entry
//! that was at fault, until serde is content: what is left says nothing wrong, and every fault was
//! named. This needs nothing of a section but `Deserialize` and `deny_unknown_fields`, at any depth.

use serde::Deserialize;
use toml::de::{DeTable, DeValue, Deserializer};

use super::document::{self, Hit, Kind, Step};
use super::problem::Problems;
use super::reword::{Said, default_of, reword};

/// What was read, and what had to be left out.
pub(super) struct Read<'s, T> {
    /// Everything that was in order; defaults where something was not.
    pub(super) value: T,
    /// The tree without what was at fault.
    pub(super) table: DeTable<'s>,
    /// Dotted paths of what was left out: of these the admin's intent is not known.
    pub(super) lost: Vec<String>,
}

/// Reads `table` as `T`. `None` if serde found a fault that has no place, or too many.
///
/// `reference` holds every section with its defaults: for hints, and to know what is a section.
pub(super) fn read<'s, T: Deserialize<'s>>(
    mut table: DeTable<'s>,
    reference: &toml::Table,
    problems: &mut Problems<'_>,
) -> Option<Read<'s, T>> {
    let mut lost = Vec::new();
    refuse_lists(&mut table, reference, problems, &mut lost);
    loop {
        let error = match try_read::<T>(table.clone()) {
            Ok(value) => return Some(Read { value, table, lost }),
            Err(error) => error,
        };
        if problems.is_full() {
            return None;
        }
        let said = Said::parse(error.message());
        let by_key = matches!(said, Said::UnknownField { .. });
        let Some(mut hit) = error.span().and_then(|span| document::find(&table, &span, by_key)) else {
            problems.error(error.span(), error.message());
            return None;
        };
        let mut place = if by_key { Some(hit.key.clone()) } else { error.span() };
        if let Some((index, element)) = element_at_fault::<T>(&table, &hit, error.message()) {
            hit.way.push(Step::Index(index));
            hit.kind = Kind::of(element.get_ref());
            place = Some(element.span());
        }
        if let Said::MissingField { field } = &said {
            let path = format!("{}.{field}", dotted(&hit.way));
            // What was there and at fault is not missing.
            if !lost.contains(&path) {
                reword(&said, &hit, reference, problems, place);
            }
            if complete(&mut table, &hit, field, reference) {
                lost.push(path);
                continue;
            }
        } else {
            reword(&said, &hit, reference, problems, place);
        }
        lost.push(dotted(&hit.way));
        if !document::remove(&mut table, &hit.way) {
            return None;
        }
    }
}

fn try_read<'s, T: Deserialize<'s>>(table: DeTable<'s>) -> Result<T, toml::de::Error> {
    T::deserialize(Deserializer::from(toml::Spanned::new(0..0, table)))
}

/// Lists longer than this are not searched for the entry at fault.
const MAX_SEARCHED: usize = 1000;

/// serde knows the list only. The entry at fault is the one that is refused alone, for the same reason.
fn element_at_fault<'t, 's, T: Deserialize<'s>>(
    table: &'t DeTable<'s>,
    hit: &Hit,
    message: &str,
) -> Option<(usize, &'t toml::Spanned<DeValue<'s>>)> {
    let list = document::value_at(table, &hit.way)?.as_array()?;
    list.iter().take(MAX_SEARCHED).enumerate().find(|(_, element)| {
        let alone = DeValue::Array(std::iter::once((*element).clone()).collect());
        let refused = document::only(&hit.way, alone).and_then(|table| try_read::<T>(table).err());
        refused.is_some_and(|e| e.message() == message)
    })
}

/// Puts in a key that is missing, so that the rest of its section can be looked at.
fn complete(table: &mut DeTable<'_>, hit: &Hit, field: &str, reference: &toml::Table) -> bool {
    let mut way = hit.way.clone();
    way.push(Step::Key(field.to_owned()));
    let Some(toml::Value::String(text)) = default_of(&way, reference) else { return false };
    let Some(DeValue::Table(section)) = document::value_at_mut(table, &hit.way) else { return false };
    let value = DeValue::String(text.clone().into());
    let nowhere = 0..0;
    let key = toml::Spanned::new(nowhere.clone(), field.to_owned().into());
    section.insert(key, toml::Spanned::new(nowhere, value)).is_none()
}

/// serde takes a list for a struct, field by field. Nobody means that.
fn refuse_lists(
    table: &mut DeTable<'_>,
    reference: &toml::Table,
    problems: &mut Problems<'_>,
    lost: &mut Vec<String>,
) {
    let mut ways = Vec::new();
    lists_for_tables(table, reference, &mut Vec::new(), &mut ways);
    for way in ways {
        let path = dotted(&way);
        let place = document::look_up(table, &path).map(|(key, _)| key);
        problems
            .error(
                place,
                format!("{} stands as a list, but must be a table", document::name(&way, &Kind::Table)),
            )
            .help(format!("write [{path}], once"));
        document::remove(table, &way);
        lost.push(path);
    }
}

fn lists_for_tables(
    table: &DeTable<'_>,
    reference: &toml::Table,
    way: &mut Vec<Step>,
    found: &mut Vec<Vec<Step>>,
) {
    for (key, value) in table {
        let Some(toml::Value::Table(expected)) = reference.get(key.get_ref().as_ref()) else { continue };
        way.push(Step::Key(key.get_ref().to_string()));
        match value.get_ref() {
            DeValue::Array(_) => found.push(way.clone()),
            DeValue::Table(inner) => lists_for_tables(inner, expected, way, found),
            _ => {}
        }
        way.pop();
    }
}

/// The path without steps into lists.
pub(super) fn dotted(way: &[Step]) -> String {
    let keys = way.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

/// The keys that serde knows beside the bogus one in `table`; none if it knows that one.
#[cfg(test)]
pub(super) fn known_beside<'s, T: Deserialize<'s>>(table: DeTable<'s>) -> Vec<String> {
    match try_read::<T>(table).err().map(|e| Said::parse(e.message())) {
        Some(Said::UnknownField { known }) => known,
        _ => Vec::new(),
    }
}

impl Hit {
    /// The table that the entry stands in, as a dotted path.
    pub(super) fn parent(&self) -> String {
        dotted(self.way.split_last().map_or(&[], |(_, parent)| parent))
    }

    /// The entry's own key.
    pub(super) fn word(&self) -> &str {
        let key = self.way.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        });
        key.unwrap_or_default()
    }
}
