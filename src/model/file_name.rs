//! File names as the programs read them that save files and open them.
//!
//! What a mail calls a file is not always what it is called on a disk: programs drop what a disk does not take, cut
//! at what ends a name for them, and take letters of another width for the plain ones. A name is judged by all that
//! can come of it.

use std::borrow::Cow;

use super::text;

/// What follows the last dot of a name, in lower case, as Windows sees it: dots and spaces at its end do not count.
#[must_use]
pub fn extension(name: &str) -> Cow<'_, str> {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    match extension.chars().any(char::is_uppercase) {
        true => Cow::Owned(extension.to_lowercase()),
        false => Cow::Borrowed(extension),
    }
}

/// The names that some program makes of `name` and that have another extension than it has; none for most names.
///
/// What is dropped or undone: controls and characters that nobody sees, quotes, slashes and signs that no disk takes
/// at the end, percent-encoding, letters and dots of another width. Where a name may end: at a NUL, at a quote, and
/// where NTFS has a stream begin (`evil.js::$DATA`).
#[must_use]
pub fn readings(name: &str) -> Vec<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " ._-()[]{}+=,&#@!~^$".contains(c);
    if name.chars().all(is_plain) {
        return Vec::new();
    }
    let mut known = vec![extension(name).into_owned()];
    let mut out = Vec::new();
    let decoded = percent_decoded(name);
    for whole in std::iter::once(name).chain(decoded.as_deref()) {
        for reading in ends(whole).map(clean) {
            let extension = extension(&reading).into_owned();
            if !extension.is_empty() && !known.contains(&extension) {
                known.push(extension);
                out.push(reading);
            }
        }
    }
    out
}

/// At most `max` characters of a name: where it is longer the middle is left out, so that it can be told how it
/// begins and how it ends. `max` is 3 at least.
#[must_use]
pub fn shortened(name: &str, max: usize) -> Cow<'_, str> {
    if name.len() <= max {
        return Cow::Borrowed(name);
    }
    let behind = max / 3;
    let from_behind = name.char_indices().rev().nth(behind.saturating_sub(1)).map_or(0, |(at, _)| at);
    let before = name.char_indices().nth(max.saturating_sub(behind + 1)).map_or(name.len(), |(at, _)| at);
    // The character at `before` is the one for which the sign stands, if it is one alone.
    let is_longer = name.get(before..from_behind).is_some_and(|middle| middle.chars().nth(1).is_some());
    match (is_longer, name.get(..before), name.get(from_behind..)) {
        (true, Some(begin), Some(end)) => Cow::Owned(format!("{begin}…{end}")),
        _ => Cow::Borrowed(name),
    }
}

/// The name up to each place where some program ends it.
fn ends(name: &str) -> impl Iterator<Item = &str> {
    let name = name.trim_start_matches(|c: char| is_quote(c) || c.is_whitespace());
    let until = |end: Option<usize>| end.and_then(|at| name.get(..at));
    [Some(name), until(name.find('\0')), until(name.find('"')), until(stream(name))].into_iter().flatten()
}

/// Where a stream begins (MS-FSCC §2.1.5): a colon behind the last slash that is none of a drive. One before a space
/// is a sign of a sentence: `Re: notes.txt`.
fn stream(name: &str) -> Option<usize> {
    let file = name.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let colons = name.match_indices(':').map(|(at, _)| at).filter(|at| *at > file.max(1));
    colons
        .into_iter()
        .find(|at| name.get(at + 1..).is_some_and(|rest| !rest.starts_with(char::is_whitespace)))
}

fn clean(name: &str) -> String {
    let seen = name.chars().filter(|c| !c.is_control() && !is_invisible(*c));
    let mut out: String = seen.map(plain).collect();
    let kept = out.trim_end_matches(|c: char| is_quote(c) || c.is_whitespace() || "/\\.<>|?*".contains(c));
    out.truncate(kept.len());
    out
}

/// A letter or sign of another width as the plain one (Unicode TR15, compatibility), and what looks like a dot and is
/// made one.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{2024}' | '\u{fe52}' => '.',
        c => c,
    }
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '\u{b4}' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}')
}

/// Unicode TR44, Default_Ignorable_Code_Point.
fn is_invisible(c: char) -> bool {
    text::is_invisible(c)
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2065}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}')
}

/// `None` where nothing is encoded.
fn percent_decoded(name: &str) -> Option<String> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::new();
    let mut is_encoded = false;
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, after @ ..] => digit(*high).zip(digit(*low)).map(|digits| (digits, after)),
            _ => None,
        };
        match escaped {
            Some(((high, low), after)) => {
                out.push(high << 4 | low);
                is_encoded = true;
                rest = after;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    is_encoded.then(|| String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_extension_is_what_windows_takes_for_it() {
        let all =
            [("A.EXE", "exe"), ("a.exe. . ", "exe"), ("a", ""), ("", ""), (".js", "js"), ("a.tar.gz", "gz")];
        for (name, expected) in all {
            assert_eq!(extension(name), expected, "{name}");
        }
    }

    #[test]
    fn what_hides_an_ending_is_seen_through() {
        for name in [
            "evil.js\0.txt",
            "evil.\0js",
            "evil.js\u{200b}",
            "evil.j\u{ad}s",
            "evil.js\u{3164}",
            "evil.js::$DATA",
            "C:\\x\\evil.js:stream",
            "evil.js/",
            "evil.js\\",
            "'evil.js'",
            "“evil.js”",
            "evil\u{ff0e}js",
            "evil\u{2024}js",
            "evil.\u{ff2a}\u{ff33}",
            "evil.js\"; x=",
            "evil.js?",
            "evil%2Ejs",
            "evil.js%00.txt",
            "evil.js%E2%80%8B",
            "evil.js.\"",
        ] {
            let endings: Vec<String> = readings(name).iter().map(|n| extension(n).into_owned()).collect();
            assert!(endings.contains(&"js".to_owned()), "{name:?}: {endings:?}");
        }
    }

    #[test]
    fn a_name_that_hides_nothing_has_no_other_reading() {
        for name in [
            "",
            "report.pdf",
            "Bericht März (2).PDF",
            "naïve – plan.docx",
            "Re: the plan.txt",
            "C:\\temp\\a.doc",
            "it's mine.txt",
            "say \"hi\".txt",
            "100%.xlsx",
            "report%20of%20may.pdf",
            "報告書（最終）.pdf",
            "❤\u{fe0f} for you.jpg",
            "no ending",
        ] {
            assert_eq!(readings(name), Vec::<String>::new(), "{name:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        let long = format!("{}.js", "n".repeat(500));
        assert_eq!(shortened(&long, 10), "nnnnnn….js");
        assert_eq!(shortened("short.js", 8), "short.js");
        assert_eq!(shortened("ääää.js", 7), "ääää.js");
    }

    proptest! {
        #[test]
        fn any_name_is_read_and_cut(name in "(?s).{0,40}|[a-c.%\"':/\\\\0\u{200b}\u{ff0e} ]{0,40}", max in 3_usize..50) {
            let own = extension(&name).into_owned();
            let all = readings(&name);
            prop_assert!(all.iter().all(|reading| extension(reading) != own));
            let cut = shortened(&name, max);
            prop_assert!(cut.chars().count() <= max, "{cut}");
            prop_assert_eq!(name.chars().count() <= max, cut == name.as_str());
        }
    }
}
