//! The library that reads codes, and what it draws on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use image::{GenericImage, GenericImageView, Luma};

use super::corners::Frame;
use super::grey::Bits;
use super::{Codes, TooMuch};
use crate::mail::links::pictures::Stop;

/// Steps between two looks at whether anybody still waits: a power of two.
const STEPS: u64 = 4_096;
/// Reads of pixels for each pixel of the picture, and for the copies that the library makes.
const WORK: u64 = 40;
/// What a small picture may cost.
const LEAST: u64 = 4_000_000;

/// What looking for codes in a picture may still cost.
#[derive(Clone)]
pub(super) struct Work(Arc<AtomicU64>, Stop);

impl Work {
    /// All that a picture may cost; no more than `left`.
    pub(super) fn of(bits: &Bits, left: u64, stop: &Stop) -> Self {
        let most = (bits.pixels.len() as u64 * WORK).max(LEAST);
        Self(Arc::new(AtomicU64::new(most.min(left))), stop.clone())
    }

    /// What is left of it.
    pub(super) fn left(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn spend(&self, cost: u64) {
        let left = self.0.load(Relaxed);
        let is_over = left < cost || (left & (STEPS - 1) < cost && self.1.is_set());
        if is_over {
            resume_unwind(Box::new(TooMuch));
        }
        self.0.store(left - cost, Relaxed);
    }
}

/// Most codes in a part of a picture.
const MOST: usize = 16;

/// The texts of the codes in a part of a picture.
pub(super) fn codes(bits: &Bits, frame: Frame, work: &Work) -> Codes {
    let Frame { left, top, right, bottom } = frame;
    let pixels: Vec<u8> =
        (top..bottom).flat_map(|y| bits.row(y).get(left..right).unwrap_or_default()).copied().collect();
    let size = |length: usize| u32::try_from(length).unwrap_or_default();
    let canvas = Canvas {
        width: size(right - left),
        height: size(bottom - top),
        pixels,
        work: work.clone(),
        scratch: Luma([0]),
    };
    let found = catch_unwind(AssertUnwindSafe(|| {
        let mut prepared = rqrr::PreparedImage::without_preparation(canvas);
        let grids = prepared.detect_grids();
        let is_given_up = grids.len() > MOST;
        let texts = grids.into_iter().take(MOST).filter_map(|grid| grid.decode().ok()).map(|(_, text)| text);
        Codes { texts: texts.collect(), is_given_up }
    }));
    found.unwrap_or_else(|reason| {
        // Otherwise the library trips over its own arithmetic on what is no code.
        Codes { is_given_up: reason.is::<TooMuch>(), ..Codes::default() }
    })
}

/// What the library draws on. Each access costs.
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    work: Work,
    /// The trait wants a pixel that can be borrowed; the library does not.
    scratch: Luma<u8>,
}

impl Canvas {
    fn at(&self, x: u32, y: u32) -> Option<usize> {
        usize::try_from(u64::from(y) * u64::from(self.width) + u64::from(x)).ok()
    }
}

/// The library copies its picture for each three corners that it tries.
impl Clone for Canvas {
    fn clone(&self) -> Self {
        self.work.spend((self.pixels.len() / 4) as u64);
        Self {
            width: self.width,
            height: self.height,
            pixels: self.pixels.clone(),
            work: self.work.clone(),
            scratch: self.scratch,
        }
    }
}

impl GenericImageView for Canvas {
    type Pixel = Luma<u8>;

    fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn get_pixel(&self, x: u32, y: u32) -> Luma<u8> {
        self.work.spend(1);
        Luma([self.at(x, y).and_then(|at| self.pixels.get(at)).copied().unwrap_or_default()])
    }
}

impl GenericImage for Canvas {
    fn get_pixel_mut(&mut self, _: u32, _: u32) -> &mut Luma<u8> {
        &mut self.scratch
    }

    fn put_pixel(&mut self, x: u32, y: u32, pixel: Luma<u8>) {
        let [value] = pixel.0;
        if let Some(pixel) = self.at(x, y).and_then(|at| self.pixels.get_mut(at)) {
            *pixel = value;
        }
    }

    fn blend_pixel(&mut self, x: u32, y: u32, pixel: Luma<u8>) {
        self.put_pixel(x, y, pixel);
    }
}
