//! Contents of files – archives, documents, pages, pictures – mutated inside of their encoding, so that every mutation
//! reaches the readers of that format.

use mailward::mail::links::{self, Skipped};
use mailward::mail::{self, Limits, header};
use mailward::model::{Part, Parts};

use super::corpus;
use super::effort;
use super::mail::assert_a_tree;
use super::mutation::{Campaign, touch};

/// How the readers are told what a file is.
const KINDS: [(&str, &str); 12] = [
    ("a.html", "text/html"),
    ("a.ics", "text/calendar"),
    ("a.eml", "application/octet-stream"),
    ("a.png", "image/png"),
    ("a.jpg", "image/jpeg"),
    ("a.gif", "image/gif"),
    ("a.svg", "image/svg+xml"),
    ("a.url", "application/octet-stream"),
    ("a.pdf", "application/pdf"),
    ("a.zip", "application/zip"),
    ("a.txt", "text/plain"),
    ("winmail.dat", "application/ms-tnef"),
];

fn part(kind: usize, content: &[u8]) -> Parts {
    let (name, media_type) = KINDS[kind % KINDS.len()];
    let part = Part {
        media_type: media_type.to_owned(),
        name: Some(name.to_owned()),
        is_attachment: kind.is_multiple_of(2),
        content: content.to_vec().into(),
        ..Part::default()
    };
    Parts { list: vec![part], not_inspected: Vec::new() }
}

fn pictures() -> Vec<Vec<u8>> {
    let png = corpus::picture("https://evil.test/a?b=c#d");
    let decoded = image::load_from_memory(&png).unwrap();
    let formats = [
        image::ImageFormat::Jpeg,
        image::ImageFormat::Gif,
        image::ImageFormat::Bmp,
        image::ImageFormat::WebP,
    ];
    let mut all = vec![png];
    for format in formats {
        let mut out = std::io::Cursor::new(Vec::new());
        decoded.to_rgb8().write_to(&mut out, format).unwrap();
        all.push(out.into_inner());
    }
    all
}

/// Libraries decode pictures; a panic of theirs is caught where they are called, and the picture is then not inspected.
fn read(input: &[u8]) {
    let limits = links::Limits::default();
    for (kind, name) in KINDS.iter().enumerate() {
        let found = links::find(&part(kind, input), "", &limits);
        assert!(found.list.len() <= limits.urls);
        assert!(!found.not_inspected.contains(&Skipped::Unreadable), "a reader panicked on {name:?}");
    }
}

#[test]
fn contents_of_files() {
    let mut campaign = Campaign::new("files", effort(60, 20_000), corpus::files()).words(&corpus::MAIL);
    campaign.bound *= u32::try_from(KINDS.len()).unwrap();
    campaign.run(|input| {
        read(input);
        let raw =
            corpus::carrying(&[("a.zip", "application/zip", input), ("b.doc", "message/rfc822", input)]);
        let message = header::parse(raw);
        let parts = mail::walk(&message, &Limits::default());
        assert_a_tree(&parts, &Limits::default(), message.raw().len());
        let files = mail::attachments(&parts);
        assert!(files.iter().all(|file| file.sha256.len() == 64), "{files:?}");
    });
}

#[test]
fn pictures_with_codes() {
    let words: [&[u8]; 8] =
        [b"IHDR", b"IDAT", b"IEND", b"\xff\xd8\xff", b"\xff\xc0", b"GIF89a", b"RIFF", b"BM"];
    let campaign = Campaign::new("pictures", effort(20, 4_000), pictures()).words(&words);
    campaign.run(|input| {
        for kind in [3, 4] {
            touch(links::find(&part(kind, input), "", &links::Limits::default()));
        }
    });
}
