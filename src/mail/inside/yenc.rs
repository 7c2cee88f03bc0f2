//! Files in yEnc: bytes as they are, each with 42 added, in a text (yenc.org, draft 1.3).
//!
//! `=ybegin line=128 size=… name=…`, lines, `=yend size=…`. It was made for news; Thunderbird shows what stands so in a
//! mail as an attachment. It is read from the bytes of a text as they came: its bytes are those of no charset.

use bytes::Bytes;
use memchr::memmem;

use super::{File, Files, text};
use crate::mail::lines::{self, at};

const BEGIN: &[u8] = b"=ybegin ";
const PART: &[u8] = b"=ypart ";
const END: &[u8] = b"=yend";
/// No line of data begins so: the byte behind `=` would be one that needs no escape.
const KEYWORD: &[u8] = b"=y";
/// What is added to each byte, and once more to one behind `=`.
const SHIFT: u8 = 42;
const ESCAPED: u8 = 64;

/// Adds the files in `content`, up to `most` together. A piece of a file that goes on in other mail is told.
pub(super) fn read(content: &Bytes, most: usize, files: &mut Files) {
    let finder = memmem::Finder::new(BEGIN);
    let mut pos = 0;
    while let Some(found) = finder.find(content.get(pos..).unwrap_or_default()) {
        let begin = pos + found;
        let (line, next) = lines::line(content, begin);
        pos = next;
        let is_at_line = begin == 0 || content.get(begin - 1) == Some(&b'\n');
        let Some(head) = Head::of(at(content, &line)).filter(|_| is_at_line) else { continue };
        let Some(piece) = decoded(content, next, &head) else {
            files.is_unopened = true;
            continue;
        };
        pos = piece.after;
        files.is_unopened |= piece.is_part;
        if files.list.len() >= most {
            files.is_cut = true;
            return;
        }
        files.list.push(File { is_damaged: !piece.is_whole, ..text::named(head.name, piece.bytes) });
    }
}

/// The first line.
struct Head<'a> {
    name: &'a [u8],
    size: Option<usize>,
    is_part: bool,
}

impl<'a> Head<'a> {
    /// `None` where no file is named: the words of somebody who writes of it.
    fn of(line: &'a [u8]) -> Option<Self> {
        let mark: &[u8] = b" name=";
        // The name is last and may hold anything.
        let (said, name) = line.split_at_checked(memmem::find(line, mark)?)?;
        let name = name.get(mark.len()..)?.trim_ascii();
        let is_one = !name.is_empty() && value(said, b"line=").is_some();
        is_one.then(|| Self { name, size: value(said, b"size="), is_part: value(said, b"part=").is_some() })
    }
}

/// The number behind a word.
fn value(line: &[u8], word: &[u8]) -> Option<usize> {
    let said = line.split(|c| *c == b' ').find_map(|said| said.strip_prefix(word))?;
    std::str::from_utf8(said).ok()?.trim().parse().ok()
}

struct Piece {
    bytes: Vec<u8>,
    /// It is as long as it says, and its end is there.
    is_whole: bool,
    /// What stands before or behind it is elsewhere.
    is_part: bool,
    /// Where reading goes on.
    after: usize,
}

/// What is encoded from `pos` on; `None` if there is nothing.
fn decoded(content: &[u8], mut pos: usize, head: &Head<'_>) -> Option<Piece> {
    let mut size = head.size;
    let mut is_part = head.is_part;
    let (line, next) = lines::line(content, pos);
    if let Some(said) = at(content, &line).strip_prefix(PART) {
        pos = next;
        let range = value(said, b"begin=").zip(value(said, b"end="));
        is_part = range != head.size.map(|size| (1, size));
        size = range.and_then(|(begin, end)| end.checked_sub(begin)?.checked_add(1));
    }
    let mut bytes = Vec::new();
    let mut has_end = false;
    while pos < content.len() {
        let (line, next) = lines::line(content, pos);
        let text = at(content, &line);
        if text.starts_with(KEYWORD) {
            has_end = text.starts_with(END);
            pos = if has_end { next } else { pos };
            break;
        }
        let mut rest = text.iter();
        while let Some(byte) = rest.next() {
            let escape = match byte {
                b'=' => rest.next().map(|byte| byte.wrapping_sub(ESCAPED)),
                byte => Some(*byte),
            };
            bytes.extend(escape.map(|byte| byte.wrapping_sub(SHIFT)));
        }
        pos = next;
    }
    let is_whole = has_end && size == Some(bytes.len());
    (has_end || !bytes.is_empty()).then_some(Piece { bytes, is_whole, is_part, after: pos })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As yenc.org says, with lines of `width` bytes.
    fn encoded(bytes: &[u8], width: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut column = 0;
        for byte in bytes {
            match byte.wrapping_add(SHIFT) {
                byte @ (0 | b'\n' | b'\r' | b'=') => out.extend([b'=', byte.wrapping_add(ESCAPED)]),
                byte => out.push(byte),
            }
            column += 1;
            if column == width {
                out.extend(b"\r\n");
                column = 0;
            }
        }
        if column > 0 {
            out.extend(b"\r\n");
        }
        out
    }

    fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
        let begin = format!("=ybegin line=128 size={} name={name}\r\n", bytes.len());
        let end = format!("=yend size={} crc32=0\r\n", bytes.len());
        [begin.as_bytes(), &encoded(bytes, 128), end.as_bytes()].concat()
    }

    fn of(content: &[u8]) -> Files {
        let mut files = Files::default();
        read(&Bytes::copy_from_slice(content), 100, &mut files);
        files
    }

    fn told(files: &Files) -> Vec<(String, Vec<u8>, bool)> {
        files.list.iter().map(|f| (f.names.join(" "), f.content.to_vec(), f.is_damaged)).collect()
    }

    #[test]
    fn files_come_out_wherever_they_stand() {
        let content = [
            b"hello\r\n".to_vec(),
            file("my file.exe", b"MZ\x13\xd6\xe0\xe3"),
            file("b.js", b"x"),
            b"bye".to_vec(),
        ];
        let files = of(&content.concat());
        let expected = [
            ("my file.exe".to_owned(), b"MZ\x13\xd6\xe0\xe3".to_vec(), false),
            ("b.js".to_owned(), b"x".to_vec(), false),
        ];
        assert_eq!((told(&files), files.is_unopened), (expected.to_vec(), false));
    }

    #[test]
    fn a_file_of_which_something_is_missing_is_damaged() {
        for content in [
            &b"=ybegin line=128 size=3 name=a\r\n\x6d\x8b\x9e"[..],
            b"=ybegin line=128 size=4 name=a\r\n\x6d\x8b\x9e\r\n=yend size=4\r\n",
            b"=ybegin line=128 size=3 name=a\r\n\x6d\x8b\x9e\r\n=ybegin line=128 size=3 name=\r\n",
        ] {
            let files = of(content);
            assert_eq!(told(&files), [("a".to_owned(), b"Cat".to_vec(), true)], "{}", content.escape_ascii());
        }
    }

    #[test]
    fn a_piece_is_given_and_told_and_one_that_is_all_is_not() {
        let piece = b"=ybegin part=1 total=2 line=128 size=6 name=a\n=ypart begin=1 end=3\n\x6d\x8b\x9e\n=yend size=3 part=1\n";
        let files = of(piece);
        assert_eq!(told(&files), [("a".to_owned(), b"Cat".to_vec(), false)]);
        assert!(files.is_unopened);
        let all = b"=ybegin part=1 total=1 line=128 size=3 name=a\n=ypart begin=1 end=3\n\x6d\x8b\x9e\n=yend size=3 part=1\n";
        let files = of(all);
        assert_eq!((told(&files).len(), files.is_unopened), (1, false));
    }

    #[test]
    fn words_of_people_are_no_files() {
        for text in [
            "a word about =ybegin line=128 size=3 name=x\n",
            "=ybegin line=128 size=3\nabc\n=yend size=3\n",
            "=ybegin of it all, name=x\n",
            "=yend\n",
            "",
        ] {
            let files = of(text.as_bytes());
            assert_eq!((told(&files), files.is_unopened), (vec![], false), "{text}");
        }
        assert!(of(b"=ybegin line=128 size=3 name=x\n").is_unopened);
    }

    #[test]
    fn no_more_files_are_taken_than_asked_for() {
        let mut files = Files::default();
        read(&file("a", b"x").repeat(5).into(), 3, &mut files);
        assert_eq!((files.list.len(), files.is_cut), (3, true));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 1..600)) {
            let files = of(&file("a.bin", &bytes));
            prop_assert_eq!(told(&files), vec![("a.bin".to_owned(), bytes, false)]);
        }

        #[test]
        fn any_text_is_read_and_gives_less_than_it_is(
            pieces in prop::collection::vec(
                prop::sample::select(&[
                    "=ybegin ", "line=1 ", "size=3", " name=a.js", "\n", "\r\n", "=ypart begin=1 end=", "3", "=yend", "=", "y",
                    "99999999999999999999", "part=1 ", "abc", "\u{fc}",
                ][..]), 0..40),
            most in 0_usize..4,
        ) {
            let text = Bytes::from(pieces.concat());
            let mut files = Files::default();
            read(&text, most, &mut files);
            prop_assert!(files.list.len() <= most);
            prop_assert!(files.list.iter().map(|f| f.content.len()).sum::<usize>() <= text.len());
        }
    }
}
