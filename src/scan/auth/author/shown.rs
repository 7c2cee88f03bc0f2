//! Every domain that any program could take or show as the author's, of a field that breaks the grammar.
//!
//! There is no telling what a program makes of such a field, so nothing of it is thought to be hidden:
//! neither what stands in quotation marks, nor in comments, nor in encoded words. Where two programs could
//! read on to different ends – over white space, comments, control characters – both are taken.

use super::{MAX_DOMAINS, a_label, words};

/// No more of a field is read.
const MAX_FIELD: usize = 64 * 1024;
/// What is longer is no domain, and is not looked at closer.
const MAX_RUN: usize = 1000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The domains in the order of the text, [`MAX_DOMAINS`] at most.
    pub(super) domains: Vec<String>,
    /// There may be others: too many, or some text could not be read.
    pub(super) in_part: bool,
}

/// How far a domain is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the first character that no name has.
    Plain,
    /// Over what some programs do not see: control characters, quotation marks, white space beside a dot.
    Tolerant,
    /// Over all white space as well.
    Joined,
}

impl Shown {
    /// Adds a domain that is not there yet.
    pub(super) fn add(&mut self, domain: String) {
        if self.domains.contains(&domain) {
            return;
        }
        if self.domains.len() == MAX_DOMAINS {
            self.in_part = true;
            return;
        }
        self.domains.push(domain);
    }

    /// Adds what the value of a field could show. Takes as long as reading it a few times.
    pub(super) fn read(&mut self, value: &[u8]) {
        let cut = value.get(..MAX_FIELD).unwrap_or(value);
        self.in_part |= cut.len() < value.len();
        let mut texts = vec![text(cut)];
        if std::str::from_utf8(cut).is_err() {
            // Some leave out what they cannot read.
            texts.push(cut.iter().filter(|b| b.is_ascii()).map(|b| char::from(*b)).collect());
        }
        let before = self.domains.len();
        for text in &texts {
            self.variants(text);
            if text.contains("=?") {
                let (decoded, whole) = words::decoded(text);
                self.in_part |= !whole;
                self.variants(&decoded);
            }
        }
        // `root` and `a@localhost` show nobody's domain; `a@-bank.example` may show one to somebody.
        if self.domains.len() == before {
            self.in_part |= texts.iter().any(|text| may_show_a_domain(text));
        }
    }

    /// With its comments, and without.
    fn variants(&mut self, text: &str) {
        self.addresses(text);
        if text.contains('(') {
            self.addresses(&without_comments(text, true));
            self.addresses(&without_comments(text, false));
        }
    }

    fn addresses(&mut self, text: &str) {
        let chars: Vec<char> = text.chars().collect();
        let mut in_angle = !chars.contains(&'<');
        for (i, c) in chars.iter().enumerate() {
            match c {
                '<' => in_angle = true,
                '>' => in_angle = false,
                // The last two are shown like the first.
                '@' | '\u{ff20}' | '\u{fe6b}' => {
                    let after = chars.get(i + 1..).unwrap_or_default();
                    let reaches = [Reach::Plain, Reach::Tolerant, Reach::Joined];
                    for reach in reaches.into_iter().filter(|r| in_angle || *r != Reach::Joined) {
                        if let Some(domain) = domain(after, reach) {
                            self.add(domain);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether a letter and a dot stand behind an `@`.
fn may_show_a_domain(text: &str) -> bool {
    let behind = text.split_once(['@', '\u{ff20}', '\u{fe6b}']).map_or("", |(_, rest)| rest);
    behind.contains(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']) && behind.contains(char::is_alphabetic)
}

/// Bytes as text: UTF-8, else the charset in which every byte is a character.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

/// The domain with which `after`, the text behind an `@`, begins. It ends before the next `@` at the latest.
fn domain(after: &[char], reach: Reach) -> Option<String> {
    let mut name = String::new();
    let mut gap = false;
    let passed_over =
        |c: &&char| c.is_whitespace() || c.is_control() || matches!(c, '(' | '[' | '"' | '\\' | '.');
    for c in after.iter().skip_while(passed_over) {
        match c {
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => {
                if !name.ends_with('.') {
                    name.push('.');
                }
                gap = false;
            }
            _ if reach == Reach::Plain && !is_of_name(*c) => break,
            c if c.is_whitespace() => gap = reach == Reach::Tolerant,
            c if c.is_control() || matches!(c, '"' | '\\') => {}
            c if c.is_ascii() && !is_of_name(*c) => break,
            _ if gap && !name.ends_with('.') => break,
            c => {
                gap = false;
                name.push(*c);
            }
        }
        if name.len() > MAX_RUN {
            return None;
        }
    }
    let name = a_label(name.trim_end_matches('.'))?;
    let is_number = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    // An address of a host is no domain.
    (!name.rsplit('.').next().is_some_and(is_number)).then_some(name)
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

/// The text without its comments, those in quotation marks left or not; one that does not end goes on to
/// the end.
fn without_comments(text: &str, knows_quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut quoted) = (0_usize, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let next = chars.next();
                if depth == 0 {
                    out.push(c);
                    out.extend(next);
                }
            }
            '"' if depth == 0 && knows_quotes => {
                quoted = !quoted;
                out.push(c);
            }
            '(' if !quoted => depth += 1,
            ')' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}
