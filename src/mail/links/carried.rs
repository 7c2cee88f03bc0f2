//! How much of a file a script carries: the longest run of base64 in it, also one that is cut into many strings,
//! and the longest array of bytes. Each in characters of the script; linear in its length.

use memchr::memmem;

/// The longest stretch between two strings that are put together.
const GLUE: usize = 64;
/// A string of a list that is this long is no word.
const NO_WORD: usize = 16;
/// An array of fewer numbers carries nothing.
const NUMBERS: u32 = 300;

/// Characters of the longest run.
pub(super) fn longest(content: &str) -> u32 {
    let long = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    base64(content).max(long(pieces(content))).max(long(numbers(content)))
}

const fn is_digit(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

fn base64(content: &str) -> u32 {
    let (mut longest, mut run) = (0u32, 0u32);
    for b in content.bytes() {
        run = if is_digit(b) { run.saturating_add(1) } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Strings of base64 one after the other: `"…"+"…"`, `b+="…";b+="…"`, `["…","…"].join("")`.
fn pieces(content: &str) -> usize {
    let bytes = content.as_bytes();
    let (mut longest, mut run, mut has_words, mut end) = (0, 0, false, None);
    let is_kept = |has_words: bool, end: Option<usize>| !has_words || is_joined(content, end);
    let mut at = 0;
    while let Some(open) =
        memchr::memchr3(b'"', b'\'', b'`', bytes.get(at..).unwrap_or_default()).map(|f| at + f)
    {
        let quote = bytes.get(open).copied().unwrap_or_default();
        let rest = bytes.get(open + 1..).unwrap_or_default();
        let piece = memchr::memchr2(quote, b'\n', rest).and_then(|length| {
            let piece = rest.get(..length)?;
            (rest.get(length) == Some(&quote) && piece.iter().copied().all(is_digit)).then_some(piece)
        });
        let Some(piece) = piece else {
            // No base64, or no string at all: what follows may be one.
            let skip = memchr::memchr2(quote, b'\n', rest).filter(|skip| rest.get(*skip) == Some(&quote));
            at = open + 1 + skip.map_or(0, |skip| skip + 1);
            continue;
        };
        let glue = end.and_then(|end: usize| content.get(end..open)).map_or(Glue::None, glue);
        if glue == Glue::None {
            if is_kept(has_words, end) {
                longest = longest.max(run);
            }
            (run, has_words) = (0, false);
        }
        has_words |= glue == Glue::List && piece.len() < NO_WORD;
        run += piece.len();
        at = open + piece.len() + 2;
        end = Some(at);
    }
    if is_kept(has_words, end) { longest.max(run) } else { longest }
}

/// What stands between two strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Glue {
    Sum,
    List,
    None,
}

fn glue(text: &str) -> Glue {
    if text.len() > GLUE {
        return Glue::None;
    }
    let text = text.trim_ascii();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'.' | b'[' | b']');
    let is_glue =
        |b: u8| is_name(b) || b.is_ascii_whitespace() || matches!(b, b'+' | b'=' | b';' | b'(' | b')');
    let adds = |text: &str| text.contains('+') || text.contains("push(") || text.contains("concat(");
    if text == "," {
        Glue::List
    } else if text.trim_matches(|c: char| "() \t\r\n".contains(c)) == "+"
        || text.contains([';', '\n', '.']) && text.bytes().all(is_glue) && adds(text)
    {
        Glue::Sum
    } else {
        Glue::None
    }
}

/// Whether a list that ends here is put together.
fn is_joined(content: &str, end: Option<usize>) -> bool {
    let rest = end.and_then(|end| content.get(end..)).unwrap_or_default().trim_ascii_start();
    rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start().starts_with("].join(")
}

/// An array of bytes, where a script makes text or files of such. The values of an object are the data of a plot.
fn numbers(content: &str) -> usize {
    let makes_bytes = ["Uint8Array", "fromCharCode"]
        .iter()
        .any(|word| memmem::find(content.as_bytes(), word.as_bytes()).is_some());
    if !makes_bytes {
        return 0;
    }
    let bytes = content.as_bytes();
    let (mut longest, mut at) = (0, 0);
    while let Some(open) = memchr::memchr2(b'[', b'(', bytes.get(at..).unwrap_or_default()).map(|f| at + f) {
        at = open + 1;
        let is_value = content.get(..open).is_some_and(|before| before.trim_ascii_end().ends_with(':'));
        let inner = bytes.get(at..).unwrap_or_default();
        let is_number =
            |b: &u8| b.is_ascii_hexdigit() || b.is_ascii_whitespace() || matches!(b, b',' | b'x' | b'X');
        let length = inner.iter().take_while(|b| is_number(b)).count();
        let list = content.get(at..at + length).unwrap_or_default();
        let ends = matches!(inner.get(length), Some(b']' | b')'));
        at += length;
        if is_value || !ends || length <= longest {
            continue;
        }
        let mut count = 0u32;
        let all = list.split(',').map(str::trim_ascii).filter(|number| !number.is_empty()).all(|number| {
            count = count.saturating_add(1);
            let hex = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X"));
            hex.map_or_else(|| number.parse::<u8>(), |hex| u8::from_str_radix(hex, 16)).is_ok()
        });
        if all && count >= NUMBERS {
            longest = length;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_cut_into_strings_is_counted_as_one() {
        let many = |glue: &str| vec!["\"QUJDQUJD\""; 100].join(glue);
        for script in [
            many("+"),
            many(" +\n  "),
            many(";b+="),
            many(";\nb = b + "),
            many(");s.push("),
            many(").concat("),
            format!("[{}].join('')", many(",")),
            format!("x=['a b', {}, ].join(\"\")", many(", ")),
            format!("// don't\nvar x={}", many("+").replace('"', "'")),
            "QUJDQUJD".repeat(100),
        ] {
            assert_eq!(longest(&script), 800, "{script:.60}");
        }
        let long = vec![format!("'{}'", "QUJD".repeat(4)); 50].join(",");
        assert_eq!(longest(&format!("[{long}]")), 800);
    }

    #[test]
    fn words_and_data_are_no_run() {
        let words = vec!["\"Switzerland\""; 100].join(",");
        for script in [
            format!("[{words}]"),
            vec!["\"foo\""; 100].join("+x+"),
            vec!["\"foo\""; 100].join(" + \", \" + "),
            vec!["\"foo\""; 100].join(":1,"),
            format!("new Uint8Array(8);plot({{y:[{}]}})", "12,200,".repeat(400)),
            format!("x=[{}]", "12,200,".repeat(400)),
            format!("new Uint8Array(8);x=[{}]", "12,2000,".repeat(400)),
            format!("new Uint8Array(8);x=[{}]", "12,20,".repeat(100)),
        ] {
            assert!(longest(&script) < 20, "{}: {script:.60}", longest(&script));
        }
    }

    #[test]
    fn an_array_of_bytes_is_counted() {
        let bytes = "77,90,0x90,".repeat(200);
        for script in [
            format!("new Uint8Array([{bytes}])"),
            format!("var a = [{bytes}]; String.fromCharCode.apply(null, a)"),
            format!("String.fromCharCode({bytes})"),
        ] {
            assert_eq!(longest(&script), 2_200);
        }
    }
}
