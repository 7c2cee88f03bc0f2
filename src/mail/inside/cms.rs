//! S/MIME that carries what it signs within itself (RFC 8551 §3.5.2): mail programs show it whoever signed it.
//!
//! Read is just so much of BER (X.690) as leads from ContentInfo to the signed content (RFC 5652 §3, §5.1, §5.2).

use bytes::Bytes;

use super::{FILE, File, Files};
use crate::mail::head::names_of;
use crate::mail::lines;
use crate::model::Part;
use crate::model::file_name::extension;

/// 1.2.840.113549.1.7.2, id-signedData.
const SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// 1.2.840.113549.1.9.16.1.9, id-ct-compressedData (RFC 3274).
const COMPRESSED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9];

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const OCTETS_IN_PIECES: u8 = 0x24;
const EXPLICIT: u8 = 0xa0;

/// Whether a part says that it is S/MIME, by its type or its name.
pub(super) fn is_cms(part: &Part) -> bool {
    let mut names = part.name.iter().chain(&part.other_names);
    matches!(part.media_type.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime")
        || names.any(|name| matches!(&*extension(name), "p7m" | "p7z"))
}

/// What was signed: a part with its fields, or a file, which is called as the part is without its ending. `None` for
/// what is encrypted, or no S/MIME at all.
pub(super) fn read(part: &Part, room: usize) -> Option<Files> {
    let mut files = opened(&part.content, room)?;
    let names = part.name.iter().chain(&part.other_names);
    let inner = names_of(names.filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned())));
    for file in files.list.iter_mut().filter(|file| file.media_type == FILE) {
        (file.names, file.is_attachment) = (inner.clone(), true);
    }
    Some(files)
}

fn opened(content: &Bytes, room: usize) -> Option<Files> {
    let mut ber = Ber { data: content, pos: 0 };
    ber.head(SEQUENCE)?;
    let kind = ber.value(OBJECT_ID)?;
    if kind == COMPRESSED {
        return Some(Files { is_unopened: true, ..Files::default() });
    }
    if kind != SIGNED {
        return None;
    }
    let mut out = Vec::new();
    match ber.signed(&mut out, room) {
        None => Some(Files { is_broken: true, ..Files::default() }),
        // The signature lies beside what it signs.
        Some(false) => Some(Files::default()),
        Some(true) => {
            let (first, _) = lines::line(&out, 0);
            let is_part = lines::field_name(lines::at(&out, &first)).is_some();
            let media_type = if is_part { "message/rfc822" } else { FILE };
            let file = File { media_type: media_type.to_owned(), content: out.into(), ..File::default() };
            Some(Files { list: vec![file], ..Files::default() })
        }
    }
}

/// Elements within elements, pieces within pieces; nobody writes more than a few levels.
const PIECES: usize = 8;

/// Where reading stands.
struct Ber<'a> {
    data: &'a [u8],
    pos: usize,
}

impl<'a> Ber<'a> {
    /// Takes the signed content. `Some(false)`: there is none. `None`: it cannot be read.
    fn signed(&mut self, out: &mut Vec<u8>, room: usize) -> Option<bool> {
        self.head(EXPLICIT)?;
        self.head(SEQUENCE)?;
        // The version, and the digests that are used.
        self.skip(PIECES)?;
        self.skip(PIECES)?;
        let end = self.head(SEQUENCE)?;
        self.value(OBJECT_ID)?;
        let is_over = match end {
            Some(end) => self.pos >= end,
            None => self.rest().starts_with(&[0, 0]),
        };
        if is_over {
            return Some(false);
        }
        self.head(EXPLICIT)?;
        self.octets(out, room, PIECES)?;
        Some(true)
    }

    /// Takes one string of octets, whole or in pieces (X.690 §8.7).
    fn octets(&mut self, out: &mut Vec<u8>, room: usize, depth: usize) -> Option<()> {
        if self.rest().first() == Some(&OCTETS) {
            let piece = self.value(OCTETS)?;
            out.extend_from_slice(Some(piece).filter(|piece| piece.len() <= room.saturating_sub(out.len()))?);
            return Some(());
        }
        let end = self.head(OCTETS_IN_PIECES)?;
        let depth = depth.checked_sub(1)?;
        loop {
            match end {
                Some(end) if self.pos >= end => return Some(()),
                None if self.rest().starts_with(&[0, 0]) => {
                    self.pos += 2;
                    return Some(());
                }
                _ => self.octets(out, room, depth)?,
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.data.get(self.pos..).unwrap_or_default()
    }

    /// Goes into the element that stands there, if it is of that kind. Gives its end; `None` within for one whose
    /// length is not said: two zeros end it (X.690 §8.1.3.6).
    fn head(&mut self, tag: u8) -> Option<Option<usize>> {
        let (first, rest) = self.rest().split_first().filter(|(first, _)| **first == tag)?;
        let (length, rest) = rest.split_first()?;
        let (size, rest) = match length.checked_sub(0x80) {
            Some(0) if first & 0x20 == 0 => return None,
            Some(0) => (None, rest),
            None => (Some(usize::from(*length)), rest),
            Some(count) if count <= 4 => {
                let (digits, rest) = rest.split_at_checked(usize::from(count))?;
                (Some(digits.iter().fold(0_usize, |size, digit| size << 8 | usize::from(*digit))), rest)
            }
            Some(_) => return None,
        };
        if size.is_some_and(|size| size > rest.len()) {
            return None;
        }
        self.pos = self.data.len() - rest.len();
        Some(size.map(|size| self.pos + size))
    }

    /// The value of an element whose length is said; goes behind it.
    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.pos;
        let Some(Some(end)) = self.head(tag) else {
            self.pos = before;
            return None;
        };
        let value = self.data.get(self.pos..end)?;
        self.pos = end;
        Some(value)
    }

    /// Goes past whatever stands there.
    fn skip(&mut self, depth: usize) -> Option<()> {
        let tag = *self.rest().first()?;
        if let Some(end) = self.head(tag)? {
            self.pos = end;
            return Some(());
        }
        let depth = depth.checked_sub(1)?;
        while !self.rest().starts_with(&[0, 0]) {
            self.skip(depth)?;
        }
        self.pos += 2;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";

    fn der(tag: u8, value: &[u8]) -> Vec<u8> {
        let size = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[tag, 0x82][..], &size, value].concat()
    }

    fn open(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, 0x80][..], value, &[0, 0]].concat()
    }

    type Form = fn(u8, &[u8]) -> Vec<u8>;

    fn signed(form: Form, octets: &[u8]) -> Bytes {
        let content = [der(OBJECT_ID, &[1, 2, 3]), octets.to_vec()].concat();
        let data =
            [der(2, &[1]), der(0x31, b""), form(SEQUENCE, &content), der(EXPLICIT, b"certificates")].concat();
        form(SEQUENCE, &[der(OBJECT_ID, SIGNED), form(EXPLICIT, &form(SEQUENCE, &data))].concat()).into()
    }

    fn content(bytes: &Bytes) -> Vec<Vec<u8>> {
        opened(bytes, 10_000).unwrap().list.iter().map(|file| file.content.to_vec()).collect()
    }

    #[test]
    fn what_is_signed_comes_out_whole_or_in_pieces() {
        for form in [der as Form, open] {
            assert_eq!(content(&signed(form, &form(EXPLICIT, &der(OCTETS, TEXT)))), [TEXT]);
            let pieces = [der(OCTETS, &TEXT[..9]), form(OCTETS_IN_PIECES, &der(OCTETS, &TEXT[9..]))].concat();
            assert_eq!(content(&signed(form, &form(EXPLICIT, &form(OCTETS_IN_PIECES, &pieces)))), [TEXT]);
            // The certificates that follow are no content.
            assert_eq!(content(&signed(form, b"")), Vec::<Vec<u8>>::new());
        }
    }

    #[test]
    fn a_signed_file_is_called_as_it_was() {
        let content = signed(der, &der(EXPLICIT, &der(OCTETS, b"%PDF-1.7")));
        let part = Part { name: Some("bill.pdf.p7m".to_owned()), content, ..Part::default() };
        assert!(is_cms(&part));
        let files = read(&part, 100).unwrap();
        assert_eq!(
            (files.list[0].names.as_slice(), files.list[0].is_attachment),
            (&["bill.pdf".to_owned()][..], true)
        );
    }

    #[test]
    fn what_is_encrypted_or_no_smime_has_nothing_to_show() {
        assert!(opened(&Bytes::from("no such thing"), 100).is_none());
        let enveloped = [SIGNED.split_last().unwrap().1, &[3]].concat();
        assert!(opened(&der(SEQUENCE, &der(OBJECT_ID, &enveloped)).into(), 100).is_none());
        assert!(opened(&der(SEQUENCE, &der(OBJECT_ID, COMPRESSED)).into(), 100).unwrap().is_unopened);
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_told() {
        let whole = signed(der, &der(EXPLICIT, &der(OCTETS, TEXT)));
        assert!(opened(&whole, TEXT.len() - 1).unwrap().is_broken);
        let cut = signed(open, &open(EXPLICIT, &der(OCTETS, TEXT)));
        assert!(opened(&cut.slice(..60), 1000).unwrap().is_broken);
        let deep = (0..20).fold(der(OCTETS, TEXT), |inner, _| open(OCTETS_IN_PIECES, &inner));
        assert!(opened(&signed(open, &open(EXPLICIT, &deep)), 1000).unwrap().is_broken);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_their_room(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
            cut in any::<prop::sample::Index>(),
            room in 0_usize..80,
        ) {
            let pieces = [der(OCTETS, &TEXT[..9]), der(OCTETS, &TEXT[9..])].concat();
            let mut bytes = signed(open, &open(EXPLICIT, &open(OCTETS_IN_PIECES, &pieces))).to_vec();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len()) + 1);
            let files = opened(&bytes.into(), room).unwrap_or_default();
            prop_assert!(files.list.iter().all(|file| file.content.len() <= room));
        }
    }
}
