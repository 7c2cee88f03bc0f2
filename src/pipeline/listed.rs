//! What the admin's lists say of a message.

use crate::lists::{Asked, Lists};
use crate::mail::header::{addresses, decode_words};
use crate::model::{Envelope, ListHits, Message, Session};
use crate::scan::auth::author;

/// Bytes of all From fields that are held against the lists.
const MAX_BYTES: usize = 256 * 1024;
/// Addresses that are held against the lists.
const MAX_ADDRESSES: usize = 256;

/// The entries that match the client, the sender and the addresses in From. Nothing is counted.
pub(super) fn hits(lists: &Lists, session: &Session, envelope: &Envelope, message: &Message) -> ListHits {
    let from = from_addresses(message);
    let sender = Some(envelope.reverse_path.address());
    let authors = author::addresses(message);
    lists.hits(&Asked { client: session.client.addr.ip(), sender, from: &from, authors: &authors })
}

/// Every address that some mail program may show as the author's: those that the grammar gives, and
/// whatever looks like one. What is read so only ever blocks, so asking for too much costs nothing.
fn from_addresses(message: &Message) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut left = MAX_BYTES;
    for value in message.values("From") {
        let value = value.get(..value.len().min(left)).unwrap_or(value);
        left -= value.len();
        let proper = addresses(value).into_iter().map(|from| from.address).filter(|a| !a.is_empty());
        let plain = String::from_utf8_lossy(value);
        let loose = loose_addresses(&plain).into_iter().chain(loose_addresses(&decode_words(value)));
        for address in proper.chain(loose) {
            if found.len() == MAX_ADDRESSES {
                return found;
            }
            if !found.contains(&address) {
                found.push(address);
            }
        }
        if left == 0 {
            break;
        }
    }
    found
}

/// What looks like an address in a field that need not be well formed: quotes, backslashes and what is not
/// seen are taken out, and white space beside a dot or an at sign.
fn loose_addresses(value: &str) -> Vec<String> {
    let invisible = |c: char| {
        matches!(c, '"' | '\\' | '\r' | '\n' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
            || (c.is_control() && c != '\t')
    };
    let mut text = String::with_capacity(value.len());
    for c in value.chars().filter(|c| !invisible(*c)) {
        let binds = matches!(c, '@' | '.');
        if binds {
            text.truncate(text.trim_end_matches([' ', '\t']).len());
        }
        let bound = text.ends_with(['@', '.']);
        if !(bound && matches!(c, ' ' | '\t')) {
            text.push(c);
        }
    }
    let separates = |c: char| c.is_whitespace() || "<>(),;:[]".contains(c);
    let words = text.split(separates).filter(|word| word.contains('@'));
    words.take(MAX_ADDRESSES).map(|word| word.trim_matches('.').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header;

    #[test]
    fn an_address_is_found_however_it_is_written() {
        for from in [
            "blocked@evil.example",
            "\"blocked\"@evil.example",
            "<blocked @ evil.example>",
            "blocked @ evil.example",
            "<blocked@evil.\r\n example>",
            "<a@ok.example> <blocked@evil.example>",
            "<<blocked@evil.example>>",
            "\"Bob <blocked@evil.example>",
            "(x <blocked@evil.example>",
            "\"Bob\\\" <blocked@evil.example>",
            "<blocked@=?utf-8?q?evil.example?=>",
            "<=?utf-8?q?blocked=40evil.example?=>",
            "<blocked@evil.example\0>",
            "<blo\u{ad}cked@evil.example>",
        ] {
            let message = header::parse(format!("From: {from}\r\n\r\n").into_bytes());
            let found = from_addresses(&message);
            assert!(found.iter().any(|address| address == "blocked@evil.example"), "{from:?}: {found:?}");
        }
    }

    #[test]
    fn many_harmless_addresses_and_fields_hide_none() {
        let many = |n: usize| (0..n).map(|i| format!("a{i}@ok.example, ")).collect::<String>();
        for head in [
            format!("From: {}blocked@evil.example", many(40)),
            format!("{}From: blocked@evil.example", "From: a@ok.example\r\nFROM :\r\n".repeat(10)),
            format!("From: {} <blocked@evil.example>", "x".repeat(66_000)),
        ] {
            let message = header::parse(format!("{head}\r\n\r\n").into_bytes());
            assert!(from_addresses(&message).contains(&"blocked@evil.example".to_owned()));
        }
        let flood = header::parse(format!("From: {}\r\n\r\n", many(50_000)).into_bytes());
        assert_eq!(from_addresses(&flood).len(), MAX_ADDRESSES);
    }
}
