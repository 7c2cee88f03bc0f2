//! Header values as people see them: encoded words and addresses.

use std::borrow::Cow;
use std::panic::catch_unwind;

use mail_parser::parsers::MessageStream;
use mail_parser::{Address as Parsed, HeaderValue};

use crate::model::message::unfold;

/// What is read of one value; the rest is not shown to anybody.
const LONGEST: usize = 64 * 1024;

/// One address of a From, To or Cc field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Address {
    /// The display name, decoded; foreign text. Empty where there is none.
    pub name: String,
    /// The address as it stands there, without angle brackets. Empty where there is none.
    pub address: String,
}

/// A value as text on one line, encoded words decoded (RFC 2047), unknown bytes replaced. Foreign text:
/// may hold any character that was encoded, line breaks and NUL included. At most 64 KiB are read.
#[must_use]
pub fn decode_words(value: &[u8]) -> String {
    let value = cut(value);
    if memchr::memmem::find(value, b"=?").is_none() {
        return unfold(value);
    }
    let text = one_line(value);
    // The library is known for panics on odd input in the past; this is text for people only.
    catch_unwind(|| match MessageStream::new(&text).parse_unstructured() {
        HeaderValue::Text(text) => Some(text.trim().to_owned()),
        _ => None,
    })
    .ok()
    .flatten()
    .unwrap_or_else(|| unfold(value))
}

/// The addresses of a From, To, Cc, … value in order, groups taken apart (RFC 5322 §3.4). At most 64 KiB
/// are read. What names no address is there with its text as name.
#[must_use]
pub fn addresses(value: &[u8]) -> Vec<Address> {
    let text = one_line(cut(value));
    let own = |text: Option<&Cow<'_, str>>| text.map(|t| t.trim().to_owned()).unwrap_or_default();
    catch_unwind(|| match MessageStream::new(&text).parse_address() {
        HeaderValue::Address(Parsed::List(list)) => list,
        HeaderValue::Address(Parsed::Group(groups)) => groups.into_iter().flat_map(|g| g.addresses).collect(),
        _ => Vec::new(),
    })
    .unwrap_or_default()
    .iter()
    .map(|a| Address { name: own(a.name.as_ref()), address: own(a.address.as_ref()) })
    .collect()
}

fn cut(value: &[u8]) -> &[u8] {
    value.get(..LONGEST).unwrap_or(value)
}

/// Without line breaks, and with the one at the end that the library waits for.
fn one_line(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 1);
    out.extend(value.iter().copied().filter(|c| *c != b'\r' && *c != b'\n'));
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded_and_plain_text_is_kept() {
        assert_eq!(decode_words(b" =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n =?iso-8859-1?b?4Q==?= x"), "Grüßeá x");
        assert_eq!(decode_words(b" plain\r\n text "), "plain text");
        assert_eq!(decode_words("Grüße =?x".as_bytes()), "Grüße =?x");
        assert_eq!(decode_words(b" a =?utf-8?Q?=00=0D=0Ab?="), "a \0\r\nb");
        assert_eq!(decode_words(b""), "");
    }

    #[test]
    fn addresses_are_taken_apart() {
        let address = |name: &str, address: &str| Address { name: name.into(), address: address.into() };
        assert_eq!(
            addresses(b" \"Bank, Inc\" <a@b.example>,\r\n =?utf-8?q?J=C3=B6rg?= <j@c.example>, d@e.example"),
            [address("Bank, Inc", "a@b.example"), address("Jörg", "j@c.example"), address("", "d@e.example")]
        );
        assert_eq!(addresses(b"friends: a@b.example, c@d.example;").len(), 2);
        assert_eq!(addresses(b"no address"), [address("no address", "")]);
        assert_eq!(addresses(b""), []);
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_read_without_panic(value: Vec<u8>) {
            proptest::prop_assert!(decode_words(&value).len() <= value.len() * 4);
            proptest::prop_assert!(addresses(&value).len() <= value.len());
        }

        #[test]
        fn any_value_made_of_the_special_characters_is_read_without_panic(
            value in proptest::collection::vec(proptest::sample::select(&b"=?()<>@,;:\"\\ \r\nqQbBu8-*_.a"[..]), 0..200)
        ) {
            proptest::prop_assert!(decode_words(&value).len() <= value.len() * 4);
            proptest::prop_assert!(addresses(&value).len() <= value.len());
        }
    }
}
