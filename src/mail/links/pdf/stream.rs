//! Streams (ISO 32000-1 §7.3.8), inflated (§7.4.4) as far as the message may.

use flate2::{Decompress, FlushDecompress, Status};
use memchr::memmem;

use crate::mail::links::collect::Collector;
use crate::mail::links::found::Skipped;

/// The bytes before a stream that are looked at for what its dictionary says.
const DICTIONARY: usize = 4 * 1_024;
/// What is inflated at once, in bytes.
const PIECE: usize = 64 * 1_024;

/// Finds streams, going forward.
pub(super) struct Streams<'f> {
    file: &'f [u8],
    /// The next `stream` and `endobj`; where one is behind what is asked for, it is still the next.
    stream: usize,
    end: usize,
    /// The stream that was given last.
    last: Option<usize>,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Its word.
    word: usize,
    /// Its first byte.
    pub(super) data: usize,
}

impl<'f> Streams<'f> {
    pub(super) const fn new(file: &'f [u8]) -> Self {
        Self { file, stream: 0, end: 0, last: None }
    }

    /// The stream of the object that `at` stands in, each once.
    pub(super) fn behind(&mut self, at: usize) -> Option<Head> {
        let find = |from: usize, word: &[u8]| {
            let rest = self.file.get(from..).unwrap_or_default();
            memmem::find(rest, word).map_or(self.file.len(), |found| from + found)
        };
        if self.stream < at || self.stream == 0 {
            self.stream = find(at, b"stream");
            while self.stream < self.file.len()
                && self.file.get(..self.stream).is_some_and(|before| before.ends_with(b"end"))
            {
                self.stream = find(self.stream + 6, b"stream");
            }
        }
        if self.end < at || self.end == 0 {
            self.end = find(at, b"endobj");
        }
        if self.stream >= self.end.min(self.file.len()) || self.last == Some(self.stream) {
            return None;
        }
        self.last = Some(self.stream);
        let behind = |data: usize, b: u8| data + usize::from(self.file.get(data) == Some(&b));
        let mut data = self.stream + 6;
        while self.file.get(data) == Some(&b' ') {
            data += 1;
        }
        Some(Head { word: self.stream, data: behind(behind(data, b'\r'), b'\n') })
    }
}

impl Head {
    /// The number behind `/First` in its dictionary.
    pub(super) fn first(self, file: &[u8]) -> Option<usize> {
        let dictionary = file.get(self.word.saturating_sub(DICTIONARY)..self.word)?;
        let at = memmem::rfind(dictionary, b"/First")? + 6;
        let rest = dictionary.get(at..)?.trim_ascii_start();
        let length = rest.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
        std::str::from_utf8(rest.get(..length)?).ok()?.parse().ok()
    }

    /// Its bytes, where it is not packed.
    pub(super) fn plain(self, file: &[u8]) -> &[u8] {
        let rest = file.get(self.data..).unwrap_or_default();
        rest.get(..memmem::find(rest, b"endstream").unwrap_or(rest.len())).unwrap_or_default()
    }
}

/// What was packed.
pub(super) struct Unpacked {
    pub(super) bytes: Vec<u8>,
    /// It ends before its end, or cannot be read up to there.
    pub(super) is_broken: bool,
}

/// Inflates what `data` begins with (RFC 1950); it knows its end by itself. `None`: it is not packed so. Sums are not
/// checked, as programs do not either. What it reads and what it gives count both: either can be much where the other
/// is little.
pub(super) fn inflate(data: &[u8], into: &mut Collector<'_>) -> Option<Unpacked> {
    let head = data.first_chunk::<2>().copied()?;
    if head[0] & 0x0f != 8 || u16::from_be_bytes(head) % 31 != 0 {
        return None;
    }
    let data = data.get(2..).unwrap_or_default();
    let mut inflater = Decompress::new(false);
    let mut bytes: Vec<u8> = Vec::new();
    let mut room = vec![0; PIECE];
    let mut at = 0;
    loop {
        let piece = PIECE.min(into.unpacked_left());
        if piece == 0 {
            into.skip(Skipped::TooMuchUnpacked);
            return Some(Unpacked { bytes, is_broken: false });
        }
        let input = data.get(at..data.len().min(at + piece)).unwrap_or_default();
        let room = room.get_mut(..piece).unwrap_or_default();
        let (before_in, before_out) = (inflater.total_in(), inflater.total_out());
        let status = inflater.decompress(input, room, FlushDecompress::None);
        let read = usize::try_from(inflater.total_in() - before_in).unwrap_or(piece);
        let written = usize::try_from(inflater.total_out() - before_out).unwrap_or(piece);
        bytes.extend_from_slice(room.get(..written).unwrap_or_default());
        at += read;
        into.unpacked(read + written);
        match status {
            Ok(Status::StreamEnd) => return Some(Unpacked { bytes, is_broken: false }),
            Ok(_) if read + written > 0 => {}
            _ => return Some(Unpacked { bytes, is_broken: true }),
        }
    }
}
