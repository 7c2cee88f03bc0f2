//! Macros in domain names (RFC 7208 §7).

/// A `domain-spec`: text and macros that give a domain name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DomainSpec(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Macro(Macro),
}

/// `%{…}`.
#[derive(Clone, Debug, PartialEq)]
struct Macro {
    letter: Letter,
    /// Escaped as in URLs: the letter was in upper case.
    escaped: bool,
    /// How many labels are kept, from the right; `None`: all.
    keep: Option<usize>,
    reversed: bool,
    delimiters: Vec<char>,
}

/// What a macro stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    Sender,
    Local,
    SenderDomain,
    Domain,
    Address,
    Validated,
    Version,
    Helo,
}

/// The longest name that is asked (§7.3).
const MAX_NAME: usize = 253;
/// The longest text that is put together before it is cut to a name.
const MAX_EXPANDED: usize = 4096;

impl DomainSpec {
    /// Reads a `domain-spec`; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let pieces = pieces(text)?;
        // domain-end: a macro, or a dot and a top label.
        let ends_well = match pieces.last()? {
            Piece::Macro(_) => true,
            Piece::Text(end) => {
                let end = end.strip_suffix('.').unwrap_or(end);
                let (before, top) = end.rsplit_once('.')?;
                is_top_label(top) && (pieces.len() > 1 || !before.is_empty())
            }
        };
        ends_well.then_some(Self(pieces))
    }

    /// Reads a `macro-string`, which need not be a name; for modifiers that nobody knows.
    pub(super) fn parse_text(text: &str) -> Option<Self> {
        pieces(text).map(Self)
    }

    /// Whether it holds `%{p}`, for which names must be looked up first.
    pub(super) fn needs_validated(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro(m) if m.letter == Letter::Validated))
    }

    /// The name, with each macro replaced by what `value` gives for it. Longer than a name may be, it
    /// loses labels on its left (§7.3).
    pub(super) fn expand<'v>(&self, value: impl Fn(Letter) -> std::borrow::Cow<'v, str>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Macro(m) => m.expand(&value(m.letter), &mut out),
            }
            if out.len() > MAX_EXPANDED {
                let mut at = out.len() - MAX_EXPANDED;
                while !out.is_char_boundary(at) {
                    at += 1;
                }
                out.drain(..at);
            }
        }
        let mut name = out.strip_suffix('.').unwrap_or(&out);
        while name.len() > MAX_NAME {
            match name.split_once('.') {
                Some((_, rest)) => name = rest,
                None => break,
            }
        }
        name.to_owned()
    }
}

impl Macro {
    fn expand(&self, value: &str, out: &mut String) {
        let delimiters: &[char] = if self.delimiters.is_empty() { &['.'] } else { &self.delimiters };
        let mut labels: Vec<&str> = value.split(delimiters).collect();
        if self.reversed {
            labels.reverse();
        }
        let skipped = self.keep.map_or(0, |keep| labels.len().saturating_sub(keep));
        let kept = labels.get(skipped..).unwrap_or_default().join(".");
        if !self.escaped {
            return out.push_str(&kept);
        }
        for byte in kept.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    out.push(char::from(byte))
                }
                other => out.push_str(&format!("%{other:02X}")),
            }
        }
    }
}

/// A `macro-string`.
fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' => match rest.next()? {
                '%' => plain.push('%'),
                '_' => plain.push(' '),
                '-' => plain.push_str("%20"),
                '{' => {
                    let (inside, after) = rest.as_str().split_once('}')?;
                    rest = after.chars();
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Macro(read(inside)?));
                }
                _ => return None,
            },
            '!'..='~' => plain.push(c),
            _ => return None,
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Some(pieces)
}

/// What stands between the braces: a letter, digits, `r`, delimiters.
fn read(inside: &str) -> Option<Macro> {
    let first = inside.chars().next()?;
    let letter = match first.to_ascii_lowercase() {
        's' => Letter::Sender,
        'l' => Letter::Local,
        'o' => Letter::SenderDomain,
        'd' => Letter::Domain,
        'i' => Letter::Address,
        'p' => Letter::Validated,
        'v' => Letter::Version,
        'h' => Letter::Helo,
        // c, r and t are for explanations alone.
        _ => return None,
    };
    let rest = inside.get(1..)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (digits, rest) = rest.split_at(digits);
    let keep = match digits {
        "" => None,
        // A number that no machine word holds keeps all labels.
        digits => Some(digits.parse().unwrap_or(usize::MAX)),
    };
    let reversed = rest.starts_with(['r', 'R']);
    let delimiters: Vec<char> = rest.get(usize::from(reversed)..)?.chars().collect();
    let well_formed = keep != Some(0) && delimiters.iter().all(|c| ".-+,/_=".contains(*c));
    well_formed.then_some(Macro { letter, escaped: first.is_ascii_uppercase(), keep, reversed, delimiters })
}

/// `toplabel`: letters and digits with at least one letter, or with hyphens inside.
fn is_top_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.is_empty()
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().any(|b| !b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(spec: &str) -> String {
        DomainSpec::parse(spec).unwrap().expand(|letter| {
            match letter {
                Letter::Sender => "strong-bad@email.example.com",
                Letter::Local => "strong-bad",
                Letter::SenderDomain | Letter::Domain => "email.example.com",
                Letter::Address => "192.0.2.3",
                Letter::Validated => "mx.example.org",
                Letter::Version => "in-addr",
                Letter::Helo => "helo.example.net",
            }
            .into()
        })
    }

    /// The examples of RFC 7208 §7.4.
    #[test]
    fn macros_expand_as_in_the_examples_of_the_rfc() {
        for (spec, name) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            ("%{S}.example", "strong-bad%40email.example.com.example"),
            ("a%%b%_c%-d.example.", "a%b c%20d.example"),
        ] {
            assert_eq!(expand(spec), name, "{spec}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_loses_labels_on_its_left() {
        let spec = DomainSpec::parse("%{l}.%{d}").unwrap();
        let local = ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(60)].join(".");
        let name = spec.expand(|letter| match letter {
            Letter::Local => local.clone().into(),
            _ => "example.com".into(),
        });
        assert_eq!(name, format!("{}.{}.{}.example.com", "b".repeat(60), "c".repeat(60), "d".repeat(60)));
    }
}
