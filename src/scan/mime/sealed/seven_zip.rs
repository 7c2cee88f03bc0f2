//! 7z: how each file is packed stands in a list at the end of the archive (7zFormat.txt of the LZMA SDK).
//!
//! The list is mostly packed itself, so that it is unpacked to look into it; where it is encrypted, so are the names. Read is
//! just so much of it as says which methods are used.

use std::borrow::Cow;

use super::{Room, Sealed, lzma};

const SIGNATURE: &[u8] = b"7z\xbc\xaf\x27\x1c";
/// Signature, version, and where the list is; its place counts from here.
const HEAD: usize = 32;
/// Lists of lists that are followed; programs write one.
const LEVELS: usize = 4;
/// Bytes of a list that are unpacked: the methods stand at its beginning.
const LIST: usize = 256 * 1024;
/// What the names of methods begin with that encrypt (Methods.txt: 06F107 is AES).
const CRYPTO: &[u8] = &[0x06, 0xf1];
const LZMA: &[u8] = &[3, 1, 1];
const COPY: &[u8] = &[0];
/// Methods of one folder, and streams into and out of them: programs take no more.
const MOST_METHODS: u64 = 32;
const MOST_STREAMS: u64 = 64;

/// What stands in a list (7zFormat.txt, "Property IDs").
const END: u8 = 0x00;
const HEADER: u8 = 0x01;
const ARCHIVE_PROPERTIES: u8 = 0x02;
const STREAMS: u8 = 0x04;
const PACKED: u8 = 0x06;
const FOLDERS: u8 = 0x07;
const SIZES: u8 = 0x09;
const DIGESTS: u8 = 0x0a;
const FOLDER: u8 = 0x0b;
const UNPACKED_SIZES: u8 = 0x0c;
const ENCODED_HEADER: u8 = 0x17;

pub(super) fn is_seven_zip(content: &[u8]) -> bool {
    content.starts_with(SIGNATURE)
}

/// What is encrypted.
pub(super) fn sealed(content: &[u8], room: &mut Room) -> Option<Sealed> {
    let data = content.get(HEAD..)?;
    let mut list = Cow::Borrowed(piece(data, long(content, 12)?, long(content, 20)?)?);
    for _ in 0..LEVELS {
        let is_packed = match *list.first()? {
            ENCODED_HEADER => true,
            HEADER => false,
            _ => return None,
        };
        let mut reader = Reader { rest: list.get(1..)?, streams: Streams::default() };
        let is_read = if is_packed { reader.streams() } else { reader.header() };
        let streams = reader.streams;
        if streams.is_encrypted {
            return Some(if is_packed { Sealed::Names } else { Sealed::Files });
        }
        if !is_packed {
            // Where the list was cut its methods may stand behind that.
            room.is_cut |= is_read.is_none() && list.len() == LIST;
            return None;
        }
        list = Cow::Owned(unpacked(data, &streams, room)?);
    }
    None
}

/// A list that is packed by one method.
fn unpacked(data: &[u8], streams: &Streams<'_>, room: &mut Room) -> Option<Vec<u8>> {
    let packed = piece(data, streams.place, streams.packed)?;
    let size = usize::try_from(streams.unpacked).ok()?.min(LIST);
    if size > room.left {
        room.is_cut = true;
        return None;
    }
    room.left -= size;
    match streams.methods.as_slice() {
        [Method { id: COPY, .. }] => Some(packed.get(..size).unwrap_or(packed).to_vec()),
        [Method { id: LZMA, properties }] => lzma::unpacked(properties, packed, size),
        _ => None,
    }
}

fn piece(data: &[u8], place: u64, size: u64) -> Option<&[u8]> {
    let place = usize::try_from(place).ok()?;
    data.get(place..place.checked_add(usize::try_from(size).ok()?)?)
}

/// How files are packed.
#[derive(Default)]
struct Streams<'a> {
    is_encrypted: bool,
    /// Where the first packed stream is, and how long.
    place: u64,
    packed: u64,
    /// The methods of the first folder, and what comes out of the first one.
    methods: Vec<Method<'a>>,
    unpacked: u64,
}

struct Method<'a> {
    id: &'a [u8],
    properties: &'a [u8],
}

/// Reads a list. `None` where it breaks off; what was read up to there stays.
struct Reader<'a> {
    rest: &'a [u8],
    streams: Streams<'a>,
}

impl<'a> Reader<'a> {
    fn header(&mut self) -> Option<()> {
        let mut id = self.byte()?;
        if id == ARCHIVE_PROPERTIES {
            while self.byte()? != END {
                let size = self.number()?;
                self.take(size)?;
            }
            id = self.byte()?;
        }
        // An archive of nothing but empty files has no streams.
        if id == STREAMS { self.streams() } else { Some(()) }
    }

    fn streams(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                PACKED => self.packed()?,
                FOLDERS => self.folders()?,
                _ => return Some(()),
            }
        }
    }

    fn packed(&mut self) -> Option<()> {
        self.streams.place = self.number()?;
        let count = self.number()?;
        loop {
            match self.byte()? {
                SIZES => {
                    for i in 0..count {
                        let size = self.number()?;
                        if i == 0 {
                            self.streams.packed = size;
                        }
                    }
                }
                DIGESTS => self.digests(count)?,
                END => return Some(()),
                _ => return None,
            }
        }
    }

    /// Checksums, of all streams or of some.
    fn digests(&mut self, count: u64) -> Option<()> {
        let known: u64 = match self.byte()? {
            0 => self.take(count.div_ceil(8))?.iter().map(|bits| u64::from(bits.count_ones())).sum(),
            _ => count,
        };
        self.take(known.checked_mul(4)?).map(|_| ())
    }

    fn folders(&mut self) -> Option<()> {
        if self.byte()? != FOLDER {
            return None;
        }
        let count = self.number()?;
        // What stands in another place is of no program.
        if self.byte()? != 0 {
            return None;
        }
        let mut outputs = Vec::new();
        for i in 0..count {
            let (methods, outs) = self.folder()?;
            if i == 0 {
                self.streams.methods = methods;
            }
            outputs.push(outs);
        }
        loop {
            match self.byte()? {
                UNPACKED_SIZES => {
                    for i in 0..outputs.iter().sum::<u64>() {
                        let size = self.number()?;
                        if i == 0 {
                            self.streams.unpacked = size;
                        }
                    }
                }
                DIGESTS => self.digests(count)?,
                END => return Some(()),
                _ => return None,
            }
        }
    }

    /// The methods of one folder, and how many streams come out of them.
    fn folder(&mut self) -> Option<(Vec<Method<'a>>, u64)> {
        const COMPLEX: u8 = 0x10;
        const HAS_PROPERTIES: u8 = 0x20;
        let count = self.number().filter(|count| (1..=MOST_METHODS).contains(count))?;
        let (mut ins, mut outs) = (0_u64, 0_u64);
        let mut methods = Vec::new();
        for _ in 0..count {
            let flags = self.byte()?;
            let id = self.take(u64::from(flags & 0x0f))?;
            let (more_ins, more_outs) =
                if flags & COMPLEX == 0 { (1, 1) } else { (self.number()?, self.number()?) };
            ins = ins.checked_add(more_ins).filter(|ins| *ins <= MOST_STREAMS)?;
            outs = outs.checked_add(more_outs).filter(|outs| *outs <= MOST_STREAMS)?;
            let size = if flags & HAS_PROPERTIES == 0 { 0 } else { self.number()? };
            let properties = self.take(size)?;
            self.streams.is_encrypted |= id.starts_with(CRYPTO);
            methods.push(Method { id, properties });
        }
        // Which stream goes into which, then which of them are packed ones.
        let bound = outs.checked_sub(1)?;
        let packed = ins.checked_sub(bound)?;
        for _ in 0..2 * bound + if packed > 1 { packed } else { 0 } {
            self.number()?;
        }
        Some((methods, outs))
    }

    fn take(&mut self, size: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(size).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// The first byte has a bit for each byte behind it, from the highest on, and the highest bits of the number below.
    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let count = first.leading_ones();
        let mut number = 0;
        for (place, byte) in self.take(u64::from(count))?.iter().enumerate() {
            number |= u64::from(*byte) << (8 * place);
        }
        // Of eight bytes none of its bits are left; of seven neither.
        let high = u64::from(first) & (0x7f_u64 >> count.min(7));
        Some(number | high.checked_shl(8 * count).unwrap_or_default())
    }
}

fn long(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;

    use super::*;

    /// `7zz a -p`, 7-Zip 26.02: one file, so that the list is not packed.
    const ONE_SEALED: &str = "\
         N3q8ryccAAR3ih+7EAAAAAAAAABqAAAAAAAAANbRRB/oZ153yKfKaHgGGUhkGV9AAQQGAAEJEAAHCwEAAiQG8QcBElMPjz1Y5a/m\
         ArYtGuX3dcEdyiEhAQABAAwLBwAICgECzQ4UAAAFARkBABEPAGYAMQAuAHQAeAB0AAAAGQQAAAAAFAoBADDkjKs4et0BFQYBACCA\
         pIEAAA==";
    /// The same of five files: the list is packed.
    const FIVE_SEALED: &str = "\
         N3q8ryccAARP0+AKtQAAAAAAAAAiAAAAAAAAAK39jsFOUof8me+Rkas/b4p+zOI6giW8ACa0s7HE1HIEkeu5AAAAgTMHrg/QDrA8\
         nzkQnJ+m1TPasi6wsOuRy1xsja7Now8H1vWfNIDI8EEqNKuW0tIsm06YJWqA5mDDjV6Xxsu1VbyyqbLClspyr0UirkqxuoI2+Syf\
         JInOqauMyn30qwe41Igh+g6/gJ9vc2T7U96K2hCI56i4Sl9EnadoWz7J9jqMwQW141dN3F+V/L5Mao2jAAAAFwYgAQmAlQAHCwEA\
         ASMDAQEFXQAQAAAMgPIKASqeb20AAA==";
    /// With `-mhe=on`.
    const NAMES_SEALED: &str = "\
         N3q8ryccAAQsf05qgAAAAAAAAAAuAAAAAAAAAJIoOl8C8wcJQBgNBdlI/edYo1PY5uO5wMHxXNMagdrgOFkJ66sKy9WFv3PCqLBP\
         PV7YSG3jPSrJHIEJnViviFV0z9Ykt8YrC/PNEQSUJ0+4kedLL6qRSV6PyzREsvCQdPvyC1Vr49ZefSowYYIKWOqpIgkIQ61gfuJ/\
         4pPvc7OFMuJlEhcGEAEJcAAHCwEAASQG8QcBElMPAJBPq5M32snlB/eIPYA1XQxqCgHxuHEHAAA=";
    /// Without a password.
    const FIVE_PLAIN: &str = "\
         N3q8ryccAATkkBZ0lgAAAAAAAAAhAAAAAAAAAGXbirXgACIAFV0AMxpJ1reQK2/+lMZB0wFZ1d0LNL3AAAAAgTMHrg/P2W+8D+vq\
         nL82Pf6EwIWlqvRpIZhgO+PZEGwROC+odRX76sWZGIH8XcvRdHjVa8NKx2Xv65iC+/IgSkAu09fzndjuK1sMn5QWVDO1tJyK0POI\
         ReKDRdQXvt/4mmF8hlGAdCerzm96dtm+sBFQ3l8iAAAXBh0BCXkABwsBAAEjAwEBBV0AEAAADIDSCgEFPw9PAAA=";

    fn of(content: &[u8]) -> Option<Sealed> {
        let mut room = Room::default();
        let told = sealed(content, &mut room);
        assert!(!room.is_cut);
        told
    }

    fn archive(list: &[u8]) -> Vec<u8> {
        let size = u64::try_from(list.len()).unwrap().to_le_bytes();
        [SIGNATURE, &[0, 4, 0, 0, 0, 0], &[0; 8], &size, &[0; 4], list].concat()
    }

    #[test]
    fn what_7_zip_writes_is_told_apart() {
        for (sample, expected) in [
            (ONE_SEALED, Some(Sealed::Files)),
            (FIVE_SEALED, Some(Sealed::Files)),
            (NAMES_SEALED, Some(Sealed::Names)),
            (FIVE_PLAIN, None),
        ] {
            let content = BASE64.decode(sample.as_bytes()).unwrap();
            assert_eq!(of(&content), expected, "{sample}");
            for end in 0..content.len() {
                of(&content[..end]);
            }
        }
    }

    #[test]
    fn numbers_are_read_as_the_format_says() {
        for (bytes, expected) in [
            (&[0x7f][..], Some(0x7f)),
            (&[0x80, 0x80], Some(0x80)),
            (&[0xbf, 0xff], Some(0x3fff)),
            (&[0xc1, 0x02, 0x03], Some(0x01_0302)),
            (&[0xfe, 1, 2, 3, 4, 5, 6, 7], Some(0x07_0605_0403_0201)),
            (&[0xff, 1, 2, 3, 4, 5, 6, 7, 8], Some(0x0807_0605_0403_0201)),
            (&[0x80], None),
            (&[], None),
        ] {
            let mut reader = Reader { rest: bytes, streams: Streams::default() };
            assert_eq!(reader.number(), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn a_method_that_encrypts_is_seen_in_any_folder() {
        let folders = |last: &[u8]| {
            let packed = [&[PACKED, 0, 2, SIZES, 1, 2, END][..], &[FOLDERS, FOLDER, 2, 0]].concat();
            [&[HEADER, ARCHIVE_PROPERTIES, 7, 2, 9, 9, END, STREAMS][..], &packed, &[1, 1, 0], last].concat()
        };
        assert_eq!(of(&archive(&folders(&[1, 4, 6, 0xf1, 7, 1]))), Some(Sealed::Files));
        assert_eq!(of(&archive(&folders(&[1, 3, 3, 1, 1]))), None);
        assert_eq!(of(&archive(&[HEADER, 5, 0])), None);
        assert_eq!(of(SIGNATURE), None);
    }

    #[test]
    fn no_more_is_unpacked_than_there_is_room_for() {
        let content = BASE64.decode(FIVE_SEALED.as_bytes()).unwrap();
        let mut room = Room { left: 10, is_cut: false };
        assert_eq!((sealed(&content, &mut room), room.is_cut, room.left), (None, true, 10));
        let mut room = Room { left: 1000, is_cut: false };
        assert_eq!((sealed(&content, &mut room), room.is_cut), (Some(Sealed::Files), false));
        assert!(room.left < 1000);
    }

    proptest! {
        #[test]
        fn any_archive_is_read_to_an_end(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            which in 0_usize..3,
        ) {
            let mut bytes = BASE64.decode([ONE_SEALED, FIVE_SEALED, FIVE_PLAIN][which].as_bytes()).unwrap();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            sealed(&bytes, &mut Room::default());
        }

        #[test]
        fn any_list_is_read_to_an_end(
            list in prop::collection::vec(prop::sample::select(&[0_u8, 1, 2, 4, 6, 7, 9, 10, 11, 12, 0x17, 0x21, 0x80, 0xf1, 0xff][..]), 0..60)
        ) {
            sealed(&archive(&list), &mut Room::default());
        }
    }
}
