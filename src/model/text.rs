//! The one place that makes foreign text safe for logs, headers, replies, tables and files.
//!
//! What comes from a mail, a scanner or DNS may hold control characters (terminal escapes), line
//! breaks (header and reply splitting), bidirectional overrides (reading other than it is) and any
//! length. Whoever shows such text calls one of these first.

use std::borrow::Cow;

/// Characters that change how their neighbours are shown: bidirectional controls and zero-width ones.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{061c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// One line of at most `max` characters: line breaks and tabs become spaces, other controls become
/// `?`, invisible characters vanish, a cut is marked with `…`.
#[must_use]
pub fn line(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    let mut count = 0;
    for c in text.chars() {
        let c = match c {
            '\r' | '\n' | '\t' => ' ',
            c if is_break(c) => ' ',
            c if is_invisible(c) => continue,
            c if c.is_control() => '?',
            c => c,
        };
        if count == max {
            out.pop();
            out.push('…');
            break;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// Several lines, of any length: line breaks and tabs stay, everything else is as in [`line()`]. The last thing before a
/// terminal.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || is_invisible(c) || is_break(c));
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if stays(c) => out.push(c),
            c if is_invisible(c) => {}
            c if c == '\r' || is_break(c) => out.push(' '),
            _ => out.push('?'),
        }
    }
    Cow::Owned(out)
}

/// JSON with every character beyond printable ASCII as `\u` escapes, which means the same; the line breaks of its layout
/// stay.
#[must_use]
pub fn ascii_json(json: &str) -> Cow<'_, str> {
    let is_plain = |c: char| (' '..='~').contains(&c) || c == '\n';
    if json.chars().all(is_plain) {
        return Cow::Borrowed(json);
    }
    let mut plain = String::with_capacity(json.len() * 2);
    for c in json.chars() {
        if is_plain(c) {
            plain.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                plain.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Cow::Owned(plain)
}

/// Line breaks of Unicode.
const fn is_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Like [`line()`] in printable ASCII: what is not becomes `?`. For SMTP replies and header values.
#[must_use]
pub fn ascii_line(text: &str, max: usize) -> String {
    let cut = line(text, max);
    let mut out = String::with_capacity(cut.len());
    for c in cut.chars() {
        match c {
            '…' => out.push_str("..."),
            c if c.is_ascii() => out.push(c),
            _ => out.push('?'),
        }
    }
    while out.len() > max {
        out.pop();
    }
    out
}

/// A field of comma-separated values: quoted, and guarded against being taken for a formula.
#[must_use]
pub fn csv_field(text: &str, max: usize) -> String {
    let safe = line(text, max);
    let guard = if safe.starts_with(['=', '+', '-', '@', '\t']) { "'" } else { "" };
    format!("\"{guard}{}\"", safe.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_breaks_and_overrides_do_not_pass() {
        assert_eq!(line("a\x1b[31m\r\nb\u{202e}c\u{200b}", 80), "a?[31m  bc");
        assert_eq!(line("abcdef", 4), "abc…");
        assert_eq!(ascii_line("naïve…", 80), "na?ve...");
    }

    #[test]
    fn lines_stay_lines_and_nothing_in_them_acts() {
        assert_eq!(lines("a\x1b[31m\r\n\tb\u{202e}c\u{9b}d\u{2028}e"), "a?[31m \n\tbc?d e");
        assert!(matches!(lines("naïve…\n\t"), Cow::Borrowed("naïve…\n\t")));
    }

    #[test]
    fn json_in_ascii_means_the_same() {
        let value = serde_json::json!({"subject": "a\u{9b}2J\u{202e}\u{7f}é😀\n"});
        let json = serde_json::to_string_pretty(&value).unwrap();
        let shown = ascii_json(&json);
        assert!(shown.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(matches!(ascii_json("{}\n"), Cow::Borrowed("{}\n")));
    }

    #[test]
    fn a_csv_field_is_no_formula() {
        assert_eq!(csv_field("=HYPERLINK(\"x\")", 80), "\"'=HYPERLINK(\"\"x\"\")\"");
    }
}
