//! PDF files as programs write them, as tricksters write them, and as nobody does.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use crate::mail::links::{Limits, Links, Skipped, find};
use crate::model::{Part, Parts};

fn looked(bytes: Vec<u8>, limits: &Limits) -> Links {
    let part = Part {
        media_type: "application/pdf".to_owned(),
        content: bytes.into(),
        is_attachment: true,
        ..Part::default()
    };
    find(&Parts { list: vec![part], not_inspected: Vec::new() }, "", limits)
}

/// `source link` of each, and what was not inspected.
fn told(bytes: impl Into<Vec<u8>>) -> (Vec<String>, Vec<Skipped>) {
    let found = looked(bytes.into(), &Limits::default());
    let links = found.list.iter().map(|found| format!("{} {}", found.source.label(), found.link));
    (links.collect(), found.not_inspected)
}

fn file(objects: &str) -> Vec<u8> {
    format!("%PDF-1.7\n{objects}\ntrailer << /Root 1 0 R >>\n%%EOF\n").into_bytes()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An object with a stream, in a file.
fn with_stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("%PDF-1.7\n4 0 obj\n<< {dictionary} >>\nstream\r\n").into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\nendstream\nendobj\n");
    bytes
}

/// A stream of objects in a file.
fn with_objects(objects: &[&str]) -> Vec<u8> {
    let mut table = String::new();
    let mut place = 0;
    for (number, object) in (10..).zip(objects) {
        table.push_str(&format!("{number} {place} "));
        place += object.len() + 1;
    }
    let dictionary =
        format!("/Type /ObjStm /N {} /First {} /Filter /FlateDecode", objects.len(), table.len());
    with_stream(&dictionary, &packed(format!("{table}{}\n", objects.join("\n")).as_bytes()))
}

const SEEN: &str = "pdf https://evil.example/x";

fn one() -> (Vec<String>, Vec<Skipped>) {
    (vec![SEEN.to_owned()], Vec::new())
}

#[test]
fn an_action_is_found_however_it_is_written() {
    for action in [
        "/URI (https://evil.example/x)",
        "/URI(https://evil.example/x)",
        "/URI % a comment (not this)\n (https://evil.example/x)",
        "/URI\0\t\r\n(https://evil.example/x)",
        "/#55R#49 (https://evil.example/x)",
        "/URI <68747470733a2f2f6576696c2e6578616d706c652f78>",
        "/URI <68 74 74 70 73 3A2F2F6576696c2e6578616d706c652f78>",
        "/URI (https:/\\057evil\\56example/x)",
        "/URI (https://evil.\\\nexample/x)",
        "/URI (https://evil.\\\r\nexample/x)",
        "/URI (\\150ttps://e\\vil.example/x)",
        "/URI <FEFF00680074007400700073003A002F002F006500760069006C002E006500780061006D0070006C0065002F0078>",
        "/F (https://evil.example/x)",
        "/UF (https://evil.example/x)",
        "/JS (app.launchURL\\(\"https://evil.example/x\", true\\);)",
        "/JS (app.launchURL\\('ht'+'tps://evil.example/x'\\))",
    ] {
        let object = format!("3 0 obj << /Type /Annot /A << /S /URI {action} >> >> endobj");
        let (links, skipped) = told(file(&object));
        assert!(links.contains(&SEEN.to_owned()), "{action} {links:?}");
        assert_eq!((links.len(), skipped), (1, vec![]), "{action} {links:?}");
    }
    // Brackets that belong to the address.
    let bytes = file("/URI (https://evil.example/a(b)c\\))");
    assert_eq!(told(bytes).0, ["pdf https://evil.example/a(b)c)"]);
    assert_eq!(told(file("/URI (www.evil.example.com/x)")).0, ["pdf http://www.evil.example.com/x"]);
}

#[test]
fn an_object_that_is_referred_to_is_followed() {
    assert_eq!(told(file("3 0 obj << /URI 7 0 R >> endobj 7 0 obj (https://evil.example/x) endobj")), one());
    assert_eq!(
        told(file("7  0\nobj<68747470733a2f2f6576696c2e6578616d706c652f78>endobj 3 0 obj<</URI 7 0 R>>")),
        one()
    );
    let script = b"app.launchURL(\"https://evil.example/x\")";
    for (dictionary, data) in [("/Length 39", script.to_vec()), ("/Filter /FlateDecode", packed(script))] {
        let mut bytes = with_stream(dictionary, &data);
        bytes.extend_from_slice(b"9 0 obj << /S /JavaScript /JS 4 0 R >> endobj");
        assert_eq!(told(bytes), one(), "{dictionary}");
    }
    // One that nobody refers to is a page, or a picture.
    assert_eq!(told(with_stream("/Filter /FlateDecode", &packed(script))), (vec![], vec![]));
}

#[test]
fn objects_in_streams_are_found() {
    let action = "<< /S /URI /URI (https://evil.example/x) >>";
    assert_eq!(told(with_objects(&["<< /Type /Page >>", action])), one());
    assert_eq!(told(with_objects(&["<< /URI 11 0 R >>", "(https://evil.example/x)"])), one());
    let objects = packed(format!("10 0 {action}").as_bytes());
    for dictionary in [
        "/Type /ObjStm /N 1 /First 5 /Filter /FlateDecode",
        "/Filter [/FlateDecode] /First 5 /N 1",
        "/#54ype /Obj#53tm /Fi#72st 5 /Filter /Fl /N 1",
    ] {
        assert_eq!(told(with_stream(dictionary, &objects)), one(), "{dictionary}");
    }
    // What comes behind it is read as well, and a length that lies does not matter.
    let mut bytes = with_stream("/Type /ObjStm /Length 1 /Filter /FlateDecode", &objects);
    bytes.extend_from_slice(b"9 0 obj << /URI (https://two.example/) >> endobj");
    assert_eq!(told(bytes).0, [SEEN, "pdf https://two.example/"]);
    // Not packed.
    assert_eq!(told(with_stream("/Type /ObjStm /N 1 /First 5", format!("10 0 {action}").as_bytes())), one());
}

#[test]
fn what_is_not_read_is_told() {
    let action = "<< /S /URI /URI (https://evil.example/x) >>";
    let encrypted = file("5 0 obj << /Filter /Standard >> endobj trailer << /Encrypt 5 0 R >>");
    assert_eq!(told(encrypted), (vec![], vec![Skipped::FileEncrypted]));
    assert_eq!(told(file("trailer << /Encrypt<</V 4>> >>")), (vec![], vec![Skipped::FileEncrypted]));
    assert_eq!(told(file("<< /EncryptMetadata false /Encrypt null >>")), (vec![], vec![]));
    let hex: String = packed(action.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    let other =
        with_stream("/Type /ObjStm /Filter [/ASCIIHexDecode /FlateDecode]", format!("{hex}>").as_bytes());
    assert_eq!(told(other), (vec![], vec![Skipped::FileUnreadable]));
    let other = with_stream("/Type /ObjStm /Filter /LZWDecode", b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01");
    assert_eq!(told(other), (vec![], vec![Skipped::FileUnreadable]));
    let predicted = with_stream("/Type /ObjStm /Filter /FlateDecode", &packed(b"\x0210 0 <<>>"));
    assert_eq!(told(predicted), (vec![], vec![Skipped::FileUnreadable]));
    let objects = packed(format!("10 0 {action}{}", " ".repeat(1_000)).as_bytes());
    let cut = with_stream("/Type /ObjStm", &objects[..objects.len() / 2]);
    assert_eq!(told(cut).1, [Skipped::FileUnreadable]);
}

#[test]
fn what_is_unpacked_is_bounded_over_the_message() {
    let objects =
        packed(format!("10 0 {}<< /URI (https://evil.example/x) >>", " ".repeat(1 << 20)).as_bytes());
    let one = with_stream("/Type /ObjStm", &objects);
    let found = |unpacked: usize, times: usize| {
        let found = looked(one.repeat(times), &Limits { unpacked, ..Limits::default() });
        (found.list.len(), found.not_inspected)
    };
    assert_eq!(found(16 << 20, 1), (1, vec![]));
    assert_eq!(found(1 << 20, 1), (0, vec![Skipped::TooMuchUnpacked]));
    assert_eq!(found(16 << 20, 100), (1, vec![Skipped::TooMuchUnpacked]));
    assert_eq!(found(0, 1), (0, vec![]), "nobody wants it");
    // Much that is read and gives nothing: empty blocks.
    let nothing = [b"\x78\x9c".to_vec(), b"\x00\x00\x00\xff\xff".repeat(100_000)].concat();
    let found =
        looked(with_stream("/Type /ObjStm", &nothing), &Limits { unpacked: 100_000, ..Limits::default() });
    assert_eq!(found.not_inspected, [Skipped::TooMuchUnpacked]);
}

#[test]
fn a_file_is_known_by_type_name_or_beginning() {
    let of = |media_type: &str, name: &str, content: &[u8]| {
        let part = Part {
            media_type: media_type.to_owned(),
            name: (!name.is_empty()).then(|| name.to_owned()),
            is_attachment: true,
            content: content.to_vec().into(),
            ..Part::default()
        };
        find(&Parts { list: vec![part], not_inspected: Vec::new() }, "", &Limits::default()).list.len()
    };
    let action = b"/URI (https://evil.example/x)".as_slice();
    assert_eq!(of("application/pdf", "", action), 1);
    assert_eq!(of("application/octet-stream", "Invoice.PDF", action), 1);
    assert_eq!(of("application/octet-stream", "x.bin", action), 0);
    assert_eq!(of("application/octet-stream", "x.bin", &[b"junk\n%PDF-1.4\n", action].concat()), 1);
    assert_eq!(of("image/png", "x.png", &[b"%PDF-1.4\n", action].concat()), 1);
}

#[test]
fn hostile_files_cost_little() {
    let begin = std::time::Instant::now();
    for piece in [
        "/URI(",
        "/URI<",
        "/URI%",
        "/URI (a) ",
        "/",
        "/#",
        "/First ",
        "/ObjStm stream\n",
        "stream endstream ",
        "1 0 obj ",
        "/JS 1 0 R 1 0 obj ",
        "/URI 9999999999 0 R ",
        "/ObjStm",
        "endobj /First ",
        "\\(",
        "/Encrypt ",
        "/URI        ",
    ] {
        let bytes = file(&piece.repeat((2 << 20) / piece.len()));
        let found = looked(bytes, &Limits::default());
        assert!(!found.not_inspected.contains(&Skipped::Unreadable), "{piece}");
    }
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "%PDF-1.7\n",
        "/URI ",
        "/URI(",
        "(https://a.example/)",
        "<6874>",
        "<",
        ">",
        "<<",
        ">>",
        "(",
        ")",
        "\\",
        "\\(",
        "\\777",
        "/#",
        "/JS ",
        "/F ",
        "/First ",
        "/First 5 ",
        "/Type /ObjStm ",
        "stream\r\n",
        "stream",
        "endstream",
        "endobj",
        "7 0 obj ",
        "7 0 R ",
        "%",
        "\n",
        " ",
        "/Encrypt ",
        "10 0 ",
        "\u{0}",
    ]);
    let known = known.prop_map(|piece| piece.as_bytes().to_vec());
    let junk = prop::collection::vec(any::<u8>(), 0..8);
    let streams = prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| packed(&bytes));
    let inner = Just(packed(b"10 0 11 20 << /URI (https://b.example/) >> (https://c.example/)"));
    prop::collection::vec(prop_oneof![6 => known, 1 => junk, 1 => streams, 1 => inner], 0..60)
        .prop_map(|all| all.concat())
}

proptest! {
    /// Whatever it is made of, it is read to its end, and the same each time.
    #[test]
    fn no_file_breaks_the_reader(bytes in pieces()) {
        let first = looked(bytes.clone(), &Limits::default());
        prop_assert!(!first.not_inspected.contains(&Skipped::Unreadable));
        let again = looked(bytes, &Limits::default());
        prop_assert_eq!(first.list, again.list);
        prop_assert_eq!(first.not_inspected, again.not_inspected);
    }

    /// An action behind anything at all is found, unless that is a string or comment which never ends before it.
    #[test]
    fn an_action_is_found_behind_anything(bytes in pieces()) {
        let whole = [b"%PDF-1.7\n".to_vec(), bytes, b"\n endobj >> ) /URI (https://found.example/) ".to_vec()].concat();
        let found = looked(whole, &Limits::default());
        prop_assert!(found.list.iter().any(|found| found.link.as_str() == "https://found.example/"), "{:?}", found.list);
    }

    /// Whatever stands around and behind the action in a stream, it is found.
    #[test]
    fn an_action_in_a_stream_is_found(before in "[ -~]{0,80}", behind in "[ -~]{0,80}") {
        let before = before.replace(['(', '%', '<', '/'], " ");
        let objects = format!("10 0 11 9 <<{before}/URI (https://found.example/) {behind}>>");
        let found = looked(with_stream("/Type /ObjStm", &packed(objects.as_bytes())), &Limits::default());
        prop_assert!(found.list.iter().any(|found| found.link.as_str() == "https://found.example/"));
    }
}
