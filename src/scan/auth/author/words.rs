//! Encoded words (RFC 2047), wherever they stand: what the most tolerant of programs would make of them.

/// The text with each encoded word decoded, and whether all of them could be. Outside of places where the
/// standard allows them, too.
pub(super) fn decoded(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut whole, mut after_word) = (text, true, false);
    while let Some((before, word)) = rest.split_once("=?") {
        // White space between two of them is not shown (§6.2).
        if !(after_word && before.chars().all(char::is_whitespace)) {
            out.push_str(before);
        }
        match decode(word) {
            Some((said, after)) => {
                out.push_str(&said);
                rest = after;
                after_word = true;
            }
            None => {
                out.push_str("=?");
                rest = word;
                (whole, after_word) = (false, false);
            }
        }
    }
    out.push_str(rest);
    (out, whole)
}

/// The word whose `=?` was read, and what follows it.
fn decode(word: &str) -> Option<(String, &str)> {
    let (charset, rest) = word.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (data, after) = rest.split_once("?=")?;
    if !is_like_ascii(charset) {
        return None;
    }
    let bytes = match encoding {
        "q" | "Q" => quoted(data),
        "b" | "B" => base64(data),
        _ => return None,
    };
    Some((super::shown::text(&bytes), after))
}

/// Whether ASCII is written as itself in it, so that an address is found whatever the other bytes mean.
fn is_like_ascii(charset: &str) -> bool {
    let name = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    let families = [
        "utf-8",
        "utf8",
        "us-ascii",
        "iso-8859-",
        "iso-2022-",
        "windows-",
        "cp125",
        "koi8",
        "gb",
        "big5",
        "euc",
        "shift",
        "ks_c",
        "tis-",
    ];
    families.iter().any(|family| name.starts_with(family))
}

fn quoted(data: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = after.first().and_then(hex).zip(after.get(1).and_then(hex));
        match (first, pair) {
            (b'=', Some((high, low))) => {
                out.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'_', _) => out.push(b' '),
            _ => out.push(*first),
        }
    }
    out
}

/// What is no character of it is passed over, padding as well.
fn base64(data: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in data.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    out
}
