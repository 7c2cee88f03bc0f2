//! A value in sections (RFC 2231 §3), as the RFC has them put together and as programs do it that differ.
//!
//! Programs differ where the RFC is silent: some stop at a gap in the numbers, some leave out what has no number,
//! some take `name*` before all sections, and of two with one number the first or the last.

/// Which section it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// `name*=`, the whole value.
    Alone,
    /// `name*1=`.
    Number(u32),
    /// `name*x=`.
    Odd,
}

impl Mark {
    /// What stands behind the asterisk.
    pub(super) fn of(section: &str) -> Self {
        section.parse().map_or(Self::Odd, Self::Number)
    }
}

/// One section of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section<'a> {
    pub(super) mark: Mark,
    /// Percent-encoded.
    pub(super) is_encoded: bool,
    pub(super) bytes: &'a [u8],
    /// Another reading of a section that is there as well.
    pub(super) is_other: bool,
}

/// Bytes, and the name of their charset.
type Value = (Vec<u8>, Option<String>);

/// What programs read in these sections, given as they stand there. First what all of them make in the order of
/// their numbers; nothing is there twice.
pub(super) fn readings(sections: &[Section<'_>]) -> Vec<Value> {
    let mut sorted = sections.to_vec();
    sorted.sort_by_key(|section| section.mark);
    let usual: Vec<Section<'_>> = sorted.iter().filter(|s| !s.is_other).copied().collect();
    if sorted.is_empty() {
        return Vec::new();
    }
    let mut out = vec![joined(if usual.is_empty() { &sorted } else { &usual })];
    if sorted.len() == 1 {
        return out;
    }
    let mut add = |sections: &[Section<'_>]| {
        let value = joined(sections);
        if !value.0.is_empty() && !out.contains(&value) {
            out.push(value);
        }
    };
    let is_numbered = |s: &&Section<'_>| matches!(s.mark, Mark::Number(_));
    let firsts: Vec<Section<'_>> = dedup(sorted.iter().filter(is_numbered));
    let mut lasts: Vec<Section<'_>> = dedup(sorted.iter().rev().filter(is_numbered));
    lasts.reverse();
    for numbered in [firsts, lasts] {
        add(&numbered);
        let before_gap =
            numbered.iter().zip(numbered.iter().skip(1)).take_while(|(a, b)| follows(a.mark, b.mark));
        let count = before_gap.count() + 1;
        add(numbered.get(..count).unwrap_or_default());
    }
    for section in sorted.iter().filter(|s| !is_numbered(s)) {
        add(&[*section]);
    }
    out
}

/// Of each mark the one that comes first.
fn dedup<'a, 'b: 'a>(sections: impl Iterator<Item = &'a Section<'b>>) -> Vec<Section<'b>> {
    let mut out: Vec<Section<'b>> = sections.copied().collect();
    out.dedup_by_key(|section| section.mark);
    out
}

fn follows(a: Mark, b: Mark) -> bool {
    matches!((a, b), (Mark::Number(a), Mark::Number(b)) if a.checked_add(1) == Some(b))
}

fn joined(sections: &[Section<'_>]) -> Value {
    let mut label = None;
    let mut out = Vec::new();
    for (i, section) in sections.iter().enumerate() {
        let mut bytes = section.bytes;
        if section.is_encoded && i == 0 {
            // charset'language'text
            let mut pieces = bytes.splitn(3, |c| *c == b'\'');
            if let (Some(charset), Some(_), Some(text)) = (pieces.next(), pieces.next(), pieces.next()) {
                label = Some(String::from_utf8_lossy(charset).into_owned()).filter(|l| !l.is_empty());
                bytes = text;
            }
        }
        if section.is_encoded {
            percent_decode(bytes, &mut out);
        } else {
            out.extend_from_slice(bytes);
        }
    }
    (out, label)
}

fn percent_decode(bytes: &[u8], out: &mut Vec<u8>) {
    let hex = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
}
