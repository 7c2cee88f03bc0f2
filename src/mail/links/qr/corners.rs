//! The corners of codes: a black square in a white ring in a black one. Each line through the middle shows
//! black, white, black, white, black as 1:1:3:1:1, whichever way the code is turned.

use super::TooMuch;
use super::effort::Effort;
use super::grey::Bits;

/// Most places of a picture that may be corners.
const MOST_SEEN: usize = 1_000;
/// What looking whether a place is a corner costs, for each pixel that it is wide: three lines to both sides.
const LINES: u64 = 4;
/// Most corners of a picture, which is sixteen codes: any three of them may belong together.
pub(super) const MOST: usize = 48;
/// Most codes of a picture.
const MOST_CODES: usize = 16;

/// Where a corner is, and how wide a module is there, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Corner {
    x: f32,
    y: f32,
    module: f32,
    /// How many rows saw it.
    rows: u32,
}

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) left: usize,
    pub(super) top: usize,
    /// The first column that is not in it.
    pub(super) right: usize,
    /// The first row that is not in it.
    pub(super) bottom: usize,
}

impl Frame {
    /// The whole picture.
    pub(super) const fn all(bits: &Bits) -> Self {
        Self { left: 0, top: 0, right: bits.width, bottom: bits.height }
    }

    const fn is_within(&self, other: &Self) -> bool {
        self.left >= other.left
            && self.top >= other.top
            && self.right <= other.right
            && self.bottom <= other.bottom
    }
}

/// The corners in a picture, and how many places looked like one for a moment.
pub(super) fn find(bits: &Bits, effort: &mut Effort) -> Result<(Vec<Corner>, usize), TooMuch> {
    let mut found: Vec<Corner> = Vec::new();
    for y in 0..bits.height {
        let row = bits.row(y);
        let mut runs = [0usize; 5];
        let mut begin = 0;
        let mut cost = 0;
        while begin < row.len() {
            let colour = row.get(begin).copied().unwrap_or_default();
            let run = row.get(begin..).unwrap_or_default();
            let run = memchr_not(colour, run);
            runs.rotate_left(1);
            runs[4] = run;
            begin += run;
            if colour == 1 && is_corner(&runs) {
                let [_, _, middle, d, e] = runs;
                let x = begin - e - d - middle.div_ceil(2);
                let width = runs.iter().sum();
                cost += LINES * width as u64;
                if let Some(corner) = confirmed(bits, x, y, width) {
                    cost += join(&mut found, corner)?;
                }
            }
        }
        effort.take(cost)?;
    }
    let seen = found.len();
    // Noise looks like a corner now and then, and hardly ever so in the next row as well.
    found.retain(|corner| corner.rows as f32 >= (corner.module * 0.7).max(2.0));
    if found.len() > MOST { Err(TooMuch) } else { Ok((found, seen)) }
}

/// How many bytes from the beginning on are `value`.
fn memchr_not(value: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|b| *b != value).unwrap_or(bytes.len())
}

/// 1:1:3:1:1, as loosely as the library takes it.
fn is_corner(runs: &[usize; 5]) -> bool {
    let [a, b, middle, d, e] = *runs;
    let unit = (a + b + d + e) / 4;
    let slack = unit * 3 / 4;
    unit > 0
        && [a, b, d, e].into_iter().all(|run| run + slack >= unit && run <= unit + slack)
        && middle + slack >= 3 * unit
        && middle <= 3 * unit + slack
}

/// Looks at a corner's middle from top to bottom and along both diagonals. `width` is that of its row.
fn confirmed(bits: &Bits, x: usize, y: usize, width: usize) -> Option<Corner> {
    let down = line(bits, (x, y), (0, 1), width * 2)?;
    let height: usize = down.iter().sum();
    if !is_loosely(&down) || height > width * 2 || width > height * 2 {
        return None;
    }
    for step in [(1, 1), (1, -1)] {
        if !is_loosely(&line(bits, (x, y), step, width * 2)?) {
            return None;
        }
    }
    Some(Corner { x: x as f32, y: y as f32, module: (width + height) as f32 / 14.0, rows: 1 })
}

/// The five runs of a line through a black pixel that lies in the third of them.
fn line(bits: &Bits, (x, y): (usize, usize), (dx, dy): (isize, isize), most: usize) -> Option<[usize; 5]> {
    // A run that goes on for so long is none of a corner's.
    let half = |dx: isize, dy: isize| {
        let mut runs = [0usize; 3];
        let (mut x, mut y) = (x, y);
        for (at, run) in runs.iter_mut().enumerate() {
            let is_black = at != 1;
            while x < bits.width && y < bits.height && bits.is_black(x, y) == is_black {
                if *run == most && at < 2 {
                    return None;
                }
                if *run == most {
                    break;
                }
                *run += 1;
                x = x.wrapping_add_signed(dx);
                y = y.wrapping_add_signed(dy);
            }
        }
        Some(runs)
    };
    let ([a, b, c], [d, e, f]) = (half(-dx, -dy)?, half(dx, dy)?);
    (a > 0 && d > 0).then(|| [c, b, a + d - 1, e, f])
}

/// 1:1:3:1:1, more loosely: lines that cross the middle at an angle, in few pixels.
fn is_loosely(runs: &[usize; 5]) -> bool {
    let sum: usize = runs.iter().sum();
    let [a, b, middle, d, e] = runs.map(|run| run as f32 * 7.0 / sum.max(1) as f32);
    sum >= 5
        && [a, b, d, e].into_iter().all(|run| (0.3..=2.2).contains(&run))
        && (1.6..=4.6).contains(&middle)
}

/// Rows above each other see the same corner. Gives the steps that this took.
fn join(found: &mut Vec<Corner>, corner: Corner) -> Result<u64, TooMuch> {
    for (steps, known) in (1..).zip(found.iter_mut().rev()) {
        let near = known.module.max(corner.module) * 2.5;
        if (known.x - corner.x).abs() < near && (known.y - corner.y).abs() < near {
            known.rows += 1;
            return Ok(steps);
        }
    }
    if found.len() == MOST_SEEN {
        // What no second row has seen by now is none.
        found.retain(|known| known.rows > 1 || corner.y - known.y < known.module * 3.0);
    }
    if found.len() == MOST_SEEN {
        return Err(TooMuch);
    }
    found.push(corner);
    Ok(found.len() as u64)
}

/// Where codes may be: around any three corners that lie as those of a code do; and whether there are more such
/// places than are looked at.
pub(super) fn frames(corners: &[Corner], bits: &Bits) -> (Vec<Frame>, bool) {
    let mut frames: Vec<Frame> = Vec::new();
    let mut is_more = false;
    for corner in corners {
        for (index, one) in corners.iter().enumerate() {
            for other in corners.iter().skip(index + 1) {
                let Some(frame) = frame(corner, one, other, bits) else { continue };
                if frames.iter().any(|known| frame.is_within(known)) {
                    continue;
                }
                frames.retain(|known| !known.is_within(&frame));
                if frames.len() < MOST_CODES {
                    frames.push(frame);
                } else {
                    is_more = true;
                }
            }
        }
    }
    (frames, is_more)
}

/// Around a code that has these corners, `corner` the one between the others; `None`: there is none.
fn frame(corner: &Corner, one: &Corner, other: &Corner, bits: &Bits) -> Option<Frame> {
    let smallest = corner.module.min(one.module).min(other.module);
    let largest = corner.module.max(one.module).max(other.module);
    if largest > smallest * 1.7 {
        return None;
    }
    let (a, b) = ((one.x - corner.x, one.y - corner.y), (other.x - corner.x, other.y - corner.y));
    let (long, short) = (a.0.hypot(a.1), b.0.hypot(b.1));
    let (long, short) = (long.max(short), long.min(short));
    let cosine = (a.0 * b.0 + a.1 * b.1) / (long * short);
    // The corners of the smallest code are 14 modules apart, those of the largest 170; seen at an angle.
    if short < smallest * 9.0 || long > largest * 260.0 || long > short * 1.6 || cosine.abs() > 0.5 {
        return None;
    }
    let fourth = (corner.x + a.0 + b.0, corner.y + a.1 + b.1);
    let all = [(corner.x, corner.y), (one.x, one.y), (other.x, other.y), fourth];
    // Half a corner, and the quiet zone; where it is seen at an angle, the fourth corner is farther off.
    let margin = largest * 9.0 + long * 0.15;
    let least = |pick: fn(&(f32, f32)) -> f32| all.iter().map(pick).fold(f32::MAX, f32::min) - margin;
    let most = |pick: fn(&(f32, f32)) -> f32| all.iter().map(pick).fold(0.0, f32::max) + margin;
    Some(Frame {
        left: place(least(|p| p.0)).min(bits.width),
        top: place(least(|p| p.1)).min(bits.height),
        right: place(most(|p| p.0)).min(bits.width),
        bottom: place(most(|p| p.1)).min(bits.height),
    })
}

/// A place in a picture; 0 for what lies before it.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and whole pixels are meant")]
const fn place(at: f32) -> usize {
    at as usize
}
