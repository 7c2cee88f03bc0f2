//! From the bytes of a body to its text: unpacked by what they are, not by what they are called, and bounded.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;
use zip::ZipArchive;

use super::refusal::{Refusal, beginning};
use super::{Format, Limits};
use crate::model::causes;

/// What an archive's directory may take: the exports hold one file.
const MAX_DIRECTORY: u64 = 4 << 20;
/// Other ways to pack, which publishers of feeds do not use.
const OTHER_MAGIC: [(&[u8], &str); 5] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
];

/// Gives the text of `body` to `then`: unpacked, without byte-order mark, looked at for what is no list at
/// all. What goes wrong while `then` reads must be put into words by [`Text::failed`].
pub(super) fn text<T>(
    mut body: impl Read + Seek,
    format: Format,
    limits: &Limits,
    then: impl FnOnce(&mut Text<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let size = body.seek(SeekFrom::End(0)).map_err(Refusal::Read)?;
    if size > limits.body {
        return Err(Refusal::too_many_bytes("the body is too large", limits.body));
    }
    body.rewind().map_err(Refusal::Read)?;
    let mut magic = Vec::with_capacity(8);
    (&mut body).take(8).read_to_end(&mut magic).map_err(Refusal::Read)?;
    body.rewind().map_err(Refusal::Read)?;
    if magic.starts_with(b"PK\x03\x04") || magic.starts_with(b"PK\x05\x06") {
        return zipped(body, format, limits, then);
    }
    if magic.starts_with(b"\x1f\x8b") {
        let mut unpacked = MultiGzDecoder::new(BufReader::new(body));
        return looked_at(Text::new(&mut unpacked, Some("gzip"), limits.text), format, then);
    }
    if let Some((_, kind)) = OTHER_MAGIC.iter().find(|(begin, _)| magic.starts_with(begin)) {
        return Err(Refusal::Packed { kind, why: "only zip and gzip are read".to_owned() });
    }
    looked_at(Text::new(&mut body, None, limits.text), format, then)
}

fn zipped<T>(
    body: impl Read + Seek,
    format: Format,
    limits: &Limits,
    then: impl FnOnce(&mut Text<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    const KIND: &str = "a zip archive";
    let wrong = |why: String| Refusal::Packed { kind: KIND, why };
    let unreadable = |error: &dyn std::error::Error| wrong(causes(error));
    let allowance = std::cell::Cell::new(Some(MAX_DIRECTORY));
    let body = Allowed { inner: body, allowance: &allowance };
    let mut archive = ZipArchive::new(body).map_err(|error| {
        wrong(format!("its directory cannot be read, it may be cut off ({})", causes(&error)))
    })?;
    allowance.set(None);
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(|error| unreadable(&error))?;
        if entry.is_file() {
            files.push(at);
        }
    }
    let [file] = files[..] else {
        return Err(wrong(format!("it holds {} files, and one is expected", files.len())));
    };
    let mut file = archive.by_index(file).map_err(|error| unreadable(&error))?;
    looked_at(Text::new(&mut file, Some(KIND), limits.text), format, then)
}

/// A reader that gives no more than its allowance, as long as it has one.
struct Allowed<'a, R> {
    inner: R,
    allowance: &'a std::cell::Cell<Option<u64>>,
}

impl<R: Read> Read for Allowed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(left) = self.allowance.get() {
            let left = left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
            let left = left.ok_or_else(|| io::Error::other("its directory is not where it should be"))?;
            self.allowance.set(Some(left));
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Allowed<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// The text of a body, buffered; no more than the limit can be read.
pub(super) struct Text<'a> {
    reader: BufReader<Capped<'a>>,
    packed: Option<&'static str>,
    limit: u64,
}

impl<'a> Text<'a> {
    fn new(inner: &'a mut dyn Read, packed: Option<&'static str>, limit: u64) -> Self {
        let reader = BufReader::with_capacity(128 << 10, Capped { inner, left: limit, hit: false });
        Self { reader, packed, limit }
    }

    /// The next bytes; empty at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], Refusal> {
        // Asked twice because of the borrow: the second time nothing is read.
        if let Err(error) = self.reader.fill_buf() {
            return Err(self.failed(error));
        }
        Ok(self.reader.buffer())
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }

    fn failed(&self, error: io::Error) -> Refusal {
        if self.reader.get_ref().hit {
            let what = if self.packed.is_some() {
                "unpacked, the body is too large"
            } else {
                "the body is too large"
            };
            return Refusal::too_many_bytes(what, self.limit);
        }
        match self.packed {
            Some(kind) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Refusal::CutOff { what: format!("it is {kind} and ends before its end") }
            }
            Some(kind) => Refusal::Packed { kind, why: causes(&error) },
            None => Refusal::Read(error),
        }
    }
}

struct Capped<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    hit: bool,
}

impl Read for Capped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX)) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => {
                self.hit = true;
                Err(io::Error::other("too large"))
            }
        }
    }
}

/// What can be told from the first bytes.
fn looked_at<T>(
    mut text: Text<'_>,
    format: Format,
    then: impl FnOnce(&mut Text<'_>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let start = text.fill()?;
    let wide = [&b"\xff\xfe"[..], b"\xfe\xff", b"\0\0\xfe\xff"].iter().any(|mark| start.starts_with(mark));
    let head = start.get(..start.len().min(1024)).unwrap_or_default();
    if wide || memchr::memchr(0, head).is_some() {
        let what = if wide { "UTF-16 or UTF-32" } else { "UTF-16 or no text at all" };
        return Err(Refusal::WrongEncoding { what, start: beginning(&printable(head)) });
    }
    if start.starts_with(b"\xef\xbb\xbf") {
        text.consume(3);
    }
    // A body that is padded with white space is looked at behind it, as far as the buffer goes.
    let start = text.fill()?;
    let words = start.trim_ascii_start();
    match words.first() {
        None if start.len() < 4096 => return Err(Refusal::Empty),
        Some(b'<') => return Err(Refusal::WebPage { start: beginning(words) }),
        Some(b'{' | b'[') if !format.is_json() => {
            let small = words.len() < 1024 && words.trim_ascii_end().ends_with(b"}");
            let said = std::str::from_utf8(words).ok().filter(|_| small && !words.starts_with(b"{\"cidr"));
            if let Some(said) = said {
                return Err(Refusal::ErrorAnswer { said: crate::model::text::line(said.trim(), 200) });
            }
            if format != Format::SpamhausDrop {
                return Err(Refusal::other(format, "it is JSON", words));
            }
        }
        Some(_) | None => {}
    }
    then(&mut text)
}

fn printable(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|b| *b != 0 && b.is_ascii()).collect()
}
