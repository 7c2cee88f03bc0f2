//! The names in a zip archive, where two programs could see two archives (APPNOTE.TXT 6.3.10).
//!
//! **Contract.** A zip is read from its end: the central directory says what is in it and where. Each file has a
//! second head in front of its data, with its name once more, and some programs go by that, from the beginning on.
//! [`read`] compares the two. It tells of names that differ, of files that stand only at the beginning, and of what
//! stands in front of the archive, so that by its first bytes it is something else.
//!
//! Nothing is unpacked. Linear in the names; at most `entries` of them are looked at, over as many archives as the
//! caller counts.
//!
//! **Failures.** None to the caller. What has no central directory is no archive here; what is left out for its number
//! is told by [`Listing::is_cut`].

use std::collections::BTreeMap;

use memchr::memmem;

use crate::model::file_name::{extension, shortened};

/// What is odd about an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Bytes in front of the archive.
    pub prefix: usize,
    /// The first file with two names: that of the directory, and that in front of its data. Foreign text.
    pub differing: Option<(String, String)>,
    /// The first file that stands in no directory. Foreign text.
    pub unlisted: Option<String>,
    /// The first name of a program, script or shortcut that is not in front of data at the beginning of the file, where
    /// whoever reads an archive from its beginning would see it. Foreign text.
    pub program: Option<String>,
    /// A file in it is encrypted.
    pub is_encrypted: bool,
    /// There are more files than were looked at.
    pub is_cut: bool,
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// Sizes without what varies (4.3.7, 4.3.12, 4.3.14 to 4.3.16).
const LOCAL_SIZE: usize = 30;
const CENTRAL_SIZE: usize = 46;
const END_SIZE: usize = 22;
const END_64_SIZE: usize = 56;
const LOCATOR_64_SIZE: usize = 20;
/// How far from the end the end record can stand: behind it a comment of 65,535 bytes.
const REACH: usize = END_SIZE + 0xffff;
/// Ends that are tried: a comment may hold what looks like one.
const TRIES: usize = 8;
/// A mark that an archive in pieces begins with (8.5.4).
const SPANNED: usize = 4;
/// Flags (4.4.4).
const ENCRYPTED: u16 = 1;
const SIZE_FOLLOWS: u16 = 1 << 3;
const MASKED: u16 = 1 << 13;
/// Characters of a name that are kept.
const LONGEST_NAME: usize = 200;

/// What Windows runs when it is opened, and what is mounted to be opened.
const PROGRAMS: [&str; 28] = [
    "exe", "scr", "pif", "com", "cpl", "msi", "msp", "dll", "jar", "bat", "cmd", "ps1", "vbs", "vbe", "js",
    "jse", "wsf", "wsh", "hta", "msc", "lnk", "url", "jnlp", "scf", "iso", "img", "vhd", "vhdx",
];

/// Reads the directory of an archive and the heads that it names. `entries` is what may still be looked at. `None`: it is
/// no archive.
#[must_use]
pub fn read(content: &[u8], entries: &mut usize) -> Option<Listing> {
    let directories = directories(content);
    if directories.is_empty() {
        return None;
    }
    let mut reader = Reader {
        content,
        entries,
        listing: Listing::default(),
        heads: BTreeMap::new(),
        is_plain: content.starts_with(LOCAL),
    };
    for directory in &directories {
        reader.directory(directory);
    }
    let first = reader.heads.keys().next().copied().unwrap_or_default();
    let is_spanned = first == SPANNED && content.starts_with(b"PK");
    reader.listing.prefix = if is_spanned { 0 } else { first };
    reader.heads_in_a_row(if reader.is_plain { 0 } else { first });
    Some(reader.listing)
}

/// Where a central directory begins, and where the archive does to which its places count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directory {
    start: usize,
    end: usize,
    base: usize,
}

/// What programs take for the directory. They find it from its end backwards, or by its place as it is said: with
/// something in front of the archive that may be two different ones.
fn directories(content: &[u8]) -> Vec<Directory> {
    let from = content.len().saturating_sub(REACH);
    let tail = content.get(from..).unwrap_or_default();
    let mut all = Vec::new();
    for at in memmem::rfind_iter(tail, END).take(TRIES) {
        let at = from + at;
        let Some((size, offset)) = sizes(content, at) else { continue };
        let end = if is_64(content, at) { at - LOCATOR_64_SIZE - END_64_SIZE } else { at };
        let by_size = end.checked_sub(size).map(|start| (start, start.checked_sub(offset)));
        let by_size = by_size.and_then(|(start, base)| Some(Directory { start, end, base: base? }));
        let by_place = Some(Directory { start: offset, end, base: 0 });
        for directory in [by_size, by_place].into_iter().flatten() {
            let is_one = content.get(directory.start..).is_some_and(|c| c.starts_with(CENTRAL));
            if is_one && directory.start < directory.end && !all.contains(&directory) {
                all.push(directory);
            }
        }
        if !all.is_empty() {
            break;
        }
    }
    all
}

/// Whether the end record at `at` has the larger one of 64 bits in front of it.
fn is_64(content: &[u8], at: usize) -> bool {
    let locator = at.checked_sub(LOCATOR_64_SIZE);
    let record = at.checked_sub(LOCATOR_64_SIZE + END_64_SIZE);
    locator.and_then(|at| content.get(at..)).is_some_and(|c| c.starts_with(LOCATOR_64))
        && record.and_then(|at| content.get(at..)).is_some_and(|c| c.starts_with(END_64))
}

/// The size and the place of the directory, as the end record at `at` says.
fn sizes(content: &[u8], at: usize) -> Option<(usize, usize)> {
    let record = content.get(at..)?;
    if is_64(content, at) {
        let large = content.get(at - LOCATOR_64_SIZE - END_64_SIZE..)?;
        return Some((usize::try_from(long(large, 40)?).ok()?, usize::try_from(long(large, 48)?).ok()?));
    }
    record.get(END_SIZE - 1)?;
    Some((number(record, 12)?, number(record, 16)?))
}

/// A head in front of data, as far as the directory names it.
#[derive(Clone, Copy, Debug)]
struct Head {
    packed: usize,
}

struct Reader<'a> {
    content: &'a [u8],
    entries: &'a mut usize,
    listing: Listing,
    /// Those that a directory names, by their place.
    heads: BTreeMap<usize, Head>,
    /// The file begins as an archive does.
    is_plain: bool,
}

impl<'a> Reader<'a> {
    /// Whether one entry more may be looked at.
    fn may_look(&mut self) -> bool {
        match self.entries.checked_sub(1) {
            Some(left) => *self.entries = left,
            None => self.listing.is_cut = true,
        }
        !self.listing.is_cut
    }

    fn directory(&mut self, directory: &Directory) {
        let mut pos = directory.start;
        while pos < directory.end {
            let content = self.content;
            let Some(entry) = content.get(pos..).filter(|entry| entry.starts_with(CENTRAL)) else { return };
            let lengths = short(entry, 28).zip(short(entry, 30)).zip(short(entry, 32));
            let Some(((name_size, extra), comment)) = lengths else { return };
            if !self.may_look() {
                return;
            }
            let name = entry.get(CENTRAL_SIZE..CENTRAL_SIZE + usize::from(name_size)).unwrap_or_default();
            let flags = short(entry, 8).unwrap_or_default();
            self.listing.is_encrypted |= flags & ENCRYPTED != 0;
            if !self.is_plain {
                self.program(name);
            }
            let place = number(entry, 42).and_then(|place| place.checked_add(directory.base));
            if let (Some(place), Some(packed)) = (place, number(entry, 20)) {
                self.head(place, name, flags, packed);
            }
            pos += CENTRAL_SIZE + usize::from(name_size) + usize::from(extra) + usize::from(comment);
        }
    }

    /// Compares the head at `place` with what the directory says.
    fn head(&mut self, place: usize, listed: &[u8], flags: u16, packed: usize) {
        let Some(name) = self.name_at(place) else { return };
        self.heads.insert(place, Head { packed });
        if name == listed || flags & MASKED != 0 {
            return;
        }
        self.program(listed);
        if !self.is_plain {
            self.program(name);
        }
        if self.listing.differing.is_none() {
            self.listing.differing = Some((shown(listed), shown(name)));
        }
    }

    fn name_at(&self, place: usize) -> Option<&'a [u8]> {
        let head = self.content.get(place..).filter(|head| head.starts_with(LOCAL))?;
        let size = usize::from(short(head, 26)?);
        head.get(LOCAL_SIZE..LOCAL_SIZE + size)
    }

    /// Goes from head to head as whoever reads from the beginning, and looks for those that no directory names.
    fn heads_in_a_row(&mut self, first: usize) {
        let content = self.content;
        let mut pos = first;
        while let Some(head) = content.get(pos..).filter(|head| head.starts_with(LOCAL)) {
            let fields = short(head, 6).zip(number(head, 18)).zip(short(head, 26).zip(short(head, 28)));
            let Some(((flags, said), (name_size, extra))) = fields else { return };
            let listed = self.heads.get(&pos).copied();
            if listed.is_none() {
                if !self.may_look() {
                    return;
                }
                let name = head.get(LOCAL_SIZE..LOCAL_SIZE + usize::from(name_size)).unwrap_or_default();
                if !self.is_plain {
                    self.program(name);
                }
                if self.listing.unlisted.is_none() {
                    self.listing.unlisted = Some(shown(name));
                }
            }
            let follows = flags & SIZE_FOLLOWS != 0;
            let packed = listed.map_or(said, |head| head.packed);
            // Where the size is not known or takes 64 bits, the next head is not to be found this way.
            if packed == 0xffff_ffff || listed.is_none() && follows && said == 0 {
                return;
            }
            let sizes = [LOCAL_SIZE, usize::from(name_size), usize::from(extra), packed];
            let Some(next) = sizes.iter().try_fold(pos, |at, size| at.checked_add(*size)) else { return };
            pos = if follows { behind_descriptor(content, next) } else { next };
        }
    }

    fn program(&mut self, name: &[u8]) {
        if self.listing.program.is_some() {
            return;
        }
        // Of a long name the end says what it is.
        let end = name.get(name.len().saturating_sub(LONGEST_NAME)..).unwrap_or_default();
        if PROGRAMS.contains(&&*extension(&String::from_utf8_lossy(end))) {
            self.listing.program = Some(shown(name));
        }
    }
}

/// The place behind the sizes that follow data (4.3.9), which may have a signature and may be of 64 bits.
fn behind_descriptor(content: &[u8], pos: usize) -> usize {
    let has_signature = content.get(pos..).is_some_and(|c| c.starts_with(DESCRIPTOR));
    let sizes = if has_signature { [16, 24] } else { [12, 20] };
    let is_next = |at: &usize| content.get(*at..).is_some_and(|c| c.starts_with(b"PK"));
    let places = sizes.map(|size| pos.saturating_add(size));
    places.into_iter().find(is_next).unwrap_or(content.len())
}

fn shown(name: &[u8]) -> String {
    let begin = name.get(..name.len().min(4 * LONGEST_NAME)).unwrap_or_default();
    shortened(&String::from_utf8_lossy(begin), LONGEST_NAME).into_owned()
}

fn short(data: &[u8], pos: usize) -> Option<u16> {
    data.get(pos..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn number(data: &[u8], pos: usize) -> Option<usize> {
    let bytes = data.get(pos..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

fn long(data: &[u8], pos: usize) -> Option<u64> {
    data.get(pos..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;

    use super::*;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(b"content of the file").unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn listing(content: &[u8]) -> Listing {
        read(content, &mut 1000).unwrap()
    }

    /// The name in the first, or the last, of the two places.
    fn renamed(mut content: Vec<u8>, from: &str, to: &str, in_directory: bool) -> Vec<u8> {
        let places: Vec<usize> = memmem::find_iter(&content, from.as_bytes()).collect();
        assert_eq!(places.len(), 2);
        let at = places[usize::from(in_directory)];
        content[at..at + from.len()].copy_from_slice(to.as_bytes());
        content
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn an_ordinary_archive_has_nothing_odd() {
        assert_eq!(listing(&archive(&["a.txt", "folder/b.exe", "c"])), Listing::default());
        assert_eq!(read(b"PK\x03\x04 and no more", &mut 9), None);
        assert_eq!(read(b"", &mut 9), None);
        assert_eq!(read(&[END, &[0; 18]].concat(), &mut 9), None);
    }

    #[test]
    fn names_that_differ_are_told_and_both_are_judged() {
        let program_in_directory = renamed(archive(&["notes.txt"]), "notes.txt", "notes.exe", true);
        assert_eq!(
            listing(&program_in_directory),
            Listing {
                differing: Some(("notes.exe".into(), "notes.txt".into())),
                program: some("notes.exe"),
                ..Listing::default()
            }
        );
        // That name is in front of the data, where the rules for archives see it.
        let program_in_front = renamed(archive(&["notes.txt"]), "notes.txt", "notes.exe", false);
        assert_eq!(
            listing(&program_in_front),
            Listing { differing: Some(("notes.txt".into(), "notes.exe".into())), ..Listing::default() }
        );
    }

    #[test]
    fn what_stands_in_front_is_told_whatever_the_places_count_from() {
        let with_prefix = [b"%PDF-1.4 and so on", &archive(&["a.txt", "evil.js"])[..]].concat();
        let expected = Listing { prefix: 18, program: some("evil.js"), ..Listing::default() };
        assert_eq!(listing(&with_prefix), expected);
        // Made with its prefix, so that places count from the beginning of the file.
        let mut moved = with_prefix;
        let central = memmem::find(&moved, CENTRAL).unwrap();
        for entry in memmem::find_iter(&moved.clone(), CENTRAL) {
            let place = number(&moved, entry + 42).unwrap() + 18;
            moved[entry + 42..entry + 46].copy_from_slice(&u32::try_from(place).unwrap().to_le_bytes());
        }
        let end = memmem::rfind(&moved, END).unwrap();
        moved[end + 16..end + 20].copy_from_slice(&u32::try_from(central).unwrap().to_le_bytes());
        assert_eq!(listing(&moved), expected);
    }

    #[test]
    fn of_two_archives_the_first_is_seen_too() {
        let two = [archive(&["evil.exe"]), archive(&["a.txt"])].concat();
        let found = listing(&two);
        assert_eq!((found.unlisted, found.prefix > 0), (some("evil.exe"), true));
    }

    #[test]
    fn a_file_that_no_directory_names_is_told() {
        let whole = archive(&["first.txt", "second.js"]);
        let entries: Vec<usize> = memmem::find_iter(&whole, CENTRAL).collect();
        // Without the first entry of the directory.
        let mut cut = [&whole[..entries[0]], &whole[entries[1]..]].concat();
        let end = memmem::rfind(&cut, END).unwrap();
        let size = u32::try_from(end - entries[0]).unwrap();
        cut[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        let prefix = memmem::find_iter(&cut, LOCAL).nth(1).unwrap();
        assert_eq!(listing(&cut), Listing { unlisted: some("first.txt"), prefix, ..Listing::default() });
    }

    #[test]
    fn no_more_entries_are_looked_at_than_allowed() {
        let names: Vec<String> = (0..10).map(|n| format!("{n}.txt")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut left = 9;
        assert!(read(&archive(&names), &mut left).unwrap().is_cut);
        assert_eq!(left, 0);
        let mut left = 10;
        assert!(!read(&archive(&names), &mut left).unwrap().is_cut);
    }

    proptest! {
        #[test]
        fn any_bytes_are_listed(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            front in prop::collection::vec(any::<u8>(), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = [front, archive(&["a.txt", "b.exe", "c/d.js"])].concat();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let begin = cut.index(bytes.len());
            let mut left = 5;
            for part in [&bytes[..], &bytes[begin..], &bytes[..begin]] {
                let found = read(part, &mut left);
                prop_assert!(found.is_none_or(|found| found.prefix <= part.len()));
            }
        }
    }
}
