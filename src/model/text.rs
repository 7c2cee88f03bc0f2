//! The one place that makes foreign text safe for logs, headers, replies, tables and files.
//!
//! What comes from a mail, a scanner or DNS may hold control characters (terminal escapes), line
//! breaks (header and reply splitting), bidirectional overrides (reading other than it is) and any
//! length. Whoever shows such text calls one of these first.

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
            '\r' | '\n' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
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
    fn a_csv_field_is_no_formula() {
        assert_eq!(csv_field("=HYPERLINK(\"x\")", 80), "\"'=HYPERLINK(\"\"x\"\")\"");
    }
}
