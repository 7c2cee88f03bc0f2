//! What of other places a condition names: groups of the file, symbols of scanners.

use std::ops::Range;

use super::check::place;
use super::names::Field;
use super::node::{Node, What};
use super::value::Value;

/// Groups that are asked for by name.
pub(super) fn groups<'n>(node: &'n Node, into: &mut Vec<(&'n str, Range<usize>)>) {
    let is_groups = |node: &Node| matches!(node.what, What::Field(Field::RecipientGroups));
    if let What::In(two) | What::Compare(_, two) = &node.what {
        for (constant, other) in [(&two.0, &two.1), (&two.1, &two.0)] {
            match constant.constant().filter(|_| is_groups(other)) {
                Some(Value::Text(text)) => into.push((text, place(constant))),
                Some(Value::List(list)) => into.extend(list.lent_texts().map(|text| (text, place(constant)))),
                _ => {}
            }
        }
    }
    for child in node.children() {
        groups(child, into);
    }
}

/// Symbols that are looked for as they are.
pub(super) fn symbols<'n>(node: &'n Node, into: &mut Vec<(&'n str, Range<usize>)>) {
    if let What::Found(glob, _) = &node.what
        && !glob.text.contains('*')
    {
        into.push((&glob.text, place(node)));
    }
    for child in node.children() {
        symbols(child, into);
    }
}
