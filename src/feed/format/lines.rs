//! A body line by line: CRLF or LF, each line bounded.

use super::Limits;
use super::body::Text;
use super::refusal::Refusal;

/// One line, without its end.
pub(super) enum Line<'a> {
    /// Its text.
    Text(&'a str),
    /// It is not UTF-8; this is what can be read of it.
    Garbled(String),
    /// It is longer than a line may be, and was skipped.
    TooLong,
}

/// Calls `each` with number and content of every line that is not blank. Returns whether the last line had
/// an end.
pub(super) fn each(
    text: &mut Text<'_>,
    limits: &Limits,
    mut each: impl FnMut(u64, Line<'_>) -> Result<(), Refusal>,
) -> Result<bool, Refusal> {
    let (mut number, mut long, mut ended) = (0, false, true);
    let mut line = Vec::new();
    loop {
        let piece = text.fill()?;
        if piece.is_empty() {
            if !line.is_empty() || long {
                tell(number + 1, &line, long, &mut each)?;
            }
            return Ok(ended);
        }
        let end = memchr::memchr(b'\n', piece);
        let content = piece.get(..end.unwrap_or(piece.len())).unwrap_or_default();
        let used = content.len() + usize::from(end.is_some());
        ended = end.is_some();
        if line.is_empty() && !long && ended && content.len() <= limits.line {
            // The usual case: a line that lies in the buffer as a whole.
            number += 1;
            tell(number, content, false, &mut each)?;
            text.consume(used);
            continue;
        }
        if line.len() + content.len() > limits.line {
            long = true;
        }
        if long {
            line.clear();
        } else {
            line.extend_from_slice(content);
        }
        text.consume(used);
        if ended {
            number += 1;
            tell(number, &line, long, &mut each)?;
            line.clear();
            long = false;
        }
    }
}

fn tell(
    number: u64,
    line: &[u8],
    long: bool,
    each: &mut impl FnMut(u64, Line<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if long {
        return each(number, Line::TooLong);
    }
    match std::str::from_utf8(line) {
        Ok(line) => match line.trim() {
            "" => Ok(()),
            line => each(number, Line::Text(line)),
        },
        Err(_) => each(number, Line::Garbled(String::from_utf8_lossy(line).trim().to_owned())),
    }
}
