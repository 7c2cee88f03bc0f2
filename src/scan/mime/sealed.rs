//! Content that is encrypted, so that what is in it is seen by nobody here.
//!
//! Known by what each format says of itself; no key is tried. Linear in the content; what has to be unpacked to see it is
//! bounded by [`Room`] over a whole message.
//!
//! Where to find what: 7z `seven_zip`, unpacking its list of files `lzma`; RAR `rar`; Office documents `office`.

mod lzma;
mod office;
mod rar;
mod seven_zip;

use memchr::memmem;

use crate::mail::{compound, links};
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
/// Bytes that lists of files are unpacked to, over a whole message.
const UNPACKED: usize = 4 << 20;

/// What may still be unpacked to look for what is encrypted.
#[derive(Debug)]
pub(super) struct Room {
    left: usize,
    /// There was more than that.
    pub(super) is_cut: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: UNPACKED, is_cut: false }
    }
}

/// What an archive says of its encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sealed {
    /// What is in its files.
    Files,
    /// And what they are called.
    Names,
}

/// As what the content of a part is encrypted; `None` if it is not, or not in a way that is known here.
pub(super) fn kind(part: &Part, room: &mut Room) -> Option<&'static str> {
    let content: &[u8] = &part.content;
    let head = content.get(..HEAD).unwrap_or(content);
    let is_pgp = || {
        let is_armour = |at: usize| at == 0 || content.get(at - 1) == Some(&b'\n');
        memmem::find_iter(content.get(..FIRST).unwrap_or(content), PGP).any(is_armour)
    };
    if part.is_container {
        None
    } else if ENVELOPED.iter().any(|id| memmem::find(head, id).is_some()) {
        Some("S/MIME")
    } else if rar::is_rar(content) {
        rar::sealed(content).map(|sealed| match sealed {
            Sealed::Files => "a RAR archive",
            Sealed::Names => "a RAR archive without readable names",
        })
    } else if seven_zip::is_seven_zip(content) {
        seven_zip::sealed(content, room).map(|sealed| match sealed {
            Sealed::Files => "a 7z archive",
            Sealed::Names => "a 7z archive without readable names",
        })
    } else if compound::is_compound(content) {
        office::is_sealed(content).then_some("an Office document")
    } else if links::is_encrypted_pdf(content) {
        Some("a PDF file")
    } else {
        is_pgp().then_some("OpenPGP")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::suite;

    fn of(content: impl Into<bytes::Bytes>) -> Option<&'static str> {
        kind(&Part { content: content.into(), ..Part::default() }, &mut Room::default())
    }

    #[test]
    fn what_only_its_recipient_can_read_is_known() {
        let smime = [&[0x30, 0x80][..], ENVELOPED[0], &[0xa0, 0x80]].concat();
        assert_eq!(of(smime), Some("S/MIME"));
        assert_eq!(of("-----BEGIN PGP MESSAGE-----\r\n\r\nabc"), Some("OpenPGP"));
        assert_eq!(of("Hello,\r\n-----BEGIN PGP MESSAGE-----\r\n"), Some("OpenPGP"));
        assert_eq!(of("> -----BEGIN PGP MESSAGE-----\r\n"), None);
        assert_eq!(of("-----BEGIN PGP SIGNATURE-----\r\n"), None);
        assert_eq!(of("%PDF-1.7\ntrailer << /Root 1 0 R /Encrypt 5 0 R >>"), Some("a PDF file"));
        assert_eq!(of("%PDF-1.7\n1 0 obj << /Type /XRef /Encrypt << /V 5 >> >> stream"), Some("a PDF file"));
        assert_eq!(of("%PDF-1.7\ntrailer << /Root 1 0 R /EncryptMetadata false >>"), None);
        assert_eq!(of("how to write /Encrypt 5 0 R"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn files_of_other_projects_are_told_apart() {
        let test = "files_of_other_projects_are_told_apart";
        let Some(folder) = suite(test, "archives/libarchive") else { return };
        let archive =
            |name: &str| of(std::fs::read(folder.join(format!("test_read_format_{name}"))).unwrap());
        let [rar, rar_names] = ["a RAR archive", "a RAR archive without readable names"].map(Some);
        let [seven_zip, seven_zip_names] = ["a 7z archive", "a 7z archive without readable names"].map(Some);
        for (name, expected) in [
            ("rar4_encrypted.rar", rar),
            ("rar5_encrypted.rar", rar),
            ("rar4_encrypted_filenames.rar", rar_names),
            ("rar5_encrypted_filenames.rar", rar_names),
            ("rar.rar", None),
            ("rar5_multiple_files.rar", None),
            ("rar_invalid1.rar", None),
            ("rar5_unpacked_size_exceeds_declared.rar", None),
            ("7zip_encryption.7z", seven_zip),
            ("7zip_encryption_header.7z", seven_zip_names),
            ("7zip_copy.7z", None),
            ("7zip_lzma1.7z", None),
            ("7zip_malformed.7z", None),
        ] {
            assert_eq!(archive(name), expected, "{name}");
        }
        let Some(folder) = suite(test, "macros") else { return };
        for (name, is_sealed) in [
            ("encrypted.doc", true),
            ("encrypted.docx", true),
            ("autostart-encrypt-standardpassword.xls", true),
            ("autostart-encrypt-standardpassword.xlsm", true),
            ("harmless-clean.doc", false),
            ("excel4_sample_macro.xls", false),
            ("sample_with_vba.ppt", false),
            ("harmless-clean.docx", false),
        ] {
            let told = of(std::fs::read(folder.join(name)).unwrap());
            assert_eq!(told, is_sealed.then_some("an Office document"), "{name}");
        }
    }
}
