//! Letters that look alike.

use unicode_security::{MixedScript as _, RestrictionLevel, RestrictionLevelDetection as _, skeleton};

/// A label as it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// What is the same for all that look alike: the skeleton of UTS 39 in lower case, without accents, and
    /// with what looks alike in small type besides: `rn` and `m`, `vv` and `w`, `cl` and `d`.
    pub(super) folded: String,
    /// How the label differs from plain letters.
    pub(super) kind: Kind,
}

/// How a label is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// ASCII.
    Plain,
    /// Latin letters with accents and such: another name to whoever reads the language.
    Accents,
    /// Letters of other scripts.
    Foreign,
}

/// How `label`, in Unicode and in lower case, looks.
pub(super) fn look(label: &str) -> Look {
    if label.is_ascii() {
        return Look { folded: small_type(label), kind: Kind::Plain };
    }
    let is_accented = label.chars().all(|c| c.is_ascii() || is_latin(c));
    let plain: String = skeleton(label).filter(|c| !is_mark(*c)).flat_map(char::to_lowercase).collect();
    Look { folded: small_type(&plain), kind: if is_accented { Kind::Accents } else { Kind::Foreign } }
}

/// What cannot be told apart in the type of an address bar, the digits of UTS 39 among it.
fn small_type(label: &str) -> String {
    let mut out = String::with_capacity(label.len());
    for c in label.chars() {
        match (c, out.as_bytes().last()) {
            ('n', Some(b'r')) => swap_last(&mut out, 'm'),
            ('v', Some(b'v')) => swap_last(&mut out, 'w'),
            ('l' | '1', Some(b'c')) => swap_last(&mut out, 'd'),
            ('0', _) => out.push('o'),
            ('1', _) => out.push('l'),
            _ => out.push(c),
        }
    }
    out
}

fn swap_last(out: &mut String, with: char) {
    out.pop();
    out.push(with);
}

/// Latin letters of living languages. Not the dotless i: it is an i to whoever does not look for it.
const fn is_latin(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}') && c != '\u{131}'
}

const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether `label` mixes scripts in a way that no language does. Latin beside one script other than Cyrillic
/// and Greek is in use (UTS 39 §5.2, moderately restrictive).
pub(super) fn is_mixed(label: &str) -> bool {
    if label.is_ascii() || label.is_single_script() {
        return false;
    }
    !matches!(
        label.detect_restriction_level(),
        RestrictionLevel::HighlyRestrictive | RestrictionLevel::ModeratelyRestrictive
    )
}

/// The plain letters that `label`, written in another script, reads as; `None` where it does not.
pub(super) fn reads_as(label: &str) -> Option<String> {
    let is_foreign = label.chars().all(|c| !c.is_ascii_alphabetic() && !is_latin(c));
    if label.is_ascii() || !is_foreign {
        return None;
    }
    let plain: String = skeleton(label).flat_map(char::to_lowercase).collect();
    let letters = plain.bytes().filter(u8::is_ascii_alphabetic).count();
    (letters >= 3 && plain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')).then_some(plain)
}

/// Whether two letters are taken for each other in passing.
pub(super) fn are_similar(one: char, other: char) -> bool {
    const PAIRS: [(char, char); 16] = [
        ('a', 'e'),
        ('a', 'o'),
        ('b', 'h'),
        ('c', 'e'),
        ('c', 'o'),
        ('e', 'o'),
        ('g', 'q'),
        ('h', 'n'),
        ('i', 'j'),
        ('i', 'l'),
        ('l', 't'),
        ('m', 'n'),
        ('n', 'u'),
        ('p', 'q'),
        ('u', 'v'),
        ('v', 'y'),
    ];
    PAIRS.contains(&(one.min(other), one.max(other)))
}
