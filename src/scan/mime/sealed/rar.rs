//! RAR: blocks one behind the other, each with a head that says what it is (RAR 5.0 archive format; technote.txt of
//! RAR 4 for what was before).

use super::Sealed;

const SIGNATURE: &[u8] = b"Rar!\x1a\x07";

pub(super) fn is_rar(content: &[u8]) -> bool {
    content.starts_with(SIGNATURE)
}

/// What is encrypted. Linear: each block takes bytes.
pub(super) fn sealed(content: &[u8]) -> Option<Sealed> {
    let rest = content.get(SIGNATURE.len()..)?;
    match rest {
        [1, 0, blocks @ ..] => five(blocks),
        [0, blocks @ ..] => four(blocks),
        _ => None,
    }
}

/// Before version 5: checksum of two bytes, type, flags, size of the head, then its own fields.
fn four(mut blocks: &[u8]) -> Option<Sealed> {
    const MAIN: u8 = 0x73;
    const FILE: u8 = 0x74;
    const END: u8 = 0x7b;
    const NAMES: u16 = 0x80;
    const PASSWORD: u16 = 0x04;
    const LARGE: u16 = 0x100;
    const HAS_DATA: u16 = 0x8000;
    loop {
        let kind = *blocks.get(2)?;
        let (flags, size) = (short(blocks, 3)?, short(blocks, 5)?);
        match kind {
            MAIN if flags & NAMES != 0 => return Some(Sealed::Names),
            FILE if flags & PASSWORD != 0 => return Some(Sealed::Files),
            END => return None,
            _ => {}
        }
        let has_data = kind == FILE || flags & HAS_DATA != 0;
        let data = if has_data { u64::from(number(blocks, 7)?) } else { 0 };
        // The higher half stands behind the fields that each file has.
        let high = if kind == FILE && flags & LARGE != 0 { u64::from(number(blocks, 32)?) } else { 0 };
        // No head is shorter than what stands in all of them.
        let next = u64::from(size.max(7)).checked_add(high << 32 | data)?;
        blocks = blocks.get(usize::try_from(next).ok()?..)?;
    }
}

/// Version 5: checksum of four bytes, then numbers of a varying length: size of what follows, type, flags, sizes.
fn five(mut blocks: &[u8]) -> Option<Sealed> {
    const FILE: u64 = 2;
    const ENCRYPTION: u64 = 4;
    const END: u64 = 5;
    const HAS_EXTRA: u64 = 1;
    const HAS_DATA: u64 = 2;
    loop {
        let mut fields = Fields(blocks.get(4..)?);
        let size = usize::try_from(fields.number()?).ok()?;
        let (head, behind) = fields.0.split_at_checked(size)?;
        let mut fields = Fields(head);
        let (kind, flags) = (fields.number()?, fields.number()?);
        let extra = if flags & HAS_EXTRA == 0 { 0 } else { fields.number()? };
        let data = if flags & HAS_DATA == 0 { 0 } else { fields.number()? };
        match kind {
            ENCRYPTION => return Some(Sealed::Names),
            FILE if is_encrypted(head, extra) => return Some(Sealed::Files),
            END => return None,
            _ => {}
        }
        blocks = behind.get(usize::try_from(data).ok()?..)?;
    }
}

/// Whether the records at the end of a file's head say how it is encrypted.
fn is_encrypted(head: &[u8], extra: u64) -> bool {
    const ENCRYPTION: u64 = 1;
    let begin = usize::try_from(extra).ok().and_then(|extra| head.len().checked_sub(extra));
    let mut records = Fields(begin.and_then(|begin| head.get(begin..)).unwrap_or_default());
    while let Some(size) = records.number().and_then(|size| usize::try_from(size).ok()) {
        let Some((record, rest)) = records.0.split_at_checked(size) else { return false };
        if Fields(record).number() == Some(ENCRYPTION) {
            return true;
        }
        records = Fields(rest);
    }
    false
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// Seven bits to a byte, the lowest first; the highest bit says that there are more.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(7 * place).unwrap_or_default();
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn number(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block_4(kind: u8, flags: u16, fields: &[u8], data: &[u8]) -> Vec<u8> {
        let size = u16::try_from(7 + fields.len()).unwrap();
        [&[0, 0, kind][..], &flags.to_le_bytes(), &size.to_le_bytes(), fields, data].concat()
    }

    fn file_4(flags: u16, data: &[u8]) -> Vec<u8> {
        let packed = u32::try_from(data.len()).unwrap().to_le_bytes();
        let high: &[u8] = if flags & 0x100 == 0 { &[] } else { &[0; 8] };
        block_4(0x74, 0x8000 | flags, &[&packed[..], &[9; 21], high, b"a.txt"].concat(), data)
    }

    fn version_4(blocks: &[Vec<u8>]) -> Vec<u8> {
        [b"Rar!\x1a\x07\0", &block_4(0x73, 0, &[0; 6], b"")[..], &blocks.concat()].concat()
    }

    fn block_5(kind: u8, extra: &[u8], data: &[u8]) -> Vec<u8> {
        let number = |n: usize| [u8::try_from(n & 0x7f).unwrap() | 0x80, u8::try_from(n >> 7).unwrap()];
        let head =
            [&[kind, 3][..], &number(extra.len()), &number(data.len()), b"other fields", extra].concat();
        [&[1, 2, 3, 4][..], &number(head.len()), &head, data].concat()
    }

    fn version_5(blocks: &[Vec<u8>]) -> Vec<u8> {
        [b"Rar!\x1a\x07\x01\0", &block_5(1, b"", b"")[..], &blocks.concat()].concat()
    }

    #[test]
    fn an_encrypted_file_is_found_wherever_it_stands() {
        let comment = block_4(0x7a, 0x8000, &3_u32.to_le_bytes(), b"xyz");
        let (plain, large) = (file_4(0x20, &[0x74; 90]), file_4(0x100, b"abc"));
        let before = [comment, plain, large];
        assert_eq!(sealed(&version_4(&before)), None);
        assert_eq!(sealed(&version_4(&[&before[..], &[file_4(4, b"secret")]].concat())), Some(Sealed::Files));
        assert_eq!(sealed(&version_4(&[file_4(0x104, b"")])), Some(Sealed::Files));
        assert_eq!(sealed(&version_4(&[block_4(0x7b, 0, b"", b""), file_4(4, b"x")])), None);

        let plain = block_5(2, &[2, 2, 7, 3, 3, 1, 1], &[4; 300]);
        let locked = block_5(2, &[2, 3, 7, 4, 1, 0, 0, 0], b"secret");
        assert_eq!(sealed(&version_5(&[plain.clone(), block_5(3, &[2, 1, 0], b"a service")])), None);
        assert_eq!(sealed(&version_5(&[plain.clone(), locked.clone()])), Some(Sealed::Files));
        assert_eq!(sealed(&version_5(&[plain, block_5(5, b"", b""), locked])), None);
    }

    #[test]
    fn an_encrypted_list_of_files_is_known() {
        assert_eq!(sealed(b"Rar!\x1a\x07\x01\0\x01\x02\x03\x04\x02\x04\0"), Some(Sealed::Names));
        assert_eq!(sealed(b"Rar!\x1a\x07\x01\0\x01\x02\x03\x04\x02\x01\0"), None);
        assert_eq!(sealed(b"Rar!\x1a\x07\0\xce\x99\x73\x80\0\x0d\0"), Some(Sealed::Names));
        assert_eq!(sealed(b"Rar!\x1a\x07\0\xce\x99\x73\0\0\x0d\0"), None);
        assert_eq!(sealed(b"Rar!\x1a\x07"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(
            is_five in any::<bool>(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
            tail in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = match is_five {
                true => version_5(&[block_5(2, &[2, 2, 7], b"abc"), block_5(2, &[1, 1], b"")]),
                false => version_4(&[file_4(0, b"abc"), file_4(0x100, b"")]),
            };
            for (at, byte) in flips {
                let at = 8 + at.index(bytes.len() - 8);
                bytes[at] = byte;
            }
            bytes.extend(tail);
            sealed(&bytes);
        }

        #[test]
        fn any_blocks_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            four(&bytes);
            five(&bytes);
        }
    }
}
