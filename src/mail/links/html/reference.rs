//! Character references (WHATWG HTML §13.2.5.72 to 80), with the standard's table of names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Longest name with its semicolon, without the `&`.
const LONGEST: usize = 32;
/// Longest name that counts without its semicolon.
const LONGEST_BARE: usize = 6;

static NAMES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    entities::ENTITIES.iter().map(|e| (e.entity.trim_start_matches('&'), e.characters)).collect()
});

/// `text` with its references resolved and without NUL. In an attribute, a name without semicolon before `=`, a letter or a
/// digit is no reference: it is a parameter of an address.
#[must_use]
pub fn resolved(text: &str, is_attribute: bool) -> Cow<'_, str> {
    let find = |text: &str| memchr::memchr2(b'&', 0, text.as_bytes());
    let Some(first) = find(text) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(rest.get(..at).unwrap_or_default());
        let is_nul = rest.as_bytes().get(at) == Some(&0);
        rest = rest.get(at + 1..).unwrap_or_default();
        if is_nul {
            // Browsers drop it in a text and show that something was there in a value.
            out.extend(is_attribute.then_some('\u{fffd}'));
            next = find(rest);
            continue;
        }
        let used =
            if rest.starts_with('#') { number(rest, &mut out) } else { name(rest, is_attribute, &mut out) };
        if used == 0 {
            out.push('&');
        }
        rest = rest.get(used..).unwrap_or_default();
        next = find(rest);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// A reference by name, `rest` behind the `&`. How many bytes it takes; 0: it is none.
fn name(rest: &str, is_attribute: bool, out: &mut String) -> usize {
    if rest.starts_with("amp;") {
        out.push('&');
        return 4;
    }
    let run = rest.bytes().take(LONGEST).take_while(u8::is_ascii_alphanumeric).count();
    if run == 0 {
        return 0;
    }
    if let Some(characters) =
        rest.get(..=run).filter(|name| name.ends_with(';')).and_then(|name| NAMES.get(name))
    {
        out.push_str(characters);
        return run + 1;
    }
    for len in (2..=run.min(LONGEST_BARE)).rev() {
        let Some(characters) = rest.get(..len).and_then(|name| NAMES.get(name)) else { continue };
        let next = rest.as_bytes().get(len).copied();
        if is_attribute && next.is_some_and(|b| b == b'=' || b.is_ascii_alphanumeric()) {
            return 0;
        }
        out.push_str(characters);
        return len;
    }
    0
}

/// A reference by number, `rest` from the `#` on.
fn number(rest: &str, out: &mut String) -> usize {
    let is_hex = matches!(rest.as_bytes().get(1), Some(b'x' | b'X'));
    let (from, radix) = if is_hex { (2, 16) } else { (1, 10) };
    let mut value: u32 = 0;
    let mut at = from;
    while let Some(digit) = rest.as_bytes().get(at).and_then(|b| char::from(*b).to_digit(radix)) {
        value = value.saturating_mul(radix).saturating_add(digit);
        at += 1;
    }
    if at == from {
        return 0;
    }
    out.push(character(value));
    at + usize::from(rest.as_bytes().get(at) == Some(&b';'))
}

/// §13.2.5.80.
fn character(value: u32) -> char {
    const WINDOWS: [u32; 32] = [
        0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152,
        0x8d, 0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122,
        0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
    ];
    let value = value
        .checked_sub(0x80)
        .and_then(|at| usize::try_from(at).ok())
        .and_then(|at| WINDOWS.get(at))
        .copied()
        .unwrap_or(value);
    char::from_u32(value).filter(|c| *c != '\0').unwrap_or('\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_the_standard_is_resolved() {
        for entity in &entities::ENTITIES {
            let text = format!("{}.", entity.entity);
            assert_eq!(resolved(&text, false), format!("{}.", entity.characters), "{}", entity.entity);
            let name = entity.entity.trim_start_matches('&');
            assert!(name.len() <= LONGEST);
            assert!(name.ends_with(';') || name.len() <= LONGEST_BARE, "{name}");
        }
    }

    #[test]
    fn references_are_read_as_browsers_read_them() {
        for (written, in_text, in_attribute) in [
            ("&ampx", "&x", "&ampx"),
            ("&copy=1", "©=1", "&copy=1"),
            ("&copy;=1", "©=1", "©=1"),
            ("&notit;", "¬it;", "&notit;"),
            ("&notin;", "∉", "∉"),
            ("&#104ttp", "http", "http"),
            ("&#x68;&#X74", "ht", "ht"),
            ("&#0000000000104;", "h", "h"),
            (
                "&#x80;&#0;&#xD800;&#x110000;&#99999999999;",
                "€\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
                "€\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&#;&#x;&;& &é", "&#;&#x;&;& &é", "&#;&#x;&;& &é"),
            ("&nosuch;&", "&nosuch;&", "&nosuch;&"),
            ("&colon;&sol;&Tab;&NewLine;&period;", ":/\t\n.", ":/\t\n."),
        ] {
            assert_eq!(resolved(written, false), in_text, "{written}");
            assert_eq!(resolved(written, true), in_attribute, "{written}");
        }
    }
}
