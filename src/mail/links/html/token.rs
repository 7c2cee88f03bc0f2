//! The tokens of a page, after the tokenizer of the WHATWG HTML standard (§13.2.5).
//!
//! What differs on purpose: the reader of the tokens decides what is raw text, since that depends on the
//! tree; a tag that the end of the page cuts off is given all the same; character references stay in place
//! until somebody wants the text. Each byte is looked at once, `memchr` does most of it.

use super::attribute::{self, Attribute};

/// Most `on…` attributes of one tag that are looked at.
const MAX_EVENTS: usize = 64;

/// A piece of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text with its character references.
    Text(&'a str),
    /// `<name …>`; the attributes are with whoever asked for the token.
    Start { name: &'a str, is_self_closing: bool },
    /// `</name …>`.
    End(&'a str),
    /// What stands between `<![CDATA[` and `]]>`, in SVG and MathML: text without references.
    Cdata(&'a str),
    /// What stands between `<!--` and `-->`.
    Comment(&'a str),
    /// `<!ENTITY …>`, in XML: a name for a text, which may be an address.
    Entity(&'a str),
    /// `<!DOCTYPE …>`, `<?…>`, `<![if …]>`.
    Other,
}

/// The attributes of one tag that somebody may ask for; of two with one name the first.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a> {
    list: Vec<(Attribute, &'a str)>,
    /// One bit for each that was there.
    present: u64,
    events: usize,
}

impl<'a> Attributes<'a> {
    fn clear(&mut self) {
        self.list.clear();
        self.present = 0;
        self.events = 0;
    }

    fn push(&mut self, name: &str, value: &'a str) {
        let Some(attribute) = attribute::of(name) else { return };
        if attribute == Attribute::Event {
            self.events += 1;
            if self.events <= MAX_EVENTS {
                self.list.push((attribute, value));
            }
            return;
        }
        let bit = 1 << (attribute as u32);
        if self.present & bit == 0 {
            self.present |= bit;
            self.list.push((attribute, value));
        }
    }

    /// The value as written, with its character references.
    pub(super) fn get(&self, attribute: Attribute) -> Option<&'a str> {
        if self.present & (1 << (attribute as u32)) == 0 {
            return None;
        }
        self.list.iter().find(|(known, _)| *known == attribute).map(|(_, value)| *value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Attribute, &'a str)> {
        self.list.iter().copied()
    }
}

/// Reads a page from its beginning to its end.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How far the page has been read, in bytes.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn slice(&self, begin: usize, end: usize) -> &'a str {
        self.text.get(begin..end).unwrap_or_default()
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.as_bytes().get(at..).unwrap_or_default()
    }

    /// The position of `needle` from `at` on, or the end.
    fn find(&self, needle: u8, at: usize) -> usize {
        memchr::memchr(needle, self.rest(at)).map_or(self.text.len(), |found| at + found)
    }

    /// The next token. `is_foreign`: the innermost open element is one of SVG or MathML.
    pub(super) fn next(&mut self, is_foreign: bool, attributes: &mut Attributes<'a>) -> Option<Token<'a>> {
        let begin = self.at;
        if begin >= self.text.len() {
            return None;
        }
        if self.byte(begin) != Some(b'<') {
            self.at = self.find(b'<', begin);
            return Some(Token::Text(self.slice(begin, self.at)));
        }
        match self.byte(begin + 1) {
            Some(b) if b.is_ascii_alphabetic() => {
                let (name, is_self_closing) = self.tag(begin + 1, attributes);
                Some(Token::Start { name, is_self_closing })
            }
            Some(b'/') => match self.byte(begin + 2) {
                Some(b) if b.is_ascii_alphabetic() => {
                    let (name, _) = self.tag(begin + 2, attributes);
                    Some(Token::End(name))
                }
                Some(_) => Some(self.until_greater(begin + 2)),
                None => Some(self.text_to(begin, begin + 2)),
            },
            Some(b'!') => Some(self.declaration(begin, is_foreign)),
            Some(b'?') => Some(self.until_greater(begin + 1)),
            _ => Some(self.text_to(begin, begin + 1)),
        }
    }

    fn text_to(&mut self, begin: usize, end: usize) -> Token<'a> {
        self.at = end;
        Token::Text(self.slice(begin, end))
    }

    fn until_greater(&mut self, from: usize) -> Token<'a> {
        self.at = (self.find(b'>', from) + 1).min(self.text.len());
        let inner = self.slice(from, self.at);
        if memchr::memmem::find(inner.as_bytes(), b"!ENTITY").is_some() || inner.starts_with("ENTITY") {
            Token::Entity(inner)
        } else {
            Token::Other
        }
    }

    fn declaration(&mut self, begin: usize, is_foreign: bool) -> Token<'a> {
        let rest = self.rest(begin);
        if rest.starts_with(b"<!--") {
            return self.comment(begin + 4);
        }
        if is_foreign && rest.starts_with(b"<![CDATA[") {
            let from = begin + 9;
            let end = memchr::memmem::find(self.rest(from), b"]]>").map_or(self.text.len(), |at| from + at);
            self.at = (end + 3).min(self.text.len());
            return Token::Cdata(self.slice(from, end));
        }
        self.until_greater(begin + 2)
    }

    /// §13.2.5.43 to 52.
    fn comment(&mut self, from: usize) -> Token<'a> {
        for short in [&b">"[..], b"->"] {
            if self.rest(from).starts_with(short) {
                self.at = from + short.len();
                return Token::Comment("");
            }
        }
        let mut at = from;
        loop {
            at = self.find(b'>', at);
            if at >= self.text.len() {
                self.at = at;
                return Token::Comment(self.slice(from, at));
            }
            let body = self.text.as_bytes().get(from..at).unwrap_or_default();
            let end = if body.ends_with(b"--") {
                2
            } else if body.ends_with(b"--!") {
                3
            } else {
                at += 1;
                continue;
            };
            self.at = at + 1;
            return Token::Comment(self.slice(from, at - end));
        }
    }

    /// A tag from its name on: §13.2.5.8, 13.2.5.32 to 40.
    fn tag(&mut self, begin: usize, attributes: &mut Attributes<'a>) -> (&'a str, bool) {
        attributes.clear();
        let len = self.text.len();
        let name_len =
            self.rest(begin).iter().take_while(|b| !is_space(**b) && !matches!(b, b'/' | b'>')).count();
        let mut at = begin + name_len;
        let name = self.slice(begin, at);
        loop {
            let mut slash = false;
            while let Some(b) = self.byte(at).filter(|b| is_space(*b) || *b == b'/') {
                slash = b == b'/';
                at += 1;
            }
            match self.byte(at) {
                None => {
                    self.at = len;
                    return (name, false);
                }
                Some(b'>') => {
                    self.at = at + 1;
                    return (name, slash);
                }
                Some(_) => {}
            }
            // A `=` in first place belongs to the name.
            let named = 1 + self
                .rest(at + 1)
                .iter()
                .take_while(|b| !is_space(**b) && !matches!(b, b'/' | b'>' | b'='))
                .count();
            let attribute = (at, at + named);
            at += named;
            let mut equals = at;
            while self.byte(equals).is_some_and(is_space) {
                equals += 1;
            }
            let value = if self.byte(equals) == Some(b'=') {
                at = equals + 1;
                self.value(&mut at)
            } else {
                ""
            };
            attributes.push(self.slice(attribute.0, attribute.1), value);
        }
    }

    /// The value behind a `=`; `at` goes behind it.
    fn value(&self, at: &mut usize) -> &'a str {
        while self.byte(*at).is_some_and(is_space) {
            *at += 1;
        }
        let begin = *at;
        match self.byte(begin) {
            Some(quote @ (b'"' | b'\'')) => {
                let end = self.find(quote, begin + 1);
                *at = (end + 1).min(self.text.len());
                self.slice(begin + 1, end)
            }
            Some(b'>') | None => "",
            Some(_) => {
                let len = self.rest(begin).iter().take_while(|b| !is_space(**b) && **b != b'>').count();
                *at = begin + len;
                self.slice(begin, *at)
            }
        }
    }

    /// The raw text up to the end tag of `name`, or to the end of the page; the end tag comes next.
    pub(super) fn raw_text(&mut self, name: &str) -> &'a str {
        let begin = self.at;
        self.at = self.end_tag(name, begin);
        self.slice(begin, self.at)
    }

    /// Where the next end tag of `name` begins, from `at` on.
    pub(super) fn end_tag(&self, name: &str, mut at: usize) -> usize {
        loop {
            at = self.find(b'<', at);
            if at >= self.text.len() || self.is_tag(at, "</", name) {
                return at;
            }
            at += 1;
        }
    }

    fn is_tag(&self, at: usize, open: &str, name: &str) -> bool {
        let Some(rest) = self.rest(at).strip_prefix(open.as_bytes()) else { return false };
        rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
            && rest.get(name.len()).is_some_and(|b| is_space(*b) || matches!(b, b'/' | b'>'))
    }

    /// The text of a script: a `<script>` in a comment in it has its own end tag (§13.2.5.15 to 31).
    pub(super) fn script(&mut self) -> &'a str {
        enum State {
            Plain,
            Escaped,
            Double,
        }
        let begin = self.at;
        let mut state = State::Plain;
        let mut at = begin;
        while let Some(found) = memchr::memchr2(b'<', b'-', self.rest(at)).map(|found| at + found) {
            at = found + 1;
            match state {
                _ if self.rest(found).starts_with(b"-->") => state = State::Plain,
                State::Plain if self.rest(found).starts_with(b"<!--") => {
                    state = State::Escaped;
                    // The dashes may be those of the end: `<!-->`.
                    at = found + 2;
                }
                State::Plain | State::Escaped if self.is_tag(found, "</", "script") => {
                    self.at = found;
                    return self.slice(begin, found);
                }
                State::Escaped if self.is_tag(found, "<", "script") => state = State::Double,
                State::Double if self.is_tag(found, "</", "script") => state = State::Escaped,
                _ => {}
            }
        }
        self.at = self.text.len();
        self.slice(begin, self.at)
    }
}

/// White space of the standard.
pub(super) const fn is_space(b: u8) -> bool {
    matches!(b, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}
