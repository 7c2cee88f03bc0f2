//! Encoded words wherever they stand, as the most lenient reader finds them (RFC 2047).

use super::{charset, transfer};

/// `value` with each encoded word decoded, also one inside of a word, a quoted string or a comment, where RFC 2047
/// §5 allows none: filters decode them there all the same (RFC 5228 §2.7.2 leaves it to them). Blanks between two of
/// them go. `None` where there is none.
pub(super) fn decoded(value: &[u8]) -> Option<Vec<u8>> {
    memchr::memmem::find(value, b"=?")?;
    // Beyond the last end nothing is looked for, so that many beginnings without an end cost no more than one.
    let last_end = memchr::memmem::rfind(value, b"?=")?;
    let beyond = value.len() - last_end;
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    let mut found = false;
    // Where the word before ended, so long as nothing but blanks followed.
    let mut after_word = None;
    while let Some((first, tail)) = rest.split_first() {
        if rest.len() > beyond
            && let Some((text, tail)) = word(rest)
        {
            if let Some(end) = after_word {
                out.truncate(end);
            }
            out.extend_from_slice(text.as_bytes());
            (found, after_word, rest) = (true, Some(out.len()), tail);
            continue;
        }
        if !first.is_ascii_whitespace() {
            after_word = None;
        }
        out.push(*first);
        rest = tail;
    }
    found.then_some(out)
}

/// The encoded word at the beginning of `rest`, and what follows it.
fn word(rest: &[u8]) -> Option<(String, &[u8])> {
    let inside = rest.strip_prefix(b"=?")?;
    let (charset, inside) = until(inside, b"?", 100)?;
    let (encoding, inside) = until(inside, b"?", 10)?;
    let is_base64 = match encoding.trim_ascii() {
        b"b" | b"B" => true,
        b"q" | b"Q" => false,
        _ => return None,
    };
    let (text, tail) = until(inside, b"?=", usize::MAX)?;
    let bytes = if is_base64 { transfer::base64(text).bytes } else { quoted(text) };
    // RFC 2231 §5: `charset*language`.
    let charset = charset.split(|c| *c == b'*').next().unwrap_or_default();
    let charset = String::from_utf8_lossy(charset);
    Some((charset::text(&bytes, Some(&charset)), tail))
}

/// What stands before `mark`, and what after it; `None` if it does not come within `most` bytes.
fn until<'a>(value: &'a [u8], mark: &[u8], most: usize) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(value.get(..most).unwrap_or(value), mark)?;
    Some((value.get(..at)?, value.get(at + mark.len()..)?))
}

/// RFC 2047 §4.2; an escape that is none stands for itself.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail.first_chunk::<2>().filter(|_| *first == b'=').and_then(|[high, low]| {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some(digit(*high)? << 4 | digit(*low)?)
        });
        out.push(match (first, escaped) {
            (_, Some(byte)) => {
                rest = tail.get(2..).unwrap_or_default();
                byte
            }
            (b'_', None) => b' ',
            (other, None) => *other,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: &str) -> Option<String> {
        decoded(value.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn words_are_decoded_wherever_they_stand() {
        for (value, text) in [
            ("=?utf-8?q?a=2Eb_c?=", "a.b c"),
            ("x=?UTF-8?B?YQ==?=y", "xay"),
            ("(=?utf-8?q?=28?= \"=?utf-8?q?=41?=\")", "(( \"A\")"),
            ("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c =?utf-8?q?d?=", "ab c d"),
            ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
            ("=?utf-8*en?q?=zz=4?=", "=zz=4"),
            ("=?utf-8?q?=C3=BC?==?iso-8859-1?b?4Q==?=", "üá"),
            ("=?a =?utf-8?q?b?=", "=?a b"),
        ] {
            assert_eq!(of(value).as_deref(), Some(text), "{value}");
        }
        for value in ["", "plain", "=?utf-8?q?open", "=?utf-8?x?a?=", "=?utf-8?q", "=?=?=?"] {
            assert_eq!(of(value), None, "{value}");
        }
    }

    #[test]
    fn many_beginnings_cost_no_more_than_their_length() {
        // Looked at to the end from each of them this would take hours.
        for end in ["", "?=", "?x?="] {
            let value = "=?a?x?y".repeat(1 << 19) + end;
            assert_eq!(decoded(value.as_bytes()), None);
            let value = "=?a?q?y".repeat(1 << 19) + end;
            assert_eq!(decoded(value.as_bytes()).is_some(), !end.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_value_is_decoded_without_panic(
            value in prop::collection::vec(prop::sample::select(&b"=?qQbB*_ \r\nAu8-f41\xff"[..]), 0..200)
        ) {
            prop_assert!(decoded(&value).is_none_or(|out| out.len() <= value.len() * 4));
        }
    }
}
