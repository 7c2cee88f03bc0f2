//! What the MIME walk found: the parts of a message, decoded.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::file_name::extension;

/// All parts of a message in order of appearance, nested messages included.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// The leaves and containers, depth first. `parts[i].index == i`.
    pub list: Vec<Part>,
    /// Why some of the message was *not inspected*; empty when all of it was.
    pub not_inspected: Vec<NotInspected>,
}

/// One MIME part.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Position in [`Parts::list`], counted from 0; people see `part N`, counted from 1.
    pub index: usize,
    /// The container, if any; or the file or text that it was found in: an attached mail, a `winmail.dat`,
    /// a text with a file in it, an Outlook message.
    pub parent: Option<usize>,
    /// 0 for the message's own part.
    pub depth: usize,
    /// Media type in lower case, `text/plain` where none is given (RFC 2045 §5.2).
    pub media_type: String,
    /// File name from Content-Disposition or Content-Type, decoded (RFC 2231, RFC 2047).
    pub name: Option<String>,
    /// Other names that some readers show instead, where the fields give several or one can be read in several ways.
    pub other_names: Vec<String>,
    /// `attachment` was asked for.
    pub is_attachment: bool,
    /// Flowed text whose lines are put together without the space at their end (RFC 3676 §4.1, `DelSp`).
    pub deletes_space: bool,
    /// A multipart or message container: its content is in its children.
    pub is_container: bool,
    /// A file that is a mail: what is in it follows as parts below it. Its own content is whole all the same.
    pub is_mail: bool,
    /// The decoded content: transfer encoding undone, text that is no file as UTF-8. Empty for
    /// multiparts, the header for a nested message, the raw bytes for a container that was not entered.
    pub content: Bytes,
    /// Where the body is that this part stands for (RFC 2046 §5.2.3); `None` for a part with a body of its own.
    pub external: Option<External>,
    /// What is wrong with it, in the field's words.
    pub defects: Vec<Defect>,
}

/// Where the body of a `message/external-body` is (RFC 2046 §5.2.3). Foreign text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// How it is fetched: `url`, `anon-ftp`, `local-file`, …; empty where it is not said.
    pub access_type: String,
    /// Its addresses, without white space (RFC 2017 §3).
    pub urls: Vec<String>,
}

impl Part {
    /// The part as people name it: `part 3` or `part 3 (invoice.zip)`. Safe text comes later, at the
    /// place where it is shown.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("part {} ({name})", self.index + 1),
            None => format!("part {}", self.index + 1),
        }
    }

    /// The name, and of the other ones those that have an extension that none before them has.
    pub fn names_by_extension(&self) -> impl Iterator<Item = &str> {
        let mut known = vec![Cow::Borrowed("")];
        let own = self.name.as_deref();
        known.extend(own.map(extension));
        let others = self.other_names.iter().map(String::as_str).filter(move |name| {
            let extension = extension(name);
            let is_new = !known.contains(&extension);
            if is_new {
                known.push(extension);
            }
            is_new
        });
        own.into_iter().chain(others)
    }

    /// A leaf that a person would save as a file: it has a name, was sent as an attachment, or is
    /// neither text nor a container.
    #[must_use]
    pub fn is_file(&self) -> bool {
        !self.is_container
            && (self.is_attachment || self.name.is_some() || !self.media_type.starts_with("text/"))
    }
}

/// An oddity of one part; evidence for policy, not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// The transfer encoding could not be undone cleanly.
    BadEncoding,
    /// A transfer encoding that is not known.
    UnknownEncoding,
    /// A multipart without a boundary parameter or without its delimiter in the body.
    MissingBoundary,
    /// The closing delimiter is missing.
    Unterminated,
    /// Readers differ on what this part is: fields contradict each other, or its delimiter is not exact.
    Ambiguous,
    /// Readers differ on what is in a container: it has several boundaries, or is a container to some only.
    Contradictory,
    /// In a container whose delimiters are not all there stand lines that are delimiters to nobody but look so.
    StrayDelimiter,
    /// A piece of a message that only the recipient puts together (RFC 2046 §5.2.2).
    Fragment,
    /// It holds something that is not opened here: a file in a form that is not undone, or a piece of one.
    Unopened,
}

/// A reason why a message, or some of it, was not looked at. Never the same as clean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotInspected {
    /// More header fields than the limit.
    TooManyFields,
    /// More lines that look like MIME delimiters than the limit on parts.
    TooManyParts,
    /// A field about the content that is longer, has more parameters or stands there more often than is read.
    TooManyParameters,
    /// Deeper nesting than the limit.
    TooDeep,
    /// More decoded bytes than the limit.
    TooLarge,
    /// Reading it took longer than the message's deadline.
    TooSlow,
    /// The MIME library could not make sense of it.
    Unparsable,
    /// A part's content could not be decoded (the part, counted from 1).
    Undecodable(usize),
    /// A part is a piece of a message whose other pieces are in other mail (the part, counted from 1).
    Fragment(usize),
}

impl NotInspected {
    /// The reason as it stands in coverage: `limit-parts`, `undecodable`, …
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::TooManyFields => "limit-fields",
            Self::TooManyParts => "limit-parts",
            Self::TooManyParameters => "limit-parameters",
            Self::TooDeep => "limit-depth",
            Self::TooLarge => "limit-size",
            Self::TooSlow => "limit-time",
            Self::Unparsable => "unparsable",
            Self::Undecodable(_) => "undecodable",
            Self::Fragment(_) => "fragment",
        }
    }
}

/// A file in a message, as records and `scan --json` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// File name, or empty.
    pub name: String,
    /// Names with another extension that it has for other programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// Media type as declared.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Decoded size in bytes.
    pub size: u64,
    /// SHA-256 of the decoded content, lower-case hex.
    pub sha256: String,
    /// Names from the outermost container to this file, shortened. `…` stands for containers that are left out.
    pub path: Vec<String>,
}
