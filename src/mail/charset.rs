//! Text in any charset, as UTF-8.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::decoders::charsets::DecoderFnc;
use mail_parser::decoders::charsets::map::charset_decoder;

/// Charsets in which an ASCII byte is not always that ASCII character.
const NOT_ASCII: [&str; 9] =
    ["utf-16", "utf16", "utf-7", "ucs-2", "unicode", "csunicode", "iso-10646", "iso-2022-jp", "csiso2022jp"];

/// Charsets of one byte a character, with ASCII in its place.
const SINGLE_BYTE: [&str; 5] = ["iso-8859-", "windows-125", "koi8-", "us-ascii", "latin"];

/// Whether a code page has this number that is EBCDIC.
const fn is_ebcdic(page: u32) -> bool {
    matches!(page, 37 | 273..=297 | 420..=424 | 500 | 833..=838 | 870 | 871 | 875 | 880 | 905 | 924..=939)
        || matches!(page, 1025 | 1026 | 1047 | 1140..=1149)
}

/// `bytes` as UTF-8, or as they are where they hold NUL in a charset that has none: a file that only
/// claims to be text. The same bytes, not copied, where they are UTF-8 already.
pub(super) fn utf8(bytes: Bytes, label: Option<&str>) -> Bytes {
    let label = real_label(&bytes, label);
    if !is_wide(&label) && memchr::memchr(0, &bytes).is_some() {
        return bytes;
    }
    match decode(&bytes, &label) {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(text) => Bytes::from(text.into_bytes()),
    }
}

/// Whether `bytes` are in a charset that is not known here and not ASCII in the lower half either: EBCDIC, or
/// what looks like that. Some mail programs can show it.
pub(super) fn is_unreadable(bytes: &[u8], label: Option<&str>) -> bool {
    let Some(label) = label else { return false };
    // So it is with nearly all mail; and UTF-8 by chance is no text of another kind.
    if std::str::from_utf8(bytes).is_ok() {
        return false;
    }
    let label = real_label(bytes, Some(label));
    if label.is_empty() || is_wide(&label) || charset_decoder(label.as_bytes()).is_some() {
        return false;
    }
    let number = label.trim_start_matches("cs").trim_start_matches(['x', '-', '_']);
    let number = ["ibm", "cp", "ccsid"].iter().find_map(|name| number.strip_prefix(name));
    let number = number.and_then(|n| n.trim_start_matches(['-', '_']).parse().ok());
    let is_ebcdic = label.contains("ebcdic") || number.is_some_and(is_ebcdic);
    // Words of ASCII, with spaces between them.
    let spaces = memchr::memchr_iter(b' ', bytes).count();
    let longest = bytes.split(|b| !b.is_ascii_alphanumeric()).map(<[u8]>::len).max().unwrap_or_default();
    let high = bytes.iter().filter(|b| !b.is_ascii()).count();
    let is_strange = longest < 4 && spaces * 20 < bytes.len() && high * 2 > bytes.len();
    is_ebcdic || is_strange
}

/// Whether an ASCII byte is that character wherever it stands in `bytes`, so that ASCII can be put between them.
pub(super) fn holds_ascii(bytes: &[u8], label: Option<&str>) -> bool {
    let label = real_label(bytes, label);
    let has_states = ["iso-2022", "csiso2022", "hz"].iter().any(|start| label.starts_with(start));
    let is_utf8 = matches!(label.as_str(), "" | "utf-8" | "utf8") && std::str::from_utf8(bytes).is_ok();
    let is_known = is_utf8 || bytes.is_ascii() || charset_decoder(label.as_bytes()).is_some();
    is_known && !has_states && !is_wide(&label) && !is_unreadable(bytes, Some(&label))
}

/// `bytes` as text.
pub(super) fn text(bytes: &[u8], label: Option<&str>) -> String {
    decode(bytes, &real_label(bytes, label)).into_owned()
}

/// The charset in lower case. A byte order mark says more than a label.
fn real_label(bytes: &[u8], label: Option<&str>) -> String {
    let label = label.unwrap_or_default().trim().trim_matches('"').to_ascii_lowercase();
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if !label.starts_with("utf-16") => "utf-16".to_owned(),
        _ => label,
    }
}

fn is_wide(label: &str) -> bool {
    NOT_ASCII.iter().any(|c| label.starts_with(c))
}

/// Borrowed only if `bytes` is UTF-8 as it stands.
///
/// Design note: what is declared as nothing, as ASCII or as an unknown charset is read as UTF-8 if it is
/// that, else as windows-1252: hardly a byte is lost, and it is what mail programs show.
fn decode<'a>(bytes: &'a [u8], label: &str) -> Cow<'a, str> {
    let is_utf8 = matches!(label, "utf-8" | "utf8");
    if is_utf8 || !is_wide(label) && bytes.is_ascii() {
        // Checking alone is several times as fast as looking for what to replace.
        return std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    }
    if matches!(label, "us-ascii" | "ascii")
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    let Some(decoder) = charset_decoder(label.as_bytes()).filter(|_| !label.is_empty()) else {
        return windows_1252(bytes);
    };
    if SINGLE_BYTE.iter().any(|c| label.starts_with(c)) {
        return Cow::Owned(by_runs(bytes, decoder));
    }
    let text = decoder(bytes);
    // The library answers charsets that browsers refuse (hz-gb-2312, iso-2022-kr) with one replacement
    // character for the whole text. Mail programs still show their ASCII.
    if text == "\u{fffd}" { windows_1252(bytes) } else { Cow::Owned(text) }
}

fn windows_1252(bytes: &[u8]) -> Cow<'_, str> {
    match (std::str::from_utf8(bytes), charset_decoder(b"windows-1252")) {
        (Ok(text), _) => Cow::Borrowed(text),
        (Err(_), Some(decoder)) => Cow::Owned(by_runs(bytes, decoder)),
        (Err(_), None) => String::from_utf8_lossy(bytes),
    }
}

/// Decodes a charset in which each byte is a character and ASCII is ASCII. The library goes character by
/// character; most mail in these charsets is ASCII with a few others in between.
fn by_runs(bytes: &[u8], decoder: DecoderFnc) -> String {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (ascii, tail) = rest.split_at(rest.iter().position(|c| !c.is_ascii()).unwrap_or(rest.len()));
        out.push_str(&String::from_utf8_lossy(ascii));
        let (other, tail) = tail.split_at(tail.iter().position(u8::is_ascii).unwrap_or(tail.len()));
        if !other.is_empty() {
            out.push_str(&decoder(other));
        }
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_charset_becomes_utf8() {
        assert_eq!(text(b"\xe1", Some("ISO-8859-1")), "á");
        assert_eq!(text(b"\xcf\xf0\xe8", Some("\"windows-1251\"")), "При");
        assert_eq!(text(b"a\0b\0", Some("utf-16le")), "ab");
        assert_eq!(text(b"\xff\xfea\0", None), "a");
        assert_eq!(text("ü".as_bytes(), None), "ü");
    }

    #[test]
    fn no_byte_is_lost_to_a_wrong_or_unknown_charset() {
        assert_eq!(text(b"caf\xe9", Some("us-ascii")), "café");
        assert_eq!(text(b"caf\xe9", None), "café");
        assert_eq!(text("é\n".as_bytes(), Some("us-ascii")), "é\n");
        assert_eq!(text(b"\xc3\xa9\xe9", Some("utf-8")), "é\u{fffd}");
        assert_eq!(text(b"caf\xe9", Some("x-unheard-of")), "café");
        assert_eq!(text(b"<a href=evil>\xe9", Some("hz-gb-2312")), "<a href=evil>é");
        assert_eq!(text(b"<a href=evil>", Some("iso-2022-kr")), "<a href=evil>");
    }

    #[test]
    fn what_is_no_ascii_in_an_unknown_charset_is_not_read() {
        // `<a href="http://` in EBCDIC.
        let ebcdic = b"\x4c\x81\x40\x88\x99\x85\x86\x7e\x7f\x88\xa3\xa3\x97\x7a\x61\x61";
        for label in ["IBM037", "ibm1047", "cp500", "x-ebcdic-unheard-of", "x-unheard-of"] {
            assert!(is_unreadable(ebcdic, Some(label)), "{label}");
        }
        let padded = [ebcdic.as_slice(), b"plain words"].concat();
        assert!(is_unreadable(&padded, Some("ibm037")));
        assert!(!is_unreadable(&padded, Some("x-unheard-of")));
        for (bytes, label) in [
            (&b"plain"[..], Some("ibm037")),
            ("pâté".as_bytes(), Some("ibm037")),
            (b"caf\xe9", Some("us-ascii")),
            (b"\xcf\xf0\xe8 \xe2\xe5\xf2", Some("x-unheard-of")),
            (b"\xcf\xf0\xe8", Some("koi8-r")),
            (ebcdic, None),
        ] {
            assert!(!is_unreadable(bytes, label), "{label:?}");
        }
    }

    #[test]
    fn what_is_utf8_already_is_not_copied() {
        for (bytes, label) in
            [(&b"plain"[..], Some("iso-8859-1")), ("ü".as_bytes(), Some("UTF-8")), (b"a", None)]
        {
            let bytes = Bytes::copy_from_slice(bytes);
            assert_eq!(utf8(bytes.clone(), label).as_ptr(), bytes.as_ptr());
        }
    }

    #[test]
    fn a_file_that_claims_to_be_text_keeps_its_bytes() {
        let zip = Bytes::from_static(b"PK\x03\x04\n\0\xe0\x98");
        assert_eq!(utf8(zip.clone(), Some("iso-8859-1")), zip);
        assert_eq!(utf8(zip.clone(), None), zip);
    }

    proptest::proptest! {
        #[test]
        fn runs_of_ascii_do_not_change_what_is_decoded(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            label in "(iso-8859-(1|2|5|15)|windows-125[0-8]|koi8-(r|u)|latin[1-6])"
        ) {
            let whole = charset_decoder(label.as_bytes()).map(|decoder| decoder(&bytes)).unwrap();
            proptest::prop_assert_eq!(text(&[b"e".as_slice(), &bytes].concat(), Some(&label)), format!("e{whole}"));
        }

        #[test]
        fn any_bytes_in_any_charset_become_text(
            bytes: Vec<u8>,
            label in "(utf-7|utf-16(be|le)?|big5|gb18030|iso-2022-jp|euc-kr|koi8-r|x|)"
        ) {
            text(&bytes, Some(&label));
        }
    }
}
