//! Transfer encodings undone the way mail programs do it (RFC 2045 §6, and uuencode).

use std::ops::Range;

use super::lines;

/// How a body is encoded for transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, and what people write for them.
    #[default]
    Identity,
    /// RFC 2045 §6.8.
    Base64,
    /// RFC 2045 §6.7.
    QuotedPrintable,
    /// Never standardised, still decoded by mail programs.
    Uuencode,
    /// A word that is none of these.
    Unknown,
}

/// Words that stand in Content-Transfer-Encoding and mean that there is none.
const IDENTITY: [&str; 12] =
    ["", "7", "8", "binary", "none", "plain", "text", "textplain", "usascii", "ascii", "utf8", "identity"];

impl Encoding {
    /// The encoding that a value of Content-Transfer-Encoding names.
    pub(super) fn named(value: &[u8]) -> Self {
        let value = super::parameter::parse(value).value;
        let word: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
        match word.as_str() {
            w if w.starts_with("base64") => Self::Base64,
            w if w.starts_with("quotedprintable") => Self::QuotedPrintable,
            "xuuencode" | "uuencode" | "xuue" | "uue" | "xuuencoded" | "uuencoded" => Self::Uuencode,
            // What people write for 7bit and 8bit, charsets among it.
            w if w.trim_end_matches('s').strip_suffix("bit").is_some_and(|n| n.parse::<u8>().is_ok()) => {
                Self::Identity
            }
            w if IDENTITY.contains(&w) || w.starts_with("iso8859") || w.starts_with("windows125") => {
                Self::Identity
            }
            _ => Self::Unknown,
        }
    }
}

/// Decoded bytes and how clean the encoding was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// Something had to be passed over or taken literally.
    pub(super) is_bad: bool,
    /// So much had to be passed over that this is some other text.
    pub(super) is_other: bool,
}

const PAD: u8 = 64;
const SPACE: u8 = 65;
const JUNK: u8 = 66;

const ALPHABET: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn base64_values() -> [u8; 256] {
    let mut table = [JUNK; 256];
    let mut i = 0_u8;
    while i < 64 {
        table[ALPHABET[i as usize] as usize] = i;
        i += 1;
    }
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table
}

/// The digit of each byte at each of the four places of a group.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn base64_shifted() -> [[u32; 256]; 4] {
    let mut table = [[NO_DIGIT; 256]; 4];
    let mut i = 0_u32;
    while i < 64 {
        let byte = ALPHABET[i as usize] as usize;
        table[0][byte] = i << 18;
        table[1][byte] = i << 12;
        table[2][byte] = i << 6;
        table[3][byte] = i;
        i += 1;
    }
    table
}

static BASE64: [u8; 256] = base64_values();
static SHIFTED: [[u32; 256]; 4] = base64_shifted();
const NO_DIGIT: u32 = 1 << 31;

fn value(byte: u8) -> u8 {
    // The table has an entry for each byte.
    BASE64.get(usize::from(byte)).copied().unwrap_or(JUNK)
}

/// Base64. Bytes outside the alphabet are passed over (RFC 2045 §6.8), and decoding goes on after a
/// padding, as some readers do: what they would see must be seen here.
pub(super) fn base64(input: &[u8]) -> Decoded {
    if let Some(bytes) = well_formed(input) {
        return Decoded { bytes, is_bad: false, is_other: false };
    }
    let mut out = Vec::with_capacity(input.len() / 4 * 3 + 3);
    let mut odd = Odd::default();
    let mut rest = input;
    let mut word = 0_u32;
    let mut digits = 0_u32;
    loop {
        if digits == 0 {
            rest = whole_groups(rest, &mut out);
        }
        let Some((byte, tail)) = rest.split_first() else { break };
        rest = tail;
        match value(*byte) {
            SPACE => odd.space(*byte),
            PAD => {
                flush(word, digits, &mut out);
                (word, digits) = (0, 0);
                odd.padded_at.get_or_insert(out.len());
            }
            JUNK => odd.junk(),
            v => {
                word = word << 6 | u32::from(v);
                digits += 1;
                if digits == 4 {
                    push_group(word, &mut out);
                    (word, digits) = (0, 0);
                }
            }
        }
    }
    flush(word, digits, &mut out);
    let until_padding = odd.padded_at.unwrap_or(out.len());
    let is_bad = odd.junk > 0 || out.len() > until_padding || digits == 1;
    // More than one odd byte in eight digits, and nothing that makes sense: this is some other text.
    let is_other = odd.early * 6 > until_padding && std::str::from_utf8(&out).is_err();
    Decoded { bytes: out, is_bad, is_other }
}

/// Digits that are decoded at once: a stretch that the processor has at hand.
const STRETCH: usize = 16 << 10;

/// Base64 as RFC 2045 wants it: full groups in lines that end in CRLF or LF, padding at the end alone.
/// Nearly all mail is so, and vector instructions decode it four times as fast.
fn well_formed(input: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(input.len() / 4 * 3 + 3);
    let mut digits = Vec::with_capacity(STRETCH + 1_024);
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', input) {
        let line = input.get(begin..end)?;
        digits.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        begin = end + 1;
        if digits.len() >= STRETCH {
            let whole = digits.len() / 4 * 4;
            let before = out.len();
            base64_simd::STANDARD.decode_append(digits.get(..whole)?, &mut out).ok()?;
            // Padding, and digits behind it.
            if out.len() - before != whole / 4 * 3 && (whole < digits.len() || begin < input.len()) {
                return None;
            }
            digits.drain(..whole);
        }
    }
    digits.extend_from_slice(input.get(begin..)?);
    base64_simd::STANDARD.decode_append(&digits, &mut out).ok()?;
    Some(out)
}

/// What stands between the digits.
#[derive(Default)]
struct Odd {
    /// How much was decoded when the first padding came.
    padded_at: Option<usize>,
    junk: usize,
    /// Junk, and spaces inside lines, before the first padding: what comes after may have been appended
    /// to the encoded text on the way, as mailing lists do.
    early: usize,
}

impl Odd {
    fn junk(&mut self) {
        self.junk += 1;
        self.early += usize::from(self.padded_at.is_none());
    }

    fn space(&mut self, byte: u8) {
        self.early += usize::from(self.padded_at.is_none() && byte == b' ');
    }
}

/// Decodes groups of four digits as long as nothing else comes between; returns what is left.
fn whole_groups<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    // Two groups at once: this loop is where the time of a large message goes.
    while let [a, b, c, d, e, f, g, h, tail @ ..] = rest {
        let (first, second) = (group(*a, *b, *c, *d), group(*e, *f, *g, *h));
        if (first | second) & NO_DIGIT != 0 {
            break;
        }
        let [_, u, v, w] = first.to_be_bytes();
        let [_, x, y, z] = second.to_be_bytes();
        out.extend_from_slice(&[u, v, w, x, y, z]);
        rest = tail;
    }
    while let [a, b, c, d, tail @ ..] = rest {
        let word = group(*a, *b, *c, *d);
        if word & NO_DIGIT != 0 {
            break;
        }
        push_group(word, out);
        rest = tail;
    }
    rest
}

/// Four digits put together, or something with [`NO_DIGIT`] set.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for each byte")]
fn group(a: u8, b: u8, c: u8, d: u8) -> u32 {
    let [first, second, third, fourth] = &SHIFTED;
    first[usize::from(a)] | second[usize::from(b)] | third[usize::from(c)] | fourth[usize::from(d)]
}

/// The three bytes of a whole group.
fn push_group(word: u32, out: &mut Vec<u8>) {
    let [_, bytes @ ..] = word.to_be_bytes();
    out.extend_from_slice(&bytes);
}

/// The bytes of a group that ended early.
fn flush(word: u32, digits: u32, out: &mut Vec<u8>) {
    match (digits, (word << (6 * (4 - digits.min(4)))).to_be_bytes()) {
        (2, [_, a, ..]) => out.push(a),
        (3, [_, a, b, _]) => out.extend_from_slice(&[a, b]),
        _ => {}
    }
}

/// Quoted-printable. A `=` that begins no escape stays as it is, as readers show it.
pub(super) fn quoted_printable(input: &[u8]) -> Decoded {
    let mut decoded = Decoded { bytes: Vec::with_capacity(input.len()), ..Decoded::default() };
    let mut pos = 0;
    while pos < input.len() {
        let (line, next) = lines::line(input, pos);
        let mut text = lines::at(input, &line);
        let line_break: Range<usize> = line.end..next;
        // RFC 2045 §6.7 (3): white space at the end of a line was added on the way.
        let end = text.iter().rposition(|c| !matches!(c, b' ' | b'\t')).map_or(0, |i| i + 1);
        text = text.get(..end).unwrap_or(text);
        let is_soft = text.ends_with(b"=") && !line_break.is_empty();
        if is_soft {
            text = text.get(..text.len() - 1).unwrap_or(text);
        }
        quoted_line(text, &mut decoded);
        if !is_soft {
            decoded.bytes.extend_from_slice(lines::at(input, &line_break));
        }
        pos = next;
    }
    decoded
}

fn quoted_line(mut text: &[u8], decoded: &mut Decoded) {
    let hex = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    while let Some(at) = memchr::memchr(b'=', text) {
        let (plain, escape) = text.split_at(at);
        decoded.bytes.extend_from_slice(plain);
        let byte = match escape {
            [_, high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        decoded.is_bad |= byte.is_none();
        decoded.bytes.push(byte.unwrap_or(b'='));
        text = escape.get(if byte.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    decoded.bytes.extend_from_slice(text);
}

/// Uuencode: the lines between `begin` and `end`. Without a `begin` line nothing is decoded.
pub(super) fn uuencode(input: &[u8]) -> Decoded {
    let mut decoded = Decoded { is_bad: true, is_other: true, ..Decoded::default() };
    let mut pos = 0;
    while pos < input.len() {
        let (line, next) = lines::line(input, pos);
        let text = lines::at(input, &line);
        pos = next;
        if decoded.is_other {
            decoded.is_other = !text.starts_with(b"begin ");
        } else if text.trim_ascii() == b"end" {
            decoded.is_bad = false;
            break;
        } else if let Some((count, data)) = text.split_first() {
            uu_line(usize::from(count.wrapping_sub(32) & 63), data, &mut decoded.bytes);
        }
    }
    decoded
}

/// One line of uuencoded data behind its length, which is `count` bytes.
pub(super) fn uu_line(count: usize, data: &[u8], out: &mut Vec<u8>) {
    let end = out.len() + count.min(data.len());
    for group in data.chunks(4) {
        let mut word = 0_u32;
        for i in 0..4 {
            let byte = group.get(i).copied().unwrap_or(b' ');
            word = word << 6 | u32::from(byte.wrapping_sub(32) & 63);
        }
        push_group(word, out);
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::BASE64 as STRICT;
    use proptest::prelude::*;

    fn clean(bytes: &[u8]) -> Decoded {
        Decoded { bytes: bytes.to_vec(), ..Decoded::default() }
    }

    #[test]
    fn encodings_are_known_by_the_words_that_occur() {
        for (word, encoding) in [
            ("base64", Encoding::Base64),
            (" BASE64 (yes)", Encoding::Base64),
            ("\"base64\"", Encoding::Base64),
            ("Quoted-Printable;", Encoding::QuotedPrintable),
            ("x-uuencode", Encoding::Uuencode),
            ("7bit", Encoding::Identity),
            ("8Bits", Encoding::Identity),
            ("7-bit", Encoding::Identity),
            ("utf-8", Encoding::Identity),
            ("", Encoding::Identity),
            ("x-yencode", Encoding::Unknown),
        ] {
            assert_eq!(Encoding::named(word.as_bytes()), encoding, "{word}");
        }
    }

    #[test]
    fn base64_passes_over_what_readers_pass_over() {
        assert_eq!(base64(b"aGVs\r\nbG8=\r\n"), clean(b"hello"));
        assert_eq!(base64(b"aGVsbG8"), clean(b"hello"));
        assert_eq!(base64(b""), clean(b""));
        let bad = base64(b"aG!Vs-bG8gd29ybGQgYW5kIGFsbCBvdGhlcnM=");
        assert_eq!(bad, Decoded { is_bad: true, ..clean(b"hello world and all others") });
        let goes_on = base64(b"aGVsbG8=d29ybGQ=");
        assert_eq!(goes_on, Decoded { is_bad: true, ..clean(b"helloworld") });
    }

    proptest! {
        #[test]
        fn well_formed_base64_decodes_as_by_the_digit(bytes in any::<Vec<u8>>(), width in 1..80_usize) {
            let encoded = data_encoding::BASE64.encode(&bytes);
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
            prop_assert_eq!(well_formed(&lines.join(&b"\r\n"[..])), Some(bytes.clone()));
            prop_assert_eq!(base64(&lines.join(&b"\n"[..])), clean(&bytes));
            // A blank in front keeps the vector instructions away.
            prop_assert_eq!(base64(&[b" ", encoded.as_bytes()].concat()).bytes, bytes);
        }
    }

    #[test]
    fn long_base64_decodes_as_by_the_digit_whatever_its_lines_and_wherever_padding_stands() {
        let bytes: Vec<u8> = (0..100_003_u32).map(|n| (n * 7 + n / 251).to_le_bytes()[0]).collect();
        let encoded = data_encoding::BASE64.encode(&bytes);
        for width in [1, 3, 57, 76, 998, 20_000, 200_000] {
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
            let text = lines.join(&b"\r\n"[..]);
            assert_eq!(well_formed(&text), Some(bytes.clone()), "{width}");
            // Padding in the middle, at each of many places: readers go on behind it.
            let twice = [&text[..], b"\r\n", &text[..]].concat();
            assert_eq!(well_formed(&twice), None, "{width}");
            assert_eq!(base64(&twice).bytes, [&bytes[..], &bytes[..]].concat(), "{width}");
        }
        for length in (STRETCH - 9)..(STRETCH + 9) {
            let text = [&vec![b'A'; length / 4 * 4 - 2][..], b"==\r\n", b"QUJD", b"\r\n"].concat();
            assert_eq!(well_formed(&text), None, "{length}");
            assert!(base64(&text).is_bad, "{length}");
            let alone = &text[..length / 4 * 4 + 2];
            assert_eq!(well_formed(alone).map(|b| b.len()), Some(length / 4 * 3 - 2), "{length}");
        }
    }

    #[test]
    fn text_that_is_no_base64_is_told_from_base64_with_a_footer() {
        assert!(base64(b"Hello, this is plain text. It was never encoded!").is_other);
        let footer =
            base64(b"aGVsbG8gd29ybGQ=\r\n____________\r\nlist mailing list: https://lists.example/!!");
        assert!(footer.is_bad && !footer.is_other, "{footer:?}");
        assert!(footer.bytes.starts_with(b"hello world"));
    }

    #[test]
    fn quoted_printable_keeps_what_is_no_escape() {
        assert_eq!(quoted_printable(b"a=3Db =\r\nc \t\r\nd=0A=\n"), clean(b"a=b c\r\nd\n"));
        assert_eq!(quoted_printable(b"x=zz=1"), Decoded { is_bad: true, ..clean(b"x=zz=1") });
        assert_eq!(quoted_printable(b"soft= \r\nline"), clean(b"softline"));
    }

    #[test]
    fn uuencode_is_decoded_between_begin_and_end() {
        assert_eq!(uuencode(b"begin 644 a\r\n#0V%T\r\n`\r\nend\r\n"), clean(b"Cat"));
        assert!(uuencode(b"no such thing").is_other);
    }

    proptest! {
        #[test]
        fn base64_agrees_with_a_strict_decoder(bytes: Vec<u8>, width in 1_usize..80) {
            let text = STRICT.encode(&bytes);
            let folded: Vec<u8> = text.as_bytes().chunks(width).flat_map(|l| [l, b"\r\n"].concat()).collect();
            prop_assert_eq!(base64(&folded), clean(&bytes));
        }

        #[test]
        fn nothing_decodes_to_more_than_it_was(bytes: Vec<u8>) {
            prop_assert!(base64(&bytes).bytes.len() <= bytes.len());
            prop_assert!(quoted_printable(&bytes).bytes.len() <= bytes.len());
            prop_assert!(uuencode(&bytes).bytes.len() <= bytes.len());
        }
    }
}
