//! Lists of `tag=value;`, as signatures and keys are written (RFC 6376 §3.2).

use std::ops::Range;

/// The most tags of one list. RFC 6376 and its additions know 17.
const MAX_TAGS: usize = 100;

/// The tags of one list, in order.
#[derive(Debug)]
pub(in super::super) struct Tags<'a> {
    text: &'a [u8],
    /// Name, and where everything between `=` and `;` lies.
    list: Vec<(&'a [u8], Range<usize>)>,
}

/// Why something is no list of tags.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum TagError {
    #[error("something in it is no tag=value")]
    NoTag,
    #[error("it has the tag {0}= twice")]
    Twice(String),
    #[error("it has control characters")]
    Control,
    #[error("it has more than {MAX_TAGS} tags")]
    TooMany,
}

/// FWS (RFC 6376 §2.8): the line breaks of folds count as the white space that they precede.
pub(in super::super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without white space at either end.
pub(in super::super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

impl<'a> Tags<'a> {
    /// Reads a list. Names are compared in their case; a name that stands there twice makes the whole list
    /// invalid. Nothing between two semicolons is passed over: people publish keys like that.
    pub(in super::super) fn parse(text: &'a [u8]) -> Result<Self, TagError> {
        if text.iter().any(|b| b.is_ascii_control() && !is_space(*b)) {
            return Err(TagError::Control);
        }
        let mut list: Vec<(&[u8], Range<usize>)> = Vec::with_capacity(12);
        let mut start = 0;
        while start < text.len() {
            let rest = text.get(start..).unwrap_or_default();
            let end = memchr::memchr(b';', rest).map_or(text.len(), |n| start + n);
            let spec = text.get(start..end).unwrap_or_default();
            if !trim(spec).is_empty() {
                let equals = memchr::memchr(b'=', spec).ok_or(TagError::NoTag)?;
                let name = trim(spec.get(..equals).unwrap_or_default());
                if !is_name(name) {
                    return Err(TagError::NoTag);
                }
                if list.iter().any(|(other, _)| *other == name) {
                    return Err(TagError::Twice(String::from_utf8_lossy(name).chars().take(20).collect()));
                }
                if list.len() == MAX_TAGS {
                    return Err(TagError::TooMany);
                }
                list.push((name, start + equals + 1..end));
            }
            start = end + 1;
        }
        Ok(Self { text, list })
    }

    /// The value of a tag, without the white space around it.
    pub(in super::super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.range(name).map(|range| trim(self.text.get(range).unwrap_or_default()))
    }

    /// Where the value of a tag lies, the white space around it included.
    pub(in super::super) fn range(&self, name: &str) -> Option<Range<usize>> {
        self.list.iter().find(|(n, _)| *n == name.as_bytes()).map(|(_, range)| range.clone())
    }
}

/// `ALPHA *(ALPHA / DIGIT / "_")`.
fn is_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> TagError {
        Tags::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_tag_is_found_with_white_space_taken_off_and_its_place_is_known() {
        let text = b" v=1;\r\n\ta = x ;; b=\r\n ab\r\n cd ; n=a=b;";
        let tags = Tags::parse(text).unwrap();
        assert_eq!(tags.get("v"), Some(&b"1"[..]));
        assert_eq!(tags.get("a"), Some(&b"x"[..]));
        assert_eq!(tags.get("b"), Some(&b"ab\r\n cd"[..]));
        assert_eq!(&text[tags.range("b").unwrap()], b"\r\n ab\r\n cd ");
        assert_eq!(tags.get("n"), Some(&b"a=b"[..]));
        assert_eq!(tags.get("A"), None);
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        assert_eq!(error("v=1; t"), TagError::NoTag);
        assert_eq!(error("v=1; =x"), TagError::NoTag);
        assert_eq!(error("v=1; 1a=x"), TagError::NoTag);
        assert_eq!(error("v=1; a b=x"), TagError::NoTag);
        assert_eq!(error("v=1; d=a; s=x; d=b"), TagError::Twice("d".into()));
        assert_eq!(error("v=1; d=a\0.example"), TagError::Control);
        let many: String = (0..101).map(|n| format!("a{n}=;")).collect();
        assert_eq!(error(&many), TagError::TooMany);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(tags) = Tags::parse(&text) {
                for (_, range) in &tags.list {
                    prop_assert!(text.get(range.clone()).is_some());
                }
            }
        }
    }
}
