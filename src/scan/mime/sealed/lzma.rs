//! LZMA, as lists of 7z archives are packed.

use std::io::Read as _;

use lzma_rust2::LzmaReader;

/// The most that lc and lp are together in LZMA2; LZMA alone would let the table grow to megabytes.
const MOST_LITERAL_BITS: u8 = 4;

/// The first `size` bytes, or as many as there are before it breaks off. `None` if properties or beginning are none
/// of LZMA.
pub(super) fn unpacked(properties: &[u8], packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let properties = *properties.first()?;
    if properties % 9 + properties / 9 % 5 > MOST_LITERAL_BITS {
        return None;
    }
    // Nothing reaches back further than to the first byte, whatever window the archive asks for.
    let window = u32::try_from(size).ok()?;
    let mut reader = LzmaReader::new_with_props(packed, u64::MAX, properties, window, None).ok()?;
    reader.set_defer_errors(true);
    let mut out = Vec::new();
    // What was unpacked before an error is of use.
    drop(reader.take(size as u64).read_to_end(&mut out));
    Some(out)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::*;

    use super::*;

    /// What `xz --format=lzma -9e` makes of [`text`], without its head of 13 bytes; the first of these are the properties.
    const PROPERTIES: &[u8] = &[0x5d, 0, 0, 0, 4];
    const PACKED: &str = "\
        ABgIHAQB3/7r46dmYCu9qTjJD7Ey97Bo3L3nCc/hjkbwI1lpVL4xVdcfBqRJC9bdzco4U+Zh4E+1O4XUiiAHD1bVH67ikH5A5Mmd\
        KX4z9hINKxErKRpWfGCfHyq/3Enkt1UtB4vfzy22afJja6Z11JtbXboahQYh8aFSYaujLKoO4ZWVqJ6vEON+DkGfAUe7MuoEoZe2\
        iqyeu4kqzDxFEBEg/zgnCBlRJ+RIFAIlgQGHLTV4m2Xy8e0nHFt5BceFqKiztkhEN0E1KIG4TNzYapJoZ2Jgsw3v91F0xq3sSdHG\
        qn5+qO6NT9Rlv7ykkHJgU76S7f++NFKmWd26Pxa4DkE3NL19nAY+wJJLRduxBety7t2UHBJb7w5mtD570K9u5KbjRgo5rbGJhxhh\
        GGaQbqIdVHBhlORQ69nG8JIbjL1smBolk3EJIzl63kqXeqij1MBxvOoKzGnNPc1j9queb6RNUUhBtpXiZheFUx7M+0/763kzQq4E\
        9BuUr2kIcawNWpKgfIKCAIx2CI6G7XBU87beMQtbMbLbfAmgRlVpmv1ylePSLG9ZZXvW9o0Rd10XDGfk4wZAWyQt3ijOs9KdyPEI\
        JoXX6guMpqBrvwX62PLZvIkS0zuR/Fv2Gg/JkNbNEKUVW2qGFsAWWCZXgT9SvsOBNwayGHXbfaLty7hVXXJydAVHVCeqFa18kQqJ\
        xYqQMyVVHvj7yBVlv41R0rut7iiiOLNeD0S8PTRI3eH7f/YVm/MC7762902rCCh+JseeCgohutpJFTJ9vXZK0L6K/9Re9ElX7kwk\
        oJkFQESfIXPEnvVTON4koRbI+1mO/r26Lzm9dG6uM3lfsqjdFyh5nrwxDZucWPsiwBdHfFvVNJI4dc19pbN1ZpbvfSyu2Fmijpzq\
        7PEGIbpHY+nLg37LdVLQyIPDRjBabjW5zbWbNlKImxNS3MKsA+BtyaEQOn4pEz2ct/7E45ecmOWUc4BhHliOqYwo/Hpl6coszgXr\
        4qoJ6HPOj5joIA35LXamyvakEb/+Ouhm";

    fn text() -> Vec<u8> {
        let mut text = Vec::new();
        for i in 0..400_u32 {
            text.extend(format!("{} {} ", i * i % 97, i.wrapping_mul(2_654_435_761) % 11).bytes());
            if i % 50 == 0 {
                text.extend([u8::try_from(i % 251).unwrap(); 400]);
            }
        }
        text
    }

    #[test]
    fn what_another_program_packed_comes_back() {
        let packed = BASE64.decode(PACKED.as_bytes()).unwrap();
        let text = text();
        assert!(unpacked(PROPERTIES, &packed, text.len()).unwrap() == text);
        assert!(unpacked(PROPERTIES, &packed, 2500).unwrap() == text[..2500]);
        // Its end is marked.
        assert!(unpacked(PROPERTIES, &packed, text.len() + 1).unwrap() == text);
        let half = unpacked(PROPERTIES, &packed[..packed.len() / 2], text.len()).unwrap();
        assert!(!half.is_empty() && text.starts_with(&half[..half.len() - 1]));
    }

    #[test]
    fn what_is_none_is_none() {
        assert_eq!(unpacked(&[], b"\0\0\0\0\0\0", 5), None);
        assert_eq!(unpacked(&[255], b"\0\0\0\0\0\0", 5), None);
        assert_eq!(unpacked(&[4 * 9 + 8], b"\0\0\0\0\0\0", 5), None);
        assert_eq!(unpacked(&[0x5d], b"\0\0\0\0", 5), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_within_bounds(
            properties in any::<u8>(),
            packed in prop::collection::vec(any::<u8>(), 0..300),
            size in 0_usize..3000,
        ) {
            let out = unpacked(&[properties], &packed, size);
            prop_assert!(out.is_none_or(|out| out.len() <= size));
        }

        #[test]
        fn what_was_packed_and_then_changed_is_unpacked_within_bounds(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            size in 0_usize..9_000,
        ) {
            let mut packed = BASE64.decode(PACKED.as_bytes()).unwrap();
            for (at, byte) in flips {
                let at = at.index(packed.len());
                packed[at] = byte;
            }
            // The first byte of all is nought, else it is none.
            prop_assert!(unpacked(PROPERTIES, &packed, size).is_none_or(|out| out.len() <= size));
        }
    }
}
