//! Bodies that are no feed, and bodies that are too much of one.

use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const ROW: &[u8] = b"https://evil.test/path/that/is/of/ordinary/length?with=query\n";

/// A body of `len` bytes that exists nowhere, and counts what was read of it.
struct Endless {
    len: u64,
    at: u64,
    read: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.at).unwrap().min(buffer.len());
        for byte in &mut buffer[..left] {
            *byte = ROW[usize::try_from(self.at % ROW.len() as u64).unwrap()];
            self.at += 1;
        }
        self.read += left as u64;
        Ok(left)
    }
}

impl Seek for Endless {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(at) => self.len.saturating_add_signed(at),
            SeekFrom::Current(at) => self.at.saturating_add_signed(at),
        };
        Ok(self.at)
    }
}

fn refusal(format: Format, body: &[u8]) -> String {
    read(format, body).unwrap_err().to_string()
}

fn gzip(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        packer.write_all(&piece).unwrap();
    }
    packer.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, ::zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_body_of_300_mb_is_refused_before_it_is_read() {
    let mut body = Endless { len: 300_000_000, at: 0, read: 0 };
    let limits = format::Limits::of_size(256 << 20);
    let reading = format::Reading { format: Format::Urls, limits, min_confidence: 0 };
    let error = format::read(&mut body, &reading, &mut |_| Ok(())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body is too large, and 256MiB are allowed; max_size of the feed says how large a body may be"
    );
    assert_eq!(body.read, 0);
}

#[test]
fn what_unpacks_to_300_mb_is_refused_at_the_limit() {
    let rows = ROW.repeat(1 << 14);
    let packed = gzip(std::iter::repeat_n(rows, 300));
    let zipped = zip(&[("full.csv", &ROW.repeat(160_000))]);
    for body in [packed, zipped] {
        assert!(body.len() < 3 << 20, "{}", body.len());
        let limits = format::Limits { text: 8 << 20, ..format::Limits::of_size(4 << 20) };
        let reading = format::Reading { format: Format::Urls, limits, min_confidence: 0 };
        let mut taken = 0_u64;
        let error = format::read(Cursor::new(&body), &reading, &mut |_| {
            taken += 1;
            Ok(())
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "unpacked, the body is too large, and 8MiB are allowed; max_size of the feed says how large a body \
             may be"
        );
        assert!(taken <= (8 << 20) / ROW.len() as u64, "{taken}");
    }
}

#[test]
fn too_many_rows_are_refused() {
    let limits = format::Limits { rows: 10, ..format::Limits::of_size(1 << 20) };
    let reading = format::Reading { format: Format::Urls, limits, min_confidence: 0 };
    let read = |count| format::read(Cursor::new(ROW.repeat(count)), &reading, &mut |_| Ok(()));
    assert_eq!(read(10).unwrap().taken, 10);
    assert_eq!(
        read(11).unwrap_err().to_string(),
        "the body has too many rows, and 10 are allowed; max_size of the feed says how large a body may be"
    );
}

#[test]
fn another_encoding_is_refused_by_its_name() {
    let text = "http://evil.test/a\r\nhttp://evil.test/b\r\n";
    let le: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let be: Vec<u8> =
        [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let bare: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (body, name) in
        [(le, "UTF-16 or UTF-32"), (be, "UTF-16 or UTF-32"), (bare, "UTF-16 or no text at all")]
    {
        for format in Format::ALL {
            let error = refusal(format, &body);
            let expected = format!(
                "the body is {name} and not UTF-8 text, it begins \"http://evil.test/a  http://evil.test/b\""
            );
            assert_eq!(error, expected, "{format}");
        }
    }
    // Latin-1: each such row is one that cannot be read.
    let error = refusal(Format::Domains, b"m\xfcnchen.example\nk\xf6ln.example\nplain.example\n");
    assert_eq!(
        error,
        "more rows are wrong than right: of 3 rows 2 could not be read: row 1: it is not UTF-8: \
         \"m\u{fffd}nchen.example\"; row 2: it is not UTF-8: \"k\u{fffd}ln.example\"; is it of the format domains?"
    );
}

#[test]
fn what_is_no_list_is_refused_in_every_format() {
    for format in Format::ALL {
        for (body, expected) in [
            ("", "the body is empty"),
            (" \r\n\n", "the body is empty"),
            (
                "<html><body>Maintenance</body></html>",
                "the answer is a web page and no list, it begins \"<html><body>Maintenance</body></html>\"; look \
                 whether the address is right and whether a key is asked for",
            ),
            (
                "\u{feff}\n  <!doctype html>",
                "the answer is a web page and no list, it begins \"<!doctype html>\"; look whether the address is \
                 right and whether a key is asked for",
            ),
            (
                "{\"error\":\"too many requests\"}",
                "the publisher answers \"{\\\"error\\\":\\\"too many requests\\\"}\" instead of a list; look whether \
                 a key is asked for",
            ),
            ("BZh91AY&SY", "the body is bzip2, and it cannot be unpacked: only zip and gzip are read"),
        ] {
            let error = refusal(format, body.as_bytes());
            assert_eq!(error, expected, "{format}: {body:?}");
        }
    }
}

#[test]
fn a_list_of_another_format_is_refused() {
    let urls = b"http://evil.test/a\nhttp://evil.test/b\n".as_slice();
    let csv =
        b"\"1\",\"2026-10-20 23:00:00\",\"http://evil.test/a\",\"online\",\"\",\"x\",\"y\",\"z\",\"r\"\r\n";
    for (format, body) in [
        (Format::Domains, urls),
        (Format::Ips, urls),
        (Format::Hosts, urls),
        (Format::SpamhausDrop, urls),
        (Format::ThreatfoxCsv, urls),
        (Format::MalwarebazaarCsv, urls),
        (Format::PhishtankCsv, urls),
        (Format::UrlhausJson, urls),
        (Format::ThreatfoxCsv, csv),
        (Format::MalwarebazaarCsv, csv),
        (Format::Domains, csv),
        (Format::Urls, csv),
        (Format::PhishtankJson, csv),
    ] {
        let error = refusal(format, body);
        assert!(error.contains(format.name()), "{format}: {error}");
    }
}

#[test]
fn archives_that_are_broken_or_hold_more_than_a_list_are_refused() {
    let good = gzip([ROW.repeat(1000)]);
    assert_eq!(read(Format::Urls, &good).unwrap().1.taken, 1000);
    let cut = refusal(Format::Urls, &good[..good.len() - 9]);
    assert_eq!(cut, "the body is cut off: it is gzip and ends before its end");
    let mut damaged = good;
    let last = damaged.len() - 6;
    damaged[last] ^= 0x55;
    assert_eq!(
        refusal(Format::Urls, &damaged),
        "the body is gzip, and it cannot be unpacked: corrupt gzip stream does not have a matching checksum"
    );
    assert_eq!(read(Format::Urls, &zip(&[("x.txt", ROW)])).unwrap().1.taken, 1);
    let error = refusal(Format::Urls, &zip(&[("a", ROW), ("b", ROW)]));
    let holds = "the body is a zip archive, and it cannot be unpacked: it holds";
    assert_eq!(error, format!("{holds} 2 files, and one is expected"));
    assert_eq!(refusal(Format::Urls, &zip(&[])), format!("{holds} 0 files, and one is expected"));
    let cut = zip(&[("x.txt", &ROW.repeat(1000))]);
    assert_eq!(
        refusal(Format::Urls, &cut[..cut.len() - 40]),
        "the body is a zip archive, and it cannot be unpacked: its directory cannot be read, it may be cut off \
         (invalid Zip archive: Could not find EOCD)"
    );
}

#[test]
fn two_gzips_behind_each_other_are_one_body() {
    let mut body = gzip([b"http://evil.test/a\n".to_vec()]);
    body.extend(gzip([b"http://evil.test/b\n".to_vec()]));
    assert_eq!(read(Format::Urls, &body).unwrap().1.taken, 2);
}

#[test]
fn a_list_that_shrinks_by_four_fifths_is_refused_and_by_less_is_taken() {
    let list = |count: usize| (0..count).map(|n| format!("h{n}.evil.test\n")).collect::<String>();
    let bench = Bench::new(Format::Domains);
    let take = |count, terms: &Terms, standing| bench.take(list(count).as_bytes(), terms, standing);
    let before = take(100, &TERMS, None).unwrap().keys.entries();
    let error = take(20, &TERMS, Some(before)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the list has shrunk from 100 entries to 20, which is more than max_shrink = 80 (per cent) allows; if \
         that is right, refresh it by hand with force"
    );
    assert_eq!(bench.folder.load(&bench.source, &bench.keyer).unwrap().unwrap().1.entries(), 100);
    assert!(take(20, &Terms { max_shrink: 100, ..TERMS }, Some(before)).is_ok());
    assert!(take(20, &TERMS, None).is_ok(), "by force, or the first time");
    assert!(take(21, &TERMS, Some(before)).is_ok());
    assert_eq!(bench.folder.load(&bench.source, &bench.keyer).unwrap().unwrap().1.entries(), 21);
}

#[test]
fn a_disk_that_takes_no_more_is_named_and_the_entries_stay() {
    let limits = format::Limits::of_size(1 << 20);
    let reading = format::Reading { format: Format::Urls, limits, min_confidence: 0 };
    let full = || io::Error::from(io::ErrorKind::StorageFull);
    let refusal = format::read(Cursor::new(ROW), &reading, &mut |_| Err(full())).unwrap_err();
    let error = refusal.to_string();
    assert_eq!(NotTaken::from(refusal).outcome(), Outcome::Failed);
    assert_eq!(NotTaken::from(Refusal::Read(full())).outcome(), Outcome::Failed);
    assert_eq!(NotTaken::from(Refusal::Empty).outcome(), Outcome::Refused);
    assert_eq!(error, "the entries could not be written: no storage space; look at the disk of state_dir");
}
