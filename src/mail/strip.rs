//! Inbound fields that claim to be ours.

use std::collections::HashMap;

use super::auth_results;
use crate::model::{Action, Message, RemovalWish};

/// Every field of this family is ours, also those of releases to come.
const FAMILY: &[u8] = b"x-mailward-";
/// The other names that mailward adds, for filters that exist already.
const NAMES: [&str; 3] = ["X-Spam-Flag", "X-Spam-Status", "X-Virus-Status"];
/// What the family is called where it is counted.
const FAMILY_LABEL: &str = "X-Mailward";
const RESULTS: &str = "Authentication-Results";

/// What removes every inbound copy of a field that mailward adds itself, so that what stands in the
/// delivered message is what mailward wrote: `X-Mailward-…`, `X-Spam-Flag`, `X-Spam-Status`,
/// `X-Virus-Status`, and Authentication-Results in the name of `authserv_id` (RFC 8601 §5; none are
/// removed where it is not set). One that cannot be read and holds our name goes too. Besides them go the
/// fields that `wishes` name, an Authentication-Results excepted.
///
/// The index counts the fields of that name as they were given, from 1, names compared without case and
/// without the white space that may stand before the colon – as Postfix and Sendmail count. The actions
/// are in an order in which none shifts the index of a later one: from the last field of the message
/// to the first (OpenDKIM went the other way: CVE-2022-48521).
#[must_use]
pub fn removals(message: &Message, authserv_id: Option<&str>, wishes: &[RemovalWish]) -> Vec<Action> {
    let mut counts: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut actions = Vec::new();
    let totals = totals(message, wishes);
    for (name, value) in message.fields() {
        let name = name.trim_ascii_end();
        let is_results = name.eq_ignore_ascii_case(RESULTS.as_bytes());
        let is_ours = is_ours(name);
        let is_named = |wish: &&RemovalWish| name.eq_ignore_ascii_case(wish.name.as_bytes());
        let mut wished = wishes.iter().filter(is_named).peekable();
        if !is_results && !is_ours && wished.peek().is_none() {
            continue;
        }
        let key = name.to_ascii_lowercase();
        let total = totals.get(&key).copied().unwrap_or_default();
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
        let is_forged = is_results && authserv_id.is_some_and(|ours| auth_results::claims(value, ours));
        let is_wished = !is_results && wished.any(|wish| is_meant(wish.index, *count, total));
        if is_ours || is_forged || is_wished {
            let name = String::from_utf8_lossy(name).into_owned();
            actions.push(Action::DeleteHeader { name, index: *count });
        }
    }
    actions.reverse();
    actions
}

/// How many fields there are of each name of which one is to be removed counted from the bottom.
fn totals(message: &Message, wishes: &[RemovalWish]) -> HashMap<Vec<u8>, u32> {
    let mut totals: HashMap<Vec<u8>, u32> = HashMap::new();
    if wishes.iter().any(|wish| wish.index < 0) {
        for (name, _) in message.fields() {
            let name = name.trim_ascii_end();
            if wishes.iter().any(|wish| name.eq_ignore_ascii_case(wish.name.as_bytes())) {
                *totals.entry(name.to_ascii_lowercase()).or_default() += 1;
            }
        }
    }
    totals
}

/// Whether a wish for `index` means the field number `count` of `total`: 0 is all, -1 the last.
fn is_meant(index: i32, count: u32, total: u32) -> bool {
    match index {
        0 => true,
        1.. => u32::try_from(index) == Ok(count),
        _ => index.unsigned_abs().checked_add(count) == total.checked_add(1),
    }
}

/// Whether a field of this name is one that mailward answers for.
#[must_use]
pub fn is_ours(name: &[u8]) -> bool {
    name.get(..FAMILY.len()).is_some_and(|start| start.eq_ignore_ascii_case(FAMILY))
        || NAMES.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
}

/// How a field of this name is called where removed ones are counted; `None` for one that is not ours.
#[must_use]
pub fn label(name: &str) -> Option<&'static str> {
    let named = NAMES.into_iter().chain([RESULTS]).find(|n| name.eq_ignore_ascii_case(n));
    named.or_else(|| is_ours(name.as_bytes()).then_some(FAMILY_LABEL))
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;
    use proptest::prelude::*;

    const OURS: &str = "mx.example.org";

    fn delete(name: &str, index: u32) -> Action {
        Action::DeleteHeader { name: name.into(), index }
    }

    /// The part of Postfix that deletes fields: finds the n-th field of that name from the top, compares
    /// without case, and what is gone does not count any more.
    fn postfix(mut fields: Vec<(String, String)>, actions: &[Action]) -> Vec<(String, String)> {
        for action in actions {
            let Action::DeleteHeader { name, index } = action else { panic!("{action:?}") };
            let mut left = *index;
            let found = fields.iter().position(|(n, _)| {
                left -= u32::from(n.trim_end().eq_ignore_ascii_case(name) && left > 0);
                left == 0
            });
            fields.remove(found.unwrap_or_else(|| panic!("no {name} number {index}")));
        }
        fields
    }

    fn message(fields: &[(String, String)]) -> Message {
        let lines: Vec<String> = fields.iter().map(|(n, v)| format!("{n}:{v}\r\n")).collect();
        header::parse(lines.concat() + "\r\n")
    }

    #[test]
    fn copies_of_our_fields_go_from_the_last_to_the_first() {
        let message = header::parse(
            &b"X-Mailward-Id: 1\nAuthentication-Results: other.example; x\nx-mailward-ID: 2\n\
               AUTHENTICATION-RESULTS : MX.example.ORG; y\nX-Spam-Flag: NO\nX-Mailwardx: stays\n\
               X-Spam-Report: stays\nAuthentication-Results: mx.example.org.; z\n\n"[..],
        );
        assert_eq!(
            removals(&message, Some(OURS), &[]),
            [
                delete("Authentication-Results", 3),
                delete("X-Spam-Flag", 1),
                delete("AUTHENTICATION-RESULTS", 2),
                delete("x-mailward-ID", 2),
                delete("X-Mailward-Id", 1),
            ]
        );
    }

    #[test]
    fn removed_fields_are_counted_under_few_names() {
        let labels =
            ["x-mailward-ID", "X-Mailward-", "x-spam-FLAG", "X-Virus-Status", "authentication-RESULTS"]
                .map(label);
        let expected =
            ["X-Mailward", "X-Mailward", "X-Spam-Flag", "X-Virus-Status", "Authentication-Results"];
        assert_eq!(labels, expected.map(Some));
        assert_eq!(["X-Mailwardx", "Subject", "", "ARC-Authentication-Results"].map(label), [None; 4]);
    }

    #[test]
    fn without_a_name_of_our_own_results_stay() {
        let message =
            header::parse(&b"Authentication-Results: mx.example.org; x\nX-Virus-Status: Clean\n\n"[..]);
        assert_eq!(removals(&message, None, &[]), [delete("X-Virus-Status", 1)]);
    }

    #[test]
    fn fields_that_a_neighbour_wants_removed_go_in_the_same_order() {
        let message = header::parse(
            &b"X-Spam: 1\nX-Mailward-Id: 1\nX-Spam: 2\nAuthentication-Results: a; x\nX-Spam: 3\nX-Old: 1\n\n"
                [..],
        );
        let wish = |name: &str, index| RemovalWish { name: name.to_owned(), index };
        let gone = |wishes: &[RemovalWish]| removals(&message, Some(OURS), wishes);
        let id = delete("X-Mailward-Id", 1);
        assert_eq!(gone(&[wish("x-spam", 2)]), [delete("X-Spam", 2), id.clone()]);
        assert_eq!(
            gone(&[wish("X-Spam", -1), wish("x-old", 1)]),
            [delete("X-Old", 1), delete("X-Spam", 3), id.clone()]
        );
        assert_eq!(
            gone(&[wish("X-Spam", 0)]),
            [delete("X-Spam", 3), delete("X-Spam", 2), id.clone(), delete("X-Spam", 1)]
        );
        let nothing = [
            wish("X-Spam", 4),
            wish("X-Spam", -4),
            wish("X-Spam", i32::MIN),
            wish("Authentication-Results", 0),
        ];
        assert_eq!(gone(&nothing), [id]);
    }

    proptest! {
        #[test]
        fn what_postfix_keeps_is_exactly_what_is_not_ours(
            picks in prop::collection::vec((0_usize..9, 0_usize..7, any::<bool>()), 0..30)
        ) {
            let names = ["Authentication-Results", "X-Mailward-Id", "X-Mailward-New", "X-Spam-Flag", "X-Spam-Status",
                "X-Virus-Status", "Subject", "X-Mailwardx", "X-Spam-Report"];
            let values = [" mx.example.org; a", " other.example; b", " (c) \"MX.example.org\" 1; c", " (open mx.example.org",
                " mx.example.org.evil.example", "", "\tmx.example.org.\r\n ; d"];
            let fields: Vec<(String, String)> = picks.iter().enumerate().map(|(i, (name, value, upper))| {
                let name = if *upper { names[*name].to_uppercase() } else { names[*name].to_owned() };
                (name, format!("{} ({i})", values[*value]))
            }).collect();
            let ours = |(i, _): &(usize, &(String, String))| {
                let (name, value, _) = picks[*i];
                (1..=5).contains(&name) || name == 0 && [0, 2, 3, 6].contains(&value)
            };
            let expected: Vec<_> = fields.iter().enumerate().filter(|f| !ours(f)).map(|(_, f)| f.clone()).collect();
            let actions = removals(&message(&fields), Some(OURS), &[]);
            prop_assert_eq!(postfix(fields, &actions), expected);
        }
    }
}
