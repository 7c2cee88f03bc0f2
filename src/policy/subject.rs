//! A prefix in front of a Subject, without harming what stands there.

use std::borrow::Cow;

use data_encoding::BASE64;

use crate::model::HeaderValue;

/// A header value of ours holds at most 4096 characters; a longer Subject would be cut.
const MAX_VALUE: usize = 4000;
/// RFC 2047 §2: an encoded word has at most 75 characters; 45 bytes become 60, its frame takes 12.
const MAX_CHUNK: usize = 45;

/// The new value of a Subject that reads `raw` (all after the colon), or `None` where it is better
/// left alone: it has the prefix already, is of an unknown charset, or too long to be kept whole.
pub(super) fn prefixed(prefix: &str, raw: &[u8]) -> Option<HeaderValue> {
    // Unfolded (RFC 5322 §2.2.3): line breaks go, the white space after them stays.
    let prefix = &*shown(prefix);
    let unfolded: Vec<u8> = raw.iter().copied().filter(|b| *b != b'\r' && *b != b'\n').collect();
    let value = unfolded.trim_ascii();
    if value.starts_with(prefix.as_bytes()) {
        return None;
    }
    // Bytes of no charset that is told read as Latin-1 in most mail programs, or nearly so.
    let text = match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(
            value.iter().map(|b| if (0x80..0xa0).contains(b) { '?' } else { char::from(*b) }).collect(),
        ),
    };
    let text = &*text;
    // ASCII, encoded words included, stays as it is; raw UTF-8 (RFC 6532) cannot stand in a value
    // of ours, so it is written as encoded words, which read the same.
    let text = if text.is_ascii() { text.to_owned() } else { encoded_words(text) };
    if prefix.len() + 1 + text.len() > MAX_VALUE {
        return None;
    }
    Some(HeaderValue::new("Subject", format!("{prefix} {text}").trim_end()))
}

/// Whether a Subject has the prefix already.
pub(super) fn has(prefix: &str, raw: &[u8]) -> bool {
    let unfolded: Vec<u8> = raw.iter().copied().filter(|b| *b != b'\r' && *b != b'\n').collect();
    unfolded.trim_ascii().starts_with(shown(prefix).as_bytes())
}

/// The value of a Subject that there was none of.
pub(super) fn alone(prefix: &str) -> HeaderValue {
    HeaderValue::new("Subject", &shown(prefix))
}

/// A prefix as it can stand in a field.
fn shown(prefix: &str) -> Cow<'_, str> {
    if prefix.is_ascii() { Cow::Borrowed(prefix) } else { Cow::Owned(encoded_words(prefix)) }
}

/// RFC 2047: base64 of UTF-8, no character split between two words.
fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut chunk = String::new();
    for c in text.chars() {
        if chunk.len() + c.len_utf8() > MAX_CHUNK {
            words.push(encoded_word(&chunk));
            chunk.clear();
        }
        chunk.push(c);
    }
    words.push(encoded_word(&chunk));
    words.join(" ")
}

fn encoded_word(chunk: &str) -> String {
    format!("=?UTF-8?B?{}?=", BASE64.encode(chunk.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(raw: &[u8]) -> Option<String> {
        prefixed("[spam]", raw).map(|v| v.unfolded())
    }

    #[test]
    fn a_prefix_stands_before_the_subject_as_it_was() {
        assert_eq!(value(b" Hello").as_deref(), Some("[spam] Hello"));
        assert_eq!(
            value(b" =?utf-8?Q?Gr=C3=BC?=\r\n\t=?utf-8?Q?=C3=9Fe?=").as_deref(),
            Some("[spam] =?utf-8?Q?Gr=C3=BC?= =?utf-8?Q?=C3=9Fe?=")
        );
        assert_eq!(value(b"").as_deref(), Some("[spam]"));
        assert_eq!(value(" Grüße".as_bytes()).as_deref(), Some("[spam] =?UTF-8?B?R3LDvMOfZQ==?="));
    }

    #[test]
    fn bytes_of_no_charset_keep_no_prefix_away() {
        assert_eq!(value(b" Gr\xfc\xdfe").as_deref(), Some("[spam] =?UTF-8?B?R3LDvMOfZQ==?="));
    }

    #[test]
    fn a_prefix_beyond_ascii_is_written_as_encoded_words() {
        let once = prefixed("[extern ⚠]", b" Hello").unwrap().unfolded();
        assert_eq!(once, "=?UTF-8?B?W2V4dGVybiDimqBd?= Hello");
        assert_eq!(prefixed("[extern ⚠]", once.as_bytes()), None);
        assert_eq!(alone("[ü]").unfolded(), "=?UTF-8?B?W8O8XQ==?=");
    }

    #[test]
    fn a_subject_that_would_be_harmed_is_left_alone() {
        assert_eq!(value(b" [spam] Hello"), None);
        assert_eq!(value(&[b'x'; 5000]), None);
    }

    proptest! {
        #[test]
        fn raw_utf_8_reads_the_same_after_encoding(text in "[ -~äßλ中😀]{0,120}[äßλ中😀]") {
            let words = encoded_words(&text);
            let mut back = Vec::new();
            for word in words.split(' ') {
                prop_assert!(word.len() <= 75);
                let inner = word.strip_prefix("=?UTF-8?B?").and_then(|w| w.strip_suffix("?=")).unwrap();
                let bytes = BASE64.decode(inner.as_bytes()).unwrap();
                prop_assert!(std::str::from_utf8(&bytes).is_ok());
                back.extend(bytes);
            }
            prop_assert_eq!(String::from_utf8(back).unwrap(), text);
        }
    }
}
