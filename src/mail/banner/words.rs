//! The banner as plain text and as part of a page.

/// Lines of plain text are wrapped here (RFC 3676 §4.2: 78 at most).
const WIDTH: usize = 76;
/// Longer words are cut into pieces: a line has at most 998 bytes.
const MAX_WORD: usize = 200;
/// More of a banner is cut off.
const MAX_TEXT: usize = 4000;

/// The look of it in a page. What the page itself says of looks does not count here.
const STYLE: &str = "display:block!important;visibility:visible!important;opacity:1!important;\
    max-height:none!important;font:14px sans-serif!important;color:#000!important;\
    background:#fff4ce!important;border:1px solid #8a6d00;padding:8px;margin:0 0 12px 0;text-align:left";

/// Paragraph by paragraph, each wrapped: no line begins with a space or `>` or ends with a space, so that flowed
/// text (RFC 3676) shows it as it is.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.chars().take(MAX_TEXT).collect::<String>().lines() {
        let mut line = String::new();
        let clean = paragraph.replace(|c: char| c.is_control(), " ");
        for word in clean.split_whitespace().flat_map(pieces) {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    for line in &mut lines {
        if line.starts_with('>') {
            line.insert(0, '|');
        }
    }
    lines
}

fn pieces(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.chunks(MAX_WORD).map(|piece| piece.iter().collect()).collect()
}

/// As plain text with an empty line behind it, in the charset `label`; `None`: ASCII alone.
pub(super) fn plain(text: &str, line_end: &str, label: Option<&str>) -> Vec<u8> {
    let mut out = wrapped(text).join(line_end);
    out.push_str(line_end);
    out.push_str(line_end);
    let label = label.map(str::trim).unwrap_or_default().to_ascii_lowercase();
    match label.as_str() {
        _ if out.is_ascii() => out.into_bytes(),
        "utf-8" | "utf8" => out.into_bytes(),
        "iso-8859-1" | "latin1" | "windows-1252" if out.chars().all(is_latin) => {
            out.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
        }
        _ => in_ascii(&out).into_bytes(),
    }
}

/// A character that has the same byte in ISO 8859-1 and windows-1252.
const fn is_latin(c: char) -> bool {
    c.is_ascii() || matches!(c, '\u{a0}'..='\u{ff}')
}

/// As a block of a page: ASCII, with references for other characters. `is_inside`: something stands before it.
pub(super) fn page(text: &str, line_end: &str, is_inside: bool) -> Vec<u8> {
    let mut out = String::new();
    if is_inside {
        out.push_str(line_end);
    }
    out.push_str(&format!("<div style=\"{STYLE}\">{line_end}"));
    let lines: Vec<String> = wrapped(text).iter().map(|line| escaped(line)).collect();
    out.push_str(&lines.join(&format!("<br>{line_end}")));
    out.push_str(&format!("{line_end}</div>{line_end}"));
    out.into_bytes()
}

fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("&#{};", u32::from(c))),
        }
    }
    out
}

/// Letters with marks and what else is common in sentences, in ASCII; anything else is `?`.
fn in_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c),
            'ä' | 'æ' => out.push_str("ae"),
            'ö' | 'œ' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'Ä' | 'Æ' => out.push_str("Ae"),
            'Ö' | 'Œ' => out.push_str("Oe"),
            'Ü' => out.push_str("Ue"),
            'ß' => out.push_str("ss"),
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' | 'ă' => out.push('a'),
            'À' | 'Á' | 'Â' | 'Ã' | 'Å' | 'Ą' => out.push('A'),
            'ç' | 'ć' | 'č' => out.push('c'),
            'Ç' | 'Ć' | 'Č' => out.push('C'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => out.push('e'),
            'È' | 'É' | 'Ê' | 'Ë' | 'Ę' => out.push('E'),
            'ì' | 'í' | 'î' | 'ï' => out.push('i'),
            'Ì' | 'Í' | 'Î' | 'Ï' => out.push('I'),
            'ñ' | 'ń' | 'ň' => out.push('n'),
            'Ñ' | 'Ń' => out.push('N'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'ő' => out.push('o'),
            'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ø' => out.push('O'),
            'ù' | 'ú' | 'û' | 'ű' | 'ů' => out.push('u'),
            'Ù' | 'Ú' | 'Û' => out.push('U'),
            'ł' => out.push('l'),
            'Ł' => out.push('L'),
            'ř' => out.push('r'),
            'ś' | 'š' | 'ş' => out.push('s'),
            'Ś' | 'Š' | 'Ş' => out.push('S'),
            'ý' | 'ÿ' => out.push('y'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            'Ź' | 'Ż' | 'Ž' => out.push('Z'),
            '‘' | '’' | '‚' => out.push('\''),
            '“' | '”' | '„' | '«' | '»' => out.push('"'),
            '–' | '—' | '\u{2011}' => out.push('-'),
            '…' => out.push_str("..."),
            '\u{a0}' | '\u{202f}' => out.push(' '),
            '€' => out.push_str("EUR"),
            '⚠' => out.push('!'),
            '\u{fe0f}' => {}
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_is_wrapped_and_fits_the_charset() {
        let text = "Grüße – von außen\n> nicht zitiert";
        assert_eq!(
            plain(text, "\r\n", Some("UTF-8")),
            "Grüße – von außen\r\n|> nicht zitiert\r\n\r\n".as_bytes()
        );
        assert_eq!(plain(text, "\n", None), b"Gruesse - von aussen\n|> nicht zitiert\n\n");
        assert_eq!(plain("ü", "\r\n", Some("iso-8859-1")), b"\xfc\r\n\r\n");
        assert_eq!(plain("–", "\r\n", Some("iso-8859-1")), b"-\r\n\r\n");
        let long = plain(&"word ".repeat(100), "\r\n", None);
        assert!(String::from_utf8(long).unwrap().lines().all(|l| l.len() <= WIDTH && l.trim() == l));
    }

    #[test]
    fn in_a_page_it_cannot_be_markup() {
        let page = String::from_utf8(page("<b>\"&ü\nx", "\r\n", true)).unwrap();
        assert!(page.starts_with("\r\n<div style=\""), "{page}");
        assert!(page.ends_with(">\r\n&lt;b&gt;&quot;&amp;&#252;<br>\r\nx\r\n</div>\r\n"), "{page}");
        assert!(page.lines().all(|line| line.len() < 900));
    }
}
