//! The links and files of one message, in one buffer of text: written down and read back as they stand here.
//!
//! ```text
//!  0https://news.example/a?b=1 3http://evil.test/ f0e3b0c442…
//! ```
//!
//! Before each stands a space, which no normal form holds, then how strongly a feed knew it; before that of a
//! file, an `f`.

use crate::link::Link;

/// Bytes besides the text of a link or file.
const BESIDE: usize = 3;

/// Something that a feed may come to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing<'a> {
    /// A link in normal form, and how strongly a feed knew it.
    Link(&'a str, u8),
    /// The SHA-256 of a file in hex, and how strongly a feed knew it.
    File(&'a str, u8),
}

impl<'a> Thing<'a> {
    pub(super) const fn text(&self) -> &'a str {
        match self {
            Self::Link(text, _) | Self::File(text, _) => text,
        }
    }

    fn read(word: &'a str) -> Option<Self> {
        let (word, of): (_, fn(&'a str, u8) -> Self) = match word.strip_prefix('f') {
            Some(word) => (word, Self::File),
            None => (word, Self::Link),
        };
        let known = word.bytes().next().filter(u8::is_ascii_digit)?;
        Some(of(word.get(1..).filter(|text| !text.is_empty())?, known - b'0'))
    }
}

/// All of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Things(String);

impl Things {
    /// Empty, with room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// What was written down; `None`: it cannot have been that.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let is_whole =
            words.next().is_some_and(str::is_empty) && words.all(|word| Thing::read(word).is_some());
        (is_whole || text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// Appends a link in normal form, or the beginning of one.
    pub(super) fn push_link(&mut self, link: &str, known: u8) {
        self.push("", link, known);
    }

    /// Appends the SHA-256 of a file in hex.
    pub(super) fn push_file(&mut self, sha256: &str, known: u8) {
        self.push("f", sha256, known);
    }

    fn push(&mut self, mark: &str, text: &str, known: u8) {
        // Neither normal form nor hex holds one. A line that breaks in two would cost the message.
        if text.is_empty() || memchr::memchr2(b' ', b'\n', text.as_bytes()).is_some() {
            return;
        }
        self.0.push(' ');
        self.0.push_str(mark);
        self.0.push(char::from(b'0' + known.min(9)));
        self.0.push_str(text);
    }

    /// In their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Thing<'_>> {
        self.0.split(' ').filter_map(Thing::read)
    }

    /// As it is written down.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of memory, and on disk.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    /// Bytes that a link or file takes, nearly.
    pub(super) const fn cost(text: &str) -> usize {
        text.len() + BESIDE
    }
}

/// `scheme://host[:port]/path`.
pub(super) fn without_query(link: &Link) -> &str {
    let query = link.exact().len() - link.host_and_path().len();
    let text = link.as_str();
    text.get(..text.len() - query).unwrap_or(text)
}

/// `scheme://host[:port]/`.
pub(super) fn front_page(link: &Link) -> &str {
    let page = without_query(link);
    page.get(..page.len() - link.path().len() + 1).unwrap_or(page)
}
