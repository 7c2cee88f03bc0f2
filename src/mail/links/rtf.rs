//! RTF (Rich Text Format 1.9.1): what Word and Outlook write, and Word opens by whatever name it comes.
//!
//! Read are the text that is shown, the instructions of fields (`HYPERLINK "…"`, `INCLUDEPICTURE`), and apart from
//! them the addresses in what is kept for programs: `\*\hlinkbase`, a template, information. Objects in it, which are
//! files of other kinds in hexadecimal digits, are not taken apart. Linear in its length.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::collect::Collector;
use super::found::Source;
use super::text;

/// The longest name of a control word (§ "Control words").
const WORD: usize = 32;
/// The most characters that may stand in the place of one that old programs do not know.
const MOST_INSTEAD: usize = 8;

/// Whether programs take it for RTF, whatever it is called.
pub(super) fn is_rtf(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{\\rt")
}

/// Where text of a group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Shown,
    /// What a field does.
    Field,
    /// For programs.
    Aside,
}

/// A group.
#[derive(Clone, Copy, Debug)]
struct Group {
    to: To,
    /// How many characters stand in the place of one by number.
    instead: usize,
}

/// Reads a file.
pub(super) fn read(content: &str, into: &mut Collector<'_>) {
    let Texts { shown, fields, aside, .. } = texts(content);
    text::find(&shown, Source::Rtf, into);
    text::find(&fields, Source::Rtf, into);
    text::find_explicit(&aside, Source::Rtf, into);
}

#[derive(Debug, Default)]
struct Texts {
    shown: String,
    fields: String,
    aside: String,
}

impl Texts {
    fn of(&mut self, to: To) -> &mut String {
        match to {
            To::Shown => &mut self.shown,
            To::Field => &mut self.fields,
            To::Aside => &mut self.aside,
        }
    }
}

/// Words that begin what is not shown, or not as text.
fn destination(word: &str) -> Option<To> {
    static KNOWN: LazyLock<HashMap<&str, To>> = LazyLock::new(|| {
        let aside = [
            "colortbl",
            "comment",
            "datafield",
            "docvar",
            "filetbl",
            "fonttbl",
            "hlinkbase",
            "info",
            "listtable",
            "nextfile",
            "objclass",
            "objdata",
            "objname",
            "pict",
            "stylesheet",
            "template",
            "themedata",
            "userprops",
            "xmlnstbl",
        ];
        aside
            .into_iter()
            .map(|word| (word, To::Aside))
            .chain([("fldinst", To::Field), ("fldrslt", To::Shown)])
            .collect()
    });
    KNOWN.get(word).copied()
}

fn texts(content: &str) -> Texts {
    let mut texts = Texts::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut group = Group { to: To::Shown, instead: 1 };
    // A group that programs pass over if they do not know its first word.
    let mut is_starred = false;
    // Characters that stand in the place of the one before.
    let mut left_out = 0;
    let mut rest = content;
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '{' => groups.push(group),
            '}' => group = groups.pop().unwrap_or(group),
            '\r' | '\n' => {}
            '\\' => {
                let (control, behind) = control(behind);
                rest = behind;
                match control {
                    Control::Star => is_starred = true,
                    Control::Word(word, number) => {
                        match (destination(word), is_starred) {
                            (Some(to), _) => group.to = to,
                            (None, true) => group.to = To::Aside,
                            (None, false) => {}
                        }
                        if is_starred || destination(word).is_some() {
                            texts.of(group.to).push('\n');
                        }
                        is_starred = false;
                        match (word, number) {
                            ("u", Some(number)) => {
                                // Negative from 32768 on.
                                let code = u32::try_from(number.rem_euclid(65_536)).unwrap_or_default();
                                texts.of(group.to).push(char::from_u32(code).unwrap_or('\u{fffd}'));
                                left_out = group.instead;
                            }
                            ("uc", Some(number)) => {
                                group.instead = usize::try_from(number).unwrap_or(1).min(MOST_INSTEAD);
                            }
                            ("bin", Some(number)) => {
                                let length = usize::try_from(number).unwrap_or_default().min(rest.len());
                                rest = rest.get(rest.ceil_char_boundary(length)..).unwrap_or_default();
                            }
                            ("par" | "line" | "tab" | "cell" | "row" | "page" | "sect", _) => {
                                texts.of(group.to).push('\n');
                            }
                            _ => {}
                        }
                    }
                    Control::Text(_) if left_out > 0 => left_out -= 1,
                    Control::Text(c) => texts.of(group.to).push(c),
                    Control::Nothing => {}
                }
                continue;
            }
            _ if left_out > 0 => left_out -= 1,
            c => texts.of(group.to).push(c),
        }
        if matches!(c, '{' | '}') {
            (is_starred, left_out) = (false, 0);
        }
        rest = behind;
    }
    texts
}

/// What stands behind a stroke.
enum Control<'t> {
    Word(&'t str, Option<i64>),
    Text(char),
    Star,
    Nothing,
}

fn control(rest: &str) -> (Control<'_>, &str) {
    let from = |at: usize| rest.get(at..).unwrap_or_default();
    let Some(c) = rest.chars().next() else { return (Control::Nothing, "") };
    let behind = from(c.len_utf8());
    match c {
        'a'..='z' | 'A'..='Z' => {
            let length = rest.bytes().take(WORD).take_while(u8::is_ascii_alphabetic).count();
            let after = from(length);
            let sign = usize::from(after.starts_with('-'));
            let digits = after.bytes().skip(sign).take(10).take_while(u8::is_ascii_digit).count();
            let number =
                if digits > 0 { after.get(..sign + digits).and_then(|n| n.parse().ok()) } else { None };
            let after = if digits > 0 { from(length + sign + digits) } else { after };
            let after = after.strip_prefix(' ').unwrap_or(after);
            (Control::Word(rest.get(..length).unwrap_or_default(), number), after)
        }
        '\'' => {
            let code = behind.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
            match code {
                Some(code) => (Control::Text(char::from(code)), from(3)),
                None => (Control::Nothing, behind),
            }
        }
        '*' => (Control::Star, behind),
        '\\' | '{' | '}' => (Control::Text(c), behind),
        '~' => (Control::Text(' '), behind),
        '_' => (Control::Text('-'), behind),
        '\r' | '\n' => (Control::Text('\n'), behind),
        _ => (Control::Nothing, behind),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::links::tests::{links, told};

    fn found(rtf: &str) -> Vec<String> {
        let links = links("application/rtf", rtf.to_owned());
        assert_eq!(links.not_inspected, []);
        told(&links)
    }

    #[test]
    fn links_of_fields_and_texts_are_found() {
        for rtf in [
            r#"{\rtf1{\field{\*\fldinst HYPERLINK "https://a.example/x"}{\fldrslt here}}}"#,
            r#"{\rtf1{\field{\*\fldinst{HYPERLINK https://a.example/x}}{\fldrslt{here}}}}"#,
            r#"{\rtf1{\field{\*\fldinst{HYPERLINK }{"https://a.exam\'70le/x"}}{\fldrslt{here}}}}"#,
            r"{\rtf1 see https://a.example/x, or not}",
            r"{\rtf1 see https://a.{\b exa}{\*\nobody knows}mple/x\par more}",
            r"{\rtf1\uc1 see \u104?ttps://a.example/x more}",
            r"{\rtf1\uc0 see \u104 ttps://a.example/x more}",
            "{\\rtf1 see https://a.exa\r\nmple/x}",
            r"{\rtf1{\info{\*\hlinkbase https://a.example/x}}}",
            r"{\rtf1{\*\template https://a.example/x}}",
            r"{\rtf1\bin5 }}{{{https://a.example/x}",
        ] {
            assert_eq!(found(rtf), ["rtf https://a.example/x"], "{rtf}");
        }
        assert_eq!(
            found(r#"{\rtf1{\field{\*\fldinst HYPERLINK "www.a.example.com/x"}}}"#),
            ["rtf http://www.a.example.com/x"]
        );
        assert_eq!(found(r"{\rtf1{\fonttbl{\f0 Arial.com;}}nothing}"), [""; 0]);
    }

    #[test]
    fn it_is_known_by_type_name_or_beginning() {
        let rtf = r"{\rtf1 www.a.example.com}";
        for media_type in
            ["application/rtf", "text/rtf", "text/richtext", "application/msword", "application/octet-stream"]
        {
            let found = told(&links(media_type, rtf));
            assert!(found.contains(&"rtf http://www.a.example.com/".to_owned()), "{media_type} {found:?}");
        }
    }

    #[test]
    fn hostile_files_cost_little() {
        let begin = std::time::Instant::now();
        for piece in ["{", "}", "\\", "\\u1", "\\bin0 ", "\\'", "{\\*\\x", "\\*", "\\fldinst ", "\\uc9\\u1 a"]
        {
            let _ = texts(&piece.repeat((2 << 20) / piece.len()));
        }
        assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
    }

    proptest! {
        #[test]
        fn whatever_stands_before_a_field_it_is_found(before in "[a-z\\\\{} '0-9*\u{e9}]{0,60}") {
            let rtf = format!("{{\\rtf1 {before} {{\\field{{\\*\\fldinst HYPERLINK \"https://a.example/x\"}}}}}}");
            // What is skipped by its length may be anything.
            prop_assume!(!before.contains("bin"));
            let found = told(&links("application/rtf", rtf));
            prop_assert!(found.contains(&"rtf https://a.example/x".to_owned()), "{found:?}");
        }
    }
}
