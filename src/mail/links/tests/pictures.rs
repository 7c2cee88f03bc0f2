//! QR codes.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, LumaA, Rgb, RgbImage};
use qrcode::{Color, QrCode};

use super::{links, message, told};
use crate::mail::links::{Limits, Place, Skipped, find};

pub(super) const TEXT: &str = "https://evil.example/x";

/// A code in grey, `scale` pixels a module, four modules of quiet around it.
pub(super) fn code(text: &str, scale: u32, dark: u8, light: u8) -> GrayImage {
    let code = QrCode::new(text).unwrap();
    let side = u32::try_from(code.width()).unwrap();
    GrayImage::from_fn((side + 8) * scale, (side + 8) * scale, |x, y| {
        let (x, y) = (x / scale, y / scale);
        let inside = (4..side + 4).contains(&x) && (4..side + 4).contains(&y);
        let is_dark = inside && code[((x - 4) as usize, (y - 4) as usize)] == Color::Dark;
        Luma([if is_dark { dark } else { light }])
    })
}

pub(super) fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.into().write_to(&mut out, format).unwrap();
    out.into_inner()
}

#[test]
fn a_code_is_read_in_each_format() {
    let picture = code(TEXT, 4, 0, 255);
    let coloured = RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        Rgb(if picture.get_pixel(x, y).0 == [0] { [20, 20, 90] } else { [240, 250, 240] })
    });
    for bytes in [
        encoded(picture.clone(), ImageFormat::Png),
        encoded(picture.clone(), ImageFormat::Jpeg),
        encoded(DynamicImage::from(picture).to_rgba8(), ImageFormat::Gif),
        encoded(coloured.clone(), ImageFormat::Png),
        encoded(coloured.clone(), ImageFormat::Bmp),
        encoded(coloured, ImageFormat::WebP),
    ] {
        // Whatever the part says it is.
        for media_type in ["image/png", "application/octet-stream"] {
            assert_eq!(told(&links(media_type, bytes.clone())), ["qr https://evil.example/x"]);
        }
    }
}

#[test]
fn a_code_is_read_light_on_dark_and_on_nothing() {
    let inverted = code(TEXT, 4, 255, 0);
    assert_eq!(told(&links("image/png", encoded(inverted, ImageFormat::Png))), ["qr https://evil.example/x"]);
    let plain = code(TEXT, 4, 0, 255);
    let clear = image::GrayAlphaImage::from_fn(plain.width(), plain.height(), |x, y| {
        LumaA([0, 255 - plain.get_pixel(x, y).0[0]])
    });
    assert_eq!(told(&links("image/png", encoded(clear, ImageFormat::Png))), ["qr https://evil.example/x"]);
}

#[test]
fn a_code_in_a_large_picture_is_read() {
    let small = code(TEXT, 12, 0, 255);
    let mut page = GrayImage::from_pixel(3_000, 2_000, Luma([250]));
    image::imageops::replace(&mut page, &small, 1_200, 700);
    assert_eq!(told(&links("image/png", encoded(page, ImageFormat::Png))), ["qr https://evil.example/x"]);
}

#[test]
fn a_code_within_the_page_is_read() {
    let bytes = encoded(code("example.com/pay", 4, 0, 255), ImageFormat::Png);
    let page = format!("<img src='data:image/png;base64,{}'>", data_encoding::BASE64.encode(&bytes));
    let found = links("text/html", page);
    assert_eq!(told(&found), ["qr http://example.com/pay"]);
    assert_eq!(found.seen[0].data_links, 0);
}

#[test]
fn what_is_no_address_is_no_link() {
    let bytes = encoded(code("WIFI:S:guest;T:WPA;P:secret;;", 4, 0, 255), ImageFormat::Png);
    assert_eq!(told(&links("image/png", bytes)), [""; 0]);
}

#[test]
fn pictures_beyond_the_limits_are_told() {
    let bytes = encoded(code(TEXT, 4, 0, 255), ImageFormat::Png);
    let found = |limits: &Limits| {
        let found = find(&message("image/png", bytes.clone()), "", limits);
        (found.list.len(), found.not_inspected)
    };
    assert_eq!(
        found(&Limits { image_pixels: 1_000, ..Limits::default() }),
        (0, vec![Skipped::ImageTooLarge])
    );
    assert_eq!(found(&Limits { image_bytes: 10, ..Limits::default() }), (0, vec![Skipped::ImageTooLarge]));
    assert_eq!(found(&Limits { images: 0, ..Limits::default() }), (0, vec![Skipped::TooManyImages]));
    assert_eq!(found(&Limits::default()), (1, vec![]));
    // A spacer is too small to hold a code, and costs nothing.
    let spacer = encoded(GrayImage::new(1, 1), ImageFormat::Png);
    let limits = Limits { images: 0, ..Limits::default() };
    assert_eq!(find(&message("image/png", spacer), "", &limits).not_inspected, []);
}

/// As a telephone takes it: shapes of all sizes, with the noise of its sensor.
fn photograph(width: u32, height: u32) -> GrayImage {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    GrayImage::from_fn(width, height, |x, y| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let waves: u32 = [3, 17, 91, 401].iter().map(|n| ((x / n * (n + 2)) ^ (y / n * (n + 5))) % 61).sum();
        Luma([u8::try_from(waves % 216 + u32::try_from(state % 40).unwrap()).unwrap()])
    })
}

#[test]
fn photographs_and_noise_are_looked_at_and_have_no_code() {
    let mut state = 1_u64;
    let mut noise = |levels: u64| {
        GrayImage::from_fn(1_000, 700, |_, _| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Luma([u8::try_from((state >> 33) % levels * 255 / (levels - 1)).unwrap()])
        })
    };
    let pictures = [photograph(2_000, 1_500), noise(256), noise(2), noise(3)];
    for (at, picture) in pictures.into_iter().enumerate() {
        let format = if at == 0 { ImageFormat::Jpeg } else { ImageFormat::Png };
        let found = links("image/png", encoded(picture, format));
        assert_eq!((told(&found), found.not_inspected), (vec![], vec![]), "{at}");
    }
}

#[test]
fn ten_photographs_of_a_holiday_are_within_the_limits() {
    let limits = Limits::default();
    let (pixels, bytes) = (4_000 * 3_000, 4 << 20);
    assert!(limits.images >= 10 && limits.image_bytes >= bytes && limits.image_pixels >= pixels);
    assert!(limits.images_pixels >= 10 * pixels);
}

#[test]
fn a_code_in_noise_is_read() {
    let mut picture = photograph(1_000, 800);
    for (at, pixel) in picture.pixels_mut().enumerate() {
        pixel.0[0] = pixel.0[0].wrapping_mul(u8::try_from(at % 251).unwrap());
    }
    image::imageops::replace(&mut picture, &code(TEXT, 3, 0, 255), 400, 300);
    assert_eq!(told(&links("image/png", encoded(picture, ImageFormat::Png))), ["qr https://evil.example/x"]);
}

#[test]
fn a_small_picture_is_looked_at_before_large_ones() {
    let mut parts = message("image/png", encoded(photograph(300, 300), ImageFormat::Png));
    let mut small = parts.list[0].clone();
    small.index = 1;
    small.content = encoded(code(TEXT, 4, 0, 255), ImageFormat::Png).into();
    parts.list.push(small);
    let found = find(&parts, "", &Limits { images: 1, ..Limits::default() });
    assert_eq!(
        (told(&found), found.not_inspected),
        (vec!["qr https://evil.example/x".to_owned()], vec![Skipped::TooManyImages])
    );
    let found = find(&parts, "", &Limits { images_pixels: 50_000, ..Limits::default() });
    assert_eq!(found.list.len(), 1);
}

#[test]
fn no_profile_aborts_at_a_panic() {
    let manifest = include_str!("../../../../Cargo.toml");
    let set = manifest.lines().filter(|line| !line.trim_start().starts_with('#'));
    assert!(!set.into_iter().any(|line| line.contains("panic") && line.contains("abort")));
}

/// A picture full of corners of codes.
pub(super) fn corners(side: u32, scale: u32) -> GrayImage {
    GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (x / scale % 9, y / scale % 9);
        let ring = (x.abs_diff(4)).max(y.abs_diff(4));
        Luma([if matches!(ring, 0 | 1 | 3) { 0 } else { 255 }])
    })
}

#[test]
fn a_picture_full_of_corners_is_given_up() {
    for (side, scale) in [(1_600, 1), (1_600, 2), (800, 3), (400, 1)] {
        let start = std::time::Instant::now();
        let found = links("image/png", encoded(corners(side, scale), ImageFormat::Png));
        assert_eq!(told(&found), [""; 0]);
        assert!(start.elapsed().as_secs() < 20, "{side} {scale}: {:?}", start.elapsed());
    }
    let found = links("image/png", encoded(corners(1_600, 1), ImageFormat::Png));
    assert_eq!(found.not_inspected, [Skipped::PicturesCostly]);
    assert_eq!(found.costly, Some(Place::Part(0)));
}
