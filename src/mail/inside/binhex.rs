//! Files in BinHex 4.0 (RFC 1741, appendix A): what programs of the Macintosh sent files in.
//!
//! Behind a line that says so, between two colons: six bits to a character, runs of a byte shortened, and in that a head
//! with the name and the sizes of the two forks that a file has there, then these. Thunderbird shows it as an
//! attachment.

use bytes::Bytes;
use memchr::memmem;

use super::{File, Files, text};
use crate::mail::charset;
use crate::mail::lines::{self, at};

/// What the line begins with that such a file has to have. Behind it stands by what; not all programs say it.
const MARK: &[u8] = b"(This file must be converted";
/// The characters, in the order of what they stand for.
const ALPHABET: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
/// Stands before how often the byte before it comes.
const RUN: u8 = 0x90;
/// Version, type, creator, flags.
const BEFORE_SIZES: usize = 1 + 4 + 4 + 2;
/// Empty lines between the line and the data.
const MOST_EMPTY: usize = 8;

/// Adds the files in `content`, up to `most` together, no more than `room` bytes of them. What says that it is one and
/// cannot be read is told.
pub(super) fn read(content: &Bytes, most: usize, mut room: usize, files: &mut Files) {
    let finder = memmem::Finder::new(MARK);
    let mut pos = 0;
    while let Some(found) = finder.find(content.get(pos..).unwrap_or_default()) {
        let begin = pos + found;
        let (line, next) = lines::line(content, begin);
        pos = next;
        if begin > 0 && content.get(begin - 1) != Some(&b'\n') {
            continue;
        }
        let opened = data(content, next).and_then(|start| {
            let rest = content.get(start..)?;
            // Letters of the next such line are letters of data, too.
            let rest = finder.find(rest).map_or(Some(rest), |end| rest.get(..end))?;
            opened(rest, room).map(|(file, taken)| (file, start + taken))
        });
        let Some((file, after)) = opened else {
            files.is_unopened |= memmem::find(at(content, &line), b"BinHex").is_some();
            continue;
        };
        pos = after;
        files.is_broken |= file.is_too_large;
        // Few files have the second fork.
        for fork in
            [Some(file.data), Some(file.resources).filter(|fork| !fork.is_empty())].into_iter().flatten()
        {
            if files.list.len() >= most {
                files.is_cut = true;
                return;
            }
            room = room.saturating_sub(fork.len());
            files.list.push(File { is_damaged: !file.is_whole, ..text::named(&file.name, fork) });
        }
    }
}

/// Where the data begins behind the line that says what it is.
fn data(content: &[u8], mut pos: usize) -> Option<usize> {
    for _ in 0..MOST_EMPTY {
        let (line, next) = lines::line(content, pos);
        let text = at(content, &line).trim_ascii_start();
        if text.starts_with(b":") {
            return Some(line.end - text.len() + 1);
        }
        if !text.is_empty() || next == pos {
            return None;
        }
        pos = next;
    }
    None
}

struct Opened {
    /// UTF-8.
    name: Vec<u8>,
    data: Vec<u8>,
    resources: Vec<u8>,
    is_whole: bool,
    is_too_large: bool,
}

/// The file, and how much of `encoded` it took. `None` if there is no head of one.
fn opened(encoded: &[u8], room: usize) -> Option<(Opened, usize)> {
    let mut bytes = Expanded { packed: Packed { encoded, taken: 0, bits: 0, count: 0 }, last: 0, repeat: 0 };
    let length = usize::from(bytes.next()?);
    let name = Some(bytes.take(length, length)).filter(|name| !name.is_empty())?;
    bytes.take(BEFORE_SIZES, BEFORE_SIZES);
    let (data, resources) = (bytes.number()?, bytes.number()?);
    // Its checksum, as of each fork: a file is shown whatever they are.
    bytes.take(2, 2);
    let mut opened = Opened {
        name: charset::text(&name, Some("macintosh")).into_bytes(),
        data: bytes.take(data, room),
        resources: Vec::new(),
        is_whole: false,
        is_too_large: false,
    };
    let is_long = |fork: &Vec<u8>, size: usize, room: usize| fork.len() == room && size > room;
    if is_long(&opened.data, data, room) {
        opened.is_too_large = true;
        return Some((opened, bytes.packed.taken));
    }
    bytes.take(2, 2);
    let room = room.saturating_sub(opened.data.len());
    opened.resources = bytes.take(resources, room);
    opened.is_too_large = is_long(&opened.resources, resources, room);
    opened.is_whole = opened.data.len() == data && opened.resources.len() == resources;
    Some((opened, bytes.packed.taken))
}

/// Bytes out of characters of six bits, up to the colon or to what is none of them.
struct Packed<'a> {
    encoded: &'a [u8],
    taken: usize,
    bits: u32,
    count: u32,
}

impl Packed<'_> {
    fn next(&mut self) -> Option<u8> {
        while self.count < 8 {
            let c = *self.encoded.get(self.taken)?;
            let digit = if c.is_ascii_whitespace() { None } else { Some(digit(c)?) };
            self.taken += 1;
            if let Some(digit) = digit {
                self.bits = (self.bits & 0xff) << 6 | digit;
                self.count += 6;
            }
        }
        self.count -= 8;
        u8::try_from(self.bits >> self.count & 0xff).ok()
    }
}

fn digit(c: u8) -> Option<u32> {
    memchr::memchr(c, ALPHABET).and_then(|at| u32::try_from(at).ok())
}

/// The same with runs written out.
struct Expanded<'a> {
    packed: Packed<'a>,
    last: u8,
    /// How often the last one comes again.
    repeat: u8,
}

impl Expanded<'_> {
    fn next(&mut self) -> Option<u8> {
        while self.repeat == 0 {
            let byte = self.packed.next()?;
            let count = if byte == RUN { Some(self.packed.next()?) } else { None };
            match count {
                // It stands for itself.
                None | Some(0) => {
                    self.last = byte;
                    return Some(byte);
                }
                // How often in all, the one that was given already among them.
                Some(count) => self.repeat = count - 1,
            }
        }
        self.repeat -= 1;
        Some(self.last)
    }

    /// So many bytes, or as many as there are, and no more than `room`.
    fn take(&mut self, count: usize, room: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < count.min(room) {
            match self.next() {
                Some(byte) => out.push(byte),
                None => break,
            }
        }
        out
    }

    /// Most significant byte first.
    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(4, 4);
        usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "(This file must be converted with BinHex 4.0)\n\n";
    /// What macutils 2.0b3 makes of a text, under the line that RFC 1741 asks for.
    const BY_A_TOOL: &str = r##":#("bEfFZG(Kd!&4&@&40380"!*!&*`!!!!$K&fKPE'a[)'eKBb"hEh*XC*!!N!#
3!''3%f)+#ki!!!:
"##;

    /// As the RFC says, with runs shortened.
    fn encoded(name: &str, data: &[u8], resources: &[u8]) -> String {
        let size = |fork: &[u8]| u32::try_from(fork.len()).unwrap().to_be_bytes();
        let name = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        let head = [&name[..], &[0; BEFORE_SIZES], &size(data), &size(resources), &[1, 2]].concat();
        let plain = [&head[..], data, &[3, 4], resources, &[5, 6]].concat();
        let mut packed = Vec::new();
        for run in plain.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(255)) {
            packed.push(run[0]);
            if run[0] == RUN {
                packed.push(0);
            }
            match run.len() {
                1 => {}
                2 if run[0] != RUN => packed.push(run[0]),
                count => packed.extend([RUN, u8::try_from(count).unwrap()]),
            }
        }
        let mut out = ":".to_owned();
        for group in packed.chunks(3) {
            let byte = |i: usize| usize::from(group.get(i).copied().unwrap_or(0));
            let word = byte(0) << 16 | byte(1) << 8 | byte(2);
            for i in 0..=group.len() {
                out.push(char::from(ALPHABET[word >> (18 - 6 * i) & 63]));
                if out.len() % 65 == 64 {
                    out.push('\n');
                }
            }
        }
        out + ":\n"
    }

    fn of(text: &str, room: usize) -> Files {
        let mut files = Files::default();
        read(&Bytes::copy_from_slice(text.as_bytes()), 100, room, &mut files);
        files
    }

    fn told(files: &Files) -> Vec<(String, Vec<u8>, bool)> {
        files.list.iter().map(|f| (f.names.join(" "), f.content.to_vec(), f.is_damaged)).collect()
    }

    #[test]
    fn what_another_program_wrote_is_read() {
        let expected = b"hello mac world\x90\x90\x90aaaaaaaaaaaaaaaaaaab\n".to_vec();
        let whole = [("prog.txt".to_owned(), expected, false)];
        assert_eq!(told(&of(&format!("{LINE}{BY_A_TOOL}"), 1000)), whole);
        let own_line = format!("(This file must be converted; you knew that already.)\n\n{BY_A_TOOL}");
        assert_eq!(told(&of(&own_line, 1000)), whole);
    }

    #[test]
    fn files_come_out_wherever_they_stand_and_both_forks_of_them() {
        let text = format!(
            "hello\n{LINE}{}bye\n{LINE}{}",
            encoded("a b.exe", b"Cat", b""),
            encoded("c.js", b"\x90\x90x", b"fork")
        );
        let files = of(&text, 1000);
        let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec(), false);
        assert_eq!(
            told(&files),
            [file("a b.exe", b"Cat"), file("c.js", b"\x90\x90x"), file("c.js", b"fork")]
        );
        assert!(!files.is_unopened && !files.is_broken);
    }

    #[test]
    fn a_file_that_breaks_off_is_damaged() {
        let whole = encoded("a.exe", b"Cat and dog and more", b"");
        let text = format!("{LINE}{}", &whole[..whole.len() - 12]);
        let files = of(&text, 1000);
        let (name, bytes, is_damaged) = told(&files).remove(0);
        assert!(name == "a.exe" && bytes.starts_with(b"Cat and d") && is_damaged);
        // And does not take the next one with it.
        assert_eq!(told(&of(&format!("{text}\n{LINE}{whole}"), 1000)).len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_told_and_words_of_people_are_no_files() {
        for (text, is_told) in [
            (format!("x\n{LINE}:...:\n"), true),
            (format!("{LINE}no data\n"), true),
            (LINE.to_owned(), true),
            (format!("> {LINE}"), false),
            ("(This file must be converted before use)\n".to_owned(), false),
            (String::new(), false),
        ] {
            let files = of(&text, 1000);
            assert_eq!((told(&files), files.is_unopened), (vec![], is_told), "{text}");
        }
    }

    #[test]
    fn no_more_bytes_and_files_are_taken_than_there_is_room_for() {
        let text = format!("{LINE}{}", encoded("a", &[7; 100_000], &[8; 9]));
        let files = of(&text, 1000);
        assert_eq!((files.list[0].content.len(), files.list.len(), files.is_broken), (1000, 1, true));
        let files = of(&text, 100_003);
        assert_eq!((files.list[1].content.len(), files.is_broken), (3, true));
        let files = of(&text, 100_009);
        assert!(files.list.iter().all(|file| !file.is_damaged) && !files.is_broken);
        let mut files = Files::default();
        read(&text.repeat(3).into(), 2, usize::MAX, &mut files);
        assert_eq!((files.list.len(), files.is_cut), (2, true));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(
            data in prop::collection::vec(prop::sample::select(&[0_u8, 1, 0x90, 0x91, 0xff][..]), 0..600),
            resources in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            let files = of(&format!("text\n{LINE}{}text\n", encoded("a.bin", &data, &resources)), 1000);
            let file = |bytes: &Vec<u8>| ("a.bin".to_owned(), bytes.clone(), false);
            prop_assert_eq!(told(&files), vec![file(&data), file(&resources)]);
            prop_assert!(!files.is_unopened);
        }

        #[test]
        fn any_text_is_read_within_bounds(
            pieces in prop::collection::vec(
                prop::sample::select(&[LINE, BY_A_TOOL, ":", "\n", "!!!", "N", "rrrrrrrr", ":\"'*", " ", "\u{fc}", "3!!#"][..]),
                0..40),
            most in 0_usize..4,
            room in 0_usize..3000,
        ) {
            let mut files = Files::default();
            read(&pieces.concat().into(), most, room, &mut files);
            prop_assert!(files.list.len() <= most);
            prop_assert!(files.list.iter().map(|f| f.content.len()).sum::<usize>() <= room);
        }
    }
}
