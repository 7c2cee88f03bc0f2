//! The rich text of a mail from Outlook, unpacked ([MS-OXRTFCP]).

/// What the dictionary begins with (§2.2.1).
const BEGIN: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const DICTIONARY: usize = 4096;
/// Two sizes, the kind, a checksum.
const HEAD: usize = 16;
const PACKED: &[u8] = b"LZFu";
const PLAIN: &[u8] = b"MELA";

/// The text. `None` if it is of another kind, or longer than `room` bytes. One that breaks off is given up to there.
pub(super) fn unpacked(data: &[u8], room: usize) -> Option<Vec<u8>> {
    let (head, mut rest) = data.split_at_checked(HEAD)?;
    let kind = head.get(8..12)?;
    let size = head.get(4..)?.first_chunk().map(|size| u32::from_le_bytes(*size))?;
    if kind == PLAIN {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        return (rest.len() <= room).then(|| rest.get(..size).unwrap_or(rest).to_vec());
    }
    if kind != PACKED {
        return None;
    }
    let mut window = [0_u8; DICTIONARY];
    window.get_mut(..BEGIN.len())?.copy_from_slice(BEGIN);
    let mut at = BEGIN.len();
    let mut out = Vec::new();
    let mut put = |byte: u8, at: &mut usize, window: &mut [u8; DICTIONARY]| {
        if let Some(place) = window.get_mut(*at) {
            *place = byte;
        }
        *at = (*at + 1) % DICTIONARY;
        out.push(byte);
        out.len() <= room
    };
    'all: while let Some((control, tail)) = rest.split_first() {
        rest = tail;
        for bit in 0..8 {
            if control >> bit & 1 == 0 {
                let Some((byte, tail)) = rest.split_first() else { break 'all };
                rest = tail;
                if !put(*byte, &mut at, &mut window) {
                    return None;
                }
                continue;
            }
            let Some(([high, low], tail)) = rest.split_first_chunk() else { break 'all };
            rest = tail;
            let reference = u16::from_be_bytes([*high, *low]);
            let mut from = usize::from(reference >> 4);
            // A reference to where writing goes on is the end.
            if from == at {
                break 'all;
            }
            for _ in 0..usize::from(reference & 15) + 2 {
                let byte = window.get(from).copied().unwrap_or_default();
                from = (from + 1) % DICTIONARY;
                if !put(byte, &mut at, &mut window) {
                    return None;
                }
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// [MS-OXRTFCP] §3.1.1 and §3.1.2.
    const HELLO: &[u8] =
        b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125\x42\x32\x0a\xf3 hel\x09\0 bw\
\x05\xb0ld}\x0a\x80\x0f\xa0";
    const CROSSING: &[u8] = b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4KQ\x41\0\x04 WXYZ\x0d\x6e}\x01\x0e\xb0";

    #[test]
    fn the_examples_of_the_specification_come_out() {
        assert_eq!(BEGIN.len(), 207);
        let text = |data| String::from_utf8(unpacked(data, 1000).unwrap()).unwrap();
        assert_eq!(text(HELLO), "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!(text(CROSSING), "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
        assert_eq!(text(b"\x0f\0\0\0\x03\0\0\0MELA\0\0\0\0abcd"), "abc");
    }

    #[test]
    fn no_more_is_unpacked_than_there_is_room_for() {
        assert_eq!(unpacked(HELLO, 42), None);
        assert_eq!(unpacked(b"\x0f\0\0\0\x04\0\0\0MELA\0\0\0\0abcd", 3), None);
        assert_eq!(unpacked(b"\x0f\0\0\0\x04\0\0\0ABCD\0\0\0\0abcd", 30), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_within_their_room(tail in prop::collection::vec(any::<u8>(), 0..300), room in 0_usize..600) {
            let data = [&HELLO[..HEAD], &tail].concat();
            prop_assert!(unpacked(&data, room).is_none_or(|out| out.len() <= room));
        }
    }
}
