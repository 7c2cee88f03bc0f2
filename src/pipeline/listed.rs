//! What the admin's lists say of a message.

use crate::link::Host;
use crate::lists::{Asked, Lists, Wanted, field_value};
use crate::mail::header::{addresses, decode_words};
use crate::model::{ListHits, Message};
use crate::scan::auth::author;

use super::engine::Looked;

/// Bytes of all From fields that are held against the lists.
const MAX_BYTES: usize = 256 * 1024;
/// Addresses that are held against the lists.
const MAX_ADDRESSES: usize = 256;
/// Links that are held against the lists.
const MAX_LINKS: usize = 1000;
/// Files that are held against the lists.
const MAX_FILES: usize = 1000;
/// Fields, and bytes of their values, that are held against the lists.
const MAX_FIELDS: usize = 256;
const MAX_FIELD_BYTES: usize = 256 * 1024;

/// The entries that match a message that was looked at: its client, sender and From, and as far as there are
/// such entries its links, files and fields. Nothing is counted.
pub(super) fn hits(lists: &Lists, looked: &Looked) -> ListHits {
    let input = &looked.input;
    let from = from_addresses(&input.message);
    let authors = author::addresses(&input.message);
    let wanted = lists.wanted();
    let content = Content::of(&wanted, looked);
    if content.more {
        tracing::warn!(id = %input.id, "the message holds more than is held against the lists: the rest was not");
    }
    lists.hits(&Asked {
        client: input.session.client.addr.ip(),
        sender: Some(input.envelope.reverse_path.address()),
        from: &from,
        authors: &authors,
        recipients: &input.envelope.recipients,
        hosts: &content.hosts,
        files: &content.files,
        fields: &content.fields,
    })
}

/// What of a message is held against the lists besides who sent it.
#[derive(Default)]
struct Content<'a> {
    hosts: Vec<String>,
    files: Vec<&'a str>,
    fields: Vec<(String, String)>,
    /// There is more of it than that.
    more: bool,
}

impl<'a> Content<'a> {
    fn of(wanted: &Wanted, looked: &'a Looked) -> Self {
        let mut content = Self::default();
        if wanted.urls
            && let Some(seen) = &looked.seen.urls
        {
            let mut last = None;
            for found in &seen.links {
                // Many links to one host mostly follow each other.
                if last == Some(found.link.host_text()) {
                    continue;
                }
                last = Some(found.link.host_text());
                if content.hosts.len() == MAX_LINKS {
                    content.hosts.sort_unstable();
                    content.hosts.dedup();
                }
                if content.hosts.len() == MAX_LINKS {
                    content.more = true;
                    break;
                }
                content.hosts.push(match found.link.host() {
                    Host::Name(name) => name,
                    Host::Ip(ip) => ip.to_string(),
                });
            }
        }
        if wanted.files {
            let files = &looked.input.attachments;
            content.files = files.iter().take(MAX_FILES).map(|file| file.sha256.as_str()).collect();
            content.more |= files.len() > MAX_FILES;
        }
        if !wanted.fields.is_empty() {
            content.fields(wanted, &looked.input.message);
        }
        content
    }

    fn fields(&mut self, wanted: &Wanted, message: &Message) {
        let mut left = MAX_FIELD_BYTES;
        for (name, value) in message.fields() {
            let Ok(name) = std::str::from_utf8(name.trim_ascii_end()) else { continue };
            let name = name.to_ascii_lowercase();
            if !wanted.fields.contains(name.as_str()) {
                continue;
            }
            if self.fields.len() == MAX_FIELDS || left == 0 {
                self.more = true;
                return;
            }
            let value = value.get(..left).unwrap_or(value);
            left -= value.len();
            self.fields.push((name, field_value(&decode_words(value))));
        }
    }
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
