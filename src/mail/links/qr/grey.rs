//! Pictures in grey, smaller, and in black and white.

use image::DynamicImage;

/// A picture in grey.
pub(super) struct Grey {
    pub(super) width: u32,
    pub(super) height: u32,
    pixels: Vec<u8>,
}

/// A picture in black and white: 1 is black.
pub(super) struct Bits {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

impl Bits {
    /// One row; empty below the last.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        self.pixels.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }

    /// Whether a pixel is black; white outside.
    pub(super) fn is_black(&self, x: usize, y: usize) -> bool {
        x < self.width && self.pixels.get(y * self.width + x) == Some(&1)
    }
}

impl Grey {
    /// The picture in grey on white paper.
    pub(super) fn on_white(picture: DynamicImage) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let pixels = if picture.color().has_alpha() {
            let both = picture.into_luma_alpha8();
            both.pixels()
                .map(|pixel| {
                    let [grey, alpha] = pixel.0.map(u32::from);
                    u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).unwrap_or(255)
                })
                .collect()
        } else {
            picture.into_luma8().into_raw()
        };
        Self { width, height, pixels }
    }

    /// Smaller by a whole factor: each pixel the mean of a square.
    pub(super) fn smaller(&self, factor: u32) -> Self {
        let (width, height) = (self.width / factor, self.height / factor);
        let (step, across) = (factor as usize, self.width as usize);
        let area = factor * factor;
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        let mut sums = vec![0u32; width as usize];
        for rows in self.pixels.chunks_exact(across * step).take(height as usize) {
            sums.fill(0);
            for row in rows.chunks_exact(across) {
                for (sum, square) in sums.iter_mut().zip(row.chunks_exact(step)) {
                    *sum += square.iter().map(|p| u32::from(*p)).sum::<u32>();
                }
            }
            pixels.extend(sums.iter().map(|sum| u8::try_from(sum / area).unwrap_or(255)));
        }
        Self { width, height, pixels }
    }

    /// Black is what is darker than the mean around it in its row, near pixels counting more. The same rule as
    /// the library's own, without its divisions.
    pub(super) fn black_and_white(&self, is_light_on_dark: bool) -> Bits {
        let (width, height) = (self.width as usize, self.height as usize);
        let flip = if is_light_on_dark { 255 } else { 0 };
        let span = (width / 8).max(1) as f32;
        let keep = 1.0 - 1.0 / span;
        let darker = 0.475 / span;
        let mut pixels = vec![0u8; self.pixels.len()];
        let mut before = vec![0f32; width];
        let (mut rightward, mut leftward) = (0f32, 0f32);
        for (row, out) in self.pixels.chunks_exact(width).zip(pixels.chunks_exact_mut(width)) {
            for (mean, pixel) in before.iter_mut().zip(row) {
                rightward = rightward * keep + f32::from(pixel ^ flip);
                *mean = rightward;
            }
            for ((mean, pixel), out) in before.iter().zip(row).zip(out).rev() {
                let value = f32::from(pixel ^ flip);
                leftward = leftward * keep + value;
                *out = u8::from(value < (mean + leftward) * darker);
            }
            // The next row begins with what this one is like where it begins.
            std::mem::swap(&mut rightward, &mut leftward);
        }
        Bits { width, height, pixels }
    }
}
