//! What a picture is, by its first bytes: as programs tell that show it, whatever its part says.

use image::ImageFormat;

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One that is looked at.
    Read(ImageFormat),
    /// One that some mail programs show and that is not looked at: TIFF, ICO, AVIF, HEIC, JPEG XL, JPEG 2000.
    NotRead,
}

/// Which kind `bytes` are, white space before them passed over; `None` for no picture that is known.
pub(super) fn of(bytes: &[u8]) -> Option<Format> {
    let bytes = bytes.trim_ascii_start();
    let begins = |magic: &[&[u8]]| magic.iter().any(|magic| bytes.starts_with(magic));
    let at = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
    Some(if begins(&[b"\x89PNG\r\n\x1a\n"]) {
        Format::Read(ImageFormat::Png)
    } else if begins(&[b"\xff\xd8\xff"]) {
        Format::Read(ImageFormat::Jpeg)
    } else if begins(&[b"GIF87a", b"GIF89a"]) {
        Format::Read(ImageFormat::Gif)
    } else if begins(&[b"RIFF"]) && at(8, 12) == b"WEBP" {
        Format::Read(ImageFormat::WebP)
    } else if begins(&[b"BM"]) && matches!(at(14, 18), [12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]) {
        // Two letters begin many a text; the size of the header behind them does not.
        Format::Read(ImageFormat::Bmp)
    } else if begins(&[
        b"II*\0",
        b"MM\0*",
        b"II+\0",
        b"MM\0+",
        b"\xff\x0a",
        b"\0\0\0\x0cJXL ",
        b"\0\0\0\x0cjP  ",
    ]) || begins(&[b"\0\0\x01\0"]) && matches!(at(4, 10), [1..=255, 0, _, _, _, 0])
        || at(4, 8) == b"ftyp"
            && [&b"avif"[..], b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]
                .contains(&at(8, 12))
    {
        Format::NotRead
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_from_what_begins_like_one() {
        for (bytes, expected) in [
            (&b" \n\x89PNG\r\n\x1a\n..."[..], Some(Format::Read(ImageFormat::Png))),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(Format::Read(ImageFormat::WebP))),
            (b"RIFF\0\0\0\0WAVEfmt ", None),
            (b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0", Some(Format::Read(ImageFormat::Bmp))),
            (b"BMW drivers like their cars", None),
            (b"II*\0\x08\0\0\0", Some(Format::NotRead)),
            (b"\0\0\0\x20ftypavif\0\0", Some(Format::NotRead)),
            (b"\0\0\0\x18ftypheic\0\0", Some(Format::NotRead)),
            (b"\0\0\0\x18ftypisom\0\0", None),
            (b"\0\0\x01\0\x01\0\x10\x10\0\0", Some(Format::NotRead)),
            (b"\0\0\x01\xba\x21\0\x01\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(of(bytes), expected, "{bytes:?}");
        }
    }
}
