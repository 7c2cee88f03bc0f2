//! The text that a page shows: counted, and folded as it is seen.

use super::super::text;

/// Characters that are neither white space nor controls.
pub(super) fn characters(text: &str) -> u32 {
    // Sums of one byte, so that the compiler counts many at once.
    let few = |few: &[u8]| few.iter().map(|b| u8::from(*b > b' ' && *b & 0xc0 != 0x80)).sum::<u8>();
    text.as_bytes().chunks(255).map(|bytes| u32::from(few(bytes))).fold(0, u32::saturating_add)
}

/// Characters that a person would read, were they seen.
pub(super) fn read_characters(text: &str) -> u32 {
    let count =
        text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && !text::is_invisible(*c)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether there is nothing to fold: no controls, never two spaces, and no white space and nothing without width
/// beyond ASCII.
fn is_folded(text: &[u8]) -> bool {
    let (Some((first, behind)), Some((last, before))) = (text.split_first(), text.split_last()) else {
        return true;
    };
    let is_plain = text.iter().fold(true, |plain, b| plain & is_plain(*b));
    // Two bytes that are no controls come to a space only if both are one.
    let has_pair = before.iter().zip(behind).fold(false, |pair, (a, b)| pair | (a | b == b' '));
    is_plain && !has_pair && *first != b' ' && *last != b' '
}

/// Whether a byte belongs to nothing that is folded, as far as a byte can say: no control, and none of those
/// with which such characters begin in UTF-8.
const fn is_plain(b: u8) -> bool {
    b >= b' ' && !matches!(b, 0x7f | 0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xe3 | 0xef)
}

/// `text` with its white space folded, without what has no width.
pub(super) fn folded(text: &str) -> String {
    let bytes = text.as_bytes();
    let first = memchr::memchr(b'\n', bytes);
    if first.is_none() && is_folded(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    // Most lines have nothing to fold but their ends.
    let ends = first.into_iter().flat_map(|first| {
        let behind = memchr::memchr_iter(b'\n', bytes.get(first + 1..).unwrap_or_default());
        std::iter::once(first).chain(behind.map(move |at| first + 1 + at))
    });
    let mut begin = 0;
    for end in ends.chain(std::iter::once(text.len())) {
        let line = text.get(begin..end).unwrap_or_default();
        begin = end + 1;
        let line = line.trim_matches(|c: char| c.is_ascii_whitespace());
        if line.is_empty() {
            continue;
        }
        if is_folded(line.as_bytes()) {
            apart(&mut out);
            out.push_str(line);
            continue;
        }
        for word in line.split_ascii_whitespace() {
            if word.bytes().all(is_plain) {
                apart(&mut out);
                out.push_str(word);
                continue;
            }
            for word in word.split_whitespace() {
                apart(&mut out);
                out.extend(word.chars().filter(|c| !text::is_invisible(*c)));
            }
        }
    }
    out
}

/// A space before the next word.
fn apart(out: &mut String) {
    if !out.is_empty() {
        out.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_character_that_is_folded_has_a_byte_that_says_so() {
        let folded = ('\0'..=char::MAX)
            .filter(|c| c.is_whitespace() || text::is_invisible(*c) || c.is_ascii_control());
        for c in folded.filter(|c| *c != ' ') {
            assert!(!c.to_string().bytes().all(is_plain), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_what_splitting_at_white_space_is(text in "[a-z \t\r\n\u{a0}\u{ad}\u{2003}ü]{0,60}") {
            let words = text.split_whitespace().map(|word| word.replace(text::is_invisible, ""));
            prop_assert_eq!(folded(&text), words.fold(String::new(), |mut out, word| {
                apart(&mut out);
                out + &word
            }));
        }

        #[test]
        fn characters_are_those_above_the_space(text in "[a-z \n\u{1}ü漢]{0,600}") {
            let count = text.chars().filter(|c| *c > ' ').count();
            prop_assert_eq!(characters(&text), u32::try_from(count).unwrap());
        }
    }
}
