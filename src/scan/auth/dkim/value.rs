//! What stands in a tag: lists, numbers, names, base64 and quoted text (RFC 6376 §2.10, §2.11, §3.2, §3.5).

use super::tags::trim;

/// RFC 1035 §2.3.4, without the final dot.
const MAX_NAME: usize = 253;

/// The items of a list with colons, white space taken off.
pub(in super::super) fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b':').map(trim)
}

/// What base64 stands for, with white space anywhere in it and with or without padding (RFC 6376 §2.10);
/// `None` for what is none, or longer than `max` bytes of text.
pub(in super::super) fn base64(value: &[u8], max: usize) -> Option<Vec<u8>> {
    if value.len() > max {
        return None;
    }
    base64_simd::forgiving_decode_to_vec(value).ok()
}

/// Digits. A number that does not fit is as good as infinite (RFC 6376 §3.5).
pub(in super::super) fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let add = |n: u64, digit: &u8| n.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    digits.then(|| value.iter().fold(0, add))
}

/// A name as it is asked: an A-label in lower case, without final dot. Underscores are let through, as selectors
/// have them; U-labels as RFC 8616 §4 allows.
pub(in super::super) fn domain_name(value: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(value).ok().filter(|name| name.len() <= MAX_NAME)?;
    let name = if name.is_ascii() { name.to_ascii_lowercase() } else { idna::domain_to_ascii(name).ok()? };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let fits = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
    (name.len() <= MAX_NAME && name.split('.').all(fits)).then_some(name)
}

/// dkim-quoted-printable (RFC 6376 §2.11): white space is nothing, `=3D` is a byte.
pub(in super::super) fn quoted_printable(value: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(value.len().min(1_024));
    let mut rest = trim(value);
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'=' => {
                let (hex, after) = after.split_at_checked(2)?;
                out.extend(data_encoding::HEXUPPER_PERMISSIVE.decode(hex).ok()?);
                rest = after;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            byte => out.push(*byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_parted_at_colons_and_white_space_does_not_count() {
        let list: Vec<_> = items(b" a :b\r\n :: c d").collect();
        assert_eq!(list, [&b"a"[..], b"b", b"", b"c d"]);
    }

    #[test]
    fn base64_may_be_folded_and_lack_its_padding() {
        assert_eq!(base64(b"aGVs\r\n bG8=", 99).as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64(b"aGVsbG8", 99).as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64(b"aGVs*G8=", 99), None);
        assert_eq!(base64(b"aGVsbG8=", 7), None);
    }

    #[test]
    fn a_number_is_digits_and_one_that_does_not_fit_is_endless() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"007"), Some(7));
        assert_eq!(number(b"18446744073709551616"), Some(u64::MAX));
        for none in ["", "-1", "+1", "1 0", "0x1", "1.0"] {
            assert_eq!(number(none.as_bytes()), None, "{none:?}");
        }
    }

    #[test]
    fn a_name_is_told_as_the_dns_has_it() {
        assert_eq!(domain_name(b"A_b.Example").as_deref(), Some("a_b.example"));
        assert_eq!(domain_name("B\u{fc}cher.example".as_bytes()).as_deref(), Some("xn--bcher-kva.example"));
        for none in [&b""[..], b".", b"a.", b".a", b"a b", b"a\0b", b"*.a", b"\xff.example", &[b'a'; 64]] {
            assert_eq!(domain_name(none), None, "{none:?}");
        }
    }

    #[test]
    fn quoted_text_loses_its_white_space_and_its_quotes() {
        assert_eq!(quoted_printable(b" a=20b\r\n c=3D=3d ").as_deref(), Some("a bc=="));
        for none in ["=", "=4", "=4x", "=ff"] {
            assert_eq!(quoted_printable(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..100)) {
            let known = domain_name(&value).map(|name| name.is_ascii() && name.len() <= MAX_NAME);
            prop_assert_ne!(known, Some(false));
            let unquoted = quoted_printable(&value).map(|text| text.len() <= value.len());
            prop_assert_ne!(unquoted, Some(false));
        }
    }
}
