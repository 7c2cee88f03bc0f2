//! Strings and references (ISO 32000-1 §7.3.4, §7.3.10).

/// The longest string that is read, in bytes as written.
const STRING: usize = 64 * 1_024;
/// The most white space and comments before a value, in bytes.
const BLANK: usize = 1_024;

/// What stands behind a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, where it ends, and whether it does: one that is too long is cut.
    Text { text: Vec<u8>, end: usize, is_closed: bool },
    /// Another object, by its number.
    Reference(u64),
    /// Anything else.
    Other,
}

/// Whether a name or a word ends before `b` (§7.2.2).
pub(super) const fn ends_word(b: u8) -> bool {
    is_blank(b) || matches!(b, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

const fn is_blank(b: u8) -> bool {
    matches!(b, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

/// Behind white space and comments.
pub(super) fn skip_blank(bytes: &[u8], begin: usize) -> usize {
    let bytes = bytes.get(..bytes.len().min(begin.saturating_add(BLANK))).unwrap_or_default();
    let mut at = begin;
    while let Some(&b) = bytes.get(at) {
        if is_blank(b) {
            at += 1;
        } else if b == b'%' {
            let rest = bytes.get(at..).unwrap_or_default();
            at += memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        } else {
            break;
        }
    }
    at
}

/// The value that begins at `at`, white space and comments passed over.
pub(super) fn value(bytes: &[u8], at: usize) -> Value {
    let at = skip_blank(bytes, at);
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'('), _) => literal(bytes, at + 1),
        (Some(b'<'), Some(b'<')) => Value::Other,
        (Some(b'<'), _) => hexadecimal(bytes, at + 1),
        (Some(b'0'..=b'9'), _) => reference(bytes, at).map_or(Value::Other, Value::Reference),
        _ => Value::Other,
    }
}

/// `(text)`, with brackets and escapes.
fn literal(bytes: &[u8], begin: usize) -> Value {
    let written = bytes.get(begin..bytes.len().min(begin.saturating_add(STRING))).unwrap_or_default();
    let mut text = Vec::new();
    let (mut at, mut open) = (0, 0_usize);
    while let Some(&b) = written.get(at) {
        at += 1;
        match b {
            b'(' => open += 1,
            b')' if open == 0 => return Value::Text { text, end: begin + at, is_closed: true },
            b')' => open -= 1,
            b'\\' => {
                at = escape(written, at, &mut text);
                continue;
            }
            _ => {}
        }
        text.push(b);
    }
    Value::Text { text, end: begin + at, is_closed: false }
}

/// What stands behind a stroke at `at`. Gives where to go on.
fn escape(written: &[u8], at: usize, text: &mut Vec<u8>) -> usize {
    let Some(&b) = written.get(at) else { return at };
    match b {
        b'0'..=b'7' => {
            let digits = written.get(at..).unwrap_or_default().iter().take(3);
            let digits = digits.map_while(|d| char::from(*d).to_digit(8));
            let (count, code) = digits.fold((0, 0), |(count, code), digit| (count + 1, code * 8 + digit));
            text.push(u8::try_from(code & 0xff).unwrap_or_default());
            return at + count;
        }
        b'n' => text.push(b'\n'),
        b'r' => text.push(b'\r'),
        b't' => text.push(b'\t'),
        b'b' => text.push(8),
        b'f' => text.push(12),
        // A line that goes on.
        b'\r' => return at + 1 + usize::from(written.get(at + 1) == Some(&b'\n')),
        b'\n' => {}
        other => text.push(other),
    }
    at + 1
}

/// `<68747470>`.
fn hexadecimal(bytes: &[u8], begin: usize) -> Value {
    let written = bytes.get(begin..bytes.len().min(begin.saturating_add(STRING))).unwrap_or_default();
    let close = memchr::memchr(b'>', written);
    let written = written.get(..close.unwrap_or(written.len())).unwrap_or_default();
    let digits: Vec<u32> = written.iter().filter_map(|d| char::from(*d).to_digit(16)).collect();
    let byte = |pair: &[u32]| {
        let high = pair.first().copied().unwrap_or_default();
        u8::try_from(high * 16 + pair.get(1).copied().unwrap_or_default()).unwrap_or_default()
    };
    let end = begin + written.len() + usize::from(close.is_some());
    Value::Text { text: digits.chunks(2).map(byte).collect(), end, is_closed: close.is_some() }
}

/// `12 0 R`.
fn reference(bytes: &[u8], at: usize) -> Option<u64> {
    let (number, at) = digits(bytes, at)?;
    let (_, at) = digits(bytes, skip_blank(bytes, at))?;
    (bytes.get(skip_blank(bytes, at)) == Some(&b'R')).then_some(number)
}

/// A number of at most ten digits, and where it ends.
fn digits(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().take(11).take_while(|b| b.is_ascii_digit()).count();
    let number = std::str::from_utf8(rest.get(..length)?).ok()?.parse().ok()?;
    (length <= 10).then_some((number, at + length))
}

/// The number of the object whose `obj` stands at `at`: `12 0 obj`.
pub(super) fn number_before(bytes: &[u8], at: usize) -> Option<u64> {
    let head = bytes.get(at.saturating_sub(64)..at)?;
    let head = head.trim_ascii_end();
    let generation = head.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let head = head.get(..head.len() - generation).filter(|_| generation > 0)?;
    let number = head.trim_ascii_end();
    let length = number.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let number = number.get(number.len() - length..).filter(|_| number.len() < head.len())?;
    std::str::from_utf8(number).ok()?.parse().ok()
}
