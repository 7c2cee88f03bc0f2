//! Addresses in fields of the header that mail programs show as a button or a link: those of mailing lists.

use super::collect::Collector;
use super::found::{Limits, Links, Place, Source};
use super::text;
use crate::model::Message;

/// RFC 2369 §3 (RFC 8058 has the first one opened by the mail program itself), RFC 5064.
const NAMES: [&str; 7] = [
    "List-Unsubscribe",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Archived-At",
];
/// Most fields of one name that are read: programs differ in which one they take.
const MAX_FIELDS: usize = 4;
/// Most bytes of one of them.
const MAX_FIELD: usize = 16_384;
/// Most addresses in one of them.
const MAX_ADDRESSES: usize = 32;

/// The addresses in the header of `message`. Few: [`Limits::urls`] is counted for them alone.
#[must_use]
pub fn of_header(message: &Message, limits: &Limits) -> Links {
    // What is wrapped in one would count as opened, and be followed where it is short.
    let limits = Limits { unwrap: 0, ..*limits };
    let mut into = Collector::new(&limits);
    for name in NAMES {
        into.enter(Place::Header(name));
        for value in message.values(name).take(MAX_FIELDS) {
            let value = value.get(..MAX_FIELD).unwrap_or(value);
            read(&String::from_utf8_lossy(value), &mut into);
        }
    }
    into.finish().0
}

/// Addresses in angle brackets; white space within comes from folding (RFC 2369 §2). Some senders leave the brackets
/// out, and some programs forgive it.
fn read(value: &str, into: &mut Collector<'_>) {
    let mut rest = value;
    let mut count = 0;
    while let Some((before, after)) = rest.split_once('<') {
        text::find_explicit(before, Source::Header, into);
        let (address, behind) = after.split_once('>').unwrap_or((after, ""));
        let address: String = address.chars().filter(|c| !c.is_whitespace()).collect();
        into.add(&address, Source::Header, "");
        rest = behind;
        count += 1;
        if count == MAX_ADDRESSES {
            return;
        }
    }
    text::find_explicit(rest, Source::Header, into);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header;

    fn told(head: &str) -> Vec<(Place, String)> {
        let message = header::parse(format!("{head}\r\n\r\nhello\r\n").into_bytes());
        let found = of_header(&message, &Limits::default());
        assert_eq!(found.not_inspected, []);
        found.list.into_iter().map(|found| (found.place, found.link.to_string())).collect()
    }

    #[test]
    fn addresses_of_lists_are_found_folded_or_without_brackets() {
        let head = "List-Unsubscribe: <mailto:off@lists.example?subject=off>,\r\n <https://a.example/u?\r\n x=1>, <HTTP://b.example>\r\n\
            list-post: NO (see https://c.example/why)\r\nList-Help: https://d.example/help\r\n\
            List-Archive: <https://a.example/u?x=1>\r\nX-Other: <https://e.example/>";
        let field = |name, link: &str| (Place::Header(name), link.to_owned());
        assert_eq!(
            told(head),
            [
                field("List-Unsubscribe", "https://a.example/u?x=1"),
                field("List-Unsubscribe", "http://b.example/"),
                field("List-Help", "https://d.example/help"),
                field("List-Post", "https://c.example/why"),
                field("List-Archive", "https://a.example/u?x=1"),
            ]
        );
    }

    #[test]
    fn what_is_wrapped_in_such_an_address_stays_there() {
        let head = "List-Unsubscribe: <https://www.google.com/url?q=https%3A%2F%2Fbit.ly%2Fbye>";
        assert_eq!(told(head).len(), 1);
    }

    #[test]
    fn fields_of_any_size_cost_little() {
        let many: String = (0..5_000).map(|n| format!("<https://x{n}.example/>,")).collect();
        assert_eq!(told(&format!("List-Help: {many}")).len(), MAX_ADDRESSES);
        assert_eq!(told(&"List-Help: <https://x.example/\r\n".repeat(100)).len(), 1);
        assert_eq!(told(&format!("List-Help: {}", "<".repeat(5_000))).len(), 0);
    }
}
