//! QR codes in pictures: PNG, JPEG, GIF (its first picture), BMP and WebP.
//!
//! A picture comes from anybody. Its size is known before anything is decoded, the decoder's memory is bounded,
//! and large ones are made smaller. Then the three corners that each code has are looked for, which is cheap and
//! tells photographs and noise from codes; only what has them goes to the library that reads codes, cut to
//! where they are. All of it is counted, and given up where it goes beyond what the bytes of a message's pictures
//! allow: a count, unlike a clock, makes the same picture come out the same each time.
//!
//! Where to find what: what a message may cost `effort`, kinds of pictures `format`, decoding `decode`, grey and smaller `grey`, the corners `corners`, reading a code `canvas`.

mod canvas;
mod corners;
mod decode;
mod effort;
mod format;
mod grey;
#[cfg(test)]
mod tests;

pub(super) use effort::Effort;

use bytes::Bytes;
use image::ImageFormat;

use super::collect::Collector;
use super::escape::{base64, percent};
use super::found::{Skipped, Source};
use super::pictures::Waiting;
use super::text;
use corners::Frame;
use decode::{Bounds, Pixels};
use format::Format;
use grey::Grey;

/// The longest side that is looked at first: larger pictures are made smaller by a whole factor.
const SIDE: u32 = 1_600;
/// The most pixels that are looked at a second time, finer, where the first look shows no code.
const FINER: u64 = 4_000_000;
/// No side of a picture is longer.
const LONGEST: u32 = 16_384;
/// The smallest code has 21 modules a side.
const SHORTEST: u32 = 21;

/// What looking at a pixel for corners costs, as a dark one and as a light one, beside what corners cost.
const LOOK: u64 = 2;

/// Looking for codes costs too much, or nobody waits for it any more.
#[derive(Debug)]
struct TooMuch;

/// What is known of a picture before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    format: ImageFormat,
    width: u32,
    height: u32,
}

impl Size {
    pub(super) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Whether `bytes` are a picture by how they begin.
pub(super) fn is_picture(bytes: &[u8]) -> bool {
    format::of(bytes).is_some()
}

/// Lets a picture wait to be looked at, if it can hold a code. One that cannot be looked at is told.
pub(super) fn note(bytes: &Bytes, into: &mut Collector<'_>) {
    let format = match format::of(bytes) {
        Some(Format::Read(format)) => format,
        Some(Format::NotRead) => return into.skip(Skipped::PictureType),
        None => return into.skip(Skipped::PictureUnreadable),
    };
    let bytes = bytes.slice_ref(bytes.trim_ascii_start());
    let Some((width, height)) = decode::size(&bytes, format) else {
        return into.skip(Skipped::PictureUnreadable);
    };
    if width.min(height) < SHORTEST {
        return;
    }
    let size = Size { format, width, height };
    let is_large = bytes.len() > into.limits.image_bytes || size.pixels() > into.limits.image_pixels;
    if is_large || width.max(height) > LONGEST {
        into.skip(Skipped::ImageTooLarge);
    } else {
        into.wait(bytes, size);
    }
}

/// Looks for QR codes in a picture, and hands over what leads to the web. What was given up, or cannot be decoded,
/// is told. `after`: how many pictures are still to come, which have their share in what is left.
pub(super) fn read(picture: &Waiting, after: usize, effort: &mut Effort, into: &mut Collector<'_>) {
    let Waiting { bytes, size, .. } = picture;
    if !into.allow_image(size.pixels()) {
        return;
    }
    effort.begin(after);
    if let Err(TooMuch) = looked(bytes, *size, effort, into)
        && !effort.stop().is_set()
    {
        into.give_up();
    }
}

fn looked(bytes: &[u8], size: Size, effort: &mut Effort, into: &mut Collector<'_>) -> Result<(), TooMuch> {
    effort.take(decode::cost(bytes, size))?;
    let bounds = Bounds { longest: LONGEST, memory: into.limits.image_pixels.saturating_mul(12) };
    let pixels = decode::pixels(bytes, size.format, bounds, effort.stop());
    if effort.stop().is_set() {
        // Not the picture's fault that it was decoded in part; that nobody waits any more is told once for all.
        return Ok(());
    }
    let Some(Pixels { picture, is_whole }) = pixels else {
        into.skip(Skipped::PictureUnreadable);
        return Ok(());
    };
    let Codes { texts, is_given_up } = codes(&Grey::on_white(picture), effort);
    // Another program may show more of it.
    if texts.is_empty() && !is_whole {
        into.skip(Skipped::PictureUnreadable);
    }
    texts.iter().for_each(|code| text::find(code, Source::Qr, into));
    if is_given_up { Err(TooMuch) } else { Ok(()) }
}

/// Lets the picture of a data: address wait to be looked at; `address` from its scheme on. Says whether it is one.
/// The same address is looked at once in each part.
pub(super) fn read_data(address: &str, into: &mut Collector<'_>) -> bool {
    let begins =
        |text: &str, with: &str| text.get(..with.len()).is_some_and(|b| b.eq_ignore_ascii_case(with));
    if !begins(address, "data:image/") || begins(address, "data:image/svg") {
        return false;
    }
    let Some((head, payload)) = address.split_once(',') else { return true };
    if into.limits.only_texts {
        return true;
    }
    if payload.len() / 4 * 3 > into.limits.image_bytes {
        into.skip(Skipped::ImageTooLarge);
    } else if into.is_first(address) {
        let plain = percent(payload);
        let is_base64 = head.split(';').any(|word| word.trim().eq_ignore_ascii_case("base64"));
        match if is_base64 { base64(&plain) } else { Some(plain.into_bytes()) } {
            Some(bytes) if bytes.is_empty() => {}
            Some(bytes) => note(&Bytes::from(bytes), into),
            None => into.skip(Skipped::PictureUnreadable),
        }
    }
    true
}

/// What was read in a picture.
#[derive(Debug, Default)]
struct Codes {
    /// The texts of its codes.
    texts: Vec<String>,
    /// Some of it was not looked at, as that would have cost too much.
    is_given_up: bool,
}

/// The texts of the codes in a picture. What is small in a large picture may only be seen in a finer one.
fn codes(whole: &Grey, effort: &mut Effort) -> Codes {
    let factor = whole.width.max(whole.height).div_ceil(SIDE).max(1);
    let finer = factor.div_ceil(2);
    let mut all = Codes::default();
    for factor in [factor, finer] {
        let smaller;
        let picture = if factor == 1 {
            whole
        } else {
            if effort.take(u64::from(whole.width) * u64::from(whole.height)).is_err() {
                all.is_given_up = true;
                break;
            }
            smaller = whole.smaller(factor);
            &smaller
        };
        for is_light_on_dark in [false, true] {
            let seen = one_look(picture, is_light_on_dark, effort);
            all.is_given_up |= seen.is_given_up;
            if !seen.texts.is_empty() {
                return Codes { texts: seen.texts, ..all };
            }
        }
        let pixels = u64::from(whole.width / finer) * u64::from(whole.height / finer);
        if finer == factor || pixels > FINER {
            break;
        }
    }
    all
}

/// Light on dark: telephones read it.
fn one_look(picture: &Grey, is_light_on_dark: bool, effort: &mut Effort) -> Codes {
    let given_up = || Codes { is_given_up: true, ..Codes::default() };
    if effort.take(LOOK * u64::from(picture.width) * u64::from(picture.height)).is_err() {
        return given_up();
    }
    let bits = picture.black_and_white(is_light_on_dark);
    let Ok((corners, seen)) = corners::find(&bits, effort) else { return given_up() };
    let (frames, is_given_up) = corners::frames(&corners, &bits);
    let mut codes = Codes { is_given_up, ..Codes::default() };
    let mut look = |frames: Vec<Frame>, codes: &mut Codes| {
        let work = canvas::Work::of(&bits, effort.share(), effort.stop());
        let before = work.left();
        for frame in frames {
            let seen = canvas::codes(&bits, frame, &work);
            codes.texts.extend(seen.texts);
            codes.is_given_up |= seen.is_given_up;
        }
        effort.spent(before - work.left());
    };
    look(frames, &mut codes);
    // A corner that is seen badly. Where there is noise, the library would find nothing but that.
    if codes.texts.is_empty() && (3..=corners::MOST).contains(&seen) {
        look(vec![Frame::all(&bits)], &mut codes);
    }
    codes
}
