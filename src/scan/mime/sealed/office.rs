//! Office documents with a password.
//!
//! Those since 2007 are put as a whole into a compound file when they are encrypted ([MS-OFFCRYPTO] §2.3). Those of before are
//! one, and say so in a stream of their program: Word ([MS-DOC] §2.5.1), Excel ([MS-XLS] §2.4.117), PowerPoint ([MS-PPT] §2.3.2).

use memchr::memmem;

use crate::mail::compound::{self, Compound, Kind};

/// The stream that a whole document is in, as it stands in the directory.
const PACKAGE: &[u8] = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0";
/// Streams that only encrypted documents have ([MS-OFFCRYPTO] §2.3.4.4, §2.3.5.4, §2.2.4; the last one is of the
/// protection of rights, IRM).
const SEALED: [&str; 3] = ["EncryptedPackage", "EncryptedSummary", "\u{9}DRMContent"];
/// Bytes of a stream that are read.
const BEGIN: usize = 4096;
/// Streams that are read; a document has one, and one for each document in it.
const STREAMS: usize = 64;

pub(super) fn is_sealed(content: &[u8]) -> bool {
    // Programs mend directories that are broken.
    memmem::find(content, PACKAGE).is_some()
        || compound::read(content).is_some_and(|file| is_sealed_in(&file))
}

fn is_sealed_in(file: &Compound<'_>) -> bool {
    let streams =
        (0..file.entries()).filter_map(|index| file.entry(index)).filter(|row| row.kind == Kind::Stream);
    let mut left = STREAMS;
    for row in streams {
        let says: fn(&[u8]) -> bool = match row.name.as_str() {
            name if SEALED.contains(&name) => return true,
            "WordDocument" => word,
            "Workbook" | "Book" => excel,
            "Current User" => power_point,
            _ => continue,
        };
        if says(&file.stream(&row, BEGIN).bytes) {
            return true;
        }
        left -= 1;
        if left == 0 {
            break;
        }
    }
    false
}

/// `fEncrypted` in the head of the document, of Word 97 or of 6 and 95.
fn word(stream: &[u8]) -> bool {
    const ENCRYPTED: u16 = 0x0100;
    matches!(short(stream, 0), Some(0xa5ec | 0xa5dc))
        && short(stream, 10).is_some_and(|flags| flags & ENCRYPTED != 0)
}

/// FilePass among the first records: it stands behind the first one, and what a workbook says of writing to it
/// ([MS-XLS] §2.1.7.20.3).
fn excel(stream: &[u8]) -> bool {
    const FILE_PASS: u16 = 0x002f;
    const FIRST: usize = 8;
    let mut rest = stream;
    for _ in 0..FIRST {
        let Some((kind, size)) = short(rest, 0).zip(short(rest, 2)) else { return false };
        if kind == FILE_PASS {
            return true;
        }
        rest = rest.get(4 + usize::from(size)..).unwrap_or_default();
    }
    false
}

/// The token of an encrypted document in CurrentUserAtom.
fn power_point(stream: &[u8]) -> bool {
    stream.get(12..).is_some_and(|rest| rest.starts_with(&0xf3d1_c4df_u32.to_le_bytes()))
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::compound::building::{Node, file, storage, stream};

    fn of(name: &'static str, bytes: &[u8]) -> bool {
        is_sealed(&file(&[stream("\u{5}SummaryInformation", b"x"), stream(name, bytes)]))
    }

    #[test]
    fn each_program_says_in_its_own_way_that_a_document_is_encrypted() {
        let word =
            |flags: u16| [&b"\xec\xa5\xc1\0\0\0\0\0\0\0"[..], &flags.to_le_bytes(), &[0; 5000]].concat();
        assert!(of("WordDocument", &word(0x1300)) && !of("WordDocument", &word(0x1200)));
        let excel =
            |kind: u8| [&[9, 8, 2, 0, 0, 6, 0x86, 0, 0, 0, kind, 0, 2, 0, 1, 0][..], &[0; 90]].concat();
        assert!(of("Workbook", &excel(0x2f)) && of("Book", &excel(0x2f)) && !of("Workbook", &excel(0x2e)));
        let far = [&[9, 8, 0, 0].repeat(8)[..], &[0x2f, 0, 0, 0]].concat();
        assert!(!of("Workbook", &far));
        let show = |token: u32| [&[0; 8][..], &20_u32.to_le_bytes(), &token.to_le_bytes()].concat();
        assert!(of("Current User", &show(0xf3d1_c4df)) && !of("Current User", &show(0xe391_c05f)));
        assert!(of("EncryptedPackage", b"x") && of("EncryptedSummary", b"") && of("\u{9}DRMContent", b"x"));
        assert!(!of("WordDocument", b"") && !of("Workbook", b"") && !of("Current User", b""));
    }

    #[test]
    fn a_document_in_a_document_is_looked_at_as_well() {
        let inner: Vec<Node> = vec![stream("Current User", &[&[0; 12][..], b"\xdf\xc4\xd1\xf3"].concat())];
        assert!(is_sealed(&file(&[stream("WordDocument", b"\xec\xa5"), storage("ObjectPool", inner)])));
    }

    #[test]
    fn a_package_is_known_where_the_directory_cannot_be_read() {
        let whole = file(&[stream("EncryptedPackage", b"x")]);
        assert!(is_sealed(&[&whole[..8], PACKAGE].concat()));
        assert!(!is_sealed(&whole[..8]));
    }

    proptest! {
        #[test]
        fn any_streams_are_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for says in [word, excel, power_point] {
                says(&bytes);
            }
        }
    }
}
