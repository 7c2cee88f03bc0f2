//! Files that stand in a text: uuencode here, yEnc and BinHex in modules of their own.
//!
//! Uuencode was never a standard of mail. POSIX describes it (uuencode, "STDOUT"), in its own alphabet and in base64;
//! mail programs of before MIME sent files so, and Outlook and Thunderbird still show them as attachments.

use bytes::Bytes;
use memchr::memmem;

use super::{FILE, File, Files, binhex, yenc};
use crate::mail::head::names_of;
use crate::mail::lines::{self, at};
use crate::mail::transfer;
use crate::model::Part;
use crate::model::file_name::extension;

/// Endings of files that are nothing but an encoded one.
const ENDINGS: [&str; 6] = ["uu", "uue", "enc", "hqx", "yenc", "ync"];
/// The type of a file in BinHex (RFC 1741).
const BINHEX: &str = "application/mac-binhex40";
/// The longest line of data that is taken for one. 45 bytes make 61 characters; 63 bytes are the most there can be.
const LONGEST_LINE: usize = 100;

/// The files in a text, `most` at most, unpacked to `room` bytes together. `raw` is the text before its charset was
/// undone. Nothing for what is neither text nor called after such an encoding.
pub(super) fn read(part: &Part, raw: &Bytes, most: usize, room: usize) -> Files {
    let content = &part.content;
    let names = || part.name.iter().chain(&part.other_names).map(|name| extension(name));
    let begins: [&[u8]; 3] = [b"begin ", b"begin-base64 ", b"=ybegin "];
    let is_binhex = part.media_type == BINHEX || names().any(|ending| ending == "hqx");
    let is_read = is_binhex
        || part.media_type.starts_with("text/")
        || begins.iter().any(|begin| content.starts_with(begin))
        || names().any(|ending| ENDINGS.contains(&&*ending));
    if !is_read {
        return Files::default();
    }
    let mut files = find(content, most);
    yenc::read(raw, most, &mut files);
    binhex::read(content, most, room, &mut files);
    // It says that it is one.
    files.is_unopened |= is_binhex && files.list.is_empty() && !lines::is_blank(content);
    files
}

/// How a file in a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Uuencode,
    Base64,
}

fn find(content: &Bytes, most: usize) -> Files {
    let mut files = Files::default();
    let begin = memmem::Finder::new(b"\nbegin");
    let mut pos = 0_usize;
    let mut is_first = content.starts_with(b"begin");
    loop {
        if !std::mem::take(&mut is_first) {
            let rest = content.get(pos.saturating_sub(1)..).unwrap_or_default();
            let Some(found) = begin.find(rest) else { return files };
            pos = pos.saturating_sub(1) + found + 1;
        }
        let (line, next) = lines::line(content, pos);
        let file = opening(at(content, &line)).and_then(|(form, name)| {
            let (bytes, is_whole, after) = match form {
                Form::Uuencode => uuencoded(content, next)?,
                Form::Base64 => base64(content, next)?,
            };
            Some((File { is_damaged: !is_whole, ..named(name, bytes) }, after))
        });
        match file {
            None => pos = next,
            Some(_) if files.list.len() >= most => {
                files.is_cut = true;
                return files;
            }
            Some((file, after)) => {
                files.list.push(file);
                pos = after;
            }
        }
    }
}

/// A file of which only the name is known.
pub(super) fn named(name: &[u8], bytes: Vec<u8>) -> File {
    File {
        names: names_of([String::from_utf8_lossy(name).into_owned()]),
        media_type: FILE.to_owned(),
        is_attachment: true,
        content: bytes.into(),
        is_damaged: false,
    }
}

/// `begin 644 name` or `begin-base64 644 name`.
fn opening(line: &[u8]) -> Option<(Form, &[u8])> {
    let (form, rest) = match line.strip_prefix(b"begin-base64") {
        Some(rest) => (Form::Base64, rest),
        None => (Form::Uuencode, line.strip_prefix(b"begin")?),
    };
    let is_blank = |c: &u8| matches!(c, b' ' | b'\t');
    let mode = rest.first().filter(|c| is_blank(c)).map(|_| rest.trim_ascii_start())?;
    let end = mode.iter().position(is_blank)?;
    let (mode, name) = mode.split_at_checked(end)?;
    let is_mode = (3..=6).contains(&mode.len()) && mode.iter().all(|c| matches!(c, b'0'..=b'7'));
    let name = name.trim_ascii();
    (is_mode && !name.is_empty()).then_some((form, name))
}

/// What is encoded from `pos` on: the bytes, whether the end is there, and where reading goes on. `None` if there is
/// nothing.
fn uuencoded(content: &[u8], mut pos: usize) -> Option<(Vec<u8>, bool, usize)> {
    let mut bytes = Vec::new();
    let mut is_any = false;
    while pos < content.len() {
        let (line, next) = lines::line(content, pos);
        let text = at(content, &line);
        if text.trim_ascii() == b"end" {
            return Some((bytes, true, next));
        }
        match text.split_first() {
            _ if text.len() > LONGEST_LINE || !text.iter().all(|c| matches!(c, b' '..=b'`')) => break,
            None | Some((b'`' | b' ', _)) => {}
            Some((count, data)) => {
                transfer::uu_line(usize::from(count.wrapping_sub(32) & 63), data, &mut bytes);
                is_any = true;
            }
        }
        pos = next;
    }
    is_any.then_some((bytes, false, pos))
}

/// The same in base64, up to `====`.
fn base64(content: &[u8], start: usize) -> Option<(Vec<u8>, bool, usize)> {
    let mut pos = start;
    let mut end = start;
    let mut is_whole = false;
    while pos < content.len() {
        let (line, next) = lines::line(content, pos);
        let text = at(content, &line).trim_ascii();
        let is_data = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
        if text == b"====" {
            (is_whole, pos) = (true, next);
            break;
        }
        if !text.iter().all(is_data) {
            break;
        }
        (pos, end) = (next, next);
    }
    let digits = content.get(start..end).unwrap_or_default();
    let decoded = transfer::base64(digits);
    (is_whole || !decoded.bytes.is_empty()).then_some((decoded.bytes, is_whole && !decoded.is_bad, pos))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Files {
        find(&Bytes::copy_from_slice(text.as_bytes()), 100)
    }

    fn told(files: &Files) -> Vec<(String, Vec<u8>, bool)> {
        files.list.iter().map(|f| (f.names.join(" "), f.content.to_vec(), f.is_damaged)).collect()
    }

    #[test]
    fn files_in_a_text_are_found_wherever_they_stand() {
        let text = "Hello,\r\nsee the file\r\n\r\nbegin 644 a.exe\r\n#0V%T\r\n`\r\nend\r\n\r\n\
                    begin 0755 my file.js\n#0V%T\n \nend\nbegin-base64 644 b.zip\nQ2F0\n====\nbye\n";
        let cat = |name: &str| (name.to_owned(), b"Cat".to_vec(), false);
        assert_eq!(told(&of(text)), [cat("a.exe"), cat("my file.js"), cat("b.zip")]);
        assert_eq!(told(&of("begin 644 a\n#0V%T\n`\nend")), [cat("a")]);
    }

    #[test]
    fn a_file_without_end_is_taken_as_far_as_it_goes() {
        let cat = ("a.exe".to_owned(), b"Cat".to_vec(), true);
        assert_eq!(told(&of("begin 644 a.exe\n#0V%T\nregards\n")), std::slice::from_ref(&cat));
        assert_eq!(told(&of("begin 644 a.exe\n#0V%T")), std::slice::from_ref(&cat));
        let text = "begin 644 a.exe\n#0V%T\nbegin 644 a.exe\n#0V%T\n";
        assert_eq!(told(&of(text)), [cat.clone(), cat]);
    }

    #[test]
    fn words_of_people_are_no_files() {
        for text in [
            "begin with the first page\nHELLO\nend\n",
            "begin 644 a.exe\nWe met at noon.\nend\n",
            "we begin 644 a.exe\n#0V%T\nend\n",
            "> begin 644 a.exe\n> #0V%T\n> end\n",
            "begin 644\n#0V%T\nend\n",
            "begin 999 a\n#0V%T\nend\n",
            "beginning\nbegin\nbegin \nbegin 1\n",
            "a word about =ybegin line=128 name=x\n",
            "",
        ] {
            let files = of(text);
            assert_eq!((told(&files), files.is_unopened), (vec![], false), "{text}");
        }
    }

    #[test]
    fn each_form_is_looked_for_in_texts_and_in_what_is_called_so() {
        let uuencode: &[u8] = b"begin 644 a.exe\n#0V%T\n`\nend\n";
        let yenc: &[u8] = b"=ybegin line=128 size=3 name=b.exe\n\x6d\x8b\x9e\n=yend size=3\n";
        let all: Bytes =
            [uuencode, yenc, b"(This file must be converted with BinHex 4.0)\n:no:\n"].concat().into();
        for (media_type, name, expected) in [
            ("text/plain", None, 2),
            ("application/octet-stream", Some("a.ync"), 2),
            ("application/mac-binhex40", None, 2),
            ("application/octet-stream", Some("a.HQX"), 2),
            ("application/octet-stream", None, 2),
            ("application/octet-stream", Some("a.txt"), 2),
        ] {
            let part = Part {
                media_type: media_type.to_owned(),
                name: name.map(str::to_owned),
                content: all.clone(),
                ..Part::default()
            };
            let files = read(&part, &all, 100, 1000);
            assert_eq!((files.list.len(), files.is_unopened), (expected, true), "{media_type} {name:?}");
        }
        let program = Part {
            media_type: "image/png".to_owned(),
            content: "x\nbegin 644 a\n#0V%T\n".into(),
            ..Part::default()
        };
        assert_eq!(read(&program, &program.content, 100, 1000).list.len(), 0);
    }

    #[test]
    fn a_file_that_is_called_binhex_and_is_none_is_told() {
        let told = |content: &'static str| {
            let part = Part { media_type: BINHEX.to_owned(), content: content.into(), ..Part::default() };
            read(&part, &part.content, 100, 1000).is_unopened
        };
        assert!(told("no such thing"));
        assert!(!told(" \n"));
    }

    #[test]
    fn no_more_files_are_taken_than_asked_for() {
        let files = find(&Bytes::from("begin 644 a\n`\nend\n".repeat(5)), 3);
        assert_eq!((files.list.len(), files.is_cut), (3, true));
    }

    #[test]
    fn a_text_of_beginnings_costs_no_more_than_its_length() {
        let text = Bytes::from("begin 644 a\n".repeat(1 << 19));
        assert_eq!(find(&text, 10).list.len(), 0);
    }

    /// As the tool of POSIX writes it.
    fn encoded(bytes: &[u8], width: usize) -> String {
        let digit = |six: u8| char::from(if six == 0 { b'`' } else { six + 32 });
        let mut out = "begin 644 a.bin\n".to_owned();
        for line in bytes.chunks(width) {
            out.push(digit(u8::try_from(line.len()).unwrap()));
            for group in line.chunks(3) {
                let byte = |i: usize| group.get(i).copied().unwrap_or(0);
                let (a, b, c) = (byte(0), byte(1), byte(2));
                for six in [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63] {
                    out.push(digit(six));
                }
            }
            out.push('\n');
        }
        out + "`\nend\n"
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(bytes in prop::collection::vec(any::<u8>(), 1..300), width in 1_usize..46) {
            let files = of(&format!("text\n{}text\n", encoded(&bytes, width)));
            prop_assert_eq!(told(&files), vec![("a.bin".to_owned(), bytes, false)]);
        }

        #[test]
        fn any_text_is_read_and_gives_less_than_it_is(
            pieces in prop::collection::vec(
                prop::sample::select(&[
                    "begin 644 a.js\n", "begin-base64 600 b\n", "\n", "end\n", "`\n", "#0V%T\n", "====\n", "QUJD", "begin",
                    " ", "\r", "=ybegin ", " name=", "\u{fc}", "M", "\t",
                ][..]), 0..40),
            most in 0_usize..4,
        ) {
            let text = pieces.concat();
            let files = find(&Bytes::from(text.clone()), most);
            prop_assert!(files.list.len() <= most);
            prop_assert!(files.list.iter().map(|f| f.content.len()).sum::<usize>() <= text.len());
            prop_assert!(files.list.iter().all(|f| !f.names.is_empty()));
        }
    }
}
