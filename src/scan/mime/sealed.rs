//! Content that only its recipient can read.

use memchr::memmem;

use crate::model::Part;

/// How far into S/MIME its kind is looked for, in bytes.
const HEAD: usize = 64;
/// How far into a text OpenPGP is looked for, in bytes.
const FIRST: usize = 64 * 1024;
/// 1.2.840.113549.1.7.3, id-envelopedData; 1.2.840.113549.1.9.16.1.23, id-ct-authEnvelopedData.
const ENVELOPED: [&[u8]; 2] = [
    &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3],
    &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23],
];
/// RFC 9580 §6.2.
const PGP: &[u8] = b"-----BEGIN PGP MESSAGE-----";
/// Compound files ([MS-CFB] §2.2), and the stream that an encrypted document is in ([MS-OFFCRYPTO] §2.3.4.4).
const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const PACKAGE: &[u8] = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0";

/// As what the content of a part is encrypted; `None` if it is not, or not in a way that is known here.
pub(super) fn kind(part: &Part) -> Option<&'static str> {
    let content: &[u8] = &part.content;
    let head = content.get(..HEAD).unwrap_or(content);
    let is_pgp = || {
        let is_armour = |at: usize| at == 0 || content.get(at - 1) == Some(&b'\n');
        memmem::find_iter(content.get(..FIRST).unwrap_or(content), PGP).any(is_armour)
    };
    match () {
        () if part.is_container => None,
        () if ENVELOPED.iter().any(|id| memmem::find(head, id).is_some()) => Some("S/MIME"),
        () if content.starts_with(b"Rar!\x1a\x07") && is_rar(content) => {
            Some("a RAR archive without readable names")
        }
        () if content.starts_with(COMPOUND) && memmem::find(content, PACKAGE).is_some() => {
            Some("an Office document")
        }
        () if is_pgp() => Some("OpenPGP"),
        () => None,
    }
}

/// RAR with an encrypted list of files: in version 5 the first block is of type 4; before, the main head has bit 7 of
/// its flags.
fn is_rar(content: &[u8]) -> bool {
    match content.get(6..) {
        // Signature, checksum of four bytes, size, type; the size is one byte unless its highest bit is set.
        Some([1, 0, _, _, _, _, size, kind, ..]) if size & 0x80 == 0 => *kind == 4,
        Some([0, _, _, 0x73, flags, ..]) => flags & 0x80 != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: impl Into<bytes::Bytes>) -> Option<&'static str> {
        kind(&Part { content: content.into(), ..Part::default() })
    }

    #[test]
    fn what_only_its_recipient_can_read_is_known() {
        let smime = [&[0x30, 0x80][..], ENVELOPED[0], &[0xa0, 0x80]].concat();
        assert_eq!(of(smime), Some("S/MIME"));
        assert_eq!(of("-----BEGIN PGP MESSAGE-----\r\n\r\nabc"), Some("OpenPGP"));
        assert_eq!(of("Hello,\r\n-----BEGIN PGP MESSAGE-----\r\n"), Some("OpenPGP"));
        assert_eq!(of("> -----BEGIN PGP MESSAGE-----\r\n"), None);
        assert_eq!(of("-----BEGIN PGP SIGNATURE-----\r\n"), None);
        let rar = "a RAR archive without readable names";
        assert_eq!(of(&b"Rar!\x1a\x07\x01\0\x01\x02\x03\x04\x21\x04\0\0"[..]), Some(rar));
        assert_eq!(of(&b"Rar!\x1a\x07\x01\0\x01\x02\x03\x04\x21\x01\0\0"[..]), None);
        assert_eq!(of(&b"Rar!\x1a\x07\0\xce\x99\x73\x80\0"[..]), Some(rar));
        assert_eq!(of(&b"Rar!\x1a\x07\0\xce\x99\x73\0\0"[..]), None);
        assert_eq!(of([COMPOUND, b"xx", PACKAGE].concat()), Some("an Office document"));
        assert_eq!(of(""), None);
    }
}
