//! The walk: what the pre-scan found, decoded.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::head::is_message;
use super::inside::{self, File, Files, Inside};
use super::limits::Limits;
use super::prescan::{self, Budget, Found, Kind, Outline};
use super::transfer::{self, Decoded, Encoding};
use super::{charset, header};
use crate::model::part::{Defect, NotInspected};
use crate::model::{Message, Part, Parts};

/// Takes a message apart. Does not fail: what could not be looked at is in
/// [`Parts::not_inspected`].
///
/// A message of one part is one part; so is an empty one. Text that people read (no file name, not an
/// attachment) becomes UTF-8. Files keep their bytes, so that hashes and signatures hold, also where they
/// are declared as text. A nested message's own part holds its header; a container that lies too deep to
/// be entered holds its raw bytes. What lies in a file or text without being a part of its own by MIME stands
/// behind it, as parts below it: an attached mail, files in a text, the files of a `winmail.dat` or a `.msg`.
#[must_use]
pub fn walk(message: &Message, limits: &Limits) -> Parts {
    // No panic is known. Should a charset decoder have one, the message is not inspected rather than lost.
    catch_unwind(AssertUnwindSafe(|| {
        let mut walk = Walk::new(limits, message.raw().len());
        let outline = prescan::message(message, &mut walk.budget);
        walk.decode(message.raw(), outline, None);
        walk.parts
    }))
    .unwrap_or_else(|_| Parts { list: Vec::new(), not_inspected: vec![NotInspected::Unparsable] })
}

struct Walk {
    budget: Budget,
    /// Bytes of content that may still be decoded.
    left: usize,
    has_stopped: bool,
    parts: Parts,
}

impl Walk {
    fn new(limits: &Limits, raw: usize) -> Self {
        Self {
            budget: Budget::new(limits),
            left: limits.decoded(raw),
            has_stopped: false,
            parts: Parts::default(),
        }
    }

    /// Decodes the parts of one outline, which lie in `data`. `above` is the message they are nested in.
    fn decode(&mut self, data: &Bytes, outline: Outline, above: Option<usize>) {
        // Positions in the outline against positions in the list: nested messages come in between.
        let mut positions: Vec<usize> = Vec::with_capacity(outline.found.len());
        self.parts.list.reserve(outline.found.len());
        for found in outline.found {
            if self.has_stopped {
                break;
            }
            positions.push(self.parts.list.len());
            let parent = found.parent.and_then(|p| positions.get(p).copied()).or(above);
            self.part(data, found, parent);
        }
        outline.not_inspected.into_iter().for_each(|reason| self.note(reason));
    }

    fn part(&mut self, data: &Bytes, found: Found, parent: Option<usize>) {
        let Found { depth, kind, mut head, body, .. } = found;
        let index = self.parts.list.len();
        let mut names = std::mem::take(&mut head.names);
        names.extend(self.names_for(parent));
        let mut names = names.into_iter();
        let mut part = Part {
            index,
            parent,
            depth: usize::try_from(depth).unwrap_or(usize::MAX),
            media_type: std::mem::take(&mut head.media_type),
            name: names.next(),
            other_names: names.collect(),
            is_attachment: head.is_attachment,
            deletes_space: head.deletes_space,
            is_container: kind != Kind::Leaf,
            is_mail: false,
            content: Bytes::new(),
            external: head.external.take(),
            defects: std::mem::take(&mut head.defects),
        };
        if part.defects.contains(&Defect::Fragment) {
            self.note(NotInspected::Fragment(index + 1));
        }
        let is_raw = matches!(kind, Kind::Container | Kind::TooDeep);
        let encoding = if is_raw { Encoding::Identity } else { head.encoding };
        let mut content = self.content(data, &body, encoding, &mut part);
        // An encoded multipart is against the rules (RFC 2045 §6.4). Its delimiters were looked for as it
        // stands; a reader that decodes it first would see other parts.
        if part.defects.contains(&Defect::MissingBoundary) && head.encoding != Encoding::Identity {
            self.note(NotInspected::Undecodable(index + 1));
        }
        // Some of what stands in a text is in no charset.
        let raw = content.clone();
        if kind == Kind::Leaf && part.media_type.starts_with("text/") && !part.is_file() {
            if charset::is_unreadable(&content, head.charset.as_deref()) {
                self.note(NotInspected::Undecodable(index + 1));
            }
            content = charset::utf8(content, head.charset.as_deref());
        }
        if !self.may_keep(content.len()) {
            return;
        }
        if kind == Kind::EncodedMessage {
            self.parts.list.push(part);
            self.encoded_message(&content, index, depth);
        } else {
            part.content = content;
            self.parts.list.push(part);
            if kind == Kind::Leaf {
                self.look_inside(index, depth, &raw);
            }
        }
    }

    /// What the body is called that a container stands for: for some programs that is the name of the file.
    fn names_for(&self, parent: Option<usize>) -> Vec<String> {
        let container = parent.and_then(|p| self.parts.list.get(p)).filter(|part| part.external.is_some());
        container.iter().flat_map(|part| part.name.iter().chain(&part.other_names)).cloned().collect()
    }

    /// Whether there is room for so many bytes more.
    fn may_keep(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                self.has_stopped = true;
                self.note(NotInspected::TooLarge);
            }
        }
        !self.has_stopped
    }

    /// Finds what lies in a leaf without being a part of its own. `raw` is its content before a charset was undone.
    fn look_inside(&mut self, index: usize, depth: u32, raw: &Bytes) {
        let Some(part) = self.parts.list.get(index) else { return };
        let content = part.content.clone();
        let inside = inside::look(part, raw, self.budget.parts_left(), self.left);
        let depth = depth.saturating_add(1);
        match inside {
            Inside::Nothing => {}
            // A kind that is known, and no file in it.
            Inside::Files(files) if files.list.is_empty() => self.files(files, index, depth),
            _ if !self.budget.allows(depth) => self.note(NotInspected::TooDeep),
            Inside::Message { start } => {
                let content = content.slice(start..);
                if let Some(part) = self.parts.list.get_mut(index) {
                    part.is_mail = true;
                }
                let (outline, _) = prescan::embedded(&content, depth, &mut self.budget);
                self.decode(&content, outline, Some(index));
            }
            Inside::Files(files) => self.files(files, index, depth),
        }
    }

    fn files(&mut self, files: Files, parent: usize, depth: u32) {
        if files.is_unopened
            && let Some(part) = self.parts.list.get_mut(parent)
        {
            part.defects.push(Defect::Unopened);
        }
        if files.is_broken {
            self.note(NotInspected::Undecodable(parent + 1));
        }
        for file in files.list {
            if self.has_stopped {
                return;
            }
            self.file(file, parent, depth);
        }
        if files.is_cut {
            self.note(NotInspected::TooManyParts);
        }
    }

    fn file(&mut self, file: File, parent: usize, depth: u32) {
        if !self.budget.take_part() {
            self.has_stopped = true;
            self.note(NotInspected::TooManyParts);
            return;
        }
        if !self.may_keep(file.content.len()) {
            return;
        }
        let index = self.parts.list.len();
        let mut names = file.names.into_iter();
        let is_container = is_message(&file.media_type);
        let content = file.content.clone();
        self.parts.list.push(Part {
            index,
            parent: Some(parent),
            depth: usize::try_from(depth).unwrap_or(usize::MAX),
            media_type: file.media_type,
            name: names.next(),
            other_names: names.collect(),
            is_attachment: file.is_attachment,
            is_container,
            content: if is_container { Bytes::new() } else { file.content },
            defects: file.is_damaged.then_some(Defect::BadEncoding).into_iter().collect(),
            ..Part::default()
        });
        if is_container {
            self.encoded_message(&content, index, depth);
        } else {
            self.look_inside(index, depth, &content);
        }
    }

    /// The content of a part, its transfer encoding undone. Not copied where there is none.
    fn content(&mut self, data: &Bytes, body: &Range<usize>, encoding: Encoding, part: &mut Part) -> Bytes {
        let raw = data.slice(body.start.min(data.len())..body.end.min(data.len()));
        let decoded = match encoding {
            Encoding::Identity => return raw,
            Encoding::Base64 => transfer::base64(&raw),
            Encoding::QuotedPrintable => transfer::quoted_printable(&raw),
            Encoding::Uuencode => transfer::uuencode(&raw),
            Encoding::Unknown => {
                part.defects.push(Defect::UnknownEncoding);
                self.note(NotInspected::Undecodable(part.index + 1));
                return raw;
            }
        };
        let Decoded { bytes, is_bad, is_other } = decoded;
        if is_bad {
            part.defects.push(Defect::BadEncoding);
        }
        // Text and mail that only claim to be encoded are of use to a reader only as they stand.
        let is_shown_raw = is_other && (part.is_container || part.media_type.starts_with("text/"));
        if is_other && !super::lines::is_blank(&raw) {
            self.note(NotInspected::Undecodable(part.index + 1));
        }
        if is_shown_raw { raw } else { Bytes::from(bytes) }
    }

    /// Reads a nested message that was encoded for transfer.
    fn encoded_message(&mut self, content: &Bytes, index: usize, depth: u32) {
        let depth = depth.saturating_add(1);
        if !self.budget.allows(depth) {
            self.note(NotInspected::TooDeep);
            if let Some(part) = self.parts.list.get_mut(index) {
                part.content = content.clone();
            }
            return;
        }
        let (outline, header) = prescan::embedded(content, depth, &mut self.budget);
        if let Some(part) = self.parts.list.get_mut(index) {
            part.content = content.slice(header);
        }
        self.decode(content, outline, Some(index));
    }

    fn note(&mut self, reason: NotInspected) {
        if !self.parts.not_inspected.contains(&reason) {
            self.parts.not_inspected.push(reason);
        }
    }
}

/// How much of a nested header is read for its subject, in bytes.
const MAX_HEADER_FOR_SUBJECT: usize = 64 * 1024;

/// The subject of a nested message, from its part's content.
pub(super) fn subject(part: &Part) -> Option<String> {
    // A header may have megabytes; a subject that stands so far down is not worth them.
    let header = part.content.slice(..part.content.len().min(MAX_HEADER_FOR_SUBJECT));
    let message = header::parse(header);
    let subject = message.values("subject").next().map(header::decode_words)?;
    (!subject.is_empty()).then_some(subject)
}
