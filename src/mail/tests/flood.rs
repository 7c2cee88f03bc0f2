//! Messages made to exhaust memory, time or stack.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::mail::compound::building::{file, storage, stream};
use crate::mail::{Limits, attachments, header, walk};
use crate::model::part::{Defect, NotInspected};
use crate::model::{Message, Parts};

/// Walks, and holds that it took neither time nor memory worth mentioning. The message itself is not
/// counted.
fn bounded(message: &Message, limits: &Limits) -> Parts {
    // One at a time: each holds tens of megabytes of mail.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = resident();
    let started = Instant::now();
    let parts = walk(message, limits);
    let took = started.elapsed();
    let grown = resident().saturating_sub(before);
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Other tests of this process allocate at the same time, so the bound is a generous one. What it
    // holds off goes wrong by far more: 3.5 million parts, 7 million fields, 25 copies of the message.
    assert!(grown < 300 << 20, "{grown} bytes");
    parts
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn parse(header: &str, body: Vec<u8>) -> Message {
    header::parse([header.as_bytes(), &body].concat())
}

#[test]
fn twenty_megabytes_of_boundary_lines() {
    let message = parse("Content-Type: multipart/mixed; boundary=x\r\n\r\n", b"--x\r\n".repeat(4 << 20));
    let parts = bounded(&message, &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (1000, vec![NotInspected::TooManyParts]));
}

#[test]
fn twenty_megabytes_of_boundary_lines_in_base64_in_a_nested_message() {
    let inner =
        [&b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"[..], &b"--x\r\n".repeat(3 << 20)].concat();
    let encoded = data_encoding::BASE64.encode(&inner).into_bytes();
    let message = parse("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n", encoded);
    let parts = bounded(&message, &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (1000, vec![NotInspected::TooManyParts]));
}

#[test]
fn twenty_megabytes_of_lines_that_are_almost_delimiters() {
    let head = "Content-Type: multipart/mixed; boundary=--\r\n\r\n";
    let message = parse(head, b"\r\n--".repeat(5 << 20));
    let parts = bounded(&message, &Limits::default());
    assert_eq!(parts.list.len(), 2);
}

#[test]
fn a_line_that_all_levels_might_take_for_theirs() {
    let mut head = String::new();
    for i in 1..=29 {
        let boundary = "x".repeat(i);
        head.push_str(&format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n"));
    }
    let spaces = [b"\r\n--".to_vec(), b"x".repeat(40), b" ".repeat(20 << 20)].concat();
    let parts = bounded(&parse(&head, spaces), &Limits::default());
    assert_eq!(parts.not_inspected, []);
}

#[test]
fn seven_million_header_fields() {
    let message = header::parse(b"a:\r\n".repeat(7_000_000));
    assert_eq!(message.field_count(), 7_000_000);
    let parts = bounded(&message, &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (1, vec![NotInspected::TooManyFields]));
}

#[test]
fn seven_million_header_fields_in_a_part_and_in_a_nested_message() {
    for head in
        ["Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", "Content-Type: message/rfc822\r\n\r\n"]
    {
        let message = parse(head, b"a:\r\n".repeat(7_000_000));
        let parts = bounded(&message, &Limits::default());
        assert_eq!((parts.list.len(), parts.not_inspected), (1, vec![NotInspected::TooManyFields]));
    }
}

#[test]
fn twenty_thousand_nested_multiparts() {
    let mut text = String::new();
    for i in 0..20_000 {
        text.push_str(&format!("Content-Type: multipart/mixed; boundary=b{i:05}\r\n\r\n--b{i:05}\r\n"));
    }
    let parts = bounded(&header::parse(text.into_bytes()), &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (31, vec![NotInspected::TooDeep]));
}

#[test]
fn twenty_thousand_nested_messages() {
    let text = "Content-Type: message/rfc822\r\n\r\n".repeat(20_000);
    let parts = bounded(&header::parse(text.into_bytes()), &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (31, vec![NotInspected::TooDeep]));
}

#[test]
fn as_many_levels_as_the_limit_allows_fit_on_a_small_stack() {
    let text = "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\n".repeat(110);
    let limits = Limits { depth: u32::MAX, ..Limits::default() };
    let small = std::thread::Builder::new().stack_size(512 * 1024);
    let parts =
        small.spawn(move || walk(&header::parse(text.into_bytes()), &limits)).unwrap().join().unwrap();
    assert_eq!((parts.list.len(), parts.not_inspected), (101, vec![NotInspected::TooDeep]));
}

#[test]
fn a_message_that_grows_at_each_level_of_decoding() {
    // Quoted-printable does not shrink plain text: each level is one more copy.
    let head =
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".repeat(25);
    let message = parse(&head, b"x".repeat(8 << 20));
    let parts = bounded(&message, &Limits::default());
    assert_eq!(parts.not_inspected, [NotInspected::TooLarge]);
}

#[test]
fn a_million_parameters_and_a_header_of_commas() {
    for value in ["; a=b", "; a*1*=b", "; boundary=x", "(", "\\", "\"", "=?", "/"] {
        let head = format!("Content-Type: multipart/mixed{}\r\n\r\n", value.repeat(1_000_000));
        let parts = bounded(&header::parse(head.into_bytes()), &Limits::default());
        assert_eq!(parts.list.len(), 1, "{value}");
    }
}

#[test]
fn ten_thousand_parts_with_costly_headers() {
    let part = format!(
        "--x\r\nContent-Type: a/b{}\r\nContent-Disposition: x{}\r\n\r\n",
        "; a*0=b".repeat(2000),
        "; q=\"\"".repeat(2000)
    );
    let message = parse("Content-Type: multipart/mixed; boundary=x\r\n\r\n", part.repeat(1000).into_bytes());
    let parts = bounded(&message, &Limits::default());
    assert_eq!(parts.list.len(), 1000);
    assert_eq!(attachments(&parts).len(), 999);
}

#[test]
fn the_paths_of_many_files_in_many_containers_take_no_more_than_the_message() {
    let name = "n".repeat(8000);
    let head = format!("Content-Type: message/rfc822; name={name}\r\n\r\n").repeat(14)
        + &format!("Content-Type: message/rfc822\r\nSubject: {name}\r\n\r\n").repeat(14)
        + "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    let file = format!("--b\r\nContent-Type: a/b; name={name}.x\r\n\r\n\r\n");
    let message = parse(&head, file.repeat(950).into_bytes());
    let files = attachments(&bounded(&message, &Limits::default()));
    assert_eq!(files.len(), 950);
    let taken: usize = files.iter().flat_map(|f| &f.path).map(|name| name.len() + size_of::<String>()).sum();
    assert!(taken < 2 << 20, "{taken} bytes");
    let names: usize = files.iter().map(|f| f.name.len()).sum();
    assert!(names < 1 << 20, "{names} bytes");
    for path in files.iter().map(|f| &f.path) {
        assert_eq!(path[0], "…");
        assert!(path[path.len() - 1].starts_with("nnn") && path[path.len() - 1].ends_with("n.x"));
    }
    assert!(files[0].path.len() > 10, "{}", files[0].path.len());
}

#[test]
fn a_deep_path_is_named_without_much_work() {
    let head = "Content-Type: message/rfc822\r\nSubject: x\r\n\r\n".repeat(99);
    let parts = walk(
        &header::parse(Bytes::from(head + "Content-Type: a/b\r\n\r\n")),
        &Limits { depth: 100, ..Limits::default() },
    );
    assert_eq!(attachments(&parts)[0].path.len(), 100);
}

#[test]
fn a_million_files_in_a_text_and_a_winmail_of_nothing_but_attachments() {
    let text = parse("Subject: x\r\n\r\n", b"begin 644 a\r\n`\r\nend\r\n".repeat(1_000_000));
    let parts = bounded(&text, &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (1000, vec![NotInspected::TooManyParts]));
    let attachment = b"\x02\x02\x90\x06\0\0\0\0\0\0\0".repeat(1_000_000);
    let winmail = [b"\x78\x9f\x3e\x22\x01\0", &attachment[..]].concat();
    let encoded = data_encoding::BASE64.encode(&winmail).into_bytes();
    let head = "Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let parts = bounded(&parse(head, encoded), &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (1000, vec![NotInspected::TooManyParts]));
}

#[test]
fn a_file_in_binhex_that_unpacks_to_many_times_its_size_and_a_million_beginnings() {
    let mark = "(This file must be converted with BinHex 4.0)\r\n\r\n";
    // A name of one letter, a fork of 0x7fff_0000 bytes, and runs of 255: eight characters are three of them.
    let (head, run) = (r#":!@%!!!!!!!!!!!!!!(rr!!!!!!!!!3*i"#, r#"N2q3rj$r"#);
    let runs = format!("{mark}{head}{}:\r\n", run.repeat(500_000));
    let parts = bounded(&parse("Subject: x\r\n\r\n", runs.into_bytes()), &Limits::default());
    assert_eq!((parts.list.len(), parts.not_inspected), (2, vec![NotInspected::Undecodable(1)]));
    for beginning in [mark.to_owned(), format!("{mark}:"), "=ybegin line=1 size=1 name=a\r\n".to_owned()] {
        let parts =
            bounded(&parse("Subject: x\r\n\r\n", beginning.repeat(300_000).into_bytes()), &Limits::default());
        assert!(parts.list.len() <= 1000, "{beginning}");
    }
}

#[test]
fn a_message_of_outlook_whose_streams_are_all_the_same_large_one() {
    let attachments = (0..3000).map(|_| {
        let nodes = vec![stream("__substg1.0_37010102", b""), stream("__substg1.0_3707001F", b"a\0")];
        storage("__attach_version1.0_#00000000", nodes)
    });
    let large = stream("large", &[7; 2 << 20]);
    let mut all = vec![stream("__properties_version1.0", &[0; 32]), large];
    all.extend(attachments);
    let mut message = file(&all);
    // Each content begins where the large one does, and is as long.
    let name: Vec<u8> = "__substg1.0_37010102".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let places: Vec<usize> = memchr::memmem::find_iter(&message, &name).collect();
    assert_eq!(places.len(), 3000);
    for place in places {
        message[place + 116..place + 120].copy_from_slice(&0_u32.to_le_bytes());
        message[place + 120..place + 124].copy_from_slice(&(2_u32 << 20).to_le_bytes());
    }
    let encoded = data_encoding::BASE64.encode(&message).into_bytes();
    let head = "Content-Type: application/vnd.ms-outlook\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let parts = bounded(&parse(head, encoded), &Limits::default());
    assert!(parts.list[0].defects.contains(&Defect::Unopened));
    let taken: usize = parts.list.iter().skip(1).map(|part| part.content.len()).sum();
    assert!(taken <= message.len(), "{taken}");
}

#[test]
fn rich_text_that_unpacks_to_many_times_its_size() {
    // Each reference of two bytes is seventeen of text. One to where writing goes on would be the end.
    let mut packed = Vec::new();
    let mut at = 207_u16;
    for _ in 0..700_000 {
        // All eight that follow are references.
        packed.extend([0xff]);
        for _ in 0..8 {
            packed.extend((((at + 1) % 4096) << 4 | 15).to_be_bytes());
            at = (at + 17) % 4096;
        }
    }
    let head =
        [&u32::try_from(packed.len() + 12).unwrap().to_le_bytes()[..], &[0xff; 4], b"LZFu", &[0; 4]].concat();
    let size = u32::try_from(head.len() + packed.len()).unwrap().to_le_bytes();
    let property = [&[2, 1, 9, 0x10, 1, 0, 0, 0][..], &size, &head, &packed].concat();
    let properties = [&1_u32.to_le_bytes()[..], &property].concat();
    let size = u32::try_from(properties.len()).unwrap().to_le_bytes();
    let winmail = [b"\x78\x9f\x3e\x22\x01\0\x01\x03\x90\x06\0", &size[..], &properties, &[0; 2]].concat();
    let encoded = data_encoding::BASE64.encode(&winmail).into_bytes();
    let head = "Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let parts = bounded(&parse(head, encoded), &Limits::default());
    assert_eq!(parts.not_inspected, [NotInspected::Undecodable(1)]);
}
