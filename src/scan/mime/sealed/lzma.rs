//! LZMA, as lists of 7z archives are packed (lzma-specification.txt of the LZMA SDK).
//!
//! Linear in what comes out, which the caller bounds. Nothing is taken but that and the table of probabilities.

/// Below this the range is filled up.
const TOP: u32 = 1 << 24;
/// Probabilities have eleven bits; each begins in the middle and moves by a 32nd.
const BITS: u32 = 11;
const MIDDLE: u16 = 1 << (BITS - 1);
const MOVE: u32 = 5;
const STATES: usize = 12;
const POSITIONS: usize = 16;
/// The most that lc and lp are together in LZMA2; LZMA alone would let the table grow to megabytes.
const MOST_LITERAL_BITS: usize = 4;

/// Places in the table.
const IS_MATCH: usize = 0;
const IS_REPEATED: usize = IS_MATCH + STATES * POSITIONS;
const IS_OLDER: usize = IS_REPEATED + STATES;
const IS_SECOND: usize = IS_OLDER + STATES;
const IS_THIRD: usize = IS_SECOND + STATES;
const IS_LONG: usize = IS_THIRD + STATES;
const SLOT: usize = IS_LONG + STATES * POSITIONS;
const SPECIAL: usize = SLOT + 4 * 64;
const ALIGN: usize = SPECIAL + 128;
const LENGTH: usize = ALIGN + 16;
const REPEATED_LENGTH: usize = LENGTH + LENGTHS;
const LITERAL: usize = REPEATED_LENGTH + LENGTHS;
/// Two choices, lengths of 3 bits by position, again, lengths of 8 bits.
const LENGTHS: usize = 2 + 2 * POSITIONS * 8 + 256;
const LITERALS: usize = 0x300;

/// The first `size` bytes, or as many as there are. `None` if the properties are none.
pub(super) fn unpacked(properties: &[u8], packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let all = usize::from(*properties.first()?);
    let (lc, lp, pb) = (all % 9, all / 9 % 5, all / 45);
    if pb > 4 || lc + lp > MOST_LITERAL_BITS {
        return None;
    }
    let table = vec![MIDDLE; LITERAL + (LITERALS << (lc + lp))];
    let (first, rest) = packed.split_first_chunk::<5>()?;
    let code = first.iter().fold(0_u32, |code, byte| code << 8 | u32::from(*byte));
    let mut decoder = Decoder { table, rest, range: u32::MAX, code, out: Vec::new(), lc, lp, pb };
    // What was unpacked before it breaks off is of use.
    decoder.run(size);
    Some(decoder.out)
}

struct Decoder<'a> {
    table: Vec<u16>,
    rest: &'a [u8],
    range: u32,
    code: u32,
    /// What came out, and the window that matches are taken from.
    out: Vec<u8>,
    lc: usize,
    lp: usize,
    pb: usize,
}

impl Decoder<'_> {
    /// Until there are `size` bytes. `None`: it ended before.
    fn run(&mut self, size: usize) -> Option<()> {
        let mut state = 0;
        let mut distances = [1_usize; 4];
        while self.out.len() < size {
            let position = self.out.len() & ((1 << self.pb) - 1);
            let by_position = state * POSITIONS + position;
            if !self.bit(IS_MATCH + by_position)? {
                self.literal(state, distances)?;
                state = match state {
                    0..4 => 0,
                    4..10 => state - 3,
                    _ => state - 6,
                };
                continue;
            }
            let length = if self.bit(IS_REPEATED + state)? {
                let which = if !self.bit(IS_OLDER + state)? {
                    0
                } else if !self.bit(IS_SECOND + state)? {
                    1
                } else if !self.bit(IS_THIRD + state)? {
                    2
                } else {
                    3
                };
                if which == 0 && !self.bit(IS_LONG + by_position)? {
                    state = if state < 7 { 9 } else { 11 };
                    1
                } else {
                    distances.get_mut(..=which)?.rotate_right(1);
                    state = if state < 7 { 8 } else { 11 };
                    self.length(REPEATED_LENGTH, position)?
                }
            } else {
                let length = self.length(LENGTH, position)?;
                distances.rotate_right(1);
                state = if state < 7 { 7 } else { 10 };
                // The largest one marks the end.
                let distance = self.distance(length)?.checked_add(1)?;
                *distances.first_mut()? = usize::try_from(distance).ok()?;
                length
            };
            let from = self.out.len().checked_sub(*distances.first()?)?;
            for at in from..from + length.min(size - self.out.len()) {
                self.out.push(*self.out.get(at)?);
            }
        }
        Some(())
    }

    fn literal(&mut self, state: usize, distances: [usize; 4]) -> Option<()> {
        let before = usize::from(self.out.last().copied().unwrap_or_default());
        let position = self.out.len() & ((1 << self.lp) - 1);
        let context = position << self.lc | before >> (8 - self.lc);
        let table = LITERAL + LITERALS * context;
        let mut symbol = 1;
        if state >= 7 {
            // Behind a match: the byte that would have come next is likely another one.
            let at = self.out.len().checked_sub(*distances.first()?)?;
            let mut other = usize::from(*self.out.get(at)?);
            while symbol < 0x100 {
                other <<= 1;
                let expected = other & 0x100;
                let bit = usize::from(self.bit(table + 0x100 + expected + symbol)?);
                symbol = symbol << 1 | bit;
                if expected >> 8 != bit {
                    break;
                }
            }
        }
        while symbol < 0x100 {
            symbol = symbol << 1 | usize::from(self.bit(table + symbol)?);
        }
        self.out.push(u8::try_from(symbol & 0xff).ok()?);
        Some(())
    }

    fn length(&mut self, table: usize, position: usize) -> Option<usize> {
        let (low, middle, high) = (table + 2, table + 2 + POSITIONS * 8, table + 2 + 2 * POSITIONS * 8);
        let length = if !self.bit(table)? {
            self.tree(low + position * 8, 3)?
        } else if !self.bit(table + 1)? {
            8 + self.tree(middle + position * 8, 3)?
        } else {
            16 + self.tree(high, 8)?
        };
        Some(length + 2)
    }

    fn distance(&mut self, length: usize) -> Option<u32> {
        let slot = self.tree(SLOT + (length - 2).min(3) * 64, 6)?;
        let slot_bits = u32::try_from(slot).ok()?;
        if slot < 4 {
            return Some(slot_bits);
        }
        let bits = slot_bits / 2 - 1;
        let base = (2 | slot_bits & 1) << bits;
        if slot < 14 {
            let place = SPECIAL + usize::try_from(base).ok()? - slot;
            return Some(base + self.reverse_tree(place, bits)?);
        }
        let direct = self.direct(bits - 4)? << 4;
        base.checked_add(direct)?.checked_add(self.reverse_tree(ALIGN, 4)?)
    }

    fn tree(&mut self, table: usize, bits: u32) -> Option<usize> {
        let mut symbol = 1;
        for _ in 0..bits {
            symbol = symbol << 1 | usize::from(self.bit(table + symbol)?);
        }
        Some(symbol - (1 << bits))
    }

    /// The lowest bit first.
    fn reverse_tree(&mut self, table: usize, bits: u32) -> Option<u32> {
        let (mut symbol, mut out) = (1, 0);
        for place in 0..bits {
            let bit = self.bit(table + symbol)?;
            symbol = symbol << 1 | usize::from(bit);
            out |= u32::from(bit) << place;
        }
        Some(out)
    }

    /// Bits that are as likely as not.
    fn direct(&mut self, bits: u32) -> Option<u32> {
        let mut out = 0;
        for _ in 0..bits {
            self.range >>= 1;
            let is_set = self.code >= self.range;
            if is_set {
                self.code -= self.range;
            }
            out = out << 1 | u32::from(is_set);
            self.fill()?;
        }
        Some(out)
    }

    fn bit(&mut self, place: usize) -> Option<bool> {
        let probability = self.table.get_mut(place)?;
        let bound = (self.range >> BITS) * u32::from(*probability);
        let is_set = self.code >= bound;
        if is_set {
            *probability -= *probability >> MOVE;
            self.code -= bound;
            self.range -= bound;
        } else {
            *probability += ((1 << BITS) - *probability) >> MOVE;
            self.range = bound;
        }
        self.fill()?;
        Some(is_set)
    }

    fn fill(&mut self) -> Option<()> {
        if self.range < TOP {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            self.range <<= 8;
            self.code = self.code << 8 | u32::from(*byte);
        }
        Some(())
    }
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
            prop_assert!(unpacked(PROPERTIES, &packed, size).unwrap().len() <= size);
        }
    }
}
