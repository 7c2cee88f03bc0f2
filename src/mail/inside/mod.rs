//! What lies in a file or a text without being a part of its own by MIME.
//!
//! **Contract.** [`look`] takes a decoded leaf and says what programs find in it that open it: a mail that is attached
//! under another type, files that stand in a text (uuencode, yEnc, BinHex), the texts and files of a `winmail.dat` (TNEF)
//! and of a message of Outlook's (`.msg`), what is signed together with its signature (S/MIME). It reads no further than
//! that: what is found is looked into by whoever asked.
//!
//! Linear in the content and in what is unpacked. At most `most` files are given, and no more than `room` bytes are unpacked; content that
//! needs no unpacking is a slice.
//!
//! **Failures.** What could not be read to its end is told by [`Files::is_broken`], what there is too much of by
//! [`Files::is_cut`].

mod binhex;
mod cms;
mod message;
mod outlook;
mod rtf;
mod text;
mod tnef;
mod yenc;

use bytes::Bytes;

use crate::model::Part;

/// What lies in a leaf.
#[derive(Debug)]
pub(super) enum Inside {
    /// Nothing that is known here.
    Nothing,
    /// It is a message from `start` on.
    Message { start: usize },
    /// Files and texts.
    Files(Files),
}

/// Files and texts that were found.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// In order.
    pub(super) list: Vec<File>,
    /// There are more of them than are asked for.
    pub(super) is_cut: bool,
    /// It is of a kind that is known, and could not be read to its end.
    pub(super) is_broken: bool,
    /// There is something in it that is not opened: a file in a form that is not undone, or a piece of one.
    pub(super) is_unopened: bool,
}

/// A file or text within another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct File {
    /// The one that most programs show first.
    pub(super) names: Vec<String>,
    /// In lower case.
    pub(super) media_type: String,
    /// Whether a person sees a file, and not the text of a mail.
    pub(super) is_attachment: bool,
    pub(super) content: Bytes,
    /// It breaks off, or what it is encoded in was not clean.
    pub(super) is_damaged: bool,
}

/// The type of a file of which only the name is known.
const FILE: &str = "application/octet-stream";

/// Looks into a leaf. `raw` is its content before a charset was undone.
pub(super) fn look(part: &Part, raw: &Bytes, most: usize, room: usize) -> Inside {
    if tnef::is_tnef(part) {
        return Inside::Files(tnef::read(&part.content, most, room));
    }
    let is_cms = cms::is_cms(part);
    if is_cms && let Some(files) = cms::read(part, room) {
        return Inside::Files(files);
    }
    if let Some(files) = outlook::read(part, most, room) {
        return Inside::Files(files);
    }
    // Outlook saves what is signed beside its signature as it stood in the mail, under the name of S/MIME.
    let signed = || message::begin(&part.content).filter(|_| is_cms);
    if let Some(start) = message::start(part).or_else(signed) {
        return Inside::Message { start };
    }
    match text::read(part, raw, most, room) {
        files if files.list.is_empty() && !files.is_unopened && !files.is_cut => Inside::Nothing,
        files => Inside::Files(files),
    }
}
