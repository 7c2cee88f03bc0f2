//! Pictures made to cost: links of texts do not wait for them, what they may cost is bounded, what was left out
//! is told.

use std::time::Instant;

use image::{GrayImage, ImageFormat, Luma};
use nix::sys::resource::{UsageWho, getrusage};

use super::pictures::{TEXT, code, corners, encoded};
use super::{message, told};
use crate::mail::links::{Limits, Links, Place, Skipped, Stop, find, find_but_in_pictures};
use crate::model::Parts;
use crate::testing::effort;

/// Corners of codes far enough from each other that any three may belong together.
fn decoy(side: u32, scale: u32, apart: u32) -> GrayImage {
    GrayImage::from_fn(side, side, |x, y| {
        let (x, y) = (x % apart / scale, y % apart / scale);
        let ring = x.abs_diff(4).max(y.abs_diff(4));
        Luma([if matches!(ring, 0 | 1 | 3) { 0 } else { 255 }])
    })
}

/// The same row all over, of black and white as a line through a corner has them.
fn stripes(side: u32) -> GrayImage {
    let row: Vec<u8> = "0010111010".bytes().map(|b| if b == b'1' { 0 } else { 255 }).collect();
    GrayImage::from_fn(side, side, |x, _| Luma([row[x as usize % row.len()]]))
}

/// A picture of few bytes: one bit a pixel.
fn small(picture: &GrayImage) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, picture.width(), picture.height());
    encoder.set_depth(png::BitDepth::One);
    encoder.set_compression(png::Compression::High);
    let bits = |row: &[u8]| -> Vec<u8> {
        row.chunks(8)
            .map(|eight| (0..8).map(|at| u8::from(eight.get(at) == Some(&255)) << (7 - at)).sum())
            .collect()
    };
    let rows: Vec<u8> = picture.chunks(picture.width() as usize).flat_map(bits).collect();
    encoder.write_header().unwrap().write_image_data(&rows).unwrap();
    out
}

/// A message with these pictures.
fn album(pictures: impl IntoIterator<Item = GrayImage>) -> Parts {
    let mut parts = Parts::default();
    for (index, picture) in pictures.into_iter().enumerate() {
        let [mut part] = <[_; 1]>::try_from(message("image/png", small(&picture)).list).unwrap();
        part.index = index;
        parts.list.push(part);
    }
    parts
}

fn outcome(found: &Links) -> (Vec<String>, Vec<Skipped>, Option<Place>) {
    (told(found), found.not_inspected.clone(), found.costly)
}

fn processor_seconds() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time().tv_sec()
}

/// Noise of black and white with corners of codes strewn over it, other ones for each `seed`.
fn noisy(side: u32, count: u32, seed: u64) -> GrayImage {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u32::try_from(state >> 40).unwrap()
    };
    let mut picture = GrayImage::from_fn(side, side, |_, _| Luma([if next() % 2 == 0 { 0 } else { 255 }]));
    let corner = decoy(27, 3, 27);
    for _ in 0..count {
        let (x, y) = (next() % (side - 27), next() % (side - 27));
        image::imageops::replace(&mut picture, &corner, i64::from(x), i64::from(y));
    }
    picture
}

#[test]
fn a_code_beside_twenty_decoys_is_read() {
    let hiding: [(&str, &dyn Fn(u64) -> GrayImage); 4] = [
        ("noise with corners", &|seed| noisy(400, 40, seed)),
        ("far corners", &|_| decoy(700, 3, 120)),
        ("noise with few corners", &|seed| noisy(300, 12, seed)),
        ("stripes", &|_| stripes(900)),
    ];
    for (what, decoy) in hiding.into_iter().take(effort(2, 4)) {
        for scale in [12, 4].into_iter().take(effort(1, 2)) {
            let decoys = (0..20).map(decoy);
            let found = find(&album(decoys.chain([code(TEXT, scale, 0, 255)])), "", &Limits::default());
            assert_eq!(told(&found), ["qr https://evil.example/x"], "{what} {scale}");
            // What was given up of the decoys is told besides.
            assert!(found.not_inspected.iter().all(|why| *why == Skipped::PicturesCostly), "{what} {scale}");
            assert_eq!(found.costly.is_some(), !found.not_inspected.is_empty(), "{what} {scale}");
        }
    }
}

/// Made to cost as much as a mail of a megabyte can; how long that takes is printed.
#[test]
#[expect(clippy::print_stderr, reason = "for whoever changes what looking may cost")]
fn a_megabyte_of_the_worst_pictures_is_bounded() {
    let worst: [(&str, &dyn Fn(u64) -> GrayImage); 6] = [
        ("noise with corners, 400", &|seed| noisy(400, 48, seed)),
        ("far corners, 1400", &|_| decoy(1_400, 3, 240)),
        ("noise, 1400", &|seed| noisy(1_400, 0, seed)),
        ("noise with corners, 700", &|seed| noisy(700, 30, seed)),
        ("corners, 1000", &|_| corners(1_000, 1)),
        ("stripes, 2000", &|_| stripes(2_000)),
    ];
    for (what, picture) in worst.into_iter().take(effort(1, 6)) {
        let one = small(&picture(1)).len();
        let many = ((1 << 20) / one).clamp(1, 24);
        let mut parts = album((1..=many as u64).map(picture));
        // Bytes behind the end of a picture are shown by nobody, and count here.
        for part in &mut parts.list {
            let mut bytes = part.content.to_vec();
            bytes.resize((1 << 20) / many, 0);
            part.content = bytes.into();
        }
        let before = processor_seconds();
        let found = find(&parts, "", &Limits::default());
        let took = processor_seconds() - before;
        eprintln!("{many} pictures of {what}: {took} s of the processor, {:?}", found.not_inspected);
        assert!(took < 240, "{what}: {took} s");
    }
}

#[test]
fn pictures_made_to_cost_are_given_up_alike_each_time() {
    let decoy = decoy(1_400, 3, 240);
    for (what, picture) in [("corners", corners(1_000, 1)), ("decoy", decoy), ("stripes", stripes(2_000))] {
        let parts = album(vec![picture; 24]);
        let bytes: usize = parts.list.iter().map(|part| part.content.len()).sum();
        let before = processor_seconds();
        let found = find(&parts, "", &Limits::default());
        let took = processor_seconds() - before;
        assert_eq!(
            (told(&found), found.not_inspected.clone()),
            (vec![], vec![Skipped::PicturesCostly]),
            "{what}"
        );
        assert!(found.costly.is_some());
        // Some three without optimisation.
        assert!(took < 20, "{what}: {took} s for {bytes} bytes");
        if what == "decoy" {
            assert_eq!(outcome(&find(&parts, "", &Limits::default())), outcome(&found));
        }
    }
}

#[test]
fn links_of_texts_are_there_before_any_picture_is_looked_at() {
    let mut parts = album([code(TEXT, 4, 0, 255)]);
    let page = format!(
        "<img src='data:image/png;base64,{}'><a href='http://a.example/'>x</a>",
        data_encoding::BASE64.encode(&encoded(code("http://b.example/", 4, 0, 255), ImageFormat::Png))
    );
    let [mut part] = <[_; 1]>::try_from(message("text/html", page).list).unwrap();
    part.index = 1;
    parts.list.push(part);
    let look = || find_but_in_pictures(&parts, "", &Limits::default());
    let (mut links, pictures) = look();
    assert_eq!(
        (told(&links), pictures.is_empty()),
        (vec!["html:href http://a.example/ | x".to_owned()], false)
    );
    links.add(pictures.look(&Stop::default()));
    let all = ["qr https://evil.example/x", "html:href http://a.example/ | x", "qr http://b.example/"];
    assert_eq!(told(&links), all);
    assert_eq!(told(&find(&parts, "", &Limits::default())), all);
    let stop = Stop::default();
    stop.set();
    assert_eq!(outcome(&look().1.look(&stop)), (vec![], vec![Skipped::Late], None));
}

#[test]
fn looking_ends_when_nobody_waits_for_it() {
    let parts = album(vec![decoy(1_500, 3, 260); 24]);
    let (_, pictures) = find_but_in_pictures(&parts, "", &Limits::default());
    let stop = Stop::default();
    let told = stop.clone();
    let look = std::thread::spawn(move || pictures.look(&told));
    stop.set();
    let waited = Instant::now();
    assert_eq!(look.join().unwrap().not_inspected.last(), Some(&Skipped::Late));
    assert!(waited.elapsed().as_secs() < 10, "{:?}", waited.elapsed());
}

#[test]
fn pictures_of_honest_mail_are_all_looked_at() {
    // Screens, and a page as it is scanned.
    let written = |width: u32, height: u32, n: u32| {
        GrayImage::from_fn(width, height, |x, y| {
            let is_text = y % 50 < 30 && ((x * 7 / 13) ^ (y / 50 * 31) ^ n) % 5 < 2;
            Luma([if is_text { 0 } else { 255 }])
        })
    };
    for album in [album((0..3).map(|n| written(1_920, 1_080, n))), album([written(2_480, 3_508, 1)])] {
        assert_eq!(outcome(&find(&album, "", &Limits::default())), (vec![], vec![], None));
    }
}
