//! Pictures that are damaged, or of types that are not looked at.

use image::ImageFormat;

use super::pictures::{TEXT, code, encoded};
use super::{links, message, told};
use crate::mail::links::{Limits, Links, Skipped, find};

const FOUND: [&str; 1] = ["qr https://evil.example/x"];

fn png() -> Vec<u8> {
    encoded(code(TEXT, 4, 0, 255), ImageFormat::Png)
}

/// What was found in a picture, and what was not looked at.
fn outcome(found: &Links) -> (Vec<String>, Vec<Skipped>) {
    (told(found), found.not_inspected.clone())
}

fn found() -> (Vec<String>, Vec<Skipped>) {
    (FOUND.map(str::to_owned).to_vec(), vec![])
}

#[test]
fn a_png_that_programs_show_although_it_is_damaged_is_read() {
    let whole = png();
    let data = whole.windows(4).position(|word| word == b"IDAT").unwrap();
    let length = usize::try_from(u32::from_be_bytes(whole[data - 4..data].try_into().unwrap())).unwrap();
    let mut wrong_sum = whole.clone();
    wrong_sum[data + 4 + length] ^= 0xff;
    let mut wrong_header_sum = whole.clone();
    wrong_header_sum[29] ^= 0xff;
    for (what, bytes) in [
        ("without its end", whole[..whole.len() - 12].to_vec()),
        ("without its last bytes", whole[..whole.len() - 40].to_vec()),
        ("with a wrong sum of its data", wrong_sum),
        ("with a wrong sum of its header", wrong_header_sum),
        ("behind a line break", [b"\n", &whole[..]].concat()),
        ("behind white space", [b" \t\r\n", &whole[..]].concat()),
        ("with something behind it", [&whole[..], b"-- \nfooter"].concat()),
    ] {
        assert_eq!(told(&links("image/png", bytes)), FOUND, "{what}");
    }
}

#[test]
fn other_pictures_that_are_cut_are_read_or_told() {
    let picture = code(TEXT, 4, 0, 255);
    for (format, may_be_told) in [
        (ImageFormat::Jpeg, false),
        (ImageFormat::Bmp, false),
        (ImageFormat::Gif, true),
        (ImageFormat::WebP, true),
    ] {
        let coloured = image::DynamicImage::from(picture.clone()).to_rgb8();
        let mut whole = encoded(coloured, format);
        whole.truncate(whole.len() - 10);
        let outcome = outcome(&links("image/png", whole));
        let is_told = outcome == (vec![], vec![Skipped::PictureUnreadable]);
        assert!(outcome == found() || may_be_told && is_told, "{format:?}: {outcome:?}");
    }
}

#[test]
fn an_interlaced_picture_is_read() {
    // The encoder at hand writes none: the rows of all seven passes, not compressed.
    let picture = code(TEXT, 4, 0, 255);
    let (width, height) = picture.dimensions();
    let mut rows = Vec::new();
    for (x0, dx, y0, dy) in
        [(0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)]
    {
        for y in (y0..height).step_by(dy) {
            rows.push(0);
            rows.extend((x0..width).step_by(dx).map(|x| picture.get_pixel(x, y).0[0]));
        }
    }
    let mut data = vec![0x78, 0x01];
    let count = rows.chunks(60_000).count();
    for (at, block) in rows.chunks(60_000).enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        data.push(u8::from(at + 1 == count));
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend(block);
    }
    data.extend([0; 4]);
    let chunk = |name: &[u8], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], name, data, &[0; 4]].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 1]].concat();
    let bytes =
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", b"")]
            .concat();
    assert_eq!(outcome(&links("image/png", bytes)), found());
}

#[test]
fn what_cannot_be_decoded_is_told() {
    for (media_type, bytes) in [
        ("image/png", &b"\x89PNG\r\n\x1a\n"[..]),
        ("image/png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\0\0\0\0"),
        ("application/octet-stream", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("image/gif", b"GIF89a"),
        ("image/webp", b"something else altogether"),
    ] {
        assert_eq!(links(media_type, bytes).not_inspected, [Skipped::PictureUnreadable], "{bytes:?}");
    }
    let page = "<img src='data:image/png;base64,iVBORw0KGgo='>";
    assert_eq!(links("text/html", page).not_inspected, [Skipped::PictureUnreadable]);
    assert_eq!(links("image/png", "").not_inspected, []);
}

#[test]
fn pictures_of_other_types_are_told() {
    for bytes in [
        &b"II*\0\x08\0\0\0"[..],
        b"MM\0*\0\0\0\x08",
        b"\0\0\0\x20ftypavif\0\0\0\0",
        b"\0\0\0\x18ftypheic\0\0\0\0",
        b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0",
    ] {
        for media_type in ["image/tiff", "application/octet-stream"] {
            assert_eq!(links(media_type, bytes).not_inspected, [Skipped::PictureType], "{bytes:?}");
        }
    }
}

#[test]
fn a_code_in_a_style_is_read() {
    let address = format!("data:image/png;base64,{}", data_encoding::BASE64.encode(&png()));
    for page in [
        format!("<div style=\"background:url({address})\">x</div>"),
        format!("<div style=\"background-image:url('{address}')\">x</div>"),
        format!("<style>.x{{background:#fff url(\"{address}\") no-repeat}}</style>"),
        format!("<td background='{address}'>"),
    ] {
        assert_eq!(outcome(&links("text/html", page.clone())), found(), "{page}");
    }
    // The same picture many times is looked at once.
    let page = format!("<style>/**/.x{{background:url({address})}}</style>")
        + &format!("<img src='{address}'>").repeat(9);
    let limits = Limits { images: 1, ..Limits::default() };
    assert_eq!(outcome(&find(&message("text/html", page), "", &limits)), found());
}

#[test]
fn a_broken_picture_is_read_or_told() {
    let picture = code(TEXT, 4, 0, 255);
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP]
    {
        let bytes = encoded(image::DynamicImage::from(picture.clone()).to_rgb8(), format);
        for at in (1..bytes.len()).step_by(bytes.len() / 40 + 1) {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            for (what, bytes) in [("cut", bytes[..at].to_vec()), ("changed", changed)] {
                let outcome = outcome(&links("image/png", bytes));
                // Decoded without an error, to pixels that are no code.
                let is_no_code =
                    outcome == (vec![], vec![]) && (what == "changed" || format == ImageFormat::Jpeg);
                let is_told =
                    outcome.1 == [Skipped::PictureUnreadable] || outcome.1 == [Skipped::ImageTooLarge];
                assert!(
                    outcome == found() || is_told || is_no_code,
                    "{format:?} {what} at {at}: {outcome:?}"
                );
            }
        }
    }
}
