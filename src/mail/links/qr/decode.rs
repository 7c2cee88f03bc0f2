//! From the bytes of a picture to its pixels, as leniently as programs do that show it: sums are not checked,
//! what is missing at the end is white, and an error leaves what was decoded before it.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use super::Size;
use crate::mail::links::pictures::Stop;

/// So many scans of a JPEG picture cost as much as decoding it once more: each passes over all its pixels.
const SCANS: u64 = 4;

/// The pixels of a picture.
pub(super) struct Pixels {
    pub(super) picture: DynamicImage,
    /// No error came before the last of them.
    pub(super) is_whole: bool,
}

/// Bounds of one picture.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// The longest side, in pixels.
    pub(super) longest: u32,
    /// The memory of a decoder, in bytes.
    pub(super) memory: u64,
}

/// Width and height, before anything is decoded. `None`: nobody can show it.
pub(super) fn size(bytes: &[u8], format: ImageFormat) -> Option<(u32, u32)> {
    // A decoder that panics has found a picture that nobody can show.
    catch_unwind(AssertUnwindSafe(|| match format {
        ImageFormat::Png => png_decoder(bytes, usize::MAX).read_header_info().ok().map(png::Info::size),
        _ => ImageReader::with_format(Cursor::new(bytes), format).into_dimensions().ok(),
    }))
    .ok()
    .flatten()
}

/// What decoding costs, in steps of [`Effort`](super::Effort).
pub(super) fn cost(bytes: &[u8], size: Size) -> u64 {
    let scans = match size.format {
        ImageFormat::Jpeg => memchr::memmem::find_iter(bytes, b"\xff\xda").count() as u64,
        _ => 0,
    };
    size.pixels().saturating_mul(1 + scans / SCANS)
}

/// Decodes a picture.
pub(super) fn pixels(bytes: &[u8], format: ImageFormat, bounds: Bounds, stop: &Stop) -> Option<Pixels> {
    let decoded = AssertUnwindSafe(|| match format {
        ImageFormat::Png => png(bytes, bounds, stop),
        _ => other(bytes, format, bounds),
    });
    catch_unwind(decoded).ok().flatten()
}

fn png_decoder(bytes: &[u8], memory: usize) -> png::Decoder<Cursor<&[u8]>> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: memory });
    decoder.ignore_checksums(true);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder
}

/// Row by row, so that those before an error are kept.
fn png(bytes: &[u8], bounds: Bounds, stop: &Stop) -> Option<Pixels> {
    let memory = usize::try_from(bounds.memory).ok()?;
    let mut reader = png_decoder(bytes, memory).read_info().ok()?;
    let (width, height) = reader.info().size();
    let colour = match reader.output_color_type() {
        (png::ColorType::Grayscale, png::BitDepth::Eight) => ColorType::L8,
        (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight) => ColorType::La8,
        (png::ColorType::Rgb, png::BitDepth::Eight) => ColorType::Rgb8,
        (png::ColorType::Rgba, png::BitDepth::Eight) => ColorType::Rgba8,
        _ => return None,
    };
    let across = (width as usize).checked_mul(usize::from(colour.bytes_per_pixel()))?;
    let size = across.checked_mul(height as usize).filter(|size| *size <= memory)?;
    let mut buffer = vec![0xff; size];
    let bits = u8::try_from(colour.bits_per_pixel()).ok()?;
    let mut line = 0;
    let rows = AssertUnwindSafe(|| {
        loop {
            // A picture that ends with its last row is whole; what its end lacks is of no use.
            if line == height as usize {
                return true;
            }
            if stop.is_set() {
                return false;
            }
            match reader.next_interlaced_row() {
                Ok(Some(row)) => match row.interlace() {
                    png::InterlaceInfo::Adam7(pass) => {
                        png::splat_interlaced_row(&mut buffer, across, row.data(), pass, bits);
                    }
                    png::InterlaceInfo::Null(_) => {
                        if let Some(into) = buffer.get_mut(line * across..(line + 1) * across) {
                            into.iter_mut().zip(row.data()).for_each(|(to, from)| *to = *from);
                        }
                        line += 1;
                    }
                },
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    });
    let is_whole = catch_unwind(rows).unwrap_or(false);
    Some(Pixels { picture: of_bytes(buffer, colour, width, height)?, is_whole })
}

fn other(bytes: &[u8], format: ImageFormat, bounds: Bounds) -> Option<Pixels> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(bounds.longest);
    limits.max_image_height = Some(bounds.longest);
    limits.max_alloc = Some(bounds.memory);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    let size = usize::try_from(decoder.total_bytes().min(bounds.memory)).ok()?;
    let mut buffer = vec![0xff; size];
    let is_whole =
        catch_unwind(AssertUnwindSafe(|| decoder.read_image(&mut buffer).is_ok())).unwrap_or(false);
    Some(Pixels { picture: of_bytes(buffer, colour, width, height)?, is_whole })
}

fn of_bytes(bytes: Vec<u8>, colour: ColorType, width: u32, height: u32) -> Option<DynamicImage> {
    match colour {
        ColorType::L8 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
        ColorType::La8 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageLumaA8),
        ColorType::Rgb8 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
        ColorType::Rgba8 => ImageBuffer::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8),
        _ => None,
    }
}
