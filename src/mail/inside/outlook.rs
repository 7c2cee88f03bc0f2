//! Messages as Outlook saves them: `.msg`, `.oft` ([MS-OXMSG]).
//!
//! A compound file. Each property of the message is a stream whose name is its number (§2.1.3); each attachment is a
//! storage with properties of its own (§2.2.2). A message that is attached is a storage in that of its attachment, and
//! so on; they are read side by side, whatever lies in what.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::tnef::{MOST_CONTENTS, narrow, usable_type, wide};
use super::{FILE, File, Files, rtf};
use crate::mail::charset;
use crate::mail::compound::{self, Compound, Entry, Kind};
use crate::mail::head::names_of;
use crate::model::Part;
use crate::model::file_name::extension;

/// The stream that every message has, and every attachment (§2.4).
const PROPERTIES: &str = "__properties_version1.0";
/// What the name of a property begins with (§2.1.3), of the storage of an attachment (§2.2.2).
const PROPERTY: &str = "__substg1.0_";
const ATTACHMENT: &str = "__attach_version1.0_";
/// Kinds of properties ([MS-OXCDATA] §2.11.1).
const STRING: u16 = 0x001e;
const WIDE: u16 = 0x001f;
const OBJECT: u16 = 0x000d;
const BINARY: u16 = 0x0102;
/// The content of an attachment ([MS-OXPROPS], PidTagAttachDataBinary, PidTagAttachDataObject).
const CONTENT: u16 = 0x3701;
/// Bytes of a name or a type that are read.
const LONGEST_NAME: usize = 4096;
/// Names of one attachment that are read: three are usual.
const MOST_NAMES: usize = 8;

/// Whether a part is called so.
fn is_called_so(part: &Part) -> bool {
    let mut names = part.name.iter().chain(&part.other_names);
    part.media_type == "application/vnd.ms-outlook"
        || names.any(|name| matches!(&*extension(name), "msg" | "oft"))
}

/// The texts and files in it, `most` at most; texts are unpacked to `room` bytes together. `None` if it is no such
/// message.
pub(super) fn read(part: &Part, most: usize, room: usize) -> Option<Files> {
    let content = &part.content;
    if !compound::is_compound(content) {
        return None;
    }
    let unopened = || is_called_so(part).then(|| Files { is_unopened: true, ..Files::default() });
    let Some(file) = compound::read(content) else { return unopened() };
    let parents = file.parents();
    let entries = || (0..file.entries()).filter_map(|index| Some((index, file.entry(index)?)));
    let parent = |index: u32| usize::try_from(index).ok().and_then(|at| *parents.get(at)?);
    let is_properties = |entry: &Entry| entry.name.eq_ignore_ascii_case(PROPERTIES);
    let messages: BTreeSet<u32> =
        entries().filter(|(_, entry)| is_properties(entry)).filter_map(|(index, _)| parent(index)).collect();
    if !messages.contains(&0) {
        return unopened();
    }
    let mut reader = Reader {
        file: &file,
        files: Files { is_unopened: file.is_cut, ..Files::default() },
        // The streams of an honest file are its parts, so that all of them together are no more.
        left: content.len(),
        room,
        holders: BTreeMap::new(),
    };
    for (index, entry) in entries() {
        let Some((id, kind)) = property(&entry.name) else { continue };
        let Some(above) = parent(index) else { continue };
        let Some(storage) = file.entry(above) else { continue };
        if begins(&storage.name, ATTACHMENT) {
            reader.of_attachment(above, (id, kind), &entry, messages.contains(&index));
        } else if above == 0 || property(&storage.name) == Some((CONTENT, OBJECT)) {
            reader.of_message(above, (id, kind), &entry);
        }
    }
    Some(reader.end(most))
}

fn begins(name: &str, with: &str) -> bool {
    name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

/// The number and the kind of the property that a stream or storage is called after.
fn property(name: &str) -> Option<(u16, u16)> {
    let digits = name.get(PROPERTY.len()..).filter(|digits| digits.len() == 8 && begins(name, PROPERTY))?;
    let word = |digits: Option<&str>| u16::from_str_radix(digits?, 16).ok();
    word(digits.get(..4)).zip(word(digits.get(4..)))
}

/// What belongs to one storage.
#[derive(Default)]
struct Holder {
    /// Of a message.
    texts: Vec<File>,
    /// Of an attachment; the number says which is shown first.
    names: Vec<(u8, String)>,
    media_type: Option<String>,
    contents: Vec<Bytes>,
    /// An attachment, and not one that is a message: what is in that stands in a storage of its own.
    is_file: bool,
    is_message: bool,
}

struct Reader<'a> {
    file: &'a Compound<'a>,
    files: Files,
    /// Bytes that may still be read.
    left: usize,
    /// Bytes that texts may still be unpacked to.
    room: usize,
    holders: BTreeMap<u32, Holder>,
}

impl Reader<'_> {
    /// A stream, at most `most` bytes of it. What is missing is told.
    fn bytes(&mut self, entry: &Entry, most: usize) -> Bytes {
        let stream = self.file.stream(entry, most.min(self.left));
        self.left = self.left.saturating_sub(stream.bytes.len());
        self.files.is_unopened |= !stream.is_whole;
        stream.bytes.into()
    }

    fn text(&mut self, entry: &Entry, kind: u16) -> Option<String> {
        match kind {
            STRING => Some(narrow(&self.bytes(entry, LONGEST_NAME))),
            WIDE => Some(wide(&self.bytes(entry, LONGEST_NAME))),
            _ => None,
        }
    }

    fn of_attachment(&mut self, storage: u32, property: (u16, u16), entry: &Entry, is_message: bool) {
        let holder = self.holders.entry(storage).or_default();
        holder.is_file = true;
        let (names, contents) = (holder.names.len(), holder.contents.len());
        match property {
            (id @ (0x3707 | 0x3704 | 0x3001), kind) if names < MOST_NAMES => {
                let rank = [0x3707, 0x3704, 0x3001].iter().position(|known| *known == id).unwrap_or_default();
                if let Some(name) = self.text(entry, kind) {
                    let holder = self.holders.entry(storage).or_default();
                    holder.names.push((u8::try_from(rank).unwrap_or_default(), name));
                }
            }
            (0x370e, kind) => {
                let media_type = self.text(entry, kind).and_then(usable_type);
                let holder = self.holders.entry(storage).or_default();
                holder.media_type = media_type.or(holder.media_type.take());
            }
            (CONTENT, BINARY) if entry.kind == Kind::Stream && contents < MOST_CONTENTS => {
                let content = self.bytes(entry, usize::MAX);
                self.holders.entry(storage).or_default().contents.push(content);
            }
            (CONTENT, OBJECT) if is_message => self.holders.entry(storage).or_default().is_message = true,
            // A document that is drawn into the text (OLE), or more than is read.
            (CONTENT | 0x3707 | 0x3704 | 0x3001, _) => self.files.is_unopened = true,
            _ => {}
        }
    }

    fn of_message(&mut self, storage: u32, property: (u16, u16), entry: &Entry) {
        let (media_type, is_wide) = match property {
            (0x1000, STRING) => ("text/plain", false),
            (0x1000, WIDE) => ("text/plain", true),
            (0x1013, STRING | BINARY) => ("text/html", false),
            (0x1013, WIDE) => ("text/html", true),
            (0x1009, BINARY) => ("text/rtf", false),
            _ => return,
        };
        let bytes = self.bytes(entry, usize::MAX);
        let content: Bytes = if bytes.is_empty() {
            return;
        } else if media_type == "text/rtf" {
            let Some(unpacked) = rtf::unpacked(&bytes, self.room) else {
                self.files.is_unopened = true;
                return;
            };
            self.room = self.room.saturating_sub(unpacked.len());
            unpacked.into()
        } else if is_wide {
            wide(&bytes).into()
        } else {
            charset::utf8(bytes, None)
        };
        let text = File { media_type: media_type.to_owned(), content, ..File::default() };
        self.holders.entry(storage).or_default().texts.push(text);
    }

    fn end(self, most: usize) -> Files {
        let Self { mut files, holders, .. } = self;
        for holder in holders.into_values() {
            let Holder { texts, mut names, media_type, mut contents, is_file, is_message } = holder;
            names.sort();
            let names = names_of(names.into_iter().map(|(_, name)| name));
            if is_file && !is_message && contents.is_empty() {
                // A name is judged even where the file is not there.
                contents.push(Bytes::new());
            }
            let media_type = media_type.unwrap_or_else(|| FILE.to_owned());
            let attached = contents.into_iter().map(|content| File {
                names: names.clone(),
                media_type: media_type.clone(),
                is_attachment: true,
                content,
                is_damaged: false,
            });
            for file in texts.into_iter().chain(attached) {
                if files.list.len() == most {
                    files.is_cut = true;
                    return files;
                }
                files.list.push(file);
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::compound::building::{Node, file, storage, stream};

    fn wide_text(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn attached(name: &'static str, mut nodes: Vec<Node>) -> Node {
        nodes.push(stream(PROPERTIES, &[0; 8]));
        storage(name, nodes)
    }

    fn inner() -> Vec<Node> {
        vec![
            stream(PROPERTIES, &[0; 24]),
            stream("__substg1.0_1000001F", &wide_text("inner text")),
            attached(
                "__attach_version1.0_#00000000",
                vec![
                    stream("__substg1.0_3704001E", b"INNER~1.JS"),
                    stream("__substg1.0_37010102", b"alert(1)"),
                ],
            ),
        ]
    }

    fn sample() -> Vec<u8> {
        file(&[
            stream(PROPERTIES, &[0; 32]),
            storage("__nameid_version1.0", vec![stream("__substg1.0_10000102", b"no text of a mail")]),
            stream("__substg1.0_0037001F", &wide_text("the subject")),
            stream("__substg1.0_1000001F", &wide_text("see http://evil.example/a caf\u{e9}")),
            stream("__substg1.0_10130102", b"<a href=http://evil.example/b>"),
            storage(
                "__recip_version1.0_#00000000",
                vec![stream("__substg1.0_3001001F", &wide_text("b.exe"))],
            ),
            attached(
                "__attach_version1.0_#00000000",
                vec![
                    stream("__substg1.0_3704001F", &wide_text("EVIL~1.TXT")),
                    stream("__substg1.0_3707001F", &wide_text("evil program.exe")),
                    stream("__substg1.0_370E001F", &wide_text("Application/X-Program")),
                    stream("__substg1.0_37010102", &b"MZ".repeat(3000)),
                ],
            ),
            attached(
                "__attach_version1.0_#00000001",
                vec![
                    stream("__substg1.0_3001001F", &wide_text("Re: a.exe")),
                    storage("__substg1.0_3701000D", inner()),
                ],
            ),
        ])
    }

    fn of(content: Vec<u8>) -> Option<Files> {
        let part = Part { content: content.into(), ..Part::default() };
        read(&part, 100, 1000)
    }

    fn told(files: &Files) -> Vec<String> {
        let tell = |f: &File| {
            let begin = f.content.slice(..f.content.len().min(40));
            format!("{} {} {:?}", f.media_type, f.names.join("|"), String::from_utf8_lossy(&begin))
        };
        files.list.iter().map(tell).collect()
    }

    #[test]
    fn texts_and_files_of_a_message_and_of_one_attached_to_it_come_out() {
        let files = of(sample()).unwrap();
        assert_eq!(
            told(&files),
            [
                "text/plain  \"see http://evil.example/a café\"".to_owned(),
                "text/html  \"<a href=http://evil.example/b>\"".to_owned(),
                format!("application/x-program evil program.exe|EVIL~1.TXT {:?}", "MZ".repeat(20)),
                "text/plain  \"inner text\"".to_owned(),
                "application/octet-stream INNER~1.JS \"alert(1)\"".to_owned(),
            ]
        );
        assert_eq!(files.list[2].content.len(), 6000);
        assert!(!files.is_unopened && !files.is_broken && !files.is_cut);
    }

    #[test]
    fn what_is_no_message_is_left_alone_and_one_that_cannot_be_read_is_told() {
        let document = file(&[stream("WordDocument", b"\xec\xa5")]);
        assert!(of(document.clone()).is_none());
        assert!(of(b"no such thing".to_vec()).is_none());
        let called = |content: Vec<u8>| {
            let part = Part { name: Some("a.MSG".to_owned()), content: content.into(), ..Part::default() };
            read(&part, 100, 1000).map(|files| (files.list.len(), files.is_unopened))
        };
        assert_eq!(called(document), Some((0, true)));
        assert_eq!(called(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec()), Some((0, true)));
        assert_eq!(called(b"From: a@b.example\n\n".to_vec()), None);
    }

    #[test]
    fn what_is_drawn_into_a_text_is_told_and_a_file_that_is_not_there_has_its_name() {
        let drawn = storage("__substg1.0_3701000D", vec![stream("CONTENTS", b"x")]);
        let content = file(&[
            stream(PROPERTIES, &[0; 32]),
            attached("__attach_version1.0_#00000000", vec![drawn]),
            attached("__attach_version1.0_#00000001", vec![stream("__substg1.0_3707001E", b"a.exe\0")]),
        ]);
        let files = of(content).unwrap();
        assert_eq!(told(&files), ["application/octet-stream  \"\"", "application/octet-stream a.exe \"\""]);
        assert!(files.is_unopened);
    }

    #[test]
    fn no_more_files_are_taken_than_asked_for() {
        let part = Part { content: sample().into(), ..Part::default() };
        let files = read(&part, 2, 1000).unwrap();
        assert_eq!((files.list.len(), files.is_cut), (2, true));
    }

    #[test]
    fn a_stream_that_breaks_off_is_told() {
        let mut content = sample();
        // The large one, wherever its entry stands.
        let size = 6000_u32.to_le_bytes();
        let at = content.windows(4).rposition(|bytes| bytes == size).unwrap();
        content[at..at + 4].copy_from_slice(&90_000_000_u32.to_le_bytes());
        let files = of(content).unwrap();
        assert!(files.is_unopened);
        assert_eq!(files.list.len(), 5);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            cut in any::<prop::sample::Index>(),
            most in 0_usize..8,
        ) {
            let mut bytes = sample();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let length = bytes.len();
            let part = Part { content: bytes.into(), ..Part::default() };
            if let Some(files) = read(&part, most, 500) {
                prop_assert!(files.list.len() <= most);
                let taken: usize = files.list.iter().map(|f| f.content.len()).sum();
                // A character of one byte may take three.
                prop_assert!(taken <= 3 * length + 500, "{} of {}", taken, length);
            }
        }
    }
}
