//! `winmail.dat`: what Outlook wraps a mail in for Outlook ([MS-OXTNEF]).
//!
//! A signature, then attributes one behind the other: level, id, length, data, checksum (§2.1.3). Attachments begin
//! with attAttachRendData; their names and contents stand in attributes of their own, or as MAPI properties in
//! attAttachment (§2.1.3.4). The text of the mail is there too, and is what its recipient sees.

use bytes::Bytes;

use super::{FILE, File, Files, rtf};
use crate::mail::charset;
use crate::mail::head::names_of;
use crate::model::Part;

/// 0x223E9F78, least significant byte first (§2.1.3.1).
const SIGNATURE: &[u8] = b"\x78\x9f\x3e\x22";
/// The signature and a key that says nothing.
const HEAD: usize = 6;

/// Ids of attributes (§2.1.3.2, §2.1.3.3).
const BODY: u32 = 0x0002_800c;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
const REND_DATA: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
const TRANSPORT_NAME: u32 = 0x0006_9001;
const ATTACHMENT_PROPERTIES: u32 = 0x0006_9005;

/// The interface of a message that is an object ([MS-OXTNEF] §2.1.3.4): IID_IMessage. What follows is TNEF again.
const MESSAGE: &[u8] = &[0x07, 0x03, 2, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
const TYPE: &str = "application/ms-tnef";

/// Whether a part is called so or begins so.
pub(super) fn is_tnef(part: &Part) -> bool {
    matches!(part.media_type.as_str(), TYPE | "application/vnd.ms-tnef") && !part.content.is_empty()
        || part.content.starts_with(SIGNATURE)
}

/// The texts and files in it, `most` at most; texts are unpacked to `room` bytes together.
pub(super) fn read(content: &Bytes, most: usize, room: usize) -> Files {
    let mut reader = Reader { files: Files::default(), most, room, attachment: None };
    if content.starts_with(SIGNATURE) {
        reader.attributes(content);
        reader.end_attachment();
    } else {
        reader.files.is_broken = true;
    }
    reader.files
}

/// An attachment whose attributes are being read.
#[derive(Debug, Default)]
struct Attachment {
    long_name: Option<String>,
    name: Option<String>,
    other_name: Option<String>,
    media_type: Option<String>,
    contents: Vec<(Bytes, &'static str)>,
}

struct Reader {
    files: Files,
    most: usize,
    room: usize,
    attachment: Option<Attachment>,
}

impl Reader {
    fn attributes(&mut self, content: &Bytes) {
        let mut rest = content.slice(HEAD.min(content.len())..);
        while !rest.is_empty() && !self.files.is_cut {
            // What a gateway put behind it: line breaks, padding.
            if rest.iter().all(|c| matches!(c, 0 | b'\r' | b'\n' | b' ')) {
                return;
            }
            let level = rest.first().copied().unwrap_or_default();
            let head = number(&rest, 1).zip(number(&rest, 5));
            let Some((id, length)) = head.filter(|_| matches!(level, 1 | 2)) else {
                self.files.is_broken = true;
                return;
            };
            let begin = 9;
            let end = begin + usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            // Two bytes of checksum follow; a file is shown whatever they are.
            let is_whole = end + 2 <= rest.len();
            let data = rest.slice(begin.min(rest.len())..end.min(rest.len()));
            self.files.is_broken |= !is_whole;
            self.attribute(level, id, data);
            rest = rest.slice((end + 2).min(rest.len())..);
        }
    }

    fn attribute(&mut self, level: u8, id: u32, data: Bytes) {
        if id == REND_DATA {
            self.end_attachment();
            self.attachment = Some(Attachment::default());
            return;
        }
        if level == 1 {
            match id {
                BODY => self.text(charset::utf8(until_nul(data), None), "text/plain"),
                MESSAGE_PROPERTIES => self.message_properties(&data),
                _ => {}
            }
            return;
        }
        let attachment = self.attachment.get_or_insert_default();
        match id {
            TITLE => attachment.name = Some(narrow(&data)),
            TRANSPORT_NAME => attachment.other_name = Some(narrow(&data)),
            DATA => attachment.contents.push((data, FILE)),
            ATTACHMENT_PROPERTIES => {
                let is_whole = properties(&data, |property| attachment.property(&property));
                self.files.is_broken |= !is_whole;
            }
            _ => {}
        }
    }

    /// The text of the mail in its several forms.
    fn message_properties(&mut self, data: &Bytes) {
        let mut texts: Vec<(Bytes, &'static str)> = Vec::new();
        let mut is_readable = true;
        let mut room = self.room;
        let is_whole = properties(data, |Property { id, kind, value }| match (id, kind) {
            (0x1000, STRING) => texts.push((charset::utf8(until_nul(value), None), "text/plain")),
            (0x1000, WIDE) => texts.push((wide(&value).into(), "text/plain")),
            (0x1013, BINARY | STRING) => texts.push((charset::utf8(value, None), "text/html")),
            (0x1013, WIDE) => texts.push((wide(&value).into(), "text/html")),
            (0x1009, BINARY) if !value.is_empty() => match rtf::unpacked(&value, room) {
                Some(unpacked) => {
                    room = room.saturating_sub(unpacked.len());
                    texts.push((unpacked.into(), "text/rtf"));
                }
                None => is_readable = false,
            },
            _ => {}
        });
        self.room = room;
        self.files.is_broken |= !(is_whole && is_readable);
        for (text, media_type) in texts {
            self.text(text, media_type);
        }
    }

    fn text(&mut self, content: Bytes, media_type: &str) {
        if !content.is_empty() {
            self.keep(File { media_type: media_type.to_owned(), content, ..File::default() });
        }
    }

    fn end_attachment(&mut self) {
        let Some(attachment) = self.attachment.take() else { return };
        let Attachment { long_name, name, other_name, media_type, mut contents } = attachment;
        let names = names_of([long_name, name, other_name].into_iter().flatten());
        if contents.is_empty() {
            // A name is judged even where nothing is left of the file.
            contents.push((Bytes::new(), FILE));
        }
        contents.dedup();
        for (content, known) in contents {
            let said = media_type.clone().filter(|_| known == FILE);
            let media_type = said.unwrap_or_else(|| known.to_owned());
            let names = names.clone();
            self.keep(File { names, media_type, is_attachment: true, content, is_damaged: false });
        }
    }

    fn keep(&mut self, file: File) {
        if self.files.list.len() < self.most {
            self.files.list.push(file);
        } else {
            self.files.is_cut = true;
        }
    }
}

/// Contents of one attachment: one is usual, and no program shows more than a few.
pub(super) const MOST_CONTENTS: usize = 4;

impl Attachment {
    fn property(&mut self, Property { id, kind, value }: &Property) {
        let text = || match *kind {
            STRING => Some(narrow(value)),
            WIDE => Some(wide(value)),
            _ => None,
        };
        match (*id, *kind) {
            (0x3707, _) => self.long_name = text().or(self.long_name.take()),
            (0x3704 | 0x3001, _) => self.other_name = text().or(self.other_name.take()),
            (0x370e, _) => self.media_type = text().and_then(usable_type).or(self.media_type.take()),
            (0x3701, OBJECT | BINARY) if self.contents.len() < MOST_CONTENTS => {
                let is_object = *kind == OBJECT && value.len() >= MESSAGE.len();
                let known = if is_object && value.starts_with(MESSAGE) { TYPE } else { FILE };
                let start = if is_object { MESSAGE.len() } else { 0 };
                self.contents.push((value.slice(start..), known));
            }
            _ => {}
        }
    }
}

/// A media type that is one. Containers stay files: there are no fields that say what is in them.
pub(super) fn usable_type(text: String) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let is_token =
        |t: &str| !t.is_empty() && t.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c));
    let (top, sub) = text.split_once('/')?;
    let is_usable =
        text.len() <= 255 && is_token(top) && is_token(sub) && !matches!(top, "multipart" | "message");
    is_usable.then_some(text)
}

/// Types of properties ([MS-OXCDATA] §2.11.1).
const STRING: u16 = 0x001e;
const WIDE: u16 = 0x001f;
const OBJECT: u16 = 0x000d;
const BINARY: u16 = 0x0102;
/// Several values of a type.
const SEVERAL: u16 = 0x1000;

struct Property {
    id: u16,
    kind: u16,
    value: Bytes,
}

/// Gives each property to `each` ([MS-OXTNEF] §2.1.3.4). `false` if they cannot be read to their end.
fn properties(data: &Bytes, mut each: impl FnMut(Property)) -> bool {
    let mut at = Cursor { data, pos: 0 };
    let Some(count) = at.number() else { return false };
    for _ in 0..count {
        let Some((kind, id)) = at.short().zip(at.short()) else { return false };
        if id >= 0x8000 && at.name().is_none() {
            return false;
        }
        let size = match kind & !SEVERAL {
            0x0000 | 0x0001 => Some(0),
            0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => Some(4),
            0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
            0x0048 => Some(16),
            STRING | WIDE | OBJECT | BINARY => None,
            _ => return false,
        };
        let values = if kind & SEVERAL != 0 || size.is_none() { at.number() } else { Some(1) };
        let Some(values) = values else { return false };
        for _ in 0..values {
            let value = match size {
                // So many that take no room would only take time.
                Some(0) => break,
                Some(size) => at.take(size),
                None => at.number().and_then(|size| at.padded(size)),
            };
            let Some(value) = value else { return false };
            if size.is_none() {
                each(Property { id, kind: kind & !SEVERAL, value });
            }
        }
    }
    true
}

struct Cursor<'a> {
    data: &'a Bytes,
    pos: usize,
}

impl Cursor<'_> {
    fn take(&mut self, size: usize) -> Option<Bytes> {
        let end = self.pos.checked_add(size).filter(|end| *end <= self.data.len())?;
        let taken = self.data.slice(self.pos..end);
        self.pos = end;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let number = number(self.data, self.pos)?;
        self.pos += 4;
        Some(number)
    }

    fn short(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        bytes.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// A value filled up to four bytes; the last one of all may lack that.
    fn padded(&mut self, size: u32) -> Option<Bytes> {
        let size = usize::try_from(size).ok()?;
        let value = self.take(size)?;
        self.pos = (self.pos + (4 - size % 4) % 4).min(self.data.len());
        Some(value)
    }

    /// A property's name in place of its number: GUID, then an id or a text.
    fn name(&mut self) -> Option<()> {
        self.take(16)?;
        let kind = self.number()?;
        let size = self.number()?;
        if kind == 1 {
            self.padded(size)?;
        }
        Some(())
    }
}

fn number(data: &[u8], pos: usize) -> Option<u32> {
    data.get(pos..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn until_nul(data: Bytes) -> Bytes {
    let end = data.iter().rposition(|c| *c != 0).map_or(0, |last| last + 1);
    data.slice(..end)
}

pub(super) fn narrow(data: &Bytes) -> String {
    charset::text(&until_nul(data.clone()), None)
}

pub(super) fn wide(data: &[u8]) -> String {
    let text = charset::text(data, Some("utf-16le"));
    text.trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(level: u8, id: u32, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        let sum = data.iter().fold(0_u16, |sum, c| sum.wrapping_add(u16::from(*c)));
        [&[level][..], &id.to_le_bytes(), &length, data, &sum.to_le_bytes()].concat()
    }

    fn property(kind: u16, id: u16, value: &[u8]) -> Vec<u8> {
        let mut out = [kind.to_le_bytes(), id.to_le_bytes()].concat();
        out.extend(1_u32.to_le_bytes());
        out.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn list(properties: &[Vec<u8>]) -> Vec<u8> {
        [u32::try_from(properties.len()).unwrap().to_le_bytes().to_vec(), properties.concat()].concat()
    }

    fn file(attributes: &[Vec<u8>]) -> Bytes {
        [SIGNATURE, &[1, 0], &attributes.concat()[..]].concat().into()
    }

    fn wide_text(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn told(files: &Files) -> Vec<String> {
        let tell = |f: &File| {
            format!("{} {} {:?}", f.media_type, f.names.join("|"), String::from_utf8_lossy(&f.content))
        };
        files.list.iter().map(tell).collect()
    }

    fn sample() -> Bytes {
        let fixed = [&0x0003_u16.to_le_bytes()[..], &0x0e08_u16.to_le_bytes(), &7_u32.to_le_bytes()].concat();
        let mut named =
            [&STRING.to_le_bytes()[..], &0x8001_u16.to_le_bytes(), &[9; 16], &1_u32.to_le_bytes()].concat();
        named.extend(6_u32.to_le_bytes());
        named.extend(b"a\0b\0\0\0\0\0");
        named.extend(&property(STRING, 0, b"x\0")[4..]);
        let nested = file(&[attribute(1, BODY, b"inner text\0")]);
        file(&[
            attribute(1, 0x0008_9006, &[0, 0, 1, 0]),
            attribute(1, BODY, b"hello\0"),
            attribute(
                1,
                MESSAGE_PROPERTIES,
                &list(&[
                    fixed,
                    named,
                    property(BINARY, 0x1013, b"<a href=https://evil.example>"),
                    property(WIDE, 0x1000, &wide_text("caf\u{e9}")),
                ]),
            ),
            attribute(2, REND_DATA, &[0; 14]),
            attribute(2, TITLE, b"EVIL~1.TXT\0"),
            attribute(2, DATA, b"MZ"),
            attribute(
                2,
                ATTACHMENT_PROPERTIES,
                &list(&[
                    property(WIDE, 0x3707, &wide_text("evil program.exe")),
                    property(STRING, 0x370e, b"Application/X-Program\0"),
                ]),
            ),
            attribute(2, REND_DATA, &[0; 14]),
            attribute(2, TITLE, b"fwd\0"),
            attribute(
                2,
                ATTACHMENT_PROPERTIES,
                &list(&[property(OBJECT, 0x3701, &[MESSAGE, &nested].concat())]),
            ),
        ])
    }

    #[test]
    fn texts_and_files_come_out_with_every_name() {
        let files = read(&sample(), 100, 1000);
        let mut told = told(&files);
        let nested = told.pop().unwrap();
        assert_eq!(
            told,
            [
                "text/plain  \"hello\"",
                "text/html  \"<a href=https://evil.example>\"",
                "text/plain  \"café\"",
                "application/x-program evil program.exe|EVIL~1.TXT \"MZ\"",
            ]
        );
        assert!(nested.starts_with("application/ms-tnef fwd "), "{nested}");
        assert!(!files.is_broken && !files.is_cut);
        let nested = read(&files.list.last().unwrap().content, 100, 1000);
        assert_eq!(self::told(&nested), ["text/plain  \"inner text\""]);
    }

    #[test]
    fn what_follows_the_end_and_says_nothing_is_no_fault() {
        let files = read(&[&sample()[..], b"\r\n\0\0"].concat().into(), 100, 1000);
        assert!(!files.is_broken);
    }

    #[test]
    fn what_breaks_off_is_told_and_its_beginning_kept() {
        let whole = file(&[attribute(2, TITLE, b"a.exe"), attribute(2, DATA, b"MZ and more")]);
        let cut = whole.slice(..whole.len() - 6);
        let files = read(&cut, 100, 1000);
        assert_eq!(told(&files), ["application/octet-stream a.exe \"MZ and \""]);
        assert!(files.is_broken);
        assert!(read(&Bytes::from("no such thing"), 100, 1000).is_broken);
        assert!(read(&[&whole[..], b"\x07abc"].concat().into(), 100, 1000).is_broken);
    }

    #[test]
    fn no_more_files_are_taken_than_asked_for() {
        let one = [attribute(2, REND_DATA, b""), attribute(2, DATA, b"x")].concat();
        let files = read(&file(&[one.repeat(50)]), 3, 1000);
        assert_eq!((files.list.len(), files.is_cut), (3, true));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            cut in any::<prop::sample::Index>(),
            most in 0_usize..6,
        ) {
            let mut bytes = sample().to_vec();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let content = Bytes::from(bytes);
            let files = read(&content, most, 500);
            prop_assert!(files.list.len() <= most);
            let taken: usize = files.list.iter().map(|f| f.content.len()).sum();
            prop_assert!(taken <= content.len() * 2 + 500, "{} of {}", taken, content.len());
        }

        #[test]
        fn any_properties_are_read(bytes in prop::collection::vec(prop::sample::select(&[0_u8, 1, 2, 0x1e, 0x0d, 0x10, 0x37, 0x80, 0xff][..]), 0..80)) {
            let mut given = 0;
            properties(&Bytes::from(bytes.clone()), |property| given += property.value.len());
            prop_assert!(given <= bytes.len());
        }
    }
}
