//! One message, byte-exact: what DKIM hashes, what scanners read, what quarantine keeps.

use std::ops::Range;

use bytes::Bytes;

/// The raw message in CRLF form and where its header fields lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    raw: Bytes,
    fields: Vec<Field>,
    body: usize,
}

/// Where one header field lies in the raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, without colon.
    pub name: Range<u32>,
    /// Everything after the colon up to, not including, the final CRLF; leading space and folds kept.
    pub value: Range<u32>,
}

impl Message {
    /// From parts that the caller has laid out: `fields` in order, `body` the offset of the first
    /// byte after the empty line (or the length of `raw` where there is none).
    #[must_use]
    pub fn new(raw: Bytes, fields: Vec<Field>, body: usize) -> Self {
        let body = body.min(raw.len());
        Self { raw, fields, body }
    }

    /// All bytes.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The bytes before the body, the empty line included.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.raw.get(..self.body).unwrap_or_default()
    }

    /// The bytes after the empty line.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.raw.get(self.body..).unwrap_or_default()
    }

    /// The same header with another body.
    #[must_use]
    pub fn with_body(&self, body: &[u8]) -> Self {
        let raw = Bytes::from([self.header(), body].concat());
        Self { raw, fields: self.fields.clone(), body: self.body }
    }

    /// Offset of the body in [`Self::raw`].
    #[must_use]
    pub fn body_offset(&self) -> usize {
        self.body
    }

    /// How many header fields there are.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// Name and value bytes of each field, in order.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + ExactSizeIterator {
        self.fields.iter().map(|f| (self.slice(&f.name), self.slice(&f.value)))
    }

    /// The bytes of each field from its name up to, not including, the final CRLF, in order.
    pub fn whole_fields(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        self.fields.iter().map(|f| self.slice(&(f.name.start..f.value.end)))
    }

    /// Where each of [`Self::whole_fields`] lies in [`Self::raw`].
    pub fn field_ranges(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
        self.fields.iter().map(|f| f.name.start as usize..f.value.end as usize)
    }

    /// The values of all fields called `name` (any case, with or without white space before the colon, as
    /// MTAs compare), in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(n, _)| n.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, v)| v)
    }

    /// The first field called `name`, unfolded and trimmed, unknown bytes replaced.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<String> {
        self.values(name).next().map(unfold)
    }

    fn slice(&self, range: &Range<u32>) -> &[u8] {
        self.raw.get(range.start as usize..range.end as usize).unwrap_or_default()
    }
}

/// A field value on one line: line breaks taken out, outer white space trimmed (RFC 5322 §2.2.3).
#[must_use]
pub fn unfold(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut out = String::with_capacity(text.len());
    out.extend(text.chars().filter(|c| *c != '\r' && *c != '\n'));
    out.trim().to_owned()
}
